//! What a segment says beside its bytes, and whether a server would take it.
//!
//! Tools that want a filter to see other bytes than the server send segments that
//! only the filter reads. So a segment counts only if nothing about it would make
//! a Linux server, or a router before it, throw it away; and where it might be
//! read in two ways its bytes go on in a segment of ours.

use crate::core::wire::ip::Packet;
use crate::core::wire::tcp::{Choice, Flags, Segment, Timestamps};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub hop_limit: u8,
    pub timestamps: Option<Timestamps>,
    /// It has a signature (RFC 2385, RFC 5925).
    pub signed: bool,
    /// Something about it can be read in two ways: options that cannot be, IP
    /// options or extension headers, an urgent byte.
    pub odd: bool,
    /// It fits in a frame as it is.
    pub fits: bool,
}

/// What a server would make of a segment, as far as we can know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Look {
    /// It would throw it away, or never see it.
    Drop,
    /// It would take it, and so it goes on.
    Take,
    /// It would take the bytes, if they come in a segment of ours.
    Mend {
        /// Such a segment never comes by itself.
        tricky: bool,
    },
}

/// What the client of a flow has promised so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manners {
    /// How many routers its first segment could pass.
    pub hop_limit: u8,
    /// Its segments have signatures.
    pub signed: bool,
    /// Its clock when it began, if it said so.
    pub clock: Option<u32>,
    /// What it last said of the clocks.
    pub timestamps: Option<Timestamps>,
    /// What it acknowledged first, and most.
    pub acks: Option<(u32, u32)>,
    pub window: u16,
    /// Most bytes it sent in one segment.
    pub largest: usize,
}

impl Facts {
    pub(super) fn of(packet: &Packet<'_>, segment: &Segment<'_>) -> Self {
        let odd = !packet.is_plain() || segment.flags.has(Flags::URG);
        let hop_limit = packet.hop_limit();
        let fits = packet.bytes.len() <= MOST_IN_A_FRAME;
        let mut facts = Self { hop_limit, timestamps: None, signed: false, odd, fits };
        for choice in segment.options() {
            match choice {
                Ok(Choice::Timestamps(stamps)) => facts.timestamps = Some(stamps),
                Ok(Choice::Signature) => facts.signed = true,
                Ok(Choice::Other(_)) => {}
                Err(_) => facts.odd = true,
            }
        }
        facts
    }
}

impl Manners {
    /// Those of a client whose first segment this is.
    pub(super) fn of(facts: &Facts, opens: bool) -> Self {
        Self {
            hop_limit: facts.hop_limit,
            signed: facts.signed,
            clock: facts.timestamps.map(|stamps| stamps.value),
            timestamps: facts.timestamps.filter(|_| !opens),
            acks: None,
            window: 0,
            largest: 0,
        }
    }

    /// What a server would make of a segment that is neither SYN nor RST. `heard`:
    /// the server has heard enough to answer, so that other acknowledgments than the
    /// first are what is usual.
    pub(super) fn look(&self, facts: &Facts, segment: &Segment<'_>, heard: bool) -> Look {
        let before = |one: u32, other: u32| one.wrapping_sub(other).cast_signed() < 0;
        let old_clock = |stamps: Timestamps| self.clock.is_some_and(|of| before(stamps.value, of));
        // A server takes no bytes without ACK (RFC 9293 §3.10.7.4, fifth), none whose
        // clock went back (RFC 7323 §5.3), and no signature that was not asked for.
        let unfit = !segment.flags.has(Flags::ACK)
            || segment.flags.has(Flags::SYN)
            || facts.hop_limit < self.hop_limit
            || facts.signed != self.signed
            || facts.timestamps.is_some_and(old_clock)
            || !self.explains(segment.acknowledgment);
        if unfit {
            return Look::Drop;
        }
        let tricky = facts.odd
            || match (self.timestamps, facts.timestamps) {
                (Some(last), Some(now)) => before(now.value, last.value),
                (Some(_), None) => true,
                (None, _) => false,
            };
        let usual = facts.hop_limit == self.hop_limit
            && facts.fits
            && self.acks.is_none_or(|(first, _)| heard || segment.acknowledgment == first);
        match (tricky, usual) {
            // We cannot sign for it.
            (true, _) if self.signed => Look::Drop,
            (false, true) => Look::Take,
            (false, false) if self.signed => Look::Take,
            _ => Look::Mend { tricky },
        }
    }

    /// Learns from a segment that a server would take.
    pub(super) fn note(&mut self, facts: &Facts, segment: &Segment<'_>) {
        let ack = segment.acknowledgment;
        let (first, most) = self.acks.unwrap_or((ack, ack));
        self.acks =
            Some((first, if most.wrapping_sub(ack).cast_signed() < 0 { ack } else { most }));
        self.window = segment.window;
        if let (Some(_), Some(now)) = (self.clock, facts.timestamps)
            && self.timestamps.is_none_or(|last| now.value.wrapping_sub(last.value) < 1 << 31)
        {
            self.timestamps = Some(now);
        }
        if facts.fits {
            self.largest = self.largest.max(segment.payload.len());
        }
    }

    /// What a segment of ours acknowledges. The first is what a server takes however
    /// little of it came from where; but one that is too old it does not take
    /// (RFC 5961 §5.2).
    pub(super) fn acknowledges(&self) -> u32 {
        match self.acks {
            Some((first, most)) if most.wrapping_sub(first) > u16::MAX.into() => most,
            Some((first, _)) => first,
            None => 0,
        }
    }

    /// What the client itself acknowledged most.
    pub(super) fn newest_ack(&self) -> u32 {
        self.acks.map_or(0, |(_, most)| most)
    }

    /// Whether the handshake explains this acknowledgment.
    fn explains(&self, ack: u32) -> bool {
        self.acks.is_none_or(|(first, most)| {
            ack.wrapping_sub(first) <= most.wrapping_sub(first).saturating_add(ACK_STEP)
        })
    }
}

/// By how much an acknowledgment may go past all before: a window without its scale.
const ACK_STEP: u32 = 0x1_0000;

/// Longest packet that goes on as it came, in bytes (RFC 894). What is longer was
/// joined from fragments, or is of a link that the next may not match.
const MOST_IN_A_FRAME: usize = 1500;
