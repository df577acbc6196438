//! The catalogue as a whole: what every entry must have, and must not do.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use optout::core::catalog::{self, About, Action, Entry, Pack, Subject};
use optout::core::flow::Client;
use optout::core::host::suffixes;
use optout::core::policy::Policy;
use optout::core::rules::RuleSet;
use optout::core::time::Instant;
use optout::core::verdict::{Mode, Verdict};

/// Each entry about which `wrong` has something to say, with its place.
#[track_caller]
fn no_entry(wrong: impl Fn(&Pack, &Entry) -> Option<String>) {
    let mut faults = Vec::new();
    for pack in catalog::embedded() {
        for entry in &pack.entries {
            if let Some(what) = wrong(&pack, entry) {
                faults.push(format!("{}.toml:{}: {what}", pack.key, entry.line));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

fn host(entry: &Entry) -> Option<&str> {
    match &entry.subject {
        Subject::Host { host, .. } => Some(host.as_str()),
        Subject::Prefix(_) => None,
    }
}

fn stops(entry: &Entry) -> bool {
    matches!(entry.action, Action::Block | Action::Strict | Action::Watch)
}

fn pack(key: &str) -> Pack {
    catalog::pack(key).expect("the pack is built in")
}

#[test]
fn every_entry_says_where_it_is_known_from() {
    no_entry(|_, entry| {
        let empty = |source: &String| source.trim().len() < 10;
        let sources = &entry.about.sources;
        (sources.is_empty() || sources.iter().any(empty)).then(|| "no source".into())
    });
}

#[test]
fn every_blocking_entry_says_what_is_collected_and_what_breaks() {
    no_entry(|_, entry| {
        let About { product, collects, category, breaks, .. } = &*entry.about;
        let empty = [product, collects, category, breaks].iter().any(|text| text.trim().is_empty());
        (stops(entry) && empty).then(|| format!("says too little: {collects}; {breaks}"))
    });
}

#[test]
fn no_entry_stops_updates_probes_clocks_or_push_without_a_reason() {
    no_entry(|_, entry| {
        let delicate = host(entry).is_some_and(is_delicate) || is_needed(&entry.about.category);
        let said = entry.about.reason.as_deref().is_some_and(|reason| reason.len() > 30);
        (stops(entry) && delicate && !said).then(|| format!("{:?} needs a `reason`", entry.subject))
    });
}

#[test]
fn names_that_devices_need_are_known_by_their_words() {
    for host in [
        "ifota-eu.coloros.com",
        "asia-cota.vivoglobal.com",
        "sau-server-eu.allawnos.com",
        "update.miui.com",
        "sysupgrade.vivoglobal.com",
        "conn1.coloros.com",
        "connectivitycheck.gstatic.com",
        "ntp1.time.nl",
        "asia-timesync.vivoglobal.com",
        "alt1-mtalk.google.com",
        "stats.jpush.cn",
        "generate_204.example",
    ] {
        assert!(is_delicate(host), "{host}");
    }
    for host in ["footprints.example", "runtime.example", "icons.example", "quotas.example"] {
        assert!(!is_delicate(host), "{host}");
    }
}

/// Whether a name looks like one that a device needs to work.
fn is_delicate(host: &str) -> bool {
    let is_part = |word: &str| {
        ["ntp", "time", "mtalk"].contains(&word)
            || ["conn", "timesync"].iter().any(|start| word.starts_with(start))
            || ["ota", "sau"].iter().any(|end| word.ends_with(end))
            || ["fota", "update", "upgrade", "push"].iter().any(|part| word.contains(part))
    };
    host.contains("generate_204") || host.split(|c: char| !c.is_ascii_alphabetic()).any(is_part)
}

/// Whether devices need what is of this category.
fn is_needed(category: &str) -> bool {
    ["ota-update", "update", "connectivity-check", "time", "push"].contains(&category)
}

#[test]
fn no_pack_names_a_thing_twice() {
    for pack in catalog::embedded() {
        let mut seen = HashSet::new();
        for entry in &pack.entries {
            let subject = match &entry.subject {
                Subject::Host { host, .. } => host.to_string(),
                Subject::Prefix(prefix) => prefix.to_string(),
            };
            assert!(seen.insert(subject), "{}.toml:{}: twice", pack.key, entry.line);
        }
    }
}

/// The same name in two packs needs a reason: whoever reads one pack must not be
/// surprised by another. What a vendor's pack keeps open may be in `never-block`
/// too; else only [`SHARED`].
#[test]
fn two_packs_name_the_same_only_if_they_agree_and_it_is_meant() {
    let mut seen: HashMap<String, (Arc<str>, Action)> = HashMap::new();
    let mut shared = Vec::new();
    for pack in catalog::embedded() {
        for entry in &pack.entries {
            let Some(host) = host(entry) else { continue };
            let before = seen.insert(host.into(), (pack.key.clone(), entry.action));
            match before {
                Some((_, Action::Allow)) if entry.action == Action::NeverBlock => {}
                Some((other, action)) => {
                    assert_eq!(action, entry.action, "{host} in {other} and in {}", pack.key);
                    shared.push(host.to_owned());
                }
                None => {}
            }
        }
    }
    assert_eq!(shared, SHARED, "these stand in two packs");
}

/// Names that belong to two packs. `DNKeeper` is software of Huawei and a way round
/// the network's resolver.
const SHARED: &[&str] = &["dnkeeper.hicloud.com"];

#[test]
fn no_entry_stops_what_another_keeps_open() {
    // It would have no effect: to keep open is stronger than to block.
    let wide: Vec<_> = catalog::embedded()
        .flat_map(|pack| pack.entries.into_iter().map(move |entry| (pack.key.clone(), entry)))
        .filter(|(_, entry)| !stops(entry) && is_zone(entry))
        .collect();
    no_entry(|_, entry| {
        let below = stops(entry).then(|| host(entry)).flatten()?;
        let (key, open) = wide.iter().find(|(_, open)| {
            host(open).is_some_and(|zone| suffixes(below).any(|name| name == zone))
        })?;
        Some(format!("{key}.toml:{} keeps it open", open.line))
    });
}

#[test]
fn what_one_pack_keeps_open_no_other_blocks_with_its_zone() {
    // Who switches the one pack off would lose what it keeps open from the other.
    let never = pack("never-block");
    let zones: Vec<_> = catalog::embedded()
        .flat_map(|pack| pack.entries.into_iter().map(move |entry| (pack.key.clone(), entry)))
        .filter(|(_, entry)| stops(entry) && is_zone(entry))
        .collect();
    no_entry(|pack, entry| {
        let open = (entry.action == Action::Allow).then(|| host(entry)).flatten()?;
        let (key, zone) = zones.iter().find(|(key, zone)| {
            *key != pack.key
                && host(zone).is_some_and(|zone| suffixes(open).any(|name| name == zone))
        })?;
        let safe = never.entry_for(&open.parse().ok()?).is_some();
        (!safe).then(|| format!("{key}.toml:{} blocks {open} with its zone", zone.line))
    });
}

/// Whether an entry names what is below its name too.
fn is_zone(entry: &Entry) -> bool {
    matches!(entry.subject, Subject::Host { subdomains: true, .. })
}

#[test]
fn no_entry_stops_what_never_block_protects() {
    let never = pack("never-block");
    assert!(never.entries.iter().all(|entry| entry.action == Action::NeverBlock));
    no_entry(|_, entry| {
        let guard = never.entry_for(&host(entry)?.parse().ok()?)?;
        stops(entry).then(|| format!("protected by never-block.toml:{}", guard.line))
    });
}

#[test]
fn a_watched_entry_in_a_blocked_zone_is_watched() {
    let policy = |strict| Policy::builder(Arc::new(RuleSet::embedded())).strict(strict).build();
    let verdict =
        |policy: &Policy, host: &str| policy.judge(Instant::ZERO, host, &Client::Host(None));
    let (usual, strict) = (policy(false), policy(true));
    let seen = Cell::new(0);
    no_entry(|pack, entry| {
        let name = host(entry)?;
        let (_, parent) = name.split_once('.')?;
        let weak = entry.action == Action::Strict && pack.mode == Mode::Enforce;
        let in_zone = suffixes(parent).any(|name| {
            pack.entries.iter().any(|other| {
                matches!(&other.subject, Subject::Host { host, subdomains: true }
                    if host.as_str() == name && other.action == Action::Block)
            })
        });
        if !(weak && in_zone) {
            return None;
        }
        seen.set(seen.get() + 1);
        let (usual, strict) = (verdict(&usual, name), verdict(&strict, name));
        let good = matches!((usual, strict), (Verdict::Watch(_), Verdict::Block(_)));
        (!good).then(|| format!("{name}: {usual:?}, strict {strict:?}"))
    });
    assert_eq!(seen.get(), 5, "entries that this is about");
}

#[test]
fn no_entry_is_a_public_suffix() {
    for suffix in ["com", "co.uk", "cloudfront.net", "github.io", "s3.amazonaws.com"] {
        assert!(is_public_suffix(suffix), "{suffix}");
    }
    assert!(!is_public_suffix("a.cloudfront.net") && !is_public_suffix("samba.tv"));
    no_entry(|_, entry| {
        let host = host(entry)?;
        let shared = is_public_suffix(host) || SHARED_ZONES.contains(&host);
        shared.then(|| format!("{host} belongs to everyone"))
    });
}

/// Whether strangers have names directly below this one (publicsuffix.org, both
/// its parts: registries and companies).
fn is_public_suffix(host: &str) -> bool {
    psl2::lookup(host).is_none_or(|domain| domain.is_public_suffix())
}

#[test]
fn no_entry_is_a_mark_left_by_another_list() {
    no_entry(|_, entry| {
        host(entry)?.contains("h4g3z1").then(|| "a made-up name that only marks copies".into())
    });
}

#[test]
fn what_devices_need_is_in_never_block() {
    let never = pack("never-block");
    for host in [
        "connectivitycheck.gstatic.com",
        "captive.apple.com",
        "www.msftconnecttest.com",
        "detectportal.firefox.com",
        "mtalk.google.com",
        "x.push.apple.com",
        "time.android.com",
        "2.android.pool.ntp.org",
        "update.miui.com",
        "conn2.coloros.com",
        "a1b2-dnsotls-ds.metric.gstatic.com",
    ] {
        assert!(never.entry_for(&host.parse().expect("a host name")).is_some(), "{host}");
    }
}

#[test]
fn resolvers_are_only_watched_and_no_shared_space_is_among_them() {
    let bypass = pack("bypass");
    assert_eq!(bypass.mode.to_string(), "watch");
    for shared in ["104.16.248.249", "104.21.6.78", "172.67.134.157", "2606:4700::6810:f8f9"] {
        let address = shared.parse().expect("an address");
        assert_eq!(bypass.entry_for_address(address), None, "{shared}");
    }
    for known in ["1.1.1.1", "8.8.8.8", "9.9.9.9", "45.90.28.77", "2001:4860:4860::8888"] {
        let address = known.parse().expect("an address");
        assert!(bypass.entry_for_address(address).is_some(), "{known}");
    }
    let user = "abc123.dns.nextdns.io".parse().expect("a host name");
    assert!(bypass.entry_for(&user).is_some());
}

#[test]
fn the_first_host_says_what_was_collected() {
    let pack = pack("oneplus");
    let host = "open.oneplus.net".parse().expect("a host name");
    let entry = pack.entry_for(&host).expect("the entry is there");
    assert_eq!(entry.action, Action::Block);
    for what in ["IMEI", "phone number", "MAC address", "serial", "Wi-Fi", "unlock", "app"] {
        assert!(entry.about.collects.contains(what), "{what}: {}", entry.about.collects);
    }
    assert!(!entry.about.inferred && !entry.about.sources.is_empty());
    for what in ["2017", "Moore", "second-hand", "October"] {
        assert!(pack.story.contains(what), "{what}: {}", pack.story);
    }
    assert!(pack.opt_out.expect("there is a switch").contains("user experience program"));
}

/// Zones in which strangers have names although the public suffix list lacks them.
const SHARED_ZONES: &[&str] = &[
    "akadns.net",
    "akamaized.net",
    "amazonaws.com",
    "core.windows.net",
    "edgekey.net",
    "edgesuite.net",
    "fastly.net",
    "googleapis.com",
    "msecnd.net",
    "trafficmanager.net",
];

#[test]
fn every_file_of_the_folder_is_built_in() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("blocklists");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the folder is there")
        .filter_map(|file| file.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_suffix(".toml")?.to_owned()))
        .collect();
    files.sort();
    let mut built_in: Vec<_> = catalog::embedded().map(|pack| pack.key.to_string()).collect();
    built_in.sort();
    assert_eq!(files, built_in, "add the file to EMBEDDED of src/core/catalog/embedded.rs");
    for packed in catalog::EMBEDDED {
        assert_eq!(&*pack(packed.key).key, packed.key, "a file is named after its key");
    }
}

#[test]
fn every_vendor_has_a_story_a_source_and_says_how_to_opt_out() {
    for pack in catalog::embedded() {
        let Pack { key, name, story, sources, .. } = &pack;
        assert!(name.chars().count() <= 48, "{key}: the name is too long for a table");
        assert!(story.len() > 100 && story.ends_with('.'), "{key}: {story}");
        let none = ["bypass", "never-block"].contains(&&**key);
        assert!(none || !sources.is_empty(), "{key} has no source");
        assert_eq!(pack.opt_out.is_none(), none, "{key}: no word on how to opt out");
    }
}

#[test]
fn no_text_refers_to_another_or_breaks_off() {
    let vague = ["as above", "as below", "see above", "ditto", "same as", "TODO", "…", "...", "  "];
    let check = |place: &str, text: &str| {
        let found = vague.iter().find(|part| text.contains(**part));
        assert_eq!(found, None, "{place}: {text}");
        assert!(!text.ends_with([',', ';', ':', '-', '(']), "{place} breaks off: {text}");
        assert_eq!(text.matches('(').count(), text.matches(')').count(), "{place}: {text}");
    };
    for pack in catalog::embedded() {
        check(&pack.key, &pack.story);
        check(&pack.key, pack.opt_out.as_deref().unwrap_or_default());
        for entry in &pack.entries {
            let About { product, collects, breaks, reason, sources, .. } = &*entry.about;
            let texts = [product, collects, breaks].into_iter().chain(reason).chain(sources);
            texts.for_each(|text| check(&format!("{}.toml:{}", pack.key, entry.line), text));
        }
    }
}

#[test]
fn every_last_seen_is_a_month_or_a_year() {
    no_entry(|_, entry| {
        let date = entry.about.last_seen.as_deref()?;
        let (year, month) = date.split_once('-').unwrap_or((date, "01"));
        let good = (year.len(), month.len()) == (4, 2)
            && year.parse().is_ok_and(|year: u16| (2015..2100).contains(&year))
            && month.parse().is_ok_and(|month: u8| (1..=12).contains(&month));
        (!good).then(|| format!("{date:?} is no month and no year"))
    });
}

/// The rows of the collected facts, if this machine has them: one map a row, from
/// the names in the first line.
fn facts() -> Option<Vec<HashMap<String, String>>> {
    let Some(folder) = std::env::var_os("OPTOUT_SHARED") else {
        assert!(
            std::env::var_os("OPTOUT_REQUIRE_SHARED").is_none(),
            "OPTOUT_SHARED is not set, and OPTOUT_REQUIRE_SHARED asks for it"
        );
        // Not by a macro of print: the test harness would keep it to itself.
        let _ = writeln!(
            io::stderr(),
            "SKIPPED: the catalogue was not compared with the facts: set OPTOUT_SHARED"
        );
        return None;
    };
    let text = fs::read_to_string(Path::new(&folder).join("facts/hosts.tsv")).expect("hosts.tsv");
    let mut lines = text.lines().map(|line| line.split('\t').map(str::to_owned));
    let names: Vec<_> = lines.next().expect("a first line").collect();
    let rows: Vec<_> = lines.map(|cells| names.iter().cloned().zip(cells).collect()).collect();
    assert!(rows.len() > 800, "only {} rows", rows.len());
    Some(rows)
}

#[test]
fn every_row_of_the_facts_is_in_its_pack() {
    let Some(rows) = facts() else { return };
    let packs: HashMap<_, _> = catalog::embedded().map(|pack| (pack.key.clone(), pack)).collect();
    let mut faults = Vec::new();
    for row in rows {
        let host = row["host"].parse().expect("a host name");
        let pack = packs.get(&*row["vendor"]);
        let entry = pack.and_then(|pack| {
            pack.entries.iter().find(
                |entry| matches!(&entry.subject, Subject::Host { host: named, .. } if *named == host),
            )
        });
        let Some(entry) = entry else {
            faults.push(format!("{host} is missing in {}", row["vendor"]));
            continue;
        };
        let action = match &*row["action"] {
            "block" => Action::Block,
            "block-strict" => Action::Strict,
            "allow" => Action::Allow,
            other => panic!("{host}: action {other:?}"),
        };
        let inferred = row["basis"] == "N" && !SHOWN_SINCE.contains(&&*row["host"]);
        let want = (action, row["match"] == "suffix", inferred, &*row["confidence"]);
        let About { inferred, confidence, .. } = *entry.about;
        let got = (entry.action, is_zone(entry), inferred, confidence.as_str());
        if want != got {
            faults.push(format!("{}.toml:{}: {got:?} and not {want:?}", row["vendor"], entry.line));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// Hosts of which the facts only had the name, and for which we found a source.
const SHOWN_SINCE: &[&str] = &["motd.ubuntu.com"];

#[test]
fn every_opt_out_of_the_facts_is_in_its_pack() {
    let Some(rows) = facts() else { return };
    for row in rows.iter().filter(|row| !row["official_opt_out"].is_empty()) {
        assert!(pack(&row["vendor"]).opt_out.is_some(), "{}", row["vendor"]);
    }
}
