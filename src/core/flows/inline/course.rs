//! How a flow goes on, and what becomes of it.

use super::connection::{Connection, Fate};
use super::facts::Facts;
use super::flow::{self, Flow, State};
use super::verdicts::Ruling;
use super::{Arrival, Inline, Judge, Transport, deadline_of, parts};
use crate::core::flow::Member;
use crate::core::flow::{Client, FiveTuple, Owner};
use crate::core::sniff::Cause;
use crate::core::time::Instant;
use crate::core::verdict::Verdict;
use crate::core::wire::ip::Packet;
use crate::core::wire::tcp::{Flags, Segment};
use crate::core::wire::tls::{CHANGE_CIPHER_SPEC, HANDSHAKE};

impl Inline {
    /// A packet of a flow that stands in the table.
    pub(super) fn goes_on(&mut self, arrival: &Arrival<'_>) {
        let Arrival { now, judge, tuple, packet, .. } = *arrival;
        let room = self.table.room(Member::from(arrival.client));
        let Some(flow) = self.table.find(&tuple) else { return };
        let payload = match &arrival.what {
            Transport::Tcp(segment) => segment.payload,
            Transport::Udp(datagram) => datagram.payload,
        };
        flow.bytes += payload.len() as u64;
        let (at, state) = parts(flow, now, judge, tuple, room);
        let desk = &mut self.desk;
        let fate = match (state, &arrival.what) {
            (State::Owned(packets), _) => {
                let held: usize = packets.iter().map(Vec::len).sum();
                if packets.len() < MAX_OWNED
                    && held + packet.bytes.len() <= room.min(MAX_OWNED_BYTES)
                {
                    packets.push(packet.bytes.to_vec());
                }
                Fate::Stay
            }
            (State::Heard { acks, last }, Transport::Tcp(segment)) => {
                if !segment.payload.is_empty() {
                    return self.hears_bytes(arrival);
                }
                (*acks, *last) = (acks.saturating_add(1), now);
                let passes = *acks >= HEARD_ACKS && !ends(segment);
                desk.onward(at.case.client, packet.bytes.to_vec(), passes);
                match (ends(segment), passes) {
                    (true, _) => Fate::End,
                    (false, true) => Fate::Pass,
                    (false, false) => Fate::Stay,
                }
            }
            (State::Connection(connection), Transport::Tcp(segment)) => {
                connection.handle(desk, &at, packet, segment)
            }
            (State::Exchange(exchange), Transport::Udp(datagram)) => {
                exchange.handle(desk, &at, packet.bytes, datagram.payload)
            }
            (State::Refused(refused), _) => {
                refused.handle(desk, &at, packet);
                Fate::Stay
            }
            (State::Passed(..), Transport::Tcp(segment))
                if desk.hellos_come_back && may_be_hello(segment.payload) =>
            {
                return self.hears_hello(arrival, segment);
            }
            (State::Passed(_, used), _) => {
                *used = now;
                let last = matches!(&arrival.what, Transport::Tcp(segment) if ends(segment));
                desk.onward(at.case.client, packet.bytes.to_vec(), !last);
                if last {
                    self.table.spare_it_first(&tuple);
                }
                return;
            }
            // A tuple has one protocol, and so has its state.
            (State::Heard { .. } | State::Connection(_) | State::Exchange(_), _) => Fate::Stay,
        };
        self.settle_fate(now, judge, tuple, fate);
    }

    /// A flow that passed says a hello.
    fn hears_hello(&mut self, arrival: &Arrival<'_>, segment: &Segment<'_>) {
        let Some(flow) = self.table.find(&arrival.tuple) else { return };
        let before = std::mem::replace(&mut flow.state, State::Owned(Vec::new()));
        let State::Passed(ruling, _) = before else { return flow.state = before };
        let facts = Facts::of(arrival.packet, segment);
        let connection = Connection::again(arrival.now, &facts, segment, *ruling);
        flow.state = State::Connection(Box::new(connection));
        self.table.need_it(&arrival.tuple);
        self.goes_on(arrival);
    }

    pub(super) fn is_due(&mut self, now: Instant, judge: &dyn Judge, tuple: FiveTuple) {
        let Some(flow) = self.table.find(&tuple) else { return };
        let (at, state) = parts(flow, now, judge, tuple, 0);
        let fate = match state {
            State::Owned(_) => {
                flow.client = Client::Host(Some(Owner::default()));
                flow.owner_until = None;
                return self.is_owned(now, judge, &tuple);
            }
            State::Connection(connection) => connection.handle_timeout(&mut self.desk, &at),
            State::Exchange(exchange) => exchange.handle_timeout(&mut self.desk, &at),
            State::Heard { .. } | State::Refused(_) | State::Passed(..) => Fate::End,
        };
        self.settle_fate(now, judge, tuple, fate);
    }

    /// It is known whose this flow is, or that it will not be: its packets are
    /// taken as if they came now.
    pub(super) fn is_owned(&mut self, now: Instant, judge: &dyn Judge, tuple: &FiveTuple) {
        let Some(Flow { client, state: State::Owned(packets), .. }) = self.table.remove(tuple)
        else {
            return;
        };
        if self.is_exempt(judge, &client, tuple) {
            return packets.into_iter().for_each(|packet| self.desk.onward(&client, packet, true));
        }
        for packet in packets {
            if let Ok(packet) = Packet::parse(&packet) {
                self.handle_packet(now, judge, &client, &packet);
            }
        }
    }

    /// Whether it is not to be looked into. What an address rule stops is stopped for all.
    fn is_exempt(&self, judge: &dyn Judge, client: &Client, tuple: &FiveTuple) -> bool {
        let Client::Host(Some(Owner { program: Some(program), .. })) = client else { return false };
        let stopped = || matches!(judge.address(tuple.destination.ip(), client), Verdict::Block(_));
        self.desk.settings.exempt.contains(program) && !stopped()
    }

    fn settle_fate(&mut self, now: Instant, judge: &dyn Judge, tuple: FiveTuple, fate: Fate) {
        match fate {
            Fate::Stay => self.settle(&tuple),
            Fate::End => drop(self.table.remove(&tuple)),
            Fate::Pass => self.is_passed(now, tuple),
            Fate::Refuse(ruling) => self.refuse_live(now, judge, tuple, &ruling),
        }
    }

    /// What the flow holds, and when it is to be looked at, may be otherwise now.
    pub(super) fn settle(&mut self, tuple: &FiveTuple) {
        let Some(flow) = self.table.find(tuple) else { return };
        let (weight, deadline) = (flow.weight(), deadline_of(flow, &self.desk.settings));
        self.table.settle(tuple, weight, deadline);
    }

    fn is_passed(&mut self, now: Instant, tuple: FiveTuple) {
        let Some(flow) = self.table.find(&tuple) else { return };
        let before = std::mem::replace(&mut flow.state, State::Owned(Vec::new()));
        let ruling = match before {
            State::Connection(connection) => connection.into_ruling(),
            State::Exchange(exchange) => exchange.into_ruling(),
            // Its client only listens.
            State::Heard { .. } => Ruling::unknown(Cause::Silent),
            other => return flow.state = other,
        };
        flow.state = State::Passed(Box::new(ruling), now);
        self.table.spare_it(&tuple);
        self.table.weigh(&tuple, 0);
        self.table.set_deadline(&tuple, now + flow::PASSED);
    }
}

fn ends(segment: &Segment<'_>) -> bool {
    segment.flags.has(Flags::RST) || segment.flags.has(Flags::FIN)
}

/// Whether the kernel would have brought it for its first bytes. What else comes of a
/// flow that passed does so because the set is full, or was emptied.
fn may_be_hello(payload: &[u8]) -> bool {
    matches!(payload, [HANDSHAKE | CHANGE_CIPHER_SPEC, TLS, ..])
}

const TLS: u8 = 3; // the version of every record, first half (RFC 8446 §5.1)

/// Most packets of a flow that wait until it is known whose it is.
const MAX_OWNED: usize = 8;

/// Most bytes of them.
const MAX_OWNED_BYTES: usize = 12 * 1024;

/// After so many acknowledgments a connection that we never saw begin passes: its
/// client only listens. Those that end a connection are fewer.
const HEARD_ACKS: u8 = 4;
