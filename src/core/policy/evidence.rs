//! What rules say about a host or an address, each by itself.

use std::cmp::Reverse;
use std::fmt::Write;

use hickory_proto::rr::RecordType;

use super::limits::{Limit, ListLimits};
use super::user::App;
use crate::core::rule::{Answer, Device, Limits};
use crate::core::verdict::{RuleRef, Verdict};

/// A rule that names a host or address, and what comes of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Evidence {
    /// Which rule.
    pub rule: RuleRef,
    /// What comes of it by itself.
    pub effect: Effect,
    /// Whether it comes before rules of lists that are not.
    pub important: bool,
    /// How it wants a block answered.
    pub answer: Answer,
    /// In words, when and for whom it holds; `None` for always and everyone.
    pub limits: Option<String>,
    /// How near its name is; see [`Hit::nearness`](crate::core::rules::Hit::nearness).
    pub(super) nearness: usize,
}

/// What comes of a rule, once modes and limits are applied.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// Lets through, whatever packs and lists say.
    NeverBlock,
    /// Lets through.
    Allow,
    /// Stops.
    Block,
    /// Would stop.
    Watch,
    /// Would let through: its list is only watched.
    WatchAllow,
    /// Nothing: its list is off, or everything is.
    Off,
    /// Nothing: its list has a nearer rule, and in such a list that one decides.
    Outdone,
    /// Nothing: it does not hold now, or for this.
    Limited(Limit),
}

impl Effect {
    /// The word that users see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NeverBlock => "never-block",
            Self::Allow => "allow",
            Self::Block => "block",
            Self::Watch => "watch",
            Self::WatchAllow => "watch-allow",
            Self::Off => "off",
            Self::Outdone => "outdone",
            Self::Limited(_) => "limited",
        }
    }
}

/// Sorts: the rule that decides, then the others by nearness.
pub(super) fn put_first(mut all: Vec<Evidence>, verdict: Verdict) -> Vec<Evidence> {
    let decides = |evidence: &Evidence| Some(evidence.rule) == verdict.rule();
    all.sort_by_key(|evidence| (!decides(evidence), Reverse(evidence.nearness)));
    all
}

/// What follows "it holds": `only for A; not below b.example; only while night`.
pub(super) fn in_words(rule: Option<&Limits>, list: Option<&ListLimits>) -> Option<String> {
    let mut words = Words::default();
    if let Some(limits) = rule {
        let types = |types: &[u16]| -> Vec<_> {
            types.iter().map(|&qtype| RecordType::from(qtype).to_string()).collect()
        };
        words.add("only for records of type", types(&limits.types));
        words.add("not for records of type", types(&limits.not_types));
        words.add("not for or below", limits.not_below.iter().map(ToString::to_string));
        words.add("only for", limits.clients.iter().map(device));
        words.add("not for", limits.not_clients.iter().map(device));
        words.add("only for clients tagged", limits.tags.iter().cloned());
        words.add("not for clients tagged", limits.not_tags.iter().cloned());
        words.add("only during", limits.schedule.clone());
    }
    if let Some(limits) = list {
        words.add_list("its list ", limits);
    }
    words.done()
}

impl ListLimits {
    /// In words, each limit after `whose`; `None` for always and everyone.
    pub(super) fn in_words(&self, whose: &str) -> Option<String> {
        let mut words = Words::default();
        words.add_list(whose, self);
        words.done()
    }
}

#[derive(Default)]
struct Words(String);

impl Words {
    fn add_list(&mut self, whose: &str, limits: &ListLimits) {
        let whom = limits.clients.iter().map(device).chain(limits.apps.iter().map(app));
        self.add(&format!("{whose}only for"), whom);
        let schedule = limits.schedule.as_ref().map(ToString::to_string);
        self.add(&format!("{whose}only during"), schedule);
    }

    fn done(self) -> Option<String> {
        (!self.0.is_empty()).then_some(self.0)
    }

    /// Adds a limit, with some of what it names: a list may name thousands.
    fn add(&mut self, what: &str, named: impl IntoIterator<Item = String>) {
        let named: Vec<_> = named.into_iter().take(MAX_NAMED + 1).collect();
        if named.is_empty() {
            return;
        }
        if !self.0.is_empty() {
            self.0.push_str("; ");
        }
        let shown = named.get(..MAX_NAMED.min(named.len())).unwrap_or_default().join(", ");
        let more = if named.len() > MAX_NAMED { " and more" } else { "" };
        let _ = write!(self.0, "{what} {shown}{more}"); // a string takes all
    }
}

fn device(device: &Device) -> String {
    match device {
        Device::Address(prefix) => prefix.to_string(),
        Device::Name(name) => format!("{name:?}"),
    }
}

fn app(app: &App) -> String {
    match app {
        App::Program(name) => name.to_string(),
        App::Uid(uid) => format!("uid:{uid}"),
    }
}

const MAX_NAMED: usize = 8; // what fits a line of a terminal or two

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_in_words() {
        let names = |range: std::ops::Range<u8>| {
            range.map(|n| format!("h{n}.example").parse().unwrap()).collect()
        };
        let limits = Limits {
            types: vec![1, 65],
            clients: vec![
                Device::Address("192.0.2.0/24".parse().unwrap()),
                Device::Name("tv".into()),
            ],
            not_tags: vec!["user_child".into()],
            schedule: Some("night".into()),
            ..Limits::default()
        };
        assert_eq!(
            in_words(Some(&limits), None).unwrap(),
            "only for records of type A, HTTPS; only for 192.0.2.0/24, \"tv\"; \
             not for clients tagged user_child; only during night"
        );
        let many = Limits { not_below: names(0..9), ..Limits::default() };
        assert!(in_words(Some(&many), None).unwrap().ends_with("h6.example, h7.example and more"));
        let apps = vec![App::Program("curl".into()), App::Uid(7)];
        let list = ListLimits { apps, schedule: Some("day".into()), ..ListLimits::default() };
        assert_eq!(
            in_words(None, Some(&list)).unwrap(),
            "its list only for curl, uid:7; its list only during day"
        );
        assert_eq!(in_words(Some(&Limits::default()), None), None);
    }
}
