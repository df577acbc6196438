//! Flows on their way: looked into, and put back or refused. TCP is not ended.
//!
//! # Contract
//!
//! 1. Hand in every packet of a client that came out of the TUN and is not for
//!    us: [`Inline::handle_packet`]. Packets of the servers never come.
//! 2. Take what comes of it with [`Inline::poll`] until it returns `None`.
//! 3. Call [`Inline::handle_timeout`] at [`Inline::poll_timeout`].
//! 4. When the rules changed: [`Inline::rejudge`]. When everything is to pass:
//!    [`Inline::release`].
//!
//! A packet that is put back [`Out::Onward`] with `decided` takes its flow past
//! us: the kernel sends the rest on without asking. So only that goes on
//! decided which leaves nothing open. A SYN is decided only where its program is
//! exempt, and the kernel must ask about each: whoever reuses a port may want another host.
//!
//! # What the server gets
//!
//! Until the verdict, nothing of what the client says; afterwards exactly the
//! bytes that were judged, in segments of ours where the client's could be read
//! in another way (overlaps, IP options, urgent bytes, clocks that go back). What a
//! server would not take is dropped, so that it decides nothing: segments without
//! ACK or with an ACK that the handshake does not explain, with a signature that
//! was not offered, with an older clock or a lower hop limit than the SYN had.
//! A client that sends any of the former stays with us until its flow ends, and
//! where judged bytes were it is those that go on again.
//!
//! What cannot be known here: whether a segment was lost on the way to the server,
//! and what it acknowledged. A client that is slower than a minute, or a packet of
//! which no byte was seen for want of room, passes without a name.
//!
//! # Hellos of flows that passed
//!
//! A client may say a second hello, after `HelloRetryRequest` (RFC 8446 §4.1.4) or after
//! some words in clear (`STARTTLS`). Where the kernel brings every segment back that begins
//! with a hello, and takes its flow out of the set by that ([`Inline::hellos_come_back`]), a
//! flow passes with its first hello and such a segment has it judged again. Where it
//! does not, and of clients that cut their hello smaller than any link asks for, a flow
//! stays with us until no hello can follow. In the first case a second hello that is cut
//! within its first bytes passes unread.
//!
//! # Floods
//!
//! Flows and held bytes are bounded, in all and for each client; at a bound what
//! is there stays. Flows for which there is no room pass unseen, decided, and are
//! counted as `over_bound`: 50,000 first datagrams in a second cost a client its
//! own share and nobody else's. Segments for which there is no room to wait are
//! dropped; clients send them again.

mod begin;
mod connection;
mod course;
mod desk;
mod door;
mod ends;
mod exchange;
mod facts;
mod flow;
mod held;
mod put_back;
mod quick;
pub mod recorded;
mod refused;
mod storms;
mod table;
mod verdicts;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use crate::core::flow::{Client, FiveTuple, Owner, Protocol};
use crate::core::flows::refuse::refuse;
use crate::core::time::Instant;
use crate::core::verdict::Verdict;
use crate::core::wire::ip::{self, Packet};
use crate::core::wire::tcp::Segment;
use crate::core::wire::udp::Datagram;

use desk::{Desk, Moment};
pub use door::{Counters, Fill, Judge, Learnt, Out, Refusal, Seen, Settings};
use flow::{Flow, State};
use table::{Bounds, Table};
use verdicts::Case;

/// The flows that are looked into. See the module's contract.
#[derive(Debug)]
pub struct Inline {
    table: Table<Flow>,
    desk: Desk,
}

/// A packet, and all that is known before anything is decided about it.
#[derive(Clone, Copy)]
struct Arrival<'a> {
    now: Instant,
    judge: &'a dyn Judge,
    client: &'a Client,
    tuple: FiveTuple,
    packet: &'a Packet<'a>,
    what: Transport<'a>,
}

#[derive(Clone, Copy)]
enum Transport<'a> {
    Tcp(Segment<'a>),
    Udp(Datagram<'a>),
}

impl Inline {
    /// No flows yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { table: Table::new(bounds(&settings), settings.seed), desk: Desk::new(settings) }
    }

    /// From now on these bounds and choices hold. What there is already stays, and so
    /// does what is random.
    pub fn set(&mut self, settings: Settings) {
        self.table.set_bounds(bounds(&settings));
        let seed = self.desk.settings.seed;
        self.desk.settings = Settings { seed, ..settings };
    }

    /// Takes a whole packet of `client` to somebody else.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        judge: &dyn Judge,
        client: &Client,
        packet: &Packet<'_>,
    ) {
        let (what, protocol, ports) = match packet.protocol {
            ip::TCP => match Segment::parse(packet) {
                Ok(of) => {
                    (Transport::Tcp(of), Protocol::Tcp, (of.source_port, of.destination_port))
                }
                Err(_) => return self.desk.drop(),
            },
            ip::UDP => match Datagram::parse(packet) {
                Ok(of) => {
                    (Transport::Udp(of), Protocol::Udp, (of.source_port, of.destination_port))
                }
                Err(_) => return self.desk.drop(),
            },
            _ => return self.other(judge, client, packet),
        };
        if !packet.is_answerable() {
            // There is nobody to refuse it to, and no flow.
            return self.desk.onward(client, packet.bytes.to_vec(), false);
        }
        let tuple = FiveTuple {
            protocol,
            source: SocketAddr::new(packet.source, ports.0),
            destination: SocketAddr::new(packet.destination, ports.1),
        };
        self.arrive(&Arrival { now, judge, client, tuple, packet, what });
    }

    /// Takes the answer to [`Out::WhoOwns`].
    pub fn handle_owner(
        &mut self,
        now: Instant,
        judge: &dyn Judge,
        tuple: FiveTuple,
        owner: Owner,
    ) {
        self.desk.handle_owner(tuple, &owner);
        let Some(flow) = self.table.find(&tuple) else { return };
        if flow.client != Client::Host(None) {
            return;
        }
        flow.client = Client::Host(Some(owner));
        flow.owner_until = None;
        if let State::Owned(_) = flow.state {
            self.is_owned(now, judge, &tuple);
        }
    }

    /// Takes the passing of time.
    pub fn handle_timeout(&mut self, now: Instant, judge: &dyn Judge) {
        self.desk.handle_timeout(now);
        while let Some(tuple) = self.table.due(now) {
            let Some(flow) = self.table.find(&tuple) else { break };
            let deadline = deadline_of(flow, &self.desk.settings);
            if deadline > now {
                self.table.set_deadline(&tuple, deadline);
                continue;
            }
            self.is_due(now, judge, tuple);
        }
    }

    /// When to call [`Inline::handle_timeout`] next. Early is harmless.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.table.next_deadline().into_iter().chain(self.desk.poll_timeout()).min()
    }

    /// The rules are others now: flows that passed and may no more are recalled,
    /// and flows that were refused and may be now begin anew.
    pub fn rejudge(&mut self, now: Instant, judge: &dyn Judge) {
        for tuple in self.table.tuples() {
            let Some(flow) = self.table.find(&tuple) else { continue };
            let (before, refused) = match &flow.state {
                State::Refused(refused) => (Some(&*refused.ruling), true),
                State::Passed(ruling, _) => (Some(&**ruling), false),
                State::Connection(connection) => (connection.ruling(), false),
                State::Exchange(exchange) => (exchange.ruling(), false),
                State::Owned(_) | State::Heard { .. } => (None, false),
            };
            let Some(before) = before else { continue };
            let case = Case { judge, client: &flow.client, tuple };
            match case.again(before) {
                Some(ruling) if !refused => self.recall(now, judge, tuple, &ruling),
                None if refused => drop(self.table.remove(&tuple)),
                _ => {}
            }
        }
    }

    /// Lets everything go that is held, and forgets all flows.
    pub fn release(&mut self, now: Instant) {
        for tuple in self.table.tuples() {
            let Some(mut flow) = self.table.remove(&tuple) else { continue };
            let (at, state) = parts(&mut flow, now, &verdicts::Anything, tuple, 0);
            match state {
                State::Owned(packets) => {
                    for packet in packets.drain(..) {
                        self.desk.onward(at.case.client, packet, true);
                    }
                }
                State::Connection(connection) => connection.release(&mut self.desk, &at),
                State::Exchange(exchange) => exchange.release(&mut self.desk, &at),
                State::Heard { .. } | State::Refused(_) | State::Passed(..) => {}
            }
        }
        self.desk.release();
    }

    /// Whether a segment that begins with a TLS hello comes, and those behind it,
    /// though its flow was `decided`. Not so at the start.
    pub fn hellos_come_back(&mut self, come: bool) {
        self.desk.hellos_come_back = come;
    }

    /// What is to be done; `None` if nothing is left.
    pub fn poll(&mut self) -> Option<Out> {
        self.desk.pop()
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.desk.counters()
    }

    /// How much there is now.
    #[must_use]
    pub fn fill(&self) -> Fill {
        let mut fill = Fill { held: self.table.held(), ..Fill::default() };
        for flow in self.table.values() {
            match flow.state {
                State::Refused(_) => fill.refused += 1,
                State::Passed(..) => fill.passed += 1,
                _ => fill.undecided += 1,
            }
        }
        fill
    }

    /// The bounds.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.desk.settings
    }

    /// Neither TCP nor UDP: an address rule decides, and nothing else.
    fn other(&mut self, judge: &dyn Judge, client: &Client, packet: &Packet<'_>) {
        if let Verdict::Block(_) = judge.address(packet.destination, client) {
            let mut answer = Vec::new();
            if refuse(packet, &mut answer) {
                self.desk.push(Out::Back(answer));
            }
        } else {
            self.desk.onward(client, packet.bytes.to_vec(), false);
        }
    }

    fn arrive(&mut self, arrival: &Arrival<'_>) {
        let known = self.table.find(&arrival.tuple);
        match (known, arrival.what) {
            (None, _) => self.begin(arrival),
            (Some(_), Transport::Tcp(segment)) if segment.opens() => self.opens(arrival, &segment),
            (Some(_), _) => self.goes_on(arrival),
        }
    }
}

fn bounds(settings: &Settings) -> Bounds {
    let Settings { flows, flows_of_client, held, .. } = *settings;
    Bounds {
        slots: flows,
        slots_of_member: flows_of_client,
        held,
        held_of_member: held.saturating_mul(flows_of_client.min(flows)) / flows.max(1),
    }
}

fn deadline_of(flow: &Flow, settings: &Settings) -> Instant {
    flow.deadline(settings.patience, settings.patience_udp)
}

fn parts<'a>(
    flow: &'a mut Flow,
    now: Instant,
    judge: &'a dyn Judge,
    tuple: FiveTuple,
    room: usize,
) -> (Moment<'a>, &'a mut State) {
    let Flow { client, since, owner_until, bytes, state } = flow;
    let case = Case { judge, client, tuple };
    let (since, owner_until, bytes) = (*since, *owner_until, *bytes);
    (Moment { now, case, since, owner_until, bytes, room }, state)
}
