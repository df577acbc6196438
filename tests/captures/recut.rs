//! The same bytes in other segments: cut anew, out of order, sent twice.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use optout::core::capture::mend;
use optout::core::host::HostName;
use optout::core::policy::Policy;
use optout::core::replay::Replay;
use optout::core::time::Instant;
use optout::core::wire::ip::Packet;
use optout::core::wire::tcp::Segment;

use crate::made::forget_length;

/// Numbers that are the same in each run (`SplitMix64`).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ mixed >> 31) % limit.max(1) as u64).expect("below a usize")
    }
}

/// The packets of a capture, with segments that carry bytes cut anew. Those of one
/// direction are put in another order among themselves; where no SYN says which byte is
/// the first, the first piece stays where it is.
pub(crate) fn recut(packets: &[Vec<u8>], random: &mut Random) -> Vec<Vec<u8>> {
    let mut begun = BTreeSet::new();
    let mut pieces: BTreeMap<_, Vec<Vec<u8>>> = BTreeMap::new();
    let mut places = Vec::new();
    for packet in packets {
        let Some((from, to, opens, data)) = segment(packet) else {
            places.push(Place::As(packet.clone()));
            continue;
        };
        if opens {
            begun.extend([(from, to), (to, from)]);
        }
        if data == packet.len() {
            places.push(Place::As(packet.clone()));
            continue;
        }
        let own = pieces.entry((from, to)).or_default();
        for piece in cut(packet, data, random) {
            if begun.insert((from, to)) {
                places.push(Place::As(piece));
                continue;
            }
            places.push(Place::Of((from, to)));
            own.push(piece);
        }
    }
    for own in pieces.values_mut() {
        // Not farther than a network would, so that no window is left.
        for at in 0..own.len() {
            let other = (at + random.below(6)).min(own.len() - 1);
            own.swap(at, other);
        }
        own.reverse(); // taken from the end
    }
    let mut out = Vec::new();
    for place in places {
        match place {
            Place::As(packet) => out.push(packet),
            Place::Of(ends) => {
                let piece = pieces.get_mut(&ends).and_then(Vec::pop).expect("a piece a place");
                if random.below(8) == 0 {
                    out.push(piece.clone());
                }
                out.push(piece);
            }
        }
    }
    out
}

enum Place {
    As(Vec<u8>),
    Of((SocketAddr, SocketAddr)),
}

/// Ends of a TCP segment, whether it has SYN, and where its bytes begin.
fn segment(packet: &[u8]) -> Option<(SocketAddr, SocketAddr, bool, usize)> {
    let parsed = Packet::parse(packet).ok()?;
    let segment = Segment::parse(&parsed).ok()?;
    let from = SocketAddr::new(parsed.source, segment.source_port);
    let to = SocketAddr::new(parsed.destination, segment.destination_port);
    let syn = segment.flags.has(optout::core::wire::tcp::Flags::SYN);
    Some((from, to, syn, packet.len() - segment.payload.len()))
}

/// A segment as several.
fn cut(packet: &[u8], data: usize, random: &mut Random) -> Vec<Vec<u8>> {
    let payload = &packet[data..];
    let cuts = random.below(5);
    let mut ends: BTreeSet<_> = (0..cuts).map(|_| random.below(payload.len())).collect();
    ends.remove(&0);
    ends.insert(payload.len());
    let transport = packet.len() - Packet::parse(packet).expect("a packet").payload.len();
    let mut start = 0;
    let mut pieces = Vec::new();
    for end in ends {
        let mut piece = [&packet[..data], &payload[start..end]].concat();
        let number = &mut piece[transport + 4..transport + 8];
        let sequence = u32::from_be_bytes(number[..].try_into().expect("four bytes"));
        let sequence = sequence.wrapping_add(u32::try_from(start).expect("a short segment"));
        number.copy_from_slice(&sequence.to_be_bytes());
        forget_length(&mut piece);
        pieces.push(piece);
        start = end;
    }
    pieces
}

/// The packets with sound lengths and checksums.
pub(crate) fn mended(packets: impl IntoIterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    let mend = |packet: Vec<u8>| {
        let mut out = Vec::new();
        mend(&packet, packet.len(), &mut out).map(|_| out)
    };
    packets.into_iter().filter_map(mend).collect()
}

/// Each flow of these packets: the ports of client and server, and the names.
pub(crate) fn names(packets: &[Vec<u8>]) -> Vec<String> {
    let mut replay = Replay::default();
    for (packet, micros) in packets.iter().zip(1..) {
        replay.handle_packet(Instant::from_micros(micros), packet, packet.len());
    }
    let seen = replay.finish(&Policy::default(), Instant::ZERO);
    let told = |flow: &optout::core::replay::Seen| {
        let names: Vec<_> = flow.names.iter().map(HostName::as_str).collect();
        format!("{} {} {}", flow.client.port(), flow.server.port(), names.join(","))
    };
    let mut all: Vec<_> = seen.iter().map(told).collect();
    all.sort();
    all
}
