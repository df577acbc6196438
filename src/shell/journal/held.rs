//! What waits to be written: with a disk in order for a moment, with a full one
//! until space returns. Bounded.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::batch::{self, Line, MAX_LINES, Parcel, Tally};
use crate::core::event::{Event, Kind, Outcome};

/// Lines and numbers that are not on disk yet.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Oldest first.
    pub lines: VecDeque<Line>,
    /// By what the table `counters` has as its key.
    pub counters: HashMap<CounterKey, Tally>,
    /// Lines' events that were given up since they no longer fitted.
    pub lost: u64,
}

/// Key of a row of `counters`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct CounterKey {
    /// Days since 1970 (UTC).
    pub day: i64,
    /// What was done.
    pub outcome: Outcome,
    /// Key of the vendor; `None` if it is in no pack, or was let through.
    pub vendor: Option<Arc<str>>,
    /// Host, or address; `None` if it was let through, or there are too many.
    pub host: Option<String>,
    /// A connection; otherwise a question.
    pub connection: bool,
}

impl Held {
    /// Whether there is nothing to write.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.counters.is_empty()
    }

    /// Takes a parcel. If the lines no longer fit, the oldest go; their numbers stay.
    pub(super) fn add(&mut self, parcel: Parcel) {
        for line in parcel.lines {
            self.count(CounterKey::of(&line), line.tally);
            self.lines.push_back(line);
        }
        for (key, tally) in parcel.tallies {
            let batch::TallyKey { day, outcome, vendor, connection } = key;
            self.count(CounterKey { day, outcome, vendor, host: None, connection }, tally);
        }
        while self.lines.len() > MAX_HELD
            && let Some(line) = self.lines.pop_front()
        {
            self.lost += line.tally.count;
        }
    }

    /// Milliseconds since 1970 (UTC) of what was added last, or nearly.
    #[must_use]
    pub(super) fn newest_ms(&self) -> Option<i64> {
        let last = self.lines.back().map(|line| line.tally.last_ms);
        last.or_else(|| self.counters.values().map(|tally| tally.last_ms).max())
    }

    /// Events that have a line here.
    #[must_use]
    pub(super) fn events(&self) -> u64 {
        self.lines.iter().map(|line| line.tally.count).sum()
    }

    fn count(&mut self, mut key: CounterKey, tally: Tally) {
        if self.counters.len() >= MAX_COUNTERS && !self.counters.contains_key(&key) {
            key.host = None;
        }
        self.counters.entry(key).and_modify(|sum| sum.add(tally)).or_insert(tally);
    }
}

impl CounterKey {
    /// The column `kind`.
    #[must_use]
    pub(super) fn kind(&self) -> &'static str {
        if self.connection { "connection" } else { "query" }
    }

    fn of(line: &Line) -> Self {
        Self {
            day: line.day(),
            outcome: line.event.outcome,
            vendor: batch::vendor(&line.event).cloned(),
            host: host(&line.event),
            connection: matches!(line.event.kind, Kind::Connection { .. }),
        }
    }
}

fn host(event: &Event) -> Option<String> {
    match (event.outcome, &event.host, event.kind) {
        (Outcome::Blocked | Outcome::Watched, Some(host), _) => Some(host.as_str().into()),
        (Outcome::Blocked | Outcome::Watched, None, Kind::Connection { address, .. }) => {
            Some(address.to_string())
        }
        _ => None,
    }
}

/// Most lines that wait: two batches, so that one that could not be written does
/// not push out the next.
const MAX_HELD: usize = 2 * MAX_LINES;
/// Most numbers with a host of their own that wait.
const MAX_COUNTERS: usize = MAX_LINES;
