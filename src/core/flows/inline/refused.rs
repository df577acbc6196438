//! Flows that must not be.

use std::time::Duration;

use super::desk::{Desk, Moment};
use super::door::Out;
use super::storms::Manner;
use crate::core::flow::Protocol;
use crate::core::flows::refuse::refuse;
use crate::core::time::Instant;
use crate::core::wire::ip::Packet;
use crate::core::wire::tcp::{Carrier, Control, Flags, Segment};

/// A flow that was refused. Nothing of it goes on any more.
#[derive(Debug)]
pub(super) struct Refused {
    /// Sequence number of its SYN, if it was seen: one with another number begins
    /// another flow.
    pub opened_at: Option<u32>,
    manner: Manner,
    /// When its client was told last.
    told: Option<Instant>,
    pub last: Instant,
    /// How many of its segments are yet to be turned into resets for its server,
    /// which has not heard of the end of it.
    to_server: u8,
}

impl Refused {
    /// One whose ends know, or need not.
    pub(super) fn new(now: Instant, opened_at: Option<u32>, manner: Manner) -> Self {
        Self { opened_at, manner, told: None, last: now, to_server: 0 }
    }

    /// One that lived, and whose ends do not know that it must not any more.
    pub(super) fn recalled(now: Instant, manner: Manner) -> Self {
        Self { to_server: TO_SERVER, ..Self::new(now, None, manner) }
    }

    /// Its client was told.
    pub(super) fn was_told(self) -> Self {
        Self { told: Some(self.last), ..self }
    }

    /// Takes another packet of its client.
    pub(super) fn handle(&mut self, desk: &mut Desk, at: &Moment<'_>, packet: &Packet<'_>) {
        self.last = at.now;
        if at.case.tuple.protocol == Protocol::Tcp && self.to_server > 0 {
            self.to_server -= 1;
            if let Some(reset) = reset_onward(at, packet) {
                desk.onward(at.case.client, reset, false);
            }
        }
        let lately = self.told.is_some_and(|told| at.now.since(told) < BETWEEN);
        if self.manner == Manner::Ignore || lately {
            return;
        }
        let mut answer = Vec::new();
        if refuse(packet, &mut answer) {
            desk.push(Out::Back(answer));
            self.told = Some(at.now);
        }
    }

    /// When it is forgotten if nothing more comes.
    pub(super) fn deadline(&self) -> Instant {
        self.last + REMEMBERED
    }
}

/// The reset that its server takes, if `packet` comes in order.
fn reset_onward(at: &Moment<'_>, packet: &Packet<'_>) -> Option<Vec<u8>> {
    let segment = Segment::parse(packet).ok()?;
    if segment.flags.has(Flags::RST) || !segment.flags.has(Flags::ACK) {
        return None;
    }
    let control = Control {
        source: at.case.tuple.source,
        destination: at.case.tuple.destination,
        sequence: segment.sequence,
        acknowledgment: segment.acknowledgment,
        flags: Flags::RST | Flags::ACK,
        window: 0,
    };
    let hop_limit = packet.hop_limit();
    let mut reset = Vec::new();
    let carrier = Carrier { control, timestamps: None, hop_limit, payload: &[] };
    carrier.write(&mut reset).is_ok().then_some(reset)
}

/// How long a flow is remembered after its last packet.
const REMEMBERED: Duration = Duration::from_mins(1);

/// Least time between two answers to a client about one flow.
const BETWEEN: Duration = Duration::from_millis(100);

/// So many resets reach a server of which at least one is in order.
const TO_SERVER: u8 = 3;
