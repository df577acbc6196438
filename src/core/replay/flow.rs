//! One flow of a capture: both ends, until it is known who is the client.

use std::net::SocketAddr;
use std::time::Duration;

use super::heard::{Ear, Heard};
use crate::core::flow::Protocol;
use crate::core::sniff::{Cause, Spoken};
use crate::core::time::Instant;
use crate::core::wire::tcp::{Flags, Segment};
use crate::core::wire::tls::begins_hello;

/// A flow, and what was heard of it.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) protocol: Protocol,
    pub(super) first: Instant,
    pub(super) last: Instant,
    pub(super) packets: u64,
    pub(super) bytes: u64,
    /// Bytes that the file does not have.
    pub(super) missing: u64,
    /// The first is who sent the first packet.
    sides: [Side; 2],
    /// Which of them is the client, once a packet told.
    client: Option<usize>,
    /// Whether its beginning was seen.
    opened: bool,
    ended: bool,
}

#[derive(Debug)]
struct Side {
    address: SocketAddr,
    /// Number of its first byte, if a SYN or the answer to one told.
    begin: Option<u32>,
    /// Number of the first byte of a hello that it said after words in clear.
    hello: Option<u32>,
    /// Whether it sent anything but control.
    spoke: bool,
    ear: Option<Box<Ear>>,
    heard: Option<Heard>,
}

impl Flow {
    pub(super) fn new(protocol: Protocol, from: SocketAddr, to: SocketAddr, now: Instant) -> Self {
        let side = |address| Side {
            address,
            begin: None,
            hello: None,
            spoke: false,
            ear: None,
            heard: None,
        };
        Self {
            protocol,
            first: now,
            last: now,
            packets: 0,
            bytes: 0,
            missing: 0,
            sides: [side(from), side(to)],
            client: None,
            opened: protocol == Protocol::Udp,
            ended: false,
        }
    }

    /// Whether a packet that comes now from `from` begins another flow between the
    /// same ends.
    pub(super) fn is_over_at(
        &self,
        now: Instant,
        from: SocketAddr,
        segment: Option<&Segment<'_>>,
    ) -> bool {
        let Some(segment) = segment else { return now.since(self.last) > IDLE };
        let Some(side) = self.sides.iter().find(|side| side.address == from) else { return true };
        let again = side.begin == Some(segment.sequence.wrapping_add(1));
        let begun = self.ended || self.sides.iter().any(|side| side.spoke);
        segment.opens() && begun && !again
    }

    pub(super) fn take_segment(&mut self, from: SocketAddr, segment: &Segment<'_>) {
        let side = self.side_of(from);
        let after = segment.sequence.wrapping_add(1);
        if segment.opens() {
            self.opened = true;
            self.client = Some(side);
            self.begin(side, after);
        } else if segment.flags.has(Flags::SYN | Flags::ACK) {
            self.client.get_or_insert(1 - side);
            self.opened = true;
            if let Some(client) = self.sides.get_mut(1 - side) {
                client.begin.get_or_insert(segment.acknowledgment);
            }
        }
        self.ended |= segment.flags.has(Flags::RST) || segment.flags.has(Flags::FIN);
        let syn = segment.flags.has(Flags::SYN);
        let sequence = if syn { after } else { segment.sequence };
        if begins_hello(segment.payload) {
            self.listen_again(side, sequence);
        }
        if !segment.payload.is_empty() {
            self.listen(side, |ear, begin| {
                ear.hear_segment(begin, sequence, segment.payload);
            });
        }
    }

    pub(super) fn take_datagram(&mut self, from: SocketAddr, payload: &[u8]) {
        if !payload.is_empty() {
            self.listen(self.side_of(from), |ear, _| ear.hear_datagram(payload));
        }
    }

    /// Whether somebody is listened to.
    pub(super) fn is_listened_to(&self) -> bool {
        self.sides.iter().any(|side| side.ear.is_some())
    }

    /// Bytes that are held.
    pub(super) fn held(&self) -> usize {
        self.sides.iter().filter_map(|side| side.ear.as_ref()).map(|ear| ear.held()).sum()
    }

    /// Nothing more is listened to; what was heard stays.
    pub(super) fn finish(&mut self) {
        for side in &mut self.sides {
            if let Some(ear) = side.ear.take() {
                side.heard = Some(ear.finish());
            }
        }
    }

    /// Client and server, and what the client said. Call after [`Flow::finish`].
    pub(super) fn outcome(&self) -> (SocketAddr, SocketAddr, Heard) {
        let client = self.client.unwrap_or_else(|| self.likely_client());
        let [first, second] = &self.sides;
        let (client, server) = if client == 0 { (first, second) } else { (second, first) };
        let mut heard = client.heard.clone().unwrap_or_default();
        if heard.names.is_empty() {
            let cause = heard.cause.unwrap_or(Cause::Silent);
            heard.cause = Some(match cause {
                _ if self.missing > 0 => Cause::Incomplete,
                Cause::Silent | Cause::OtherProtocol | Cause::Incomplete if !self.opened => {
                    Cause::Midway
                }
                cause => cause,
            });
        }
        (client.address, server.address, heard)
    }

    /// Who said words in clear that name nobody (`STARTTLS`) says a hello now.
    fn listen_again(&mut self, side: usize, sequence: u32) {
        let Some(this) = self.sides.get_mut(side) else { return };
        let unclear =
            |heard: &Heard| heard.names.is_empty() && !matches!(heard.spoken, Some(Spoken::Tls(_)));
        if this.heard.as_ref().is_some_and(unclear) {
            (this.heard, this.hello) = (None, Some(sequence));
        }
    }

    fn begin(&mut self, side: usize, first: u32) {
        let Some(side) = self.sides.get_mut(side) else { return };
        if side.begin != Some(first) {
            // What was begun with another number before, nobody answered.
            side.begin = Some(first);
            side.ear = None;
        }
    }

    fn listen(&mut self, side: usize, hear: impl FnOnce(&mut Ear, Option<u32>)) {
        let (tcp, client) = (self.protocol == Protocol::Tcp, self.client);
        let dns = self.is_dns();
        let to_dns = self.sides.get(1 - side).is_some_and(|other| other.address.port() == DNS);
        let Some(this) = self.sides.get_mut(side) else { return };
        this.spoke = true;
        // Who answers is not listened to, if it is known who that is.
        if client.is_some_and(|client| client != side) || this.heard.is_some() || (dns && !to_dns) {
            return;
        }
        let ear = this.ear.get_or_insert_with(|| Box::new(Ear::new(tcp, dns)));
        hear(ear, this.hello.or(this.begin));
        if ear.is_over() {
            self.decide(side);
        }
    }

    /// Takes what was heard of a side, and says no more to the other if that is
    /// enough.
    fn decide(&mut self, side: usize) {
        let Some(this) = self.sides.get_mut(side) else { return };
        let Some(ear) = this.ear.take() else { return };
        let heard = this.heard.insert(ear.finish());
        if heard.is_of_client() && self.client.is_none() {
            self.client = Some(side);
        }
        if self.client == Some(side)
            && let Some(other) = self.sides.get_mut(1 - side)
        {
            other.ear = None;
        }
    }

    fn side_of(&self, from: SocketAddr) -> usize {
        usize::from(self.sides.first().is_none_or(|side| side.address != from))
    }

    fn is_dns(&self) -> bool {
        self.sides.iter().any(|side| side.address.port() == DNS)
    }

    /// Who is the client, where no packet told: who named a host; then who
    /// talks to a port of a known service; then, of datagrams, who came first,
    /// and of segments the end with the higher port.
    fn likely_client(&self) -> usize {
        let names = |side: &Side| side.heard.as_ref().is_some_and(Heard::is_of_client);
        let [first, second] = &self.sides;
        let (a, b) = (first.address.port(), second.address.port());
        match (names(first), names(second)) {
            (true, false) => 0,
            (false, true) => 1,
            _ => match (a < WELL_KNOWN, b < WELL_KNOWN) {
                (false, true) => 0,
                (true, false) => 1,
                _ if self.protocol == Protocol::Udp => 0,
                _ => usize::from(a < b),
            },
        }
    }
}

const DNS: u16 = 53; // RFC 1035 §4.2

/// After so long without a packet, datagrams are of another flow: the kernel's
/// connection tracking forgets them then (`nf_conntrack_udp_timeout_stream`).
const IDLE: Duration = Duration::from_mins(2);

const WELL_KNOWN: u16 = 1024; // below are ports of services; RFC 6335 §6
