//! The table of hostile messages: each gives its stated outcome.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
#[expect(dead_code, reason = "`note` is for people")]
struct Row {
    id: String,
    dir: String,
    hex: String,
    expect: String,
    note: String,
}

/// What a client's message leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Query_ {
    Drop,
    /// A bare header with this code.
    Bare(u16),
    /// This code, with the question.
    Code(u16),
    /// The question goes to an upstream.
    Forward,
    /// The small answer of RFC 8482.
    Small,
}
use Query_::{Bare, Code, Drop, Forward, Small};

const FORMERR: u16 = 1;
const NOTIMP: u16 = 4;
const REFUSED: u16 = 5;
const BADVERS: u16 = 16;

const QUERIES: &[(&str, Query_)] = &[
    ("D01-empty", Drop),
    ("D02-11-bytes", Drop),
    ("D03-header-only-qd1", Bare(FORMERR)),
    ("D04-qdcount-0", Bare(FORMERR)),
    ("D05-qdcount-2", Bare(FORMERR)),
    ("D06-qdcount-65535", Bare(FORMERR)),
    ("D07-qr-set", Drop),
    ("D08.1-opcode-1", Bare(NOTIMP)),
    ("D08.2-opcode-2", Bare(NOTIMP)),
    ("D08.4-opcode-4", Bare(NOTIMP)),
    ("D08.5-opcode-5", Bare(NOTIMP)),
    ("D08.6-opcode-6", Bare(NOTIMP)),
    ("D09-self-pointer", Bare(FORMERR)),
    ("D10-forward-pointer", Bare(FORMERR)),
    ("D11-pointer-ladder-126", Bare(FORMERR)),
    ("D12-label-64", Bare(FORMERR)),
    ("D13-label-type-80", Bare(FORMERR)),
    ("D14-name-255", Forward),
    ("D15-name-256", Bare(FORMERR)),
    ("D16-name-no-terminator", Bare(FORMERR)),
    ("D17-qtype-cut", Bare(FORMERR)),
    ("D18-binary-labels", Forward),
    ("D19-dot-in-label-match-spoof", Forward), // tracker.example.com is blocked, this is not
    ("D20-html-label", Forward),
    ("D21-class-CH-version.bind", Code(REFUSED)),
    ("D22-qtype-ANY", Small),
    ("D23-qtype-AXFR-udp", Code(REFUSED)),
    ("D24-qtype-65535", Forward),
    ("D25-two-opt", Bare(FORMERR)),
    ("D26-opt-owner-not-root", Bare(FORMERR)),
    ("D27-edns-version-1", Code(BADVERS)),
    ("D28-edns-size-0", Forward),
    ("D29-edns-size-65535", Forward),
    ("D30-opt-rdlen-lies", Bare(FORMERR)),
    ("D31-option-len-lies", Bare(FORMERR)),
    ("D32-400-options", Forward),
    ("D33-z-bit", Forward),
    ("D34-trailing-garbage", Bare(FORMERR)),
    ("D35-tcp-length-prefix-in-udp", Bare(FORMERR)),
    ("D36-cookie-7-bytes", Bare(FORMERR)),
    ("D37-ecs-bad-family", Forward), // without it
    ("D38-ancount-set", Bare(FORMERR)),
];

/// What an upstream's message leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Response_ {
    /// The client gets these many records and this code.
    Gets(u16, usize),
    /// It is ignored, the right answer is awaited, and TCP is tried.
    IgnoredAndTcp,
    /// TCP is tried.
    Tcp,
    /// Another upstream is asked, and if it says the same the client gets SERVFAIL.
    Next,
    /// The same upstream is asked without EDNS.
    Plain,
    /// The client gets an answer as for a blocked name.
    Blocked,
    /// It fits over TCP, and is truncated over UDP.
    Huge,
}
use Response_::{Blocked, Gets, Huge, IgnoredAndTcp, Next, Plain, Tcp};

const NOERROR: u16 = 0;
const SERVFAIL: u16 = 2;
const NXDOMAIN: u16 = 3;

const RESPONSES: &[(&str, Response_)] = &[
    ("R01-good", Gets(NOERROR, 1)),
    ("R02-wrong-id", IgnoredAndTcp),
    ("R03-wrong-question", IgnoredAndTcp),
    ("R04-case-mangled-question", IgnoredAndTcp),
    ("R05-no-question", IgnoredAndTcp),
    ("R06-qr-0", IgnoredAndTcp),
    ("R07-other-owner", Gets(NOERROR, 0)), // nothing is left
    ("R08-extra-authority-ns", Gets(NOERROR, 1)),
    ("R09-cname-loop", Next),
    ("R10-cname-chain-60", Next),
    ("R11-cname-to-blocked", Blocked),
    ("R12-ancount-lies", Next),
    ("R13-rdlength-past-end", Next),
    ("R14-a-rdata-3", Next),
    ("R15-ttl-2^31", Gets(NOERROR, 1)), // with TTL 0
    ("R16-ttl-0", Gets(NOERROR, 1)),
    ("R17-tc-with-answer", Tcp),
    ("R18-tc-empty", Tcp),
    // The rebinding filter comes later; until then these pass.
    ("R19-rebind-127", Gets(NOERROR, 1)),
    ("R20-rebind-192.168", Gets(NOERROR, 1)),
    ("R21-rebind-v4mapped", Gets(NOERROR, 1)),
    ("R22-rebind-0.0.0.0", Gets(NOERROR, 1)),
    ("R23-https-ipv4hint-private", Gets(NOERROR, 1)),
    ("R24-https-target-blocked", Blocked),
    ("R25-https-ech", Gets(NOERROR, 1)), // so does the knob that strips it
    ("R26-svcb-key-order", Gets(NOERROR, 0)),
    ("R27-svcb-hint-5-bytes", Gets(NOERROR, 0)),
    ("R28-dname-spoof", Gets(NOERROR, 1)), // the CNAME alone
    ("R29-formerr-reply-to-edns", Plain),
    ("R30-servfail", Next),
    ("R31-64k-tcp", Huge),
    ("R32-nxdomain-no-soa", Gets(NXDOMAIN, 0)),
    ("R33-nxdomain-soa-min-max", Gets(NXDOMAIN, 0)), // with its SOA, capped
    ("R34-compressed-unknown-rdata", Gets(NOERROR, 1)),
    ("R35-opt-in-answer", Next),
    ("R36-1000-compression-pointers", Next),
];

pub(super) fn rows(dir: &str) -> Vec<(String, Vec<u8>)> {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/dns_messages.jsonl"));
    let rows = text.lines().map(|line| serde_json::from_str::<Row>(line).unwrap());
    let rows = rows.filter(|row| row.dir == dir);
    rows.map(|row| (row.id, from_hex(&row.hex))).collect()
}

fn from_hex(hex: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn ids<'a>(ids: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    ids.collect()
}

#[test]
fn every_row_has_a_stated_outcome() {
    for (dir, table) in [
        ("query", ids(QUERIES.iter().map(|row| row.0))),
        ("response", ids(RESPONSES.iter().map(|row| row.0))),
    ] {
        let rows = rows(dir);
        assert_eq!(ids(rows.iter().map(|row| row.0.as_str())), table);
    }
}

#[test]
fn every_query_gives_its_stated_outcome() {
    for (id, message) in rows("query") {
        let (_, want) = QUERIES.iter().find(|row| row.0 == id).unwrap();
        let mut home = Home::new(&["tracker.example.com"]);
        let (handled, reply) = home.send(device(1), &message);
        let got = match handled {
            Handled::Dropped => Drop,
            Handled::Pending => Forward,
            Handled::Replied => {
                let reply = Message::from_vec(&reply).expect(&id);
                assert_eq!(reply.id.to_be_bytes(), message[..2], "{id}");
                match u16::from(reply.response_code) {
                    code if reply.queries.is_empty() => Bare(code),
                    0 if reply.answers.len() == 1 => Small,
                    code => Code(code),
                }
            }
        };
        assert_eq!(got, *want, "{id}");
        assert!(handled == Handled::Replied || reply.is_empty(), "{id}");
        if got == Forward {
            check_forwarded(&id, home, &message);
        }
    }
}

/// The upstream gets a clean message of ours, and the client a clean answer.
fn check_forwarded(id: &str, mut home: Home, message: &[u8]) {
    let asked = home.outs().asked.remove(0);
    let query = asked.message.queries[0].clone();
    let edns = asked.message.edns.as_ref().unwrap();
    assert_eq!(edns.max_payload(), 1232, "{id}");
    assert!(edns.options().as_ref().is_empty(), "{id}: {edns:?}");
    assert!(asked.message.answers.is_empty() && asked.message.additionals.is_empty(), "{id}");
    let many = (0..100).map(|n| RData::A(A([192, 0, 2, n].into())));
    let records = many.map(|data| Record::from_rdata(query.name().clone(), 60, data));
    let mut answer = answer_to(&asked, records.collect());
    answer.metadata.response_code = ResponseCode::NoError;
    home.dns.handle_answer(home.now, &home.policy, asked.ask, &answer.to_vec().unwrap());
    let Some(Out::Forget { .. }) = home.dns.poll() else { panic!("{id}") };
    let seen = home.dns.poll();
    assert!(matches!(seen, Some(Out::Seen(_))), "{id}: {seen:?}");
    let Some(Out::Reply { message: reply, .. }) = home.dns.poll() else { panic!("{id}") };
    let has_opt = message[11] == 1;
    assert!(reply.len() <= if has_opt && !id.starts_with("D28") { 1232 } else { 512 }, "{id}");
    assert_eq!(reply[3] & 0x40, 0, "{id}: Z is clear");
    let reply = Message::from_vec(&reply).unwrap();
    assert_eq!(reply.edns.is_some(), has_opt, "{id}");
    assert!(query.query_type() != RecordType::A || reply.metadata.truncation, "{id}");
}

#[test]
fn every_response_gives_its_stated_outcome() {
    for (id, message) in rows("response") {
        let (_, want) = RESPONSES.iter().find(|row| row.0 == id).unwrap();
        let mut home = Home::with(&["tracker.example.com"], id.starts_with("R04"));
        let (name, kind) = asked_for(&id, &message);
        let asked = home.ask(device(1), &name, kind).remove(0);
        let outs = home.answer_raw(asked.ask, &with_id(&asked, &message));
        check_response(&id, *want, home, &asked, &outs, &message);
    }
}

/// The question that a response answers, or should.
fn asked_for(id: &str, message: &[u8]) -> (String, RecordType) {
    let name = if id.starts_with("R28") { "x.example.com." } else { "example.com." };
    let at = 12 + name.len() + 1;
    let kind = match &id[..3] {
        "R03" | "R05" | "R29" => RecordType::A,
        _ => u16::from_be_bytes([message[at], message[at + 1]]).into(),
    };
    (name.to_owned(), kind)
}

/// In the table the right id is 0x1234; here it is what the upstream got.
fn with_id(asked: &Asked, message: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    if message[..2] == [0x12, 0x34] {
        message[..2].copy_from_slice(&asked.message.id.to_be_bytes());
    }
    message
}

fn check_response(
    id: &str,
    want: Response_,
    mut home: Home,
    asked: &Asked,
    outs: &Outs,
    message: &[u8],
) {
    match want {
        Gets(code, count) => {
            let (_, reply) = &outs.replies[0];
            assert_eq!(u16::from(reply.response_code), code, "{id}");
            assert_eq!(reply.answers.len(), count, "{id}");
            assert!(reply.additionals.is_empty(), "{id}");
            check_times(id, reply);
        }
        Blocked => {
            let (_, reply) = &outs.replies[0];
            assert!(addresses(reply).iter().all(|a| home.dns.host_of(*a).is_some()), "{id}");
            let seen = &outs.seen[0];
            let alias = Via::Alias("tracker.example.com".parse().unwrap());
            assert_eq!(seen.outcome, Outcome::Blocked, "{id}");
            assert_eq!(seen.evidence.as_ref().map(|(_, via)| via), Some(&alias), "{id}");
        }
        IgnoredAndTcp => {
            check_tcp(id, outs, asked);
            assert!(outs.forgotten.is_empty(), "{id}");
            let name = asked.message.queries[0].name().to_ascii();
            let right = answer_to(asked, vec![a(&name, [192, 0, 2, 77])]);
            let outs = home.answer(asked.ask, &right);
            assert_eq!(addresses(&outs.replies[0].1), [IpAddr::from([192, 0, 2, 77])], "{id}");
        }
        Tcp => {
            check_tcp(id, outs, asked);
            assert_eq!(outs.forgotten, [asked.ask], "{id}");
            let outs = home.answer_raw(outs.asked[0].ask, &with_id(&outs.asked[0], message));
            assert_eq!(outs.asked[0].upstream, upstream(2), "{id}: over TCP it is a failure");
        }
        Next => {
            assert!(outs.replies.is_empty(), "{id}");
            assert_eq!(outs.asked[0].upstream, upstream(2), "{id}");
            let outs = home.answer_raw(outs.asked[0].ask, &with_id(&outs.asked[0], message));
            let code = outs.replies[0].1.response_code;
            assert_eq!(u16::from(code), SERVFAIL, "{id}");
        }
        Plain => {
            let again = &outs.asked[0];
            assert_eq!((again.upstream, again.transport), (asked.upstream, Transport::Udp), "{id}");
            assert!(again.message.edns.is_none(), "{id}");
        }
        Huge => check_huge(id, outs, message),
    }
}

fn check_tcp(id: &str, outs: &Outs, asked: &Asked) {
    assert!(outs.replies.is_empty(), "{id}");
    let tcp = &outs.asked[0];
    assert_eq!((tcp.upstream, tcp.transport), (asked.upstream, Transport::Tcp), "{id}");
}

fn check_times(id: &str, reply: &Message) {
    match &id[..3] {
        "R15" | "R16" => assert_eq!(reply.answers[0].ttl, 0, "{id}"),
        "R08" => assert!(reply.authorities.is_empty(), "{id}"),
        "R33" => {
            let RData::SOA(soa) = &reply.authorities[0].data else { panic!("{id}") };
            assert_eq!((reply.authorities[0].ttl, soa.minimum), (10_800, 10_800), "{id}");
        }
        "R34" => {
            let RData::Unknown { rdata, .. } = &reply.answers[0].data else { panic!("{id}") };
            assert_eq!(rdata.anything, [0xc0, 0x0c], "{id}: an opaque copy");
        }
        _ => {}
    }
}

fn check_huge(id: &str, outs: &Outs, message: &[u8]) {
    assert!(outs.replies[0].1.metadata.truncation, "{id}");
    let mut home = Home::new(&[]);
    let asker = Asker { transport: Transport::Tcp, ..device(1) };
    let asked = home.ask(asker, "example.com.", RecordType::A).remove(0);
    let outs = home.answer_raw(asked.ask, &with_id(&asked, message));
    let (_, reply) = &outs.replies[0];
    assert!(!reply.metadata.truncation, "{id}");
    assert_eq!(reply.answers.len(), 4000, "{id}");
}
