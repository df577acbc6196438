//! The order once more, as a reader of the documentation would write it down.

use std::cmp::Reverse;

use proptest::prelude::*;

use super::*;
use crate::core::host::HostName;
use crate::core::rule::{Answer, Limits, Rule, Subject};

/// Where rules stand: two plain lists, two in which nearness decides, one
/// that is watched, a pack that protects, and the user's own rules.
const PLACES: [(Option<Format>, Mode); 7] = [
    (Some(Format::Adblock), Mode::Enforce),
    (Some(Format::Rpz), Mode::Enforce),
    (Some(Format::Hosts), Mode::Enforce),
    (Some(Format::Dnsmasq), Mode::Watch),
    (Some(Format::Adblock), Mode::Watch),
    (None, Mode::Enforce),
    (None, Mode::Enforce),
];
const NEVER: usize = 5;
const MINE: usize = 6;

#[derive(Clone, Debug, PartialEq)]
struct Written {
    place: usize,
    name: String,
    scope: Scope,
    allow: bool,
    important: bool,
    answer: Answer,
    /// Only for this type.
    qtype: Option<u16>,
}

fn written() -> impl Strategy<Value = Written> {
    let scope = prop_oneof![Just(Scope::Exact), Just(Scope::WithSubdomains), Just(Scope::Below)];
    let answer = prop_oneof![Just(Answer::Usual), Just(Answer::Nodata), Just(Answer::Drop)];
    let qtype = prop_oneof![3 => Just(None), 1 => Just(Some(1)), 1 => Just(Some(28))];
    let flags = (any::<bool>(), prop::bool::weighted(0.2));
    (0..PLACES.len(), name(), scope, flags, answer, qtype).prop_map(
        |(place, name, scope, (allow, important), answer, qtype)| match place {
            NEVER | MINE => {
                let (important, answer, qtype) = (false, Answer::Usual, None);
                let allow = allow || place == NEVER;
                Written { place, name, scope, allow, important, answer, qtype }
            }
            _ => Written { place, name, scope, allow, important, answer, qtype },
        },
    )
}

fn name() -> impl Strategy<Value = String> {
    proptest::collection::vec("[ab]", 1..4).prop_map(|labels| labels.join("."))
}

impl Written {
    /// A rule for exactly this name is nearer than one for all below it too.
    fn nearness(&self) -> (usize, bool) {
        (self.name.len(), self.scope == Scope::Exact)
    }

    /// Whether a rule set keeps only one of them: they are equal, or a name and what
    /// is below it in a list.
    fn joins(&self, other: &Self) -> bool {
        let apart = self.place == MINE
            || self.scope == other.scope
            || self.scope == Scope::WithSubdomains
            || other.scope == Scope::WithSubdomains;
        *self == *other || !apart && *self == Self { scope: self.scope, ..other.clone() }
    }

    fn action(&self) -> Action {
        match (self.place, self.allow) {
            (NEVER, _) => Action::NeverBlock,
            (_, true) => Action::Allow,
            (_, false) => Action::Block,
        }
    }

    fn names(&self, host: &str) -> bool {
        let below = host.ends_with(&format!(".{}", self.name));
        match self.scope {
            Scope::Exact => host == self.name,
            Scope::WithSubdomains => host == self.name || below,
            Scope::Below => below,
        }
    }

    /// The number of its class in the documentation; those that are watched after.
    fn class(&self) -> usize {
        let watched = if PLACES[self.place].1 == Mode::Watch { 4 } else { 0 };
        match (self.place, self.important, self.allow) {
            (MINE, ..) => 1,
            (NEVER, ..) => 2,
            (_, true, true) => watched + 3,
            (_, true, false) => watched + 4,
            (_, false, true) => watched + 5,
            (_, false, false) => watched + 6,
        }
    }
}

fn policy(rules: &[Written]) -> Policy {
    let mut set = RulesBuilder::default();
    for (place, (format, mode)) in PLACES.into_iter().enumerate().take(MINE) {
        let kind = format.map_or_else(|| Kind::Pack("n".into()), Kind::File);
        set.list(&place.to_string(), kind, mode);
        for (line, rule) in (1..).zip(rules).filter(|(_, rule)| rule.place == place) {
            let limits = rule.qtype.map(|qtype| Limits { types: vec![qtype], ..Limits::default() });
            let made = Rule {
                important: rule.important,
                answer: rule.answer,
                limits: limits.map(Box::new),
                ..Rule::about(Subject::Host(&rule.name, rule.scope), rule.action())
            };
            set.rule(line, &made);
        }
    }
    // The user's rules are counted apart, so what is not theirs is about nothing.
    let mine = rules.iter().map(|rule| {
        let name = if rule.place == MINE { &rule.name } else { "filler.invalid" };
        let host: HostName = name.parse().unwrap();
        UserRule::about(rule.allow, UserSubject::Host(host, rule.scope))
    });
    Policy::builder(Arc::new(set.build())).user_rules(mine).build()
}

/// The line of the rule that decides, whether it blocks, and how.
fn naive(rules: &[Written], host: &str, qtype: u16) -> Option<(u32, &'static str, Answer)> {
    let holding: Vec<(u32, &Written)> = (1..)
        .zip(rules)
        .filter(|(_, rule)| rule.names(host) && rule.qtype.is_none_or(|only| only == qtype))
        .collect();
    let counts = |(line, rule): &&(u32, &Written)| {
        let by_nearness = PLACES[rule.place].0.is_some_and(Format::nearest_decides);
        let rank = |line: u32, rule: &Written| (Reverse(rule.nearness()), !rule.allow, line);
        !by_nearness
            || !holding
                .iter()
                .any(|(other, it)| it.place == rule.place && rank(*other, it) < rank(*line, rule))
    };
    let order = |(line, rule): &&(u32, &Written)| {
        let blocks = rule.place == MINE && !rule.allow;
        (rule.class(), Reverse(rule.nearness()), blocks, rule.place, *line)
    };
    let (line, rule) = holding.iter().filter(counts).min_by_key(order)?;
    let watched = PLACES[rule.place].1 == Mode::Watch;
    match (rule.action(), watched) {
        (Action::NeverBlock, _) => Some((*line, "never", Answer::Usual)),
        (Action::Allow, false) => Some((*line, "allow", Answer::Usual)),
        (Action::Allow, true) => None,
        (_, true) => Some((*line, "watch", Answer::Usual)),
        (_, false) => Some((*line, "block", rule.answer)),
    }
}

fn found(policy: &Policy, host: &str, qtype: u16) -> Option<(u32, &'static str, Answer)> {
    match policy.judge(Instant::ZERO, host, Asked::about(qtype, &HOST)) {
        Verdict::Block(stop) => Some((stop.rule.line, "block", stop.answer)),
        Verdict::Watch(rule) => Some((rule.line, "watch", Answer::Usual)),
        Verdict::Pass(Why::Allowed(rule)) => Some((rule.line, "allow", Answer::Usual)),
        Verdict::Pass(Why::NeverBlock(rule)) => Some((rule.line, "never", Answer::Usual)),
        Verdict::Pass(Why::NoMatch) => None,
    }
}

proptest! {
    #[test]
    fn verdicts_agree_with_the_documented_order(
        rules in proptest::collection::vec(written(), 0..24),
        hosts in proptest::collection::vec(name(), 12)
    ) {
        let mut distinct: Vec<Written> = Vec::new();
        for rule in rules {
            if !distinct.iter().any(|other| other.joins(&rule)) {
                distinct.push(rule);
            }
        }
        let rules = distinct;
        let policy = policy(&rules);
        for host in hosts {
            for qtype in [1, 28] {
                let want = naive(&rules, &host, qtype);
                prop_assert_eq!(found(&policy, &host, qtype), want, "{} {:?}", host, &rules);
                let asked = Asked::about(qtype, &HOST);
                let evidence = policy.evidence(Instant::ZERO, &host, asked);
                let named = rules.iter().filter(|rule| rule.names(&host)).count();
                prop_assert_eq!(evidence.len(), named, "every rule is told, in force or not");
                if let Some((line, ..)) = want {
                    prop_assert_eq!(evidence[0].rule.line, line);
                }
            }
        }
    }
}
