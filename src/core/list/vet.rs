//! Whether a new version of a list may take the place of the last good one.
//!
//! A list is fetched from strangers at night, and nobody looks. So what is no
//! list is refused, and what looks odd beside the version before it is set aside
//! until a person has looked.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Counts;

/// How much is in a list.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Size {
    /// All lines.
    pub lines: u32,
    /// Rules, repeated ones included.
    pub rules: u32,
    /// Lines that are comments, empty, or mean nothing on purpose.
    pub comments: u32,
}

/// What is odd about a new version of a list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Objection {
    /// There is not one rule in it.
    NoRule {
        /// All lines.
        lines: u32,
    },
    /// Hardly a line is a rule: likely it is meant for another program.
    FewRules(Size),
    /// There are more rules than any known list has.
    TooMany {
        /// Its rules.
        rules: u32,
    },
    /// It has many more rules than the last good version.
    Grew {
        /// Rules of the last good version.
        from: u32,
        /// Its own.
        to: u32,
    },
    /// It has far fewer rules than the last good version.
    Shrank {
        /// Rules of the last good version.
        from: u32,
        /// Its own.
        to: u32,
    },
}

/// Why bytes cannot be a list, whatever its format.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotText {
    /// There is nothing but space.
    Empty,
    /// A page for a browser: an error, or a hotspot that wants a login.
    Page,
    /// JSON.
    Json,
    /// gzip, zstd, xz, zip or bzip2.
    Packed,
    /// UTF-16.
    Utf16,
    /// There are NUL bytes in it.
    Binary,
}

/// What is odd about a version of this size that follows this good one, if anything.
///
/// What a person has accepted once is not asked again: a good version that had
/// few rules, or too many, may be followed by one that has.
#[must_use]
pub fn objection(new: Size, good: Option<Size>) -> Option<Objection> {
    if new.rules == 0 {
        return Some(Objection::NoRule { lines: new.lines });
    }
    if new.has_few() && !good.is_some_and(Size::has_few) {
        return Some(Objection::FewRules(new));
    }
    if new.rules > MOST_RULES && good.is_none_or(|good| good.rules <= MOST_RULES) {
        return Some(Objection::TooMany { rules: new.rules });
    }
    let (from, to) = (good?.rules, new.rules);
    if from.max(to) < SMALL {
        return None;
    }
    if u64::from(to) > u64::from(from) * GROWTH {
        return Some(Objection::Grew { from, to });
    }
    if u64::from(to) * 100 < u64::from(from) * SHRINK_PERCENT {
        return Some(Objection::Shrank { from, to });
    }
    None
}

/// Why a file that begins with these bytes is no list; `None` if it may be one.
#[must_use]
pub fn not_text(head: &[u8]) -> Option<NotText> {
    if MAGIC.iter().any(|magic| head.starts_with(magic)) {
        return Some(NotText::Packed);
    }
    if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        return Some(NotText::Utf16);
    }
    if head.contains(&0) {
        return Some(if is_utf16(head) { NotText::Utf16 } else { NotText::Binary });
    }
    let text = head.strip_prefix("\u{feff}".as_bytes()).unwrap_or(head).trim_ascii();
    match text {
        [] => Some(NotText::Empty),
        [b'<', ..] => Some(NotText::Page),
        // `[Adblock Plus 2.0]` begins many lists.
        [b'{', ..] => Some(NotText::Json),
        [b'[', rest @ ..] => {
            let next = rest.trim_ascii_start().first();
            matches!(next, Some(b'"' | b'{' | b'[')).then_some(NotText::Json)
        }
        _ => None,
    }
}

impl Size {
    /// Whether hardly a line is a rule, of those that are not comments.
    fn has_few(self) -> bool {
        let said = u64::from(self.lines.saturating_sub(self.comments));
        u64::from(self.rules) * FEW < said
    }
}

impl From<&Counts> for Size {
    fn from(counts: &Counts) -> Self {
        Self { lines: counts.lines, rules: counts.rules, comments: counts.comments }
    }
}

impl Objection {
    /// Whether a person may take it all the same. A list without a rule is of no
    /// use to anyone.
    #[must_use]
    pub fn may_be_accepted(self) -> bool {
        !matches!(self, Self::NoRule { .. })
    }
}

impl fmt::Display for Objection {
    /// What follows "the new version …".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRule { lines } => write!(f, "has no rule in {lines} lines"),
            Self::FewRules(size) => {
                let said = size.lines.saturating_sub(size.comments);
                write!(f, "has only {} rules in {said} lines", size.rules)
            }
            Self::TooMany { rules } => write!(f, "has {rules} rules, more than {MOST_RULES}"),
            Self::Grew { from, to } => write!(f, "grew from {from} to {to} rules"),
            Self::Shrank { from, to } => write!(f, "shrank from {from} to {to} rules"),
        }
    }
}

impl fmt::Display for NotText {
    /// What follows "what came is …".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "empty",
            Self::Page => "a web page (an error, or a login page of this network)",
            Self::Json => "JSON",
            Self::Packed => "a packed file",
            Self::Utf16 => "UTF-16 text",
            Self::Binary => "no text",
        })
    }
}

/// Whether every other byte of what begins the file is zero, as in UTF-16
/// without a mark.
fn is_utf16(head: &[u8]) -> bool {
    let pairs = head.chunks_exact(2).take(8);
    let zeros = |place: usize| pairs.clone().all(|pair| pair.get(place) == Some(&0));
    head.len() >= 4 && zeros(0) != zeros(1)
}

const FEW: u64 = 10; // one rule in so many lines is the least
const GROWTH: u64 = 3; // times the rules of the last good version
const SHRINK_PERCENT: u64 = 30; // of the rules of the last good version
/// More rules than this are no list that we know: the largest have two million.
pub const MOST_RULES: u32 = 5_000_000;
/// Lists with fewer rules than this grow and shrink as they like: five names in a
/// list of two are no accident.
pub const SMALL: u32 = 100;
const MAGIC: [&[u8]; 5] = [b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"PK\x03\x04", b"BZh"]; // gzip, zstd, xz, zip, bzip2

#[cfg(test)]
mod tests {
    use super::*;

    fn size(rules: u32) -> Size {
        Size { lines: rules, rules, comments: 0 }
    }

    /// One row, one test: `name: rules before => rules now, what is odd`.
    macro_rules! versions {
        ($($name:ident: $from:expr => $to:expr, $want:expr;)*) => {
            $(#[test] fn $name() {
                let (from, to): (Option<u32>, u32) = ($from, $to);
                let odd = objection(size(to), from.map(size));
                let want: Option<&str> = $want;
                assert_eq!(odd.map(|odd| odd.to_string()), want.map(str::to_owned));
            })*
        };
    }

    versions! {
        a_first_version_is_taken: None => 1, None;
        a_first_version_without_a_rule_is_not: None => 0, Some("has no rule in 0 lines");
        three_times_as_many_are_taken: Some(1000) => 3000, None;
        more_than_three_times_are_not: Some(1000) => 3001, Some("grew from 1000 to 3001 rules");
        thirty_percent_are_taken: Some(1000) => 300, None;
        fewer_than_thirty_percent_are_not: Some(1000) => 299, Some("shrank from 1000 to 299 rules");
        a_small_list_may_grow: Some(2) => 50, None;
        a_small_list_may_shrink: Some(99) => 1, None;
        a_small_list_that_grows_large_is_odd: Some(2) => 100, Some("grew from 2 to 100 rules");
        five_million_are_taken: None => 5_000_000, None;
        more_than_five_million_are_not:
            None => 5_000_001, Some("has 5000001 rules, more than 5000000");
        five_million_accepted_once_may_be_followed: Some(5_000_001) => 5_000_002, None;
        the_largest_count_does_not_overflow: Some(u32::MAX) => u32::MAX, None;
    }

    #[test]
    fn a_tenth_of_the_lines_must_be_rules() {
        let list = |rules, comments| Size { lines: 1000, rules, comments };
        assert_eq!(objection(list(100, 0), None), None);
        let few = objection(list(99, 0), None).unwrap();
        assert_eq!(few.to_string(), "has only 99 rules in 1000 lines");
        assert!(few.may_be_accepted());
        // Comments are not counted, and what was accepted once is not asked again.
        assert_eq!(objection(list(99, 20), None), None);
        assert_eq!(objection(list(99, 0), Some(list(98, 0))), None);
        assert!(objection(list(99, 0), Some(list(500, 0))).is_some());
        // A line of a hosts file may have many names.
        assert_eq!(objection(Size { lines: 10, rules: 90, comments: 0 }, None), None);
    }

    /// One row, one test: `name: bytes => what they are`.
    macro_rules! heads {
        ($($name:ident: $bytes:expr => $want:expr;)*) => {
            $(#[test] fn $name() {
                let bytes: &[u8] = $bytes;
                let want: Option<NotText> = $want;
                assert_eq!(not_text(bytes), want);
            })*
        };
    }

    heads! {
        no_bytes_are_no_list: b"" => Some(NotText::Empty);
        space_is_no_list: b" \r\n\t\n" => Some(NotText::Empty);
        a_page_is_no_list: b"\n <!DOCTYPE html><html>" => Some(NotText::Page);
        a_page_after_a_mark_is_no_list: b"\xef\xbb\xbf<html>" => Some(NotText::Page);
        xml_is_no_list: b"<?xml version='1.0'?>" => Some(NotText::Page);
        an_object_is_no_list: b"{\"message\":\"Not Found\"}" => Some(NotText::Json);
        an_array_is_no_list: b"[ \"a.example\"]" => Some(NotText::Json);
        the_title_of_an_adblock_list_is_one: b"[Adblock Plus 2.0]\n||a.example^" => None;
        gzip_is_no_list: b"\x1f\x8b\x08\0\0" => Some(NotText::Packed);
        zstd_is_no_list: b"\x28\xb5\x2f\xfd\x04" => Some(NotText::Packed);
        utf16_with_a_mark_is_no_list: b"\xff\xfea\0.\0b\0" => Some(NotText::Utf16);
        utf16_of_either_order_is_no_list: b"\0a\0.\0b" => Some(NotText::Utf16);
        utf16_without_a_mark_is_no_list: b"a\0.\0b\0" => Some(NotText::Utf16);
        nul_bytes_are_no_list: b"a.example\0\n" => Some(NotText::Binary);
        utf8_with_a_mark_may_be_a_list: b"\xef\xbb\xbfa.example\n" => None;
        names_may_be_a_list: b"a.example\n" => None;
        other_text_may_be_a_list: b"This is not a list." => None;
    }
}
