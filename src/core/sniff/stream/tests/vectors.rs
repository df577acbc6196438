//! Hostile hellos of `tests/data/tls_clienthello.jsonl`, each with its outcome.

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Row {
    id: String,
    /// Offset from the first byte of the stream, and what came there, in hex.
    segments: Vec<(i32, String)>,
    expect: Expect,
}

#[derive(Deserialize)]
struct Expect {
    class: String,
    name: Option<String>,
}

impl Row {
    /// The bytes in order, each as it came first. Joining segments is the work
    /// of another room; here it is done in the simplest way.
    fn stream(&self) -> Vec<u8> {
        let mut stream: Vec<Option<u8>> = Vec::new();
        for (start, hex) in &self.segments {
            let bytes = hex.as_bytes().chunks(2).map(|two| str::from_utf8(two).unwrap());
            for (at, two) in (*start..).zip(bytes) {
                let Ok(at) = usize::try_from(at) else { continue }; // before the window
                stream.resize(stream.len().max(at + 1), None);
                stream[at].get_or_insert(u8::from_str_radix(two, 16).unwrap());
            }
        }
        stream.into_iter().map(|byte| byte.expect("no gaps")).collect()
    }

    /// What they come to, in the words of the table.
    fn outcome(&self, told: &Told) -> (String, Option<String>) {
        let class = match told.pushed.as_ref() {
            Some(Sniffed::Named(Named { names, spoken, .. })) => {
                let class = if matches!(spoken, Spoken::Http(..)) { "http" } else { "name" };
                // Where there are several, each counts.
                let expected = names.iter().find(|name| Some(*name) == self.expect.name.as_deref());
                return (class.to_owned(), expected.or(names.first()).map(str::to_owned));
            }
            Some(Sniffed::Unnamed(unnamed)) => match unnamed.cause {
                Cause::NoName | Cause::Address => "none",
                Cause::Malformed => "malformed",
                Cause::TooLong => "over-limit",
                Cause::OtherProtocol => "not-tls",
                other => panic!("{}: {other}", self.id),
            },
            Some(Sniffed::NeedMore) | None => "incomplete",
        };
        (class.to_owned(), None)
    }
}

fn rows() -> Vec<Row> {
    let text =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tls_clienthello.jsonl"));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_vector_has_its_outcome() {
    let rows = rows();
    assert_eq!(rows.len(), 66);
    for row in rows {
        let told = tell([&row.stream()[..]]);
        let want = (row.expect.class.clone(), row.expect.name.clone());
        assert_eq!(row.outcome(&told), want, "{}: {told:?}", row.id);
        if row.expect.class == "incomplete" {
            // Nothing yet. At the end only the one has a whole name, and it counts.
            let want = if row.id.starts_with("T55") { "tracker.example.com" } else { "incomplete" };
            assert_eq!(short(&told.finished), want, "{}", row.id);
        } else {
            assert_eq!(Some(told.finished), told.pushed, "{}", row.id);
        }
    }
}

#[test]
fn a_thousand_ways_to_cut_a_vector_change_nothing() {
    for row in rows() {
        tell_in_every_cut(&row.stream(), 1000);
    }
}

#[test]
fn every_prefix_of_a_vector_needs_more_or_is_enough() {
    for row in rows().iter().filter(|row| !row.id.starts_with("T54")) {
        let stream = row.stream();
        if stream.len() < 2000 {
            every_prefix_needs_more_or_is_enough(&stream);
        }
    }
}

#[test]
fn no_flipped_bit_of_a_vector_makes_two_outcomes() {
    for row in rows() {
        let stream = row.stream();
        let unlike_others = ["T01", "T18", "T34", "T47", "T48", "T51"];
        if unlike_others.iter().any(|id| row.id.starts_with(id)) {
            flip_every_bit(&stream);
        }
    }
}

#[test]
fn ech_is_marked_and_the_version_is_the_highest_offered() {
    for row in rows() {
        let told = tell([&row.stream()[..]]);
        let (spoken, ech) = match told.pushed {
            Some(Sniffed::Named(Named { spoken, ech, .. })) => (Some(spoken), ech),
            Some(Sniffed::Unnamed(Unnamed { spoken, ech, .. })) => (spoken, ech),
            Some(Sniffed::NeedMore) | None => continue,
        };
        assert_eq!(ech, ["T34", "T35"].iter().any(|id| row.id.starts_with(id)), "{}", row.id);
        if row.expect.class == "name" {
            assert_eq!(spoken, Some(Spoken::Tls(0x0304)), "{}", row.id);
        }
    }
}
