//! What a person reads: lines, fields and tables.
//!
//! All text on its way out goes through a [`Span`], and a span makes it
//! harmless when it is made; so no command can forget to.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::cli::escape;
use crate::core::event::Outcome;

/// Where output goes and how it looks.
pub struct Page<'w> {
    to: &'w mut dyn Write,
    /// How it looks.
    pub look: Look,
}

/// How output looks, and the time that it speaks of.
#[derive(Clone, Debug)]
pub struct Look {
    /// Whether colours may be used.
    pub colour: bool,
    /// Whether the terminal knows more than ASCII.
    pub unicode: bool,
    /// Now.
    pub now: Timestamp,
    /// The time zone of the reader.
    pub zone: TimeZone,
}

impl Look {
    /// What standard output and the environment ask for.
    #[must_use]
    pub fn from_environment() -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        Self {
            colour: io::stdout().is_terminal() && !set("NO_COLOR") && !dumb,
            unicode: locale.contains("utf-8") || locale.contains("utf8"),
            now: Timestamp::now(),
            zone: TimeZone::system(),
        }
    }
}

/// A piece of text that is safe to show, and its colour.
#[derive(Clone, Debug)]
pub struct Span {
    text: String,
    ink: Ink,
}

/// Colours, by what they mean.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ink {
    /// As the terminal has it.
    Plain,
    /// Headings and subjects.
    Strong,
    /// What is beside the point.
    Faint,
    /// Stopped; broken.
    Red,
    /// Would have been stopped; a warning.
    Yellow,
    /// In order.
    Green,
}

/// A span without colour.
pub fn plain(text: impl Display) -> Span {
    ink(text, Ink::Plain)
}

/// A span with a colour.
pub fn ink(text: impl Display, ink: Ink) -> Span {
    Span { text: escape::terminal(&text.to_string()), ink }
}

/// `blocked`, `watched` or `passed`, each in its colour.
#[must_use]
pub fn outcome(outcome: Outcome) -> Span {
    ink(outcome.as_str(), ink_of(outcome))
}

/// The colour of an outcome.
#[must_use]
pub fn ink_of(outcome: Outcome) -> Ink {
    match outcome {
        Outcome::Blocked => Ink::Red,
        Outcome::Watched => Ink::Yellow,
        Outcome::Passed => Ink::Plain,
    }
}

impl Span {
    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

/// On which side a column's cells stand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// Text.
    Left,
    /// Numbers.
    Right,
    /// A line of its own below the row, for what may be long. Cut to a line.
    Below,
}

impl<'w> Page<'w> {
    /// Writes to `to`.
    pub fn new(to: &'w mut dyn Write, look: Look) -> Self {
        Self { to, look }
    }

    /// One line of spans, one after the other.
    ///
    /// # Errors
    ///
    /// If it cannot be written, as for all below.
    pub fn line(&mut self, spans: &[Span]) -> io::Result<()> {
        for span in spans {
            self.write(span)?;
        }
        writeln!(self.to)
    }

    /// One line without colours.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn say(&mut self, text: impl Display) -> io::Result<()> {
        self.line(&[plain(text)])
    }

    /// An empty line, then a heading.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn heading(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.to)?;
        self.line(&[ink(text, Ink::Strong)])
    }

    /// `  name   text`, the text broken into lines below itself.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn field(&mut self, name: &str, text: impl Display) -> io::Result<()> {
        let text = escape::terminal(&text.to_string());
        let mut name = name;
        for part in wrap(&text, LINE - FIELD) {
            let pad = FIELD - 2 - name.len().min(FIELD - 2);
            self.line(&[ink(format!("  {name}{:pad$}", ""), Ink::Faint), plain(part)])?;
            name = "";
        }
        Ok(())
    }

    /// Rows whose columns are as wide as their widest cell, indented by two.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn table(&mut self, sides: &[Side], rows: &[Vec<Span>]) -> io::Result<()> {
        let width = |column: usize| {
            rows.iter().filter_map(|row| row.get(column)).map(Span::width).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..sides.len()).map(width).collect();
        for row in rows {
            let mut gap = 2;
            let mut below = Vec::new();
            for ((cell, side), width) in row.iter().zip(sides).zip(&widths) {
                if *side == Side::Below {
                    below.push(cell);
                    continue;
                }
                let pad = width - cell.width();
                let (before, after) = if *side == Side::Right { (pad, 0) } else { (0, pad) };
                // Blanks wait until something follows them: no line ends in blanks.
                if cell.text.is_empty() {
                    gap += width + 2;
                    continue;
                }
                write!(self.to, "{:1$}", "", gap + before)?;
                self.write(cell)?;
                gap = after + 2;
            }
            writeln!(self.to)?;
            for cell in below.into_iter().filter(|cell| !cell.text.is_empty()) {
                let text = cut(&cell.text, LINE - BELOW, self.look.unicode);
                self.line(&[ink(format_args!("{:BELOW$}{text}", ""), cell.ink)])?;
            }
        }
        Ok(())
    }

    /// One line of JSON.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        let json = serde_json::to_string(value)?;
        writeln!(self.to, "{}", escape::json(&json))
    }

    /// One line of CSV (RFC 4180, but for its line end, which is Unix's).
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn csv(&mut self, cells: &[&str]) -> io::Result<()> {
        let cells: Vec<_> = cells.iter().map(|cell| escape::csv(cell)).collect();
        writeln!(self.to, "{}", cells.join(","))
    }

    /// Text that is whole already.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn raw(&mut self, text: &str) -> io::Result<()> {
        self.to.write_all(text.as_bytes())
    }

    /// Brings out what was written: a person watches.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }

    fn write(&mut self, span: &Span) -> io::Result<()> {
        let code = match span.ink {
            _ if !self.look.colour => None,
            Ink::Plain => None,
            Ink::Strong => Some("1"),
            Ink::Faint => Some("2"),
            Ink::Red => Some("31"),
            Ink::Yellow => Some("33"),
            Ink::Green => Some("32"),
        };
        match code {
            Some(code) => write!(self.to, "\x1b[{code}m{}\x1b[0m", span.text),
            None => self.to.write_all(span.text.as_bytes()),
        }
    }
}

/// `1,234,567`.
#[must_use]
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 host`, `2 hosts`.
#[must_use]
pub fn count(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", number(n), if n == 1 { "" } else { "s" })
}

/// The text, or as many of its words as fit and a sign that there is more.
fn cut(text: &str, width: usize, unicode: bool) -> String {
    if text.chars().count() <= width {
        return text.into();
    }
    let more = if unicode { "…" } else { "..." };
    let end = text.char_indices().nth(width.saturating_sub(4)).map_or(text.len(), |(at, _)| at);
    let fits = text.get(..end).unwrap_or_default();
    let words = fits.rsplit_once(' ').map_or(fits, |(words, _)| words);
    format!("{words} {more}")
}

/// Lines of at most `width` characters, broken at blanks where there are any.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let long = word.chars().count();
        if used > 0 && used + 1 + long > width {
            lines.push(String::new());
            used = 0;
        }
        let Some(line) = lines.last_mut() else { break };
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += long;
    }
    lines
}

/// Characters of a line of text.
const LINE: usize = 80;

/// Characters before what stands below a row.
const BELOW: usize = 6;

/// Characters before the text of a field.
const FIELD: usize = 15;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::cli::escape::HOSTILE;

    /// 2026-11-22 12:00:00 UTC, in a zone two hours ahead, with everything plain.
    pub(crate) fn look() -> Look {
        Look {
            colour: false,
            unicode: true,
            now: "2026-11-22T12:00:00Z".parse().unwrap(),
            zone: TimeZone::fixed(jiff::tz::offset(2)),
        }
    }

    /// What `print` writes.
    pub(crate) fn printed(print: impl FnOnce(&mut Page<'_>) -> io::Result<()>) -> String {
        let mut written = Vec::new();
        print(&mut Page::new(&mut written, look())).unwrap();
        String::from_utf8(written).unwrap()
    }

    /// Asserts that hostile text came out and did no harm.
    #[track_caller]
    pub(crate) fn assert_harmless(text: &str) {
        let odd = |c: char| c != '\n' && escape::terminal(&c.to_string()) != c.to_string();
        assert!(!text.contains(odd), "{text:?}");
        assert!(text.contains("<b>"), "not the hostile text: {text}");
    }

    #[test]
    fn columns_are_aligned_and_lines_end_without_blanks() {
        let rows = [
            vec![plain("a"), plain("1"), plain("first")],
            vec![plain("long name"), plain("100"), plain("")],
            vec![plain("b"), plain(""), plain("third")],
        ];
        let text = printed(|page| page.table(&[Side::Left, Side::Right, Side::Left], &rows));
        assert_eq!(text, "  a            1  first\n  long name  100\n  b               third\n");
    }

    #[test]
    fn what_stands_below_a_row_is_cut_to_a_line() {
        let rows = [
            vec![plain("a"), plain("1"), plain("word ".repeat(30).trim())],
            vec![plain("b"), plain("22"), plain("")],
            vec![plain("c"), plain("3"), plain("x".repeat(200))],
        ];
        let text = printed(|page| page.table(&[Side::Left, Side::Right, Side::Below], &rows));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!([lines[0], lines[2], lines[3]], ["  a   1", "  b  22", "  c   3"]);
        assert!(lines[1].starts_with("      word word") && lines[1].ends_with("word …"));
        assert!(lines.iter().all(|line| line.chars().count() <= LINE), "{text}");
        assert_eq!(cut(&"é".repeat(9), 8, false), "éééé ...");
    }

    #[test]
    fn a_field_is_broken_into_lines_below_itself() {
        let text = printed(|page| page.field("Collects", "word ".repeat(30).trim()));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("  Collects     word"));
        assert!(lines[1].starts_with("               word"));
        assert!(lines.iter().all(|line| line.len() <= LINE));
    }

    #[test]
    fn colours_are_used_only_where_asked() {
        let mut written = Vec::new();
        let mut page = Page::new(&mut written, Look { colour: true, ..look() });
        page.line(&[outcome(Outcome::Blocked)]).unwrap();
        assert_eq!(written, b"\x1b[31mblocked\x1b[0m\n");
        assert_eq!(printed(|page| page.line(&[outcome(Outcome::Blocked)])), "blocked\n");
    }

    #[test]
    fn every_way_out_is_harmless() {
        assert_harmless(&printed(|page| page.say(HOSTILE)));
        assert_harmless(&printed(|page| page.field("Name", HOSTILE)));
        assert_harmless(&printed(|page| page.heading(HOSTILE)));
        assert_harmless(&printed(|page| page.table(&[Side::Left], &[vec![plain(HOSTILE)]])));
        assert_harmless(&printed(|page| page.json(&HOSTILE)));
        assert_harmless(&printed(|page| page.csv(&[HOSTILE])));
    }

    #[test]
    fn numbers_are_grouped() {
        for (n, want) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(n), want);
        }
        assert_eq!((count(1, "host"), count(2, "host")), ("1 host".into(), "2 hosts".into()));
    }
}
