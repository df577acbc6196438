//! Times of the week.

use std::str::FromStr;

/// Times of the week, by the clock on the wall.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Schedule {
    spans: Vec<Span>,
}

/// From one time of day to another, on some days.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Span {
    /// The days it begins on; Monday is the first.
    days: [bool; 7],
    /// Minute of the day.
    from: u16,
    /// Minute of the day; of the next one if it is not after `from`.
    to: u16,
}

impl Schedule {
    /// Reads one text a span, such as `mon-fri 21:00-07:00`, `sat,sun 22:00-08:00`
    /// or, for every day, `12:00-13:30`.
    ///
    /// # Errors
    ///
    /// The place of the first that is not one.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, usize> {
        let spans = texts.into_iter().enumerate();
        let spans = spans.map(|(place, text)| text.parse().map_err(|NoSpan| place));
        Ok(Self { spans: spans.collect::<Result<_, _>>()? })
    }

    /// Whether it holds on this day of the week (Monday is 0) in this minute of the day.
    #[must_use]
    pub fn holds(&self, day: u8, minute: u16) -> bool {
        self.spans.iter().any(|span| span.holds(day, minute))
    }

    /// The minutes of the day at which it may begin or end to hold.
    pub fn edges(&self) -> impl Iterator<Item = u16> {
        self.spans.iter().flat_map(|span| [span.from, span.to % DAY])
    }
}

impl Span {
    fn holds(&self, day: u8, minute: u16) -> bool {
        let begins = |day: u8| self.days.get(usize::from(day % 7)).copied().unwrap_or_default();
        if self.from < self.to {
            begins(day) && (self.from..self.to).contains(&minute)
        } else {
            (begins(day) && minute >= self.from) || (begins(day + 6) && minute < self.to)
        }
    }
}

/// It is not one.
#[derive(Debug)]
struct NoSpan;

impl FromStr for Span {
    type Err = NoSpan;

    fn from_str(text: &str) -> Result<Self, NoSpan> {
        let words: Vec<_> = text.split_ascii_whitespace().collect();
        let (days, times) = match words[..] {
            [times] => ([true; 7], times),
            [days, times] => (read_days(days)?, times),
            _ => return Err(NoSpan),
        };
        let (from, to) = times.split_once('-').ok_or(NoSpan)?;
        let (from, to) = (read_time(from)?, read_time(to)?);
        if from == to || from == DAY || to == 0 {
            return Err(NoSpan); // nothing, or not how that is written
        }
        Ok(Self { days, from, to })
    }
}

/// Reads `mon`, `mon-fri`, `sat-mon` or several of these with commas between.
fn read_days(text: &str) -> Result<[bool; 7], NoSpan> {
    let day = |text: &str| DAYS.iter().position(|day| text.eq_ignore_ascii_case(day)).ok_or(NoSpan);
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        let last = if last < first { last + 7 } else { last };
        for (number, slot) in days.iter_mut().enumerate() {
            *slot |= (first..=last).contains(&number) || (first..=last).contains(&(number + 7));
        }
    }
    Ok(days)
}

/// Reads `7:30`, `07:30` or `24:00`. Minutes.
fn read_time(text: &str) -> Result<u16, NoSpan> {
    let (hours, minutes) = text.split_once(':').ok_or(NoSpan)?;
    let number = |text: &str, least: usize| {
        let fits = (least..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| fits).ok_or(NoSpan)
    };
    let (hours, minutes) = (number(hours, 1)?, number(minutes, 2)?);
    let time = hours * 60 + minutes;
    if minutes < 60 && time <= DAY { Ok(time) } else { Err(NoSpan) }
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY: u16 = 24 * 60; // minutes

#[cfg(test)]
mod tests {
    use super::*;

    /// One row, one test: `name: text, day hours:minutes => whether it holds`.
    macro_rules! holds {
        ($($name:ident: $text:literal, $when:literal => $want:literal;)*) => {
            $(#[test] fn $name() {
                let (day, time) = $when.split_once(' ').unwrap();
                let day = u8::try_from(DAYS.iter().position(|it| *it == day).unwrap()).unwrap();
                let schedule = Schedule::parse([$text]).unwrap();
                assert_eq!(schedule.holds(day, read_time(time).unwrap()), $want);
            })*
        };
    }

    holds! {
        it_begins_with_its_minute: "mon 9:00-17:00", "mon 9:00" => true;
        before_it_begins: "mon 9:00-17:00", "mon 8:59" => false;
        its_last_minute: "mon 9:00-17:00", "mon 16:59" => true;
        it_ends_before_its_end: "mon 9:00-17:00", "mon 17:00" => false;
        another_day: "mon 9:00-17:00", "tue 9:00" => false;
        over_midnight_in_the_evening: "mon-fri 21:00-07:00", "fri 23:59" => true;
        over_midnight_in_the_morning: "mon-fri 21:00-07:00", "sat 06:59" => true;
        over_midnight_the_morning_before: "mon-fri 21:00-07:00", "mon 06:59" => false;
        over_midnight_into_the_week: "sun 22:00-08:00", "mon 07:59" => true;
        over_midnight_by_day: "mon-fri 21:00-07:00", "wed 12:00" => false;
        until_midnight: "sat 20:00-24:00", "sat 23:59" => true;
        until_midnight_and_no_further: "sat 20:00-24:00", "sun 0:00" => false;
        all_day: "sun 0:00-24:00", "sun 12:00" => true;
        every_day: "12:00-13:00", "thu 12:30" => true;
        some_days: "sat,sun 12:00-13:00", "sun 12:30" => true;
        days_over_the_weekend: "fri-mon 12:00-13:00", "mon 12:30" => true;
        not_within_such_days: "fri-mon 12:00-13:00", "tue 12:30" => false;
        in_capitals: "MON-Fri 12:00-13:00", "tue 12:30" => true;
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in [
            "",
            "mon",
            "mon 9:00",
            "mon 9-17",
            "monday 9:00-17:00",
            "mon 9:00-9:00",
            "mon 25:00-26:00",
            "mon 9:60-17:00",
            "mon 24:00-7:00",
            "mon 9:00-0:00",
            "mon 9:0-17:00",
            "mon 009:00-17:00",
            "mon- 9:00-17:00",
            "mon,, 9:00-17:00",
            "mon 9:00-17:00 x",
            "mon +9:00-17:00",
            "24:01-2:00",
        ] {
            assert_eq!(Schedule::parse(["1:00-2:00", text]), Err(1), "{text}");
        }
    }
}
