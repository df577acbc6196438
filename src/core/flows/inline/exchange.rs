//! A UDP flow until nothing about it is open any more.

use std::time::Duration;

use super::connection::Fate;
use super::desk::{Desk, Moment};
use super::verdicts::Ruling;
use crate::core::sniff::{Cause, Datagrams, Sniffed, Spoken, Unnamed};
use crate::core::time::Instant;

/// See the module.
#[derive(Debug)]
pub(super) struct Exchange {
    datagrams: Datagrams,
    /// What came so far and waits, as it came.
    packets: Vec<Vec<u8>>,
    packet_bytes: usize,
    /// Since when.
    waits: Option<Instant>,
    last: Instant,
    /// Datagrams since it passed.
    seen: u8,
    /// What was decided when it passed.
    ruling: Option<Ruling>,
}

impl Exchange {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            datagrams: Datagrams::default(),
            packets: Vec::new(),
            packet_bytes: 0,
            waits: None,
            last: now,
            seen: 0,
            ruling: None,
        }
    }

    /// Takes a datagram of the client: `packet`, with this payload.
    pub(super) fn handle(
        &mut self,
        desk: &mut Desk,
        at: &Moment<'_>,
        packet: &[u8],
        payload: &[u8],
    ) -> Fate {
        self.last = at.now;
        let room = at.room.saturating_add(self.datagrams.held());
        let sniffed = self.datagrams.push(payload);
        // What is read ahead counts, also where nothing waits for it any more.
        if self.datagrams.held() > room {
            self.datagrams = Datagrams::default();
        }
        if self.ruling.is_some() {
            return self.watch(desk, at, packet, sniffed);
        }
        let ruling = match sniffed {
            Sniffed::Named(named) => at.case.named(&named),
            Sniffed::Unnamed(unnamed) => at.case.unnamed(unnamed, &desk.settings),
            Sniffed::NeedMore if self.has_room(at, packet) => {
                self.packet_bytes += packet.len();
                self.packets.push(packet.to_vec());
                self.waits = self.waits.or(Some(at.now));
                return Fate::Stay;
            }
            Sniffed::NeedMore => {
                desk.counters.over_bound += 1;
                let ruling = self.finish(at, desk);
                self.datagrams = Datagrams::default();
                ruling
            }
        };
        self.ruled(desk, at, ruling, Some(packet))
    }

    /// Takes the passing of time.
    pub(super) fn handle_timeout(&mut self, desk: &mut Desk, at: &Moment<'_>) -> Fate {
        if self.ruling.is_some() {
            return Fate::Pass;
        }
        let ruling = self.finish(at, desk);
        self.ruled(desk, at, ruling, None)
    }

    /// When it is to be looked at next, whatever comes.
    pub(super) fn deadline(&self, patience: Duration) -> Instant {
        self.waits.map_or(self.last + IDLE, |since| since + patience)
    }

    /// What it costs in memory.
    pub(super) fn weight(&self) -> usize {
        self.packet_bytes + self.datagrams.held()
    }

    /// The first of the packets that wait.
    pub(super) fn first(&self) -> Option<&[u8]> {
        self.packets.first().map(Vec::as_slice)
    }

    /// Everything that is held goes on.
    pub(super) fn release(&mut self, desk: &mut Desk, at: &Moment<'_>) {
        self.put_back(desk, at, None, true);
    }

    /// What was decided when it passed, if it did.
    pub(super) fn ruling(&self) -> Option<&Ruling> {
        self.ruling.as_ref()
    }

    /// What was decided when it passed.
    pub(super) fn into_ruling(self) -> Ruling {
        self.ruling.unwrap_or_else(|| Ruling::unknown(Cause::Silent))
    }

    fn finish(&mut self, at: &Moment<'_>, desk: &Desk) -> Ruling {
        match self.datagrams.finish() {
            Sniffed::Named(named) => at.case.named(&named),
            Sniffed::Unnamed(unnamed) => at.case.unnamed(unnamed, &desk.settings),
            Sniffed::NeedMore => {
                let unnamed = Unnamed { cause: Cause::Incomplete, spoken: None, ech: false };
                at.case.unnamed(unnamed, &desk.settings)
            }
        }
    }

    fn ruled(
        &mut self,
        desk: &mut Desk,
        at: &Moment<'_>,
        ruling: Ruling,
        packet: Option<&[u8]>,
    ) -> Fate {
        if ruling.refusal.is_some() {
            self.packets.extend(packet.map(<[u8]>::to_vec));
            return Fate::Refuse(Box::new(ruling));
        }
        // A port may have several connections, and tools put a false one before the
        // true one. Where nobody speaks QUIC that gains them nothing.
        let quic = matches!(ruling.spoken, Some(Spoken::Quic(_)))
            || at.case.tuple.destination.port() == QUIC_PORT;
        let over = !ruling.is_named() && !quic;
        desk.passes(at, &ruling);
        self.ruling = Some(ruling);
        self.put_back(desk, at, packet, over);
        if over { Fate::Pass } else { Fate::Stay }
    }

    /// A datagram of a flow that passed: it goes on at once, unless it begins a
    /// connection that must not be.
    fn watch(&mut self, desk: &mut Desk, at: &Moment<'_>, packet: &[u8], sniffed: Sniffed) -> Fate {
        self.seen += 1;
        if let Sniffed::Named(named) = sniffed {
            let ruling = at.case.named(&named);
            if ruling.refusal.is_some() {
                self.packets.push(packet.to_vec());
                return Fate::Refuse(Box::new(ruling));
            }
        }
        let over = self.seen >= WATCHED;
        desk.onward(at.case.client, packet.to_vec(), over);
        if over { Fate::Pass } else { Fate::Stay }
    }

    fn has_room(&self, at: &Moment<'_>, packet: &[u8]) -> bool {
        self.packets.len() < MAX_PACKETS
            && self.packet_bytes + packet.len() <= MAX_BYTES
            && packet.len() + self.datagrams.held() <= at.room
    }

    fn put_back(&mut self, desk: &mut Desk, at: &Moment<'_>, packet: Option<&[u8]>, decided: bool) {
        (self.packet_bytes, self.waits) = (0, None);
        let held = std::mem::take(&mut self.packets).into_iter();
        let mut packets = held.chain(packet.map(<[u8]>::to_vec)).peekable();
        while let Some(packet) = packets.next() {
            desk.onward(at.case.client, packet, decided && packets.peek().is_none());
        }
    }
}

/// Most datagrams that wait. A hello with post-quantum keys takes two, and 0-RTT
/// fills the rest.
const MAX_PACKETS: usize = 8;

/// Most bytes of them.
const MAX_BYTES: usize = 12 * 1024;

/// After so many datagrams a flow that passed is watched no longer: more than a
/// handshake takes, and more than tools send ahead of what they mean.
const WATCHED: u8 = 6;

/// How long a flow is watched that says no more.
const IDLE: Duration = Duration::from_secs(30);

const QUIC_PORT: u16 = 443; // RFC 9114 §3.1
