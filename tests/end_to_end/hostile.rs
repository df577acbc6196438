//! Every hostile question of the vectors, sent through the TUN.

use std::fs;
use std::time::Duration;

use crate::lab::{FOREIGN, Lab, dns, isolated};
use crate::ways::{COLLECTOR, assert_blocked};

/// What a reply may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Reply {
    /// None.
    Silence,
    /// This RCODE.
    Code(u8),
    /// NOERROR without an answer.
    Empty,
    /// What an upstream answered: NOERROR or NXDOMAIN.
    Answer,
}

use Reply::{Answer, Code, Empty, Silence};

/// One row of the file of vectors.
struct Row {
    id: String,
    expect: String,
    message: Vec<u8>,
}

#[test]
fn every_hostile_question_has_its_stated_outcome() {
    isolated(|| {
        let lab = Lab::start();
        let mut daemon = lab.router().optout("block = [\"tracker.example.com\"]\n");
        let mut faults = Vec::new();
        let rows = rows("query");
        assert!(rows.len() >= 40, "only {} rows", rows.len());
        for server in [FOREIGN[0], FOREIGN[1]] {
            for row in &rows {
                let patience = match allowed(&row.expect)[..] {
                    [Silence] => Duration::from_millis(200),
                    [Silence, ..] => Duration::from_millis(500),
                    _ => Duration::from_secs(3),
                };
                let reply =
                    lab.phone().enter(|| dns::udp_bytes((server, 53), &row.message, patience).ok());
                if let Err(fault) = check(row, reply.as_deref()) {
                    faults.push(format!("{} ({}) of {server}: {fault}", row.id, row.expect));
                }
                assert!(
                    daemon.exited().is_none(),
                    "{} killed it: {}",
                    row.id,
                    daemon.diagnostics()
                );
            }
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        let relayed = lab.internet().counters().dns_from_clients;
        assert_eq!(relayed, 0, "raw questions were relayed");
        assert_blocked(lab.phone(), COLLECTOR, "afterwards");
        let said = daemon.diagnostics();
        assert!(!said.contains("panicked") && !said.contains("ERROR"), "{said}");
        daemon.stop();
    });
}

fn check(row: &Row, reply: Option<&[u8]>) -> Result<(), String> {
    let allowed = allowed(&row.expect);
    let Some(reply) = reply else {
        return if allowed.contains(&Silence) { Ok(()) } else { Err("no reply".into()) };
    };
    let (Some(&[a, b, high, low, _, _, x, y]), Some(id)) =
        (reply.first_chunk(), row.message.get(..2))
    else {
        return Err(format!("a reply of {} bytes", reply.len()));
    };
    let code = low & 15;
    let fits = allowed.iter().any(|allowed| match allowed {
        Silence => false,
        Code(wanted) => code == *wanted,
        Empty => code == dns::NOERROR && [x, y] == [0, 0],
        Answer => code == dns::NOERROR || code == dns::NXDOMAIN,
    });
    let checks = [
        (fits, format!("RCODE {code}, wanted {allowed:?}")),
        ([a, b] == *id, "another id".into()),
        (high & 0x80 != 0, "QR is not set".into()),
        (low & 0x40 == 0, "Z is set (RFC 1035 §4.1.1)".into()),
        (reply.len() <= size_allowed(&row.expect), format!("{} bytes", reply.len())),
        (!repeats_garbage(row, reply), "what followed the message came back".into()),
        (row.expect != "BADVERS" || extended_code(reply) == Some(1), "no BADVERS".into()),
        (!row.expect.starts_with("not equal") || !is_sinkholed(reply), "matched a rule".into()),
    ];
    checks.into_iter().find(|(ok, _)| !ok).map_or(Ok(()), |(_, fault)| Err(fault))
}

/// The words of the vectors, in terms of replies. Unknown words are a fault of
/// the test: a new row has to be thought about.
fn allowed(expect: &str) -> Vec<Reply> {
    match expect {
        "drop" => vec![Silence],
        "drop/FORMERR" => vec![Silence, Code(1)],
        "FORMERR" | "FORMERR (RFC 9619)" | "FORMERR (RFC 7873 5.2.2)" => vec![Code(1)],
        "FORMERR or strip" | "FORMERR or answer, no echo" | "FORMERR or ignored, never cached" => {
            vec![Code(1), Answer]
        }
        "NOTIMP" => vec![Code(4)],
        "REFUSED/NOTIMP" => vec![Code(4), Code(5)],
        "REFUSED or empty" => vec![Code(5), Empty],
        "BADVERS" => vec![Code(0)],
        "answer"
        | "answer, Z clear"
        | "answer capped at 1232"
        | "treat as 512"
        | "not equal to tracker.example.com"
        | "RFC 8482 small answer or pass"
        | "pass through unknown type (RFC 3597)" => vec![Answer],
        other => panic!("the vectors expect {other:?}, which this test does not know"),
    }
}

fn size_allowed(expect: &str) -> usize {
    match expect {
        "treat as 512" => 512,
        _ => 1232,
    }
}

/// Whether the last bytes of a message with garbage behind it came back.
fn repeats_garbage(row: &Row, reply: &[u8]) -> bool {
    let tail = row.message.len().saturating_sub(16);
    row.expect.contains("no echo") && reply.windows(16).any(|w| w == &row.message[tail..])
}

/// The upper bits of the RCODE, from an OPT record that ends the message.
fn extended_code(reply: &[u8]) -> Option<u8> {
    let opt = reply.windows(3).rposition(|w| w == [0, 0, 41])?;
    reply.get(opt + 5).copied()
}

fn is_sinkholed(reply: &[u8]) -> bool {
    dns::Answer::parse(reply).is_some_and(|answer| answer.is_sinkholed())
}

fn rows(direction: &str) -> Vec<Row> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/dns_messages.jsonl");
    let text = fs::read_to_string(path).expect("the vectors");
    let rows = text.lines().map(|line| -> serde_json::Value {
        serde_json::from_str(line).expect("a JSON object a line")
    });
    let word =
        |row: &serde_json::Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    rows.filter(|row| row["dir"] == direction)
        .map(|row| Row {
            id: word(&row, "id"),
            expect: word(&row, "expect"),
            message: dns::unhex(&word(&row, "hex")),
        })
        .collect()
}
