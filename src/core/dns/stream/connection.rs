//! One connection: a smoltcp socket of its own, and what is read from it and
//! still to be written.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use smoltcp::iface::{Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};

use crate::core::dns::stream::frames::{Frames, Step};
use crate::core::dns::stream::link::{Link, Outbox};
use crate::core::time::Instant;
use crate::core::wire::tcp::{Control, Flags};

/// The two ends of a connection.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Ends {
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
}

/// What all connections share.
pub(super) struct Wire {
    pub(super) interface: Interface,
    pub(super) outbox: Outbox,
    pub(super) mtu: usize,
}

/// A connection from its SYN to its end.
pub(super) struct Connection {
    pub(super) ends: Ends,
    /// Holds one socket. smoltcp polls all sockets of a set for each packet, so
    /// each has a set of its own, and which one a packet is for is looked up.
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    /// Sequence number of the client's SYN.
    first_sequence: u32,
    /// SND.NXT and RCV.NXT, as our packets say (RFC 9293 §3.3.1). smoltcp does
    /// not tell, and resets must be compared with it (RFC 5961 §3.2).
    edges: (u32, u32),
    frames: Frames,
    /// Questions handed out and not answered.
    in_flight: usize,
    /// Framed answers that the socket has no room for yet.
    backlog: VecDeque<u8>,
    /// When bytes were last read, or acknowledged by the client.
    active: Instant,
    /// When the message that is being read began.
    message_since: Option<Instant>,
    /// When we closed our half.
    closed_at: Option<Instant>,
    /// No challenge before this (RFC 5961 §7).
    challenge_after: Instant,
    /// When to look at this connection again.
    pub(super) due: Instant,
}

/// What happens to a connection whose time is up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ending {
    /// Nothing is said: the client may never have existed.
    Forget,
    /// FIN.
    Close,
    /// RST.
    Reset,
}

impl Connection {
    /// Awaits the SYN with this sequence number.
    pub(super) fn new(now: Instant, ends: Ends, first_sequence: u32) -> Self {
        let buffer = |len| SocketBuffer::new(vec![0; len]);
        let mut socket = Socket::new(buffer(RECEIVE_BUFFER), buffer(SEND_BUFFER));
        socket.set_nagle_enabled(false); // an answer must not wait for an ACK
        // We send when all that arrived has been handled, so that an ACK travels
        // with the answer if there is one, and need not be delayed if not.
        socket.set_ack_delay(None);
        socket.listen(ends.server).expect("the port is not 0 and the socket is new");
        let mut sockets = SocketSet::new(Vec::with_capacity(1));
        let handle = sockets.add(socket);
        Self {
            ends,
            sockets,
            handle,
            first_sequence,
            edges: (0, first_sequence.wrapping_add(1)),
            frames: Frames::default(),
            in_flight: 0,
            backlog: VecDeque::new(),
            active: now,
            message_since: None,
            closed_at: None,
            challenge_after: Instant::ZERO,
            due: now,
        }
    }

    pub(super) fn state(&self) -> State {
        self.sockets.get::<Socket<'_>>(self.handle).state()
    }

    /// Whether the client's ACK of our SYN has not come.
    pub(super) fn is_half_open(&self) -> bool {
        self.state() == State::SynReceived
    }

    /// Whether nothing is left to do and nothing to be sent.
    pub(super) fn is_gone(&self) -> bool {
        let socket = self.sockets.get::<Socket<'_>>(self.handle);
        matches!(socket.state(), State::Closed | State::Listen)
            && socket.remote_endpoint().is_none()
    }

    /// How well it can be spared: less is better. A closed one before a half-open
    /// one before an idle one before a busy one; among equals, the longest unused.
    pub(super) fn worth(&self) -> (u8, Instant) {
        let worth = match self.state() {
            State::Listen | State::Closed | State::TimeWait => 0,
            State::SynReceived => 1,
            _ if self.in_flight == 0 && self.backlog.is_empty() => 2,
            _ => 3,
        };
        (worth, self.message_since.unwrap_or(self.active))
    }

    /// Whether `sequence` is that of the SYN that began this.
    pub(super) fn began_with(&self, sequence: u32) -> bool {
        self.first_sequence == sequence
    }

    /// Where a reset with this sequence number falls.
    pub(super) fn place(&self, sequence: u32) -> Place {
        match sequence.wrapping_sub(self.edges.1) as usize {
            0 => Place::Edge,
            1..RECEIVE_BUFFER => Place::Window,
            _ => Place::Outside,
        }
    }

    /// Bytes of answers that wait for room.
    pub(super) fn backlog(&self) -> usize {
        self.backlog.len()
    }

    /// Bytes held of an unfinished question.
    pub(super) fn held(&self) -> usize {
        self.frames.held()
    }

    /// Takes a packet of this connection.
    pub(super) fn receive(&mut self, now: Instant, wire: &mut Wire, packet: &[u8]) {
        let before = (self.socket().state(), self.socket().send_queue());
        self.exchange(now, wire, Some(packet));
        let after = (self.socket().state(), self.socket().send_queue());
        if before.1 > after.1 || (before.0 == State::SynReceived && before.0 != after.0) {
            self.active = now;
        }
    }

    /// Sends what may be sent.
    pub(super) fn send(&mut self, now: Instant, wire: &mut Wire) {
        self.exchange(now, wire, None);
        let next = wire.interface.poll_at(to_smoltcp(now), &self.sockets);
        let next = next.map_or(Instant::NEVER, |at| {
            Instant::from_micros(u64::try_from(at.total_micros()).unwrap_or_default())
        });
        // What could not be sent now will not be in an instant: no spinning.
        let next = if next <= now { now + RETRY } else { next };
        self.due = next.min(self.deadline().0);
    }

    /// Reads whole questions into `asked`, writes answers, and closes after the
    /// client when all are answered (RFC 7766 §6.2.3).
    pub(super) fn settle(&mut self, now: Instant, mut asked: impl FnMut(Vec<u8>)) {
        self.read(now, &mut asked);
        self.write();
        if self.state() == State::CloseWait
            && self.in_flight == 0
            && self.backlog.is_empty()
            && !self.socket().can_recv()
        {
            self.close(now);
        }
    }

    /// Appends an answer.
    pub(super) fn answer(&mut self, message: &[u8]) {
        self.in_flight = self.in_flight.saturating_sub(1);
        match u16::try_from(message.len()) {
            Ok(0) => {}
            Ok(len) => {
                self.backlog.extend(len.to_be_bytes());
                self.backlog.extend(message);
            }
            Err(_) => self.reset(),
        }
    }

    /// Ends what has had its time. Returns whether it is to be forgotten.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        let (deadline, ending) = self.deadline();
        if now < deadline {
            return false;
        }
        match ending {
            Ending::Forget => return true,
            Ending::Close => self.close(now),
            Ending::Reset => self.reset(),
        }
        false
    }

    /// Ends it now; a reset is sent with the next packets.
    pub(super) fn reset(&mut self) {
        self.backlog = VecDeque::new();
        self.socket().abort();
    }

    /// The acknowledgment that makes a client that lost its state, and only it,
    /// send a reset that counts (RFC 5961 §3.2, §4.2). At most one a second.
    pub(super) fn challenge(&mut self, now: Instant) -> Option<Control> {
        if now < self.challenge_after || self.is_half_open() {
            return None;
        }
        self.challenge_after = now + CHALLENGE_INTERVAL;
        let room = RECEIVE_BUFFER - self.socket().recv_queue();
        Some(Control {
            source: self.ends.server,
            destination: self.ends.client,
            sequence: self.edges.0,
            acknowledgment: self.edges.1,
            flags: Flags::ACK,
            window: u16::try_from(room).unwrap_or(u16::MAX),
        })
    }

    fn socket(&mut self) -> &mut Socket<'static> {
        self.sockets.get_mut(self.handle)
    }

    fn close(&mut self, now: Instant) {
        self.closed_at = Some(now);
        self.socket().close();
    }

    /// One packet in, if there is one; else all packets out.
    fn exchange(&mut self, now: Instant, wire: &mut Wire, packet: Option<&[u8]>) {
        let now = to_smoltcp(now);
        let earlier = wire.outbox.len();
        let mut link = Link { packet, outbox: &mut wire.outbox, mtu: wire.mtu };
        if packet.is_some() {
            wire.interface.poll_ingress_single(now, &mut link, &mut self.sockets);
        } else {
            for _ in 0..MAX_BURST {
                let sent = link.outbox.len();
                wire.interface.poll_egress(now, &mut link, &mut self.sockets);
                if link.outbox.len() == sent {
                    break;
                }
            }
        }
        for (sent, received) in wire.outbox.edges_since(earlier) {
            // A retransmission ends before what was sent already.
            if sent.wrapping_sub(self.edges.0).cast_signed() > 0 || self.is_half_open() {
                self.edges.0 = sent;
            }
            self.edges.1 = received;
        }
    }

    fn read(&mut self, now: Instant, asked: &mut impl FnMut(Vec<u8>)) {
        while self.in_flight < MAX_IN_FLIGHT && self.backlog.len() < MAX_BACKLOG_READING {
            let frames = &mut self.frames;
            let socket = self.sockets.get_mut::<Socket<'_>>(self.handle);
            // A socket that was reset keeps what it had.
            if !socket.is_open() || !socket.can_recv() {
                break;
            }
            let Ok(step) = socket.recv(|bytes| frames.read(bytes)) else { break };
            self.active = now;
            match step {
                // A question that crossed our FIN cannot be answered: the client
                // is to ask again (RFC 7766 §6.2.4).
                _ if self.closed_at.is_some() => return self.reset(),
                Step::Empty => return self.reset(),
                Step::More => {}
                Step::Whole(message) => {
                    self.in_flight += 1;
                    self.message_since = None;
                    asked(message);
                }
            }
        }
        if self.frames.is_midway() {
            self.message_since.get_or_insert(now);
        }
    }

    fn write(&mut self) {
        let socket = self.sockets.get_mut::<Socket<'_>>(self.handle);
        while !self.backlog.is_empty() && socket.can_send() {
            let Ok(sent) = socket.send_slice(self.backlog.as_slices().0) else { break };
            self.backlog.drain(..sent);
        }
        if self.backlog.is_empty() && self.backlog.capacity() > SEND_BUFFER {
            self.backlog = VecDeque::new();
        }
    }

    fn deadline(&self) -> (Instant, Ending) {
        let socket = self.sockets.get::<Socket<'_>>(self.handle);
        if let Some(at) = self.closed_at {
            return match socket.state() {
                State::TimeWait => (Instant::NEVER, Ending::Forget), // smoltcp ends it
                _ => (at + PATIENCE, Ending::Reset),
            };
        }
        let quiet = match socket.state() {
            State::SynReceived => return (self.active + PATIENCE, Ending::Forget),
            _ if socket.send_queue() > 0 => (self.active + PATIENCE, Ending::Reset),
            _ if self.in_flight > 0 => (self.active + ANSWER_PATIENCE, Ending::Reset),
            _ => (self.active + PATIENCE, Ending::Close),
        };
        let slow = self.message_since.map(|since| (since + MESSAGE_PATIENCE, Ending::Reset));
        slow.filter(|slow| slow.0 < quiet.0).unwrap_or(quiet)
    }
}

/// Where a sequence number falls, as seen from the next one awaited.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// It is the next one.
    Edge,
    /// It is one that may come.
    Window,
    /// It is none that may come.
    Outside,
}

pub(super) fn to_smoltcp(at: Instant) -> smoltcp::time::Instant {
    smoltcp::time::Instant::from_micros(i64::try_from(at.as_micros()).unwrap_or(i64::MAX))
}

/// Bytes of each socket's buffers. Questions are short and leave at once; answers
/// that do not fit wait behind.
pub(super) const RECEIVE_BUFFER: usize = 4096;
pub(super) const SEND_BUFFER: usize = 4096;

/// Questions of one connection that may be unanswered; then we stop reading.
/// Clients pipeline tens (RFC 7766 §6.2.1.1).
pub(super) const MAX_IN_FLIGHT: usize = 128;

/// Bytes of answers that may wait before we stop reading questions: one answer of
/// the greatest length.
const MAX_BACKLOG_READING: usize = 64 * 1024;

/// Most packets of one connection in one go: the send buffer in segments of the
/// least size that smoltcp makes, 48 bytes. What is left goes out a little later.
const MAX_BURST: usize = SEND_BUFFER / 48 + 2;

/// How long a handshake, an idle connection (RFC 7766 §6.2.3), a close and a
/// client that takes nothing may last.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How long a client may wait for us in silence. Longer than any upstream takes.
const ANSWER_PATIENCE: Duration = Duration::from_secs(30);

/// How long one question may take to arrive: 30 bytes at one a second are 30 s.
pub(super) const MESSAGE_PATIENCE: Duration = Duration::from_mins(1);

const CHALLENGE_INTERVAL: Duration = Duration::from_secs(1); // RFC 5961 §7 leaves it to us
const RETRY: Duration = Duration::from_millis(10);
