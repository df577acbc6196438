//! The first bytes of a stream, in order, until they are judged and gone.
//!
//! Bytes are taken as a receiver takes them (RFC 9293 §3.10.7.4): what is in
//! order already stays as it is, whatever comes again at its place; of what lies
//! ahead of a gap, the byte that begins earlier counts. As only these bytes are
//! put back, no receiver can read others.

use std::collections::BTreeMap;
use std::ops::Range;

/// See the module.
#[derive(Debug)]
pub(super) struct Held {
    /// From the first byte of the stream, without a gap.
    bytes: Vec<u8>,
    /// How many of them are gone.
    gone: usize,
    /// The packets that `bytes[gone..]` came in, if `whole`.
    packets: Vec<Vec<u8>>,
    packet_bytes: usize,
    /// `packets` are exactly what is to be put back.
    whole: bool,
    /// What lies ahead of a gap, by where it begins.
    ahead: BTreeMap<usize, Vec<u8>>,
    ahead_bytes: usize,
    /// Where the stream ends.
    end: Option<usize>,
}

/// What became of the bytes of a segment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Taken {
    pub what: What,
    /// Other bytes than those that were there already.
    pub conflict: bool,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum What {
    /// The stream grew; it was so long before.
    Grown(usize),
    /// They wait for what comes before them.
    Ahead,
    /// All of them were there.
    Again(Range<usize>),
    /// They come before the first byte.
    Before,
    /// They were not taken: too far ahead, too many, or after the end.
    Outside,
}

impl Held {
    pub(super) fn new() -> Self {
        Self {
            bytes: Vec::new(),
            gone: 0,
            packets: Vec::new(),
            packet_bytes: 0,
            whole: true,
            ahead: BTreeMap::new(),
            ahead_bytes: 0,
            end: None,
        }
    }

    /// Takes the bytes that belong at `offset`. `packet` is what they came in, if
    /// it can be put back as it is.
    pub(super) fn take(&mut self, offset: i64, payload: &[u8], packet: Option<&[u8]>) -> Taken {
        let skipped = usize::try_from(offset.saturating_neg()).unwrap_or(0);
        let Some(data) = payload.get(skipped..).filter(|data| !data.is_empty()) else {
            return Taken::plainly(What::Before);
        };
        let start = usize::try_from(offset).unwrap_or(0);
        let room = self.end.map_or(usize::MAX, |end| end.saturating_sub(start));
        let data = data.get(..room).unwrap_or(data);
        if data.is_empty() {
            return Taken::plainly(What::Outside);
        }
        if start > self.bytes.len() {
            return Taken::plainly(self.take_ahead(start, data));
        }
        let uncut = packet.filter(|_| data.len() == payload.len());
        self.take_next(start, data, uncut)
    }

    /// The stream ends at `offset`, as the segment says whose last byte that is.
    /// Returns whether that can be.
    pub(super) fn end_at(&mut self, offset: i64) -> bool {
        let Ok(offset) = usize::try_from(offset) else { return false };
        let can_be = match self.end {
            Some(end) => end == offset,
            None => (self.bytes.len()..=MAX_AHEAD).contains(&offset),
        };
        if can_be {
            self.end = Some(offset);
        }
        can_be
    }

    /// Whether all came that ever will.
    pub(super) fn is_ended(&self) -> bool {
        self.end == Some(self.bytes.len())
    }

    /// The stream so far, without what lies ahead.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// How many bytes of the stream were put back.
    pub(super) fn gone(&self) -> usize {
        self.gone
    }

    /// Whether anything waits.
    pub(super) fn waits(&self) -> bool {
        self.gone < self.bytes.len() || !self.ahead.is_empty()
    }

    /// What this costs in memory, or nearly so.
    pub(super) fn weight(&self) -> usize {
        let pieces = self.packets.len() + self.ahead.len();
        self.bytes.len() + self.packet_bytes + self.ahead_bytes + pieces * PIECE
    }

    /// The packets that hold exactly what is to be put back, if there are such.
    pub(super) fn take_packets(&mut self) -> Option<Vec<Vec<u8>>> {
        self.packet_bytes = 0;
        let packets = std::mem::take(&mut self.packets);
        std::mem::replace(&mut self.whole, true).then_some(packets)
    }

    /// All that was in order is gone now.
    pub(super) fn is_gone(&mut self) {
        self.gone = self.bytes.len();
    }

    /// What lies ahead, with where it begins; it is held no longer.
    pub(super) fn take_ahead_pieces(&mut self) -> BTreeMap<usize, Vec<u8>> {
        self.ahead_bytes = 0;
        std::mem::take(&mut self.ahead)
    }

    /// Starts anew, as if nothing had come.
    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    fn take_next(&mut self, start: usize, data: &[u8], packet: Option<&[u8]>) -> Taken {
        let before = self.bytes.len();
        let known = self.bytes.get(start..).unwrap_or_default();
        let overlap = known.len().min(data.len());
        let (again, new) = data.split_at_checked(overlap).unwrap_or((data, &[]));
        let mut conflict = !known.starts_with(again);
        if new.is_empty() {
            return Taken { what: What::Again(start..start + overlap), conflict };
        }
        self.bytes.extend_from_slice(new);
        let grown = self.bytes.len();
        conflict |= self.join_ahead();
        let exact = overlap == 0 && self.bytes.len() == grown;
        match packet.filter(|_| exact && self.whole && self.packets.len() < MAX_PACKETS) {
            Some(packet) => {
                self.packet_bytes += packet.len();
                self.packets.push(packet.to_vec());
            }
            None => self.write_anew(),
        }
        if start < self.gone {
            // It is sent again because the server may not have it.
            self.gone = start;
        }
        Taken { what: What::Grown(before), conflict }
    }

    fn write_anew(&mut self) {
        self.whole = false;
        self.packets.clear();
        self.packet_bytes = 0;
    }

    /// Takes what is not ahead any more. Returns whether any of it contradicts.
    fn join_ahead(&mut self) -> bool {
        let mut conflict = false;
        while let Some(first) = self.ahead.first_entry() {
            let start = *first.key();
            let Some(known) = self.bytes.get(start..) else { break };
            let piece = first.remove();
            self.ahead_bytes -= piece.len();
            let overlap = known.len().min(piece.len());
            let (again, new) = piece.split_at_checked(overlap).unwrap_or((&piece, &[]));
            conflict |= !known.starts_with(again);
            self.bytes.extend_from_slice(new);
        }
        conflict
    }

    fn take_ahead(&mut self, start: usize, data: &[u8]) -> What {
        let end = start + data.len();
        let covered = |(at, piece): (&usize, &Vec<u8>)| at + piece.len() >= end;
        if self.ahead.range(..=start).next_back().is_some_and(covered) {
            return What::Ahead; // it is there already
        }
        let within = self.ahead.range(start..end);
        let covers: Vec<_> =
            within.filter(|(at, piece)| *at + piece.len() <= end).map(|(at, _)| *at).collect();
        let freed: usize = covers.iter().filter_map(|at| self.ahead.get(at)).map(Vec::len).sum();
        let bytes = self.ahead_bytes + data.len() - freed;
        let pieces = self.ahead.len() + 1 - covers.len();
        if end > MAX_AHEAD || bytes > MAX_AHEAD_BYTES || pieces > MAX_PIECES {
            return What::Outside;
        }
        for at in covers {
            self.ahead.remove(&at);
        }
        self.ahead.insert(start, data.to_vec());
        self.ahead_bytes = bytes;
        What::Ahead
    }
}

impl Taken {
    fn plainly(what: What) -> Self {
        Self { what, conflict: false }
    }
}

/// How far ahead of the first byte anything is taken: the window of a server that
/// has heard nothing yet, without its scale (RFC 9293 §3.1).
const MAX_AHEAD: usize = u16::MAX as usize;

/// Most bytes ahead of a gap, of one flow.
const MAX_AHEAD_BYTES: usize = 32 * 1024;

/// Most pieces ahead of a gap, of one flow.
const MAX_PIECES: usize = 64;

/// Most packets that are kept as they came. A hello has one or two.
const MAX_PACKETS: usize = 16;

/// What a piece costs besides its bytes.
const PIECE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// One row, one test: `name: segments as (offset, bytes) => what comes of each,
    /// the stream`. `+` grew, `>` ahead, `=` again, `<` before, `.` outside; `!` after
    /// one that contradicts.
    macro_rules! streams {
        ($($name:ident: $([$at:literal $data:literal])* => $said:literal, $stream:literal;)*) => {
            $(#[test] fn $name() {
                let mut held = Held::new();
                let mut said = String::new();
                for (at, data) in [$(($at, $data)),*] {
                    said += &say(&held.take(at, data.as_bytes(), None));
                }
                assert_eq!((said.as_str(), held.bytes()), ($said, $stream.as_bytes()));
            })*
        };
    }

    streams! {
        in_order: [0 "ab"] [2 "cd"] => "++", "abcd";
        reversed: [2 "cd"] [0 "ab"] => ">+", "abcd";
        a_gap_waits: [0 "a"] [2 "c"] => "+>", "a";
        once_more: [0 "ab"] [0 "ab"] [1 "b"] [2 "c"] => "+==+", "abc";
        once_more_and_more: [0 "ab"] [0 "abcd"] => "++", "abcd";
        other_bytes_are_not_taken: [0 "ab"] [0 "xx"] [1 "xc"] => "+=!+!", "abc";
        what_comes_before_is_cut: [-3 "xxxab"] [2 "c"] => "++", "abc";
        all_before: [-3 "xxx"] [-1 "x"] [0 "a"] => "<<+", "a";
        in_order_beats_ahead: [2 "xxcd"] [0 "ABCD"] => ">+!", "ABCDcd";
        of_two_ahead_the_earlier_counts: [4 "efgh"] [2 "cdEF"] [0 "ab"] => ">>+!", "abcdEFgh";
        ahead_inside_ahead: [1 "bcd"] [2 "x"] [0 "a"] => ">>+", "abcd";
        ahead_around_ahead: [2 "x"] [1 "bcd"] [0 "a"] => ">>+", "abcd";
        longer_from_the_same_byte: [1 "b"] [1 "bcd"] [0 "a"] => ">>+", "abcd";
        too_far_ahead: [65535 "x"] [65534 "x"] => ".>", "";
    }

    #[test]
    fn packets_are_kept_only_while_they_are_exactly_what_is_put_back() {
        let mut held = Held::new();
        held.take(0, b"ab", Some(b"P1"));
        held.take(2, b"c", Some(b"P2"));
        held.take(2, b"c", Some(b"P2 again"));
        assert_eq!(held.take_packets(), Some(vec![b"P1".to_vec(), b"P2".to_vec()]));
        held.is_gone();
        held.take(2, b"cd", Some(b"P3"));
        assert_eq!((held.gone(), held.take_packets()), (2, None), "it goes from byte 2 again");
        held.is_gone();
        held.take(4, b"e", Some(b"P4"));
        held.take(6, b"g", Some(b"P6"));
        held.take(5, b"f", Some(b"P5"));
        assert_eq!((held.len(), held.take_packets()), (7, None));
    }

    #[test]
    fn nothing_comes_after_the_end() {
        let mut held = Held::new();
        held.take(0, b"ab", None);
        assert!(!held.end_at(1) && !held.end_at(-1) && held.end_at(4) && !held.end_at(5));
        assert_eq!(say(&held.take(4, b"x", None)), ".");
        assert_eq!(say(&held.take(2, b"cdxx", None)), "+");
        assert!(held.is_ended());
        assert_eq!(held.bytes(), b"abcd");
    }

    #[test]
    fn pieces_without_end_are_not_kept() {
        let mut held = Held::new();
        let taken = (1..60_000).step_by(2);
        let kept = taken.filter(|at| held.take(*at, b"x", None).what == What::Ahead).count();
        assert_eq!((kept, held.ahead.len()), (MAX_PIECES, MAX_PIECES));
        let mut held = Held::new();
        for at in 0..40 {
            held.take(1 + at * 1000, &[0; 1000], None);
        }
        assert!(held.ahead_bytes <= MAX_AHEAD_BYTES);
        assert!(held.weight() <= MAX_AHEAD_BYTES + MAX_PIECES * PIECE);
    }

    fn say(taken: &Taken) -> String {
        let what = match taken.what {
            What::Grown(_) => "+",
            What::Ahead => ">",
            What::Again(_) => "=",
            What::Before => "<",
            What::Outside => ".",
        };
        format!("{what}{}", if taken.conflict { "!" } else { "" })
    }
}
