//! The end of the wire that smoltcp sees: one packet in, any number out.

use std::collections::VecDeque;

use smoltcp::phy::{self, Checksum, ChecksumCapabilities, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

use crate::core::wire::ip::Packet;
use crate::core::wire::tcp::{Flags, Segment};

/// Packets that are to be sent. Their buffers go round and are not freed.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    packets: VecDeque<Vec<u8>>,
    spare: Vec<Vec<u8>>,
}

impl Outbox {
    /// Appends a packet, written by `write` into an empty buffer. If that says
    /// `false`, there is none.
    pub(super) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>) -> bool) {
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.clear();
        if write(&mut buffer) {
            self.packets.push_back(buffer);
        } else {
            self.spare.push(buffer);
        }
    }

    /// Puts the next packet into `out`, whose old content is lost.
    pub(super) fn pop(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(mut packet) = self.packets.pop_front() else { return false };
        std::mem::swap(out, &mut packet);
        if self.spare.len() < MAX_SPARE {
            self.spare.push(packet);
        }
        true
    }

    /// How many packets wait.
    pub(super) fn len(&self) -> usize {
        self.packets.len()
    }

    /// Where the packets after the first `skip` left a connection: its next
    /// sequence number and its last acknowledgment number.
    pub(super) fn edges_since(&self, skip: usize) -> impl Iterator<Item = (u32, u32)> {
        self.packets.iter().skip(skip).filter_map(|bytes| {
            let packet = Packet::parse(bytes).ok()?;
            let segment = Segment::parse(&packet).ok()?;
            (segment.flags.has(Flags::ACK) && !segment.flags.has(Flags::RST))
                .then_some((segment.end(), segment.acknowledgment))
        })
    }
}

/// A network device for the time of one call.
pub(super) struct Link<'a> {
    /// The packet that arrives, if one does.
    pub(super) packet: Option<&'a [u8]>,
    /// Where packets leave.
    pub(super) outbox: &'a mut Outbox,
    /// Longest packet either way, in bytes.
    pub(super) mtu: usize,
}

impl phy::Device for Link<'_> {
    type RxToken<'t>
        = Arrival<'t>
    where
        Self: 't;
    type TxToken<'t>
        = Departure<'t>
    where
        Self: 't;

    fn receive(&mut self, _now: Instant) -> Option<(Arrival<'_>, Departure<'_>)> {
        let packet = self.packet.take()?;
        Some((Arrival(packet), Departure(self.outbox)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Departure<'_>> {
        Some(Departure(self.outbox))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut checksum = ChecksumCapabilities::default();
        // What arrives has been verified when it was parsed.
        checksum.ipv4 = Checksum::Tx;
        checksum.tcp = Checksum::Tx;
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu;
        capabilities.checksum = checksum;
        capabilities
    }
}

pub(super) struct Arrival<'a>(&'a [u8]);

impl phy::RxToken for Arrival<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

pub(super) struct Departure<'a>(&'a mut Outbox);

impl phy::TxToken for Departure<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        let mut result = None;
        self.0.push(|buffer| {
            buffer.resize(len, 0);
            result = Some(write(buffer));
            true
        });
        result.expect("push calls its closure once")
    }
}

/// Most buffers kept for reuse: 64 times 1.5 KiB are 96 KiB.
const MAX_SPARE: usize = 64;
