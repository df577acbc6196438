use std::io::Cursor;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::cli::escape::HOSTILE;
use crate::cli::page::tests::{assert_harmless, look, printed};
use crate::core::policy::Policy;
use crate::core::wire::udp;

/// A pcap file of raw IP with these packets.
fn pcap(link: u8, packets: &[Vec<u8>]) -> Vec<u8> {
    let mut file = b"\xa1\xb2\xc3\xd4\0\x02\0\x04\0\0\0\0\0\0\0\0\0\x04\0\0\0\0\0".to_vec();
    file.push(link);
    for (packet, seconds) in packets.iter().zip(1_u32..) {
        let len = u32::try_from(packet.len()).unwrap();
        file.extend([seconds, 5000, len, len].map(u32::to_be_bytes).concat());
        file.extend(packet);
    }
    file
}

/// A question for a name of these labels.
fn question(labels: &[&[u8]]) -> Vec<u8> {
    let mut message = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0".to_vec();
    for label in labels {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend(*label);
    }
    message.extend(b"\0\0\x01\0\x01");
    let mut packet = Vec::new();
    let (from, to) = ("192.0.2.7:50000".parse().unwrap(), "203.0.113.5:53".parse().unwrap());
    udp::write(&mut packet, from, to, &message).unwrap();
    packet
}

fn taken(file: &[u8]) -> Taken {
    Taken::of(&mut Cursor::new(file), &mut Progress::new())
}

/// What is shown of a file, as a table and as JSON.
fn shown(file: &[u8]) -> (String, String) {
    let policy = Policy::blocking(&["vendor.example"]);
    let replay = taken(file).replay;
    let counters = replay.counters();
    let flows = replay.finish(&policy, Instant::ZERO);
    let table = printed(|page| show::table(&flows, &policy, &counters, page));
    let json = printed(|page| show::objects(&flows, &policy, page));
    (table, json)
}

#[test]
fn a_flow_is_a_line_and_the_last_line_has_totals() {
    let (table, json) = shown(&pcap(101, &[question(&[b"t", b"Vendor", b"example"])]));
    assert_eq!(
        table,
        "  192.0.2.7:50000 → 203.0.113.5:53  DNS  t.vendor.example  blocked  \
         test:1 *.vendor.example\n\
         1 packet, 1 flow: 1 named, 0 not; 1 blocked, 0 watched, 0 passed\n"
    );
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["first_ms"], 1005);
    assert_eq!((&json["client"], &json["protocol"]), (&"192.0.2.7:50000".into(), &"udp".into()));
    assert_eq!((&json["host"], &json["application"]), (&"t.vendor.example".into(), &"dns".into()));
    assert_eq!((&json["outcome"], &json["by"]), (&"blocked".into(), &"name".into()));
    assert_eq!(json["rule"]["text"], "*.vendor.example");
    assert_eq!((&json["cause"], &json["packets"]), (&serde_json::Value::Null, &1.into()));
}

#[test]
fn hostile_names_are_harmless() {
    let (table, json) = shown(&pcap(101, &[question(&[HOSTILE.as_bytes(), b"test"])]));
    for text in [table, json] {
        assert!(text.contains('\\'), "{text}");
        let odd = |c: char| c != '\n' && escape::terminal(&c.to_string()) != c.to_string();
        assert!(!text.contains(odd), "{text:?}");
    }
    assert_harmless(&escape::terminal(HOSTILE));
}

#[test]
fn what_is_not_read_is_told() {
    let air = taken(&pcap(127, &[vec![0; 9], vec![0; 9]]));
    assert_eq!(air.packets, 0);
    assert!(air.notes[0].starts_with("2 frames of link type 127 are not read: frames of 802.11"));
    let short = taken(&pcap(1, &[vec![0; 9]]));
    assert_eq!(short.notes, ["1 frame too short to carry anything"]);
}

/// Runs `optout sniff` over a file with these bytes, judged without any list.
fn run(name: &str, bytes: &[u8]) -> (anyhow::Result<()>, String) {
    let dir = std::env::temp_dir().join(format!("optout-sniff-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let config = dir.join("optout.toml");
    std::fs::write(&config, format!("state_dir = '{}'\n", dir.display())).unwrap();
    std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o644)).unwrap();
    let file = dir.join("capture");
    std::fs::write(&file, bytes).unwrap();
    let mut written = Vec::new();
    let sniff = Sniff { file, config: Some(config), json: false };
    let done = sniff.run(&mut Page::new(&mut written, look()));
    std::fs::remove_dir_all(&dir).unwrap();
    (done, String::from_utf8(written).unwrap())
}

#[test]
fn what_was_read_is_shown_before_it_is_said_that_the_rest_cannot_be() {
    let mut file = pcap(101, &[question(&[b"a", b"test"])]);
    let (done, text) = run("whole", &file);
    assert!(done.is_ok() && text.contains("a.test"), "{text}");
    let (done, text) = run("cut", &file[..file.len() - 1]);
    assert!(done.is_ok() && text.starts_with("0 packets"), "{text}");
    file.extend([0xff; 20]);
    let (done, text) = run("broken", &file);
    let error = done.unwrap_err().to_string();
    assert!(text.contains("a.test") && error.contains("cannot be read on: a length"), "{error}");
}

#[test]
fn a_file_that_is_no_capture_or_of_no_use_is_an_error() {
    for (name, bytes, want) in [
        ("text", b"GET /".to_vec(), "it is no capture"),
        ("gzip", b"\x1f\x8b\x08\0".to_vec(), "compressed"),
        ("empty", Vec::new(), "it is no capture"),
        ("air", pcap(127, &[vec![0; 9]]), "802.11"),
    ] {
        let (done, text) = run(name, &bytes);
        let error = done.unwrap_err();
        assert!(error.to_string().contains(want) && !error.is::<Wrong>(), "{error}");
        assert_eq!(text, "");
    }
    let sniff = Sniff { file: "/nowhere/x".into(), config: None, json: false };
    let mut written = Vec::new();
    assert!(sniff.run(&mut Page::new(&mut written, look())).unwrap_err().is::<Wrong>());
}
