//! A TCP connection until nothing about it is open any more.

mod bytes;
mod guarded;

use std::time::Duration;

use super::desk::{Desk, Moment};
use super::facts::{Facts, Look, Manners};
use super::held::Held;
use super::put_back::{Open, Writer};
use super::verdicts::Ruling;
use crate::core::sniff::{Cause, Stream, Unnamed};
use crate::core::time::Instant;
use crate::core::wire::ip::Packet;
use crate::core::wire::tcp::{Flags, Segment};

/// See the module.
#[derive(Debug)]
pub(super) struct Connection {
    /// Sequence number of the first byte of the stream.
    base: u32,
    manners: Manners,
    held: Held,
    stream: Stream,
    stage: Stage,
    /// It began before we saw it.
    midway: bool,
    /// Its client sent what only tools send: it stays with us until it ends, so
    /// that no byte takes the place of one that was judged.
    tricky: bool,
    /// When its first byte came.
    spoke: Option<Instant>,
    /// Since when bytes wait.
    waits: Option<Instant>,
    last: Instant,
    /// Acknowledgments without bytes, since something else came.
    acks: u32,
    /// What was decided when it passed.
    ruling: Option<Ruling>,
    /// How far the bytes went that were not held.
    reached: u32,
    /// Bytes in its last segment that had some.
    last_bytes: usize,
    /// It cuts what it says smaller than any link asks for.
    small: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// Nothing is decided.
    Sniffing,
    /// It passed, and may yet name another host.
    Watching,
    /// Nothing is open, but it plays tricks.
    Guarded,
}

/// What a connection does when another one begins between the same ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Met {
    /// The other is false.
    Drop,
    /// The server shall say which one it is.
    Stay,
    /// The other takes its place.
    GiveWay,
}

/// What becomes of a flow.
#[derive(Debug)]
pub(super) enum Fate {
    /// It stays as it is.
    Stay,
    /// It passes, and its last packet was `decided`, or the next one will be.
    Pass,
    /// It must not be.
    Refuse(Box<Ruling>),
    /// It has ended.
    End,
}

impl Connection {
    /// One that begins with this segment, a SYN.
    pub(super) fn opened(now: Instant, facts: &Facts, syn: &Segment<'_>) -> Self {
        Self::new(now, syn.sequence.wrapping_add(1), Manners::of(facts, true))
    }

    /// One that began before us, or that we forgot: its first segment is this, for
    /// all we know.
    pub(super) fn midway(now: Instant, facts: &Facts, segment: &Segment<'_>) -> Self {
        let new = Self::new(now, segment.sequence, Manners::of(facts, false));
        Self { midway: true, ..new }
    }

    fn new(now: Instant, base: u32, manners: Manners) -> Self {
        Self {
            base,
            manners,
            held: Held::new(),
            stream: Stream::default(),
            stage: Stage::Sniffing,
            midway: false,
            tricky: false,
            spoke: None,
            waits: None,
            last: now,
            acks: 0,
            ruling: None,
            reached: 0,
            last_bytes: 0,
            small: false,
        }
    }

    /// One that passed by `ruling`, and says another hello.
    pub(super) fn again(
        now: Instant,
        facts: &Facts,
        segment: &Segment<'_>,
        ruling: Ruling,
    ) -> Self {
        let (stage, stream, ruling) = (Stage::Watching, Stream::after_hello(), Some(ruling));
        Self { stream, stage, ruling, ..Self::midway(now, facts, segment) }
    }

    /// Whether this SYN is of the same connection.
    pub(super) fn is_opened_by(&self, syn: &Segment<'_>) -> bool {
        !self.midway && syn.sequence.wrapping_add(1) == self.base
    }

    /// Takes its SYN once more. Of two that differ, the one that goes further is the
    /// one that the server has. Returns whether it may go on.
    pub(super) fn reopen(&mut self, now: Instant, facts: &Facts) -> bool {
        self.last = now;
        if facts.hop_limit < self.manners.hop_limit || facts.signed && !self.manners.signed {
            return false;
        }
        if self.spoke.is_none() {
            self.manners = Manners { acks: None, ..Manners::of(facts, true) };
        }
        true
    }

    /// Another connection takes its place while it was not over. A server may still
    /// be at the one or the other.
    pub(super) fn is_tricky(&mut self) {
        self.tricky = true;
    }

    /// Meets the SYN of another connection between the same ends. A server that has
    /// heard of this one does not take it (RFC 5961 §4.2), and says so to the client.
    pub(super) fn meets(&self, facts: &Facts, syn: &Segment<'_>) -> Met {
        let base = syn.sequence.wrapping_add(1);
        // So near that bytes of the one could be taken for those of the other.
        let near = base.wrapping_sub(self.base).cast_signed().unsigned_abs() <= NEAR;
        if facts.hop_limit < self.manners.hop_limit || facts.signed != self.manners.signed {
            Met::Drop
        } else if self.manners.acks.is_some() {
            Met::Stay
        } else if near {
            Met::Drop
        } else {
            Met::GiveWay
        }
    }

    /// Takes a segment of the client that is not a SYN.
    pub(super) fn handle(
        &mut self,
        desk: &mut Desk,
        at: &Moment<'_>,
        packet: &Packet<'_>,
        segment: &Segment<'_>,
    ) -> Fate {
        let facts = Facts::of(packet, segment);
        if segment.flags.has(Flags::RST) {
            return self.reset(desk, at, &facts, segment);
        }
        if self.stage == Stage::Guarded {
            return self.guard(desk, at, &facts, (packet, segment));
        }
        let heard = self.stage == Stage::Watching;
        let look = self.manners.look(&facts, segment, heard);
        if look == Look::Drop {
            desk.drop();
            return Fate::Stay;
        }
        self.last = at.now;
        let first_ack = self.manners.acks.map_or(segment.acknowledgment, |(first, _)| first);
        self.manners.note(&facts, segment);
        if !segment.payload.is_empty() || segment.flags.has(Flags::FIN) {
            return self.bytes(desk, at, look, (packet, segment));
        }
        self.acks += 1;
        let received = self.manners.newest_ack().wrapping_sub(first_ack);
        self.acknowledged(desk, at, packet, received)
    }

    /// Takes the passing of time.
    pub(super) fn handle_timeout(&mut self, desk: &mut Desk, at: &Moment<'_>) -> Fate {
        match self.stage {
            Stage::Sniffing if self.spoke.is_some_and(|first| at.now >= first + LONGEST) => {
                self.finish(desk, at)
            }
            Stage::Sniffing if self.waits.is_some() => {
                self.waits = None;
                self.held.take_ahead_pieces(); // not looked at, and never will be
                self.writer(at).put_back(desk, at, &mut self.held, Open::Yes);
                Fate::Stay
            }
            Stage::Sniffing => self.end(desk, at),
            Stage::Watching => Fate::Pass,
            Stage::Guarded => Fate::End,
        }
    }

    /// When it is to be looked at next, whatever comes.
    pub(super) fn deadline(&self, patience: Duration) -> Instant {
        match (self.stage, self.spoke, self.waits) {
            (Stage::Sniffing, Some(first), Some(since)) => (since + patience).min(first + LONGEST),
            (Stage::Sniffing, Some(first), None) => first + LONGEST,
            (Stage::Sniffing, None, _) if self.manners.acks.is_none() => self.last + HALF_OPEN,
            (Stage::Sniffing, None, _) | (Stage::Watching, ..) => self.last + IDLE,
            (Stage::Guarded, ..) => self.last + GUARDED,
        }
    }

    /// What it costs in memory.
    pub(super) fn weight(&self) -> usize {
        self.held.weight() + self.stream.held()
    }

    /// Everything that is held goes on.
    pub(super) fn release(&mut self, desk: &mut Desk, at: &Moment<'_>) {
        if self.held.waits() || self.held.is_ended() {
            self.writer(at).put_back(desk, at, &mut self.held, Open::No);
        }
    }

    /// What was decided when it passed, if it did.
    pub(super) fn ruling(&self) -> Option<&Ruling> {
        self.ruling.as_ref()
    }

    /// What was decided when it passed.
    pub(super) fn into_ruling(self) -> Ruling {
        self.ruling.unwrap_or_else(|| Ruling::unknown(Cause::Silent))
    }

    /// The two resets that end it: to the client, and to the server.
    pub(super) fn resets(&self, at: &Moment<'_>) -> [Option<Vec<u8>>; 2] {
        let writer = self.writer(at);
        let back = writer.reset_back(self.held.len());
        [back, writer.control(self.held.gone(), Flags::RST | Flags::ACK)]
    }

    /// Sequence number of its SYN, if it was seen.
    pub(super) fn opened_at(&self) -> Option<u32> {
        (!self.midway).then_some(self.base.wrapping_sub(1))
    }

    fn writer(&self, at: &Moment<'_>) -> Writer {
        Writer { tuple: at.case.tuple, base: self.base, manners: self.manners }
    }

    /// A segment that only acknowledges. Servers that speak first lose no time.
    fn acknowledged(
        &mut self,
        desk: &mut Desk,
        at: &Moment<'_>,
        packet: &Packet<'_>,
        received: u32,
    ) -> Fate {
        let passes = match self.stage {
            Stage::Watching => self.acks >= WATCHED_ACKS,
            _ => !self.held.waits() && self.acks >= SILENT_ACKS && received >= SILENT_BYTES,
        } && !self.tricky;
        desk.onward(at.case.client, packet.bytes.to_vec(), passes);
        if !passes {
            return Fate::Stay;
        }
        if self.stage == Stage::Sniffing {
            self.passes(desk, at, self.unnamed(at, desk, silent()));
        }
        Fate::Pass
    }

    /// The client ends it. A server believes only a reset that is exactly in order
    /// (RFC 5961 §3.2), and ours is.
    fn reset(
        &mut self,
        desk: &mut Desk,
        at: &Moment<'_>,
        facts: &Facts,
        segment: &Segment<'_>,
    ) -> Fate {
        let offset = segment.sequence.wrapping_sub(self.base) as usize;
        let exact = offset == self.held.gone() || offset == self.held.len();
        let fit = facts.hop_limit >= self.manners.hop_limit && facts.signed == self.manners.signed;
        let odd = segment.flags.has(Flags::SYN) || self.manners.signed;
        if !exact || !fit || odd || self.stage == Stage::Guarded {
            desk.drop();
            return Fate::Stay;
        }
        if let [_, Some(reset)] = self.resets(at) {
            desk.onward(at.case.client, reset, false);
        }
        self.end(desk, at)
    }

    fn end(&mut self, desk: &mut Desk, at: &Moment<'_>) -> Fate {
        // Who never heard of the server never had a connection.
        if self.ruling.is_none() && self.manners.acks.is_some() {
            self.passes(desk, at, self.unnamed(at, desk, silent()));
        }
        Fate::End
    }
}

fn silent() -> Unnamed {
    Unnamed { cause: Cause::Silent, spoken: None, ech: false }
}

/// How far two connections are apart that cannot be mistaken for one another.
const NEAR: u32 = 0x2_0000;

/// How long a client may take to say whom it wants. Then it passes without a name.
const LONGEST: Duration = Duration::from_mins(1);

/// How long a SYN is remembered that nothing follows.
const HALF_OPEN: Duration = Duration::from_secs(20);

/// How long a flow is remembered that says nothing.
const IDLE: Duration = Duration::from_mins(1);

/// The same of one that plays tricks.
const GUARDED: Duration = Duration::from_hours(1);

/// After so many acknowledgments without a second hello none will come: a
/// `HelloRetryRequest` fits in one segment (RFC 8446 §4.1.4).
const WATCHED_ACKS: u32 = 16;

/// After so many acknowledgments of at least [`SILENT_BYTES`] a client that only
/// listens passes, as for the data of FTP.
const SILENT_ACKS: u32 = 64;
/// Far more than any server says that waits for a hello.
const SILENT_BYTES: u32 = 256 * 1024;
