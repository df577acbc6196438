//! The segments of one direction of a TCP connection → its bytes, in order and
//! each once, as a [`Stream`](sniff::Stream) takes them.
//!
//! For connections that others had: nobody is asked to send anything again. So
//! where segments contradict each other, what came first counts, and what lies
//! too far ahead is let go.

use std::collections::BTreeMap;

use crate::core::sniff;

/// Joins segments. Holds at most [`Ordered::MAX_HELD`] bytes.
#[derive(Debug, Default)]
pub(super) struct Ordered {
    /// Number of the next byte; `None` until the first is known.
    next: Option<u32>,
    /// What came too early, by its distance from the first byte of all.
    early: BTreeMap<u64, Vec<u8>>,
    /// How many bytes were handed on.
    passed: u64,
    held: usize,
}

impl Ordered {
    /// Most bytes that wait for those before them.
    pub(super) const MAX_HELD: usize = sniff::MAX_HELD;

    /// Says what number the first byte has: the one after SYN.
    pub(super) fn begin(&mut self, first: u32) {
        *self = Self { next: Some(first), ..Self::default() };
    }

    /// Whether it is known where the bytes begin.
    #[must_use]
    pub(super) fn has_begun(&self) -> bool {
        self.next.is_some()
    }

    /// Whether bytes were handed on.
    #[must_use]
    pub(super) fn has_passed(&self) -> bool {
        self.passed > 0
    }

    /// Bytes that wait.
    #[must_use]
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Takes the bytes of a segment, and hands on what is in order now. Where no
    /// beginning was said, the first segment is it.
    pub(super) fn push(&mut self, sequence: u32, bytes: &[u8], mut each: impl FnMut(&[u8])) {
        let next = *self.next.get_or_insert(sequence);
        let ahead = sequence.wrapping_sub(next);
        if ahead >= 1 << 31 {
            let known = usize::try_from(next.wrapping_sub(sequence)).unwrap_or(usize::MAX);
            self.pass(bytes.get(known..).unwrap_or_default(), &mut each);
        } else if ahead == 0 {
            self.pass(bytes, &mut each);
        } else {
            self.keep(self.passed + u64::from(ahead), bytes);
        }
    }

    /// Hands on what is in order now that `rest` is there, which is next. What
    /// came early came before it.
    fn pass(&mut self, mut rest: &[u8], each: &mut impl FnMut(&[u8])) {
        loop {
            let gap = self.early.first_key_value().map(|(start, _)| start - self.passed);
            if gap == Some(0) {
                let Some((_, piece)) = self.early.pop_first() else { return };
                self.held -= piece.len();
                self.hand(&piece, each);
                rest = rest.get(piece.len()..).unwrap_or_default();
                continue;
            }
            let gap = gap.and_then(|gap| usize::try_from(gap).ok()).unwrap_or(usize::MAX);
            let (new, behind) = rest.split_at(gap.min(rest.len()));
            if new.is_empty() {
                return;
            }
            self.hand(new, each);
            rest = behind;
        }
    }

    fn hand(&mut self, bytes: &[u8], each: &mut impl FnMut(&[u8])) {
        each(bytes);
        self.passed += bytes.len() as u64;
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.next = self.next.map(|next| next.wrapping_add(len));
    }

    /// Keeps what of these bytes was not there before, as far as there is room.
    fn keep(&mut self, mut start: u64, mut bytes: &[u8]) {
        let window = self.passed + Self::MAX_HELD as u64;
        while !bytes.is_empty() && start < window && self.early.len() < MAX_PIECES {
            let before = self.early.range(..=start).next_back();
            if let Some(end) = before.map(|(at, piece)| at + piece.len() as u64)
                && end > start
            {
                let known = usize::try_from(end - start).unwrap_or(usize::MAX);
                bytes = bytes.get(known..).unwrap_or_default();
                start = end;
                continue;
            }
            let limit = self.early.range(start..).next().map_or(window, |(at, _)| *at);
            let room = usize::try_from(limit.min(window) - start).unwrap_or(usize::MAX);
            let room = room.min(Self::MAX_HELD - self.held).min(bytes.len());
            if room == 0 {
                return;
            }
            let (new, rest) = bytes.split_at(room);
            self.early.insert(start, new.to_vec());
            self.held += room;
            start += room as u64;
            bytes = rest;
        }
    }
}

/// Most pieces that wait: one byte each would cost the most memory.
const MAX_PIECES: usize = 256;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One row, one test: `name: segments as (number, bytes) => what was handed
    /// on`. The first byte has number 0 unless the row is without a beginning.
    macro_rules! joins {
        ($($name:ident: $begin:expr, $([$at:literal $bytes:literal])* => $want:literal;)*) => {
            $(#[test] fn $name() {
                for shift in [0_u32, 7, u32::MAX - 3] {
                    let mut ordered = Ordered::default();
                    if $begin {
                        ordered.begin(shift);
                    }
                    let mut all = String::new();
                    $(
                        let at = shift.wrapping_add_signed($at);
                        ordered.push(at, $bytes.as_bytes(), |bytes| {
                            all += std::str::from_utf8(bytes).unwrap();
                        });
                    )*
                    assert_eq!(all, $want, "from {shift}");
                }
            })*
        };
    }

    joins! {
        in_order: true, [0 "ab"] [2 "cd"] => "abcd";
        reversed: true, [4 "ef"] [2 "cd"] [0 "ab"] => "abcdef";
        repeated: true, [0 "ab"] [0 "ab"] [2 "cd"] [0 "ab"] => "abcd";
        repeated_and_longer: true, [0 "ab"] [0 "abcd"] => "abcd";
        gap_waits: true, [0 "ab"] [3 "d"] => "ab";
        gap_is_filled: true, [0 "ab"] [3 "d"] [2 "c"] => "abcd";
        first_counts_in_order: true, [0 "ab"] [0 "XYcd"] => "abcd";
        first_counts_when_early: true, [2 "cd"] [1 "XYZ"] [0 "a"] => "aXcd";
        first_counts_over_what_fills: true, [2 "c"] [0 "abXd"] [4 "e"] => "abcde";
        overlaps_of_early_pieces: true, [2 "cd"] [6 "gh"] [3 "XefXX"] [0 "ab"] => "abcdefgh";
        before_the_beginning: true, [-1 "X"] [-2 "XXab"] => "ab";
        without_beginning_the_first_is_it: false, [3 "ab"] [5 "cd"] [1 "XX"] => "abcd";
        empty_segments: true, [0 ""] [0 "ab"] [5 ""] [2 ""] => "ab";
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut ordered = Ordered::default();
        ordered.begin(0);
        for at in 0..100_000_u32 {
            ordered.push(2 + at * 2, b"x", |_| panic!("nothing is in order"));
        }
        assert!(ordered.early.len() <= MAX_PIECES);
        let mut ordered = Ordered::default();
        ordered.begin(0);
        for at in (0..50).rev() {
            ordered.push(1 + at * 1400, &[7; 1400], |_| panic!("nothing is in order"));
        }
        assert!(ordered.held() <= Ordered::MAX_HELD);
        let mut passed = 0;
        ordered.push(0, b"x", |bytes| passed += bytes.len());
        assert!(passed > 20_000 && ordered.held() == 0, "{passed}");
    }

    proptest! {
        #[test]
        fn any_order_gives_the_same_bytes(
            cuts in prop::collection::btree_set(0_usize..2000, 0..20),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..100),
            first in any::<u32>(),
        ) {
            let all: Vec<u8> = (0..2000).map(|n: u32| n.to_be_bytes()[3]).collect();
            let ends = cuts.iter().copied().chain([all.len()]);
            let starts = std::iter::once(0).chain(cuts.iter().copied());
            let pieces: Vec<_> = starts.zip(ends).map(|(from, to)| (from, &all[from..to])).collect();
            let mut ordered = Ordered::default();
            ordered.begin(first);
            let mut got = Vec::new();
            let random = order.iter().map(|at| *at.get(&pieces));
            for (at, piece) in random.chain(pieces.iter().copied()).collect::<Vec<_>>() {
                let at = first.wrapping_add(u32::try_from(at).unwrap());
                ordered.push(at, piece, |bytes| got.extend_from_slice(bytes));
            }
            prop_assert_eq!(got, all);
        }
    }
}
