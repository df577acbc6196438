//! A TCP connection until nothing about it is open any more.

use std::time::Duration;

use super::desk::{Desk, Moment};
use super::facts::{Facts, Look, Manners};
use super::held::{Held, Taken, What};
use super::put_back::{Open, Writer};
use super::verdicts::Ruling;
use crate::core::sniff::{Cause, MAX_HELD, Sniffed, Stream, Unnamed};
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
        }
    }

    /// Whether this SYN is of the same connection.
    pub(super) fn is_opened_by(&self, syn: &Segment<'_>) -> bool {
        !self.midway && syn.sequence.wrapping_add(1) == self.base
    }

    /// Takes its SYN once more. Of two that differ, the one that goes further is the
    /// one that the server has. Returns whether it may go on.
    pub(super) fn reopen(&mut self, now: Instant, facts: &Facts) -> bool {
        self.last = now;
        if facts.hop_limit < self.manners.hop_limit || facts.signed != self.manners.signed {
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

    /// A segment with bytes, or the end of them.
    fn bytes(
        &mut self,
        desk: &mut Desk,
        at: &Moment<'_>,
        look: Look,
        (packet, segment): (&Packet<'_>, &Segment<'_>),
    ) -> Fate {
        let offset = i64::from(segment.sequence.wrapping_sub(self.base).cast_signed());
        // The first bytes may be all that is needed, and then nothing is held.
        let first = self.held.len() == 0 && offset <= 0;
        if at.room < packet.bytes.len() && !first {
            return self.no_room(desk, at, packet);
        }
        let fin = segment.flags.has(Flags::FIN);
        let as_it_is = look == Look::Take;
        let original = (as_it_is && !fin).then_some(packet.bytes);
        let taken = if segment.payload.is_empty() {
            Taken { what: What::Ahead, conflict: false }
        } else {
            self.held.take(offset, segment.payload, original)
        };
        self.tricky |= taken.conflict || look == Look::Mend { tricky: true };
        self.acks = 0;
        self.spoke = self.spoke.or(Some(at.now));
        let len = i64::try_from(segment.payload.len()).unwrap_or(i64::MAX);
        if fin && !self.held.end_at(offset.saturating_add(len)) {
            desk.drop();
        }
        match taken.what {
            What::Grown(before) => self.sniff(desk, at, before),
            What::Again(range) => {
                // What still waits need not come twice.
                let exact = as_it_is && !taken.conflict;
                let again = range.start..range.end.min(self.held.gone());
                self.once_more(desk, at, again, exact.then_some(packet.bytes));
                self.go_on(desk, at)
            }
            What::Before if as_it_is => {
                // A client that asks whether the server is still there (RFC 9293 §3.8.4).
                desk.onward(at.case.client, packet.bytes.to_vec(), false);
                Fate::Stay
            }
            What::Before | What::Outside => {
                desk.drop();
                Fate::Stay
            }
            What::Ahead => self.go_on(desk, at),
        }
    }

    /// Sends bytes again that went on before.
    fn once_more(
        &self,
        desk: &mut Desk,
        at: &Moment<'_>,
        range: std::ops::Range<usize>,
        packet: Option<&[u8]>,
    ) {
        let Some(bytes) = self.held.bytes().get(range.clone()).filter(|bytes| !bytes.is_empty())
        else {
            return;
        };
        let mut packets = Vec::new();
        match packet {
            Some(packet) => packets.push(packet.to_vec()),
            None => self.writer(at).cut(range.start, bytes, &mut packets),
        }
        for packet in packets {
            desk.onward(at.case.client, packet, false);
        }
    }

    /// There is no room to hold a segment. One that waits is sent again; one that
    /// passed is held up no longer.
    fn no_room(&self, desk: &mut Desk, at: &Moment<'_>, packet: &Packet<'_>) -> Fate {
        desk.counters.over_bound += 1;
        if self.stage != Stage::Watching || self.tricky {
            return Fate::Stay;
        }
        desk.onward(at.case.client, packet.bytes.to_vec(), true);
        Fate::Pass
    }

    fn sniff(&mut self, desk: &mut Desk, at: &Moment<'_>, before: usize) -> Fate {
        let new = self.held.bytes().get(before..).unwrap_or_default();
        match self.stream.push(new) {
            Sniffed::NeedMore if before == 0 && self.weight() > at.room => {
                // The client sends it again.
                desk.counters.over_bound += 1;
                self.held.clear();
                self.stream = Stream::default();
                Fate::Stay
            }
            Sniffed::NeedMore => self.go_on(desk, at),
            Sniffed::Named(named) => {
                let over = self.stream.is_over();
                self.ruled(desk, at, at.case.named(&named), over)
            }
            Sniffed::Unnamed(_) if self.stage == Stage::Watching => self.go_on(desk, at),
            Sniffed::Unnamed(unnamed) => {
                let over = self.stream.is_over();
                self.ruled(desk, at, self.unnamed(at, desk, unnamed), over)
            }
        }
    }

    /// Nothing new is known; but it may be that nothing more will be.
    fn go_on(&mut self, desk: &mut Desk, at: &Moment<'_>) -> Fate {
        if self.held.len() >= MAX_HELD || self.held.is_ended() {
            return self.finish(desk, at);
        }
        if self.stage == Stage::Watching {
            if self.stream.is_over() {
                return self.is_over(desk, at);
            }
            self.writer(at).put_back(desk, at, &mut self.held, Open::Yes);
            return Fate::Stay;
        }
        self.waits = if self.held.waits() { self.waits.or(Some(at.now)) } else { None };
        Fate::Stay
    }

    fn finish(&mut self, desk: &mut Desk, at: &Moment<'_>) -> Fate {
        let ruling = match self.stream.finish() {
            Sniffed::Named(named) => at.case.named(&named),
            _ if self.stage == Stage::Watching => return self.is_over(desk, at),
            Sniffed::Unnamed(unnamed) if self.held.len() > 0 => self.unnamed(at, desk, unnamed),
            Sniffed::Unnamed(_) | Sniffed::NeedMore => self.unnamed(at, desk, silent()),
        };
        self.ruled(desk, at, ruling, true)
    }

    /// `over`: nothing more can be learnt.
    fn ruled(&mut self, desk: &mut Desk, at: &Moment<'_>, ruling: Ruling, over: bool) -> Fate {
        if ruling.refusal.is_some() {
            return Fate::Refuse(Box::new(ruling));
        }
        if self.stage == Stage::Sniffing {
            self.passes(desk, at, ruling);
        }
        if over || self.held.len() >= MAX_HELD || self.held.is_ended() {
            return self.is_over(desk, at);
        }
        self.stage = Stage::Watching;
        self.writer(at).put_back(desk, at, &mut self.held, Open::Yes);
        Fate::Stay
    }

    /// Nothing can be learnt any more.
    fn is_over(&mut self, desk: &mut Desk, at: &Moment<'_>) -> Fate {
        let open = if self.tricky { Open::Stays } else { Open::No };
        self.writer(at).put_back(desk, at, &mut self.held, open);
        if !self.tricky {
            return Fate::Pass;
        }
        self.stage = Stage::Guarded;
        self.reached = self.base.wrapping_add(u32::try_from(self.held.len()).unwrap_or(u32::MAX));
        Fate::Stay
    }

    fn passes(&mut self, desk: &mut Desk, at: &Moment<'_>, ruling: Ruling) {
        desk.passes(at, &ruling);
        self.ruling = Some(ruling);
    }

    fn unnamed(&self, at: &Moment<'_>, desk: &Desk, unnamed: Unnamed) -> Ruling {
        // What does not begin like a protocol that we read need not be a beginning.
        let cause = match unnamed.cause {
            Cause::OtherProtocol | Cause::Malformed if self.midway => Cause::Midway,
            cause => cause,
        };
        at.case.unnamed(Unnamed { cause, ..unnamed }, &desk.settings)
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
        if !exact || !fit || self.manners.signed || self.stage == Stage::Guarded {
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

    /// A segment of a client that plays tricks, after its verdict: new bytes go on,
    /// and where judged ones were it is those that go on again.
    fn guard(
        &mut self,
        desk: &mut Desk,
        at: &Moment<'_>,
        facts: &Facts,
        (packet, segment): (&Packet<'_>, &Segment<'_>),
    ) -> Fate {
        let fit = facts.hop_limit >= self.manners.hop_limit && facts.signed == self.manners.signed;
        let step = segment.sequence.wrapping_sub(self.reached).cast_signed();
        if !fit || segment.flags.has(Flags::SYN) || !(-GUARDED_STEP..=GUARDED_STEP).contains(&step)
        {
            desk.drop();
            return Fate::Stay;
        }
        self.last = at.now;
        if step > 0 {
            self.reached = segment.sequence;
        }
        let offset = segment.sequence.wrapping_sub(self.base).cast_signed();
        let judged = self.held.bytes();
        let Ok(start) = usize::try_from(offset) else {
            desk.drop();
            return Fate::Stay;
        };
        let Some(known) = judged.get(start..).filter(|known| !known.is_empty()) else {
            let far = start >= GUARDED_BYTES;
            desk.onward(at.case.client, packet.bytes.to_vec(), far);
            return if far { Fate::Pass } else { Fate::Stay };
        };
        if segment.payload.is_empty() {
            desk.onward(at.case.client, packet.bytes.to_vec(), false);
            return Fate::Stay;
        }
        let overlap = known.len().min(segment.payload.len());
        let mut bytes = known.get(..overlap).unwrap_or_default().to_vec();
        bytes.extend(segment.payload.get(overlap..).unwrap_or_default());
        let mut packets = Vec::new();
        self.writer(at).cut(start, &bytes, &mut packets);
        if segment.flags.has(Flags::FIN) {
            packets.extend(self.writer(at).control(start + bytes.len(), Flags::FIN | Flags::ACK));
        }
        packets.into_iter().for_each(|packet| desk.onward(at.case.client, packet, false));
        Fate::Stay
    }
}

fn silent() -> Unnamed {
    Unnamed { cause: Cause::Silent, spoken: None, ech: false }
}

/// How far two connections are apart that cannot be mistaken for one another.
const NEAR: u32 = 0x2_0000;

/// How long a client may take to say whom it wants. Then it passes without a name.
const LONGEST: Duration = Duration::from_secs(60);

/// How long a SYN is remembered that nothing follows.
const HALF_OPEN: Duration = Duration::from_secs(20);

/// How long a flow is remembered that says nothing.
const IDLE: Duration = Duration::from_secs(60);

/// The same of one that plays tricks.
const GUARDED: Duration = Duration::from_secs(3600);

/// After so many acknowledgments without a second hello none will come: a
/// HelloRetryRequest fits in one segment (RFC 8446 §4.1.4).
const WATCHED_ACKS: u32 = 16;

/// After so many acknowledgments of at least [`SILENT_BYTES`] a client that only
/// listens passes, as for the data of FTP.
const SILENT_ACKS: u32 = 64;
/// Far more than any server says that waits for a hello.
const SILENT_BYTES: u32 = 256 * 1024;

/// How far the segments of a client that plays tricks may lie apart.
const GUARDED_STEP: i32 = 4 << 20;

/// After so many bytes no server waits for the first ones any more.
const GUARDED_BYTES: usize = 1 << 30;
