//! The lists in use, as people see them.
//!
//! One function for both sides: the daemon answers
//! [`Request::Lists`](crate::request::Request::Lists) with it, and the command
//! line calls it when there is no daemon to ask.

use std::time::Duration;

use crate::config::ListSource;
use crate::core::list::Format;
use crate::core::policy::Policy;
use crate::core::rules::{Kind, List};
use crate::core::verdict::Mode;
use crate::request::{ListLine, ListMore, ListVersion};
use crate::shell::rulebook::Rulebook;
use crate::shell::state::State;
use crate::shell::subscriptions::{Record, Version};
use crate::shell::{clock, list_sources, lists};

/// The packs and lists, those that are off or not there yet too. `record` says what is
/// known of a list on disk, `wait` how long until it is looked after again.
#[must_use]
pub fn all(
    rulebook: &Rulebook,
    policy: &Policy,
    state: &State,
    record: &dyn Fn(&ListSource) -> Option<Record>,
    wait: &dyn Fn(&Record) -> Duration,
) -> Vec<ListLine> {
    let knows = Knows { state, wall: clock::wall_seconds(), record, wait };
    let changed = rulebook.changed().into_iter().chain(std::iter::repeat(None));
    let sources = rulebook.sources();
    let line = |((list, mode), changed): ((&List, Mode), Option<i64>)| {
        let is_file = matches!(list.kind, Kind::File(_));
        let source = sources.iter().find(|source| is_file && source.name == *list.name);
        ListLine {
            name: list.name.to_string(),
            format: format(list).into(),
            rules: list.rules().into(),
            ignored: lists::not_used(list),
            changed,
            mode,
            more: source.map(|source| Box::new(knows.more(source, Some(list)))),
        }
    };
    let mut lines: Vec<_> = policy.lists().zip(changed).map(line).collect();
    // What is off or not there yet is not in use, but the user should see it.
    for source in sources {
        if !lines.iter().any(|line| line.more.is_some() && line.name == source.name) {
            lines.push(knows.idle(source));
        }
    }
    lines
}

/// What is known besides the rules.
struct Knows<'a> {
    state: &'a State,
    /// Now, seconds since 1970 (UTC).
    wall: i64,
    record: &'a dyn Fn(&ListSource) -> Option<Record>,
    wait: &'a dyn Fn(&Record) -> Duration,
}

impl Knows<'_> {
    /// A list of which no rule is in use.
    fn idle(&self, source: &ListSource) -> ListLine {
        ListLine {
            name: source.name.clone(),
            format: source.format.map_or("auto", Format::as_str).into(),
            rules: 0,
            ignored: 0,
            changed: None,
            mode: list_sources::mode(source, self.state, self.wall).0,
            more: Some(Box::new(self.more(source, None))),
        }
    }

    fn more(&self, source: &ListSource, list: Option<&List>) -> ListMore {
        let usual = || source.subdomains.unwrap_or(source.format.is_some_and(Format::subdomains));
        let mut more = ListMore {
            id: source.id.clone(),
            place: list_sources::place(&source.place),
            subdomains: list.map_or_else(usual, |list| list.subdomains),
            allow: source.allow,
            mode_until: list_sources::mode(source, self.state, self.wall).1,
            summary: list.map(lists::summary).unwrap_or_default(),
            ..ListMore::default()
        };
        if let Some(record) = (self.record)(source) {
            let next = |_| self.wall.saturating_add_unsigned((self.wait)(&record).as_secs());
            more.next = source.every.map(next);
            more.checked = record.checked;
            more.versions = record.good.iter().map(version).collect();
            more.quarantined = record.held.map(|held| format!("it {}", held.why));
            more.problem = record.failed.map(|failure| failure.why);
        }
        more
    }
}

fn version(version: &Version) -> ListVersion {
    ListVersion {
        number: version.number.into(),
        arrived: version.fetched,
        sha256: version.sha256.clone(),
        rules: version.size.rules.into(),
        bytes: version.bytes,
    }
}

fn format(list: &List) -> &'static str {
    match &list.kind {
        Kind::File(format) => format.as_str(),
        Kind::Pack(_) => "pack",
    }
}
