//! What format a list has, and what its comments say of it.

mod header;
mod shape;

use std::time::Duration;

use super::{Format, whole};
use header::Header;
use shape::Shape;

/// What the beginning of a list tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Detected {
    /// The format that most lines fit.
    pub format: Format,
    /// What a comment of the list says of bare names, if one does and if the format
    /// leaves it open: whether what is below them is meant too.
    pub subdomains: Option<bool>,
    /// What it calls itself (`! Title:`), at most 120 characters without any that
    /// control a terminal.
    pub title: Option<String>,
    /// How long it says to be good (`! Expires:`), from an hour to 30 days.
    pub expires: Option<Duration>,
}

/// Finds out the format of a list from its first bytes, of which 64 KiB and 200 rules are
/// looked at; `None` if most lines fit none.
///
/// A list is read in one format from beginning to end. A line that does not fit is
/// reported then, and does not change how it is read: the same text means different
/// names in different formats.
#[must_use]
pub fn detect(head: &[u8]) -> Option<Detected> {
    whole::check(head).ok()?;
    let mut tally = Tally::default();
    for line in lines(head) {
        tally.line(&line);
        if tally.rules >= MAX_RULES {
            break;
        }
    }
    let format = tally.format()?;
    let open = matches!(format, Format::Hosts | Format::Domains | Format::Wildcard);
    let Header { title, expires, subdomains, .. } = tally.header;
    Some(Detected { format, subdomains: subdomains.filter(|_| open), title, expires })
}

/// The lines of the first [`HEAD`] bytes, without one that is cut off there.
fn lines(head: &[u8]) -> impl Iterator<Item = std::borrow::Cow<'_, str>> {
    let head = match head.get(..HEAD) {
        Some(cut) => match cut.iter().rposition(|&byte| byte == b'\n') {
            Some(end) => cut.get(..end).unwrap_or_default(),
            None => cut,
        },
        None => head,
    };
    head.split(|&byte| byte == b'\n').map(String::from_utf8_lossy)
}

/// How many lines look like what.
#[derive(Debug, Default)]
struct Tally {
    /// In the order of [`Format::ALL`], lines that are of that format by their form.
    formats: [u32; Format::ALL.len()],
    bare: u32,
    starred: u32,
    patterns: u32,
    others: u32,
    rules: u32,
    /// Whether the first line that is no comment says that it is of Adblock.
    heading: bool,
    /// Whether a record of a zone goes on over several lines (RFC 1035 §5.1).
    parenthesis: bool,
    header: Header,
}

impl Tally {
    fn line(&mut self, line: &str) {
        let line = line.trim_start_matches('\u{feff}').trim_end();
        if self.parenthesis {
            self.parenthesis = !without_zone_comment(line).contains(')');
            return;
        }
        match Shape::of(line) {
            Shape::Comment => return self.header.comment(line),
            Shape::Heading => {
                self.heading |= self.rules == 0;
                return;
            }
            Shape::Of(format) => {
                let line = without_zone_comment(line);
                self.parenthesis =
                    format == Format::Rpz && line.contains('(') && !line.contains(')');
                if let Some(place) = Format::ALL.iter().position(|&other| other == format) {
                    self.formats[place] += 1;
                }
            }
            Shape::Bare => self.bare += 1,
            Shape::Starred => self.starred += 1,
            Shape::Pattern => self.patterns += 1,
            Shape::Other => self.others += 1,
        }
        self.rules += 1;
    }

    fn format(&self) -> Option<Format> {
        if self.heading {
            return Some(Format::Adblock);
        }
        let plain = self.plain();
        let names = self.bare + self.starred + self.patterns;
        let adblock = self.of(Format::Adblock);
        // It has bare names too, with the meaning that they have in a plain list.
        let of_adblock = plain != Format::Dnscrypt && adblock * FEW > names;
        let votes = |format: Format| match format {
            Format::Adblock if of_adblock => adblock + names,
            _ if format == plain && !of_adblock => self.of(format) + names,
            _ => self.of(format),
        };
        // The first of equals: `max_by_key` alone would take the last.
        let best = Format::ALL.into_iter().rev().max_by_key(|&format| votes(format))?;
        (votes(best) > 0 && votes(best) >= self.others).then_some(best)
    }

    /// What a list is of which most lines are names.
    fn plain(&self) -> Format {
        let dnscrypt = self.of(Format::Dnscrypt);
        if dnscrypt * FEW > self.bare + self.starred || self.header.dnscrypt {
            Format::Dnscrypt
        } else if self.starred > 0 && self.bare == 0 {
            Format::Wildcard
        } else {
            Format::Domains
        }
    }

    fn of(&self, format: Format) -> u32 {
        let place = Format::ALL.iter().position(|&other| other == format);
        place.and_then(|place| self.formats.get(place)).copied().unwrap_or_default()
    }
}

fn without_zone_comment(line: &str) -> &str {
    line.split(';').next().unwrap_or_default()
}

const HEAD: usize = 64 * 1024; // bytes that are looked at
const MAX_RULES: u32 = 200; // lines that are counted
const FEW: u32 = 10; // one line in so many with a form that only one format has is no accident

#[cfg(test)]
mod tests;
