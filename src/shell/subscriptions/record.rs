//! What is known of a list: the file beside its texts.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::fetch::Validators;
use super::source::Source;
use crate::core::list::vet::Size;

/// What is known of a list. Times are seconds since 1970 (UTC).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Record {
    /// Where it comes from.
    pub source: Source,
    /// The last good versions; the first is in force.
    #[serde(default)]
    pub good: Vec<Version>,
    /// A version that waits for a person to accept it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// The SHA-256 of versions that the user went back from. They are not taken
    /// again until something else has come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
    /// What its server gave us with the text that came last.
    #[serde(default)]
    pub validators: Validators,
    /// The SHA-256 of that text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validators_of: Option<String>,
    /// When it was last tried to update it.
    #[serde(default)]
    pub tried: Option<i64>,
    /// When its server last told us whether it changed.
    #[serde(default)]
    pub checked: Option<i64>,
    /// When the version in force became that.
    #[serde(default)]
    pub changed: Option<i64>,
    /// Why the last try failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Failure>,
    /// How many tries have failed since the last that did not.
    #[serde(default)]
    pub failures: u32,
    /// The time in the newest signature that was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_at: Option<u64>,
    /// Until when it only watches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch_until: Option<i64>,
    /// The highest number that a version ever had.
    #[serde(default)]
    pub last_number: u32,
    /// What a newer optout wrote.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// A text that is kept.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Version {
    /// It is in `NUMBER.txt.gz`.
    pub number: u32,
    /// SHA-256 of the text, in hexadecimal.
    pub sha256: String,
    /// Length of the text.
    pub bytes: u64,
    /// How much is in it.
    pub size: Size,
    /// When it was fetched.
    pub fetched: i64,
    /// The time in its signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_at: Option<u64>,
}

/// A version that waits for a person.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Held {
    /// The version.
    pub version: Version,
    /// What is odd about it, after "the new version".
    pub why: String,
}

/// A try that failed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Failure {
    /// When.
    pub at: i64,
    /// Why, in a sentence.
    pub why: String,
}

impl Record {
    /// What is known of a list before it was ever fetched.
    #[must_use]
    pub fn new(source: Source) -> Self {
        Self {
            source,
            good: Vec::new(),
            held: None,
            refused: Vec::new(),
            validators: Validators::default(),
            validators_of: None,
            tried: None,
            checked: None,
            changed: None,
            failed: None,
            failures: 0,
            signed_at: None,
            watch_until: None,
            last_number: 0,
            unknown: Map::new(),
        }
    }

    /// The version in force.
    #[must_use]
    pub fn current(&self) -> Option<&Version> {
        self.good.first()
    }

    /// Every version that has a file.
    pub(super) fn versions(&self) -> impl Iterator<Item = &Version> {
        self.good.iter().chain(self.held.iter().map(|held| &held.version))
    }

    /// Puts a version in force.
    pub(super) fn take(&mut self, version: Version, now: i64) {
        self.signed_at = self.signed_at.max(version.signed_at);
        self.good.retain(|good| good.sha256 != version.sha256);
        self.good.insert(0, version);
        self.good.truncate(KEPT);
        self.held = None;
        self.refused.clear();
        self.changed = Some(now);
    }

    /// Notes that its server told us something.
    pub(super) fn reached(&mut self, now: i64) {
        (self.tried, self.checked) = (Some(now), Some(now));
        (self.failed, self.failures) = (None, 0);
    }
}

/// How many good versions are kept, the one in force included.
const KEPT: usize = 3;
/// How many versions that the user went back from are remembered.
pub(super) const MOST_REFUSED: usize = KEPT;
