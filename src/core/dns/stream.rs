//! DNS over TCP (RFC 7766), ended in here.
//!
//! Any destination address is ours: whatever resolver the client meant, it talks
//! to a smoltcp socket that has that resolver's address.
//!
//! # Contract
//!
//! Hand in packets with [`Streams::handle_packet`], and [`Streams::handle_timeout`]
//! at [`Streams::poll_timeout`]. After each, and after [`Streams::answer`], take
//! questions with [`Streams::next_query`] and packets with [`Streams::poll_packet`]
//! until there are none. Packets come last: an answer given at once carries the
//! acknowledgment of its question.
//!
//! # Bounds
//!
//! At most 256 connections of about 10 KiB each, 2.5 MiB in all; beyond that, at
//! most 4 MiB of answers that clients have not taken and 1 MiB of long questions
//! that have not ended. What passes a bound costs the client that did it its
//! connection, never another one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use smoltcp::iface::{Config, Interface};
use smoltcp::socket::tcp::State;
use smoltcp::wire::HardwareAddress;

use crate::core::dns::stream::connection::{Connection, Ends, Place, Wire, to_smoltcp};
use crate::core::dns::stream::link::{Link, Outbox};
use crate::core::time::Instant;
use crate::core::wire::Malformed;
use crate::core::wire::ip::{self, Packet};
use crate::core::wire::tcp::{Control, Flags, Segment};

mod connection;
pub(super) mod frames;
mod link;

/// All connections to port 53.
pub struct Streams {
    wire: Wire,
    connections: BTreeMap<StreamId, Connection>,
    ids: BTreeMap<Ends, StreamId>,
    next_id: u64,
    /// Connections that may have something to send.
    waiting: BTreeSet<StreamId>,
    asked: VecDeque<Query>,
    counts: Counts,
    /// The latest instant we were told.
    now: Instant,
    /// For packets that must be rewritten before smoltcp sees them.
    scratch: Vec<u8>,
}

/// Names a connection. Never used again.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct StreamId(u64);

/// A question that came over a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Query {
    /// Where its answer belongs.
    pub stream: StreamId,
    /// Who asked.
    pub source: SocketAddr,
    /// Whom they asked.
    pub destination: SocketAddr,
    /// The message, without its length bytes. Never empty.
    pub message: Vec<u8>,
}

/// How often things happened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Connections begun.
    pub opened: u64,
    /// Connections ended to make room.
    pub evicted: u64,
    /// Packets that were dropped because they are malformed or cannot be answered.
    pub dropped: u64,
}

impl Streams {
    /// No connections. `mtu` is that of the TUN, in bytes, and at least 576;
    /// `seed` must be random: initial sequence numbers come from it.
    #[must_use]
    pub fn new(mtu: usize, seed: u64) -> Self {
        let mtu = mtu.max(LEAST_MTU);
        let mut outbox = Outbox::default();
        let mut link = Link { packet: None, outbox: &mut outbox, mtu };
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut interface = Interface::new(config, &mut link, to_smoltcp(Instant::ZERO));
        interface.set_any_ip(true);
        Self {
            wire: Wire { interface, outbox, mtu },
            connections: BTreeMap::new(),
            ids: BTreeMap::new(),
            next_id: 0,
            waiting: BTreeSet::new(),
            asked: VecDeque::new(),
            counts: Counts::default(),
            now: Instant::ZERO,
            scratch: Vec::new(),
        }
    }

    /// Takes a TCP packet, whatever state it finds.
    ///
    /// What is malformed, a fragment, or not between two hosts is dropped and
    /// counted. A segment of no connection is answered by a reset, unless it is
    /// one (RFC 9293 §3.10.7.1).
    pub fn handle_packet(&mut self, now: Instant, packet: &[u8]) {
        self.now = self.now.max(now);
        if self.take_packet(packet).is_err() {
            self.counts.dropped += 1;
        }
    }

    /// The next question, if one has arrived whole.
    pub fn next_query(&mut self) -> Option<Query> {
        self.asked.pop_front()
    }

    /// Answers one question of `stream`, in any order. An empty message means
    /// that there will be no answer. Does nothing if the client has gone.
    pub fn answer(&mut self, now: Instant, stream: StreamId, message: &[u8]) {
        self.now = self.now.max(now);
        let Some(connection) = self.connections.get_mut(&stream) else { return };
        connection.answer(message);
        self.settle(stream);
        self.bound_backlogs(stream);
    }

    /// Takes the passing of time. Early is harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        let due = |(id, c): (&StreamId, &Connection)| (c.due <= self.now).then_some(*id);
        let due: Vec<_> = self.connections.iter().filter_map(due).collect();
        for id in due {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            if connection.expire(self.now) {
                self.forget(id);
            } else {
                self.waiting.insert(id);
            }
        }
    }

    /// Puts the next packet that is to be sent into `out` and returns `true`, or
    /// returns `false` if there is none. What was in `out` is lost; its room is kept.
    pub fn poll_packet(&mut self, out: &mut Vec<u8>) -> bool {
        loop {
            if self.wire.outbox.pop(out) {
                return true;
            }
            let Some(id) = self.waiting.pop_first() else { return false };
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            connection.send(self.now, &mut self.wire);
            if connection.is_gone() {
                self.forget(id);
            }
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout); `None` without connections.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if !self.waiting.is_empty() || self.wire.outbox.len() > 0 {
            return Some(self.now);
        }
        self.connections.values().map(|connection| connection.due).min()
    }

    /// How many connections there are, the closed ones that still wait for
    /// stragglers included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Whether there are no connections.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// How often things happened, since the start.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    fn take_packet(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let packet = Packet::parse(bytes)?;
        let segment = Segment::parse(&packet)?;
        if !packet.is_answerable() {
            return Err(Malformed("not between two hosts"));
        }
        let ends = Ends {
            client: SocketAddr::new(packet.source, segment.source_port),
            server: SocketAddr::new(packet.destination, segment.destination_port),
        };
        match self.ids.get(&ends) {
            Some(&id) => self.take_segment(id, &packet, &segment),
            None if segment.opens() => self.open(ends, &packet, &segment),
            None => self.say(Control::reset(&packet, &segment)),
        }
        Ok(())
    }

    fn take_segment(&mut self, id: StreamId, packet: &Packet<'_>, segment: &Segment<'_>) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if segment.flags.has(Flags::SYN) && segment.flags.has(Flags::FIN) {
            return; // not a segment that any stack sends
        }
        if segment.flags.has(Flags::RST) {
            return match connection.place(segment.sequence) {
                Place::Edge => self.deliver(id, packet),
                Place::Window => self.challenge(id),
                Place::Outside => {}
            };
        }
        if !segment.flags.has(Flags::SYN) {
            return self.deliver(id, packet);
        }
        match connection.state() {
            // Sent again; our answer will be, too.
            State::SynReceived if connection.began_with(segment.sequence) => {}
            // The port is used anew (RFC 9293 §3.10.7.4, SYN-RECEIVED and TIME-WAIT).
            State::SynReceived | State::TimeWait if segment.opens() => {
                let ends = connection.ends;
                self.forget(id);
                self.open(ends, packet, segment);
            }
            _ => self.challenge(id),
        }
    }

    fn open(&mut self, ends: Ends, packet: &Packet<'_>, segment: &Segment<'_>) {
        if self.connections.len() >= MAX_STREAMS {
            self.evict();
        }
        let id = StreamId(self.next_id);
        self.next_id += 1;
        self.connections.insert(id, Connection::new(self.now, ends, segment.sequence));
        self.ids.insert(ends, id);
        self.counts.opened += 1;
        self.deliver(id, packet);
    }

    /// Hands a packet to the socket that it is for.
    fn deliver(&mut self, id: StreamId, packet: &Packet<'_>) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        // smoltcp knows no IPv6 extension headers but one: leave them out.
        let ends = (packet.source, packet.destination);
        let mut bytes = packet.bytes;
        if packet.bytes.len() - packet.payload.len() > ip::V6_HEADER && packet.source.is_ipv6() {
            let len = packet.payload.len();
            if ip::write_header(&mut self.scratch, ends.0, ends.1, ip::TCP, len).is_err() {
                return;
            }
            self.scratch.extend_from_slice(packet.payload);
            bytes = &self.scratch;
        }
        connection.receive(self.now, &mut self.wire, bytes);
        self.settle(id);
        self.bound_questions(id);
    }

    /// Moves bytes between a socket and us, and lets a connection go that has ended.
    fn settle(&mut self, id: StreamId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Ends { client: source, server: destination } = connection.ends;
        let asked = &mut self.asked;
        connection.settle(self.now, |message| {
            asked.push_back(Query { stream: id, source, destination, message });
        });
        if connection.is_gone() {
            self.forget(id);
        } else {
            self.waiting.insert(id);
        }
    }

    /// Resets the connection that has taken the least of its answers, if there are
    /// too many.
    fn bound_backlogs(&mut self, latest: StreamId) {
        let Some(connection) = self.connections.get_mut(&latest) else { return };
        if connection.backlog() > MAX_BACKLOG {
            connection.reset();
        }
        if connection.backlog() == 0 {
            return; // what was not too much before is not now
        }
        if self.connections.values().map(Connection::backlog).sum::<usize>() <= MAX_BACKLOGS {
            return;
        }
        let worst = self.connections.iter_mut().max_by_key(|(_, c)| c.backlog());
        if let Some((&id, connection)) = worst {
            connection.reset();
            self.waiting.insert(id);
        }
    }

    /// Resets a connection whose question grows long while too many others do.
    fn bound_questions(&mut self, latest: StreamId) {
        let long = |c: &Connection| c.held().saturating_sub(USUAL_QUESTION);
        if self.connections.get(&latest).is_none_or(|connection| long(connection) == 0) {
            return;
        }
        if self.connections.values().map(long).sum::<usize>() > MAX_LONG_QUESTIONS
            && let Some(connection) = self.connections.get_mut(&latest)
        {
            connection.reset();
        }
    }

    /// Ends the connection that can best be spared. Half-open ones pay for a flood
    /// of SYNs, but are not pushed out by one another before there are many: with
    /// all places taken by idle clients, a new one needs the time to shake hands.
    fn evict(&mut self) {
        let half_open = self.connections.values().filter(|c| c.is_half_open()).count();
        let spare_half_open = half_open < MIN_HALF_OPEN;
        let worth = |c: &Connection| {
            let (worth, since) = c.worth();
            (if spare_half_open && c.is_half_open() { 3 } else { worth }, since)
        };
        let victim = self.connections.iter_mut().min_by_key(|(_, connection)| worth(connection));
        let Some((&id, connection)) = victim else { return };
        // Who never answered our SYN may be nobody: say nothing.
        if !connection.is_half_open() {
            connection.reset();
            connection.send(self.now, &mut self.wire);
        }
        self.counts.evicted += 1;
        self.forget(id);
    }

    fn challenge(&mut self, id: StreamId) {
        let now = self.now;
        let challenge = self.connections.get_mut(&id).and_then(|c| c.challenge(now));
        self.say(challenge);
    }

    fn say(&mut self, control: Option<Control>) {
        if let Some(control) = control {
            self.wire.outbox.push(|out| control.write(out).is_ok());
        }
    }

    fn forget(&mut self, id: StreamId) {
        if let Some(connection) = self.connections.remove(&id) {
            self.ids.remove(&connection.ends);
            self.waiting.remove(&id);
        }
    }
}

/// Most connections at a time. A browser or resolver keeps one or two.
const MAX_STREAMS: usize = 256;

/// Half-open connections that an idle one makes room for.
const MIN_HALF_OPEN: usize = 64;

/// Bytes of answers that one client may leave untaken: one of 4 KiB, the usual EDNS
/// size, to each question in flight. And all clients together.
const MAX_BACKLOG: usize = 512 * 1024;
const MAX_BACKLOGS: usize = 4 * 1024 * 1024;

/// Longest question, in bytes, that is taken from everybody at any time, and how
/// many bytes beyond that are held of all unfinished questions together.
const USUAL_QUESTION: usize = 4096;
const MAX_LONG_QUESTIONS: usize = 1024 * 1024;

/// Least MTU that leaves room for a segment; RFC 791 §3.1.
const LEAST_MTU: usize = 576;

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "numbers in these tests are small")]
mod tests;
