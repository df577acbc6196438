//! What it costs to find a name in the first bytes of a flow:
//! `cargo run --release --example sniff_bench -- [NAME] [--json]`.
//!
//! `NAME` is a part of what is measured, as `tls`; without it, all is.

#![expect(clippy::print_stdout, reason = "a table is what it makes")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use optout::core::sniff::{Datagrams, Sniffed, Stream};
use serde_json::{Value, json};

fn main() {
    let (flags, names): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let name = names.first().map_or("", String::as_str);
    let mut rows = Vec::new();
    for (what, found) in [tls(name), http(name), quic(name)].concat() {
        rows.push(json!({ "what": what, "ns": found }));
        if flags.is_empty() {
            println!("{what:<40} {found:>8.1} ns");
        }
    }
    if flags.iter().any(|flag| flag == "--json") {
        println!("{}", Value::from(rows));
    }
}

/// What was measured, and nanoseconds a flow.
type Row = (&'static str, f64);

fn tls(name: &str) -> Vec<Row> {
    let plain = vector("T01-plain");
    let post_quantum = vector("T36-pq-sni-in-2nd-segment");
    let records: Vec<u8> = vector("T05-records-of-1-byte");
    let mut rows = Vec::new();
    for (what, stream, size) in [
        ("tls hello, one segment", &plain, usize::MAX),
        ("tls hello with ML-KEM, one push", &post_quantum, usize::MAX),
        ("tls hello with ML-KEM, two segments", &post_quantum, 1460),
        ("tls hello, segments of 1 byte", &plain, 1),
        ("tls hello, records of 1 byte", &records, usize::MAX),
    ] {
        if what.contains(name) {
            rows.push((what, measure(|| stream_of(stream, size))));
        }
    }
    rows
}

fn http(name: &str) -> Vec<Row> {
    let head = b"GET /generate_204 HTTP/1.1\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) \
        AppleWebKit/537.36 (KHTML, like Gecko)\r\nAccept-Encoding: gzip\r\nConnection: keep-alive\
        \r\nHost: tracker.example\r\n\r\n";
    let what = "http head, one segment";
    let rows = what.contains(name).then(|| (what, measure(|| stream_of(head, usize::MAX))));
    rows.into_iter().collect()
}

fn quic(name: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    for (what, id) in [
        ("quic initial, one frame", "Q01-v1"),
        ("quic initial, frames of 17 bytes", "Q04-chaos-17-byte-frames"),
        ("quic initials with ML-KEM, two", "Q05-two-datagrams-pq"),
        ("quic initial with a wrong tag", "Q15-bad-tag"),
        ("no quic initial", "Q32-dtls-on-443"),
    ] {
        let (datagrams, named) = datagrams(id);
        if what.contains(name) {
            rows.push((what, measure(|| assert_eq!(flow_of(&datagrams), named))));
        }
    }
    rows
}

/// Whether the flow has a name in the end.
fn flow_of(datagrams: &[Vec<u8>]) -> bool {
    let mut sniffer = Datagrams::default();
    let mut outcome = Sniffed::NeedMore;
    for datagram in datagrams {
        outcome = sniffer.push(black_box(datagram));
    }
    matches!(black_box(outcome), Sniffed::Named(_))
}

fn stream_of(stream: &[u8], size: usize) {
    let mut sniffer = Stream::default();
    let mut outcome = Sniffed::NeedMore;
    for segment in stream.chunks(size) {
        outcome = sniffer.push(black_box(segment));
    }
    assert!(matches!(black_box(outcome), Sniffed::Named(_)));
}

/// Nanoseconds a call: the best of several rounds, for what disturbs only adds.
#[expect(clippy::cast_precision_loss, reason = "no round is so long")]
fn measure(call: impl Fn()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let (began, mut calls) = (Instant::now(), 0_u64);
        while began.elapsed() < ROUND {
            (0..BATCH).for_each(|_| call());
            calls += BATCH;
        }
        best = best.min(began.elapsed().as_nanos() as f64 / calls as f64);
    }
    best
}

fn vector(id: &str) -> Vec<u8> {
    let row = row(include_str!("../tests/data/tls_clienthello.jsonl"), id);
    let segments = row["segments"].as_array().expect("its segments");
    let hex: String = segments.iter().filter_map(|segment| segment[1].as_str()).collect();
    bytes(&hex)
}

/// And whether they have a name.
fn datagrams(id: &str) -> (Vec<Vec<u8>>, bool) {
    let row = row(include_str!("../tests/data/quic_initial.jsonl"), id);
    let datagrams = row["datagrams"].as_array().expect("its datagrams");
    let datagrams = datagrams.iter().filter_map(Value::as_str).map(bytes).collect();
    (datagrams, row["expect"]["name"].is_string())
}

fn row(rows: &str, id: &str) -> Value {
    let mut rows = rows.lines().map(|row| serde_json::from_str::<Value>(row).expect("a row"));
    rows.find(|row| row["id"] == id).expect("the row is there")
}

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    (0..hex.len()).step_by(2).map(byte).collect()
}

const ROUNDS: u32 = 10;
const ROUND: Duration = Duration::from_millis(50);
const BATCH: u64 = 100;
