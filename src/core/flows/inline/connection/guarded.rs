//! A client that plays tricks, after its verdict.

use super::{Connection, Fate};
use crate::core::flows::inline::desk::{Desk, Moment};
use crate::core::flows::inline::facts::Facts;
use crate::core::wire::ip::Packet;
use crate::core::wire::tcp::{Flags, Segment};

impl Connection {
    /// A segment of a client that plays tricks, after its verdict: new bytes go on,
    /// and where judged ones were it is those that go on again.
    pub(super) fn guard(
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
        // After the end there is nothing, whatever was sent.
        let ended = self.held.is_ended();
        if ended && start >= judged.len() && !segment.payload.is_empty() {
            desk.drop();
            return Fate::Stay;
        }
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
        if !ended {
            bytes.extend(segment.payload.get(overlap..).unwrap_or_default());
        }
        let mut packets = Vec::new();
        self.writer(at).cut(start, &bytes, &mut packets);
        if segment.flags.has(Flags::FIN) {
            packets.extend(self.writer(at).control(start + bytes.len(), Flags::FIN | Flags::ACK));
        }
        for packet in packets {
            desk.onward(at.case.client, packet, false);
        }
        Fate::Stay
    }
}

/// How far the segments of a client that plays tricks may lie apart.
const GUARDED_STEP: i32 = 4 << 20;

/// After so many bytes no server waits for the first ones any more.
const GUARDED_BYTES: usize = 1 << 30;
