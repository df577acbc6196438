//! Host names as rules see them.
//!
//! A DNS name is a sequence of labels of arbitrary bytes (RFC 2181 §11), not a
//! string with dots. [`HostName`] is the text of such a sequence in which a dot
//! always parts two labels: every byte that is not a letter, a digit, `-` or `_`
//! is written `\DDD` (RFC 1035 §5.1), the dot included. So a label that holds a
//! dot never looks like two labels, and a name is safe to show.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A host name: lower case, no trailing dot; the root is the empty text.
///
/// Cheap to clone.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(Arc<str>);

/// Why a text is not a host name.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum HostNameError {
    /// There is nothing in it.
    #[error("the name is empty")]
    Empty,
    /// Two dots follow one another, or one comes first.
    #[error("a label is empty")]
    EmptyLabel,
    /// A label is longer than 63 bytes (RFC 1035 §2.3.4).
    #[error("a label is longer than 63 characters")]
    LabelTooLong,
    /// The name is longer than 253 characters (RFC 1035 §2.3.4).
    #[error("the name is longer than 253 characters")]
    NameTooLong,
    /// A character that host names do not have.
    #[error("{0:?} does not belong in a host name")]
    Character(char),
}

impl HostName {
    /// Makes a name from wire labels, most specific first. Never fails: bytes
    /// that are not of a host name are escaped.
    pub fn from_labels<'a>(labels: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut text = String::new();
        write_labels(&mut text, labels);
        Self(text.into())
    }

    /// The text, without a trailing dot; empty for the root.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name itself, then each of its parents up to the top-level domain.
    pub fn suffixes(&self) -> impl Iterator<Item = &str> {
        suffixes(&self.0)
    }
}

/// Appends the escaped, lower-case text of `labels` to `text`.
///
/// The form that [`HostName`] holds; apart from it so that a hot path can use a
/// buffer of its own.
pub fn write_labels<'a>(text: &mut String, labels: impl IntoIterator<Item = &'a [u8]>) {
    let mut first = true;
    for label in labels {
        if !first {
            text.push('.');
        }
        first = false;
        for &byte in label {
            match byte.to_ascii_lowercase() {
                plain @ (b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_') => text.push(plain.into()),
                other => {
                    text.push('\\');
                    for digit in [other / 100, other / 10 % 10, other % 10] {
                        text.push((b'0' + digit).into());
                    }
                }
            }
        }
    }
}

/// `name` itself, then each of its parents up to the top-level domain.
pub fn suffixes(name: &str) -> impl Iterator<Item = &str> {
    let first = (!name.is_empty()).then_some(name);
    std::iter::successors(first, |name| name.split_once('.').map(|(_, parent)| parent))
}

impl FromStr for HostName {
    type Err = HostNameError;

    /// Reads what a person or a list wrote: any case, with or without a trailing dot.
    fn from_str(text: &str) -> Result<Self, HostNameError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() {
            return Err(HostNameError::Empty);
        }
        if let Some(odd) = text.chars().find(|&c| !belongs(c)) {
            return Err(HostNameError::Character(odd));
        }
        if text.len() > MAX_NAME {
            return Err(HostNameError::NameTooLong);
        }
        for label in text.split('.') {
            if label.is_empty() {
                return Err(HostNameError::EmptyLabel);
            }
            if label.len() > MAX_LABEL {
                return Err(HostNameError::LabelTooLong);
            }
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }
}

impl TryFrom<String> for HostName {
    type Error = HostNameError;

    /// Reads what `String::from` made of a name, so that every name comes back:
    /// also the root, and one with escapes.
    fn try_from(text: String) -> Result<Self, HostNameError> {
        if text.is_empty() {
            return Ok(Self::from_labels([]));
        }
        if !text.contains('\\') {
            return text.parse();
        }
        let labels = text.split('.').map(unescape).collect::<Result<Vec<_>, _>>()?;
        if labels.iter().map(|label| label.len() + 1).sum::<usize>() > MAX_NAME + 1 {
            return Err(HostNameError::NameTooLong);
        }
        Ok(Self::from_labels(labels.iter().map(Vec::as_slice)))
    }
}

impl From<HostName> for String {
    fn from(host: HostName) -> Self {
        host.0.as_ref().into()
    }
}

impl Borrow<str> for HostName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "." } else { &self.0 })
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The bytes of a label in which odd ones are written `\DDD`.
fn unescape(label: &str) -> Result<Vec<u8>, HostNameError> {
    let mut bytes = Vec::new();
    let mut rest = label;
    while let Some(c) = rest.chars().next() {
        let (byte, length) = match c {
            '\\' => (rest.get(1..4).and_then(decimal), 4),
            plain => (belongs(plain).then_some(plain as u8), 1),
        };
        bytes.push(byte.ok_or(HostNameError::Character(c))?);
        rest = rest.get(length..).unwrap_or_default();
    }
    match bytes.len() {
        0 => Err(HostNameError::EmptyLabel),
        1..=MAX_LABEL => Ok(bytes),
        _ => Err(HostNameError::LabelTooLong),
    }
}

fn decimal(digits: &str) -> Option<u8> {
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn belongs(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

const MAX_LABEL: usize = 63; // RFC 1035 §2.3.4
const MAX_NAME: usize = 253; // 255 on the wire (RFC 1035 §2.3.4), less first length and root

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_trailing_dot_are_ignored() {
        let host: HostName = "Open.OnePlus.NET.".parse().unwrap();
        assert_eq!(host.as_str(), "open.oneplus.net");
    }

    #[test]
    fn suffixes_go_up_label_by_label() {
        let host: HostName = "a.b.example".parse().unwrap();
        assert_eq!(host.suffixes().collect::<Vec<_>>(), ["a.b.example", "b.example", "example"]);
        assert_eq!(HostName::from_labels([]).suffixes().count(), 0);
    }

    #[test]
    fn a_dot_in_a_label_parts_nothing() {
        let spoof = HostName::from_labels([&b"tracker.example"[..], b"com"]);
        assert_eq!(spoof.as_str(), "tracker\\046example.com");
        assert_eq!(spoof.suffixes().count(), 2);
    }

    #[test]
    fn every_name_comes_back_from_its_text() {
        let all: Vec<u8> = (0..=255).collect();
        for labels in [vec![], vec![&b"A.b"[..], b"\\046"], all.chunks(60).collect(), vec![b"a"]] {
            let name = HostName::from_labels(labels);
            let text = String::from(name.clone());
            let back = HostName::try_from(text);
            if name.as_str().len() < 500 {
                assert_eq!(back, Ok(name));
            } else {
                assert_eq!(back, Err(HostNameError::NameTooLong)); // 256 bytes is one too many
            }
        }
        for odd in ["a\\", "a\\04", "a\\256", "a\\+12", "\\1\u{e9}", "\\046..a", "\\046 a"] {
            assert!(HostName::try_from(odd.to_owned()).is_err(), "{odd}");
        }
        assert!(HostName::try_from("\\046".repeat(64)).is_err());
    }

    #[test]
    fn what_is_not_a_name_is_refused_with_its_reason() {
        let long = format!("{}.example", "a".repeat(64));
        for (text, want) in [
            ("", HostNameError::Empty),
            (".", HostNameError::Empty),
            ("a..b", HostNameError::EmptyLabel),
            (".a", HostNameError::EmptyLabel),
            (long.as_str(), HostNameError::LabelTooLong),
            ("a b", HostNameError::Character(' ')),
            ("<script>", HostNameError::Character('<')),
        ] {
            assert_eq!(text.parse::<HostName>(), Err(want), "{text}");
        }
        let name = ["abcdefg"; 32].join(".");
        assert_eq!(name.parse::<HostName>(), Err(HostNameError::NameTooLong));
    }
}
