use super::*;
use crate::core::flows::inline::{Learnt, Refusal};
use crate::core::host::HostName;
use crate::core::sniff::{Cause, Spoken};
use crate::core::verdict::Verdict;
use crate::core::wire::tcp::{Control, Flags};
use crate::core::wire::udp;

/// A capture that is made packet by packet.
#[derive(Default)]
struct Tape {
    replay: Replay,
    micros: u64,
}

impl Tape {
    fn packet(&mut self, packet: &[u8]) {
        self.micros += 1000;
        self.replay.handle_packet(Instant::from_micros(self.micros), packet, packet.len());
    }

    fn tcp(&mut self, from: &str, to: &str, (flags, seq, ack): (Flags, u32, u32), data: &str) {
        self.packet(&segment(from, to, (flags, seq, ack), data));
    }

    fn udp(&mut self, from: &str, to: &str, payload: &[u8]) {
        let mut packet = Vec::new();
        udp::write(&mut packet, from.parse().unwrap(), to.parse().unwrap(), payload).unwrap();
        self.packet(&packet);
    }

    fn seen(self) -> Vec<Seen> {
        self.replay.finish(&Policy::blocking(&["blocked.example"]), Instant::ZERO)
    }

    /// The only flow, as `client > server spoken names or cause`.
    #[track_caller]
    fn told(self) -> String {
        let seen = self.seen();
        let [flow] = seen.as_slice() else { panic!("{} flows: {seen:?}", seen.len()) };
        told(flow)
    }
}

fn told(flow: &Seen) -> String {
    let spoken = flow.spoken.map_or("-".into(), |said| said.to_string());
    let names: Vec<_> = flow.names.iter().map(HostName::as_str).collect();
    let cause = flow.cause.map(|cause| cause.to_string()).unwrap_or_default();
    let (client, server) = (flow.client.port(), flow.server.port());
    format!("{client} > {server} {spoken} {}{cause}", names.join(" "))
}

/// Its checksums and lengths are not set: that is what a capture may have.
fn segment(from: &str, to: &str, (flags, seq, ack): (Flags, u32, u32), data: &str) -> Vec<u8> {
    let control = Control {
        source: from.parse().unwrap(),
        destination: to.parse().unwrap(),
        sequence: seq,
        acknowledgment: ack,
        flags,
        window: 512,
    };
    let mut packet = Vec::new();
    control.write(&mut packet).unwrap();
    packet.extend(data.as_bytes());
    let at = if packet[0] >> 4 == 6 { 4 } else { 2 };
    packet[at..at + 2].fill(0);
    packet
}

const C: &str = "192.0.2.7:50000";
const S: &str = "203.0.113.5:8080";
const ACK: Flags = Flags::ACK;
const SYN: Flags = Flags::SYN;
const HEAD: &str = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

#[test]
fn a_connection_is_seen_from_its_first_packet() {
    let mut tape = Tape::default();
    tape.tcp(C, S, (SYN, 9, 0), "");
    tape.tcp(S, C, (SYN | ACK, 99, 10), "");
    tape.tcp(C, S, (ACK, 10, 100), HEAD);
    tape.tcp(S, C, (ACK, 100, 44), "HTTP/1.1 200 OK\r\n\r\n");
    let seen = tape.seen();
    assert_eq!(told(&seen[0]), "50000 > 8080 HTTP/1.1 a.example");
    assert_eq!((seen[0].packets, seen[0].first), (4, Instant::from_micros(1000)));
    assert_eq!(seen[0].bytes, 4 * 40 + HEAD.len() as u64 + 19);
}

/// A ClientHello for `t.example`, in one record.
fn hello() -> Vec<u8> {
    let mut hello = vec![22, 3, 1, 0, 0, 1, 0, 0, 0, 3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0x13, 1, 1, 0, 0, 18, 0, 0, 0, 14, 0, 12, 0, 0, 9]);
    hello.extend(b"t.example");
    let len = u8::try_from(hello.len()).unwrap();
    (hello[4], hello[8]) = (len - 5, len - 9);
    hello
}

#[test]
fn a_hello_after_words_in_clear_names_its_host() {
    for words in ["EHLO me.example\r\nSTARTTLS\r\n", "a1 STARTTLS\r\n", "\0\0\0\u{8}\u{4}_\u{16}/"]
    {
        for syn in [true, false] {
            let mut tape = Tape::default();
            if syn {
                tape.tcp(C, S, (SYN, 9, 0), "");
                tape.tcp(S, C, (SYN | ACK, 99, 10), "");
            }
            tape.tcp(S, C, (ACK, 100, 10), "220 ready\r\n");
            tape.tcp(C, S, (ACK, 10, 111), words);
            tape.tcp(S, C, (ACK, 111, 40), "220 go\r\n");
            let at = 10 + u32::try_from(words.len()).unwrap();
            let (hello, half) = (hello(), 30);
            for (at, bytes) in [(at, &hello[..half]), (at + 30, &hello[half..])] {
                let mut packet = segment(C, S, (ACK, at, 119), "");
                packet.extend(bytes);
                tape.packet(&packet);
            }
            let told = tape.told();
            assert!(told.ends_with(" t.example") && told.contains("TLS"), "{words:?}: {told}");
        }
    }
}

#[test]
fn segments_in_any_order_say_the_same() {
    let cuts = [(0, 7), (7, 20), (20, 21), (21, HEAD.len())];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]] {
        let mut tape = Tape::default();
        tape.tcp(C, S, (SYN, u32::MAX - 8, 0), "");
        for at in order {
            let (from, to) = cuts[at];
            let seq = (u32::MAX - 7).wrapping_add(u32::try_from(from).unwrap());
            tape.tcp(C, S, (ACK, seq, 1), &HEAD[from..to]);
            tape.tcp(C, S, (ACK, seq, 1), &HEAD[from..to]);
        }
        assert_eq!(tape.told(), "50000 > 8080 HTTP/1.1 a.example", "{order:?}");
    }
}

#[test]
fn the_client_is_who_sent_the_syn_whatever_the_ports() {
    let mut tape = Tape::default();
    tape.tcp("192.0.2.7:80", "203.0.113.5:50000", (SYN, 9, 0), "");
    tape.tcp("203.0.113.5:50000", "192.0.2.7:80", (SYN | ACK, 99, 10), "");
    assert_eq!(tape.told(), "80 > 50000 - nothing was sent");
    let mut tape = Tape::default();
    tape.tcp("203.0.113.5:50000", "192.0.2.7:80", (SYN | ACK, 99, 10), "");
    // What came early waits for the byte that the answer to the SYN tells of.
    tape.tcp("192.0.2.7:80", "203.0.113.5:50000", (ACK, 14, 1), &HEAD[4..]);
    tape.tcp("192.0.2.7:80", "203.0.113.5:50000", (ACK, 10, 1), &HEAD[..4]);
    assert_eq!(tape.told(), "80 > 50000 HTTP/1.1 a.example");
}

#[test]
fn without_a_syn_the_client_is_who_names_a_host() {
    for (client, server) in [(C, S), (S, C), ("192.0.2.7:80", C)] {
        let mut tape = Tape::default();
        tape.tcp(server, client, (ACK, 5, 1), "HTTP/1.1 200 OK\r\n\r\n");
        tape.tcp(client, server, (ACK, 1, 5), HEAD);
        let ends = [client, server].map(|end| end.rsplit_once(':').unwrap().1);
        let want = format!("{} > {} HTTP/1.1 a.example", ends[0], ends[1]);
        assert_eq!(tape.told(), want);
    }
}

#[test]
fn without_names_the_ports_tell() {
    for (from, to, want) in [
        (443, 50000, "50000 > 443 - older than we"),
        (50000, 443, "50000 > 443 - older than we"),
        (8080, 50000, "50000 > 8080 - older than we"),
        (1023, 1024, "1024 > 1023 - older than we"),
    ] {
        let mut tape = Tape::default();
        let [from, to] = [from, to].map(|port| format!("192.0.2.{}:{port}", port % 200));
        tape.tcp(&from, &to, (ACK, 5, 1), "");
        assert_eq!(tape.told(), want);
    }
}

#[test]
fn of_datagrams_the_client_is_who_came_first_unless_the_port_is_known() {
    for (from, to, want) in [
        ("192.0.2.7:5000", "203.0.113.5:6000", "5000 > 6000 - another protocol"),
        ("192.0.2.7:6000", "203.0.113.5:5000", "6000 > 5000 - another protocol"),
        ("192.0.2.7:500", "203.0.113.5:6000", "6000 > 500 - nothing was sent"),
    ] {
        let mut tape = Tape::default();
        tape.udp(from, to, b"\x01 something");
        assert_eq!(tape.told().replace("older than we", "another protocol"), want);
    }
}

const QUESTION: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07blocked\x07EXAMPLE\0\0\x01\0\x01";

#[test]
fn questions_are_shown_with_their_verdict() {
    let mut tape = Tape::default();
    let mut answer = QUESTION.to_vec();
    answer[2] = 0x81;
    tape.udp("203.0.113.5:53", C, &answer);
    tape.udp(C, "203.0.113.5:53", QUESTION);
    tape.udp(C, "203.0.113.5:53", QUESTION);
    let seen = tape.seen();
    assert_eq!(told(&seen[0]), "50000 > 53 DNS blocked.example");
    assert!(matches!(seen[0].decided.verdict, Verdict::Block(_)));
    let mut tape = Tape::default();
    tape.udp(C, "203.0.113.5:53", b"no question");
    assert_eq!(tape.told(), "50000 > 53 DNS malformed");
}

#[test]
fn questions_over_tcp_are_shown_too() {
    let mut tape = Tape::default();
    let len = u8::try_from(QUESTION.len()).unwrap();
    let stream = [&[0, len], QUESTION, &[0, len], QUESTION].concat();
    let stream = String::from_utf8(stream).unwrap();
    tape.tcp(C, "203.0.113.5:53", (SYN, 0, 0), "");
    tape.tcp(C, "203.0.113.5:53", (ACK, 11, 0), &stream[10..]);
    tape.tcp(C, "203.0.113.5:53", (ACK, 1, 0), &stream[..10]);
    assert_eq!(tape.told(), "50000 > 53 DNS blocked.example");
}

#[test]
fn a_name_that_is_blocked_comes_first_and_decides() {
    let mut tape = Tape::default();
    tape.udp(C, "203.0.113.5:53", &[&QUESTION[..12], b"\x01a\x04test\0\0\x01\0\x01"].concat());
    tape.udp(C, "203.0.113.5:53", QUESTION);
    let seen = tape.seen();
    assert_eq!(told(&seen[0]), "50000 > 53 DNS blocked.example a.test");
    assert!(matches!(
        (seen[0].decided.verdict, seen[0].decided.learnt),
        (Verdict::Block(_), Learnt::Said)
    ));
}

#[test]
fn an_address_decides_where_no_name_does() {
    let rules = Policy::builder(std::sync::Arc::default());
    let rule = crate::core::policy::UserRule::new(false, "203.0.113.5", false).unwrap();
    let policy = rules.user_rules([rule]).build();
    for (port, blocked) in [(443, true), (53, false)] {
        let mut tape = Tape::default();
        tape.udp(C, &format!("203.0.113.5:{port}"), QUESTION);
        let seen = tape.replay.finish(&policy, Instant::ZERO);
        assert_eq!(matches!(seen[0].decided.verdict, Verdict::Block(_)), blocked, "port {port}");
        assert_eq!(seen[0].decided.learnt == Learnt::Address, blocked, "port {port}");
    }
}

/// The answer to [`QUESTION`]: 203.0.113.5.
fn answer() -> Vec<u8> {
    let mut answer = QUESTION.to_vec();
    (answer[2], answer[7]) = (0x81, 1);
    answer.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xcb\0\x71\x05");
    answer
}

#[test]
fn answers_decide_about_the_flows_of_who_got_them() {
    for (to, refused) in [("192.0.2.7:1024", true), ("192.0.2.8:1024", false)] {
        let mut tape = Tape::default();
        tape.udp("203.0.113.9:53", to, &answer());
        tape.tcp(C, S, (SYN, 5, 0), "");
        tape.tcp(C, S, (ACK, 6, 1), "\x01\x02 something else");
        let seen = tape.seen();
        assert_eq!(told(&seen[1]), "50000 > 8080 - another protocol");
        assert_eq!(seen[1].decided.refusal.is_some(), refused);
        assert_eq!(seen[1].decided.learnt == Learnt::Answers, refused);
        assert_eq!(seen[1].answered.len(), usize::from(refused));
    }
}

#[test]
fn dns_over_tls_without_a_name_would_be_refused() {
    // A ClientHello of TLS 1.2 without extensions (RFC 5246 §7.4.1.2).
    let body = [&[3, 3][..], &[9; 32], &[0, 0, 2, 0x13, 0x01, 1, 0]].concat();
    let len = u8::try_from(body.len()).unwrap();
    let hello = [&[22, 3, 1, 0, len + 4, 1, 0, 0, len][..], &body].concat();
    let mut tape = Tape::default();
    tape.tcp(C, "203.0.113.5:853", (SYN, 5, 0), "");
    let mut packet = segment(C, "203.0.113.5:853", (ACK, 6, 1), "");
    packet.extend(hello);
    tape.packet(&packet);
    assert_eq!(tape.seen()[0].decided.refusal, Some(Refusal::NamelessDot));
}

#[test]
fn a_tuple_that_is_used_again_is_another_flow() {
    let mut tape = Tape::default();
    for (at, host) in ["a.example", "b.example", "c.example"].iter().enumerate() {
        let seq = 1000 * u32::try_from(at).unwrap();
        let head = HEAD.replace("a.example", host);
        tape.tcp(C, S, (SYN, seq, 0), "");
        tape.tcp(C, S, (SYN, seq, 0), ""); // sent again
        tape.tcp(C, S, (ACK, seq + 1, 1), &head);
        tape.tcp(C, S, (ACK | Flags::FIN, seq + 1 + 35, 1), "");
    }
    let told: Vec<_> = tape.seen().iter().map(told).collect();
    assert_eq!(told, ["a", "b", "c"].map(|it| format!("50000 > 8080 HTTP/1.1 {it}.example")));
}

#[test]
fn a_syn_that_nobody_answered_may_be_followed_by_another() {
    let mut tape = Tape::default();
    tape.tcp(C, S, (SYN, 5, 0), "");
    tape.tcp(C, S, (SYN, 9000, 0), "");
    tape.tcp(C, S, (ACK, 9001, 1), HEAD);
    assert_eq!(tape.told(), "50000 > 8080 HTTP/1.1 a.example");
}

#[test]
fn a_syn_that_is_sent_again_loses_nothing() {
    let mut tape = Tape::default();
    tape.tcp(C, S, (SYN, 5, 0), "");
    tape.tcp(C, S, (ACK, 6, 1), &HEAD[..9]);
    tape.tcp(C, S, (SYN, 5, 0), "");
    tape.tcp(C, S, (ACK, 15, 1), &HEAD[9..]);
    assert_eq!(tape.told(), "50000 > 8080 HTTP/1.1 a.example");
}

#[test]
fn the_bytes_of_a_syn_count() {
    let mut tape = Tape::default();
    tape.tcp(C, S, (SYN, 5, 0), &HEAD[..9]);
    tape.tcp(C, S, (ACK, 6, 1), &HEAD[..9]);
    tape.tcp(C, S, (ACK, 15, 1), &HEAD[9..]);
    assert_eq!(tape.told(), "50000 > 8080 HTTP/1.1 a.example");
}

#[test]
fn datagrams_after_a_long_pause_are_of_another_flow() {
    for (seconds, flows) in [(120, 1), (121, 2)] {
        let mut tape = Tape::default();
        tape.udp(C, "203.0.113.5:53", QUESTION);
        tape.micros += seconds * 1_000_000 - 1000;
        tape.udp(C, "203.0.113.5:53", QUESTION);
        assert_eq!(tape.seen().len(), flows, "after {seconds} s");
    }
}

#[test]
fn what_is_said_in_the_middle_of_a_flow_is_no_beginning() {
    for said in ["\x17\x03\x03\0\x20 sealed", "something else"] {
        let mut tape = Tape::default();
        tape.tcp(C, "203.0.113.5:443", (ACK, 6, 1), said);
        let told = tape.told();
        assert!(told.ends_with("older than we"), "{told}");
    }
}

#[test]
fn a_flow_whose_bytes_are_missing_is_incomplete() {
    let mut tape = Tape::default();
    tape.tcp(C, S, (SYN, 0, 0), "");
    let mut packet = segment(C, S, (ACK, 1, 1), HEAD);
    let len = u16::try_from(packet.len()).unwrap();
    packet[2..4].copy_from_slice(&len.to_be_bytes());
    tape.packet(&packet[..60]);
    let counters = tape.replay.counters();
    assert_eq!((counters.cut, counters.malformed), (1, 0));
    let seen = tape.seen();
    assert_eq!((seen[0].cause, seen[0].names.len()), (Some(Cause::Incomplete), 0));
    assert_eq!(
        (seen[0].missing, seen[0].bytes),
        (packet.len() as u64 - 60, 80 + HEAD.len() as u64)
    );
    assert_eq!(seen[0].spoken, Some(Said::Sniffed(Spoken::Http(1, 1))));
}

#[test]
fn fragments_are_joined() {
    let mut packet = Vec::new();
    let (from, to) = (C.parse().unwrap(), "203.0.113.5:53".parse().unwrap());
    udp::write(&mut packet, from, to, QUESTION).unwrap();
    let mut tape = Tape::default();
    for (from, to, more) in [(16, packet.len() - 20, 0), (0, 16, 0x20)] {
        let mut part = packet[..20].to_vec();
        part.extend(&packet[20 + from..20 + to]);
        let len = u16::try_from(part.len()).unwrap();
        part[2..4].copy_from_slice(&len.to_be_bytes());
        part[4..8].copy_from_slice(&[0, 7, more, u8::try_from(from / 8).unwrap()]);
        tape.packet(&part);
    }
    assert_eq!(tape.replay.counters().fragments, 2);
    assert_eq!(tape.told(), "50000 > 53 DNS blocked.example");
}

#[test]
fn time_may_go_back() {
    let mut tape = Tape { micros: 10_000_000, ..Tape::default() };
    tape.udp(C, S, b"one");
    tape.micros = 5_000_000;
    tape.udp(C, "203.0.113.5:9", b"two");
    let first: Vec<_> = tape.seen().iter().map(|flow| flow.first.as_micros()).collect();
    assert_eq!(first, [10_001_000, 5_001_000]);
}

#[test]
fn flows_are_bounded() {
    let mut tape = Tape::default();
    let mut packet = Vec::new();
    udp::write(&mut packet, C.parse().unwrap(), S.parse().unwrap(), b"").unwrap();
    for n in 0..u32::try_from(MAX_FLOWS).unwrap() + 5 {
        packet[12..16].copy_from_slice(&n.to_be_bytes());
        tape.packet(&packet);
    }
    assert_eq!(tape.replay.counters().over_bound, 5);
    assert_eq!(tape.replay.flows.len(), MAX_FLOWS);
}

#[test]
fn what_is_held_is_bounded() {
    let mut tape = Tape::default();
    let mut most = 0;
    for n in 0..6000_u32 {
        let [.., high, low] = n.to_be_bytes();
        let from = format!("192.0.{high}.{low}:50000");
        tape.tcp(&from, S, (SYN, 0, 0), "");
        for at in 0..12 {
            tape.tcp(&from, S, (ACK, 2 + at * 1400, 1), &"x".repeat(1400));
        }
        most = most.max(tape.replay.held);
    }
    assert!(most > 1 << 20 && most <= MAX_HELD + 32 * 1024, "{most}");
    assert!(tape.replay.listened.len() <= MAX_LISTENED);
    let held: usize = tape.replay.flows.iter().map(Flow::held).sum();
    assert_eq!(held, tape.replay.held);
    assert!(tape.seen().iter().all(|flow| flow.names.is_empty()));
}
