//! Joins the fragments of a datagram (RFC 791 §3.2, RFC 8200 §4.5).
//!
//! The kernel gives a TUN what it routes there, and a datagram longer than the
//! MTU comes in pieces. We decide about whole datagrams only, so no rule can
//! be evaded by how one is cut: tiny and overlapping fragments (RFC 1858,
//! RFC 3128, RFC 5722) gain nothing.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use crate::core::time::Instant;
use crate::core::wire::ip::{self, Packet, Part};

/// Fragments that wait for the rest of their datagrams.
///
/// It keeps at most 64 datagrams of 64 KiB, of one source at most 16, each for
/// 15 s at most. At the limit the source that has the most loses its oldest,
/// so that a flood hurts the one who makes it.
#[derive(Debug, Default)]
pub struct Reassembler {
    /// Oldest first, so by deadline. Few enough to look through them.
    sets: Vec<Set>,
    dropped: u64,
}

/// The fragments of one datagram.
#[derive(Debug)]
struct Set {
    key: Key,
    deadline: Instant,
    /// `None` once two of them contradicted each other. Then the set stays only
    /// to swallow the rest (RFC 5722 §3).
    held: Option<Held>,
}

/// What the fragments of one datagram have in common.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Key {
    source: IpAddr,
    destination: IpAddr,
    /// `None` in IPv6, where only the first fragment is to be believed.
    protocol: Option<u8>,
    identification: u32,
}

/// What came so far.
#[derive(Debug, Default)]
struct Held {
    /// The data of all fragments and the header of the first, as they came.
    bytes: Vec<u8>,
    /// Where in `bytes` the data is that belongs at an offset.
    pieces: BTreeMap<usize, Range<usize>>,
    header: Option<Header>,
    /// Sum of the lengths of all pieces.
    filled: usize,
    /// The fragments so far say that there are at least so many bytes of data.
    at_least: usize,
    /// How many there are, once the last fragment has come.
    len: Option<usize>,
}

/// The header of the first fragment.
#[derive(Debug)]
struct Header {
    at: Range<usize>,
    next_at: usize,
    next: u8,
}

/// Fragments that cannot be of one datagram, or not of one that we take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Contradiction;

impl Reassembler {
    /// Takes `packet`, which is a fragment. Returns whether its datagram is
    /// whole now; then that is in `out`, as one packet. If not, `out` is empty.
    ///
    /// Fragments between ends that are not hosts are not kept: no answer to
    /// their datagram could be sent.
    #[must_use]
    pub fn handle_fragment(
        &mut self,
        now: Instant,
        packet: &Packet<'_>,
        out: &mut Vec<u8>,
    ) -> bool {
        out.clear();
        self.handle_timeout(now);
        let Some(part) = packet.part else { return false };
        if !ip::is_host(packet.source) || !ip::is_host(packet.destination) {
            return false;
        }
        if !is_sound(&part) {
            self.dropped += 1;
            return false;
        }
        let at = self.find_or_add(now, Key::of(packet, &part));
        let Some(set) = self.sets.get_mut(at) else { return false };
        let Some(held) = &mut set.held else { return false };
        match held.take(&part) {
            Ok(false) => false,
            Ok(true) => {
                let written = held.write(out);
                self.sets.remove(at);
                written
            }
            Err(Contradiction) => {
                set.held = None;
                self.dropped += 1;
                false
            }
        }
    }

    /// Forgets what has waited long enough.
    pub fn handle_timeout(&mut self, now: Instant) {
        let old = self.sets.partition_point(|set| set.deadline <= now);
        self.dropped += self.sets.drain(..old).map(|set| set.unanswered()).sum::<u64>();
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next, if ever.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.sets.first().map(|set| set.deadline)
    }

    /// Fragments that made no sense and datagrams that never became whole.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn find_or_add(&mut self, now: Instant, key: Key) -> usize {
        if let Some(at) = self.sets.iter().position(|set| set.key == key) {
            return at;
        }
        self.make_room(key.source);
        let held = Some(Held::default());
        self.sets.push(Set { key, deadline: now + PATIENCE, held });
        self.sets.len() - 1
    }

    /// Makes room for one more set of `source`.
    fn make_room(&mut self, source: IpAddr) {
        let own = self.sets.iter().filter(|set| set.key.source == source).count();
        let loser = if own >= MAX_OF_SOURCE {
            source
        } else if self.sets.len() >= MAX_SETS {
            self.greediest().unwrap_or(source)
        } else {
            return;
        };
        if let Some(oldest) = self.sets.iter().position(|set| set.key.source == loser) {
            self.dropped += self.sets.remove(oldest).unanswered();
        }
    }

    /// The source with the most sets; of several such, that of the oldest set.
    fn greediest(&self) -> Option<IpAddr> {
        let mut sets_of = BTreeMap::<IpAddr, usize>::new();
        for set in &self.sets {
            *sets_of.entry(set.key.source).or_default() += 1;
        }
        let sources = self.sets.iter().rev().map(|set| set.key.source);
        sources.max_by_key(|source| sets_of.get(source).copied())
    }
}

impl Set {
    /// What to count when it goes: a contradiction was counted when it was found.
    fn unanswered(&self) -> u64 {
        self.held.is_some().into()
    }
}

impl Key {
    fn of(packet: &Packet<'_>, part: &Part<'_>) -> Self {
        Self {
            source: packet.source,
            destination: packet.destination,
            protocol: packet.source.is_ipv4().then_some(part.next),
            identification: part.identification,
        }
    }
}

impl Held {
    /// Keeps a fragment that [`is_sound`]. Returns whether it was the missing one.
    fn take(&mut self, part: &Part<'_>) -> Result<bool, Contradiction> {
        let end = part.offset + part.data.len();
        let at_least = self.at_least.max(end + usize::from(part.more));
        let len = if part.more { self.len } else { Some(end) };
        let header = self.header.as_ref().map_or(0, |header| header.at.len());
        if self.len.is_some_and(|len| len < at_least)
            || len.is_some_and(|len| len < at_least)
            || header.max(part.header.len()) + at_least > MAX_DATAGRAM
        {
            return Err(Contradiction);
        }
        // Pieces do not overlap, so of those that begin before this one ends
        // the last is also the one that ends last.
        if let Some((start, piece)) = self.pieces.range(..end).next_back()
            && start + piece.len() > part.offset
        {
            // The network may repeat a packet; that is no overlap (RFC 8200 §4.5).
            let again = *start == part.offset && self.bytes.get(piece.clone()) == Some(part.data);
            return if again { Ok(false) } else { Err(Contradiction) };
        }
        if self.pieces.len() >= MAX_FRAGMENTS {
            return Err(Contradiction);
        }
        (self.at_least, self.len) = (at_least, len);
        self.filled += part.data.len();
        let data = self.append(part.data);
        self.pieces.insert(part.offset, data);
        if part.offset == 0 {
            let at = self.append(part.header);
            self.header = Some(Header { at, next_at: part.next_at, next: part.next });
        }
        Ok(self.len == Some(self.filled))
    }

    /// Grows by doubling, but never past what a datagram can have.
    fn append(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        let end = start + bytes.len();
        if end > self.bytes.capacity() {
            self.bytes.reserve_exact((2 * end).min(MAX_DATAGRAM).saturating_sub(start));
        }
        self.bytes.extend_from_slice(bytes);
        start..end
    }

    /// Writes the datagram as one packet. Returns false, and leaves `out` empty,
    /// only if it is not whole.
    fn write(&self, out: &mut Vec<u8>) -> bool {
        let Some(header) = &self.header else { return false };
        let data = self.pieces.values().cloned();
        for range in std::iter::once(header.at.clone()).chain(data) {
            out.extend_from_slice(self.bytes.get(range).unwrap_or_default());
        }
        let right = ip::join_header(out, header.at.len(), header.next_at, header.next).is_ok();
        if !right {
            out.clear();
        }
        right
    }
}

/// Whether a datagram can have this part: it is not empty, only the last one
/// ends elsewhere than at a multiple of 8 bytes (RFC 8200 §4.5), and it ends
/// where a datagram still may.
fn is_sound(part: &Part<'_>) -> bool {
    let len = part.data.len();
    len > 0
        && (!part.more || len.is_multiple_of(8))
        && part.header.len() + part.offset + len <= MAX_DATAGRAM
}

/// How long a datagram may be in pieces. The kernel hands the pieces in one
/// after the other; RFC 1122 §3.3.2 and RFC 8200 §4.5 allow a minute.
const PATIENCE: Duration = Duration::from_secs(15);

/// Longest packet, with its headers, in bytes: that of IPv4 (RFC 791 §3.1).
const MAX_DATAGRAM: usize = 65_535;

/// Most fragments of one datagram. The longest has 54 at the
/// least MTU of IPv6, and 45 on Ethernet.
const MAX_FRAGMENTS: usize = 64;

/// Most datagrams in pieces, of all sources.
const MAX_SETS: usize = 64;

/// Most of one source: a quarter, so that one cannot fill all.
const MAX_OF_SOURCE: usize = 16;

/// All data that can be held fits in 4 MiB.
const _: () = assert!(MAX_SETS * MAX_DATAGRAM <= 4 << 20);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use crate::core::wire::checksum::Sum;
    use crate::core::wire::udp;

    /// One row, one test: `name: fragments as (offset, data) => what comes of
    /// each`. Data that ends in a dot is the last; letters are eight bytes each.
    macro_rules! sets {
        ($($name:ident: $([$at:literal $data:literal])* => $want:literal;)*) => {
            $(#[test] fn $name() {
                for v6 in [false, true] {
                    let mut all = Reassembler::default();
                    let mut said = String::new();
                    for (at, data) in [$(($at, $data)),*] {
                        let before = all.dropped();
                        let letters = data.trim_end_matches('.');
                        let bytes: Vec<u8> = letters.bytes().flat_map(|b| [b; 8]).collect();
                        let packet = fragment(v6, 7, 1, at * 8, letters == data, &bytes);
                        match feed(&mut all, &packet) {
                            Some(whole) => said += &letters_of(&whole),
                            None if all.dropped() > before => said.push('!'),
                            None => said.push('-'),
                        }
                    }
                    assert_eq!(said, $want, "IPv6: {v6}");
                }
            })*
        };
    }

    sets! {
        in_order: [0 "ab"] [2 "cd"] [4 "e."] => "--abcde";
        reversed: [4 "e."] [2 "cd"] [0 "ab"] => "--abcde";
        last_in_the_middle: [2 "cd"] [4 "e."] [0 "ab"] => "--abcde";
        tiny_first: [0 "a"] [1 "bcdefgh."] => "-abcdefgh";
        tiny_first_comes_last: [1 "bcdefgh."] [0 "a"] => "-abcdefgh";
        all_tiny: [3 "d."] [0 "a"] [2 "c"] [1 "b"] => "---abcd";
        gap_waits: [0 "a"] [2 "c."] => "--";
        beginning_is_missing: [1 "b"] [2 "c."] => "--";
        end_is_missing: [0 "a"] [1 "b"] => "--";
        repeated: [0 "a"] [0 "a"] [2 "c."] [2 "c."] [1 "b"] => "----abc";
        repeated_after_the_end: [0 "a"] [1 "b."] [0 "a"] => "-ab-";
        then_the_next: [0 "a"] [1 "b."] [0 "c"] [1 "d."] => "-ab-cd";
        other_bytes_at_the_same_place: [0 "a"] [0 "x"] [1 "b."] => "-!-";
        other_length_at_the_same_place: [0 "ab"] [0 "a"] [2 "c."] => "-!-";
        longer_at_the_same_place: [0 "a"] [0 "ab"] [2 "c."] => "-!-";
        overlap_at_the_end: [0 "ab"] [1 "bc."] => "-!";
        overlap_at_the_beginning: [1 "bc."] [0 "ab"] => "-!";
        overlap_inside: [0 "abc"] [1 "b"] [3 "d."] => "-!-";
        overlap_around: [1 "b"] [0 "abc"] [3 "d."] => "-!-";
        overlap_of_two: [0 "a"] [2 "c"] [0 "abc"] => "--!";
        overlap_that_rewrites_the_header: [0 "abc"] [0 "x"] [3 "d."] => "-!-";
        two_ends: [2 "c."] [1 "b."] => "-!";
        two_ends_longer: [1 "b."] [2 "c."] => "-!";
        data_after_the_end: [1 "b."] [2 "c"] => "-!";
        end_before_data: [2 "c"] [1 "b."] => "-!";
        more_after_the_end: [1 "b."] [1 "b"] => "-!";
        end_where_more_was_promised: [1 "b"] [1 "b."] => "-!";
        after_a_contradiction_nothing: [0 "a"] [0 "x"] [0 "a"] [1 "b."] [0 "y"] => "-!---";
        empty: [0 ""] [1 "."] [0 "a"] [1 "b."] => "!!-ab";
    }

    #[test]
    fn only_the_last_may_end_between_units() {
        for v6 in [false, true] {
            let mut all = Reassembler::default();
            assert_eq!(feed(&mut all, &fragment(v6, 7, 1, 0, true, &[1; 9])), None);
            assert_eq!((all.dropped(), all.sets.len()), (1, 0));
            assert_eq!(feed(&mut all, &fragment(v6, 7, 1, 0, true, &[1; 8])), None);
            assert!(feed(&mut all, &fragment(v6, 7, 1, 8, false, &[1; 9])).is_some());
        }
    }

    #[test]
    fn the_longest_datagram_is_joined_and_none_longer() {
        for (v6, header) in [(false, 20), (true, 40)] {
            let full = MAX_DATAGRAM - header;
            for (len, fine) in [(full, true), (full + 1, false), (65_528 + 1480, false)] {
                let data = vec![7; len];
                let mut all = Reassembler::default();
                let mut whole = None;
                for at in (0..len).step_by(1480) {
                    let piece = &data[at..len.min(at + 1480)];
                    whole = feed(&mut all, &fragment(v6, 7, 1, at, at + 1480 < len, piece));
                }
                assert_eq!(whole.map(|whole| whole.len()), fine.then_some(MAX_DATAGRAM), "{len}");
                assert_eq!(all.dropped() > 0, !fine);
            }
        }
    }

    #[test]
    fn a_first_header_that_makes_it_too_long_is_one_too_many() {
        let mut all = Reassembler::default();
        let (end, full) = (65_512, MAX_DATAGRAM - V4);
        assert_eq!(feed(&mut all, &fragment(false, 7, 1, 8, true, &vec![0; end - 8])), None);
        assert_eq!(feed(&mut all, &fragment(false, 7, 1, end, false, &vec![0; full - end])), None);
        assert_eq!(all.dropped(), 0);
        let first = fragment(false, 7, 1, 0, true, &[0; 8]);
        assert_eq!(feed(&mut all, &with_options(&first)), None);
        assert_eq!(all.dropped(), 1);
    }

    #[test]
    fn the_65th_fragment_is_one_too_many() {
        for (count, fine) in [(64, true), (65, false)] {
            let mut all = Reassembler::default();
            let mut whole = None;
            for n in 0..count {
                whole = feed(&mut all, &fragment(false, 7, 1, n * 8, n + 1 < count, &[1; 8]));
            }
            assert_eq!((whole.is_some(), all.dropped()), (fine, u64::from(!fine)));
        }
    }

    #[test]
    fn the_header_is_that_of_the_first_fragment() {
        let mut all = Reassembler::default();
        assert_eq!(feed(&mut all, &fragment(false, 7, 1, 8, false, b"end")), None);
        let first = with_options(&fragment(false, 7, 1, 0, true, b"question"));
        let whole = feed(&mut all, &first).unwrap();
        assert_eq!(whole[20..], *b"\x01\x01\x01\x00questionend");
        let packet = Packet::parse(&whole).unwrap();
        assert_eq!((packet.part, packet.payload), (None, &b"questionend"[..]));

        // Hop-by-hop options before the fragment header, destination options behind it.
        let options = |next| [next, 0, 1, 4, 0, 0, 0, 0];
        let v6 = |place: u8, next, data: &[u8]| {
            let header = [next, 0, 0, place, 0, 0, 0, 9];
            raw_v6(0, &[&options(44), &header, data].concat())
        };
        assert_eq!(feed(&mut all, &v6(8, 99, b"end")), None);
        let whole = feed(&mut all, &v6(1, 60, &options(17))).unwrap();
        assert_eq!(whole, raw_v6(0, &[&options(60), &options(17)[..], b"end"].concat()));
        let packet = Packet::parse(&whole).unwrap();
        assert_eq!((packet.protocol, packet.part, packet.payload), (17, None, &b"end"[..]));
    }

    #[test]
    fn only_fragments_of_one_datagram_are_joined() {
        for v6 in [false, true] {
            let mut all = Reassembler::default();
            assert_eq!(feed(&mut all, &fragment(v6, 7, 1, 0, true, &[1; 8])), None);
            let end = fragment(v6, 7, 1, 8, false, b"end");
            for (what, at, fine) in [
                ("identification", if v6 { 47 } else { 5 }, false),
                ("source", if v6 { 23 } else { 15 }, false),
                ("destination", if v6 { 39 } else { 19 }, false),
                ("protocol", if v6 { 40 } else { 9 }, v6),
            ] {
                let mut other = end.clone();
                other[at] ^= 0x40;
                fix(&mut other);
                assert_eq!(feed(&mut all, &other).is_some(), fine, "another {what}, IPv6: {v6}");
            }
        }
    }

    #[test]
    fn what_is_whole_or_cannot_be_answered_is_not_kept() {
        let mut all = Reassembler::default();
        let whole = fragment(false, 7, 1, 0, false, b"whole");
        let atomic = fragment(true, 7, 1, 0, false, b"atomic");
        let mut multicast = fragment(false, 7, 1, 0, true, &[0; 8]);
        multicast[16] = 224;
        fix(&mut multicast);
        for packet in [whole, atomic, multicast] {
            assert_eq!(feed(&mut all, &packet), None);
        }
        assert_eq!((all.sets.len(), all.dropped()), (0, 0));
    }

    #[test]
    fn a_set_dies_fifteen_seconds_after_it_began_and_not_before() {
        let mut all = Reassembler::default();
        assert_eq!(all.poll_timeout(), None);
        let first = fragment(true, 7, 1, 0, true, &[1; 8]);
        let middle = fragment(true, 7, 1, 8, true, &[1; 8]);
        let last = fragment(true, 7, 1, 16, false, &[1; 8]);
        feed(&mut all, &first);
        feed_at(&mut all, millis(14_000), &middle);
        assert_eq!(all.poll_timeout(), Some(millis(15_000)), "no fragment prolongs it");
        all.handle_timeout(millis(14_999));
        assert_eq!((all.sets.len(), all.dropped()), (1, 0));
        all.handle_timeout(millis(15_000));
        assert_eq!((all.sets.len(), all.dropped(), all.poll_timeout()), (0, 1, None));

        // A timer that comes late does not join what is too old.
        feed_at(&mut all, millis(20_000), &first);
        feed_at(&mut all, millis(20_000), &middle);
        assert_eq!(feed_at(&mut all, millis(35_000), &last), None);
        assert_eq!((all.dropped(), all.poll_timeout()), (2, Some(millis(50_000))));
    }

    #[test]
    fn after_a_contradiction_the_identification_is_free_again_in_time() {
        let mut all = Reassembler::default();
        let first = fragment(false, 7, 1, 0, true, &[1; 8]);
        let last = fragment(false, 7, 1, 8, false, &[1; 8]);
        feed(&mut all, &first);
        feed(&mut all, &fragment(false, 7, 1, 0, true, &[2; 8]));
        assert_eq!((all.dropped(), held(&all)), (1, 0), "its memory is free at once");
        assert_eq!(feed_at(&mut all, millis(14_999), &first), None);
        assert_eq!(feed_at(&mut all, millis(14_999), &last), None);
        assert_eq!(feed_at(&mut all, millis(15_000), &first), None);
        assert!(feed_at(&mut all, millis(15_000), &last).is_some());
        assert_eq!(all.dropped(), 1, "counted once");
    }

    #[test]
    fn ten_thousand_that_are_never_whole_stay_bounded() {
        for (v6, sources, most) in
            [(false, 1, 16), (true, 1, 16), (false, 3, 48), (true, 200, 64), (false, 200, 64)]
        {
            let mut all = Reassembler::default();
            for n in 0..10_000u16 {
                let source = u8::try_from(n % sources).unwrap();
                feed(&mut all, &fragment(v6, source, n, 60_000, true, &[1; 1400]));
                feed(&mut all, &fragment(v6, source, n, 1400, true, &vec![1; 57_600]));
                assert!(held(&all) <= 4 << 20, "{} bytes", held(&all));
            }
            assert_eq!((all.sets.len(), all.dropped()), (most, 10_000 - most as u64));
        }
    }

    #[test]
    fn a_flood_of_a_few_hurts_the_few() {
        for floods in [1, 3, 4, 10] {
            let mut all = Reassembler::default();
            feed(&mut all, &fragment(false, 200, 1, 0, true, b"question"));
            for n in 0..10_000u16 {
                let source = u8::try_from(n % floods).unwrap();
                feed(&mut all, &fragment(false, source, n, 0, true, &[1; 8]));
            }
            let whole = feed(&mut all, &fragment(false, 200, 1, 8, false, b"end"));
            assert!(whole.is_some(), "{floods} sources flood");
        }
    }

    proptest! {
        #[test]
        fn whatever_way_it_is_cut_the_datagram_is_the_same(
            v6: bool,
            payload in prop::collection::vec(any::<u8>(), 8..5000),
            cuts in prop::collection::vec(any::<Index>(), 1..20),
            order in prop::collection::vec(any::<Index>(), 40),
        ) {
            let whole = datagram(v6, &payload);
            let mut packets = cut(v6, &whole, &cuts);
            let again = order[0].get(&packets).clone();
            packets.push(again);
            for (n, with) in order.iter().enumerate().take(packets.len()) {
                let with = with.index(packets.len());
                packets.swap(n, with);
            }
            let mut all = Reassembler::default();
            let mut joined = packets.iter().filter_map(|packet| feed(&mut all, packet));
            prop_assert_eq!(joined.next(), Some(whole));
            prop_assert_eq!(joined.next(), None);
            prop_assert_eq!(all.dropped(), 0);
        }

        #[test]
        fn any_fragments_are_taken_without_harm(
            fragments in prop::collection::vec(
                (any::<bool>(), 0..20u8, 0..3u16, 0..8192usize, 0..40usize, any::<bool>(), 0..40usize),
                0..300,
            ),
        ) {
            let mut all = Reassembler::default();
            for (v6, source, id, far, near, more, len) in fragments {
                let at = if far % 16 == 0 { far } else { near % 6 };
                let packet = fragment(v6, source, id, at * 8, more, &vec![1; len]);
                if let Some(whole) = feed(&mut all, &packet) {
                    let packet = Packet::parse(&whole).unwrap();
                    prop_assert_eq!(packet.part, None);
                    prop_assert_eq!(packet.bytes.len(), whole.len());
                }
                prop_assert!(all.sets.len() <= MAX_SETS && held(&all) <= 4 << 20);
            }
        }
    }

    fn feed(all: &mut Reassembler, packet: &[u8]) -> Option<Vec<u8>> {
        feed_at(all, Instant::ZERO, packet)
    }

    fn feed_at(all: &mut Reassembler, now: Instant, packet: &[u8]) -> Option<Vec<u8>> {
        let mut out = vec![1, 2, 3];
        let whole = all.handle_fragment(now, &Packet::parse(packet).unwrap(), &mut out);
        assert_eq!(whole, !out.is_empty());
        whole.then_some(out)
    }

    /// Bytes that the sets have taken from the allocator for data.
    fn held(all: &Reassembler) -> usize {
        let held = all.sets.iter().filter_map(|set| set.held.as_ref());
        held.map(|held| held.bytes.capacity()).sum()
    }

    fn millis(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    fn letters_of(whole: &[u8]) -> String {
        let payload = Packet::parse(whole).unwrap().payload;
        payload.chunks(8).map(|chunk| char::from(chunk[0])).collect()
    }

    fn ends(v6: bool, source: u8) -> (IpAddr, IpAddr) {
        if v6 {
            let from = [0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(source) + 1];
            (from.into(), "2001:db8:1::2".parse().unwrap())
        } else {
            ([192, 0, 2, source].into(), [198, 51, 100, 53].into())
        }
    }

    /// A part of a UDP datagram of the source with this number.
    fn fragment(v6: bool, source: u8, id: u16, offset: usize, more: bool, data: &[u8]) -> Vec<u8> {
        let (from, to) = ends(v6, source);
        let mut out = Vec::new();
        let units = u16::try_from(offset / 8).unwrap();
        if v6 {
            ip::write_header(&mut out, from, to, 44, 8 + data.len()).unwrap();
            out.extend([17, 0]);
            out.extend((units << 3 | u16::from(more)).to_be_bytes());
            out.extend(u32::from(id).to_be_bytes());
        } else {
            ip::write_header(&mut out, from, to, ip::UDP, data.len()).unwrap();
            out[4..6].copy_from_slice(&id.to_be_bytes());
            out[6..8].copy_from_slice(&(units | u16::from(more) << 13).to_be_bytes());
            fix(&mut out);
        }
        out.extend(data);
        out
    }

    fn datagram(v6: bool, payload: &[u8]) -> Vec<u8> {
        let (from, to) = ends(v6, 7);
        let mut out = Vec::new();
        udp::write(&mut out, (from, 40_000).into(), (to, 53).into(), payload).unwrap();
        if !v6 {
            out[4..8].copy_from_slice(&[0, 1, 0, 0]);
            fix(&mut out);
        }
        out
    }

    /// Cuts a datagram into fragments, in order, at the multiples of 8 that `at` chooses.
    fn cut(v6: bool, whole: &[u8], at: &[Index]) -> Vec<Vec<u8>> {
        let data = &whole[if v6 { 40 } else { 20 }..];
        let units = (data.len() - 1) / 8;
        let mut ends: Vec<usize> = at.iter().map(|at| (at.index(units) + 1) * 8).collect();
        ends.push(data.len());
        ends.sort_unstable();
        ends.dedup();
        let starts = std::iter::once(0).chain(ends.iter().copied());
        starts
            .zip(&ends)
            .map(|(from, to)| fragment(v6, 7, 1, from, *to < data.len(), &data[from..*to]))
            .collect()
    }

    fn raw_v6(next: u8, payload: &[u8]) -> Vec<u8> {
        let (from, to) = ends(true, 7);
        let mut out = Vec::new();
        ip::write_header(&mut out, from, to, next, payload.len()).unwrap();
        out.extend(payload);
        out
    }

    /// The same IPv4 packet with four bytes of options.
    fn with_options(packet: &[u8]) -> Vec<u8> {
        let mut out = packet.to_vec();
        out.splice(V4..V4, [1, 1, 1, 0]);
        out[0] += 1;
        let len = u16::try_from(out.len()).unwrap();
        out[2..4].copy_from_slice(&len.to_be_bytes());
        fix(&mut out);
        out
    }

    /// Makes an IPv4 header checksum right again.
    fn fix(packet: &mut [u8]) {
        if packet[0] >> 4 == 4 {
            packet[10..12].fill(0);
            let checksum = Sum::default().with(&packet[..usize::from(packet[0] & 15) * 4]);
            packet[10..12].copy_from_slice(&checksum.checksum().to_be_bytes());
        }
    }

    const V4: usize = ip::V4_HEADER;
}
