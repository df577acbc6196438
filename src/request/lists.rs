//! Lists, as people ask about them and change them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::core::list::{Counts, Fault, Format};
use crate::core::verdict::Mode;

/// A change of the lists in use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change", deny_unknown_fields)]
pub enum ListChange {
    /// Use one more list.
    Add(AddedList),
    /// Use this list no longer, and forget its text.
    Remove {
        /// Its name or id.
        list: String,
    },
    /// Look for new versions now.
    Update {
        /// Names or ids; none for every list.
        lists: Vec<String>,
    },
    /// Go back to the version before.
    Rollback {
        /// Its name or id.
        list: String,
    },
    /// Use the version that was held back.
    Accept {
        /// Its name or id.
        list: String,
    },
    /// Set its mode.
    Mode {
        /// Its name or id.
        list: String,
        /// The new mode.
        mode: Mode,
        /// Seconds after which the mode of before comes back.
        seconds: Option<u64>,
    },
}

/// A list that the user added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddedList {
    /// An address that begins with `https://`, or the path of a file.
    pub place: String,
    /// What verdicts call it; otherwise the last part of the place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How it is written; otherwise that is found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Whether a bare name covers what is below it; otherwise as the list says, or its format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subdomains: Option<bool>,
    /// Whether it lets through what it names.
    #[serde(default, skip_serializing_if = "is_false")]
    pub allow: bool,
    /// Whether it may name whole top-level domains.
    #[serde(default, skip_serializing_if = "is_false")]
    pub tlds: bool,
    /// SHA-256 that its text must have, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Keys of minisign, of which one must have signed it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub minisign: Vec<String>,
    /// Seconds between looks for a new version; 0 for never, `None` for a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// Whether it may lie at a private address, such as a server of one's own.
    #[serde(default, skip_serializing_if = "is_false")]
    pub allow_private: bool,
    /// Its mode.
    #[serde(default)]
    pub mode: Mode,
    /// Seconds for which it is only watched at first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch_for: Option<u64>,
}

/// One list in use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListLine {
    /// Its name.
    pub name: String,
    /// `pack`, or how it is written.
    pub format: String,
    /// Rules taken from it.
    pub rules: u64,
    /// Lines that are not rules and not comments.
    pub ignored: u64,
    /// Seconds since 1970 (UTC) of its last change; `None` for what is built in.
    pub changed: Option<i64>,
    /// Its mode.
    pub mode: Mode,
    /// What is known besides, of a list that is a file or has an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more: Option<Box<ListMore>>,
}

/// What is known of a list that is a file or has an address.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListMore {
    /// What files of it are called; also taken where a name is asked for.
    pub id: String,
    /// Where it comes from.
    pub place: String,
    /// Whether a bare name in it covers what is below it.
    pub subdomains: bool,
    /// Whether it lets through what it names.
    pub allow: bool,
    /// Seconds since 1970 (UTC) at which its mode ends.
    pub mode_until: Option<i64>,
    /// What reading it came to.
    pub summary: ListSummary,
    /// Seconds since 1970 (UTC) of the last look for a new version.
    pub checked: Option<i64>,
    /// Seconds since 1970 (UTC) from which on the next look is due.
    pub next: Option<i64>,
    /// Good versions that are kept, the newest first.
    pub versions: Vec<ListVersion>,
    /// Why a newer version is held back.
    pub quarantined: Option<String>,
    /// What went wrong at the last look.
    pub problem: Option<String>,
}

/// One good version of a list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListVersion {
    /// Its number.
    pub number: u64,
    /// Seconds since 1970 (UTC) of its arrival.
    pub arrived: i64,
    /// SHA-256 of its text, in hexadecimal.
    pub sha256: String,
    /// Rules that were found in it.
    pub rules: u64,
    /// Bytes of text.
    pub bytes: u64,
}

/// What reading a list came to: also the answer of `optout lists lint`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListSummary {
    /// Lines.
    pub lines: u64,
    /// Lines that are comments, empty, or mean nothing on purpose.
    pub comments: u64,
    /// Rules in use.
    pub kept: u64,
    /// Rules that stood in it before.
    pub duplicates: u64,
    /// Rules that another list before it has too.
    pub also_elsewhere: u64,
    /// Lines that are fine and not for DNS.
    pub ignored: u64,
    /// Rules that ask for something that optout does not do.
    pub unsupported: u64,
    /// Lines that are no rule in their format.
    pub invalid: u64,
    /// Rules that no list may make.
    pub refused: u64,
    /// How often each reason occurred.
    pub reasons: BTreeMap<Fault, u64>,
}

impl ListSummary {
    /// Adds up what a reader has seen. What only the rule set knows is left at 0.
    #[must_use]
    pub fn of(counts: &Counts) -> Self {
        use crate::core::list::Class;
        let mut summary = Self {
            lines: counts.lines.into(),
            comments: counts.comments.into(),
            kept: counts.rules.into(),
            ..Self::default()
        };
        for fault in Fault::ALL {
            let count = u64::from(counts.of(fault));
            if count == 0 {
                continue;
            }
            summary.reasons.insert(fault, count);
            *match fault.class() {
                Class::Ignored => &mut summary.ignored,
                Class::Unsupported => &mut summary.unsupported,
                Class::Invalid => &mut summary.invalid,
                Class::Refused => &mut summary.refused,
            } += count;
        }
        summary
    }
}

/// How far a change of lists has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum ListProgress {
    /// A list arrives.
    Fetching {
        /// Its name.
        list: String,
        /// Bytes so far.
        bytes: u64,
        /// Bytes in all, if that is known.
        total: Option<u64>,
    },
    /// What became of a list.
    Looked {
        /// Its name.
        list: String,
        /// `updated`, `unchanged`, `held back` or `failed`.
        outcome: String,
        /// Why, or what is new, in a sentence.
        detail: String,
    },
    /// All lists are put together.
    Compiling,
    /// What a list came to.
    Compiled {
        /// Its name.
        list: String,
        /// The counts.
        summary: ListSummary,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde wants it")]
fn is_false(value: &bool) -> bool {
    !value
}
