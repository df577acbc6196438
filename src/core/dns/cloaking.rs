//! What the policy says about a name and about what it turned out to stand for.

use std::borrow::Cow;
use std::net::IpAddr;

use super::answer::{Answer, MAX_ADDRESSES};
use super::types;
use crate::core::flow::Client;
use crate::core::host::HostName;
use crate::core::policy::{Asked, Policy};
use crate::core::time::Instant;
use crate::core::verdict::{RuleRef, Stop, Verdict, Via, Why};

/// What is done about a question.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Ruling {
    /// It gets its answer.
    Pass,
    /// It gets its answer, and this rule would have stopped it.
    Watch(RuleRef, What),
    /// It is stopped.
    Block(Stop, What),
}

/// What a rule matched.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum What {
    /// The name that was asked for.
    Name,
    /// A name that it stands for.
    Alias(HostName),
    /// An address that it stands for.
    Address(IpAddr),
}

impl What {
    /// As text; `host` is the name that was asked for.
    pub(super) fn text<'a>(&'a self, host: &'a str) -> Cow<'a, str> {
        match self {
            Self::Name => host.into(),
            Self::Alias(alias) => alias.as_str().into(),
            Self::Address(address) => address.to_string().into(),
        }
    }
}

impl From<What> for Via {
    fn from(what: What) -> Self {
        match what {
            What::Name => Self::Name,
            What::Alias(alias) => Self::Alias(alias),
            What::Address(_) => Self::Address,
        }
    }
}

/// What decides.
pub(super) trait Judge {
    /// Decides about a name in a record of this type.
    fn name(&self, name: &str, qtype: u16) -> Verdict;
    /// Decides about an address in a record of this type.
    fn address(&self, address: IpAddr, qtype: u16) -> Verdict;
}

/// A policy at a moment, for one client and one question.
pub(super) struct ByPolicy<'a> {
    pub(super) policy: &'a Policy,
    pub(super) now: Instant,
    pub(super) client: &'a Client,
    pub(super) host: &'a str,
}

impl Judge for ByPolicy<'_> {
    fn name(&self, name: &str, qtype: u16) -> Verdict {
        self.policy.judge(self.now, name, Asked::in_answer(self.host, qtype, self.client))
    }

    fn address(&self, address: IpAddr, qtype: u16) -> Verdict {
        self.policy.judge_address(
            self.now,
            address,
            Asked::in_answer(self.host, qtype, self.client),
        )
    }
}

/// Judges an answer, and the name that was asked for again: the policy may have
/// changed since. Each name and address is judged as one of a record of the type
/// it stands in.
///
/// A name that is allowed by name, or must not be blocked, is not blocked for
/// what it stands for either: whoever allowed it meant it to work.
pub(super) fn rule(judge: &impl Judge, (host, qtype): (&str, u16), answer: &Answer) -> Ruling {
    let mut ruling = match judge.name(host, qtype) {
        Verdict::Block(stop) => return Ruling::Block(stop, What::Name),
        Verdict::Pass(Why::Allowed(_) | Why::NeverBlock(_)) => return Ruling::Pass,
        Verdict::Watch(rule) => Ruling::Watch(rule, What::Name),
        Verdict::Pass(Why::NoMatch) => Ruling::Pass,
    };
    for alias in &answer.aliases {
        match judge.name(alias.as_str(), types::CNAME) {
            Verdict::Block(stop) => return Ruling::Block(stop, What::Alias(alias.clone())),
            Verdict::Watch(rule) => ruling.note(rule, || What::Alias(alias.clone())),
            Verdict::Pass(Why::Allowed(_) | Why::NeverBlock(_)) => return ruling,
            Verdict::Pass(Why::NoMatch) => {}
        }
    }
    let service = if qtype == types::SVCB { types::SVCB } else { types::HTTPS };
    for target in &answer.targets {
        match judge.name(target.as_str(), service) {
            Verdict::Block(stop) => return Ruling::Block(stop, What::Alias(target.clone())),
            Verdict::Watch(rule) => ruling.note(rule, || What::Alias(target.clone())),
            Verdict::Pass(_) => {}
        }
    }
    match judge_addresses(judge, qtype, &answer.addresses) {
        Some((Verdict::Block(stop), at)) => return Ruling::Block(stop, What::Address(at)),
        Some((Verdict::Watch(rule), at)) => ruling.note(rule, || What::Address(at)),
        Some((Verdict::Pass(_), _)) | None => {}
    }
    ruling
}

impl Ruling {
    /// The first reason to watch is the one that is told.
    fn note(&mut self, rule: RuleRef, what: impl FnOnce() -> What) {
        if *self == Self::Pass {
            *self = Self::Watch(rule, what());
        }
    }
}

/// What is done about all addresses alike; `None` if one of them is free. An
/// answer with a free address is left alone: the way to the others is closed
/// anyway.
fn judge_addresses(
    judge: &impl Judge,
    qtype: u16,
    addresses: &[IpAddr],
) -> Option<(Verdict, IpAddr)> {
    if addresses.len() > MAX_ADDRESSES {
        return None;
    }
    let mut all = None;
    for &address in addresses {
        let record = match (qtype, address) {
            (types::SVCB | types::HTTPS, _) => qtype, // a hint in it
            (_, IpAddr::V4(_)) => types::A,
            (_, IpAddr::V6(_)) => types::AAAA,
        };
        match (judge.address(address, record), all) {
            (Verdict::Pass(_), _) => return None,
            (watch @ Verdict::Watch(_), _) => all = Some((watch, address)),
            (block @ Verdict::Block(_), None) => all = Some((block, address)),
            (Verdict::Block(_), Some(_)) => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::rule::Answer as Wanted;

    /// Decides by the first letter, or the last byte.
    struct Letters;

    impl Judge for Letters {
        fn name(&self, host: &str, _: u16) -> Verdict {
            verdict(host.as_bytes()[0])
        }

        fn address(&self, address: IpAddr, _: u16) -> Verdict {
            let IpAddr::V4(v4) = address else { panic!("{address}") };
            verdict(v4.octets()[3])
        }
    }

    fn verdict(letter: u8) -> Verdict {
        let rule = RuleRef { list: 0, line: letter.into() };
        match letter {
            b'b' => Verdict::Block(Stop { rule, answer: Wanted::Usual }),
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
            let via = |what: What| match what.into() {
                Via::Name => 'n',
                Via::Alias(_) => 'a',
                Via::Address => 'i',
            };
            let got = match rule(&Letters, (host, types::A), &answer) {
                Ruling::Pass => 'p',
                Ruling::Watch(_, by) => via(by),
                Ruling::Block(_, by) => via(by).to_ascii_uppercase(),
            };
            assert_eq!(got, want, "{host} {aliases:?} {targets:?} {bytes:?}");
        }
    }
}
