//! A recorded network → what optout would have seen of it.
//!
//! # Contract
//!
//! 1. Hand in every IP packet of a capture, in its order: [`Replay::handle_packet`].
//! 2. Take the flows, in the order of their first packets: [`Replay::finish`].
//!
//! The names come from the same sniffers that look into live flows. Unlike
//! there, both ends are in a capture, it may begin in the middle of a flow, and
//! nobody can be asked to send again what is not in it:
//!
//! - The client is who sent the SYN. Where there is none: who names a host; who
//!   talks to a port of a known service; then of datagrams who came first, and
//!   of segments the end with the higher port.
//! - The first segment of a flow that was open before is taken for its beginning.
//! - The verdict is that of [`inline`](crate::core::flows::inline): what it calls
//!   our own answers are those in the capture, to questions over UDP.
//! - Checksums of TCP and UDP are not looked at, see [`mend()`].
//!
//! # Bounds
//!
//! `MAX_FLOWS` flows are told apart. What belongs to none of them when they are
//! reached is counted, and not looked into. `MAX_LISTENED` flows are listened
//! to at a time, and hold `MAX_HELD` bytes together; at either limit the one that
//! has been listened to longest is done with.

mod answers;
mod flow;
mod heard;
mod ordered;
mod seen;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

use rapidhash::fast::RandomState;

use crate::core::capture::mend;
use crate::core::flow::{FiveTuple, Protocol};
use crate::core::flows::reassemble::Reassembler;
use crate::core::policy::Policy;
use crate::core::time::Instant;
use crate::core::wire::ip::{self, Fragment, Packet};
use crate::core::wire::tcp::Segment;
use crate::core::wire::udp::Datagram;
use answers::Answers;
use flow::Flow;
use seen::Facts;
pub use seen::{Said, Seen};

/// Everything that was seen so far. See the module's contract.
#[derive(Debug, Default)]
pub struct Replay {
    /// In the order of their first packets.
    flows: Vec<Flow>,
    /// The last flow between two ends.
    by_ends: HashMap<(Protocol, SocketAddr, SocketAddr), usize, RandomState>,
    /// Flows that are listened to, and some that were; the oldest first.
    listened: VecDeque<usize>,
    /// Bytes that all flows hold.
    held: usize,
    answers: Answers,
    fragments: Reassembler,
    /// Time does not go back here, whatever a capture says.
    now: Instant,
    counters: Counters,
    mended: Vec<u8>,
    joined: Vec<u8>,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// IP packets.
    pub packets: u64,
    /// Of these, neither TCP nor UDP.
    pub other: u64,
    /// Of these, with headers that do not add up.
    pub malformed: u64,
    /// Of these, parts of datagrams.
    pub fragments: u64,
    /// Of these, shorter in the capture than they were.
    pub cut: u64,
    /// Of these, of flows that were too many.
    pub over_bound: u64,
}

impl Replay {
    /// Takes the packet that `recorded` begins with. It had `len` bytes, with
    /// padding, before it was recorded.
    pub fn handle_packet(&mut self, at: Instant, recorded: &[u8], len: usize) {
        self.counters.packets += 1;
        self.now = self.now.max(at);
        let mut mended = std::mem::take(&mut self.mended);
        match mend(recorded, len, &mut mended) {
            Some(done) => {
                self.counters.cut += u64::from(done.missing > 0);
                self.take(at, &mended, done.missing);
            }
            None => self.counters.malformed += 1,
        }
        self.mended = mended;
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The flows in the order of their first packets, with what the policy says of each.
    #[must_use]
    pub fn finish(self, policy: &Policy, now: Instant) -> Vec<Seen> {
        let facts = Facts { policy, answers: &self.answers, now };
        let seen = |mut flow: Flow| {
            flow.finish();
            let (client, server, mut heard) = flow.outcome();
            let protocol = flow.protocol;
            let dns = server.port() == DNS;
            let decided = if dns {
                facts.decide_questions(client.ip(), &mut heard)
            } else {
                let tuple = FiveTuple { protocol, source: client, destination: server };
                facts.decide(tuple, &mut heard)
            };
            let unnamed = heard.names.is_empty();
            let answered = if unnamed { facts.answers.of(client.ip(), server.ip()) } else { &[] };
            let spoken = if dns { Some(Said::Dns) } else { heard.spoken.map(Said::Sniffed) };
            Seen {
                first: flow.first,
                protocol,
                client,
                server,
                spoken,
                before: heard.before,
                names: heard.names,
                cause: heard.cause,
                ech: heard.ech,
                doubtful: heard.doubtful,
                answered: answered.to_vec(),
                decided,
                packets: flow.packets,
                bytes: flow.bytes,
                missing: flow.missing,
            }
        };
        self.flows.into_iter().map(seen).collect()
    }

    fn take(&mut self, at: Instant, bytes: &[u8], missing: usize) {
        let Ok(packet) = Packet::parse(bytes) else {
            self.counters.malformed += 1;
            return;
        };
        if packet.fragment == Fragment::Whole {
            self.take_whole(at, &packet, missing);
            return;
        }
        self.counters.fragments += 1;
        let mut joined = std::mem::take(&mut self.joined);
        if self.fragments.handle_fragment(self.now, &packet, &mut joined) {
            let mut mended = Vec::new();
            if mend(&joined, joined.len(), &mut mended).is_some()
                && let Ok(packet) = Packet::parse(&mended)
            {
                self.take_whole(at, &packet, 0);
            }
        }
        self.joined = joined;
    }

    fn take_whole(&mut self, at: Instant, packet: &Packet<'_>, missing: usize) {
        let len = packet.bytes.len() + missing;
        let taken = match packet.protocol {
            ip::TCP => Segment::parse(packet).map(|segment| {
                let from = SocketAddr::new(packet.source, segment.source_port);
                let to = SocketAddr::new(packet.destination, segment.destination_port);
                let flow = self.flow(Protocol::Tcp, from, to, at, Some(&segment));
                self.with(flow, at, (len, missing), |flow| flow.take_segment(from, &segment));
            }),
            ip::UDP => Datagram::parse(packet).map(|datagram| {
                let from = SocketAddr::new(packet.source, datagram.source_port);
                let to = SocketAddr::new(packet.destination, datagram.destination_port);
                if from.port() == DNS {
                    self.answers.take(to.ip(), datagram.payload);
                }
                let flow = self.flow(Protocol::Udp, from, to, at, None);
                self.with(flow, at, (len, missing), |flow| {
                    flow.take_datagram(from, datagram.payload);
                });
            }),
            _ => {
                self.counters.other += 1;
                Ok(())
            }
        };
        self.counters.malformed += u64::from(taken.is_err());
    }

    /// The flow that a packet belongs to, or none if they are too many.
    fn flow(
        &mut self,
        protocol: Protocol,
        from: SocketAddr,
        to: SocketAddr,
        at: Instant,
        segment: Option<&Segment<'_>>,
    ) -> Option<usize> {
        let ends = (protocol, from.min(to), from.max(to));
        if let Some(known) = self.by_ends.get(&ends).copied() {
            let flow = self.flows.get(known)?;
            if !flow.is_over_at(at, from, segment) {
                return Some(known);
            }
        }
        if self.flows.len() >= MAX_FLOWS {
            self.counters.over_bound += 1;
            return None;
        }
        self.flows.push(Flow::new(protocol, from, to, at));
        self.by_ends.insert(ends, self.flows.len() - 1);
        Some(self.flows.len() - 1)
    }

    /// Does something with a flow, counts the packet, and keeps the bound.
    fn with(
        &mut self,
        number: Option<usize>,
        at: Instant,
        len: (usize, usize),
        take: impl FnOnce(&mut Flow),
    ) {
        let Some(number) = number else { return };
        let Some(flow) = self.flows.get_mut(number) else { return };
        flow.last = flow.last.max(at);
        flow.packets += 1;
        flow.bytes += len.0 as u64;
        flow.missing += len.1 as u64;
        let (listened, held) = (flow.is_listened_to(), flow.held());
        take(flow);
        self.held = (self.held + flow.held()).saturating_sub(held);
        if !listened && flow.is_listened_to() {
            self.listened.push_back(number);
        }
        while self.listened.len() > MAX_LISTENED || self.held > MAX_HELD {
            let Some(oldest) = self.listened.pop_front() else { return };
            let Some(oldest) = self.flows.get_mut(oldest) else { return };
            self.held = self.held.saturating_sub(oldest.held());
            oldest.finish();
        }
        let over = |number: &usize| !self.flows.get(*number).is_some_and(Flow::is_listened_to);
        while self.listened.front().is_some_and(over) {
            self.listened.pop_front();
        }
    }
}

const DNS: u16 = 53; // RFC 1035 §4.2

/// Most flows. Each takes a few hundred bytes.
const MAX_FLOWS: usize = 200_000;

/// Most flows that are listened to. Each takes a few kilobytes, and what it holds.
const MAX_LISTENED: usize = 4096;

/// Most bytes that are held, of all flows together.
const MAX_HELD: usize = 64 << 20;

#[cfg(test)]
mod tests;
