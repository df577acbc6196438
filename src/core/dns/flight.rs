//! Questions under way to upstreams.
//!
//! Equal questions are one flight, however many ask: asking twice at a time is
//! what lets a forger win (RFC 5452 §5). A flight makes several tries, each
//! from a socket and with an id of its own; the first right answer ends it, and
//! so does its deadline. So each asker gets one answer, and gets it in time.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::op::ResponseCode;

use super::answer::{self, Answer, Expected};
use super::ask::Key;
use super::random::{HashKey, Random};
use super::reply::{ExtendedError, NETWORK_ERROR, NO_REACHABLE_AUTHORITY};
use super::share::{Full, Shares};
use super::upstream::{Route, Upstreams};
use super::waiting::Waiting;
use super::{AskId, Out, Transport};
use crate::core::flow::Member;
use crate::core::time::Instant;

/// All flights.
#[derive(Debug)]
pub(super) struct Flights {
    by_id: BTreeMap<u64, Flight>,
    by_question: HashMap<Key, u64, HashKey>,
    by_ask: BTreeMap<AskId, u64>,
    /// INVARIANT: holds `(flight.wake, id)` of each flight.
    wakes: BTreeSet<(Instant, u64)>,
    shares: Shares,
    next_flight: u64,
    next_ask: u64,
    mixes_case: bool,
    random: Random,
    pub(super) upstreams: Upstreams,
}

#[derive(Debug)]
struct Flight {
    key: Key,
    /// Whose share it is.
    client: Member,
    waiting: Vec<Waiting>,
    tries: Vec<Try>,
    /// Tries by the clock so far.
    rounds: usize,
    began: Instant,
    /// When to do something next, if nothing comes.
    wake: Instant,
    /// Whether an upstream showed that it does not know EDNS.
    plain: bool,
    /// The last failure that an upstream told.
    told: Option<Failure>,
}

/// One question sent to one upstream.
#[derive(Debug)]
struct Try {
    ask: AskId,
    upstream: SocketAddr,
    transport: Transport,
    expected: Expected,
    /// Whether an answer may still come.
    open: bool,
    /// Whether it was counted as missed.
    missed: bool,
}

/// A flight that ended.
#[derive(Debug)]
pub(super) enum Landed {
    /// With an answer.
    Answered(Vec<Waiting>, Box<Answer>),
    /// In vain.
    Failed(Failed),
}

/// A flight that ended in vain.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) waiting: Vec<Waiting>,
    pub(super) failure: Failure,
}

/// What to say when nobody answers.
pub(super) type Failure = (ResponseCode, ExtendedError);

impl Flights {
    pub(super) fn new(mixes_case: bool, mut random: Random) -> Self {
        Self {
            by_id: BTreeMap::new(),
            by_question: HashMap::with_hasher(random.hash_key()),
            by_ask: BTreeMap::new(),
            wakes: BTreeSet::new(),
            shares: Shares::new(random.hash_key()),
            next_flight: 0,
            next_ask: 0,
            mixes_case,
            random,
            upstreams: Upstreams::default(),
        }
    }

    /// Lets a question wait with an equal one, or sends it on its way.
    ///
    /// # Errors
    ///
    /// [`Full`] if there are too many already, in all or of this client.
    pub(super) fn join(
        &mut self,
        now: Instant,
        route: Route,
        waiting: Waiting,
        out: &mut VecDeque<Out>,
    ) -> Result<(), Full> {
        let client = Member::from(&waiting.asker.client);
        let key = Key::new(&waiting.question(), route);
        let flight = self.by_question.get(&key).and_then(|id| self.by_id.get_mut(id));
        self.shares.take(client, flight.is_none())?;
        match flight {
            Some(flight) => flight.waiting.push(waiting),
            None => self.start(now, key, client, waiting, out),
        }
        Ok(())
    }

    fn start(
        &mut self,
        now: Instant,
        key: Key,
        client: Member,
        waiting: Waiting,
        out: &mut VecDeque<Out>,
    ) {
        let id = self.next_flight;
        self.next_flight += 1;
        let (wake, route) = (now + ROUNDS[0], key.route);
        let flight = Flight {
            key: key.clone(),
            client,
            waiting: vec![waiting],
            tries: Vec::new(),
            rounds: 1,
            began: now,
            wake,
            plain: false,
            told: None,
        };
        self.by_question.insert(key, id);
        self.wakes.insert((wake, id));
        self.by_id.insert(id, flight);
        let probe = self.upstreams.probe(now, route);
        self.send_next(id, out);
        if let Some(probe) = probe {
            self.send(id, probe, Transport::Udp, out);
        }
    }

    /// Sends a try to the next upstream.
    fn send_next(&mut self, id: u64, out: &mut VecDeque<Out>) {
        let Some(flight) = self.by_id.get(&id) else { return };
        let tried: Vec<_> = flight.tries.iter().map(|one| one.upstream).collect();
        if let Some(upstream) = self.upstreams.next(flight.key.route, &tried) {
            self.send(id, upstream, Transport::Udp, out);
        }
    }

    fn send(
        &mut self,
        id: u64,
        upstream: SocketAddr,
        transport: Transport,
        out: &mut VecDeque<Out>,
    ) {
        let Some(flight) = self.by_id.get_mut(&id) else { return };
        if flight.tries.len() >= MAX_TRIES {
            return;
        }
        let edns = self.upstreams.knows_edns(upstream) && !flight.plain;
        let over_udp = transport == Transport::Udp; // TCP cannot be forged so easily
        let mixed = self.mixes_case && over_udp && self.upstreams.keeps_case(upstream);
        let composed = flight.key.compose(&mut self.random, edns, mixed);
        let Some((message, expected)) = composed else { return };
        let ask = AskId(self.next_ask);
        self.next_ask += 1;
        self.by_ask.insert(ask, id);
        flight.tries.push(Try { ask, upstream, transport, expected, open: true, missed: false });
        out.push_back(Out::Ask { ask, upstream, transport, message });
    }

    /// Takes a message from an upstream. What is not awaited is not looked at.
    pub(super) fn handle_answer(
        &mut self,
        now: Instant,
        ask: AskId,
        message: &[u8],
        out: &mut VecDeque<Out>,
    ) -> Option<Landed> {
        let &id = self.by_ask.get(&ask)?;
        let one = self.by_id.get(&id)?.tries.iter().find(|one| one.ask == ask)?;
        let (upstream, transport) = (one.upstream, one.transport);
        let read = answer::read(message, &one.expected);
        if !matches!(read, answer::Read::NotOurs) {
            self.upstreams.answered(upstream);
        }
        match read {
            answer::Read::NotOurs => self.ask_by_tcp(now, id, upstream, transport, out),
            answer::Read::OtherCase => {
                self.upstreams.mangled(upstream);
                self.ask_by_tcp(now, id, upstream, transport, out);
            }
            answer::Read::Truncated if transport == Transport::Udp => {
                self.close(ask, out);
                self.ask_by_tcp(now, id, upstream, transport, out);
            }
            answer::Read::WithoutEdns => {
                self.close(ask, out);
                self.upstreams.without_edns(upstream);
                return self.ask_again(id, upstream, transport, out).map(Landed::Failed);
            }
            answer::Read::Truncated | answer::Read::Malformed => {
                let told = (ResponseCode::ServFail, None);
                return self.give_up(id, ask, told, out).map(Landed::Failed);
            }
            answer::Read::Failed(code, why) => {
                return self.give_up(id, ask, (code, why), out).map(Landed::Failed);
            }
            answer::Read::Answer(answer) => {
                let flight = self.end(id, out)?;
                return Some(Landed::Answered(flight.waiting, answer));
            }
        }
        None
    }

    /// Takes the news that an upstream cannot be reached.
    pub(super) fn handle_failure(
        &mut self,
        now: Instant,
        ask: AskId,
        out: &mut VecDeque<Out>,
    ) -> Option<Failed> {
        let id = self.by_ask.remove(&ask)?;
        let flight = self.by_id.get_mut(&id)?;
        let one = flight.tries.iter_mut().find(|one| one.ask == ask)?;
        one.open = false;
        let (upstream, transport) = (one.upstream, one.transport);
        if transport == Transport::Udp {
            self.upstreams.failed(now, upstream); // a server may do without TCP and be well
        }
        self.try_another(id, out);
        let flight = self.by_id.get(&id)?;
        if flight.is_open() || flight.rounds < ROUNDS.len() {
            return None;
        }
        self.fail(id, out)
    }

    /// Takes the passing of time.
    pub(super) fn handle_timeout(&mut self, now: Instant, out: &mut VecDeque<Out>) -> Vec<Failed> {
        let mut landed = Vec::new();
        while let Some(&(wake, id)) = self.wakes.first()
            && wake <= now
        {
            landed.extend(self.wake(now, id, out));
        }
        landed
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.wakes.first().map(|&(wake, _)| wake)
    }

    /// Replaces the upstreams. Questions to those that are gone are put to
    /// those that came.
    pub(super) fn set_upstreams(
        &mut self,
        now: Instant,
        addresses: &[SocketAddr],
        out: &mut VecDeque<Out>,
    ) {
        self.upstreams.set(addresses);
        let ids: Vec<u64> = self.by_id.keys().copied().collect();
        for id in ids {
            let Some(flight) = self.by_id.get_mut(&id) else { continue };
            if matches!(flight.key.route, Route::Asked(_)) {
                continue;
            }
            let upstreams = &self.upstreams;
            let (kept, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut flight.tries)
                .into_iter()
                .partition(|one| upstreams.contains(one.upstream));
            flight.tries = kept;
            for one in gone.iter().filter(|one| one.open) {
                self.by_ask.remove(&one.ask);
                out.push_back(Out::Forget { ask: one.ask });
            }
            if !flight.is_open() {
                // Begin again, but not for longer than the asker waits.
                flight.rounds = flight.rounds.min(2);
                self.sleep(id, now);
            }
        }
    }

    /// The instant of a flight has come: try on, or end it.
    fn wake(&mut self, now: Instant, id: u64, out: &mut VecDeque<Out>) -> Option<Failed> {
        let flight = self.by_id.get_mut(&id).expect("whose wake is listed");
        for one in flight.tries.iter_mut().filter(|one| one.open && !one.missed) {
            one.missed = true;
            self.upstreams.missed(now, one.upstream);
        }
        let is_late = flight.began + LAST <= now;
        if is_late || (flight.rounds >= ROUNDS.len() && !flight.is_open()) {
            return self.fail(id, out);
        }
        let last = flight.began + LAST;
        let next = ROUNDS.get(flight.rounds).map_or(last, |pause| (now + *pause).min(last));
        let goes_on = flight.rounds < ROUNDS.len();
        flight.rounds += 1;
        self.sleep(id, next);
        if goes_on {
            self.send_next(id, out);
        }
        None
    }

    /// Sets when a flight wakes.
    fn sleep(&mut self, id: u64, until: Instant) {
        if let Some(flight) = self.by_id.get_mut(&id) {
            self.wakes.remove(&(flight.wake, id));
            flight.wake = until;
            self.wakes.insert((until, id));
        }
    }

    /// Asks by TCP, once for each upstream: after truncation, and when somebody
    /// seems to forge answers. The datagram that is awaited may still come.
    fn ask_by_tcp(
        &mut self,
        now: Instant,
        id: u64,
        upstream: SocketAddr,
        transport: Transport,
        out: &mut VecDeque<Out>,
    ) {
        let Some(flight) = self.by_id.get(&id) else { return };
        let is_done = |one: &Try| one.upstream == upstream && one.transport == Transport::Tcp;
        if transport == Transport::Tcp || flight.tries.iter().any(is_done) {
            return;
        }
        let last = flight.began + LAST;
        self.send(id, upstream, Transport::Tcp, out);
        self.sleep(id, (now + TCP_PATIENCE).min(last));
    }

    /// Asks the same upstream again, now that its ways are known.
    fn ask_again(
        &mut self,
        id: u64,
        upstream: SocketAddr,
        transport: Transport,
        out: &mut VecDeque<Out>,
    ) -> Option<Failed> {
        self.by_id.get_mut(&id)?.plain = true;
        self.send(id, upstream, transport, out);
        let flight = self.by_id.get(&id)?;
        if flight.is_open() { None } else { self.fail(id, out) }
    }

    /// An upstream cannot tell; another might.
    fn give_up(
        &mut self,
        id: u64,
        ask: AskId,
        told: Failure,
        out: &mut VecDeque<Out>,
    ) -> Option<Failed> {
        self.close(ask, out);
        self.by_id.get_mut(&id)?.told = Some(told);
        self.try_another(id, out);
        let flight = self.by_id.get(&id)?;
        if flight.is_open() { None } else { self.fail(id, out) }
    }

    /// Asks an upstream that was not asked yet, if there is one.
    fn try_another(&mut self, id: u64, out: &mut VecDeque<Out>) {
        let Some(flight) = self.by_id.get(&id) else { return };
        let tried: Vec<_> = flight.tries.iter().map(|one| one.upstream).collect();
        if let Some(next) = self.upstreams.next(flight.key.route, &tried)
            && !tried.contains(&next)
        {
            self.send(id, next, Transport::Udp, out);
        }
    }

    /// Nothing more is awaited from this try.
    fn close(&mut self, ask: AskId, out: &mut VecDeque<Out>) {
        let Some(id) = self.by_ask.remove(&ask) else { return };
        let flight = self.by_id.get_mut(&id);
        if let Some(one) = flight.and_then(|f| f.tries.iter_mut().find(|one| one.ask == ask)) {
            one.open = false;
        }
        out.push_back(Out::Forget { ask });
    }

    /// Ends a flight in vain.
    fn fail(&mut self, id: u64, out: &mut VecDeque<Out>) -> Option<Failed> {
        let flight = self.end(id, out)?;
        let failure = flight.failure();
        Some(Failed { waiting: flight.waiting, failure })
    }

    /// Ends a flight, and forgets all that was under way for it.
    fn end(&mut self, id: u64, out: &mut VecDeque<Out>) -> Option<Flight> {
        let flight = self.by_id.remove(&id)?;
        self.wakes.remove(&(flight.wake, id));
        self.by_question.remove(&flight.key);
        for one in flight.tries.iter().filter(|one| one.open) {
            self.by_ask.remove(&one.ask);
            out.push_back(Out::Forget { ask: one.ask });
        }
        self.shares.give_back_flight(flight.client);
        for waiting in &flight.waiting {
            self.shares.give_back_place(Member::from(&waiting.asker.client));
        }
        Some(flight)
    }
}

impl Flight {
    fn is_open(&self) -> bool {
        self.tries.iter().any(|one| one.open)
    }

    /// What to say when it all was in vain.
    fn failure(&self) -> Failure {
        let why = if self.tries.is_empty() { NETWORK_ERROR } else { NO_REACHABLE_AUTHORITY };
        match self.told {
            // That an upstream did not understand us is nothing to the client.
            Some((ResponseCode::FormErr, why)) => (ResponseCode::ServFail, why),
            Some(told) => told,
            None => (ResponseCode::ServFail, Some(why)),
        }
    }
}

/// Pauses after the first try and those that follow. Five tries in 4.8 s: where
/// one packet in five is lost each way, four of them reach 98 % and five 99 %.
const ROUNDS: [Duration; 5] = [
    Duration::from_millis(400),
    Duration::from_millis(600),
    Duration::from_millis(900),
    Duration::from_millis(1100),
    Duration::from_millis(1800),
];

/// When a flight ends at the latest: before a stub resolver's 5 s are over
/// (resolv.conf(5), `timeout`), so that the client learns of the failure.
const LAST: Duration = Duration::from_millis(4800);

/// How long TCP may take before another upstream is asked beside it: a
/// handshake and an answer are two round trips.
const TCP_PATIENCE: Duration = Duration::from_millis(800);

/// Most messages that one flight sends.
const MAX_TRIES: usize = 12;
