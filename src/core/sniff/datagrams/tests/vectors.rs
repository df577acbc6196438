//! The table of Initials, good and hostile: each gives its stated outcome.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;

/// What a row of the table says, in our words.
enum Expected {
    /// The name of the row, and no doubt.
    Name,
    /// Two readings, of which one has the name.
    Doubtful,
    Nobody(Cause, Option<Spoken>),
}
use Expected::{Doubtful, Name, Nobody};

/// One test a row of `tests/data/quic_initial.jsonl`.
macro_rules! rows {
    ($($test:ident: $id:literal => $expected:expr;)*) => {
        const ROWS: &[&str] = &[$($id),*];
        $(
            #[test]
            fn $test() {
                check($id, &$expected);
            }
        )*
    };
}

rows! {
    version_1_is_read: "Q01-v1" => Name;
    version_2_is_read: "Q02-v2" => Name;
    two_frames_out_of_order_are_joined: "Q03-split-2-frames-ooo" => Name;
    chaos_of_small_frames_is_joined: "Q04-chaos-17-byte-frames" => Name;
    a_hello_in_two_datagrams_is_joined: "Q05-two-datagrams-pq" => Name;
    two_datagrams_reversed_are_joined: "Q06-two-datagrams-reversed" => Name;
    a_second_datagram_to_another_id_has_the_keys_of_the_first: "Q07-second-has-new-dcid" => Name;
    a_name_cut_by_the_end_of_a_datagram_is_joined: "Q08-sni-sliced-over-datagrams" => Name;
    a_datagram_twice_changes_nothing: "Q09-duplicate-datagram" => Name;
    an_overlap_of_the_same_bytes_changes_nothing: "Q10-overlap-same-bytes" => Name;
    an_overlap_of_other_bytes_has_two_readings: "Q11-overlap-conflict" => Doubtful;
    a_gap_that_stays_is_incomplete: "Q12-gap-forever" => in_v1(Cause::Incomplete);
    an_offset_beyond_all_messages_is_malformed: "Q13-offset-2^62" => in_v1(Cause::Malformed);
    a_frame_longer_than_its_packet_is_malformed: "Q14-crypto-length-past-end" => in_v1(Cause::Malformed);
    a_wrong_tag_is_undecryptable: "Q15-bad-tag" => in_v1(Cause::Undecryptable);
    a_wrong_tag_is_passed_over: "Q16-bad-then-good" => Name;
    zero_rtt_behind_the_initial_is_passed_over: "Q17-coalesced-initial+0rtt" => Name;
    zero_rtt_ahead_of_the_initial_waits_for_it: "Q18-0rtt-before-initial" => Name;
    a_token_of_800_bytes_is_passed_over: "Q19-token-800" => Name;
    a_connection_id_of_20_bytes_is_read: "Q20-dcid-20" => Name;
    a_connection_id_of_21_bytes_is_not_quic: "Q21-dcid-21" => Nobody(Cause::OtherProtocol, None);
    an_empty_connection_id_is_read: "Q22-dcid-0" => Name;
    a_length_that_lies_is_malformed: "Q23-length-field-lies" => in_v1(Cause::Malformed);
    a_short_datagram_is_read: "Q24-short-datagram-300" => Name;
    a_greased_version_is_unknown: "Q25-version-greased" => Nobody(Cause::UnknownVersion, Some(Spoken::Quic(0x1a2a_3a4a)));
    version_0_from_a_client_names_nobody: "Q26-version-0-from-client" => Nobody(Cause::OtherProtocol, Some(Spoken::Quic(0)));
    the_fixed_bit_may_be_0: "Q27-fixed-bit-0" => Name;
    a_datagram_cut_short_is_malformed: "Q28-truncated-20" => in_v1(Cause::Malformed);
    frames_of_one_byte_are_joined: "Q29-10000-frames-of-1-byte" => Name;
    another_message_than_a_hello_names_nobody: "Q30-handshake-not-hello" => in_v1(Cause::NoName);
    stun_is_told: "Q31-stun-on-443" => Nobody(Cause::OtherProtocol, Some(Spoken::Stun));
    dtls_is_told: "Q32-dtls-on-443" => Nobody(Cause::OtherProtocol, Some(Spoken::Dtls));
}

#[test]
fn every_row_of_the_table_has_a_test() {
    let table = table();
    let ids: BTreeSet<&str> = table.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ROWS.iter().copied().collect());
}

/// Twice, shuffled, cut: a thousand times each row that has a name.
#[test]
fn no_order_of_datagrams_changes_a_name() {
    let mut random = StdRng::seed_from_u64(9000);
    for row in table().iter().filter(|row| row["expect"]["name"].is_string()) {
        let datagrams = datagrams(row);
        // With other connection ids for the same keys the first must be first.
        let may_move = usize::from(row["id"] == "Q07-second-has-new-dcid");
        for _ in 0..1000 {
            let mut order: Vec<usize> = (0..datagrams.len()).collect();
            let twice = random.random_range(0..datagrams.len());
            order.push(twice);
            order[may_move..].shuffle(&mut random);
            let outcome = last_of(order.iter().map(|&at| datagrams[at].as_slice()));
            let Sniffed::Named(named) = outcome else { panic!("{}: {order:?}", row["id"]) };
            assert_eq!(named.names.first(), row["expect"]["name"].as_str());
            assert!(!named.doubtful);
        }
    }
}

#[test]
fn no_prefix_of_a_datagram_has_another_name() {
    for row in table() {
        let Some(datagram) = datagrams(&row).pop() else { panic!("{}: no datagram", row["id"]) };
        for len in 0..datagram.len() {
            let mut flow = Datagrams::default();
            let outcomes = [flow.push(&datagram[..len]), flow.finish()];
            for outcome in outcomes {
                if let Sniffed::Named(named) = outcome {
                    // What comes behind a whole packet may be cut.
                    assert!(row["id"].as_str().unwrap().starts_with("Q17"), "{}: {len}", row["id"]);
                    assert_eq!(named.names.first(), Some("tracker.example.com"));
                }
            }
        }
    }
}

const fn in_v1(cause: Cause) -> Expected {
    Nobody(cause, Some(Spoken::Quic(1)))
}

fn check(id: &str, expected: &Expected) {
    let table = table();
    let row = table.iter().find(|row| row["id"] == id).expect("a row");
    let datagrams = datagrams(row);
    let outcome = last_of(datagrams.iter().map(Vec::as_slice));
    match (expected, outcome) {
        (Name | Doubtful, Sniffed::Named(named)) => {
            assert_eq!(named.doubtful, matches!(expected, Doubtful));
            assert!(named.names.iter().any(|name| name == "tracker.example.com"));
            assert!(matches!(expected, Doubtful) || named.names.iter().count() == 1);
            assert_eq!(named.spoken, Spoken::Quic(if id == "Q02-v2" { V2 } else { 1 }));
        }
        (Nobody(cause, spoken), Sniffed::Unnamed(unnamed)) => {
            assert_eq!((unnamed.cause, unnamed.spoken), (*cause, *spoken));
        }
        (_, outcome) => panic!("{id}: {outcome:?}"),
    }
}

fn table() -> Vec<Value> {
    let text = include_str!("../../../../../tests/data/quic_initial.jsonl");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn datagrams(row: &Value) -> Vec<Vec<u8>> {
    let byte = |two: &[u8]| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap();
    let bytes = |hex: &Value| hex.as_str().unwrap().as_bytes().chunks_exact(2).map(byte).collect();
    row["datagrams"].as_array().unwrap().iter().map(bytes).collect()
}
