//! What the policy says about a name and about what it turned out to stand for.

use std::net::IpAddr;

use super::answer::{Answer, MAX_ADDRESSES};
use crate::core::flow::Client;
use crate::core::policy::Policy;
use crate::core::time::Instant;
use crate::core::verdict::{RuleRef, Verdict, Via, Why};

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

/// What decides: a policy at a moment, for one client.
pub(super) trait Judge {
    /// Decides about a name.
    fn name(&self, host: &str) -> Verdict;
    /// Decides about an address.
    fn address(&self, address: IpAddr) -> Verdict;
}

impl Judge for (&Policy, Instant, &Client) {
    fn name(&self, host: &str) -> Verdict {
        self.0.judge(self.1, host, self.2)
    }

    fn address(&self, address: IpAddr) -> Verdict {
        self.0.judge_address(self.1, address, self.2)
    }
}

/// Judges an answer, and the name that was asked for again: the policy may have
/// changed since.
///
/// A name that is allowed by name, or must not be blocked, is not blocked for
/// what it stands for either: whoever allowed it meant it to work.
pub(super) fn rule(judge: &impl Judge, host: &str, answer: &Answer) -> Ruling {
    let mut ruling = match judge.name(host) {
        Verdict::Block(rule) => return Ruling::Block(rule, Via::Name),
        Verdict::Pass(Why::Allowed(_) | Why::NeverBlock(_)) => return Ruling::Pass,
        Verdict::Watch(rule) => Ruling::Watch(rule, Via::Name),
        Verdict::Pass(Why::NoMatch) => Ruling::Pass,
    };
    for alias in &answer.aliases {
        match judge.name(alias.as_str()) {
            Verdict::Block(rule) => return Ruling::Block(rule, Via::Alias(alias.clone())),
            Verdict::Watch(rule) => ruling.note(rule, || Via::Alias(alias.clone())),
            Verdict::Pass(Why::Allowed(_) | Why::NeverBlock(_)) => return ruling,
            Verdict::Pass(Why::NoMatch) => {}
        }
    }
    for target in &answer.targets {
        match judge.name(target.as_str()) {
            Verdict::Block(rule) => return Ruling::Block(rule, Via::Alias(target.clone())),
            Verdict::Watch(rule) => ruling.note(rule, || Via::Alias(target.clone())),
            Verdict::Pass(_) => {}
        }
    }
    match judge_addresses(judge, &answer.addresses) {
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
fn judge_addresses(judge: &impl Judge, addresses: &[IpAddr]) -> Option<Verdict> {
    if addresses.len() > MAX_ADDRESSES {
        return None;
    }
    let mut all = None;
    for &address in addresses {
        match (judge.address(address), all) {
            (Verdict::Pass(_), _) => return None,
            (watch @ Verdict::Watch(_), _) => all = Some(watch),
            (block @ Verdict::Block(_), None) => all = Some(block),
            (Verdict::Block(_), Some(_)) => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decides by the first letter, or the last byte.
    struct Letters;

    impl Judge for Letters {
        fn name(&self, host: &str) -> Verdict {
            verdict(host.as_bytes()[0])
        }

        fn address(&self, address: IpAddr) -> Verdict {
            let IpAddr::V4(v4) = address else { panic!("{address}") };
            verdict(v4.octets()[3])
        }
    }

    fn verdict(letter: u8) -> Verdict {
        let rule = RuleRef { list: 0, line: letter.into() };
        match letter {
            b'b' => Verdict::Block(rule),
            b'w' => Verdict::Watch(rule),
            b'a' => Verdict::Pass(Why::Allowed(rule)),
            b'n' => Verdict::Pass(Why::NeverBlock(rule)),
            _ => Verdict::Pass(Why::NoMatch),
        }
    }

    /// A name, its aliases, where its services point, its addresses, and what
    /// is done, by the letter of which.
    type Row =
        (&'static str, &'static [&'static str], &'static [&'static str], &'static [u8], char);

    const ROWS: &[Row] = &[
        ("site", &["cdn", "edge"], &["svc"], b"xy", 'p'),
        ("bad", &[], &[], b"", 'N'),
        ("site", &["cdn", "bad"], &[], b"", 'A'),
        ("site", &["allowed", "bad"], &[], b"b", 'p'), // as if `allowed` itself were asked for
        ("site", &["bad", "allowed"], &[], b"", 'A'),
        ("site", &[], &["allowed", "bad"], b"", 'A'), // each is a way of its own
        ("allowed", &["bad"], &["bad"], b"b", 'p'),
        ("never", &["bad"], &["bad"], b"b", 'p'),
        ("site", &[], &[], b"bb", 'I'),
        ("site", &[], &[], b"bx", 'p'), // the way to the other is closed anyway
        ("site", &[], &[], b"bw", 'i'),
        ("watched", &[], &[], b"", 'n'),
        ("watched", &["wary"], &[], b"", 'n'),
        ("site", &["wary"], &[], b"", 'a'),
        ("watched", &["bad"], &[], b"", 'A'),
    ];

    #[test]
    fn a_name_is_judged_by_all_it_stands_for() {
        for &(host, aliases, targets, bytes, want) in ROWS {
            let hosts = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
            let addresses = bytes.iter().map(|&byte| [192, 0, 2, byte].into()).collect();
            let answer = Answer::of(hosts(aliases), hosts(targets), addresses);
            let via = |via| match via {
                Via::Name => 'n',
                Via::Alias(_) => 'a',
                Via::Address => 'i',
            };
            let got = match rule(&Letters, host, &answer) {
                Ruling::Pass => 'p',
                Ruling::Watch(_, by) => via(by),
                Ruling::Block(_, by) => via(by).to_ascii_uppercase(),
            };
            assert_eq!(got, want, "{host} {aliases:?} {targets:?} {bytes:?}");
        }
    }
}
