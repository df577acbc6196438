//! What lists say of names, told twice: by the program, and by a reference that reads
//! each line by itself and holds it against each name, with nothing but text.
//!
//! The reference follows the descriptions of the formats. The lists are our own, made up
//! in every format; and real ones, where `OPTOUT_SHARED` names the directory that has
//! them under `lists/`. Without it these are skipped, loudly; with
//! `OPTOUT_REQUIRE_SHARED` that fails.

#![expect(clippy::print_stderr, reason = "a skip and the counts are for who runs the test")]

mod adblock;
mod common;
mod compare;
mod made_up;
mod plain;
mod servers;
mod statement;
mod zone;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

use optout::core::list::{Format, Options};

use common::How;
use compare::{Tally, compare, reference};
use made_up::Random;
use statement::{Statement, Subject};

/// How a list of this format is read by default.
fn usual(format: Format) -> How {
    let Options { subdomains, allow, tlds, .. } = Options::of(format);
    How { subdomains, allow, tlds }
}

#[test]
fn our_own_lists_in_every_format_say_what_a_naive_reader_hears() {
    let mut all = Tally::default();
    for format in Format::ALL {
        let text = made_up::list(format, 500);
        let own = usual(format);
        for how in [
            own,
            How { subdomains: !own.subdomains, tlds: true, ..own },
            How { allow: true, ..own },
        ] {
            let pairs =
                if how.subdomains == own.subdomains && !how.allow { 120_000 } else { 40_000 };
            let tally = try_list(&format!("{format:?} {how:?}"), format, how, &text, (pairs, 100));
            assert!(tally.rules > 100 && tally.hits > 20, "{format:?}: {tally:?}");
            add(&mut all, tally);
        }
    }
    eprintln!("all: {} pairs, {} differences", all.pairs, all.differences);
    assert!(all.pairs >= 1_000_000, "only {} pairs", all.pairs);
    assert_eq!(all.differences, 0);
}

#[test]
fn real_lists_say_what_a_naive_reader_hears() {
    let Some(shared) = std::env::var_os("OPTOUT_SHARED") else {
        assert!(std::env::var_os("OPTOUT_REQUIRE_SHARED").is_none(), "OPTOUT_SHARED is not set");
        eprintln!("SKIPPED the real lists: OPTOUT_SHARED is not set");
        return;
    };
    let lists = PathBuf::from(shared).join("lists");
    let budget = if cfg!(debug_assertions) { (1_000_000, 200) } else { (40_000_000, 1_000) };
    let mut all = Tally::default();
    for (path, format) in REAL {
        let text =
            std::fs::read(lists.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        add(&mut all, try_list(path, format, usual(format), &text, budget));
    }
    eprintln!("all: {} pairs, {} differences", all.pairs, all.differences);
    assert!(all.pairs >= 10_000_000, "only {} pairs", all.pairs);
    assert_eq!(all.differences, 0);
}

/// Compares a list with about so many pairs, and at least so many names, and says what
/// came of it.
fn try_list(what: &str, format: Format, how: How, text: &[u8], budget: (usize, usize)) -> Tally {
    let statements = reference(format, how, text);
    let (pairs, least) = budget;
    let count = (pairs / statements.len().max(1)).clamp(least, 20_000);
    let names = names(&statements, count);
    let addresses = addresses(&statements, count / 4);
    let tally = compare(format, how, text, &names, &addresses);
    let lines = text.split(|byte| *byte == b'\n').count();
    let Tally { rules, names, pairs, hits, differences } = tally;
    eprintln!(
        "{what}: {lines} lines, {rules} rules, {names} names, {pairs} pairs, {hits} hits, \
         {differences} differences"
    );
    tally
}

fn add(all: &mut Tally, one: Tally) {
    all.rules += one.rules;
    all.names += one.names;
    all.pairs += one.pairs;
    all.hits += one.hits;
    all.differences += one.differences;
}

/// Names of a list, and others near them; popular ones; made-up ones. About so many.
fn names(statements: &[Statement], count: usize) -> BTreeSet<String> {
    let mut all = made_up::names(count / 4);
    all.extend(popular(count / 4));
    let mut random = Random(count as u64);
    while !statements.is_empty() && all.len() < count {
        let before = all.len();
        for _ in 0..count {
            let said = &statements[random.below(statements.len())];
            let name = match &said.subject {
                Subject::Exact(name) => name,
                Subject::Wide(dotted) | Subject::Below(dotted) => &dotted[1..],
                _ => continue,
            };
            let (first, parent) = name.split_once('.').unwrap_or(("", name));
            all.insert(match random.below(10) {
                0..=2 => name.to_owned(),
                3 => format!("sub.{name}"),
                4 => format!("two.deeper.{name}"),
                5 => parent.to_owned(),
                6 => format!("sibling.{parent}"),
                7 => format!("x{name}"),
                8 => format!("{first}x.{parent}"),
                _ => name.rsplit('.').next().unwrap_or(name).to_owned(),
            });
            if all.len() >= count {
                break;
            }
        }
        if all.len() == before {
            break; // a list without names
        }
    }
    all.retain(|name| name.len() <= 253 && name.split('.').all(|label| label.len() <= 63));
    all
}

/// Names that much of the world asks for, if they are there.
fn popular(count: usize) -> Vec<String> {
    let Some(shared) = std::env::var_os("OPTOUT_SHARED") else { return Vec::new() };
    let top = PathBuf::from(shared).join("lists/top/opendns-top-10000-2014.txt");
    let text = std::fs::read_to_string(top).expect("the popular names are there");
    let names: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    let step = (names.len() / count.max(1)).max(1);
    names.into_iter().step_by(step).map(str::to_ascii_lowercase).collect()
}

/// Addresses of a list and beside it, and made-up ones.
fn addresses(statements: &[Statement], count: usize) -> BTreeSet<IpAddr> {
    let address = |v4: bool, bits: u128| match u32::try_from(bits) {
        Ok(bits) if v4 => IpAddr::from(std::net::Ipv4Addr::from(bits)),
        _ => IpAddr::from(std::net::Ipv6Addr::from(bits)),
    };
    let mut random = Random(7);
    let mut all = BTreeSet::new();
    let ranges: Vec<_> = statements
        .iter()
        .filter_map(|said| match said.subject {
            Subject::Range { v4, first, last } => Some((v4, first, last)),
            _ => None,
        })
        .collect();
    for _ in 0..count {
        let bits = random.below(usize::MAX) as u128;
        all.insert(address(true, 0xc000_0200 | bits & 0xff));
        all.insert(address(true, 0xc633_0000 | bits & 0xffff));
        if ranges.is_empty() {
            continue;
        }
        let (v4, first, last) = ranges[random.below(ranges.len())];
        let near = [first, last, first.saturating_sub(1), last.saturating_add(1)];
        let near = near[random.below(4)];
        all.insert(address(v4, if v4 { near & 0xffff_ffff } else { near }));
    }
    all.retain(|address| address.is_ipv4() || address.to_canonical().is_ipv6());
    if ranges.is_empty() { all.into_iter().take(20).collect() } else { all }
}

const REAL: [(&str, Format); 22] = [
    ("adguard/adguard_sdn_filter-2019-04.txt", Format::Adblock),
    ("easylist/easyprivacy.txt", Format::Adblock),
    ("hagezi-2026-03/adblock/light.txt", Format::Adblock),
    ("hagezi-2026-03/adblock/doh-ips.txt", Format::Adblock),
    ("hagezi-2026-03/dnsmasq/light.txt", Format::Dnsmasq),
    ("hagezi-2026-03/domains/light.txt", Format::Domains),
    ("hagezi-2026-03/hosts/light.txt", Format::Hosts),
    ("hagezi-2026-03/hosts/native.winoffice.txt", Format::Hosts),
    ("hagezi-2026-03/ips/doh.txt", Format::Ips),
    ("hagezi-2026-03/rpz/light.txt", Format::Rpz),
    ("hagezi-2026-03/rpz/doh.txt", Format::Rpz),
    ("hagezi-2026-03/rpz/native.oppo-realme.txt", Format::Rpz),
    ("hagezi-2026-03/rpz/tif-ips.txt", Format::Rpz),
    ("hagezi-2026-03/wildcard/light.txt", Format::Wildcard),
    ("hagezi-2026-03/wildcard/pro-onlydomains.txt", Format::Wildcard),
    ("mullvad/doh_privacy.zone.rpz", Format::Rpz),
    ("stevenblack/hosts-2025-12.txt", Format::Hosts),
    ("stevenblack/hosts-fgps-2019-03.txt", Format::Hosts),
    ("dnscrypt/example-blocked-names.txt", Format::Dnscrypt),
    ("edge-cases/blocky_edge_cases.txt", Format::Adblock),
    ("doh/dibdot/doh-ipv4.txt", Format::Ips),
    ("doh/dibdot/doh-domains_overall.txt", Format::Domains),
];
