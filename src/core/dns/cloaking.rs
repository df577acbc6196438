//! What the policy says about a name and about what it turned out to stand for.

use crate::core::flow::Client;
use crate::core::policy::Policy;
use crate::core::time::Instant;
use crate::core::verdict::{RuleRef, Verdict, Via, Why};

use super::answer::{Answer, MAX_ADDRESSES};

/// What is done about a question.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Ruling {
    /// It gets its answer.
    Pass,
    /// It gets its answer, and this rule would have stopped it.
    Watch(RuleRef, Via),
    /// It is stopped.
    Block(RuleRef, Via),
}

/// Judges an answer, and the name that was asked for again: the policy may have
/// changed since.
///
/// A name that is allowed by name, or must not be blocked, is not blocked for
/// what it stands for either: whoever allowed it meant it to work.
pub(super) fn rule(
    policy: &Policy,
    now: Instant,
    host: &str,
    answer: &Answer,
    client: &Client,
) -> Ruling {
    let mut ruling = match policy.judge(now, host, client) {
        Verdict::Block(rule) => return Ruling::Block(rule, Via::Name),
        Verdict::Pass(Why::Allowed(_) | Why::NeverBlock(_)) => return Ruling::Pass,
        Verdict::Watch(rule) => Ruling::Watch(rule, Via::Name),
        Verdict::Pass(Why::NoMatch) => Ruling::Pass,
    };
    for alias in &answer.aliases {
        match policy.judge(now, alias.as_str(), client) {
            Verdict::Block(rule) => return Ruling::Block(rule, Via::Alias(alias.clone())),
            Verdict::Watch(rule) => ruling.note(rule, || Via::Alias(alias.clone())),
            Verdict::Pass(Why::Allowed(_) | Why::NeverBlock(_)) => return ruling,
            Verdict::Pass(Why::NoMatch) => {}
        }
    }
    for target in &answer.targets {
        match policy.judge(now, target.as_str(), client) {
            Verdict::Block(rule) => return Ruling::Block(rule, Via::Alias(target.clone())),
            Verdict::Watch(rule) => ruling.note(rule, || Via::Alias(target.clone())),
            Verdict::Pass(_) => {}
        }
    }
    match judge_addresses(policy, now, answer, client) {
        Some(Verdict::Block(rule)) => return Ruling::Block(rule, Via::Address),
        Some(Verdict::Watch(rule)) => ruling.note(rule, || Via::Address),
        Some(Verdict::Pass(_)) | None => {}
    }
    ruling
}

impl Ruling {
    /// The first reason to watch is the one that is told.
    fn note(&mut self, rule: RuleRef, via: impl FnOnce() -> Via) {
        if *self == Self::Pass {
            *self = Self::Watch(rule, via());
        }
    }
}

/// What is done about all addresses alike; `None` if one of them is free. An
/// answer with a free address is left alone: the way to the others is closed
/// anyway.
fn judge_addresses(
    policy: &Policy,
    now: Instant,
    answer: &Answer,
    client: &Client,
) -> Option<Verdict> {
    if answer.addresses.len() > MAX_ADDRESSES {
        return None;
    }
    let mut all = None;
    for &address in &answer.addresses {
        match (policy.judge_address(now, address, client), all) {
            (Verdict::Pass(_), _) => return None,
            (watch @ Verdict::Watch(_), _) => all = Some(watch),
            (block @ Verdict::Block(_), None) => all = Some(block),
            (Verdict::Block(_), Some(_)) => {}
        }
    }
    all
}
