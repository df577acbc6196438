//! A message that comes in pieces: in any order, twice, and not always with the
//! same words.

use std::borrow::Cow;
use std::ops::Range;

use crate::core::sniff::MAX_HELD;

/// The first [`MAX_HELD`] bytes of a message, as far as they have come.
///
/// Takes as much memory as there are bytes, wherever they belong. Where pieces
/// contradict each other both readings are kept: what came first, what came last.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// What came first for each place, in the order in which it came.
    first: Vec<u8>,
    /// What came last, laid out alike; only if it is something else.
    last: Option<Vec<u8>>,
    /// What belongs where, sorted by offset. None overlaps another.
    runs: Vec<Run>,
    is_full: bool,
}

/// Bytes that follow one another, in the message and as they are kept.
#[derive(Clone, Copy, Debug)]
struct Run {
    offset: usize,
    at: usize,
    len: usize,
}

/// There are more gaps than we keep account of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct TooScattered;

impl Pieces {
    /// Adds a piece. What lies past [`MAX_HELD`] is dropped.
    ///
    /// # Errors
    ///
    /// [`TooScattered`]; nothing can be added any more.
    pub(super) fn add(&mut self, offset: u64, mut piece: &[u8]) -> Result<(), TooScattered> {
        if self.is_full {
            return Err(TooScattered);
        }
        let mut offset = usize::try_from(offset).unwrap_or(MAX_HELD).min(MAX_HELD);
        piece = &piece[..piece.len().min(MAX_HELD - offset)];
        let mut next = self.runs.partition_point(|run| run.end() <= offset);
        while !piece.is_empty() {
            let run = self.runs.get(next).copied();
            let gap = run.map_or(MAX_HELD, |run| run.offset).saturating_sub(offset);
            let taken = match run {
                Some(run) if gap == 0 => self.compare(run, offset, piece),
                _ => self.insert(&mut next, offset, &piece[..piece.len().min(gap)]),
            };
            piece = &piece[taken..];
            offset += taken;
            next += usize::from(run.is_some_and(|run| run.end() <= offset));
        }
        // Seldom, for it touches all that there is.
        if self.runs.len() > 2 * MAX_RUNS {
            self.tidy();
            self.is_full = self.runs.len() > MAX_RUNS;
        }
        if self.is_full { Err(TooScattered) } else { Ok(()) }
    }

    /// Whether pieces contradicted each other.
    pub(super) const fn is_contested(&self) -> bool {
        self.last.is_some()
    }

    /// The message up to the first gap: once, or twice if it can be read in two
    /// ways.
    pub(super) fn readings(&self) -> impl Iterator<Item = Cow<'_, [u8]>> {
        [Some(&self.first), self.last.as_ref()].into_iter().flatten().map(|kept| self.joined(kept))
    }

    /// Bytes that are kept.
    pub(super) fn held(&self) -> usize {
        self.first.len() + self.last.as_ref().map_or(0, Vec::len)
    }

    /// Holds the front of `piece` against `run`, which has its place already.
    fn compare(&mut self, run: Run, offset: usize, piece: &[u8]) -> usize {
        let len = piece.len().min(run.end() - offset);
        let at = run.at + offset - run.offset;
        let piece = &piece[..len];
        if self.last.is_none() && self.first[at..at + len] != *piece {
            self.last = Some(self.first.clone());
        }
        if let Some(last) = &mut self.last {
            last[at..at + len].copy_from_slice(piece);
        }
        len
    }

    /// Puts `piece` before the run `next`, which it does not reach into.
    fn insert(&mut self, next: &mut usize, offset: usize, piece: &[u8]) -> usize {
        let at = self.first.len();
        self.first.extend_from_slice(piece);
        if let Some(last) = &mut self.last {
            last.extend_from_slice(piece);
        }
        let before = next.checked_sub(1).and_then(|before| self.runs.get_mut(before));
        if let Some(run) = before.filter(|run| run.end() == offset && run.at + run.len == at) {
            run.len += piece.len();
        } else {
            self.runs.insert(*next, Run { offset, at, len: piece.len() });
            *next += 1;
        }
        piece.len()
    }

    /// Puts the bytes into order, so that runs which touch become one.
    fn tidy(&mut self) {
        let order = |kept: &[u8]| -> Vec<u8> {
            self.runs.iter().flat_map(|run| &kept[run.kept()]).copied().collect()
        };
        let (first, last) = (order(&self.first), self.last.as_deref().map(order));
        let mut runs: Vec<Run> = Vec::new();
        let mut at = 0;
        for run in &self.runs {
            match runs.last_mut().filter(|before| before.end() == run.offset) {
                Some(before) => before.len += run.len,
                None => runs.push(Run { at, ..*run }),
            }
            at += run.len;
        }
        (self.first, self.last, self.runs) = (first, last, runs);
    }

    fn joined<'a>(&self, kept: &'a [u8]) -> Cow<'a, [u8]> {
        let mut end = 0;
        let unbroken = self.runs.iter().take_while(|run| {
            let touches = run.offset == end;
            end = run.end();
            touches
        });
        let mut spans = unbroken.map(|run| &kept[run.kept()]);
        let first = spans.next().unwrap_or_default();
        let mut joined = Cow::Borrowed(first);
        spans.for_each(|span| joined.to_mut().extend_from_slice(span));
        joined
    }
}

impl Run {
    const fn end(&self) -> usize {
        self.offset + self.len
    }

    const fn kept(&self) -> Range<usize> {
        self.at..self.at + self.len
    }
}

/// Most runs that do not touch. Chromium, which scatters most, makes a few dozen
/// pieces.
const MAX_RUNS: usize = 256;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pieces(parts: &[(u64, &[u8])]) -> Pieces {
        let mut pieces = Pieces::default();
        for (offset, part) in parts {
            pieces.add(*offset, part).unwrap();
        }
        pieces
    }

    fn readings(pieces: &Pieces) -> Vec<String> {
        pieces.readings().map(|said| String::from_utf8(said.into_owned()).unwrap()).collect()
    }

    #[test]
    fn pieces_join_in_whatever_order_they_come() {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let parts: [(u64, &[u8]); 3] = [(0, b"in "), (3, b"three "), (9, b"parts")];
            let joined = pieces(&order.map(|at| parts[at]));
            assert_eq!(readings(&joined), ["in three parts"], "{order:?}");
        }
    }

    #[test]
    fn a_message_ends_at_the_first_gap() {
        assert_eq!(readings(&pieces(&[])), [""]);
        assert_eq!(readings(&pieces(&[(1, b"b")])), [""]);
        assert_eq!(readings(&pieces(&[(0, b"a"), (2, b"c")])), ["a"]);
    }

    #[test]
    fn the_same_again_is_not_kept_again() {
        let mut said = pieces(&[(0, b"same"), (2, b"me words"), (0, b"same words")]);
        assert_eq!(readings(&said), ["same words"]);
        assert_eq!(said.held(), 10);
        for _ in 0..10_000 {
            said.add(3, b"e w").unwrap();
        }
        assert_eq!((said.held(), said.runs.len()), (10, 1));
    }

    #[test]
    fn what_contradicts_gives_two_readings() {
        let said = pieces(&[(2, b"cd"), (0, b"abXYef"), (6, b"g")]);
        assert_eq!(readings(&said), ["abcdefg", "abXYefg"]);
        let back = pieces(&[(0, b"abc"), (1, b"Z"), (1, b"b")]);
        assert_eq!(readings(&back), ["abc", "abc"]);
        assert!(back.is_contested());
    }

    #[test]
    fn what_lies_too_far_is_dropped_and_takes_no_room() {
        let end = MAX_HELD as u64;
        let said =
            pieces(&[(end, b"far"), (1 << 40, b"far"), (u64::MAX, b"far"), (end - 1, b"xy")]);
        assert_eq!(said.held(), 1);
        let mut whole = Pieces::default();
        whole.add(0, &vec![7; 2 * MAX_HELD]).unwrap();
        assert_eq!(whole.held(), MAX_HELD);
    }

    #[test]
    fn bytes_in_any_order_are_joined_and_too_many_gaps_are_refused() {
        let mut backwards = Pieces::default();
        for offset in (0..4096).rev() {
            backwards.add(offset, b"x").unwrap();
        }
        assert_eq!(readings(&backwards)[0].len(), 4096);

        let mut scattered = Pieces::default();
        let refused = (0..4096).find(|gap| scattered.add(2 * gap, b"x").is_err());
        assert_eq!(refused, Some(2 * MAX_RUNS as u64));
        assert_eq!(scattered.add(1, b"x"), Err(TooScattered));
        assert!(scattered.held() <= 4096);
    }

    proptest! {
        /// Against a map from place to byte.
        #[test]
        fn it_reads_what_a_map_of_bytes_reads(
            parts in prop::collection::vec((0_u64..80, prop::collection::vec(97_u8..100, 0..9)), 0..60),
        ) {
            let mut said = Pieces::default();
            let mut first = std::collections::BTreeMap::new();
            let mut last = std::collections::BTreeMap::new();
            for (offset, part) in &parts {
                said.add(*offset, part).unwrap();
                for (place, byte) in (*offset..).zip(part) {
                    first.entry(place).or_insert(*byte);
                    last.insert(place, *byte);
                }
            }
            let joined = |map: &std::collections::BTreeMap<u64, u8>| -> String {
                let unbroken = (0..).zip(map).take_while(|(want, (place, _))| want == *place);
                unbroken.map(|(_, (_, byte))| char::from(*byte)).collect()
            };
            let before = readings(&said);
            prop_assert_eq!(&before[0], &joined(&first));
            prop_assert_eq!(before.last().unwrap(), &joined(&last));
            prop_assert_eq!(said.held() % first.len().max(1), 0);
            said.tidy();
            prop_assert_eq!(readings(&said), before);
        }
    }
}
