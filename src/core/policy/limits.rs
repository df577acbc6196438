//! When and for whom a rule or a list holds.

use std::fmt;
use std::sync::Arc;

use super::App;
use super::device::Devices;
use crate::core::flow::Client;
use crate::core::host::suffixes;
use crate::core::rule::{Device, Limits};

/// When and for whom a whole list is used. Empty for always and everyone.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ListLimits {
    /// Only for these devices.
    pub clients: Vec<Device>,
    /// Only for these programs of this host. Where devices are named too, it is
    /// for those devices and for these programs.
    pub apps: Vec<App>,
    /// Only while the schedule of this name holds.
    pub schedule: Option<Arc<str>>,
}

/// What is known of a question besides the name that is judged.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The name in the question, where it is not what is judged: an alias or an
    /// address in its answer is.
    pub host: Option<&'a str>,
    /// Type of the question, or of the record in its answer that is judged.
    /// `None` if there is none: a rule for some types does not hold then.
    pub qtype: Option<u16>,
    /// Who asked.
    pub client: &'a Client,
}

impl ListLimits {
    /// Whether it is not for everybody.
    pub(super) fn is_for_some(&self) -> bool {
        !(self.clients.is_empty() && self.apps.is_empty())
    }
}

impl<'a> Asked<'a> {
    /// A question of this type.
    #[must_use]
    pub fn about(qtype: u16, client: &'a Client) -> Self {
        Self { qtype: Some(qtype), ..Self::from(client) }
    }

    /// A record of this type in the answer to the question for `host`.
    #[must_use]
    pub fn in_answer(host: &'a str, qtype: u16, client: &'a Client) -> Self {
        Self { host: Some(host), qtype: Some(qtype), client }
    }
}

impl<'a> From<&'a Client> for Asked<'a> {
    /// Of the client nothing is known but who it is.
    fn from(client: &'a Client) -> Self {
        Self { host: None, qtype: None, client }
    }
}

/// What keeps a rule from holding.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Limit {
    /// It is not for this name.
    Name,
    /// It is not for records of this type.
    Type,
    /// It is not for this client.
    Client,
    /// It is not for this program.
    App,
    /// It is not for this time.
    Schedule,
}

impl fmt::Display for Limit {
    /// What follows "the rule".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "is not for this name",
            Self::Type => "is not for this record type",
            Self::Client => "is not for this client",
            Self::App => "is not for this app",
            Self::Schedule => "does not hold at this time",
        })
    }
}

/// What limits are held against: who is who, and which schedules hold now.
#[derive(Debug, Default)]
pub(super) struct Scene {
    pub(super) devices: Devices,
    /// By name.
    pub(super) schedules: Vec<Box<str>>,
}

impl Scene {
    /// Whether the schedule of this name holds; without a name it does.
    pub(super) fn holds(&self, schedule: Option<&str>) -> bool {
        schedule.is_none_or(|name| self.schedules.iter().any(|it| it.eq_ignore_ascii_case(name)))
    }

    /// What keeps a rule with these limits from holding for `judged`, a name;
    /// `None` in place of a name is an address.
    pub(super) fn limit(
        &self,
        limits: &Limits,
        judged: Option<&str>,
        asked: &Asked<'_>,
    ) -> Option<Limit> {
        if !self.holds(limits.schedule.as_deref()) {
            return Some(Limit::Schedule);
        }
        if !of_type(limits, asked.qtype) {
            return Some(Limit::Type);
        }
        if !of_name(limits, judged, asked.host) {
            return Some(Limit::Name);
        }
        (!self.of_client(limits, asked.client)).then_some(Limit::Client)
    }

    /// What keeps a list with these limits from being used.
    pub(super) fn list_limit(&self, limits: &ListLimits, client: &Client) -> Option<Limit> {
        if !self.holds(limits.schedule.as_deref()) {
            return Some(Limit::Schedule);
        }
        let app = |app: &App| matches!(client, Client::Host(Some(owner)) if app.is(owner));
        if !limits.is_for_some()
            || self.devices.are(&limits.clients, client)
            || limits.apps.iter().any(app)
        {
            return None;
        }
        Some(if limits.clients.is_empty() { Limit::App } else { Limit::Client })
    }

    fn of_client(&self, limits: &Limits, client: &Client) -> bool {
        let devices = &self.devices;
        (limits.clients.is_empty() || devices.are(&limits.clients, client))
            && !devices.are(&limits.not_clients, client)
            && (limits.tags.is_empty() || devices.have_tag(&limits.tags, client))
            && !devices.have_tag(&limits.not_tags, client)
    }
}

/// Whether these limits keep a rule from holding for somebody or something.
pub(super) fn for_some(limits: &Limits) -> bool {
    let Limits { not_below, types, not_types, clients, not_clients, tags, not_tags, schedule: _ } =
        limits;
    !(not_below.is_empty()
        && types.is_empty()
        && not_types.is_empty()
        && clients.is_empty()
        && not_clients.is_empty()
        && tags.is_empty()
        && not_tags.is_empty())
}

/// With types to hold for, those not to hold for say nothing more.
fn of_type(limits: &Limits, qtype: Option<u16>) -> bool {
    let Limits { types, not_types, .. } = limits;
    match qtype {
        _ if types.is_empty() && not_types.is_empty() => true,
        None => false,
        Some(qtype) if types.is_empty() => not_types.binary_search(&qtype).is_err(),
        Some(qtype) => types.binary_search(&qtype).is_ok(),
    }
}

/// An alias in the answer for a name that is excepted is excepted too: who wrote
/// the exception wants that name to work. An address that stands for no name is
/// not judged by such a rule at all.
fn of_name(limits: &Limits, judged: Option<&str>, question: Option<&str>) -> bool {
    let excepted = |name: &str| {
        suffixes(name)
            .any(|name| limits.not_below.binary_search_by(|other| other.as_str().cmp(name)).is_ok())
    };
    let mut names = judged.into_iter().chain(question).peekable();
    limits.not_below.is_empty() || (names.peek().is_some() && !names.any(excepted))
}
