//! Clients that do not take no for an answer.
//!
//! Some programs connect again the moment they are reset, without end. Who is
//! refused the same host too often meets silence for a while: then their own
//! timeouts slow them down.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use super::table::Key;
use crate::core::flow::Member;
use crate::core::host::HostName;
use crate::core::time::Instant;

/// How often whom was refused what.
#[derive(Debug)]
pub(super) struct Storms {
    pairs: HashMap<Pair, Count, Key>,
    /// By age, so that the oldest can go.
    by_age: BTreeMap<u64, Pair>,
    next: u64,
    broke_out: u64,
}

/// How a flow is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Manner {
    /// It is told.
    Tell,
    /// It is not.
    Ignore,
}

/// What a client was refused.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) enum Subject {
    Host(HostName),
    Address(IpAddr),
}

type Pair = (Member, Subject);

#[derive(Debug)]
struct Count {
    since: Instant,
    refusals: u32,
    silent_until: Option<Instant>,
    age: u64,
}

impl Storms {
    pub(super) fn new(seed: u64) -> Self {
        let pairs = HashMap::with_hasher(Key(seed));
        Self { pairs, by_age: BTreeMap::new(), next: 0, broke_out: 0 }
    }

    /// Counts a refusal, and says how to go about it.
    pub(super) fn count(&mut self, now: Instant, member: Member, subject: Subject) -> Manner {
        let pair = (member, subject);
        if !self.pairs.contains_key(&pair) {
            self.add(now, pair.clone());
        }
        let Some(count) = self.pairs.get_mut(&pair) else { return Manner::Tell };
        if count.silent_until.is_some_and(|until| now < until) {
            return Manner::Ignore;
        }
        if count.silent_until.is_some() || now.since(count.since) >= WINDOW {
            (count.since, count.refusals, count.silent_until) = (now, 0, None);
        }
        count.refusals += 1;
        if count.refusals <= MOST {
            return Manner::Tell;
        }
        count.silent_until = Some(now + SILENCE);
        self.broke_out += 1;
        Manner::Ignore
    }

    /// How many there were.
    pub(super) fn broke_out(&self) -> u64 {
        self.broke_out
    }

    fn add(&mut self, now: Instant, pair: Pair) {
        if self.pairs.len() >= MAX_PAIRS
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.pairs.remove(&oldest);
        }
        self.next += 1;
        let count = Count { since: now, refusals: 0, silent_until: None, age: self.next };
        self.by_age.insert(count.age, pair.clone());
        self.pairs.insert(pair, count);
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.pairs.clear();
        self.by_age.clear();
    }
}

/// Most refusals that are told within [`WINDOW`]. A browser that loads a page tries
/// a blocked host some ten times.
const MOST: u32 = 30;

/// In what time refusals make a storm.
const WINDOW: Duration = Duration::from_mins(1);

/// How long nothing is told.
const SILENCE: Duration = Duration::from_mins(1);

/// Most pairs of a client and a host.
const MAX_PAIRS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thirty_first_within_a_minute_brings_a_minute_of_silence() {
        let mut storms = Storms::new(1);
        for n in 0..30 {
            assert_eq!(refuse(&mut storms, n, "ads.example"), Manner::Tell);
        }
        assert_eq!(refuse(&mut storms, 30, "ads.example"), Manner::Ignore);
        assert_eq!(refuse(&mut storms, 30, "other.example"), Manner::Tell);
        assert_eq!(refuse(&mut storms, 89, "ads.example"), Manner::Ignore);
        assert_eq!(refuse(&mut storms, 90, "ads.example"), Manner::Tell);
        assert_eq!(storms.broke_out(), 1);
    }

    #[test]
    fn thirty_in_each_minute_are_none() {
        let mut storms = Storms::new(1);
        for n in 0..300 {
            assert_eq!(refuse(&mut storms, n * 2, "ads.example"), Manner::Tell, "{n}");
        }
        assert_eq!(storms.broke_out(), 0);
    }

    #[test]
    fn however_many_names_there_are_the_oldest_goes() {
        let mut storms = Storms::new(1);
        for n in 0..5000 {
            refuse(&mut storms, 0, &format!("n{n}.example"));
            assert!(storms.pairs.len() <= MAX_PAIRS && storms.by_age.len() <= MAX_PAIRS);
        }
        assert_eq!(storms.pairs.len(), MAX_PAIRS);
    }

    fn refuse(storms: &mut Storms, second: u64, host: &str) -> Manner {
        let now = Instant::ZERO + Duration::from_secs(second);
        storms.count(now, Member::Host, Subject::Host(host.parse().unwrap()))
    }
}
