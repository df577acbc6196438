//! Bytes that were held → packets on their way.

use std::net::SocketAddr;

use super::desk::{Desk, Moment};
use super::facts::Manners;
use super::held::Held;
use crate::core::flow::FiveTuple;
use crate::core::wire::tcp::{Carrier, Control, Flags};

/// Writes segments in the name of a client.
#[derive(Clone, Copy)]
pub(super) struct Writer {
    pub tuple: FiveTuple,
    /// Sequence number of the first byte of the stream.
    pub base: u32,
    pub manners: Manners,
}

/// What a put-back leaves open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Open {
    /// There is more to look at.
    Yes,
    /// Nothing: the last packet is `decided`, and what lies ahead of a gap goes too.
    No,
    /// Nothing to look at, but the flow stays with us.
    Stays,
}

impl Writer {
    /// Puts back what is held: the client's packets where they can be, else
    /// segments of ours.
    pub(super) fn put_back(&self, desk: &mut Desk, at: &Moment<'_>, held: &mut Held, open: Open) {
        let mut packets = Vec::new();
        let (from, end) = (held.gone(), held.is_ended());
        match held.take_packets() {
            Some(whole) => packets = whole,
            None => self.cut(from, held.bytes().get(from..).unwrap_or_default(), &mut packets),
        }
        held.is_gone();
        if end {
            packets.extend(self.control(held.len(), Flags::FIN | Flags::ACK));
        }
        if open != Open::Yes {
            // After the end there is nothing, whatever was sent.
            let pieces = held.take_ahead_pieces().into_iter().filter(|_| !end);
            for (offset, piece) in pieces {
                self.cut(offset, &piece, &mut packets);
            }
        }
        let last = packets.len();
        for (n, packet) in packets.into_iter().enumerate() {
            desk.onward(at.case.client, packet, open == Open::No && n + 1 == last);
        }
    }

    /// Writes `bytes`, which begin at `offset`, in segments no longer than those of
    /// the client. The last one is pushed.
    pub(super) fn cut(&self, offset: usize, bytes: &[u8], packets: &mut Vec<Vec<u8>>) {
        let most = if self.tuple.source.is_ipv4() { MOST_V4 } else { MOST_V6 };
        let size = self.manners.largest.clamp(LEAST, most);
        let mut at = offset;
        let mut chunks = bytes.chunks(size).peekable();
        while let Some(chunk) = chunks.next() {
            let push = if chunks.peek().is_none() { Flags::PSH } else { Flags::default() };
            packets.extend(self.segment(at, Flags::ACK | push, chunk));
            at += chunk.len();
        }
    }

    /// A segment without bytes.
    pub(super) fn control(&self, offset: usize, flags: Flags) -> Option<Vec<u8>> {
        self.segment(offset, flags, &[])
    }

    fn segment(&self, offset: usize, flags: Flags, payload: &[u8]) -> Option<Vec<u8>> {
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        let mut packet = Vec::new();
        let carrier = Carrier {
            control: Control {
                source: self.tuple.source,
                destination: self.tuple.destination,
                sequence: self.base.wrapping_add(offset),
                acknowledgment: self.manners.acknowledges(),
                flags,
                window: self.manners.window,
            },
            timestamps: self.manners.timestamps,
            hop_limit: self.manners.hop_limit,
            payload,
        };
        carrier.write(&mut packet).is_ok().then_some(packet)
    }

    /// The reset that the client's own kernel takes, as from its server.
    pub(super) fn reset_back(&self, offset: usize) -> Option<Vec<u8>> {
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        let [source, destination]: [SocketAddr; 2] = [self.tuple.destination, self.tuple.source];
        let mut packet = Vec::new();
        let reset = Control {
            source,
            destination,
            sequence: self.manners.newest_ack(),
            acknowledgment: self.base.wrapping_add(offset),
            flags: Flags::RST | Flags::ACK,
            window: 0,
        };
        reset.write(&mut packet).is_ok().then_some(packet)
    }
}

/// Least size of our segments, in bytes: what every host takes (RFC 9293 §3.7.1).
pub(super) const LEAST: usize = 536;

/// Most bytes in a segment of ours, so that it fits in a frame of 1500 bytes with
/// its timestamps.
const MOST_V4: usize = 1448;
/// The same in IPv6.
const MOST_V6: usize = 1428;
