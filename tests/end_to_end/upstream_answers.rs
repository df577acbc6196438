//! Every hostile answer of the vectors, given by an upstream.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::lab::dns::{self, Answer};
use crate::lab::{ISP, Lab, isolated};
use crate::ways::{COLLECTOR, assert_blocked};

/// Where the upstream that gives them is.
const HOSTILE: &str = "198.51.100.54";

#[test]
fn every_hostile_answer_has_its_stated_outcome() {
    isolated(|| {
        let lab = Lab::start();
        lab.internet().node().ok(&format!("ip addr add {HOSTILE}/24 dev eth0"));
        let mut daemon = lab.router().optout(&format!(
            "upstreams = [\"{HOSTILE}\"]\n\
             block = [\"tracker.example.com\"]\n"
        ));
        let rows = rows();
        assert!(rows.len() >= 36, "only {} rows", rows.len());
        let good = rows[0].1.clone();
        let now = Mutex::new(Row::default());
        let stop = AtomicBool::new(false);
        let mut faults = Vec::new();
        thread::scope(|scope| {
            scope.spawn(|| lab.internet().node().enter(|| serve_udp(&now, &good, &stop)));
            scope.spawn(|| lab.internet().node().enter(|| serve_tcp(&now, &good, &stop)));
            for (id, message, expect) in &rows {
                *now.lock().expect("no panic") = Row::new(message, expect);
                let question = ask_for(id, message);
                let patience = Duration::from_millis(2500);
                let answer =
                    lab.phone().enter(|| dns::udp_raw((ISP[0], 53), &question, patience)).ok();
                if let Err(fault) = check(id, expect, answer.as_ref()) {
                    faults.push(format!("{id} ({expect}): {fault}"));
                }
                if daemon.exited().is_some() {
                    faults.push(format!("{id} killed it: {}", daemon.diagnostics()));
                    break;
                }
            }
            stop.store(true, Ordering::Relaxed);
        });
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        assert_blocked(lab.phone(), COLLECTOR, "afterwards");
        daemon.stop();
    });
}

/// What the client must see, by the words of the vectors.
fn check(id: &str, expect: &str, answer: Option<&Answer>) -> Result<(), String> {
    let code = answer.map(Answer::rcode);
    let seen = answer.map_or_else(
        || "no answer".into(),
        |a| {
            format!(
                "RCODE {}, {} records, {:?}, TTL {:?}",
                a.rcode(),
                a.records,
                a.addresses,
                a.ttl
            )
        },
    );
    let bad = answer
        .is_some_and(|a| a.addresses.iter().any(|a| POISON.contains(&a.to_string().as_str())));
    let is = |ok: bool| if ok { Ok(()) } else { Err(seen.clone()) };
    match expect {
        _ if bad => Err(format!("the client was given poison: {seen}")),
        "accept" => is(code == Some(0) && answer.is_some_and(|a| !a.addresses.is_empty())),
        // The good answer that follows is the one that counts.
        "ignore"
        | "ignore, keep waiting; on the first mismatch retry over TCP"
        | "retry TCP, cache nothing"
        | "retry TCP"
        | "retry once without EDNS"
        | "with 0x20 on: ignore" => {
            is(answer.is_some_and(|a| a.addresses.iter().any(|a| a.to_string() == GOOD)))
        }
        "SERVFAIL, bounded"
        | "SERVFAIL or drop"
        | "SERVFAIL, not forwarded"
        | "drop"
        | "scrub"
        | "malformed SVCB: drop record" => {
            is(code.is_none() || code == Some(2) || answer.is_some_and(|a| a.records == 0))
        }
        "block by CNAME target (cloaking)" => is(answer.is_some_and(Answer::is_sinkholed)),
        "block by AliasMode target" => {
            is(code == Some(0) && answer.is_some_and(|a| a.records == 0))
        }
        "TTL 0 or capped (RFC 2181/8767)" => {
            is(answer.is_some_and(|a| a.ttl.is_none_or(|ttl| ttl < 1 << 31)))
        }
        "next upstream, then cache failure 1..300 s" => is(code == Some(2)),
        "pass, not cached" if id.starts_with("R32") => is(code == Some(3)),
        "negative TTL capped (RFC 2308: <= 3 h)" => is(code == Some(3)),
        "pass, not cached"
        | "opaque copy"
        | "never cache unrelated records"
        | "knob: strip ech; keep rest valid"
        | "rebinding filter when on"
        | "rebinding filter covers hints"
        | "accept on TCP, TC on UDP" => is(code == Some(0)),
        // Only bounded work is asked for, and the daemon lives.
        "stop at 16 links"
        | "never cache DNAME from plain UDP"
        | "bounded time (CVE-2024-8508 class)" => Ok(()),
        other => panic!("the vectors expect {other:?}, which this test does not know"),
    }
}

/// What the upstream says at the moment.
#[derive(Clone, Default)]
struct Row {
    message: Vec<u8>,
    /// Whether the good answer follows: the row is one that must be ignored.
    good_follows: bool,
}

impl Row {
    fn new(message: &[u8], expect: &str) -> Self {
        Self { message: message.to_owned(), good_follows: expect.contains("ignore") }
    }

    /// What fits in no datagram is for TCP.
    fn is_for_tcp(&self) -> bool {
        self.message.len() > 4000
    }

    fn over_udp(&self, good: &[u8], query: &[u8]) -> Vec<u8> {
        let without_edns = query.get(10..12) == Some(&[0, 0]);
        if self.message.len() == HEADER && without_edns {
            // An upstream that does not know EDNS answers well without it.
            fit(good, query)
        } else if self.is_for_tcp() {
            let mut truncated = good[..QUESTION_END].to_owned();
            truncated[2] |= 2; // TC
            truncated[ANSWER_COUNT].fill(0);
            fit(&truncated, query)
        } else {
            fit(&self.message, query)
        }
    }
}

/// Gives the row of the moment, and a while later the good answer if one follows.
fn serve_udp(now: &Mutex<Row>, good: &[u8], stop: &AtomicBool) {
    let socket = UdpSocket::bind((HOSTILE, 53)).expect("our address");
    socket.set_read_timeout(Some(Duration::from_millis(50))).expect("above zero");
    let mut buffer = [0; 4096];
    while !stop.load(Ordering::Relaxed) {
        let Ok((length, client)) = socket.recv_from(&mut buffer) else { continue };
        let query = &buffer[..length];
        let row = now.lock().expect("no panic").clone();
        let _ = socket.send_to(&row.over_udp(good, query), client);
        if row.good_follows {
            thread::sleep(Duration::from_millis(30));
            let _ = socket.send_to(&fit(good, query), client);
        }
    }
}

/// Over TCP the good answer, or the row that is meant for TCP.
fn serve_tcp(now: &Mutex<Row>, good: &[u8], stop: &AtomicBool) {
    let listener = TcpListener::bind((HOSTILE, 53)).expect("our address");
    listener.set_nonblocking(true).expect("a listener");
    while !stop.load(Ordering::Relaxed) {
        let Ok((mut stream, _)) = listener.accept() else {
            thread::sleep(Duration::from_millis(5));
            continue;
        };
        stream.set_nonblocking(false).expect("a stream");
        stream.set_read_timeout(Some(Duration::from_secs(1))).expect("above zero");
        let mut length = [0; 2];
        if stream.read_exact(&mut length).is_err() {
            continue;
        }
        let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
        if stream.read_exact(&mut query).is_err() {
            continue;
        }
        let row = now.lock().expect("no panic").clone();
        let answer = fit(if row.is_for_tcp() { &row.message } else { good }, &query);
        let length = u16::try_from(answer.len()).expect("a DNS message").to_be_bytes();
        let _ = stream.write_all(&[&length, &answer[..]].concat());
    }
}

/// Gives an answer the id of the query, and its name the case that the query
/// has. What is wrong with these two in a row stays wrong.
fn fit(answer: &[u8], query: &[u8]) -> Vec<u8> {
    let mut answer = answer.to_vec();
    let wrong_id = !answer.starts_with(&[0x12, 0x34]);
    answer[..2].copy_from_slice(&query[..2]);
    answer[1] ^= u8::from(wrong_id);
    let (Some(own), Some(asked)) = (answer.get_mut(NAME), query.get(NAME)) else { return answer };
    if own.eq_ignore_ascii_case(asked) {
        let wrong_case = own.iter().any(u8::is_ascii_uppercase);
        own.copy_from_slice(asked);
        // A length byte is below 64 and keeps its value.
        own.iter_mut().filter(|b| wrong_case && b.is_ascii_alphabetic()).for_each(|b| *b ^= 0x20);
    }
    answer
}

/// The question that a row answers, with an OPT record.
fn ask_for(id: &str, message: &[u8]) -> Vec<u8> {
    // These answer another question than was asked, or none.
    let other = ["R02", "R03", "R04", "R05", "R06", "R29"].iter().any(|row| id.starts_with(row));
    let kind = match message {
        _ if other => dns::A,
        // The question of every row is for example.com.
        [_, _, _, _, ..] => {
            message.get(25..27).map_or(dns::A, |t| u16::from_be_bytes([t[0], t[1]]))
        }
        _ => dns::A,
    };
    dns::question(0x77aa, "example.com", kind)
}

fn rows() -> Vec<(String, Vec<u8>, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/dns_messages.jsonl");
    let text = fs::read_to_string(path).expect("the vectors");
    let rows = text.lines().map(|line| -> serde_json::Value {
        serde_json::from_str(line).expect("a JSON object a line")
    });
    rows.filter(|row| row["dir"] == "response")
        .map(|row| {
            let word = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
            (word("id"), dns::unhex(&word("hex")), word("expect"))
        })
        .collect()
}

/// The name `example.com` in the question of every row, without its root label.
const NAME: std::ops::Range<usize> = 12..24;

const HEADER: usize = 12; // bytes; RFC 1035 §4.1.1
const ANSWER_COUNT: std::ops::Range<usize> = 6..8; // RFC 1035 §4.1.1

/// Where the question of the good answer ends.
const QUESTION_END: usize = 29;

/// The address in the good answer, `R01`.
const GOOD: &str = "192.0.2.1";

/// The address in answers that nobody asked for.
const POISON: &[&str] = &["6.6.6.6"];
