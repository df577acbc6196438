//! Which names our answers gave to whom for which address.
//!
//! A flow that does not say whom it wants is judged by these. So a name stays
//! somewhat longer than its answer may be used, for software uses answers longer
//! than it may; and where more names were given than are kept, none is told, for
//! then nobody knows that they all agree.
//!
//! A client fills its own share and pushes out its own oldest.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use super::random::HashKey;
use crate::core::flow::Client;
use crate::core::flow::Member;
use crate::core::host::HostName;
use crate::core::time::Instant;

/// The answers that were given. Bounded; allocates nothing for a name that it has.
#[derive(Debug)]
pub(super) struct Memory {
    pairs: Vec<Pair>,
    index: HashMap<Key, usize, HashKey>,
    /// All pairs.
    all: Order,
    /// Those of each client that has any.
    clients: HashMap<Member, Order, HashKey>,
    bounds: Bounds,
}

/// The most that is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Pairs of a client and an address.
    pub(super) pairs: usize,
    /// Of one client.
    pub(super) share: usize,
}

/// Who got an answer, and which address was in it.
type Key = (Member, IpAddr);

/// What a client was told of an address.
#[derive(Debug)]
struct Pair {
    key: Key,
    /// Each with the instant until which it is believed.
    names: Vec<(HostName, Instant)>,
    /// Until then there are more names than are kept.
    crowded: Option<Instant>,
    /// Its neighbours among all pairs, and among those of the client.
    among: [Neighbours; 2],
}

#[derive(Clone, Copy, Debug, Default)]
struct Neighbours {
    older: Option<usize>,
    newer: Option<usize>,
}

/// Pairs in the order in which they were last told of.
#[derive(Clone, Copy, Debug, Default)]
struct Order {
    oldest: Option<usize>,
    newest: Option<usize>,
    len: usize,
}

/// Which of a pair's neighbours.
#[derive(Clone, Copy)]
enum Among {
    All,
    Client,
}

impl Memory {
    /// Nothing yet.
    pub(super) fn new(key: HashKey, bounds: Bounds) -> Self {
        Self {
            pairs: Vec::new(),
            index: HashMap::with_hasher(key),
            all: Order::default(),
            clients: HashMap::with_hasher(key),
            bounds,
        }
    }

    /// Notes that `client` was told these addresses of `host`, each with the
    /// seconds for which it may use it.
    pub(super) fn note(
        &mut self,
        now: Instant,
        client: &Client,
        host: &HostName,
        given: impl Iterator<Item = (IpAddr, u32)>,
    ) {
        let member = Member::from(client);
        for (address, ttl) in given {
            let until = now + Duration::from_secs(ttl.clamp(MIN_TTL, MAX_TTL).into()) + GRACE;
            let at = self.find_or_add((member, address));
            if let Some(pair) = self.pairs.get_mut(at) {
                pair.note(now, host, until);
            }
        }
    }

    /// Tells the names that `client` was given for `address` and that may still be
    /// believed. None, if there are more than are kept.
    pub(super) fn visit(
        &self,
        now: Instant,
        client: &Client,
        address: IpAddr,
        found: &mut dyn FnMut(&HostName),
    ) {
        let pair = self.index.get(&(Member::from(client), address));
        let Some(pair) = pair.and_then(|&at| self.pairs.get(at)) else { return };
        if pair.crowded.is_some_and(|until| now < until) {
            return;
        }
        pair.names.iter().filter(|(_, until)| now < *until).for_each(|(name, _)| found(name));
    }

    /// Pairs of a client and an address that are kept.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// The place of a pair, which is the newest from now on.
    fn find_or_add(&mut self, key: Key) -> usize {
        let at = match self.index.get(&key) {
            Some(&at) => {
                self.unlink(at);
                at
            }
            None => self.add(key),
        };
        self.link(at);
        at
    }

    /// Makes a pair without names, which is in no order yet.
    fn add(&mut self, key: Key) -> usize {
        let own = self.clients.get(&key.0).copied().unwrap_or_default();
        let loser = if own.len >= self.bounds.share {
            own.oldest
        } else if self.index.len() >= self.bounds.pairs {
            self.all.oldest
        } else {
            None
        };
        let at = if let Some(at) = loser {
            self.unlink(at);
            if let Some(pair) = self.pairs.get_mut(at) {
                self.index.remove(&pair.key);
                pair.begin_anew(key);
            }
            at
        } else {
            self.pairs.push(Pair::new(key));
            self.pairs.len() - 1
        };
        self.index.insert(key, at);
        at
    }

    /// Puts a pair at the newest end of both its orders.
    fn link(&mut self, at: usize) {
        let Some(member) = self.pairs.get(at).map(|pair| pair.key.0) else { return };
        self.all.push(&mut self.pairs, at, Among::All);
        self.clients.entry(member).or_default().push(&mut self.pairs, at, Among::Client);
    }

    /// Takes a pair out of both its orders.
    fn unlink(&mut self, at: usize) {
        let Some(member) = self.pairs.get(at).map(|pair| pair.key.0) else { return };
        self.all.remove(&mut self.pairs, at, Among::All);
        let Some(own) = self.clients.get_mut(&member) else { return };
        own.remove(&mut self.pairs, at, Among::Client);
        if own.len == 0 {
            self.clients.remove(&member);
        }
    }
}

impl Pair {
    fn new(key: Key) -> Self {
        Self { key, names: Vec::with_capacity(1), crowded: None, among: Default::default() }
    }

    /// Forgets everything, but keeps its room.
    fn begin_anew(&mut self, key: Key) {
        self.names.clear();
        (self.key, self.crowded, self.among) = (key, None, Default::default());
    }

    fn note(&mut self, now: Instant, host: &HostName, until: Instant) {
        if let Some((_, known)) = self.names.iter_mut().find(|(name, _)| name == host) {
            *known = until.max(*known);
            return;
        }
        if self.names.len() >= MAX_NAMES {
            self.names.retain(|(_, until)| now < *until);
        }
        if self.names.len() < MAX_NAMES {
            self.names.push((host.clone(), until));
        } else {
            self.crowded = self.crowded.max(Some(until));
        }
    }
}

impl Order {
    fn push(&mut self, pairs: &mut [Pair], at: usize, among: Among) {
        let older = self.newest.replace(at);
        set(pairs, Some(at), among, |own| *own = Neighbours { older, newer: None });
        set(pairs, older, among, |other| other.newer = Some(at));
        self.oldest = self.oldest.or(Some(at));
        self.len += 1;
    }

    fn remove(&mut self, pairs: &mut [Pair], at: usize, among: Among) {
        let Some(pair) = pairs.get(at) else { return };
        let Neighbours { older, newer } = pair.among[among as usize];
        set(pairs, older, among, |other| other.newer = newer);
        set(pairs, newer, among, |other| other.older = older);
        if older.is_none() {
            self.oldest = newer;
        }
        if newer.is_none() {
            self.newest = older;
        }
        self.len = self.len.saturating_sub(1);
    }
}

fn set(pairs: &mut [Pair], at: Option<usize>, among: Among, to: impl FnOnce(&mut Neighbours)) {
    if let Some(pair) = at.and_then(|at| pairs.get_mut(at)) {
        to(&mut pair.among[among as usize]);
    }
}

impl Default for Bounds {
    /// Some 3 MB when all of it is in use. A phone that is used all day fills a
    /// quarter of its share.
    fn default() -> Self {
        Self { pairs: 8192, share: 1024 }
    }
}

/// Names of an address that are kept. Behind a content network there are
/// thousands; one that serves so many never condemns a flow.
const MAX_NAMES: usize = 8;

/// Seconds that every answer is believed at least: software keeps connections and
/// answers for longer than a server that says 0 would like.
const MIN_TTL: u32 = 60;

/// Seconds that an answer is believed at most, as long as one may be kept.
const MAX_TTL: u32 = 86_400;

/// What is added to the time that an answer may be used: many programs resolve
/// once and connect again and again.
const GRACE: Duration = Duration::from_mins(5);

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::super::random::Random;
    use super::*;

    fn memory(pairs: usize, share: usize) -> Memory {
        Memory::new(Random::new([7; 32]).hash_key(), Bounds { pairs, share })
    }

    fn device(n: u8) -> Client {
        Client::Device([192, 0, 2, n].into())
    }

    fn server(n: u32) -> IpAddr {
        Ipv4Addr::from_bits(0xcb00_7100 + n).into()
    }

    fn host(n: usize) -> HostName {
        format!("h{n}.example").parse().unwrap()
    }

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    fn names(memory: &Memory, now: Instant, client: &Client, address: IpAddr) -> Vec<String> {
        let mut names = Vec::new();
        memory.visit(now, client, address, &mut |name| names.push(name.as_str().to_owned()));
        names
    }

    #[test]
    fn a_name_is_known_to_the_client_that_was_told_and_for_as_long() {
        let mut memory = memory(10, 10);
        let given = [(server(1), 300), (server(2), 0), (server(3), u32::MAX)];
        memory.note(at(1000), &device(1), &host(1), given.into_iter());
        let until = |address, seconds: u64| {
            let known = |now| !names(&memory, now, &device(1), address).is_empty();
            let last = at(1000 + seconds + GRACE.as_secs());
            known(last - Duration::from_micros(1)) && !known(last)
        };
        assert!(until(server(1), 300));
        assert!(until(server(2), 60), "at least a minute");
        assert!(until(server(3), 86_400), "at most a day");
        assert!(names(&memory, at(1000), &device(2), server(1)).is_empty(), "another client");
        assert!(names(&memory, at(1000), &device(1), server(4)).is_empty(), "another address");
        assert_eq!(memory.len(), 3);
    }

    #[test]
    fn all_programs_of_this_host_are_one_client() {
        let mut memory = memory(10, 10);
        let owner = crate::core::flow::Owner { uid: Some(1000), ..Default::default() };
        let one = Client::Host(Some(owner));
        memory.note(at(0), &one, &host(1), [(server(1), 60)].into_iter());
        assert_eq!(names(&memory, at(1), &Client::Host(None), server(1)), ["h1.example"]);
        assert!(names(&memory, at(1), &device(1), server(1)).is_empty());
    }

    #[test]
    fn a_shorter_answer_does_not_shorten_a_longer_one() {
        let mut memory = memory(10, 10);
        for ttl in [3600, 60] {
            memory.note(at(0), &device(1), &host(1), [(server(1), ttl)].into_iter());
        }
        assert_eq!(names(&memory, at(3000), &device(1), server(1)), ["h1.example"]);
    }

    #[test]
    fn an_address_with_too_many_names_tells_none_until_there_is_room_again() {
        let mut memory = memory(10, 10);
        for n in 0..MAX_NAMES {
            memory.note(at(0), &device(1), &host(n), [(server(1), 600)].into_iter());
        }
        assert_eq!(names(&memory, at(1), &device(1), server(1)).len(), MAX_NAMES);
        memory.note(at(1), &device(1), &host(99), [(server(1), 700)].into_iter());
        assert!(names(&memory, at(2), &device(1), server(1)).is_empty());
        // One of those that are kept does not change that; time does.
        memory.note(at(2), &device(1), &host(0), [(server(1), 6000)].into_iter());
        let crowded = 1 + 700 + GRACE.as_secs();
        assert!(names(&memory, at(crowded - 1), &device(1), server(1)).is_empty());
        assert_eq!(names(&memory, at(crowded), &device(1), server(1)), ["h0.example"]);
        // And those that are no longer believed make room.
        memory.note(at(crowded), &device(1), &host(50), [(server(1), 60)].into_iter());
        assert_eq!(names(&memory, at(crowded), &device(1), server(1)).len(), 2);
    }

    #[test]
    fn a_client_that_asks_without_end_pushes_out_its_own_oldest() {
        let mut memory = memory(100, 10);
        memory.note(at(0), &device(2), &host(2), [(server(1), 86_400)].into_iter());
        for n in 0..10_000 {
            memory.note(at(n.into()), &device(1), &host(1), [(server(n), 86_400)].into_iter());
        }
        assert_eq!(memory.len(), 11);
        assert_eq!(memory.pairs.len(), 11, "no room is lost");
        assert_eq!(names(&memory, at(10_000), &device(2), server(1)), ["h2.example"]);
        for n in 9_985..10_000 {
            let known = !names(&memory, at(10_000), &device(1), server(n)).is_empty();
            assert_eq!(known, n >= 9_990, "{n}");
        }
    }

    #[test]
    fn clients_without_end_push_out_the_oldest_of_all() {
        let mut memory = memory(100, 10);
        for n in 0..=255 {
            memory.note(at(0), &device(n), &host(1), [(server(1), 60)].into_iter());
        }
        assert_eq!((memory.len(), memory.pairs.len(), memory.clients.len()), (100, 100, 100));
        for n in 0..=255 {
            let known = !names(&memory, at(1), &device(n), server(1)).is_empty();
            assert_eq!(known, n >= 156, "{n}");
        }
    }

    #[test]
    fn what_is_told_again_is_not_the_oldest() {
        let mut memory = memory(2, 2);
        for n in [1, 2, 1, 3] {
            memory.note(at(0), &device(1), &host(1), [(server(n), 60)].into_iter());
        }
        let known = [1, 2, 3].map(|n| !names(&memory, at(1), &device(1), server(n)).is_empty());
        assert_eq!(known, [true, false, true]);
    }

    /// The same, written without care for time and memory.
    #[derive(Default)]
    struct Naive {
        pairs: Vec<(Key, BTreeMap<String, Instant>)>,
    }

    impl Naive {
        fn note(&mut self, key: Key, bounds: Bounds, name: &str, until: Instant) {
            let old = self.pairs.iter().position(|(other, _)| *other == key);
            let mut pair = old.map_or_else(|| (key, BTreeMap::new()), |at| self.pairs.remove(at));
            if old.is_none() {
                let own = self.pairs.iter().filter(|(other, _)| other.0 == key.0).count();
                let of_client = |(other, _): &(Key, _)| other.0 == key.0;
                if own >= bounds.share {
                    let at = self.pairs.iter().position(of_client).unwrap();
                    self.pairs.remove(at);
                } else if self.pairs.len() >= bounds.pairs {
                    self.pairs.remove(0);
                }
            }
            let known = pair.1.entry(name.into()).or_insert(until);
            *known = until.max(*known);
            self.pairs.push(pair);
        }

        fn names(&self, now: Instant, key: Key) -> Vec<String> {
            let pair = self.pairs.iter().find(|(other, _)| *other == key);
            let names = pair.into_iter().flat_map(|(_, names)| names);
            names.filter(|(_, until)| now < **until).map(|(name, _)| name.clone()).collect()
        }
    }

    proptest! {
        #[test]
        fn it_knows_what_a_naive_memory_knows(
            script in prop::collection::vec((0..5u8, 0..8u32, 0..6usize, 0..2000u32, 0..50u64), 1..200),
        ) {
            let bounds = Bounds { pairs: 12, share: 4 };
            let (mut memory, mut naive) = (memory(bounds.pairs, bounds.share), Naive::default());
            let mut now = 0;
            for (client, address, name, ttl, pause) in script {
                now += pause;
                let client = device(client);
                let key = (Member::from(&client), server(address));
                memory.note(at(now), &client, &host(name), [(key.1, ttl)].into_iter());
                let until = at(now + u64::from(ttl.max(MIN_TTL))) + GRACE;
                naive.note(key, bounds, host(name).as_str(), until);
                for address in 0..8 {
                    let mut got = names(&memory, at(now), &client, server(address));
                    got.sort();
                    prop_assert_eq!(got, naive.names(at(now), (key.0, server(address))));
                }
                prop_assert_eq!(memory.len(), naive.pairs.len());
            }
        }
    }
}
