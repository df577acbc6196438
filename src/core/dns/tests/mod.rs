//! Clients, upstreams and time, all made up.

#![expect(clippy::similar_names, reason = "asker and asked are two words")]

mod blocking;
mod hostile;
mod remembered;
mod upstreams;
mod vectors;
mod wanted;

use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::*;

/// A resolver with its clients and a clock.
struct Home {
    dns: Dns,
    policy: Policy,
    now: Instant,
    /// Whether records may be of types that we copy as they are (RFC 3597), whose
    /// data hickory-proto, which reads the replies here, may not like.
    copies: bool,
}

/// A question as an upstream got it.
#[derive(Clone, Debug)]
struct Asked {
    ask: AskId,
    upstream: SocketAddr,
    transport: Transport,
    message: Message,
}

/// What came of polling.
#[derive(Default, Debug)]
struct Outs {
    replies: Vec<(u64, Message)>,
    asked: Vec<Asked>,
    forgotten: Vec<AskId>,
    seen: Vec<Event>,
}

impl Home {
    fn new(blocked: &[&str]) -> Self {
        Self::with(blocked, false)
    }

    fn with(blocked: &[&str], case_randomization: bool) -> Self {
        let settings = Settings {
            sinkhole_v4: ([198, 18, 0, 0].into(), 15),
            sinkhole_v6: ("fd6f:7074:6f75:7400::".parse().unwrap(), 64),
            seed: [7; 32],
            case_randomization,
        };
        let mut dns = Dns::new(&settings);
        dns.set_upstreams(Instant::ZERO, &[upstream(1), upstream(2)]);
        Self { dns, policy: Policy::blocking(blocked), now: Instant::ZERO, copies: false }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.dns.handle_timeout(self.now);
    }

    fn send(&mut self, asker: Asker, message: &[u8]) -> (Handled, Vec<u8>) {
        let mut reply = vec![0xee; 3];
        let handled = self.dns.handle_query(self.now, &self.policy, asker, message, &mut reply);
        (handled, reply)
    }

    /// Asks for what is answered at once.
    fn ask_at_once(&mut self, asker: Asker, name: &str, kind: RecordType) -> Message {
        let (handled, reply) = self.send(asker, &question(name, kind).to_vec().unwrap());
        assert_eq!(handled, Handled::Replied, "{name} {kind}");
        Message::from_vec(&reply).unwrap()
    }

    /// Asks for what goes to an upstream, and returns what that got.
    fn ask(&mut self, asker: Asker, name: &str, kind: RecordType) -> Vec<Asked> {
        let (handled, _) = self.send(asker, &question(name, kind).to_vec().unwrap());
        assert_eq!(handled, Handled::Pending, "{name} {kind}");
        self.outs().asked
    }

    fn answer(&mut self, ask: AskId, message: &Message) -> Outs {
        self.answer_raw(ask, &message.to_vec().unwrap())
    }

    fn answer_raw(&mut self, ask: AskId, message: &[u8]) -> Outs {
        self.dns.handle_answer(self.now, &self.policy, ask, message);
        self.outs()
    }

    fn outs(&mut self) -> Outs {
        let mut outs = Outs::default();
        while let Some(out) = self.dns.poll() {
            match out {
                Out::Reply { asker, message } => {
                    let read = Message::from_vec(&message);
                    let read = match read {
                        Err(_) if self.copies => Message::response(0, OpCode::Query),
                        read => read.unwrap(),
                    };
                    outs.replies.push((asker.id, read));
                }
                Out::Ask { ask, upstream, transport, message } => {
                    let message = Message::from_vec(&message).unwrap();
                    outs.asked.push(Asked { ask, upstream, transport, message });
                }
                Out::Forget { ask } => outs.forgotten.push(ask),
                Out::Seen(event) => outs.seen.push(event),
            }
        }
        outs
    }
}

fn upstream(n: u8) -> SocketAddr {
    ([192, 0, 2, n], 53).into()
}

/// The device 203.0.113.n.
fn device(n: u8) -> Asker {
    Asker {
        id: n.into(),
        client: Client::Device([203, 0, 113, n].into()),
        resolver: ([198, 51, 100, 53], 53).into(),
        transport: Transport::Udp,
    }
}

fn host() -> Asker {
    Asker { id: 1000, client: Client::Host(None), ..device(0) }
}

fn question(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(0x1234, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message
}

fn with_edns(mut message: Message, payload: u16) -> Message {
    let mut edns = Edns::new();
    edns.set_max_payload(payload);
    message.set_edns(edns);
    message
}

/// An answer to what an upstream was asked, with these records.
fn answer_to(asked: &Asked, records: Vec<Record>) -> Message {
    let mut message = Message::response(asked.message.id, OpCode::Query);
    message.metadata.recursion_available = true;
    message.metadata.recursion_desired = true;
    message.add_queries(asked.message.queries.clone());
    message.insert_answers(records);
    message
}

fn failure_to(asked: &Asked, code: ResponseCode) -> Message {
    let mut message = answer_to(asked, Vec::new());
    message.metadata.response_code = code;
    message
}

fn a(name: &str, address: [u8; 4]) -> Record {
    let data = RData::A(A(address.into()));
    Record::from_rdata(Name::from_ascii(name).unwrap(), 60, data)
}

fn cname(name: &str, target: &str) -> Record {
    let data = RData::CNAME(CNAME(Name::from_ascii(target).unwrap()));
    Record::from_rdata(Name::from_ascii(name).unwrap(), 60, data)
}

fn addresses(message: &Message) -> Vec<IpAddr> {
    let address = |record: &Record| match &record.data {
        RData::A(a) => Some(a.0.into()),
        RData::AAAA(a) => Some(a.0.into()),
        _ => None,
    };
    message.answers.iter().filter_map(address).collect()
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
