//! How things are, for `optout status`.

use std::collections::BTreeMap;

use super::Daemon;
use super::network::Known;
use crate::config::ListSource;
use crate::core::list::Format;
use crate::core::policy::BlockAnswer;
use crate::core::rules::{Kind, List};
use crate::core::verdict::Mode;
use crate::request::{Counters, ListLine, ListMore, ListVersion, Status, UpstreamLine};
use crate::shell::subscriptions::Version;
use crate::shell::{clock, list_sources, lists};

/// What keeps us from doing our job, by where it was noticed.
#[derive(Debug, Default)]
pub(super) struct Problems(BTreeMap<&'static str, Vec<String>>);

impl Problems {
    /// Notes the problems of `place` in the stead of those before. New ones are logged.
    pub(super) fn set(&mut self, place: &'static str, now: impl IntoIterator<Item = String>) {
        let now: Vec<_> = now.into_iter().collect();
        let before = self.0.insert(place, now.clone()).unwrap_or_default();
        for problem in now.iter().filter(|problem| !before.contains(problem)) {
            log::warn!("{problem}");
        }
    }

    fn all(&self) -> impl Iterator<Item = String> {
        self.0.values().flatten().cloned()
    }
}

impl Daemon {
    /// How things are.
    pub(super) fn status(&self) -> Status {
        let state = &self.state;
        let health = self.journal.health();
        let mut problems: Vec<_> = self.problems.all().collect();
        problems.extend(self.network.problems());
        problems.extend(health.problem.clone());
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            state: self.state_word().into(),
            paused_until: state.paused_until.filter(|_| state.on),
            capture: "selective".into(),
            fail_policy: self.config.fail_policy.to_string(),
            mode: self.policy.mode(),
            block_answer: block_answer(self.policy.block_answer).into(),
            device: self.network.tun.name().into(),
            started: self.started,
            upstreams: self.upstream_lines(),
            lists: self.list_lines(false),
            counters: self.counters(health.lost),
            problems,
        }
    }

    /// `on`, `off` or `paused`.
    pub(super) fn state_word(&self) -> &'static str {
        let state = &self.state;
        match (state.on, state.paused_until) {
            (false, _) => "off",
            (true, Some(until)) if until > clock::wall_seconds() => "paused",
            (true, _) => "on",
        }
    }

    fn upstream_lines(&self) -> Vec<UpstreamLine> {
        let health = self.engine.upstream_health();
        let answering = |address| {
            health.iter().find(|(known, _)| *known == address).is_none_or(|&(_, answers)| answers)
        };
        let line = |known: Known| UpstreamLine {
            address: known.address.to_string(),
            answering: answering(known.address),
            source: known.source,
        };
        self.network.upstreams().into_iter().map(line).collect()
    }

    /// The packs and lists in use; with `more`, also what their files on disk know.
    pub(super) fn list_lines(&self, more: bool) -> Vec<ListLine> {
        let changed = self.rulebook.changed().into_iter().chain(std::iter::repeat(None));
        let sources = self.rulebook.sources();
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
                more: source.map(|source| Box::new(self.list_more(source, Some(list), more))),
            }
        };
        let mut lines: Vec<_> = self.policy.lists().zip(changed).map(line).collect();
        // What is off or not there yet is not in use, but the user should see it.
        for source in sources {
            if !lines.iter().any(|line| line.more.is_some() && line.name == source.name) {
                lines.push(ListLine {
                    name: source.name.clone(),
                    format: source.format.map_or("auto", Format::as_str).into(),
                    rules: 0,
                    ignored: 0,
                    changed: None,
                    mode: list_sources::mode(source, &self.state, clock::wall_seconds()).0,
                    more: Some(Box::new(self.list_more(source, None, more))),
                });
            }
        }
        lines
    }

    fn list_more(&self, source: &ListSource, list: Option<&List>, from_disk: bool) -> ListMore {
        let wall = clock::wall_seconds();
        let format = list.and_then(|list| match list.kind {
            Kind::File(format) => Some(format),
            Kind::Pack(_) => None,
        });
        let mut more = ListMore {
            id: source.id.clone(),
            place: list_sources::place(&source.place),
            subdomains: list.map_or_else(
                || source.subdomains.unwrap_or(format.is_some_and(Format::subdomains)),
                |list| list.subdomains,
            ),
            allow: source.allow,
            mode_until: list_sources::mode(source, &self.state, wall).1,
            summary: list.map(lists::summary).unwrap_or_default(),
            ..ListMore::default()
        };
        let record = if from_disk { self.lists.record(source) } else { None };
        if let Some(record) = record {
            more.checked = record.checked;
            more.next = source.every.map(|_| {
                wall.saturating_add_unsigned(self.lists.wait(&record).as_secs())
            });
            more.versions = record.good.iter().map(version).collect();
            more.quarantined = record.held.map(|held| format!("it {}", held.why));
            more.problem = record.failed.map(|failure| failure.why);
        }
        more
    }

    fn counters(&self, events_lost: u64) -> Counters {
        let counted = self.engine.counters();
        Counters {
            packets: counted.packets,
            queries: counted.dns.queries,
            blocked: counted.dns.blocked,
            watched: counted.dns.watched,
            passed: counted.dns.passed,
            connections: counted.connections,
            malformed: counted.malformed + counted.dns.malformed,
            unanswered: counted.dns.unanswered,
            events_lost,
            wakeups: self.wakeups,
        }
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

fn block_answer(answer: BlockAnswer) -> &'static str {
    match answer {
        BlockAnswer::Sinkhole => "sinkhole",
        BlockAnswer::Null => "null",
        BlockAnswer::Nxdomain => "nxdomain",
        BlockAnswer::Refused => "refused",
    }
}

fn format(list: &List) -> &'static str {
    match &list.kind {
        Kind::File(format) => format.as_str(),
        Kind::Pack(_) => "pack",
    }
}
