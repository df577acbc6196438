//! Which schedules hold now, and until when.
//!
//! A schedule is about the clock on the wall. So where clocks are set forward or
//! back it begins and ends when that clock says so: a time that comes twice is
//! met twice, one that is left out is not met.

use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::config::Schedule;

/// Schedules with their names.
#[derive(Debug)]
pub struct Schedules<'a> {
    all: Vec<(&'a str, &'a Schedule)>,
    zone: TimeZone,
}

impl<'a> Schedules<'a> {
    /// These, by the clock of this zone.
    pub fn new(all: impl IntoIterator<Item = (&'a str, &'a Schedule)>, zone: TimeZone) -> Self {
        Self { all: all.into_iter().collect(), zone }
    }

    /// The names of those that hold.
    pub fn active(&self, now: Timestamp) -> impl Iterator<Item = &'a str> {
        let time = self.zone.to_datetime(now);
        // Both fit: a day has 1440 minutes.
        let day = u8::try_from(time.weekday().to_monday_zero_offset()).unwrap_or_default();
        let minute = u16::try_from(i32::from(time.hour()) * 60 + i32::from(time.minute()));
        let minute = minute.unwrap_or_default();
        self.all.iter().filter(move |(_, it)| it.holds(day, minute)).map(|(name, _)| *name)
    }

    /// How long what holds now will hold; `None` if for more than a week, which
    /// is for ever.
    #[must_use]
    pub fn until_change(&self, now: Timestamp) -> Option<Duration> {
        let is_other = |at: &Timestamp| !self.active(*at).eq(self.active(now));
        let then = self.edges(now).into_iter().find(is_other)?;
        Some(Duration::try_from(then.duration_since(now)).unwrap_or_default())
    }

    /// The moments after `now` at which anything may begin or end, in order.
    fn edges(&self, now: Timestamp) -> Vec<Timestamp> {
        let today = self.zone.to_datetime(now).date();
        let minutes: Vec<_> = self.all.iter().flat_map(|(_, it)| it.edges()).collect();
        let mut edges = Vec::new();
        for day in 0..=DAYS {
            let Ok(date) = today.checked_add(day.days()) else { break };
            for minute in &minutes {
                let hour = i8::try_from(minute / 60).unwrap_or_default();
                let minute = i8::try_from(minute % 60).unwrap_or_default();
                let Ok(time) = Time::new(hour, minute, 0, 0) else { continue };
                let at = self.zone.to_ambiguous_timestamp(date.to_datetime(time));
                edges.extend(at.earlier());
                edges.extend(at.later());
            }
        }
        let last = edges.iter().copied().max().unwrap_or(now);
        let set = self.zone.following(now).map(|change| change.timestamp());
        edges.extend(set.take_while(|at| *at <= last));
        edges.retain(|at| *at > now);
        edges.sort_unstable();
        edges
    }
}

/// Days in which everything that a week knows has come once.
const DAYS: i64 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    /// A zone whose clocks are set forward at 02:00 on 29 March 2026, and back
    /// at 03:00 on 25 October 2026.
    fn zone() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    /// What holds at this moment (UTC), and the local time at which that changes.
    fn at(schedule: &[&str], now: &str) -> (bool, Option<String>) {
        let schedule = Schedule::parse(schedule.iter().copied()).unwrap();
        let schedules = Schedules::new([("it", &schedule)], zone());
        let now: Timestamp = now.parse().unwrap();
        let then = schedules.until_change(now).map(|left| {
            let then = now.checked_add(left).unwrap();
            zone().to_datetime(then).strftime("%b %d %H:%M").to_string()
        });
        (schedules.active(now).count() == 1, then)
    }

    /// One row, one test: `name: [schedule], moment => holds, until`.
    macro_rules! moments {
        ($($name:ident: [$($text:literal),*], $now:literal => $holds:literal, $until:expr;)*) => {
            $(#[test] fn $name() {
                let until: Option<&str> = $until;
                assert_eq!(at(&[$($text),*], $now), ($holds, until.map(Into::into)));
            })*
        };
    }

    moments! {
        before: ["mon-fri 21:00-07:00"], "2026-11-23T19:30:00Z" => false, Some("Nov 23 21:00");
        within: ["mon-fri 21:00-07:00"], "2026-11-23T20:00:00Z" => true, Some("Nov 24 07:00");
        after_midnight: ["mon-fri 21:00-07:00"], "2026-11-24T01:00:00Z" => true, Some("Nov 24 07:00");
        over_the_weekend: ["mon-fri 21:00-07:00"], "2026-11-28T06:00:00Z" => false, Some("Nov 30 21:00");
        a_week_away: ["mon 12:00-12:01"], "2026-11-23T11:01:00Z" => false, Some("Nov 30 12:00");
        two_that_meet_do_not_end: ["mon 9:00-12:00", "mon 12:00-15:00"], "2026-11-23T10:00:00Z"
            => true, Some("Nov 23 15:00");
        always: ["0:00-24:00"], "2026-11-23T10:00:00Z" => true, None;
        none: [], "2026-11-23T10:00:00Z" => false, None;
        it_ends_where_clocks_go_over_its_end: ["sun 1:00-2:30"], "2026-03-29T00:30:00Z"
            => true, Some("Mar 29 03:00");
        what_lies_in_the_gap_is_left_out: ["sun 2:10-2:50"], "2026-03-29T00:30:00Z"
            => false, Some("Apr 05 02:10");
        it_begins_where_clocks_go_over_its_begin: ["sun 2:30-5:00"], "2026-03-29T00:30:00Z"
            => false, Some("Mar 29 03:00");
        a_night_that_is_an_hour_short: ["sat 22:00-6:00"], "2026-03-29T00:30:00Z"
            => true, Some("Mar 29 06:00");
        what_comes_twice_is_met_twice: ["sun 2:10-2:50"], "2026-10-25T00:50:00Z"
            => false, Some("Oct 25 02:10");
        and_ends_twice: ["sun 2:10-2:50"], "2026-10-25T01:10:00Z" => true, Some("Oct 25 02:50");
        and_is_met_once_before: ["sun 2:10-2:50"], "2026-10-25T00:15:00Z" => true, Some("Oct 25 02:50");
        clocks_go_back_over_its_begin: ["sun 2:30-3:00"], "2026-10-25T00:45:00Z"
            => true, Some("Oct 25 02:00");
        a_night_that_is_an_hour_long: ["sat 22:00-6:00"], "2026-10-25T00:30:00Z"
            => true, Some("Oct 25 06:00");
    }
}
