//! Times as people write and read them.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// A moment in the past, as written after `--since`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Since {
    /// So many seconds ago.
    Ago(u64),
    /// At this local time.
    At(DateTime),
}

impl Since {
    /// Seconds since 1970 (UTC).
    #[must_use]
    pub fn resolve(self, now: Timestamp, zone: &TimeZone) -> i64 {
        match self {
            Self::Ago(seconds) => now.as_second().saturating_sub_unsigned(seconds),
            // A local time that a clock change skips or repeats: the earlier reading.
            Self::At(time) => zone
                .to_ambiguous_zoned(time)
                .compatible()
                .map_or(i64::MIN, |zoned| zoned.timestamp().as_second()),
        }
    }
}

/// Reads `30s`, `15m`, `1h30m`, `7d`, `2w`, or a plain number of minutes. Seconds.
///
/// # Errors
///
/// A sentence that says what may be written.
pub fn parse_duration(text: &str) -> Result<u64, String> {
    let wrong = || format!("write a duration such as 30s, 15m, 1h30m or 7d, not {text:?}");
    if let Ok(minutes) = text.parse::<u64>() {
        return at_least_one(minutes.checked_mul(MINUTE)).ok_or_else(wrong);
    }
    let mut rest = text;
    let mut total = Some(0_u64);
    let mut last = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let mut letters = tail.chars();
        let unit = letters.next().and_then(unit).ok_or_else(wrong)?;
        // From large to small, each once: `5m3h` is likelier a slip than a wish.
        if unit >= last {
            return Err(wrong());
        }
        last = unit;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        total = total.and_then(|total| total.checked_add(number.checked_mul(unit)?));
        rest = letters.as_str();
    }
    at_least_one(total).ok_or_else(wrong)
}

fn at_least_one(seconds: Option<u64>) -> Option<u64> {
    seconds.filter(|&seconds| (1..=LONGEST).contains(&seconds))
}

fn unit(letter: char) -> Option<u64> {
    match letter {
        's' => Some(1),
        'm' => Some(MINUTE),
        'h' => Some(HOUR),
        'd' => Some(DAY),
        'w' => Some(7 * DAY),
        _ => None,
    }
}

/// Reads a duration (so long ago), `2026-11-01`, or `2026-11-01T18:30`.
///
/// # Errors
///
/// A sentence that says what may be written.
pub fn parse_since(text: &str) -> Result<Since, String> {
    if text.contains('-') {
        let date = text.parse::<DateTime>().map_err(|_| {
            format!("write a date such as 2026-11-01 or 2026-11-01T18:30, not {text:?}")
        })?;
        return Ok(Since::At(date));
    }
    parse_duration(text).map(Since::Ago).map_err(|error| format!("{error}; or a date"))
}

/// Reads a day: `2026-11-01`. `none` is the empty text: no day.
///
/// # Errors
///
/// A sentence that says what may be written.
pub fn parse_day(text: &str) -> Result<String, String> {
    if text == "none" {
        return Ok(String::new());
    }
    let wrong = |_| format!("write a date such as 2026-11-01, or none, not {text:?}");
    text.parse::<Date>().map(|day| day.to_string()).map_err(wrong)
}

/// `2026-11-01 18:30:05` in local time.
#[must_use]
pub fn show_second(second: i64, zone: &TimeZone) -> String {
    show(second, zone, "%Y-%m-%d %H:%M:%S")
}

/// `2026-11-01 18:30` in local time.
#[must_use]
pub fn show_minute(second: i64, zone: &TimeZone) -> String {
    show(second, zone, "%Y-%m-%d %H:%M")
}

fn show(second: i64, zone: &TimeZone, format: &str) -> String {
    match Timestamp::from_second(second) {
        Ok(time) => time.to_zoned(zone.clone()).strftime(format).to_string(),
        Err(_) => "(no time)".into(),
    }
}

/// How long, in its two largest units: `2 d 3 h`, `45 s`.
#[must_use]
pub fn show_duration(seconds: u64) -> String {
    let units = [(DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (1, "s")];
    let mut parts = Vec::new();
    let mut rest = seconds;
    for (unit, name) in units {
        if rest >= unit {
            parts.push(format!("{} {name}", rest / unit));
            rest %= unit;
        } else if !parts.is_empty() {
            break; // `1 d 5 s` is no better known than `1 d`
        }
        if parts.len() == 2 {
            break;
        }
    }
    if parts.is_empty() { "0 s".into() } else { parts.join(" ") }
}

const MINUTE: u64 = 60; // seconds
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Seconds. Ten years: more is a slip of the finger.
const LONGEST: u64 = 3660 * DAY;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, want) in [
            ("30s", Some(30)),
            ("15m", Some(900)),
            ("15", Some(900)),
            ("1h30m", Some(5400)),
            ("1w2d3h4m5s", Some(788_645)),
            ("7d", Some(604_800)),
            ("0", None),
            ("0s", None),
            ("", None),
            ("m", None),
            ("5x", None),
            ("5 m", None),
            ("-5", None),
            ("-5m", None),
            ("1.5h", None),
            ("5m3h", None),
            ("5m5m", None),
            ("1h30", None),
            ("٣m", None),
            ("99999999999999999999s", None),
            ("18446744073709551615w", None),
            ("18446744073709551615", None),
            ("4000d", None),
        ] {
            assert_eq!(parse_duration(text).ok(), want, "{text}");
        }
    }

    #[test]
    fn since_is_a_duration_or_a_local_date() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        for (text, want) in [
            ("1h", "2026-11-22T11:00:00Z"),
            ("7d", "2026-11-15T12:00:00Z"),
            ("2026-11-01", "2026-10-31T22:00:00Z"),
            ("2026-11-01T18:30", "2026-11-01T16:30:00Z"),
            ("2026-11-01 18:30:05", "2026-11-01T16:30:05Z"),
        ] {
            let got = parse_since(text).unwrap().resolve(now, &zone);
            assert_eq!(Timestamp::from_second(got).unwrap(), want.parse().unwrap(), "{text}");
        }
        for text in ["", "yesterday", "2026-13-01", "01.11.2026", "11-01", "-7d", "\x1b[2J-"] {
            let error = parse_since(text).unwrap_err();
            assert!(!error.contains(char::is_control), "{error}");
        }
    }

    #[test]
    fn days_are_iso_or_none() {
        assert_eq!(parse_day("2026-11-01").as_deref(), Ok("2026-11-01"));
        assert_eq!(parse_day("none").as_deref(), Ok(""));
        for text in ["", "2026-02-30", "1.11.2026", "today"] {
            assert!(parse_day(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_shown_in_their_two_largest_units() {
        for (seconds, want) in [
            (0, "0 s"),
            (45, "45 s"),
            (90, "1 min 30 s"),
            (3600, "1 h"),
            (86_405, "1 d"),
            (183_600, "2 d 3 h"),
        ] {
            assert_eq!(show_duration(seconds), want);
        }
    }

    #[test]
    fn times_out_of_range_are_shown_and_not_a_panic() {
        let zone = TimeZone::UTC;
        assert_eq!(show_second(0, &zone), "1970-01-01 00:00:00");
        assert_eq!(show_minute(59, &zone), "1970-01-01 00:00");
        for second in [i64::MIN, i64::MAX] {
            assert_eq!(show_second(second, &zone), "(no time)");
        }
    }
}
