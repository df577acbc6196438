//! Real lists in the formats dnsmasq and RPZ, counted a second time by other means.
//!
//! `OPTOUT_SHARED` names the directory that has them under `lists/`. Without it
//! these tests are skipped, loudly; with `OPTOUT_REQUIRE_SHARED` they fail.

#![expect(clippy::print_stderr, reason = "a skip and the counts are for who runs the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use optout::core::list::{Counts, Fault, Format, Guard, Options, Reader};
use optout::core::rule::{Action, Scope, Subject};

/// Every entry of hagezi's dnsmasq file is a name with what is below it.
#[test]
fn a_dnsmasq_list_has_the_names_that_stand_between_its_slashes() {
    let Some(text) = list("hagezi-2026-03/dnsmasq/light.txt") else { return };
    let want: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("local=/")?.strip_suffix('/'))
        .map(str::to_owned)
        .collect();
    assert_eq!(want.len(), 57_781, "the header of the list says so");
    let read = Read::new(Format::Dnsmasq, &text);
    assert_eq!(read.together(Scope::WithSubdomains), want);
    assert_eq!(read.none_but_refused(), 0);
    assert_eq!(read.entries(), 57_781);
}

/// It is the same list as the one for dnsmasq: each name, and what is below it.
#[test]
fn a_policy_zone_in_pairs_has_the_names_of_the_list_for_dnsmasq() {
    let Some(text) = list("hagezi-2026-03/rpz/light.txt") else { return };
    let Some(dnsmasq) = list("hagezi-2026-03/dnsmasq/light.txt") else { return };
    let read = Read::new(Format::Rpz, &text);
    let names = read.together(Scope::Exact);
    assert_eq!(names, read.together(Scope::Below));
    assert_eq!(names, Read::new(Format::Dnsmasq, &dnsmasq).together(Scope::WithSubdomains));
    assert_eq!(read.none_but_refused(), 3, "$TTL, SOA and NS");
    assert_eq!(read.entries(), 2 * 57_781);
}

#[test]
fn policy_zones_in_pairs_have_as_many_entries_as_their_headers_say() {
    for (name, entries) in [("doh", 6_924), ("native.oppo-realme", 726)] {
        let Some(text) = list(&format!("hagezi-2026-03/rpz/{name}.txt")) else { return };
        let read = Read::new(Format::Rpz, &text);
        assert_eq!(read.together(Scope::Exact), read.together(Scope::Below), "{name}");
        assert_eq!(read.none_but_refused(), 3, "{name}");
        assert_eq!(read.entries(), entries, "{name}");
    }
}

/// Its addresses stand as they are read by people, without a length.
#[test]
fn a_policy_zone_of_malformed_addresses_is_refused_line_by_line() {
    let Some(text) = list("hagezi-2026-03/rpz/tif-ips.txt") else { return };
    let lines = text.lines().filter(|line| line.ends_with(".rpz-ip CNAME .")).count();
    let four =
        |line: &&str| line.split('.').take_while(|part| part.parse::<u8>().is_ok()).count() == 4;
    assert_eq!(text.lines().filter(four).count(), lines);
    let read = Read::new(Format::Rpz, &text);
    assert_eq!(read.counts.of(Fault::BadTrigger) as usize, lines);
    assert_eq!(read.counts.of(Fault::NoRule), 3);
    assert_eq!(read.counts.rules, 0);
}

/// Its SOA takes seven lines, and it has no stars.
#[test]
fn a_policy_zone_of_exact_names_has_each_of_them() {
    let Some(text) = list("mullvad/doh_privacy.zone.rpz") else { return };
    let want: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.trim_end().strip_suffix(" IN CNAME ."))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let lines = text.lines().filter(|line| line.trim_end().ends_with(" IN CNAME .")).count();
    let read = Read::new(Format::Rpz, &text);
    assert_eq!(read.together(Scope::Exact), want);
    assert_eq!(read.names.len(), 1);
    assert_eq!(read.none_but_refused(), 3, "$TTL, SOA and NS");
    assert_eq!(read.entries(), lines);
}

/// What a reader found in a list.
struct Read {
    names: BTreeMap<Scope, BTreeSet<String>>,
    /// Names that the guard did not let through.
    refused: u32,
    counts: Counts,
}

impl Read {
    fn new(format: Format, text: &str) -> Self {
        let mut names = BTreeMap::<Scope, BTreeSet<String>>::new();
        // A guard of no names, and whole top-level domains: what the file says, and no more.
        let options = Options { tlds: true, ..Options::of(format) };
        let mut reader = Reader::new(options, Arc::new(Guard::default()));
        for line in text.split_inclusive('\n') {
            reader.line(line.as_bytes(), |_, found| {
                if let Ok(rule) = found {
                    assert_eq!(rule.action, Action::Block, "{line}");
                    let Subject::Host(name, scope) = rule.subject else { panic!("{line}") };
                    names.entry(scope).or_default().insert(name.to_owned());
                }
            });
        }
        reader.end(|_, found| assert!(found.is_err()));
        let counts = reader.counts().clone();
        for fault in Fault::ALL {
            if counts.of(fault) > 0 {
                eprintln!("{format:?}: {} {}", counts.of(fault), fault);
            }
        }
        eprintln!("{format:?}: {} lines, {} rules", counts.lines, counts.rules);
        let refused = counts.of(Fault::PublicSuffix);
        Self { names, refused, counts }
    }

    fn together(&self, scope: Scope) -> BTreeSet<String> {
        self.names.get(&scope).cloned().unwrap_or_default()
    }

    /// Rules, with those that the guard did not let through.
    fn entries(&self) -> usize {
        (self.counts.rules + self.refused) as usize
    }

    /// How many directives and records of the zone there are, if nothing else is at
    /// fault.
    fn none_but_refused(&self) -> u32 {
        let none = self.counts.of(Fault::NoRule);
        let all: u32 = self.counts.faults.iter().sum();
        assert_eq!(all, none + self.refused);
        none
    }
}

/// The text of a shared list; `None` if there are none here.
fn list(name: &str) -> Option<String> {
    let Some(shared) = std::env::var_os("OPTOUT_SHARED") else {
        assert!(std::env::var_os("OPTOUT_REQUIRE_SHARED").is_none(), "OPTOUT_SHARED is not set");
        eprintln!("SKIPPED {name}: OPTOUT_SHARED is not set");
        return None;
    };
    let path = PathBuf::from(shared).join("lists").join(name);
    Some(
        std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display())),
    )
}
