//! The catalogue as a whole: what every entry must have, and must not do.

use std::collections::HashSet;

use optout::core::catalog::{self, About, Action, Entry, Pack, Subject};
use optout::core::host::suffixes;

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
        let sources = &entry.about.sources;
        let empty = sources.is_empty() || sources.iter().any(|source| source.trim().is_empty());
        empty.then(|| "no source".into())
    });
}

#[test]
fn every_blocking_entry_says_what_is_collected_and_what_breaks() {
    no_entry(|_, entry| {
        let About { product, collects, category, breaks, .. } = &*entry.about;
        let empty = [product, collects, category, breaks].iter().any(|text| text.trim().is_empty());
        // "As above" means nothing to someone who is shown one entry.
        let text = format!("{collects}; {breaks}");
        let vague = ["as above", "as v", "as self", "as tracking"].iter().any(|p| text.contains(p));
        (stops(entry) && (empty || vague)).then(|| format!("says too little: {text}"))
    });
}

#[test]
fn no_entry_stops_updates_probes_clocks_or_push_without_a_reason() {
    assert!(is_delicate("ifota-eu.coloros.com") && is_delicate("conn1.coloros.com"));
    assert!(is_delicate("alt1-mtalk.google.com") && is_delicate("generate_204.example"));
    assert!(!is_delicate("footprints.example") && !is_delicate("runtime.connect.example"));
    no_entry(|_, entry| {
        let delicate = host(entry).is_some_and(is_delicate);
        (stops(entry) && delicate && entry.about.reason.is_none())
            .then(|| format!("{:?} needs a `reason`", entry.subject))
    });
}

/// Whether a name looks like one that a device needs to work.
fn is_delicate(host: &str) -> bool {
    let is_word = |word: &str| ["conn", "ntp", "time", "push", "mtalk"].contains(&word);
    let is_part = |word: &str| {
        ["ota", "sau"].iter().any(|end| word.ends_with(end))
            || ["fota", "update", "upgrade"].iter().any(|part| word.contains(part))
    };
    host.contains("generate_204")
        || host.split(|c: char| !c.is_ascii_alphabetic()).any(|word| is_word(word) || is_part(word))
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

#[test]
fn no_two_packs_disagree() {
    let (mut stopped, mut open) = (HashSet::new(), HashSet::new());
    for pack in catalog::embedded() {
        for entry in &pack.entries {
            let set = if stops(entry) { &mut stopped } else { &mut open };
            set.extend(host(entry).map(str::to_owned));
        }
    }
    assert_eq!(stopped.intersection(&open).collect::<Vec<_>>(), Vec::<&String>::new());
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
fn no_watched_entry_lies_below_a_blocking_one() {
    // It would have no effect: what is watched opens nothing.
    no_entry(|pack, entry| {
        let (_, parent) = host(entry)?.split_once('.')?;
        let weak = matches!(entry.action, Action::Strict | Action::Watch);
        let wide = suffixes(parent).find(|name| {
            pack.entries.iter().any(|other| {
                matches!(&other.subject, Subject::Host { host, subdomains: true }
                    if host.as_str() == *name && other.action == Action::Block)
            })
        })?;
        weak.then(|| format!("has no effect below {wide}"))
    });
}

#[test]
fn no_entry_is_a_bare_public_suffix() {
    no_entry(|_, entry| {
        let host = host(entry)?;
        let bare = !host.contains('.') || PUBLIC_SUFFIXES.contains(&host);
        bare.then(|| format!("{host} belongs to everyone"))
    });
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

/// Suffixes of more than one label under which strangers have names, as far as
/// packs come near them (publicsuffix.org has them all).
#[rustfmt::skip]
const PUBLIC_SUFFIXES: &[&str] = &[
    "co.uk", "com.au", "com.br", "com.cn", "net.cn", "org.cn", "co.jp", "ne.jp", "co.kr", "co.in",
    "com.tw", "com.tr", "com.mx", "akadns.net", "akamaized.net", "amazonaws.com",
    "s3.amazonaws.com", "asuscomm.com", "azureedge.net", "azurewebsites.net", "b-cdn.net",
    "blob.core.windows.net", "cloudapp.net", "cloudfront.net", "edgekey.net", "edgesuite.net",
    "fastly.net", "firebaseapp.com", "github.io", "googleapis.com", "herokuapp.com", "netlify.app",
    "pages.dev", "synology.me", "trafficmanager.net", "vercel.app", "web.app", "workers.dev",
];
