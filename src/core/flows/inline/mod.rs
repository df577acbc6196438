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
//! decided which leaves nothing open. A SYN is never decided, and the kernel must
//! ask about each: whoever reuses a port may want another host.
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
//! # Floods
//!
//! Flows and held bytes are bounded, in all and for each client; at a bound what
//! is there stays. Flows for which there is no room pass unseen, decided, and are
//! counted as `over_bound`: 50,000 first datagrams in a second cost a client its
//! own share and nobody else's. Segments for which there is no room to wait are
//! dropped; clients send them again.

mod connection;
mod desk;
mod door;
mod exchange;
mod facts;
mod flow;
mod held;
mod put_back;
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
use crate::core::sniff::{Sniffed, Stream};
use crate::core::time::Instant;
use crate::core::verdict::Verdict;
use crate::core::wire::ip::{self, Packet};
use crate::core::wire::tcp::{self, Flags, Segment};
use crate::core::wire::udp::Datagram;

use connection::{Connection, Fate, Met};
use desk::{Desk, Moment, OWNER_PATIENCE};
pub use door::{Counters, Fill, Judge, Learnt, Out, Refusal, Seen, Settings};
use exchange::Exchange;
use facts::Facts;
use flow::{Flow, State};
use refused::Refused;
use storms::Manner;
use table::{Bounds, Member, Table};
use verdicts::{Case, Ruling};

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
        let Settings { flows, flows_of_client, held, seed, .. } = settings;
        let bounds = Bounds {
            slots: flows,
            slots_of_member: flows_of_client,
            held,
            held_of_member: held / flows.max(1) * flows_of_client.min(flows),
        };
        Self { table: Table::new(bounds, seed), desk: Desk::new(settings) }
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
    /// and flows that were refused begin anew.
    pub fn rejudge(&mut self, now: Instant, judge: &dyn Judge) {
        for tuple in self.table.tuples() {
            let Some(flow) = self.table.find(&tuple) else { continue };
            match &flow.state {
                State::Refused(_) => drop(self.table.remove(&tuple)),
                State::Passed(before, _) => {
                    let case = Case { judge, client: &flow.client, tuple };
                    if let Some(ruling) = case.again(before) {
                        self.recall(now, judge, tuple, &ruling);
                    }
                }
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

    /// The first packet of a flow.
    fn begin(&mut self, arrival: &Arrival<'_>) {
        if let Transport::Tcp(segment) = arrival.what {
            match first_look(&segment) {
                First::Flow => {}
                First::Onward => {
                    let packet = arrival.packet.bytes.to_vec();
                    return self.desk.onward(arrival.client, packet, false);
                }
                First::Nonsense => return self.desk.drop(),
            }
        }
        let Arrival { now, judge, client, tuple, packet, .. } = *arrival;
        let asks = *client == Client::Host(None);
        let waits = asks && judge.depends_on_program();
        let state = match arrival.what {
            _ if waits => State::Owned(vec![packet.bytes.to_vec()]),
            what => new_state(now, packet, what),
        };
        let owner_until = asks.then(|| now + OWNER_PATIENCE);
        let flow = Flow { client: client.clone(), since: now, owner_until, bytes: 0, state };
        let deadline = deadline_of(&flow, &self.desk.settings);
        if self.table.insert(tuple, Member::from(client), flow, deadline).is_err() {
            self.desk.counters.over_bound += 1;
            let opens = matches!(arrival.what, Transport::Tcp(segment) if segment.opens());
            return self.desk.onward(client, packet.bytes.to_vec(), !opens);
        }
        if asks {
            self.desk.push(Out::WhoOwns(tuple));
        }
        if waits {
            self.settle(&tuple);
        } else {
            self.begin_known(arrival);
        }
    }

    /// The same, once it stands in the table and it is known whose it is.
    fn begin_known(&mut self, arrival: &Arrival<'_>) {
        let Some(flow) = self.table.find(&arrival.tuple) else { return };
        if let State::Heard { .. } = flow.state {
            return self.goes_on(arrival);
        }
        self.desk.counters.flows += 1;
        let (at, _) = parts(flow, arrival.now, arrival.judge, arrival.tuple, 0);
        let mut refused = at.case.at_first();
        let Transport::Tcp(segment) = arrival.what else {
            return match refused {
                Some(ruling) => self.refuse_first(arrival, &ruling),
                None => self.goes_on(arrival),
            };
        };
        if segment.opens() && refused.is_none() {
            // TCP Fast Open (RFC 7413): the client says the same again in order.
            refused = match Stream::default().push(segment.payload) {
                Sniffed::Named(named) if !segment.payload.is_empty() => {
                    Some(at.case.named(&named)).filter(|ruling| ruling.refusal.is_some())
                }
                _ => None,
            };
        }
        match refused {
            Some(ruling) => self.refuse_first(arrival, &ruling),
            None if segment.opens() => self.syn_onward(arrival, &segment),
            None => self.goes_on(arrival),
        }
    }

    /// A SYN of a flow that we know.
    fn opens(&mut self, arrival: &Arrival<'_>, syn: &Segment<'_>) {
        let Arrival { now, tuple, packet, .. } = *arrival;
        let Some(flow) = self.table.find(&tuple) else { return };
        let facts = Facts::of(packet, syn);
        let mut tricky = false;
        match &mut flow.state {
            State::Connection(connection) if connection.is_opened_by(syn) => {
                return if connection.reopen(now, &facts) {
                    self.syn_onward(arrival, syn);
                } else {
                    self.desk.drop();
                };
            }
            State::Connection(connection) => match connection.meets(&facts, syn) {
                Met::Drop => return self.desk.drop(),
                Met::Stay => return self.syn_onward(arrival, syn),
                Met::GiveWay => tricky = true,
            },
            State::Refused(refused) if refused.opened_at == Some(syn.sequence) => {
                return self.goes_on(arrival);
            }
            State::Owned(_) => return,
            State::Passed(..) => self.desk.push(Out::Recall(tuple)),
            State::Refused(_) | State::Heard { .. } | State::Exchange(_) => {}
        }
        self.table.remove(&tuple);
        self.begin(arrival);
        if tricky
            && let Some(flow) = self.table.find(&tuple)
            && let State::Connection(connection) = &mut flow.state
        {
            connection.is_tricky();
        }
    }

    /// A SYN goes on without the bytes it may carry, for nobody has judged them in
    /// the order in which the server reads.
    fn syn_onward(&mut self, arrival: &Arrival<'_>, syn: &Segment<'_>) {
        let mut bare = Vec::new();
        let packet = match tcp::write_without_payload(&mut bare, arrival.packet, syn) {
            Ok(()) if !syn.payload.is_empty() => bare,
            _ => arrival.packet.bytes.to_vec(),
        };
        self.desk.onward(arrival.client, packet, false);
        self.settle(&arrival.tuple);
    }

    /// A packet of a flow that stands in the table.
    fn goes_on(&mut self, arrival: &Arrival<'_>) {
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
                if passes || ends(segment) { Fate::End } else { Fate::Stay }
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
            (State::Passed(..), _) => {
                let last = matches!(&arrival.what, Transport::Tcp(segment) if ends(segment));
                desk.onward(at.case.client, packet.bytes.to_vec(), !last);
                Fate::Stay
            }
            // A tuple has one protocol, and so has its state.
            (State::Heard { .. } | State::Connection(_) | State::Exchange(_), _) => Fate::Stay,
        };
        self.settle_fate(now, judge, tuple, fate);
    }

    /// Bytes of a connection of which only acknowledgments came: it begins with them,
    /// for all we know.
    fn hears_bytes(&mut self, arrival: &Arrival<'_>) {
        let Some(flow) = self.table.find(&arrival.tuple) else { return };
        flow.state = new_state(arrival.now, arrival.packet, arrival.what);
        self.begin_known(arrival);
    }

    fn is_due(&mut self, now: Instant, judge: &dyn Judge, tuple: FiveTuple) {
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
    fn is_owned(&mut self, now: Instant, judge: &dyn Judge, tuple: &FiveTuple) {
        let Some(Flow { client, state: State::Owned(packets), .. }) = self.table.remove(tuple)
        else {
            return;
        };
        for packet in packets {
            if let Ok(packet) = Packet::parse(&packet) {
                self.handle_packet(now, judge, &client, &packet);
            }
        }
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
    fn settle(&mut self, tuple: &FiveTuple) {
        let Some(flow) = self.table.find(tuple) else { return };
        let (weight, deadline) = (flow.weight(), deadline_of(flow, &self.desk.settings));
        self.table.weigh(tuple, weight);
        self.table.hasten(tuple, deadline);
    }

    fn is_passed(&mut self, now: Instant, tuple: FiveTuple) {
        let Some(flow) = self.table.find(&tuple) else { return };
        let before = std::mem::replace(&mut flow.state, State::Owned(Vec::new()));
        let ruling = match before {
            State::Connection(connection) => connection.into_ruling(),
            State::Exchange(exchange) => exchange.into_ruling(),
            other => return flow.state = other,
        };
        flow.state = State::Passed(Box::new(ruling), now);
        self.table.spare_it(&tuple);
        self.table.weigh(&tuple, 0);
        self.table.set_deadline(&tuple, now + flow::PASSED);
    }

    /// Refuses a flow with its first packet: nothing of it went on.
    fn refuse_first(&mut self, arrival: &Arrival<'_>, ruling: &Ruling) {
        let Arrival { now, judge, tuple, .. } = *arrival;
        let Some(flow) = self.table.find(&tuple) else { return };
        let (at, state) = parts(flow, now, judge, tuple, 0);
        let manner = self.desk.refuses(&at, ruling);
        let opened_at = match &arrival.what {
            Transport::Tcp(segment) if segment.opens() => Some(segment.sequence),
            _ => None,
        };
        let mut refused = Refused::new(now, opened_at, manner);
        refused.handle(&mut self.desk, &at, arrival.packet);
        *state = State::Refused(refused);
        self.settle(&tuple);
    }

    /// Refuses a flow of which something went on: both ends are told.
    fn refuse_live(&mut self, now: Instant, judge: &dyn Judge, tuple: FiveTuple, ruling: &Ruling) {
        let Some(flow) = self.table.find(&tuple) else { return };
        let (at, state) = parts(flow, now, judge, tuple, 0);
        let manner = self.desk.refuses(&at, ruling);
        let mut refused = Refused::new(now, None, manner);
        match &*state {
            State::Connection(connection) => {
                refused.opened_at = connection.opened_at();
                let [back, onward] = connection.resets(&at);
                if let (Some(back), Manner::Tell) = (back, manner) {
                    self.desk.push(Out::Back(back));
                    refused = refused.was_told();
                }
                if let Some(onward) = onward {
                    self.desk.onward(at.case.client, onward, false);
                }
            }
            State::Exchange(exchange) => {
                if let Some(packet) = exchange.first()
                    && let Ok(packet) = Packet::parse(packet)
                {
                    refused.handle(&mut self.desk, &at, &packet);
                }
            }
            _ => {}
        }
        *state = State::Refused(refused);
        self.settle(&tuple);
    }

    /// A flow that passed must not be any more.
    fn recall(&mut self, now: Instant, judge: &dyn Judge, tuple: FiveTuple, ruling: &Ruling) {
        let Some(flow) = self.table.find(&tuple) else { return };
        let (at, state) = parts(flow, now, judge, tuple, 0);
        let manner = self.desk.refuses(&at, ruling);
        *state = State::Refused(Refused::recalled(now, manner));
        self.desk.push(Out::Recall(tuple));
        self.table.need_it(&tuple);
        self.settle(&tuple);
    }
}

/// What the first segment of a connection may be.
enum First {
    /// The beginning of a flow, or a part of one.
    Flow,
    /// Nothing that anything could be learnt from.
    Onward,
    /// No segment that a server takes.
    Nonsense,
}

fn first_look(segment: &Segment<'_>) -> First {
    let flags = segment.flags;
    if segment.opens() {
        return First::Flow;
    }
    // An answer to a connection from without is one of a server here.
    let bare = segment.payload.is_empty();
    match (flags.has(Flags::SYN), flags.has(Flags::RST), flags.has(Flags::ACK)) {
        (true, false, true) if bare && !flags.has(Flags::FIN) => First::Onward,
        (true, ..) | (false, false, false) => First::Nonsense,
        (false, true, _) => First::Onward,
        (false, false, true) if bare && flags.has(Flags::FIN) => First::Onward,
        (false, false, true) => First::Flow,
    }
}

fn ends(segment: &Segment<'_>) -> bool {
    segment.flags.has(Flags::RST) || segment.flags.has(Flags::FIN)
}

fn new_state(now: Instant, packet: &Packet<'_>, what: Transport<'_>) -> State {
    match what {
        Transport::Udp(_) => State::Exchange(Box::new(Exchange::new(now))),
        Transport::Tcp(segment) => {
            let facts = Facts::of(packet, &segment);
            if segment.opens() {
                State::Connection(Box::new(Connection::opened(now, &facts, &segment)))
            } else if segment.payload.is_empty() {
                State::Heard { acks: 0, last: now }
            } else {
                State::Connection(Box::new(Connection::midway(now, &facts, &segment)))
            }
        }
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

/// Most packets of a flow that wait until it is known whose it is.
const MAX_OWNED: usize = 8;

/// Most bytes of them.
const MAX_OWNED_BYTES: usize = 12 * 1024;

/// After so many acknowledgments a connection that we never saw begin passes: its
/// client only listens. Those that end a connection are fewer.
const HEARD_ACKS: u8 = 4;
