//! Packets in, packets out: what only the engine as a whole can show.

mod clients;
mod flows;
mod knowing;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{Name, RData, RecordType};

use super::*;
use crate::core::event::Traffic;
use crate::core::list::Format;
use crate::core::rule::{Answer, Rule, Scope};
use crate::core::rules;
use crate::core::verdict::Mode;
use crate::core::wire::checksum::Sum;

/// An engine that blocks a name, and a clock.
struct Home {
    engine: Engine,
    now: Instant,
}

/// What came of an input.
#[derive(Debug, Default)]
struct Outs {
    packets: Vec<Vec<u8>>,
    onward: Vec<Onward>,
    recalled: Vec<FiveTuple>,
    asked: Vec<(AskId, Vec<u8>)>,
    searches: Vec<SearchId>,
    replies: usize,
    seen: Vec<Event>,
    traffic: Vec<Option<Traffic>>,
    wait: Option<Instant>,
}

/// A packet that was sent on its way.
#[derive(Debug)]
struct Onward {
    packet: Vec<u8>,
    decided: bool,
    host: bool,
}

impl Outs {
    fn add(&mut self, later: Self) {
        self.packets.extend(later.packets);
        self.onward.extend(later.onward);
        self.recalled.extend(later.recalled);
        self.searches.extend(later.searches);
        self.seen.extend(later.seen);
        self.traffic.extend(later.traffic);
        self.wait = later.wait;
    }
}

impl Home {
    fn new() -> Self {
        let dns = dns::Settings {
            sinkhole_v4: ([198, 18, 0, 0].into(), 15),
            sinkhole_v6: ("fd6f:7074:6f75:7400::".parse().unwrap(), 64),
            seed: [7; 32],
            case_randomization: false,
        };
        let settings = Settings {
            dns,
            mtu: 1500,
            stream_seed: 7,
            puts_back: true,
            inline: inline::Settings::default(),
        };
        let policy = Arc::new(Policy::blocking(&["tracker.example.com"]));
        let mut home = Self { engine: Engine::new(&settings, policy), now: Instant::ZERO };
        home.input(Input::Upstreams(vec![([203, 0, 113, 1], 53).into()]));
        home
    }

    fn input(&mut self, input: Input<'_>) -> Outs {
        self.engine.handle(self.now, input);
        let mut outs = Outs::default();
        loop {
            match self.engine.poll() {
                Output::Packet(packet) => outs.packets.push(packet.to_vec()),
                Output::Onward { packet, decided, host } => {
                    outs.onward.push(Onward { packet: packet.to_vec(), decided, host });
                }
                Output::Recall(tuple) => outs.recalled.push(tuple),
                Output::Ask { ask, message, .. } => outs.asked.push((ask, message.to_vec())),
                Output::WhoOwns { search, .. } => outs.searches.push(search),
                Output::Reply { .. } => outs.replies += 1,
                Output::Seen(event, traffic) => {
                    outs.seen.push(event);
                    outs.traffic.push(traffic);
                }
                Output::Wait(until) => {
                    outs.wait = until;
                    return outs;
                }
                Output::Forget { .. } => {}
            }
        }
    }

    /// Sends a datagram in fragments. All but the last must come to nothing.
    fn send(&mut self, from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Outs {
        let mut fragments = fragments(from, to, payload);
        let last = fragments.pop().unwrap();
        for fragment in fragments {
            let outs = self.input(Input::Packet(&fragment));
            assert!(outs.onward.is_empty());
            assert!(outs.packets.is_empty() && outs.seen.is_empty() && outs.searches.is_empty());
        }
        self.input(Input::Packet(&last))
    }
}

#[test]
fn a_question_in_fragments_is_answered_and_its_flow_refused() {
    for (phone, resolver, sinkhole) in ENDS {
        let [phone, resolver]: [SocketAddr; 2] = [phone, resolver].map(|end| end.parse().unwrap());
        let mut home = Home::new();
        let kind = if phone.is_ipv4() { RecordType::A } else { RecordType::AAAA };
        let outs = home.send(phone, resolver, &question(kind, 4000));
        let [reply] = &outs.packets[..] else { panic!("{outs:?}") };
        let packet = Packet::parse(reply).unwrap();
        assert_eq!((packet.source, packet.destination), (resolver.ip(), phone.ip()));
        let message = Message::from_vec(Datagram::parse(&packet).unwrap().payload).unwrap();
        assert_eq!(message.metadata.id, 0x1234);
        let address: IpAddr = match message.answers[0].data {
            RData::A(a) => a.0.into(),
            RData::AAAA(a) => a.0.into(),
            ref other => panic!("{other:?}"),
        };
        assert!(address.to_string().starts_with(sinkhole), "{address}");

        let outs = home.send(phone, SocketAddr::new(address, 443), &[7; 3000]);
        let [refusal] = &outs.packets[..] else { panic!("{outs:?}") };
        let packet = Packet::parse(refusal).unwrap();
        let unreachable = if phone.is_ipv4() { [3, 3] } else { [1, 4] };
        assert_eq!((packet.source, &packet.payload[..2]), (address, &unreachable[..]));
        assert_eq!(home.engine.counters().connections, 1);
        assert_eq!(home.engine.counters().malformed, 0);
    }
}

#[test]
fn fragments_that_never_become_a_datagram_come_to_nothing() {
    for (phone, resolver, _) in ENDS {
        let [phone, resolver] = [phone, resolver].map(|end| end.parse().unwrap());
        let mut home = Home::new();
        let fragments = fragments(phone, resolver, &question(RecordType::A, 4000));
        let before = home.input(Input::Timeout).wait;
        let outs = home.input(Input::Packet(&fragments[0]));
        assert!(outs.packets.is_empty());
        let until = outs.wait.unwrap();
        assert_eq!(until, Instant::ZERO + Duration::from_secs(15), "only while a set exists");
        assert_eq!(home.engine.counters().malformed, 0);
        home.now = until;
        let outs = home.input(Input::Timeout);
        assert_eq!((outs.packets.len(), outs.wait), (0, before));
        assert_eq!(home.engine.counters().malformed, 1);
    }
}

#[test]
fn a_program_cannot_make_us_keep_long_questions_for_their_owner() {
    for (padding, searched) in [(2000, true), (5000, false)] {
        for (host, resolver, _) in ENDS {
            let [host, resolver]: [SocketAddr; 2] =
                [host, resolver].map(|end| end.parse().unwrap());
            let mut home = Home::new();
            home.input(Input::OwnAddresses(vec![host.ip()]));
            let outs = home.send(host, resolver, &question(RecordType::A, padding));
            assert_eq!((outs.searches.len() == 1, outs.packets.is_empty()), (searched, searched));
        }
    }
}

#[test]
fn a_dropped_question_is_told_of_and_no_packet_leaves() {
    let mut set = rules::Builder::default();
    set.list("list", rules::Kind::File(Format::Rpz), Mode::Enforce);
    let rule = Rule { answer: Answer::Drop, ..Rule::block("tracker.example.com", Scope::Exact) };
    set.rule(1, &rule);
    let mut home = Home::new();
    home.input(Input::Policy(Arc::new(Policy::builder(Arc::new(set.build())).build())));
    let (from, to) = (([192, 0, 2, 7], 40_000).into(), ([198, 51, 100, 53], 53).into());
    for kind in [RecordType::A, RecordType::TXT] {
        let outs = home.send(from, to, &question(kind, 0));
        assert!(outs.packets.is_empty(), "{kind}");
        assert_eq!(outs.seen.len(), 1, "{kind}");
        assert_eq!(outs.seen[0].outcome, Outcome::Blocked, "{kind}");
    }
    let message = question(RecordType::A, 0);
    let way_back = WayBack(7);
    let outs = home.input(Input::Question {
        way_back,
        client: [192, 0, 2, 7].into(),
        resolver: ([198, 51, 100, 53], 53).into(),
        transport: Transport::Udp,
        message: &message,
    });
    assert_eq!((outs.replies, outs.seen.len()), (0, 1), "nor an empty answer by the listener");
}

fn question(kind: RecordType, padding: usize) -> Vec<u8> {
    let mut message = Message::new(0x1234, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii("tracker.example.com").unwrap(), kind));
    let mut edns = Edns::new();
    edns.options_mut().insert(EdnsOption::Unknown(12, vec![0; padding]));
    message.set_edns(edns);
    message.to_vec().unwrap()
}

/// A UDP datagram, as the kernel cuts it for an MTU of 1,500 bytes or less.
fn fragments(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<Vec<u8>> {
    let mut whole = Vec::new();
    udp::write(&mut whole, from, to, payload).unwrap();
    let data = Packet::parse(&whole).unwrap().payload;
    let count = data.len().div_ceil(1400);
    let cut = data.chunks(1400).enumerate().map(|(n, piece)| {
        let (at, more) = (u16::try_from(n * 1400).unwrap(), n + 1 < count);
        let mut out = Vec::new();
        if from.is_ipv4() {
            ip::write_header(&mut out, from.ip(), to.ip(), ip::UDP, piece.len()).unwrap();
            out[4..6].copy_from_slice(&to.port().to_be_bytes());
            out[6..8].copy_from_slice(&((at / 8) | (u16::from(more) << 13)).to_be_bytes());
            out[10..12].fill(0);
            let checksum = Sum::default().with(&out).checksum();
            out[10..12].copy_from_slice(&checksum.to_be_bytes());
        } else {
            ip::write_header(&mut out, from.ip(), to.ip(), 44, 8 + piece.len()).unwrap();
            out.extend([ip::UDP, 0]);
            out.extend((at | u16::from(more)).to_be_bytes());
            out.extend(u32::from(to.port()).to_be_bytes());
        }
        out.extend(piece);
        out
    });
    cut.collect()
}

/// A client, a resolver, and what addresses of the sinkhole begin with.
const ENDS: [(&str, &str, &str); 2] = [
    ("192.0.2.7:40000", "203.0.113.53:53", "198.1"),
    ("[2001:db8::7]:40000", "[2001:db8:1::53]:53", "fd6f:7074:6f75:7400:"),
];
