//! Zone-file text → records (RFC 1035 §5.1).

use crate::core::list::MAX_LINE;

/// Joins what stands in parentheses to one line, and drops comments.
#[derive(Debug, Default)]
pub(super) struct Joiner {
    text: String,
    /// Parentheses that are open.
    open: u32,
    /// Lines in `text`.
    lines: u32,
}

/// What a line did to a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Joined {
    /// The record, or no record at all, is whole.
    Whole,
    /// A parenthesis is open.
    Open,
    /// It can be no record; what there was of it is dropped.
    Broken,
}

impl Joiner {
    /// Adds a line.
    pub(super) fn line(&mut self, line: &str) -> Joined {
        if self.open == 0 {
            self.text.clear();
            self.lines = 0;
        } else {
            self.text.push(' ');
        }
        self.lines += 1;
        let fits = self.lines <= MAX_LINES && self.text.len() + line.len() <= MAX_LINE;
        if !fits || self.add(line).is_none() {
            self.open = 0;
            return Joined::Broken;
        }
        if self.open == 0 { Joined::Whole } else { Joined::Open }
    }

    /// Whether a parenthesis is open.
    pub(super) fn is_open(&self) -> bool {
        self.open > 0
    }

    /// Takes the text of the record that is whole. [`Self::give`] it back: so the
    /// next record needs no memory of its own.
    pub(super) fn take(&mut self) -> String {
        std::mem::take(&mut self.text)
    }

    /// Takes back the text, to use its memory again.
    pub(super) fn give(&mut self, text: String) {
        self.text = text;
    }

    /// Appends `line` without its comment and parentheses; `None` if those or a
    /// quote do not end as they have to.
    fn add(&mut self, line: &str) -> Option<()> {
        if !line.contains(['(', ')', '"', ';', '\\']) {
            self.text.push_str(line);
            return Some(());
        }
        let mut quoted = false;
        let mut chars = line.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => {
                    self.text.push(c);
                    self.text.push(chars.next()?);
                    continue;
                }
                '"' => quoted = !quoted,
                _ if quoted => {}
                ';' => break,
                '(' => self.open = self.open.saturating_add(1),
                ')' => self.open = self.open.checked_sub(1)?,
                _ => {}
            }
            let parts = !quoted && matches!(c, '(' | ')');
            self.text.push(if parts { ' ' } else { c });
        }
        (!quoted).then_some(())
    }
}

/// A resource record as it is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::core::list) struct Record<'a> {
    /// Its name; `None` if it is that of the record before.
    pub(in crate::core::list) owner: Option<&'a str>,
    /// What it is.
    pub(in crate::core::list) kind: Kind,
    /// Its data, without space around it.
    pub(in crate::core::list) data: &'a str,
}

/// What the type of a record means for a policy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::core::list) enum Kind {
    /// `A` (RFC 1035 §3.4.1).
    A,
    /// `AAAA` (RFC 3596).
    Aaaa,
    /// `CNAME` (RFC 1035 §3.3.1).
    Cname,
    /// `SOA`: here begins the zone.
    Start,
    /// A type that belongs to the zone and is no policy (draft §4).
    Silent,
    /// Any other.
    Data,
}

impl<'a> Record<'a> {
    /// Reads a record on one line; `None` if it is none, or not of class IN.
    pub(in crate::core::list) fn read(text: &'a str) -> Option<Self> {
        let (owner, mut rest) =
            if text.starts_with(is_blank) { (None, text) } else { split_owner(text) };
        let (mut class, mut ttl) = (false, false);
        loop {
            let (field, after) = word(rest);
            rest = after;
            if !class && field.eq_ignore_ascii_case("IN") {
                class = true; // before or after the TTL
            } else if field.starts_with(|c: char| c.is_ascii_digit()) {
                if ttl || !is_ttl(field) {
                    return None;
                }
                ttl = true;
            } else {
                return Some(Self {
                    owner,
                    kind: Kind::read(field)?,
                    data: rest.trim_matches(is_blank),
                });
            }
        }
    }

    /// The only word of its data; `None` if there are more or none.
    pub(in crate::core::list) fn only(&self) -> Option<&'a str> {
        let (only, rest) = word(self.data);
        (!only.is_empty() && rest.is_empty()).then_some(only)
    }
}

impl Kind {
    /// `None` if there is no such type.
    fn read(word: &str) -> Option<Self> {
        let is = |name: &&str| word.eq_ignore_ascii_case(name);
        if is(&"CNAME") {
            Some(Self::Cname)
        } else if is(&"A") {
            Some(Self::A)
        } else if is(&"AAAA") {
            Some(Self::Aaaa)
        } else if is(&"SOA") {
            Some(Self::Start)
        } else if SILENT.iter().any(is) {
            Some(Self::Silent)
        } else {
            (DATA.iter().any(is) || is_numbered(word)).then_some(Self::Data)
        }
    }
}

/// The first word of a text, which may hold quoted and escaped blanks, and what
/// follows it. The word is empty at the end.
pub(super) fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start_matches(is_blank);
    let (mut quoted, mut escaped) = (false, false);
    let end = text.find(|c| {
        let ends = is_blank(c) && !quoted && !escaped;
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    end.map_or((text, ""), |end| text.split_at(end))
}

/// Whether it parts two words.
pub(super) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

fn split_owner(text: &str) -> (Option<&str>, &str) {
    let (owner, rest) = word(text);
    (Some(owner), rest)
}

/// Whether it is seconds, or weeks to seconds as in `1h30m`.
fn is_ttl(word: &str) -> bool {
    let mut after_digit = false;
    word.bytes().all(|b| {
        let fits = b.is_ascii_digit()
            || after_digit && matches!(b.to_ascii_lowercase(), b's' | b'm' | b'h' | b'd' | b'w');
        after_digit = b.is_ascii_digit();
        fits
    })
}

/// `TYPE257` (RFC 3597 §5).
fn is_numbered(word: &str) -> bool {
    let number = word.get(..4).filter(|head| head.eq_ignore_ascii_case("TYPE"));
    number.and_then(|_| word.get(4..)).is_some_and(|digits| {
        digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u16>().is_ok()
    })
}

/// How many lines a record may take. A signature in narrow columns takes ten; a
/// parenthesis that never closes costs the list so many lines.
const MAX_LINES: u32 = 32;

/// Types that say nothing about a name: what holds the zone together, DNAME, and
/// DNSSEC (draft §4).
const SILENT: [&str; 16] = [
    "NS",
    "DNAME",
    "RRSIG",
    "NSEC",
    "NSEC3",
    "NSEC3PARAM",
    "DNSKEY",
    "DS",
    "CDS",
    "CDNSKEY",
    "DLV",
    "KEY",
    "SIG",
    "NXT",
    "CSYNC",
    "ZONEMD",
];

/// Types that a zone may hold as an answer of its own.
const DATA: [&str; 18] = [
    "TXT",
    "MX",
    "SRV",
    "PTR",
    "HTTPS",
    "SVCB",
    "CAA",
    "NAPTR",
    "TLSA",
    "SSHFP",
    "HINFO",
    "SPF",
    "LOC",
    "RP",
    "URI",
    "OPENPGPKEY",
    "SMIMEA",
    "CERT",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_parenthesis_holds_a_bounded_record() {
        let mut joiner = Joiner::default();
        assert_eq!(joiner.line("("), Joined::Open);
        for _ in 1..MAX_LINES {
            assert_eq!(joiner.line("a"), Joined::Open);
        }
        assert_eq!(joiner.line("a"), Joined::Broken);
        assert_eq!(joiner.line("a"), Joined::Whole);

        let wide = "(".repeat(MAX_LINE / 2);
        for _ in 0..100 {
            joiner.line(&wide);
            assert!(joiner.text.len() <= MAX_LINE);
        }
    }

    #[test]
    fn words_end_at_blanks_that_are_neither_quoted_nor_escaped() {
        for (text, want) in [
            ("  a b", ("a", " b")),
            ("a\tb", ("a", "\tb")),
            ("\"a b\" c", ("\"a b\"", " c")),
            ("a\\ b c", ("a\\ b", " c")),
            ("\"a\\\" b\" c", ("\"a\\\" b\"", " c")),
            ("a", ("a", "")),
            (" ", ("", "")),
            ("", ("", "")),
        ] {
            assert_eq!(word(text), want, "{text}");
        }
    }

    #[test]
    fn ttls_have_units_only_after_digits() {
        for (text, want) in [
            ("3600", true),
            ("1H", true),
            ("1h30m", true),
            ("1w2d3h4m5s", true),
            ("1x", false),
            ("1hh", false),
        ] {
            assert_eq!(is_ttl(text), want, "{text}");
        }
    }
}
