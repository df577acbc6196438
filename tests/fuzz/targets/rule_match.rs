//! Small sets of rules against a matcher that compares each rule with each name.
#![no_main]

use libfuzzer_sys::fuzz_target;
use optout::core::list::Format;
use optout::core::rule::{Action, Rule, Scope, Subject};
use optout::core::rules::{Builder, Kind, Memory, RuleSet};
use optout::core::verdict::Mode;

/// A name, how it is meant, what is done, and whether it is important.
type Written = (String, Scope, Action, bool);

fuzz_target!(|bytes: &[u8]| {
    let Some((head, rest)) = bytes.split_first_chunk::<8>() else { return };
    let seed = u64::from_le_bytes(*head);
    let rules: Vec<Written> = rest.chunks_exact(6).map(rule).collect();
    let set = build(Builder::default().seeded(seed), &rules);
    let spilled = build(Builder::spilling(Memory::default()).seeded(!seed), &rules);
    for host in rest.chunks_exact(5).map(name).chain(rules.iter().map(|rule| rule.0.clone())) {
        let want = naive(&rules, &host);
        assert_eq!(found(&set, &host), want, "{host}");
        assert_eq!(found(&spilled, &host), want, "{host}");
    }
});

/// Lists differ in nothing, so each rule has one of its own: none repeats or completes another.
fn build(mut builder: Builder, rules: &[Written]) -> RuleSet {
    for (name, scope, action, important) in rules {
        builder.list("l", Kind::File(Format::Domains), Mode::Enforce);
        let rule = Rule::about(Subject::Host(name, *scope), *action);
        assert!(builder.rule(1, &Rule { important: *important, ..rule }));
    }
    builder.build()
}

fn found(set: &RuleSet, host: &str) -> Vec<(usize, u16, Action, bool)> {
    let mut found = Vec::new();
    set.visit(host, |hit| found.push((hit.nearness, hit.rule.list, hit.action, hit.important)));
    assert!(found.is_sorted_by_key(|hit| hit.0), "from the widest to the nearest");
    found.sort_unstable();
    found
}

fn naive(rules: &[Written], host: &str) -> Vec<(usize, u16, Action, bool)> {
    let mut found: Vec<_> = (0..)
        .zip(rules)
        .filter(|(_, (name, scope, ..))| {
            let below = host.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.'));
            match scope {
                Scope::Exact => host == name,
                Scope::WithSubdomains => host == name || below,
                Scope::Below => below,
            }
        })
        .map(|(list, (name, scope, action, important))| {
            (name.len() + usize::from(*scope == Scope::Exact), list, *action, *important)
        })
        .collect();
    found.sort_unstable();
    found
}

fn rule(bytes: &[u8]) -> Written {
    let scope = [Scope::Exact, Scope::WithSubdomains, Scope::Below][usize::from(bytes[0] % 3)];
    let action = [Action::Block, Action::Allow, Action::Watch][usize::from(bytes[0] / 3 % 3)];
    (name(&bytes[1..]), scope, action, bytes[0] & 0x80 != 0)
}

/// A name of a few labels; few enough of them that names meet.
fn name(bytes: &[u8]) -> String {
    const LABELS: [&str; 8] = ["a", "b", "ab", "www", "x-1", "com", "ads", "metrics"];
    let labels: Vec<&str> = bytes
        .iter()
        .take(1 + usize::from(bytes[0] % 5))
        .map(|byte| LABELS[usize::from(byte % 8)])
        .collect();
    labels.join(".")
}
