//! How things are, for `optout status`.

use std::collections::BTreeMap;

use super::Daemon;
use super::network::Known;
use crate::config::ListSource;
use crate::core::policy::BlockAnswer;
use crate::request::{Counters, EngineState, FlowsLine, ListLine, SetLine, Status, UpstreamLine};
use crate::shell::subscriptions::Record;
use crate::shell::tun::Tun;
use crate::shell::{clock, list_lines};

/// What keeps us from doing our job, by where it was noticed.
#[derive(Debug, Default)]
pub(super) struct Problems {
    by_place: BTreeMap<&'static str, Vec<String>>,
    /// They are others than when this was last asked.
    news: bool,
}

impl Problems {
    /// Notes the problems of `place` in the stead of those before. New ones are logged.
    pub(super) fn set(&mut self, place: &'static str, now: impl IntoIterator<Item = String>) {
        let now: Vec<_> = now.into_iter().collect();
        let before = self.by_place.insert(place, now.clone()).unwrap_or_default();
        self.news |= before != now;
        for problem in now.iter().filter(|problem| !before.contains(problem)) {
            log::warn!("{problem}");
        }
    }

    /// The problems of `place`, if there were any, are over.
    pub(super) fn end(&mut self, place: &'static str) {
        if self.by_place.get(place).is_some_and(|problems| !problems.is_empty()) {
            self.set(place, None);
        }
    }

    fn all(&self) -> impl Iterator<Item = String> {
        self.by_place.values().flatten().cloned()
    }

    /// Whether they are others than when this was last asked.
    pub(super) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }
}

impl Daemon {
    /// How things are.
    pub(super) fn status(&mut self) -> Status {
        let sets = self.set_lines();
        let state = &self.state;
        let health = self.journal.health();
        let mut problems = self.all_problems();
        problems.extend(Self::full_sets(&sets));
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            state: self.state_word().into(),
            paused_until: state.paused_until.filter(|_| state.on),
            capture: self.capture().to_string(),
            fail_policy: self.config.fail_policy.to_string(),
            mode: self.config.mode,
            block_answer: block_answer(self.policy.block_answer).into(),
            device: self.network.tun().map_or("", Tun::name).into(),
            started: self.started,
            upstreams: self.upstream_lines(),
            lists: self.list_lines(false),
            counters: self.counters(health.lost),
            flows: self.flows(sets),
            problems,
        }
    }

    /// How things are, for the program around us.
    pub(super) fn engine_state(&self) -> EngineState {
        EngineState {
            state: self.state_word().into(),
            problems: self.all_problems(),
            plan_changed: false,
            has_tunnel: self.network.tun().is_some(),
        }
    }

    fn all_problems(&self) -> Vec<String> {
        let noted = self.problems.all().chain(self.network.problems());
        noted.chain(self.journal.health().problem.clone()).collect()
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
        let wait = |record: &Record| self.lists.wait(record);
        let record = |source: &ListSource| if more { self.lists.record(source) } else { None };
        list_lines::all(&self.rulebook, &self.policy, &self.state, &record, &wait)
    }

    fn counters(&self, events_lost: u64) -> Counters {
        let counted = self.engine.counters();
        Counters {
            packets: counted.packets,
            queries: counted.dns.queries,
            blocked: counted.dns.blocked,
            watched: counted.dns.watched,
            passed: counted.dns.passed,
            connections: counted.connections + self.engine.flows().0.refused,
            malformed: counted.malformed + counted.dns.malformed,
            strays: counted.strays,
            unanswered: counted.dns.unanswered,
            events_lost,
            wakeups: self.wakeups,
        }
    }

    fn flows(&self, sets: Vec<SetLine>) -> FlowsLine {
        let (counted, fill) = self.engine.flows();
        let wide = |number: usize| number as u64;
        FlowsLine {
            undecided: wide(fill.undecided),
            refused: wide(fill.refused),
            passed: wide(fill.passed),
            held_bytes: wide(fill.held),
            held_cap: wide(self.engine.flow_bounds().held),
            seen: counted.flows,
            stopped: counted.refused,
            named: counted.named,
            unnamed: counted.unnamed,
            put_back: counted.put_back,
            over_bound: counted.over_bound,
            dropped: counted.dropped,
            storms: counted.storms,
            answers: wide(self.engine.answers_remembered()),
            sets,
        }
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
