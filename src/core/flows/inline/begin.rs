//! How a flow begins.

use super::connection::{Connection, Met};
use super::desk::OWNER_PATIENCE;
use super::exchange::Exchange;
use super::facts::Facts;
use super::flow::{Flow, State};
use super::{Arrival, Inline, Out, Transport, deadline_of, parts};
use crate::core::flow::Client;
use crate::core::flow::Member;
use crate::core::sniff::{Sniffed, Stream};
use crate::core::time::Instant;
use crate::core::wire::ip::Packet;
use crate::core::wire::tcp::{self, Flags, Segment};

impl Inline {
    /// The first packet of a flow.
    pub(super) fn begin(&mut self, arrival: &Arrival<'_>) {
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
        let matters = judge.depends_on_program() || !self.desk.settings.exempt.is_empty();
        let waits = asks && matters;
        let state = match arrival.what {
            _ if waits => State::Owned(vec![packet.bytes.to_vec()]),
            what => new_state(now, packet, what),
        };
        let owner_until = asks.then(|| now + OWNER_PATIENCE);
        let flow = Flow { client: client.clone(), since: now, owner_until, bytes: 0, state };
        let deadline = deadline_of(&flow, &self.desk.settings);
        if self.table.insert(tuple, Member::from(client), flow, deadline).is_err() {
            self.desk.counters.over_bound += 1;
            return match arrival.what {
                Transport::Tcp(segment) if segment.opens() => self.syn_onward(arrival, &segment),
                _ => self.desk.onward(client, packet.bytes.to_vec(), true),
            };
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
    pub(super) fn opens(&mut self, arrival: &Arrival<'_>, syn: &Segment<'_>) {
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

    /// Bytes of a connection of which only acknowledgments came: it begins with them,
    /// for all we know.
    pub(super) fn hears_bytes(&mut self, arrival: &Arrival<'_>) {
        let Some(flow) = self.table.find(&arrival.tuple) else { return };
        flow.state = new_state(arrival.now, arrival.packet, arrival.what);
        self.begin_known(arrival);
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
