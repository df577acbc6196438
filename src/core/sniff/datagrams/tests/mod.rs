//! What clients send first over UDP, and what hostile ones do.

mod vectors;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};

use super::*;
use crate::core::sniff::{MAX_HELD, Named};
use crate::core::wire::quic::version::Version;
use crate::core::wire::quic::write::{Initial, put_crypto};

const V2: u32 = 0x6b33_43cf;
const TRACKER: &str = "tracker.vendor.example";
const HARMLESS: &str = "harmless.example";

#[test]
fn every_version_that_has_keys_is_read() {
    let drafts = (0xff00_0016..=0xff00_0022).chain([1, V2, 0xface_b001, 0xface_b002, 0xface_b00e]);
    for number in drafts {
        let initial = Initial::first(Version::known(number).unwrap(), b"chosen id");
        let mut flow = Datagrams::default();
        let named = named(flow.push(&seal(&initial, &[(0, &hello(TRACKER, 0))])));
        assert_eq!(named.names.first(), Some(TRACKER), "{number:x}");
        assert_eq!(named.spoken, Spoken::Quic(number));
    }
}

#[test]
fn versions_of_google_are_unknown() {
    for (datagram, version) in [
        (&b"\x0d\x01\x02\x03\x04\x05\x06\x07\x08Q043\x01CHLO"[..], b"Q043"),
        (b"\xc3Q046\x50\x01\x02\x03\x04\x05\x06\x07\x08", b"Q046"),
        (b"\xc3Q050\x08\x01\x02\x03\x04\x05\x06\x07\x08", b"Q050"),
        (b"\xc3T050\x08\x01\x02\x03\x04\x05\x06\x07\x08", b"T050"),
        (b"\xc3T051\x08\x01\x02\x03\x04\x05\x06\x07\x08", b"T051"),
    ] {
        let spoken = Some(Spoken::Quic(u32::from_be_bytes(*version)));
        let outcome = Datagrams::default().push(datagram);
        assert_eq!(unnamed(outcome), (Cause::UnknownVersion, spoken));
    }
    let mut flow = Datagrams::default();
    let outcome = unnamed(flow.push(b"\xc3Q046\x50\x01\x02\x03\x04\x05\x06\x07\x08"));
    assert_eq!(unnamed(flow.push(&[0x4f; 60])), outcome, "its short headers change nothing");
}

/// RFC 9000 §6: it speaks a version that it made up, is told better, comes again.
#[test]
fn a_client_that_comes_again_with_a_version_that_we_know_is_read() {
    let mut flow = Datagrams::default();
    let greased = flow.push(&[&[0xcb, 0xba, 0xba, 0xba, 0xba, 8][..], &[1; 1194]].concat());
    assert_eq!(unnamed(greased), (Cause::UnknownVersion, Some(Spoken::Quic(0xbaba_baba))));
    assert_eq!(named(flow.push(&first(TRACKER))).names.first(), Some(TRACKER));
}

#[test]
fn a_retry_makes_new_keys_from_the_id_of_the_server() {
    let before = Initial::first(v1(), b"of client");
    let after = Initial {
        chosen: b"of server",
        destination: b"of server",
        token: b"ticket",
        number: 1,
        ..before
    };
    let hello = hello(TRACKER, 0);
    let mut flow = Datagrams::default();
    let expected = named(flow.push(&seal(&before, &[(0, &hello)])));
    assert_eq!(named(flow.push(&seal(&after, &[(0, &hello)]))), expected);
    assert!(!expected.doubtful);

    let mut late = Datagrams::default();
    assert_eq!(named(late.push(&seal(&after, &[(0, &hello)]))), expected);
}

/// RFC 9369 §4.1: the version is another, the keys are from the first id.
#[test]
fn an_initial_after_compatible_negotiation_is_opened() {
    let hello = hello(TRACKER, 0);
    let mut flow = Datagrams::default();
    let old = Initial::first(v1(), b"of client");
    let new = Initial {
        version: Version::known(V2).unwrap(),
        destination: b"of server",
        number: 1,
        ..old
    };
    assert!(!named(flow.push(&seal(&old, &[(0, &hello)]))).doubtful);
    let named = named(flow.push(&seal(&new, &[(0, &hello)])));
    assert_eq!((named.names.first(), named.doubtful), (Some(TRACKER), false));
    assert_eq!(flow.connections.len(), 2);
}

/// U7, and the way of a client that sends a small packet first.
#[test]
fn packets_ahead_in_the_same_datagram_are_passed_over() {
    let whole = first(TRACKER);
    let handshake = [0xe0, 0, 0, 0, 1, 0, 0, 2, 9, 9];
    let zero_rtt = [0xd0, 0, 0, 0, 1, 0, 0, 2, 9, 9];
    let mut spoilt = first(HARMLESS);
    *spoilt.last_mut().unwrap() ^= 1;
    for ahead in [&handshake[..], &zero_rtt, &spoilt] {
        let datagram = [ahead, &whole].concat();
        let named = named(Datagrams::default().push(&datagram));
        assert_eq!(named.names.first(), Some(TRACKER));
    }
}

/// U11.
#[test]
fn a_flow_older_than_we_is_midway() {
    let handshake = [0xe0, 0, 0, 0, 1, 0, 0, 2, 9, 9];
    for (datagram, spoken) in [(&[0x4f; 60][..], None), (&handshake, Some(Spoken::Quic(1)))] {
        let mut flow = Datagrams::default();
        assert_eq!(unnamed(flow.push(datagram)), (Cause::Midway, spoken));
        assert_eq!(unnamed(flow.finish()), (Cause::Midway, spoken));
    }
}

#[test]
fn other_protocols_are_told() {
    let stun = b"\x00\x01\x00\x00\x21\x12\xa4\x42transaction!";
    let dtls = b"\x16\xfe\xff\0\0\0\0\0\0\0\0\0\x2f\x01";
    let dns = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03www\x07example\0\0\x01\0\x01";
    let rtp = [0x80, 0x60, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 1, 2, 3, 4, 0, 0, 0, 0];
    for (datagram, cause, spoken) in [
        (&stun[..], Cause::OtherProtocol, Some(Spoken::Stun)),
        (&stun[..19], Cause::OtherProtocol, None),
        (dtls, Cause::OtherProtocol, Some(Spoken::Dtls)),
        (&dtls[..12], Cause::OtherProtocol, None),
        (dns, Cause::OtherProtocol, None),
        (&rtp, Cause::OtherProtocol, None),
        (b"\xff", Cause::OtherProtocol, None),
        (b"", Cause::Silent, None),
    ] {
        assert_eq!(unnamed(Datagrams::default().push(datagram)), (cause, spoken), "{datagram:x?}");
    }
    assert_eq!(unnamed(Datagrams::default().finish()), (Cause::Silent, None));
}

/// U5: as many as inline keeps.
#[test]
fn zero_rtt_without_an_initial_is_not_waited_for_without_end() {
    let mut flow = Datagrams::default();
    let datagram = [&[0xd0, 0, 0, 0, 1, 1, 7, 0, 0x44, 0x00][..], &[1; 1024]].concat();
    for _ in 1..MAX_UNREAD {
        assert_eq!(flow.push(&datagram), Sniffed::NeedMore);
    }
    let outcome = (Cause::Incomplete, Some(Spoken::Quic(1)));
    assert_eq!(unnamed(flow.push(&datagram)), outcome);
    assert_eq!(unnamed(flow.finish()), outcome);
    assert_eq!(flow.held(), 0);
    // It may still come.
    assert_eq!(named(flow.push(&first(TRACKER))).names.first(), Some(TRACKER));
}

/// U13: the first packet is lost; the name is in the second, or is not.
#[test]
fn a_hello_without_its_beginning_is_incomplete() {
    let hello = hello(TRACKER, 0);
    let mut flow = Datagrams::default();
    let second = seal(&Initial::first(v1(), b"chosen id"), &[(40, &hello[40..])]);
    assert_eq!(flow.push(&second), Sniffed::NeedMore);
    assert_eq!(unnamed(flow.finish()), (Cause::Incomplete, Some(Spoken::Quic(1))));
}

#[test]
fn a_hello_without_its_end_gives_the_name_that_it_has() {
    let hello = hello(TRACKER, 2000);
    let mut flow = Datagrams::default();
    let begin = seal(&Initial::first(v1(), b"chosen id"), &[(0, &hello[..1100])]);
    assert_eq!(flow.push(&begin), Sniffed::NeedMore);
    let named = named(flow.finish());
    assert_eq!((named.names.first(), named.doubtful), (Some(TRACKER), false));
}

#[test]
fn every_cut_of_a_hello_into_two_datagrams_gives_the_name() {
    let hello = hello(TRACKER, 0);
    let initial = Initial::first(v1(), b"chosen id");
    for cut in 0..=hello.len() {
        let (begin, end) = hello.split_at(cut);
        let one = seal(&initial, &[(0, begin)]);
        let two = seal(&Initial { number: 1, ..initial }, &[(cut as u64, end)]);
        for order in [[&one, &two], [&two, &one]] {
            let outcome = last_of(order.map(Vec::as_slice));
            assert_eq!(named(outcome).names.first(), Some(TRACKER), "{cut}");
        }
    }
}

#[test]
fn a_hello_scattered_at_random_gives_the_name() {
    let mut random = StdRng::seed_from_u64(9001);
    let hello = hello(TRACKER, 1500);
    for _ in 0..1000 {
        let mut pieces = Vec::new();
        let mut at = 0;
        while at < hello.len() {
            let len = random.random_range(1..400).min(hello.len() - at);
            let back = random.random_range(0..10).min(at);
            pieces.push(((at - back) as u64, &hello[at - back..at + len]));
            at += len;
        }
        pieces.shuffle(&mut random);
        let mut flow = Datagrams::default();
        let mut outcome = Sniffed::NeedMore;
        for (number, some) in (0..).zip(pieces.chunks(3)) {
            let first = Initial::first(v1(), b"chosen id");
            outcome = flow.push(&seal(&Initial { number, ..first }, some));
        }
        let named = named(outcome);
        assert_eq!((named.names.first(), named.doubtful), (Some(TRACKER), false));
    }
}

#[test]
fn no_flipped_bit_gives_another_name() {
    let datagram = first(TRACKER);
    for bit in 0..datagram.len() * 8 {
        let mut flipped = datagram.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let mut flow = Datagrams::default();
        let outcome = flow.push(&flipped);
        assert!(!matches!(outcome, Sniffed::Named(_)), "{bit}");
        assert_eq!(named(flow.push(&datagram)).names.first(), Some(TRACKER), "{bit}");
    }
}

#[test]
fn of_two_readings_each_counts_whatever_is_wrong_with_the_other() {
    let good = hello(TRACKER, 0);
    let initial = Initial::first(v1(), b"chosen id");
    let nameless = hello("", 0);
    let mut broken = good.clone();
    broken[4 + 2 + 32] = 255; // length of the session id
    let mut other_message = good.clone();
    other_message[0] = 2;
    for other in [&hello(HARMLESS, 0), &nameless, &broken, &other_message] {
        for frames in [[(0, &good[..]), (0, other)], [(0, &other[..]), (0, &good)]] {
            let named = named(Datagrams::default().push(&seal(&initial, &frames)));
            assert!(named.doubtful);
            assert!(named.names.iter().any(|name| name == TRACKER));
        }
    }
}

#[test]
fn of_two_readings_without_a_name_both_are_malformed() {
    let (good, bad) = (hello("", 0), hello("192.0.2.1", 0));
    let initial = Initial::first(v1(), b"chosen id");
    let outcome = Datagrams::default().push(&seal(&initial, &[(0, &good), (0, &bad)]));
    assert_eq!(unnamed(outcome), (Cause::Malformed, Some(Spoken::Quic(1))));
}

#[test]
fn a_reading_that_is_not_all_here_is_waited_for() {
    let (short, long) = (hello(HARMLESS, 0), hello(TRACKER, 1000));
    let initial = Initial::first(v1(), b"chosen id");
    let mut flow = Datagrams::default();
    let both = seal(&initial, &[(0, &short), (0, &long[..900])]);
    assert_eq!(flow.push(&both), Sniffed::NeedMore);
    let rest = seal(&Initial { number: 1, ..initial }, &[(900, &long[900..])]);
    let named = named(flow.push(&rest));
    assert_eq!(named.names.iter().collect::<Vec<_>>(), [HARMLESS, TRACKER]);
    assert!(named.doubtful);
}

/// As desynchronisers do: something harmless ahead, which the server never gets.
#[test]
fn a_fake_ahead_does_not_hide_the_name() {
    let fakes = [first(HARMLESS), vec![0x40; 620], vec![0; 620], first("")]
        .map(|fake| [fake, first(TRACKER)]);
    for [fake, real] in fakes {
        let mut flow = Datagrams::default();
        let harmless = !matches!(flow.push(&fake), Sniffed::NeedMore);
        assert!(harmless);
        let named = named(flow.push(&real));
        assert!(named.names.iter().any(|name| name == TRACKER));
    }
    let mut flow = Datagrams::default();
    let initial = Initial::first(v1(), b"another id");
    let _ = flow.push(&first(HARMLESS));
    let named = named(flow.push(&seal(&initial, &[(0, &hello(TRACKER, 0))])));
    assert_eq!(named.names.iter().collect::<Vec<_>>(), [HARMLESS, TRACKER]);
    assert!(named.doubtful);
}

#[test]
fn more_attempts_than_are_followed_leave_a_doubt() {
    let mut flow = Datagrams::default();
    for id in 0..u8::try_from(MAX_CONNECTIONS).unwrap() {
        let id = [id; 8];
        let initial = Initial::first(v1(), &id);
        let named = named(flow.push(&seal(&initial, &[(0, &hello(HARMLESS, 0))])));
        assert!(!named.doubtful);
    }
    assert!(named(flow.push(&first(TRACKER))).doubtful);
}

#[test]
fn a_second_hello_in_the_same_connection_is_read_too() {
    let (one, two) = (hello(HARMLESS, 0), hello(TRACKER, 0));
    let initial = Initial::first(v1(), b"chosen id");
    let mut flow = Datagrams::default();
    assert!(!named(flow.push(&seal(&initial, &[(0, &one)]))).doubtful);
    let again = Initial { number: 1, ..initial };
    let named = named(flow.push(&seal(&again, &[(one.len() as u64, &two)])));
    assert!(named.names.iter().eq([HARMLESS, TRACKER]));
}

#[test]
fn a_hello_with_ech_is_marked() {
    let mut hello = hello(TRACKER, 0);
    extend(&mut hello, &[0xfe, 0x0d, 0, 2, 0, 0]);
    let initial = Initial::first(v1(), b"chosen id");
    let named = named(Datagrams::default().push(&seal(&initial, &[(0, &hello)])));
    assert!(named.ech && !named.doubtful);
}

#[test]
fn a_hello_longer_than_we_keep_is_too_long() {
    let initial = Initial::first(v1(), b"chosen id");
    let mut long = hello("", 40_000);
    long.truncate(MAX_HELD);
    let outcome = Datagrams::default().push(&seal(&initial, &[(0, &long)]));
    assert_eq!(unnamed(outcome), (Cause::TooLong, Some(Spoken::Quic(1))));

    let mut scattered = Vec::new();
    (0..1000).for_each(|at| put_crypto(&mut scattered, 2 * at, b"\x01"));
    let outcome = Datagrams::default().push(&initial.seal(&scattered).unwrap());
    assert_eq!(unnamed(outcome), (Cause::TooLong, Some(Spoken::Quic(1))));
}

/// U12: Initials with other ids and a key each, good and bad.
#[test]
fn a_flood_of_initials_is_tried_so_often_and_no_more() {
    for good in [true, false] {
        let mut flow = Datagrams::default();
        for id in 0..1000_u32 {
            let id = id.to_be_bytes();
            let initial = Initial::first(v1(), &id);
            let mut datagram = seal(&initial, &[(id.len() as u64, &[7; 900])]);
            *datagram.last_mut().unwrap() ^= u8::from(!good);
            let before = flow.tries;
            let _ = flow.push(&datagram);
            assert!(flow.tries - before <= 2);
        }
        assert!(flow.tries <= MAX_TRIES && flow.connections.len() <= MAX_CONNECTIONS);
        assert!(flow.held() <= MAX_CONNECTIONS * 900);
        assert!(matches!(flow.push(&first(TRACKER)), Sniffed::Unnamed(_)));
    }
}

#[test]
fn a_flood_in_one_connection_is_kept_within_bounds() {
    let mut flow = Datagrams::default();
    let mut random = StdRng::seed_from_u64(1);
    for number in 0..2000 {
        let mut bytes = [0; 1000];
        random.fill_bytes(&mut bytes);
        bytes[0] = 1;
        let offset = random.random_range(0..2 * MAX_HELD as u64);
        let initial = Initial { number, ..Initial::first(v1(), b"chosen id") };
        let _ = flow.push(&seal(&initial, &[(offset, &bytes)]));
        assert!(flow.held() <= 2 * MAX_HELD);
    }
    assert!(matches!(flow.finish(), Sniffed::Unnamed(_)));
}

#[test]
fn a_datagram_of_many_small_packets_is_tried_within_bounds() {
    let small = [0xc0, 0, 0, 0, 1, 0, 0, 0, 24];
    let many: Vec<u8> = (0..2000).flat_map(|_| [&small[..], &[9; 24]].concat()).collect();
    let mut flow = Datagrams::default();
    let outcome = flow.push(&many);
    assert_eq!(flow.tries, MAX_TRIES);
    assert_eq!(unnamed(outcome), (Cause::Undecryptable, Some(Spoken::Quic(1))));
}

#[test]
fn what_an_initial_may_not_hold_is_malformed_and_hides_no_name() {
    let initial = Initial::first(v1(), b"chosen id");
    let mut flow = Datagrams::default();
    assert_eq!(flow.push(&initial.seal(&[8, 1, 2, 3]).unwrap()), Sniffed::NeedMore);
    assert_eq!(unnamed(flow.finish()), (Cause::Malformed, Some(Spoken::Quic(1))));
    let next = Initial { number: 1, ..initial };
    let named = named(flow.push(&seal(&next, &[(0, &hello(TRACKER, 0))])));
    assert_eq!(named.names.first(), Some(TRACKER));
}

fn v1() -> Version {
    Version::known(1).unwrap()
}

/// The first datagram of an ordinary client.
fn first(host: &str) -> Vec<u8> {
    seal(&Initial::first(v1(), b"chosen id"), &[(0, &hello(host, 0))])
}

fn seal(initial: &Initial<'_>, pieces: &[(u64, &[u8])]) -> Vec<u8> {
    let mut frames = Vec::new();
    for (offset, bytes) in pieces {
        put_crypto(&mut frames, *offset, bytes);
    }
    frames.resize(frames.len().max(1150), 0);
    initial.seal(&frames).unwrap()
}

/// A ClientHello for `host`, or for nobody; then padding.
fn hello(host: &str, padding: u16) -> Vec<u8> {
    let mut hello = vec![1, 0, 0, 43, 3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0x13, 0x01, 1, 0, 0, 0]);
    if !host.is_empty() {
        let len = u16::try_from(host.len()).unwrap();
        let mut extension = vec![0, 0];
        extension.extend((len + 5).to_be_bytes());
        extension.extend((len + 3).to_be_bytes());
        extension.push(0);
        extension.extend(len.to_be_bytes());
        extension.extend(host.as_bytes());
        extend(&mut hello, &extension);
    }
    if padding > 0 {
        let mut extension = vec![0, 21];
        extension.extend(padding.to_be_bytes());
        extension.resize(4 + usize::from(padding), 0);
        extend(&mut hello, &extension);
    }
    hello
}

fn extend(hello: &mut Vec<u8>, extension: &[u8]) {
    hello.extend(extension);
    let message = u32::try_from(hello.len() - 4).unwrap().to_be_bytes();
    hello[1..4].copy_from_slice(&message[1..]);
    let extensions = u16::try_from(hello.len() - 47).unwrap();
    hello[45..47].copy_from_slice(&extensions.to_be_bytes());
}

/// What a flow of these datagrams comes to.
fn last_of<'a>(datagrams: impl IntoIterator<Item = &'a [u8]>) -> Sniffed {
    let mut flow = Datagrams::default();
    for datagram in datagrams {
        let outcome = flow.push(datagram);
        assert!(flow.held() <= 2 * MAX_HELD);
        drop(outcome);
    }
    flow.finish()
}

fn named(outcome: Sniffed) -> Named {
    match outcome {
        Sniffed::Named(named) => named,
        outcome => panic!("{outcome:?}"),
    }
}

fn unnamed(outcome: Sniffed) -> (Cause, Option<Spoken>) {
    match outcome {
        Sniffed::Unnamed(unnamed) => (unnamed.cause, unnamed.spoken),
        outcome => panic!("{outcome:?}"),
    }
}
