//! Streams as clients send them, cut in every way.

mod hellos;
mod requests;
mod vectors;

use std::iter;

use super::*;
use crate::core::sniff::Named;

/// What a stream came to: the last outcome of a push, what was known at its
/// end, and whether more could have come.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Told {
    pushed: Option<Sniffed>,
    finished: Sniffed,
    over: bool,
}

/// Pushes these pieces, one after the other.
fn tell<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Told {
    let mut stream = Stream::default();
    let mut pushed = None;
    for piece in pieces {
        match stream.push(piece) {
            Sniffed::NeedMore => {}
            said => pushed = Some(said),
        }
        assert!(stream.held() <= crate::core::sniff::MAX_HELD);
    }
    Told { pushed, finished: stream.finish(), over: stream.is_over() }
}

/// What one push of all of it says.
fn sniff(bytes: &[u8]) -> Sniffed {
    Stream::default().push(bytes)
}

/// Names and cause in short: `a.example b.example`, `it names no host`.
fn short(sniffed: &Sniffed) -> String {
    match sniffed {
        Sniffed::NeedMore => "need more".to_owned(),
        Sniffed::Named(Named { names, .. }) => names.iter().collect::<Vec<_>>().join(" "),
        Sniffed::Unnamed(unnamed) => unnamed.cause.to_string(),
    }
}

/// The stream whole, byte by byte, and cut at random as often as is said, all
/// come to the same.
#[track_caller]
fn tell_in_every_cut(stream: &[u8], random: u64) -> Told {
    let whole = tell([stream]);
    assert_eq!(tell(stream.chunks(1)), whole, "byte by byte: {stream:02x?}");
    for seed in 1..=random {
        assert_eq!(tell(cuts(stream, seed)), whole, "cut with seed {seed}: {stream:02x?}");
    }
    whole
}

/// Cuts at random: some seeds in few pieces, others in many.
fn cuts(stream: &[u8], seed: u64) -> impl Iterator<Item = &[u8]> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let most = 1 << (seed % 12 + 1);
    let mut rest = stream;
    iter::from_fn(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let len = usize::try_from(state % most).unwrap() + 1;
        let (piece, later) = rest.split_at(len.min(rest.len()));
        rest = later;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Every bit once the other way: no panic, and the same in every cut.
fn flip_every_bit(stream: &[u8]) {
    let mut flipped = stream.to_vec();
    for at in 0..stream.len() {
        for bit in 0..8 {
            flipped[at] ^= 1 << bit;
            tell_in_every_cut(&flipped, 2);
            flipped[at] ^= 1 << bit;
        }
    }
}

/// What comes is all or nothing: each prefix needs more, or has the outcome
/// that stands in the end.
#[track_caller]
fn every_prefix_needs_more_or_is_enough(stream: &[u8]) {
    let whole = tell([stream]);
    for len in 0..stream.len() {
        let told = tell([&stream[..len]]);
        if let Some(pushed) = &told.pushed {
            assert_eq!(Some(pushed), whole.pushed.as_ref(), "the first {len} bytes");
        }
        let finished = short(&told.finished);
        let known = short(&whole.finished).starts_with(&finished)
            || ["incomplete", "nothing was sent"].contains(&finished.as_str());
        assert!(known, "the first {len} bytes: {finished}");
    }
}
