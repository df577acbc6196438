//! What a list is called and where it comes from.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The name of a list for machines: it is a folder's name too, so it is one to
/// forty of `a`–`z`, `0`–`9` and `-`.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct ListId(String);

/// It is no name of a list.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("this is no id of a list; use up to {LONGEST_ID} of a-z, 0-9 and -")]
pub struct BadListId;

/// Where a list comes from, and what must be true of it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Source {
    /// Its name for machines.
    pub id: ListId,
    /// Where it is: an https address.
    pub url: String,
    /// Its name for people.
    pub name: String,
    /// Seconds between two updates.
    pub every: u64,
    /// The SHA-256 that its text must have, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The minisign public keys of which one must have signed it; empty for none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub minisign: Vec<String>,
    /// Whether it may be at a private address.
    #[serde(default)]
    pub allow_private: bool,
}

impl ListId {
    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ListId {
    type Err = BadListId;

    fn from_str(text: &str) -> Result<Self, BadListId> {
        let fits = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        let good = (1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(fits);
        if good { Ok(Self(text.to_owned())) } else { Err(BadListId) }
    }
}

impl TryFrom<String> for ListId {
    type Error = BadListId;

    fn try_from(text: String) -> Result<Self, BadListId> {
        text.parse()
    }
}

impl From<ListId> for String {
    fn from(id: ListId) -> Self {
        id.0
    }
}

impl fmt::Display for ListId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const LONGEST_ID: usize = 40; // characters

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_can_be_nothing_but_one_folder() {
        for good in ["a", "oisd-big", "1", &"x".repeat(40)] {
            assert_eq!(good.parse::<ListId>().unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", "a/b", "A", "a b", "a\0", "ä", "a.b", &"x".repeat(41)] {
            assert_eq!(bad.parse::<ListId>(), Err(BadListId), "{bad}");
            assert!(serde_json::from_value::<ListId>(bad.into()).is_err(), "{bad}");
        }
    }
}
