//! What the rules say about one host or address, and why.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::core::host::HostName;
use crate::core::rule::Answer;

/// The answer to "may this host be reached?", with its proof.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "a verdict does nothing until someone acts on it"]
pub enum Verdict {
    /// Stop it.
    Block(Stop),
    /// Record that this rule would stop it, and let it through.
    Watch(RuleRef),
    /// Let it through.
    Pass(Why),
}

/// Why something is stopped, and how.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stop {
    /// The rule that says so.
    pub rule: RuleRef,
    /// How that rule wants a question answered.
    pub answer: Answer,
}

/// Why something is let through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Why {
    /// An allow rule names it.
    Allowed(RuleRef),
    /// It must stay reachable, whatever lists say.
    NeverBlock(RuleRef),
    /// No rule names it.
    NoMatch,
}

impl Verdict {
    /// The rule it rests on, if it rests on one.
    #[must_use]
    pub fn rule(self) -> Option<RuleRef> {
        match self {
            Self::Block(Stop { rule, .. })
            | Self::Watch(rule)
            | Self::Pass(Why::Allowed(rule) | Why::NeverBlock(rule)) => Some(rule),
            Self::Pass(Why::NoMatch) => None,
        }
    }
}

/// Where a rule was written, so that a user can find and change it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RuleRef {
    /// Which list, as an index into the loaded lists.
    pub list: u16,
    /// Line in that list, counted from 1 as editors do.
    pub line: u32,
}

/// A rule in words: what [`RuleRef`] points at.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct RuleText {
    /// Name of the list: a file name, a vendor pack, or `your rules`.
    pub list: Arc<str>,
    /// Line in that list, counted from 1; 0 where there are no lines.
    pub line: u32,
    /// The rule: `open.oneplus.net` (exact), `*.example.com` (with subdomains) or a prefix.
    pub text: Arc<str>,
    /// Key of the vendor whose pack it is in, such as `oneplus`.
    pub vendor: Option<Arc<str>>,
}

/// What about the traffic the rule matched.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "by", content = "name")]
pub enum Via {
    /// The name that was asked for.
    Name,
    /// A name that the asked one is an alias of (CNAME, SVCB or HTTPS target).
    Alias(HostName),
    /// The address.
    Address,
}

/// What is done with verdicts, for everything or for one vendor or list.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Carry verdicts out.
    #[default]
    Enforce,
    /// Record verdicts, let everything through.
    Watch,
    /// As if the rules were not there.
    Off,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enforce => "enforce",
            Self::Watch => "watch",
            Self::Off => "off",
        })
    }
}
