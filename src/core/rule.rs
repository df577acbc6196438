//! One rule, whoever wrote it: a vendor pack, a line of a list, the user.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::core::host::HostName;
use crate::core::prefix::Prefix;

/// What one line says of one subject.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule<'a> {
    /// What it names.
    pub subject: Subject<'a>,
    /// What is done about it.
    pub action: Action,
    /// How a block is answered.
    pub answer: Answer,
    /// `$important`: before all rules of lists without it.
    pub important: bool,
    /// `$badfilter`: it is no rule itself, but removes the rule that is equal to it in all else.
    pub cancels: bool,
    /// When and for whom it holds; `None` for always and everyone.
    pub limits: Option<Box<Limits>>,
}

/// What a rule names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Subject<'a> {
    /// A host name, in the form of [`HostName`].
    Host(&'a str, Scope),
    /// All names that this regular expression matches. It is in the syntax of the
    /// crate `regex` without Unicode, unanchored, and has been compiled once
    /// within the bounds of [`crate::core::list`]. It is for lower-case names
    /// without a final dot.
    Pattern(&'a str),
    /// Addresses.
    Prefix(Prefix),
    /// Every name. Only with [`Limits`].
    Everything,
}

/// Which names a rule means.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Scope {
    /// Just this name.
    Exact,
    /// This name and everything below it.
    WithSubdomains,
    /// Only what is below this name.
    Below,
}

/// What is done about a name by default.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Stop it.
    Block,
    /// Stop it if the user asked for the strict set, otherwise watch it.
    Strict,
    /// Record it and let it through.
    Watch,
    /// Let it through, whatever packs and lists say.
    Allow,
    /// Let it through; only a rule of the user's own can stop it.
    NeverBlock,
}

/// How a rule wants a blocked name answered.
///
/// Most rules only say that a name is to be blocked (`0.0.0.0`, `CNAME .`,
/// `always_nxdomain`): how that is answered is the user's choice. A rule that asks
/// for something of its own gets it.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Answer {
    /// As the configuration has it.
    #[default]
    Usual,
    /// With no data of the asked type (RPZ `CNAME *.`, unbound `always_nodata`).
    Nodata,
    /// With NXDOMAIN (`$dnsrewrite=NXDOMAIN`).
    Nxdomain,
    /// With REFUSED (unbound `always_refuse`, `$dnsrewrite=REFUSED`).
    Refused,
    /// Not at all (RPZ `rpz-drop`, unbound `deny`).
    Drop,
}

/// When and for whom a rule holds. Two limits that mean the same are equal: all
/// vectors are sorted and without repetition, names in lower case.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(default)]
pub struct Limits {
    /// Not for these names and what is below them (`$denyallow`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_below: Vec<HostName>,
    /// Only for these record types (`$dnstype=A`); empty for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<u16>,
    /// Not for these record types (`$dnstype=~A`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_types: Vec<u16>,
    /// Only for these clients (`$client`, `rpz-client-ip`); empty for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<Device>,
    /// Not for these clients (`$client=~`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_clients: Vec<Device>,
    /// Only for clients with one of these tags (`$ctag`); empty for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Not for clients with one of these tags (`$ctag=~`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_tags: Vec<String>,
    /// Only while the schedule of this name holds (dnscrypt-proxy's `@name`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
}

/// A client as a rule of a list names it.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// By its address.
    Address(Prefix),
    /// By the name that the configuration gives it in `[[devices]]`.
    Name(String),
}

impl<'a> Rule<'a> {
    /// A rule that stops these names, for everyone and always.
    #[must_use]
    pub fn block(host: &'a str, scope: Scope) -> Self {
        Self::about(Subject::Host(host, scope), Action::Block)
    }

    /// A rule for everyone and always.
    #[must_use]
    pub fn about(subject: Subject<'a>, action: Action) -> Self {
        Self {
            subject,
            action,
            answer: Answer::Usual,
            important: false,
            cancels: false,
            limits: None,
        }
    }
}

impl Device {
    /// Whether it is this address.
    #[must_use]
    pub fn is(&self, address: IpAddr) -> bool {
        matches!(self, Self::Address(prefix) if prefix.contains(address))
    }
}
