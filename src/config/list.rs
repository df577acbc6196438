//! A list, and how it is to be used.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::core::list::Format;
use crate::core::policy::ListLimits;
use crate::core::verdict::Mode;

/// A list that is in use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListSource {
    /// Where it comes from.
    pub place: Place,
    /// What its files are called: 1 to 40 of a-z, 0-9 and `-`, made of the name.
    /// No two lists share one.
    pub id: String,
    /// Line of the configuration that names it, counted from 1.
    pub line: u32,
    /// What it is called in verdicts. No two lists share a name.
    pub name: String,
    /// How it is written; `None`: as its lines look.
    pub format: Option<Format>,
    /// Whether a bare name means what is below it too; `None`: as the format has it.
    pub subdomains: Option<bool>,
    /// Whether it lets through what it names.
    pub allow: bool,
    /// Whether it may name whole top-level domains.
    pub tlds: bool,
    /// What is done with its verdicts.
    pub mode: Mode,
    /// For whom and when it is used.
    pub limits: ListLimits,
    /// How often it is looked after; `None` for never, as for every file on disk.
    pub every: Option<Duration>,
    /// What its text must have as its SHA-256.
    pub sha256: Option<[u8; 32]>,
    /// Keys (minisign, base64) of which one must have signed its text; empty for none.
    pub minisign: Vec<String>,
    /// Whether it may lie at a private address.
    pub allow_private: bool,
    /// How long it is only watched after it was first read.
    pub watch_for: Option<Duration>,
}

/// Where a list comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// A file on disk: an absolute path.
    Path(PathBuf),
    /// The web: an address that begins with `https://`.
    Url(String),
}

impl ListSource {
    /// A list of this name, with every default.
    #[must_use]
    pub fn new(place: Place, name: &str) -> Self {
        let every = matches!(place, Place::Url(_)).then_some(EVERY);
        Self {
            place,
            id: id_of(name),
            line: 1,
            name: name.into(),
            format: None,
            subdomains: None,
            allow: false,
            tlds: false,
            mode: Mode::Enforce,
            limits: ListLimits::default(),
            every,
            sha256: None,
            minisign: Vec::new(),
            allow_private: false,
            watch_for: None,
        }
    }
}

/// What the files of a list of this name are called: its letters and digits in
/// lower case, and `-` for what is between. A name without any gets a number.
#[must_use]
pub fn id_of(name: &str) -> String {
    let mut id = String::new();
    for c in name.chars() {
        if id.len() >= LONGEST_ID {
            break;
        }
        if c.is_ascii_alphanumeric() {
            id.push(c.to_ascii_lowercase());
        } else if !id.is_empty() && !id.ends_with('-') {
            id.push('-');
        }
    }
    id.truncate(id.trim_end_matches('-').len());
    if id.is_empty() {
        let sum = name.bytes().fold(BASIS, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(PRIME));
        return format!("list-{sum:08x}");
    }
    id
}

impl Place {
    /// What comes after the last `/`; of an address without that, the host.
    #[must_use]
    pub fn last_part(&self) -> String {
        match self {
            Self::Path(path) => file_name(path),
            Self::Url(url) => {
                let end = url.find(['?', '#']).unwrap_or(url.len());
                let mut parts = url.get(..end).unwrap_or_default().split('/');
                parts.rfind(|part| !part.is_empty()).unwrap_or_default().into()
            }
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Why this is no address that a list can be fetched from. What is left is for
/// who fetches it.
#[must_use]
pub fn why_no_url(url: &str) -> Option<&'static str> {
    if url.starts_with("http://") {
        return Some("over http anyone on the way can change a list; write https://");
    }
    let host = url
        .strip_prefix("https://")
        .map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    let Some(host) = host.filter(|host| !host.is_empty()) else {
        return Some("write an address that begins with https://");
    };
    if host.contains('@') {
        return Some("a name and a password have no place in it");
    }
    if url.len() > LONGEST_URL || url.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Some("write at most 2000 characters, without spaces");
    }
    None
}

/// Why this is no key of minisign, after its name. Only the look of it: whether it is
/// a key that can be used is found when it is.
#[must_use]
pub fn why_no_key(text: &str) -> Option<&'static str> {
    let base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    let good = text.len() == MINISIGN && text.starts_with("RW") && text.chars().all(base64);
    (!good).then_some(
        "is no public key of minisign; write the second line of its .pub file, 56 characters that \
         begin with RW",
    )
}

/// Reads a SHA-256 in hexadecimal.
#[must_use]
pub fn digest(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != digest.len() || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(pairs) {
        let digit = |c: u8| char::from(c).to_digit(16);
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
    }
    Some(digest)
}

/// How often a list of the web is looked after unless said otherwise: most are
/// made anew once a day.
pub const EVERY: Duration = Duration::from_hours(24);

const LONGEST_URL: usize = 2000; // characters; what browsers and servers take for sure
const MINISIGN: usize = 56; // characters: base64 of two bytes of kind, eight of number, 32 of key
const LONGEST_ID: usize = 40; // characters; with what is added, far below what a file system takes
const BASIS: u32 = 0x811c_9dc5; // FNV-1a, 32 bits
const PRIME: u32 = 0x0100_0193; // FNV-1a, 32 bits

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_made_of_the_name() {
        for (name, want) in [
            ("hosts.txt", "hosts-txt"),
            ("My  own: List!", "my-own-list"),
            ("../../etc", "etc"),
            ("日本", "list-9f26ee51"),
            ("", "list-811c9dc5"),
        ] {
            assert_eq!(id_of(name), want, "{name}");
        }
        let long = id_of(&"ab.".repeat(100));
        assert!(long.len() <= 40 && long.ends_with("ab") | long.ends_with('a'), "{long}");
    }
}
