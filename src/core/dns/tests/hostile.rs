//! Bytes of anybody, from anywhere: nothing panics, and what comes out is sound.

use proptest::prelude::*;

use super::vectors::rows;
use super::*;

/// Sends a message as a client; an answer must be one, and a question that goes
/// on must be readable.
fn query(message: &[u8]) {
    for blocked in [&[][..], &["com", "example"]] {
        let mut home = Home::new(blocked);
        let (handled, reply) = home.send(device(1), message);
        assert_eq!(handled == Handled::Replied, !reply.is_empty());
        if handled == Handled::Replied {
            let reply = Message::from_vec(&reply).unwrap();
            assert_eq!(reply.metadata.message_type, MessageType::Response);
        }
        home.outs();
    }
}

/// Sends a message as the upstream of `example.com`; at the end of time the
/// client has exactly one answer.
fn response(name: &str, kind: RecordType, message: &[u8]) {
    let mut home = Home { copies: true, ..Home::new(&["tracker.example.com"]) };
    let asked = home.ask(device(1), name, kind).remove(0);
    let mut message = message.to_vec();
    if message.len() > 1 {
        message[..2].copy_from_slice(&asked.message.id.to_be_bytes());
    }
    let mut replies = home.answer_raw(asked.ask, &message).replies.len();
    while let Some(deadline) = home.dns.poll_timeout() {
        home.now = deadline;
        home.dns.handle_timeout(deadline);
        replies += home.outs().replies.len();
    }
    assert_eq!(replies, 1);
}

fn kind_of(message: &[u8], name: &str) -> RecordType {
    let at = 12 + name.len() + 1;
    message
        .get(at..at + 2)
        .map_or(RecordType::A, |kind| u16::from_be_bytes([kind[0], kind[1]]).into())
}

#[test]
fn every_prefix_and_every_flipped_bit_of_the_queries_is_survived() {
    for (_, message) in rows("query").iter().filter(|(_, message)| message.len() < 300) {
        for end in 0..message.len() {
            query(&message[..end]);
            for bit in 0..8 {
                let mut flipped = message.clone();
                flipped[end] ^= 1 << bit;
                query(&flipped);
            }
        }
    }
}

#[test]
fn every_prefix_and_every_flipped_bit_of_the_responses_is_survived() {
    let name = "example.com.";
    for (id, message) in rows("response") {
        if message.len() > 130 || id.starts_with("R28") || message.len() < 29 {
            continue;
        }
        let kind = if id.starts_with("R05") { RecordType::A } else { kind_of(&message, name) };
        for end in 2..message.len() {
            response(name, kind, &message[..end]);
            for bit in 0..8 {
                let mut flipped = message.clone();
                flipped[end] ^= 1 << bit;
                response(name, kind, &flipped);
            }
        }
    }
}

#[test]
fn names_on_a_ladder_of_pointers_are_malformed() {
    // 16 KiB of rungs in the data of one record, then names that start at its top.
    let mut home = Home::new(&[]);
    let asked = home.ask(device(1), "example.com.", RecordType::A).remove(0);
    let mut message = answer_to(&asked, Vec::new()).to_vec().unwrap();
    message[6..8].copy_from_slice(&4001_u16.to_be_bytes());
    message.extend([0xc0, 12, 0xff, 0, 0, 1, 0, 0, 0, 0]);
    let (first, rungs) = (message.len() + 2, 8000_u16);
    message.extend((rungs * 2).to_be_bytes());
    for rung in 0..rungs {
        let below = if rung == 0 { 12 } else { u16::try_from(first).unwrap() + (rung - 1) * 2 };
        message.extend((0xc000 | below).to_be_bytes());
    }
    let top = 0xc000 | (u16::try_from(first).unwrap() + (rungs - 1) * 2);
    for _ in 0..4000 {
        message.extend(top.to_be_bytes());
        message.extend([0, 5, 0, 1, 0, 0, 0, 60, 0, 0]);
    }
    let outs = home.answer_raw(asked.ask, &message);
    assert_eq!(outs.asked[0].upstream, upstream(2), "malformed: the next is asked");
}

/// Found by the property below: hickory-proto asserts that there is data.
#[test]
fn a_record_without_data_is_malformed_whatever_its_type() {
    for kind in [1_u8, 10, 35, 42, 99] {
        let mut message = vec![0, 0, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
        message.extend(b"\x07example\x03com\x00\x00");
        message.extend([kind, 0, 1, 0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, 0]);
        response("example.com.", u16::from(kind).into(), &message);
    }
}

proptest! {
    #[test]
    fn random_queries_are_survived(message in proptest::collection::vec(any::<u8>(), 0..300)) {
        query(&message);
    }

    #[test]
    fn random_bodies_of_queries_are_survived(
        counts in proptest::array::uniform8(0..2_u8),
        body in proptest::collection::vec(any::<u8>(), 0..120),
    ) {
        let mut message = vec![0x12, 0x34, 1, 0];
        message.extend(counts);
        message.extend(body);
        query(&message);
    }

    #[test]
    fn random_records_of_responses_are_survived(
        code in 0..6_u8,
        answers in 0..4_u8,
        kind in prop::sample::select(vec![1_u8, 2, 5, 6, 14, 15, 16, 28, 33, 35, 39, 41, 46, 64, 65]),
        records in proptest::collection::vec(
            (any::<u8>(), any::<u8>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..4),
    ) {
        let name = "example.com.";
        let mut message = vec![0, 0, 0x81, 0x80 | code, 0, 1, 0, answers, 0, 0, 0, 0];
        message.extend(b"\x07example\x03com\x00\x00");
        message.extend([kind, 0, 1]);
        for (pointer, other, data) in records {
            let of = if other & 1 == 0 { kind } else { other };
            message.extend([0xc0, if pointer & 1 == 0 { 12 } else { pointer }]);
            message.extend([0, of, 0, 1, pointer, 0, 0, 60]);
            message.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
            message.extend(data);
        }
        if kind != 41 {
            response(name, u16::from(kind).into(), &message);
        }
    }
}
