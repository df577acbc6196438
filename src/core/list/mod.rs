//! List text → rules.
//!
//! A [`Reader`] takes a list line by line, so a list is never in memory as
//! text. It reads hosts files and plain domain lists; other formats join here,
//! each in a file of its own. Lists are written by strangers: a line that makes
//! no sense is counted, and never a reason to stop.

mod domains;
mod hosts;

use serde::{Deserialize, Serialize};

use crate::core::host::HostName;

/// How a list is written.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// An address and names, as in `/etc/hosts` (hosts(5)).
    Hosts,
    /// One name a line.
    Domains,
}

impl Format {
    /// The word for it in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hosts => "hosts",
            Self::Domains => "domains",
        }
    }

    /// Whether a name in such a list means what is below it too, if nobody says
    /// otherwise. A bare name in a domain list is read both ways by the
    /// programs that use them; most lists of today are made for "both".
    #[must_use]
    pub fn subdomains(self) -> bool {
        self == Self::Domains
    }
}

/// What a reader has seen.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// All lines.
    pub lines: u32,
    /// Names found, repeated ones included.
    pub names: u32,
    /// Lines that are not rules and not comments.
    pub ignored: u32,
}

/// Reads a list, line by line.
#[derive(Debug)]
pub struct Reader {
    format: Option<Format>,
    counts: Counts,
}

/// What a line is.
#[derive(Debug, PartialEq)]
enum Line<'a> {
    /// These words are names of rules.
    Names(&'a str),
    /// A comment, nothing, or an entry that every system has (`localhost`).
    Nothing,
    /// Something else.
    Odd,
}

impl Reader {
    /// A reader for this format. Without one, the first line that makes sense in
    /// either decides.
    #[must_use]
    pub fn new(format: Option<Format>) -> Self {
        Self { format, counts: Counts::default() }
    }

    /// Takes the next line, with or without its end, and tells `rule` its number
    /// (from 1) and each name in it.
    pub fn line(&mut self, bytes: &[u8], mut rule: impl FnMut(u32, &HostName)) {
        self.counts.lines = self.counts.lines.saturating_add(1);
        let before = self.counts.names;
        match self.read(bytes) {
            Line::Nothing => {}
            Line::Odd => self.counts.ignored += 1,
            Line::Names(words) => {
                for word in words.split_ascii_whitespace().take(MAX_NAMES) {
                    if let Some(host) = host(word) {
                        self.counts.names = self.counts.names.saturating_add(1);
                        rule(self.counts.lines, &host);
                    }
                }
                self.counts.ignored += u32::from(self.counts.names == before);
            }
        }
    }

    /// The format, if it was given or has been found out.
    #[must_use]
    pub fn format(&self) -> Option<Format> {
        self.format
    }

    /// What has been seen so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn read<'a>(&mut self, bytes: &'a [u8]) -> Line<'a> {
        let bytes = match self.counts.lines {
            1 => bytes.strip_prefix(BOM).unwrap_or(bytes),
            _ => bytes,
        };
        if bytes.len() > MAX_LINE {
            return Line::Odd;
        }
        // A comment may be in any encoding; what is before it may not.
        let rule = bytes.split(|&b| b == b'#').next().unwrap_or_default().trim_ascii();
        let is_comment = rule.is_empty() || matches!(rule, [b'!' | b';', ..]);
        if is_comment {
            return Line::Nothing;
        }
        let Ok(text) = str::from_utf8(rule) else { return Line::Odd };
        match self.format {
            Some(Format::Hosts) => hosts::read(text),
            Some(Format::Domains) => domains::read(text),
            None => self.find_out(text),
        }
    }

    fn find_out<'a>(&mut self, text: &'a str) -> Line<'a> {
        for (format, line) in
            [(Format::Hosts, hosts::read(text)), (Format::Domains, domains::read(text))]
        {
            if line != Line::Odd {
                self.format = Some(format);
                return line;
            }
        }
        Line::Odd
    }
}

/// The name, if it is one that a list can be about: of at least two labels, and
/// no address. A top-level domain alone is more likely a slip than a wish, and
/// blocking it would cost a lot.
fn host(word: &str) -> Option<HostName> {
    let host: HostName = word.parse().ok()?;
    let (_, last) = host.as_str().rsplit_once('.')?;
    (!last.bytes().all(|b| b.is_ascii_digit())).then_some(host)
}

const BOM: &[u8] = "\u{feff}".as_bytes(); // some editors begin a file with it
/// Longest line that is read, in bytes: sixteen times what a hosts line of ten
/// names of full length takes.
pub const MAX_LINE: usize = 64 * 1024;
/// Most names in a line. Public hosts files have up to nine.
const MAX_NAMES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(format: Option<Format>, text: &[u8]) -> (Vec<(u32, String)>, Reader) {
        let mut reader = Reader::new(format);
        let mut rules = Vec::new();
        for line in text.split_inclusive(|&b| b == b'\n') {
            reader.line(line, |line, host| rules.push((line, host.to_string())));
        }
        (rules, reader)
    }

    fn pairs(rules: &[(u32, String)]) -> Vec<(u32, &str)> {
        rules.iter().map(|(line, host)| (*line, host.as_str())).collect()
    }

    #[test]
    fn a_hosts_file_as_they_are_in_the_wild() {
        let text = b"\xef\xbb\xbf# title\r\n\r\n127.0.0.1 localhost localhost.localdomain\r\n\
            ::1 ip6-localhost ip6-loopback\r\n255.255.255.255 broadcasthost\r\n\
            0.0.0.0 0.0.0.0\r\n0.0.0.0 A.Example. b.example # both \xff\r\n\
            \t:: c.example\r\n192.0.2.7 nas.home.example\r\n0.0.0.0\r\n0.0.0.0 d_e.example#x";
        let (rules, reader) = read(None, text);
        assert_eq!(
            pairs(&rules),
            [(7, "a.example"), (7, "b.example"), (8, "c.example"), (11, "d_e.example")]
        );
        assert_eq!(reader.format(), Some(Format::Hosts));
        // The real address of a host at home, and the line without a name.
        assert_eq!(reader.counts(), Counts { lines: 11, names: 4, ignored: 2 });
    }

    #[test]
    fn a_domain_list_as_they_are_in_the_wild() {
        let text = b"! title\n; more\nA.Example\nb.example.  # why\nc.example d.example\n\
            192.0.2.1\n||e.example^\ncom\n*.f.example\n\xff.example\nxn--bcher-kva.example";
        let (rules, reader) = read(None, text);
        assert_eq!(
            pairs(&rules),
            [(3, "a.example"), (4, "b.example"), (11, "xn--bcher-kva.example")]
        );
        assert_eq!(reader.format(), Some(Format::Domains));
        assert_eq!(reader.counts(), Counts { lines: 11, names: 3, ignored: 6 });
    }

    #[test]
    fn what_is_in_no_known_format_has_no_rules() {
        let (rules, reader) = read(None, b"<!DOCTYPE html>\n<p>Sign in to the Wi-Fi</p>\n");
        assert_eq!((rules.len(), reader.format()), (0, None));
        assert_eq!(reader.counts().ignored, 2);
    }

    #[test]
    fn a_format_that_was_given_is_kept_to() {
        let (rules, _) = read(Some(Format::Domains), b"0.0.0.0 a.example\nb.example\n");
        assert_eq!(pairs(&rules), [(2, "b.example")]);
        let (rules, _) = read(Some(Format::Hosts), b"0.0.0.0 a.example\nb.example\n");
        assert_eq!(pairs(&rules), [(1, "a.example")]);
    }

    #[test]
    fn a_line_without_end_costs_nothing() {
        let mut line = b"0.0.0.0".to_vec();
        line.extend(b" a.example".repeat(MAX_LINE));
        let (rules, reader) = read(Some(Format::Hosts), &line);
        assert_eq!((rules.len(), reader.counts().ignored), (0, 1));
        line.truncate(MAX_LINE);
        let (rules, _) = read(Some(Format::Hosts), &line);
        assert_eq!(rules.len(), MAX_NAMES);
    }

    proptest! {
        #[test]
        fn hostile_text_never_panics(text in proptest::collection::vec(any::<u8>(), 0..2000)) {
            for format in [None, Some(Format::Hosts), Some(Format::Domains)] {
                let (rules, reader) = read(format, &text);
                prop_assert_eq!(rules.len(), reader.counts().names as usize);
            }
        }

        #[test]
        fn hostile_lines_never_panic(
            text in "([0-9.:#!; \t\r\n]|0\\.0\\.0\\.0 |a\\.example|\u{fe}|\u{212a}\\.example){0,60}"
        ) {
            let (rules, _) = read(None, text.as_bytes());
            for (_, host) in rules {
                prop_assert!(host.parse::<HostName>().is_ok());
            }
        }
    }
}
