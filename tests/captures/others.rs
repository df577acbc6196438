//! The captures of others, with the names that their flows are known to have.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use optout::core::capture::{Inside, open};
use optout::core::flows::inline::Learnt;
use optout::core::policy::Policy;
use optout::core::rules::RuleSet;
use optout::shell::capture_file::{self, End};
use serde_json::Value;

use crate::live;
use crate::recut::{self, Random};

/// Where they are, or a loud skip.
fn vectors() -> Option<PathBuf> {
    let Some(shared) = std::env::var_os("OPTOUT_SHARED") else {
        assert!(std::env::var_os("OPTOUT_REQUIRE_SHARED").is_none(), "OPTOUT_SHARED is not set");
        eprintln!("SKIPPED the captures of others: OPTOUT_SHARED is not set");
        return None;
    };
    Some(PathBuf::from(shared).join("vectors"))
}

fn captures(vectors: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(vectors.join("ndpi/pcap")).expect("the captures are there");
    let mut all: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    all.sort();
    assert!(all.len() >= 25, "only {} captures", all.len());
    all
}

#[test]
fn expected_names_are_seen() {
    let Some(vectors) = vectors() else { return };
    let text = std::fs::read_to_string(vectors.join("expected_names.tsv")).expect("the names");
    let (mut confirmed, mut wrong, mut odd) = (0, Vec::new(), 0);
    let mut file = String::new();
    let mut flows = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let cells: Vec<_> = line.split('\t').collect();
        let [_, path, proto, version, client, server, name, _, by] = cells[..] else {
            panic!("not a row: {line}")
        };
        if file != path {
            file = path.into();
            flows = crate::flows(&vectors.join(path));
        }
        let row = Row { proto, version, client, server, name };
        let fits = flows.iter().any(|flow| row.fits(flow));
        match (fits, by) {
            (true, _) => confirmed += 1,
            (false, "nDPI result file") => wrong.push(line),
            (false, _) => {
                odd += 1;
                eprintln!("different, and confirmed by nobody else: {line}");
            }
        }
    }
    eprintln!("expected names: {confirmed} as expected, {odd} different, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "not as expected:\n{}", wrong.join("\n"));
    assert!(confirmed >= 40, "only {confirmed} rows");
}

/// A flow as it is expected.
struct Row<'a> {
    proto: &'a str,
    version: &'a str,
    client: &'a str,
    server: &'a str,
    name: &'a str,
}

impl Row<'_> {
    fn fits(&self, flow: &Value) -> bool {
        let is = |field: &str, want: &str| flow[field].as_str().is_some_and(|it| plain(it) == want);
        let version = match self.version {
            "" => None,
            "00000001" => Some("QUIC v1".to_owned()),
            "6b3343cf" => Some("QUIC v2".to_owned()),
            other => Some(format!("QUIC 0x{other}")),
        };
        let spoken = |version: &String| {
            let mut tried = flow["tried"].as_array().into_iter().flatten();
            is("spoken", version) || tried.any(|it| it.as_str() == Some(version))
        };
        let names = names(flow);
        let said = match self.name {
            "-" => names.is_empty(),
            name => names.contains(name.split(':').next().unwrap_or(name)),
        };
        is("client", self.client)
            && is("server", self.server)
            && is("application", self.proto)
            && version.as_ref().is_none_or(spoken)
            && said
    }
}

fn names(flow: &Value) -> BTreeSet<&str> {
    flow["names"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// An address and a port as the tables write them: IPv6 without brackets.
fn plain(address: &str) -> String {
    address.replace(['[', ']'], "")
}

#[test]
fn hosts_that_another_program_found_are_seen() {
    let Some(vectors) = vectors() else { return };
    let (mut found, mut missed) = (0, Vec::new());
    for path in captures(&vectors) {
        let file = path.file_name().and_then(|name| name.to_str()).expect("a name");
        let result = vectors.join("ndpi/result").join(format!("{file}.out"));
        let text = std::fs::read_to_string(result).expect("the result");
        let flows = crate::flows(&path);
        for line in text.lines() {
            let Some((_, host)) = line.split_once("[Hostname/SNI: ") else { continue };
            let host = host.split(']').next().unwrap_or_default();
            let ends: BTreeSet<_> = line
                .split_whitespace()
                .filter(|word| word.contains(':'))
                .take(2)
                .map(plain)
                .collect();
            let seen = |flow: &Value| {
                let own =
                    [&flow["client"], &flow["server"]].map(|end| plain(end.as_str().unwrap()));
                BTreeSet::from(own) == ends && names(flow).contains(host)
            };
            if flows.iter().any(seen) {
                found += 1;
            } else if !KNOWN.iter().any(|known| known.0 == file && known.1 == host) {
                missed.push(format!("{file}: {host}"));
            }
        }
    }
    for (file, host, why) in KNOWN {
        eprintln!("not seen in {file}: {host}: {why}");
    }
    assert!(missed.is_empty(), "not seen: {missed:#?}");
    assert!(found >= 25, "only {found} hosts");
}

#[test]
fn what_captures_show_is_what_would_have_been_done() {
    let Some(vectors) = vectors() else { return };
    let policy = Policy::builder(Arc::new(RuleSet::embedded())).build();
    let mut compared = 0;
    for path in captures(&vectors) {
        let packets = live::packets(&std::fs::read(&path).expect("a file"));
        for (flow, host, learnt, refused) in live::both(&packets, &policy) {
            let what = format!("{}: {flow:?}, live {host:?} {learnt:?}", path.display());
            assert_eq!(refused, flow.decided.refusal.is_some(), "{what}");
            if !flow.before.is_empty() {
                continue; // a live flow that passes is told of once, as it began
            }
            assert_eq!(learnt, flow.decided.learnt, "{what}");
            if learnt == Learnt::Said {
                assert_eq!(host.as_ref(), flow.names.first(), "{what}");
            }
            compared += 1;
        }
    }
    eprintln!("{compared} flows are said to be what they would have been live");
    assert!(compared >= 20, "only {compared} flows");
}

#[test]
fn no_name_depends_on_how_segments_are_cut() {
    let Some(vectors) = vectors() else { return };
    let mut random = Random(4);
    for path in captures(&vectors) {
        let packets = packets(&path);
        let whole = recut::names(&packets);
        for round in 0..1000 {
            let other = recut::recut(&packets, &mut random);
            let names = recut::names(&other);
            assert_eq!(names, whole, "{}, round {round}", path.display());
        }
    }
}

/// The IP packets of a capture as they were sent. Of a long one the first, which are
/// those that tell names.
fn packets(path: &Path) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let end = capture_file::read(File::open(path).expect("a file"), |record, _| {
        if let Inside::Ip(packet) = open(record.link, record.bytes) {
            packets.push(packet.to_vec());
        }
    });
    assert!(matches!(end, End::Whole), "{}: {end:?}", path.display());
    packets.truncate(60);
    recut::mended(packets)
}

/// What another program finds and we do not.
const KNOWN: [(&str, &str, &str); 4] = [
    ("dns.pcap", "www.l.google.com", "stands only in an answer, and we read questions"),
    (
        "http_origin_different_than_host.pcap",
        "csb.performgroup.io",
        "is in a tunnel (GTP), which optout would not open",
    ),
    ("quic046.pcap", "i.ytimg.com", "is in a version of QUIC from before the standard"),
    ("quic_q46_b.pcap", "upload.youtube.com", "is in a version of QUIC from before the standard"),
];
