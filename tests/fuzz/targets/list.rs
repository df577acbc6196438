//! Any bytes as a list, in each format and in the one that is found out.
#![no_main]

use std::sync::{Arc, OnceLock};

use libfuzzer_sys::fuzz_target;
use optout::core::host::HostName;
use optout::core::list::{Fault, Format, Guard, Options, Reader, check, detect};
use optout::core::rule::{Action, Device, Limits, Rule, Scope, Subject};
use regex::bytes::RegexBuilder;

const PROTECTED: &str = "time.vendor.example";

fuzz_target!(|bytes: &[u8]| {
    let detected = detect(bytes);
    assert_eq!(detected, detect(bytes), "told another thing the second time");
    assert!(detected.is_none() || check(bytes).is_ok(), "a format of what is no list");
    let guard = Arc::new(Guard::protecting([PROTECTED]));
    // The first byte is of the options too, so that all of them are met.
    let flags = bytes.first().copied().unwrap_or_default();
    for &format in formats() {
        let own = Options::of(format);
        read(&own, &guard, bytes);
        let other = Options {
            subdomains: flags & 1 == 0,
            allow: flags & 2 == 0,
            tlds: flags & 4 == 0,
            ..own
        };
        read(&other, &guard, bytes);
    }
});

/// The format that the variable `FORMAT` names, or all of them.
fn formats() -> &'static [Format] {
    static ONLY: OnceLock<Vec<Format>> = OnceLock::new();
    ONLY.get_or_init(|| {
        let Ok(word) = std::env::var("FORMAT") else { return Format::ALL.to_vec() };
        let only: Vec<_> = Format::ALL.into_iter().filter(|f| f.as_str() == word).collect();
        assert!(!only.is_empty(), "FORMAT is none: {word}");
        only
    })
}

/// Reads `bytes` as a list, and looks at all that comes out.
fn read(options: &Options, guard: &Arc<Guard>, bytes: &[u8]) {
    let mut reader = Reader::new(options.clone(), Arc::clone(guard));
    let (mut lines, mut rules, mut silent) = (0, 0, 0);
    let mut faults = [0; Fault::ALL.len()];
    let mut look = |number: u32, line: u32, found: Result<&Rule<'_>, Fault>| {
        assert_eq!(number, line, "a rule of another line");
        match found {
            Ok(rule) => {
                rules += 1;
                sound(rule, options);
            }
            Err(fault) => faults[fault as usize] += 1,
        }
    };
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        lines += 1;
        let mut any = false;
        reader.line(line, |number, found| {
            any = true;
            look(number, lines, found);
        });
        silent += u32::from(!any);
    }
    reader.end(|number, found| look(number, lines, found));
    let counts = reader.counts();
    assert_eq!((counts.lines, counts.rules, counts.comments), (lines, rules, silent));
    assert_eq!(counts.faults, faults);
}

/// What every rule promises, whoever wrote the list.
fn sound(rule: &Rule<'_>, options: &Options) {
    let blocks = rule.action != Action::Allow;
    assert!(!options.allow || !blocks, "a list of exceptions blocks: {rule:?}");
    match rule.subject {
        Subject::Host(name, scope) => {
            normal(name);
            let protected = blocks && scope != Scope::Below && name == PROTECTED;
            assert!(!protected, "what must stay reachable: {rule:?}");
            let spared = options.tlds || rule.limits.is_some() || rule.cancels;
            let known = !["com", "co.uk", "de", "localhost"].contains(&name);
            assert!(known || spared || (scope == Scope::Exact && !blocks), "{rule:?}");
        }
        Subject::Pattern(regex) => {
            RegexBuilder::new(regex).unicode(false).build().expect("a pattern that compiles");
        }
        Subject::Prefix(prefix) => assert!(prefix.length() > 0, "all addresses: {rule:?}"),
        Subject::Everything => assert!(rule.limits.is_some(), "every name, always"),
    }
    if let Some(limits) = &rule.limits {
        limits_are_sound(limits);
    }
}

fn normal(name: &str) {
    let host = HostName::try_from(name.to_owned()).expect("a name");
    assert!(!name.is_empty(), "the root");
    assert_eq!(host.as_str(), name, "not in normal form");
}

/// They are kept as JSON, and two that mean the same must be equal.
fn limits_are_sound(limits: &Limits) {
    let json = serde_json::to_string(limits).expect("limits are plain data");
    let back: Limits = serde_json::from_str(&json).expect("what was written");
    assert_eq!(&back, limits);
    let mut sorted = limits.clone();
    tidy(&mut sorted.not_below);
    tidy(&mut sorted.types);
    tidy(&mut sorted.not_types);
    tidy(&mut sorted.clients);
    tidy(&mut sorted.not_clients);
    tidy(&mut sorted.tags);
    tidy(&mut sorted.not_tags);
    assert_eq!(&sorted, limits, "not sorted, or something twice");
    let names = limits.clients.iter().chain(&limits.not_clients);
    assert!(names.clone().all(|device| !matches!(device, Device::Name(name) if name.is_empty())));
}

fn tidy<T: Ord>(all: &mut Vec<T>) {
    all.sort();
    all.dedup();
}
