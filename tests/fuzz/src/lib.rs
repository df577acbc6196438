//! What targets share. For list formats: bytes are read as a list, and all that
//! comes out is looked at.

use std::sync::Arc;

use optout::core::host::HostName;
use optout::core::list::{Fault, Format, Guard, Options, Reader};
use optout::core::rule::{Action, Device, Limits, Rule, Scope, Subject};
use optout::core::sniff::Sniffed;
use regex::bytes::RegexBuilder;

/// Looks at the names that a sniffer found.
///
/// # Panics
///
/// If there is none, or one is not in the form of a host name.
pub fn look_at_named(outcome: &Sniffed) {
    let Sniffed::Named(named) = outcome else { return };
    assert!(named.names.first().is_some(), "named, but not how");
    for name in named.names.iter() {
        let host: HostName = name.parse().expect("a host name");
        assert_eq!(host.as_str(), name, "in normal form");
    }
}

/// Reads `bytes` as a list of this format, as such lists are read by default and with
/// options that the first byte chooses.
///
/// # Panics
///
/// If a promise of the reader does not hold.
pub fn list(format: Format, bytes: &[u8]) {
    let guard = Arc::new(Guard::protecting([PROTECTED]));
    let own = Options::of(format);
    read(&own, &guard, bytes);
    // The byte is of the list too: what matters is that all options are met.
    let flags = bytes.first().copied().unwrap_or_default();
    let other =
        Options { subdomains: flags & 1 == 0, allow: flags & 2 == 0, tlds: flags & 4 == 0, ..own };
    read(&other, &guard, bytes);
}

/// The same, with these options and nothing else.
///
/// # Panics
///
/// If a promise of the reader does not hold.
pub fn list_with(options: &Options, bytes: &[u8]) {
    read(options, &Arc::new(Guard::protecting([PROTECTED])), bytes);
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
        let mut found_here = 0;
        reader.line(line, |number, found| {
            found_here += 1;
            look(number, lines, found);
        });
        assert!(found_here <= line.len() + MAX_RANGE, "{found_here} rules in one line");
        silent += u32::from(found_here == 0);
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
            let suffix = ["com", "co.uk", "de"].contains(&name);
            assert!(!suffix || spared || (scope == Scope::Exact && !blocks), "{rule:?}");
            let own = name == "localhost" || name.ends_with(".localhost");
            assert!(!own || !blocks, "this host: {rule:?}");
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

const PROTECTED: &str = "time.vendor.example";
const MAX_RANGE: usize = 2 * 128; // prefixes that make up a range of addresses
