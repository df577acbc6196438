//! The bytes of a connection: held, judged, put back.

use std::ops::Range;

use super::{Connection, Fate, Stage, silent};
use crate::core::flows::inline::desk::{Desk, Moment};
use crate::core::flows::inline::facts::Look;
use crate::core::flows::inline::held::{Taken, What};
use crate::core::flows::inline::put_back::{LEAST, Open};
use crate::core::flows::inline::verdicts::Ruling;
use crate::core::sniff::{Cause, MAX_HELD, Sniffed, Stream, Unnamed};
use crate::core::wire::ip::Packet;
use crate::core::wire::tcp::{Flags, Segment};

impl Connection {
    /// A segment with bytes, or the end of them.
    pub(super) fn bytes(
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
        self.small |= self.last_bytes > 0 && self.last_bytes < LEAST;
        self.last_bytes = segment.payload.len();
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
        range: Range<usize>,
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

    pub(super) fn finish(&mut self, desk: &mut Desk, at: &Moment<'_>) -> Fate {
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
        let over = over || desk.hellos_come_back && !self.small;
        if self.stage == Stage::Sniffing {
            self.passes(desk, at, ruling);
        } else if ruling.is_named() && self.ruling.as_ref().is_none_or(|before| !before.is_named())
        {
            desk.learns(at, &ruling);
            self.ruling = Some(ruling);
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
        self.stream = Stream::default(); // nothing more is read
        self.reached = self.base.wrapping_add(u32::try_from(self.held.len()).unwrap_or(u32::MAX));
        Fate::Stay
    }

    pub(super) fn passes(&mut self, desk: &mut Desk, at: &Moment<'_>, ruling: Ruling) {
        desk.passes(at, &ruling);
        self.ruling = Some(ruling);
    }

    pub(super) fn unnamed(&self, at: &Moment<'_>, desk: &Desk, unnamed: Unnamed) -> Ruling {
        // What does not begin like a protocol that we read need not be a beginning.
        let cause = match unnamed.cause {
            Cause::OtherProtocol | Cause::Malformed if self.midway => Cause::Midway,
            cause => cause,
        };
        at.case.unnamed(Unnamed { cause, ..unnamed }, &desk.settings)
    }
}
