//! Events between two writes: equal ones share a line. Pure.
//!
//! The privacy level is applied here, before anything is kept. A line never
//! spans midnight (UTC), so that days add up.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use super::qtype;
use crate::config::Privacy;
use crate::core::event::{Event, Kind, Outcome, Traffic};
use crate::core::flow::Client;
use crate::request::{ClientLine, LogLine};

/// Events gathered since the last write. Bounded: see [`MAX_LINES`].
#[derive(Debug)]
pub(super) struct Batch {
    privacy: Privacy,
    /// In the order in which each was first seen.
    lines: Vec<Line>,
    /// Keyed hash of an event → its line.
    index: HashMap<u64, usize>,
    hasher: RandomState,
    tallies: HashMap<TallyKey, Tally>,
    lost: u64,
    day: i64,
    /// How many lines may still be begun.
    room: usize,
}

/// One line: equal events with their number.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// What happened.
    pub event: Event,
    /// Who asked.
    pub client: ClientLine,
    /// How often, and when.
    pub tally: Tally,
    /// What went over them, if they are flows that were looked into.
    pub traffic: Option<Traffic>,
    /// How many of them followers were told of, and how much traffic.
    told: (u64, Traffic),
}

/// A number of events and the time they span.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Tally {
    /// How many.
    pub count: u64,
    /// Milliseconds since 1970 (UTC) of the first.
    pub first_ms: i64,
    /// Of the last.
    pub last_ms: i64,
}

/// What events without a line are counted by.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct TallyKey {
    /// Days since 1970 (UTC).
    pub day: i64,
    /// What was done.
    pub outcome: Outcome,
    /// Key of the vendor, if it is kept.
    pub vendor: Option<Arc<str>>,
    /// A connection; otherwise a question.
    pub connection: bool,
}

/// What [`Batch::take`] takes out.
#[derive(Debug, Default)]
pub(super) struct Parcel {
    /// Lines, oldest first.
    pub lines: Vec<Line>,
    /// Numbers of events that have no line.
    pub tallies: Vec<(TallyKey, Tally)>,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Noted {
    /// It is the first of its kind: it began the line with this index.
    New(usize),
    /// It was counted.
    Counted,
    /// Nothing is kept of it.
    Ignored,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub(super) fn new(privacy: Privacy) -> Self {
        Self {
            privacy,
            lines: Vec::new(),
            index: HashMap::new(),
            hasher: RandomState::new(),
            tallies: HashMap::new(),
            lost: 0,
            day: 0,
            room: MAX_LINES,
        }
    }

    /// Takes an event that happened at `now_ms`. `client` is asked only for the
    /// first of equal events.
    pub(super) fn record(
        &mut self,
        now_ms: i64,
        event: &Event,
        traffic: Option<Traffic>,
        client: impl FnOnce() -> ClientLine,
    ) -> Noted {
        let now_ms = now_ms.clamp(0, MAX_MS);
        match (self.privacy, event.outcome) {
            (Privacy::Nothing, _) => return Noted::Ignored,
            (Privacy::Counters, _) => return self.count(now_ms, event, vendor(event)),
            (Privacy::Blocked, Outcome::Passed) => return self.count(now_ms, event, None),
            (Privacy::Everything | Privacy::Blocked, _) => {}
        }
        if self.day != day(now_ms) {
            self.day = day(now_ms);
            self.index.clear();
        }
        let mut hash =
            self.hasher.hash_one((event.kind, event.outcome, &event.host, &event.client));
        // The rule is left out of the hash, and two events may share a hash: the next number is theirs.
        while let Some(&at) = self.index.get(&hash) {
            let line = &mut self.lines[at];
            if line.event == *event {
                line.tally.add(Tally::once(now_ms));
                line.traffic = sum(line.traffic, traffic);
                return Noted::Counted;
            }
            hash = hash.wrapping_add(1);
        }
        let Some(room) = self.room.checked_sub(1) else {
            self.lost += 1;
            return self.count(now_ms, event, vendor(event));
        };
        self.room = room;
        let at = self.lines.len();
        self.index.insert(hash, at);
        self.lines.push(Line {
            event: event.clone(),
            client: client(),
            tally: Tally::once(now_ms),
            traffic,
            told: (0, Traffic::default()),
        });
        Noted::New(at)
    }

    fn count(&mut self, now_ms: i64, event: &Event, vendor: Option<&Arc<str>>) -> Noted {
        let once = Tally::once(now_ms);
        let key = TallyKey {
            day: day(now_ms),
            outcome: event.outcome,
            vendor: vendor.cloned(),
            connection: matches!(event.kind, Kind::Connection { .. }),
        };
        self.tallies.entry(key).and_modify(|tally| tally.add(once)).or_insert(once);
        Noted::Counted
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.tallies.is_empty()
    }

    /// Events so far that got no line because there was no room. They are counted.
    #[must_use]
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Sets the level for what comes from now on.
    pub(super) fn set_privacy(&mut self, privacy: Privacy) {
        self.privacy = privacy;
    }

    /// Takes everything out. `elapsed` is the time since it was last done: the
    /// room for lines comes back at [`LINES_A_SECOND`].
    pub(super) fn take(&mut self, elapsed: Duration) -> Parcel {
        let seconds = usize::try_from(elapsed.as_secs()).unwrap_or(usize::MAX);
        let back = seconds.saturating_mul(LINES_A_SECOND);
        self.room = self.room.saturating_add(back).min(MAX_LINES);
        self.index = HashMap::new();
        Parcel {
            lines: std::mem::take(&mut self.lines),
            tallies: std::mem::take(&mut self.tallies).into_iter().collect(),
        }
    }

    /// The line that has just begun, for followers.
    pub(super) fn tell(&mut self, at: usize) -> Option<LogLine> {
        self.lines.get_mut(at)?.rest()
    }

    /// What followers were not told of yet: for each line, the rest of its number.
    pub(super) fn tell_rest(&mut self) -> impl Iterator<Item = LogLine> {
        self.lines.iter_mut().filter_map(Line::rest)
    }
}

impl Line {
    /// Days since 1970 (UTC).
    #[must_use]
    pub(super) fn day(&self) -> i64 {
        day(self.tally.last_ms)
    }

    /// What followers were not told of yet, as people see it.
    fn rest(&mut self) -> Option<LogLine> {
        let (count, told) = self.told;
        let rest = self.tally.count - count;
        let traffic = self.traffic.map(|traffic| Traffic {
            bytes_up: traffic.bytes_up.saturating_sub(told.bytes_up),
            lasted: traffic.lasted.saturating_sub(told.lasted),
        });
        self.told = (self.tally.count, self.traffic.unwrap_or_default());
        (rest > 0).then(|| self.to_log(rest, traffic))
    }

    /// The line as people see it, with other numbers.
    fn to_log(&self, count: u64, traffic: Option<Traffic>) -> LogLine {
        let (query, connection) = match self.event.kind {
            Kind::Query { qtype } => (Some(qtype::name(qtype).into_owned()), None),
            Kind::Connection { protocol, port, address } => (None, Some((protocol, port, address))),
        };
        let (rule, via) = match &self.event.evidence {
            Some((rule, via)) => (Some(rule.as_ref().clone()), Some(via.clone())),
            None => (None, None),
        };
        LogLine {
            first_ms: self.tally.first_ms,
            last_ms: self.tally.last_ms,
            count,
            outcome: self.event.outcome,
            host: self.event.host.clone(),
            query,
            connection,
            client: self.client.clone(),
            rule,
            via,
            learnt: self.event.learnt,
            unnamed: self.event.unnamed,
            ech: self.event.ech,
            bytes_up: traffic.map(|traffic| traffic.bytes_up),
            ms: traffic.map(|traffic| millis(traffic.lasted)),
        }
    }
}

impl Tally {
    fn once(now_ms: i64) -> Self {
        Self { count: 1, first_ms: now_ms, last_ms: now_ms }
    }

    /// Adds another number. The clock may have been set back between the two.
    pub(super) fn add(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.first_ms = self.first_ms.min(other.first_ms);
        self.last_ms = self.last_ms.max(other.last_ms);
    }
}

/// Both together; `None` only if there is neither.
fn sum(one: Option<Traffic>, other: Option<Traffic>) -> Option<Traffic> {
    let (Some(one), Some(other)) = (one, other) else { return one.or(other) };
    Some(Traffic {
        bytes_up: one.bytes_up.saturating_add(other.bytes_up),
        lasted: one.lasted.saturating_add(other.lasted),
    })
}

/// Milliseconds, as the column has them.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What an event itself says of who asked.
#[must_use]
pub fn client_line(client: &Client) -> ClientLine {
    match client {
        Client::Host(None) => ClientLine::default(),
        Client::Host(Some(owner)) => ClientLine {
            uid: owner.uid,
            pid: owner.pid,
            program: owner.program.clone(),
            ..ClientLine::default()
        },
        Client::Device(address) => ClientLine { address: Some(*address), ..ClientLine::default() },
    }
}

/// Days since 1970 (UTC).
#[must_use]
pub(super) fn day(ms: i64) -> i64 {
    ms.div_euclid(DAY_MS)
}

/// Key of the vendor whose attempt this was: nobody's, if it was let through.
pub(super) fn vendor(event: &Event) -> Option<&Arc<str>> {
    let (rule, _) = event.evidence.as_ref().filter(|_| event.outcome != Outcome::Passed)?;
    rule.vendor.as_ref()
}

/// Milliseconds in a day, leap seconds left out as in Unix time.
pub(super) const DAY_MS: i64 = 86_400_000;
/// Most lines in a batch: some 6 MiB. Beyond, events are counted without a line.
pub(super) const MAX_LINES: usize = 16_384;
/// Lines a second that may be begun in the long run: a flood of names must not
/// wear out the flash. A home makes some 10.
pub(super) const LINES_A_SECOND: usize = 100;
const MAX_MS: i64 = 253_402_300_799_999; // the last moment of year 9999: later ones cannot be shown

#[cfg(test)]
mod tests {
    use super::super::tests::{connection, device, query, with_rule};
    use super::*;
    use crate::core::event::Learnt;
    use crate::core::sniff::Cause;

    fn batch(privacy: Privacy, events: &[(i64, Event)]) -> Batch {
        let mut batch = Batch::new(privacy);
        for (ms, event) in events {
            batch.record(*ms, event, None, || client_line(&event.client));
        }
        batch
    }

    #[test]
    fn a_million_equal_events_are_one_line_each_and_cheap() {
        let hosts: Vec<_> = (0..200)
            .map(|n| {
                let host = format!("telemetry-{n}.vendor.example");
                with_rule(query(&host, 1, Outcome::Blocked), "*.vendor.example", "vendor")
            })
            .collect();
        let mut batch = Batch::new(Privacy::Everything);
        let begin = std::time::Instant::now();
        for (n, event) in (0..1_000_000).zip(hosts.iter().cycle()) {
            batch.record(n / 100, event, None, || client_line(&event.client));
        }
        let each = begin.elapsed().as_nanos() / 1_000_000;
        println!("{each} ns an event");
        let parcel = batch.take(Duration::ZERO);
        assert_eq!(parcel.lines.len(), hosts.len());
        assert!(parcel.lines.iter().all(|line| line.tally.count == 5_000));
        assert_eq!(parcel.lines[0].tally.first_ms, 0);
        assert_eq!(parcel.lines[0].tally.last_ms, 9_998);
        assert!(each < 20_000, "{each} ns an event: is it still a hash and an increment?");
    }

    #[test]
    fn the_privacy_level_says_what_is_kept() {
        use Outcome::{Blocked, Passed, Watched};
        let blocked = with_rule(query("t.vendor.example", 1, Blocked), "t", "vendor");
        let watched = with_rule(connection("t.vendor.example", Watched), "t", "vendor");
        let passed = with_rule(query("www.example", 28, Passed), "allow", "vendor");
        let events = [(5, blocked), (6, watched), (7, passed)];
        // Level, outcomes with a line, outcomes and vendors that are only counted.
        for (privacy, lines, tallies) in [
            (Privacy::Everything, vec![Blocked, Watched, Passed], vec![]),
            (Privacy::Blocked, vec![Blocked, Watched], vec![(Passed, None)]),
            (
                Privacy::Counters,
                vec![],
                vec![(Blocked, Some("vendor")), (Watched, Some("vendor")), (Passed, None)],
            ),
            (Privacy::Nothing, vec![], vec![]),
        ] {
            let parcel = batch(privacy, &events).take(Duration::ZERO);
            let got: Vec<_> = parcel.lines.iter().map(|line| line.event.outcome).collect();
            assert_eq!(got, lines, "{privacy:?}");
            let mut got: Vec<_> = parcel
                .tallies
                .iter()
                .map(|(key, tally)| {
                    assert_eq!(tally.count, 1);
                    (key.outcome, key.vendor.as_deref())
                })
                .collect();
            got.sort();
            assert_eq!(got, tallies, "{privacy:?}");
            // What is left must not name anyone, whatever it is called.
            if lines.is_empty() {
                let text = format!("{parcel:?}");
                assert!(!text.contains("example") && !text.contains("192.0.2"), "{text}");
            }
        }
    }

    #[test]
    fn what_differs_in_anything_is_a_line_of_its_own() {
        let event = query("t.example", 1, Outcome::Blocked);
        let mut other_client = event.clone();
        other_client.client = device("192.0.2.77");
        let others = [
            event.clone(),
            query("t.example", 28, Outcome::Blocked),
            query("t.example", 1, Outcome::Watched),
            query("u.example", 1, Outcome::Blocked),
            with_rule(event.clone(), "rule", "vendor"),
            with_rule(event.clone(), "another rule", "vendor"),
            connection("t.example", Outcome::Blocked),
            Event { learnt: Some(Learnt::Tls), ..connection("t.example", Outcome::Blocked) },
            Event { learnt: Some(Learnt::Answer), ..connection("t.example", Outcome::Blocked) },
            Event { unnamed: Some(Cause::Silent), ..connection("t.example", Outcome::Blocked) },
            Event { ech: true, ..connection("t.example", Outcome::Blocked) },
            other_client,
        ];
        let twice: Vec<_> = others.iter().chain(&others).map(|event| (1, event.clone())).collect();
        let parcel = batch(Privacy::Everything, &twice).take(Duration::ZERO);
        let got: Vec<_> = parcel.lines.iter().map(|line| line.event.clone()).collect();
        assert_eq!(got, others);
        assert!(parcel.lines.iter().all(|line| line.tally.count == 2));
    }

    #[test]
    fn a_line_ends_at_midnight_and_survives_a_clock_that_is_set_back() {
        let event = query("t.example", 1, Outcome::Blocked);
        let times = [DAY_MS - 1, DAY_MS, DAY_MS + 5, DAY_MS + 2, 0, -7, i64::MAX, DAY_MS];
        let events = times.map(|ms| (ms, event.clone()));
        let parcel = batch(Privacy::Everything, &events).take(Duration::ZERO);
        let got: Vec<_> = parcel
            .lines
            .iter()
            .map(|line| (line.tally.count, line.tally.first_ms, line.tally.last_ms))
            .collect();
        let want = [
            (1, DAY_MS - 1, DAY_MS - 1),
            (3, DAY_MS, DAY_MS + 5),
            (2, 0, 0),
            (1, MAX_MS, MAX_MS),
            (1, DAY_MS, DAY_MS),
        ];
        assert_eq!(got, want);
    }

    #[test]
    fn names_without_end_get_no_lines_without_end_but_are_counted() {
        let mut batch = Batch::new(Privacy::Everything);
        let record = |batch: &mut Batch, from: usize, to: usize| {
            for n in from..to {
                let event = query(&format!("x{n}.flood.example"), 1, Outcome::Blocked);
                let event = with_rule(event, "*.flood.example", "vendor");
                batch.record(9, &event, None, ClientLine::default);
            }
        };
        record(&mut batch, 0, MAX_LINES + 100);
        assert_eq!(batch.lost(), 100);
        let parcel = batch.take(Duration::from_secs(5));
        assert_eq!(parcel.lines.len(), MAX_LINES);
        assert_eq!(parcel.tallies.len(), 1);
        assert_eq!(parcel.tallies[0].1.count, 100);

        // In the long run so many a second.
        record(&mut batch, 0, 10_000);
        assert_eq!(batch.take(Duration::from_hours(1)).lines.len(), 5 * LINES_A_SECOND);
        record(&mut batch, 0, 10_000);
        assert_eq!(batch.take(Duration::MAX).lines.len(), 10_000);
    }

    #[test]
    fn the_numbers_that_followers_are_told_add_up() {
        let event = connection("t.example", Outcome::Passed);
        let traffic = |bytes_up, ms| Some(Traffic { bytes_up, lasted: Duration::from_millis(ms) });
        let mut batch = batch(Privacy::Everything, &[]);
        batch.record(1, &event, traffic(517, 20), ClientLine::default);
        let first = batch.tell(0).unwrap();
        assert_eq!((first.count, first.bytes_up, first.ms), (1, Some(517), Some(20)));
        assert_eq!(batch.tell(1), None);
        batch.record(2, &event, traffic(600, 3), ClientLine::default);
        batch.record(3, &event, traffic(u64::MAX, 4), ClientLine::default);
        let rest: Vec<_> = batch.tell_rest().collect();
        assert_eq!((rest.len(), rest[0].count, rest[0].ms), (1, 2, Some(7)));
        assert_eq!(rest[0].bytes_up, Some(u64::MAX - 517), "full is full");
        assert_eq!(batch.tell_rest().count(), 0);
        let parcel = batch.take(Duration::ZERO);
        assert_eq!(parcel.lines.len(), 1, "traffic does not make a line of its own");
        assert_eq!(parcel.lines[0].traffic, traffic(u64::MAX, 27));
    }
}
