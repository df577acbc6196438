//! When a list is due.
//!
//! Pure: times are handed in. Nothing here wakes a device that sleeps; who is
//! awake asks whether something is due.

use std::collections::HashMap;
use std::time::Duration;

use super::record::Record;
use super::source::ListId;
use crate::core::time::Instant;

/// Knows when each list was tried since the daemon began, by a clock that nobody
/// sets. The time of day may be wrong by years until the network is there.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    seed: u64,
    tried: HashMap<ListId, Instant>,
}

impl Schedule {
    /// A schedule whose `seed` makes it unlike that of other devices, so that they
    /// do not all come at the same second.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, tried: HashMap::new() }
    }

    /// Notes that a list was tried just now.
    pub fn tried(&mut self, id: &ListId, now: Instant) {
        self.tried.insert(id.clone(), now);
    }

    /// How long until this list is due; zero if it is. `wall` is the time of day
    /// in seconds since 1970 (UTC).
    #[must_use]
    pub fn wait(&self, record: &Record, now: Instant, wall: i64) -> Duration {
        let pause = self.pause(record);
        if let Some(tried) = self.tried.get(&record.source.id) {
            return pause.saturating_sub(now.since(*tried));
        }
        match record.tried {
            // A try in the future: the clock was wrong then, or is wrong now.
            Some(tried) if tried <= wall => {
                let passed = u64::try_from(wall.saturating_sub(tried)).unwrap_or_default();
                pause.saturating_sub(Duration::from_secs(passed))
            }
            _ => Duration::ZERO,
        }
    }

    /// How long until the first of these lists is due; `None` if there is none.
    #[must_use]
    pub fn next_due<'a>(
        &self,
        records: impl IntoIterator<Item = &'a Record>,
        now: Instant,
        wall: i64,
    ) -> Option<Duration> {
        records.into_iter().map(|record| self.wait(record, now, wall)).min()
    }

    /// How long to wait after the last try: as long as is asked for, less a little
    /// that is different for each device, list and time. After failures, five
    /// minutes, doubled with each.
    fn pause(&self, record: &Record) -> Duration {
        let every = record.source.every.max(SHORTEST);
        let whole = match record.failures {
            0 => every,
            failures => {
                let doubled = FIRST_RETRY.checked_shl(failures - 1).filter(|_| failures < 32);
                doubled.map_or(every, |pause| pause.min(every))
            }
        };
        let tried = u64::from_ne_bytes(record.tried.unwrap_or_default().to_ne_bytes());
        let id = record
            .source
            .id
            .as_str()
            .bytes()
            .fold(self.seed, |sum, byte| mix(sum ^ u64::from(byte)));
        // Earlier and never later: who asks for a day gets a day.
        let less = mix(id ^ tried) % (whole / JITTER + 1);
        Duration::from_secs(whole - less)
    }
}

/// Spreads every bit over all (the finisher of splitmix64).
fn mix(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

const FIRST_RETRY: u64 = 5 * 60; // seconds
const SHORTEST: u64 = 5 * 60; // seconds between two updates, whatever is asked for
const JITTER: u64 = 10; // up to so many parts of the time is left off

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::subscriptions::Source;

    fn record(tried: Option<i64>, failures: u32) -> Record {
        let source = Source {
            id: "a".parse().unwrap(),
            url: "https://a.example/".into(),
            name: "A".into(),
            every: DAY,
            sha256: None,
            minisign: Vec::new(),
            allow_private: false,
        };
        Record { tried, failures, ..Record::new(source) }
    }

    fn hours(wait: Duration) -> f64 {
        wait.as_secs_f64() / 3600.0
    }

    const DAY: u64 = 24 * 3600;
    const NOW: i64 = 1_800_000_000;
    const BOOT: Instant = Instant::ZERO;

    #[test]
    fn a_list_that_was_never_tried_is_due() {
        assert_eq!(Schedule::new(1).wait(&record(None, 0), BOOT, NOW), Duration::ZERO);
    }

    #[test]
    fn a_list_is_due_a_day_after_its_last_try_or_a_little_earlier() {
        let schedule = Schedule::new(1);
        let wait = hours(schedule.wait(&record(Some(NOW), 0), BOOT, NOW));
        assert!((21.6..=24.0).contains(&wait), "{wait}");
        let later = record(Some(NOW - 86_400), 0);
        assert_eq!(schedule.wait(&later, BOOT, NOW), Duration::ZERO);
    }

    #[test]
    fn devices_do_not_come_at_the_same_second() {
        let wait = |seed| Schedule::new(seed).wait(&record(Some(NOW), 0), BOOT, NOW);
        let mut waits: Vec<Duration> = (0..1000).map(wait).collect();
        waits.sort();
        waits.dedup();
        assert!(waits.len() > 900, "{}", waits.len());
        assert!(hours(*waits.last().unwrap()) - hours(waits[0]) > 2.0);
    }

    #[test]
    fn failures_wait_five_minutes_and_double_up_to_the_usual_time() {
        let schedule = Schedule::new(7);
        let mut before = Duration::ZERO;
        for failures in 1..=9 {
            let wait = schedule.wait(&record(Some(NOW), failures), BOOT, NOW);
            let whole = 300 << (failures - 1);
            assert!(wait.as_secs() <= whole && wait.as_secs() * 10 >= whole * 9, "{wait:?}");
            assert!(wait > before);
            before = wait;
        }
        for failures in [10, 31, 32, 33, 64, 65, u32::MAX] {
            let wait = hours(schedule.wait(&record(Some(NOW), failures), BOOT, NOW));
            assert!((21.6..=24.0).contains(&wait), "{failures}: {wait}");
        }
    }

    #[test]
    fn a_clock_that_was_ahead_does_not_stop_updates() {
        let ahead = record(Some(NOW + 20 * 365 * 86_400), 0);
        assert_eq!(Schedule::new(1).wait(&ahead, BOOT, NOW), Duration::ZERO);
    }

    #[test]
    fn a_clock_that_jumps_does_not_make_updates_come_at_once() {
        let mut schedule = Schedule::new(1);
        let id = "a".parse().unwrap();
        schedule.tried(&id, BOOT);
        // It was tried in 1970, failed, and then the clock was set.
        for wall in [0, NOW, 2 * NOW, -NOW] {
            let wait = schedule.wait(&record(Some(3), 1), BOOT + Duration::from_mins(1), wall);
            assert!((210..=240).contains(&wait.as_secs()), "{wall}: {wait:?}");
        }
        // And a clock that stands still does not hold them back.
        let later = BOOT + Duration::from_secs(DAY);
        assert_eq!(schedule.wait(&record(Some(NOW), 0), later, NOW), Duration::ZERO);
    }

    #[test]
    fn the_first_of_several_counts() {
        let schedule = Schedule::new(1);
        let lists = [record(Some(NOW), 0), record(Some(NOW - 86_000), 0)];
        assert_eq!(schedule.next_due(&lists, BOOT, NOW), Some(Duration::ZERO));
        assert_eq!(schedule.next_due(&[], BOOT, NOW), None);
    }

    #[test]
    fn nobody_is_asked_every_second_by_mistake() {
        let mut often = record(Some(NOW), 0);
        often.source.every = 0;
        assert!(Schedule::new(1).wait(&often, BOOT, NOW) >= Duration::from_secs(270));
    }
}
