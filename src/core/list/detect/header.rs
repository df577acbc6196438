//! What comments at the beginning of a list say of it.

use std::time::Duration;

use super::super::names::is_hidden;
use super::shape;

/// What comments said so far. Of two that say the same thing the first counts.
#[derive(Debug, Default)]
pub(super) struct Header {
    pub(super) title: Option<String>,
    pub(super) expires: Option<Duration>,
    pub(super) subdomains: Option<bool>,
    /// Whether a comment begins with a pattern as only dnscrypt-proxy has it: its
    /// example files explain their grammar and have rules that are commented out.
    pub(super) dnscrypt: bool,
}

impl Header {
    /// Takes a line that is a comment.
    pub(super) fn comment(&mut self, line: &str) {
        let text = line.trim_start_matches(['#', '!', ';', '/', ' ', '\t']).trim();
        let first = text.split_whitespace().next().unwrap_or_default();
        if let Some(name) = first.strip_prefix('=') {
            self.dnscrypt |= name.contains('.') && shape::is_pattern(name);
        }
        let Some((key, value)) = text.split_once(':') else { return };
        let value = value.trim();
        if key.eq_ignore_ascii_case("title") {
            self.title = self.title.take().or_else(|| title(value));
        } else if key.eq_ignore_ascii_case("expires") {
            self.expires = self.expires.or_else(|| duration(value));
        } else if key.eq_ignore_ascii_case("syntax") {
            self.subdomains = self.subdomains.or_else(|| subdomains(value));
        }
    }
}

/// A title as it may be shown; `None` if nothing is left.
fn title(value: &str) -> Option<String> {
    let text: String = value.chars().filter(|&c| !is_hidden(c)).take(MAX_TITLE).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// What `12 hours`, `4 days (update frequency)`, `1d` or `5` mean; days if nothing is said.
fn duration(value: &str) -> Option<Duration> {
    let end = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (number, rest) = value.split_at_checked(end)?;
    let number: u64 = number.parse().ok().filter(|&number| number > 0)?;
    let unit = match rest.trim_start().to_ascii_lowercase() {
        rest if rest.starts_with("min") => 60,
        rest if rest.starts_with('h') => HOUR,
        rest if rest.starts_with('w') => 7 * DAY,
        _ => DAY,
    };
    Some(Duration::from_secs(number.saturating_mul(unit).clamp(HOUR, 30 * DAY)))
}

/// Whether bare names mean what is below them, as the field `Syntax` has it. A list
/// that spells out subdomains means its names exactly; one that leaves them out means
/// them with each name.
fn subdomains(value: &str) -> Option<bool> {
    let value = value.to_ascii_lowercase();
    if value.contains("without subdomains") || value.contains("wildcard") {
        Some(true)
    } else if value.contains("subdomains") {
        Some(false)
    } else {
        None
    }
}

const MAX_TITLE: usize = 120; // characters: a line of a terminal, with room
const HOUR: u64 = 60 * 60; // seconds
const DAY: u64 = 24 * HOUR;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> Header {
        let mut header = Header::default();
        for line in lines {
            header.comment(line);
        }
        header
    }

    #[test]
    fn the_first_title_counts() {
        let header = of(&["! Title: One", "# title:  Two"]);
        assert_eq!(header.title.as_deref(), Some("One"));
        assert_eq!(of(&["! Title:  "]).title, None);
    }

    #[test]
    fn a_title_controls_no_terminal_and_has_an_end() {
        let header = of(&["# Title: \u{1b}[31mRed\u{202e}\u{7}"]);
        assert_eq!(header.title.as_deref(), Some("[31mRed"));
        let header = of(&[&format!("# Title: {}", "\u{e9}".repeat(5_000))]);
        assert_eq!(header.title.unwrap().chars().count(), 120);
    }

    #[test]
    fn the_time_to_expire_has_units_and_bounds() {
        for (text, hours) in [
            ("12 hours", Some(12)),
            ("4 days (update frequency)", Some(96)),
            ("1 day", Some(24)),
            ("2d", Some(48)),
            ("6h", Some(6)),
            ("1 week", Some(168)),
            ("5", Some(120)),
            ("1 minute", Some(1)),
            ("90 minutes", None),
            ("9999999999999999 days", Some(720)),
            ("31 days", Some(720)),
            ("99999999999999999999999 days", Some(0)),
            ("0 hours", Some(0)),
            ("never", Some(0)),
            ("", Some(0)),
        ] {
            let want = match hours {
                Some(0) => None,
                Some(hours) => Some(Duration::from_secs(hours * HOUR)),
                None => Some(Duration::from_mins(90)),
            };
            assert_eq!(duration(text), want, "{text}");
        }
    }

    #[test]
    fn the_syntax_says_what_a_bare_name_means() {
        for (text, want) in [
            ("Domains (including possible subdomains)", Some(false)),
            ("Hosts (including possible subdomains)", Some(false)),
            ("Domains (without subdomains)", Some(true)),
            ("Domains Wildcard (without subdomains)", Some(true)),
            ("Domains (wildcards)", Some(true)),
            ("AdBlock", None),
        ] {
            assert_eq!(of(&[&format!("# Syntax: {text}")]).subdomains, want, "{text}");
        }
    }

    #[test]
    fn a_comment_of_patterns_is_of_dnscrypt() {
        assert!(of(&["## =a.example  | blocks only this name"]).dnscrypt);
        assert!(!of(&["# ====================", "# = a", "# a=b.example"]).dnscrypt);
    }
}
