//! A list, and how it is to be used.

use std::path::PathBuf;
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
    /// The key (minisign, base64) that its text must be signed by.
    pub minisign: Option<String>,
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
            minisign: None,
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

/// How often a list of the web is looked after unless said otherwise: most are
/// made anew once a day.
pub const EVERY: Duration = Duration::from_hours(24);

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
