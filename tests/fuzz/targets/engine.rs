//! The whole door: packets of hosts and devices, answers, failures, owners, new
//! policies and time, in any order.
#![no_main]

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use optout::core::dns;
use optout::core::engine::{Engine, Input, Output, SearchId, Settings, Transport, WayBack};
use optout::core::flow::Owner;
use optout::core::policy::Policy;
use optout::core::time::Instant;
use optout::core::upstream::AskId;
use optout::core::wire::checksum::Sum;
use optout::core::wire::ip::{self, Packet};
use optout::core::wire::reader::{Reader, Short};
use optout::core::wire::tcp::{Flags, Segment};
use optout::core::wire::udp;

fuzz_target!(|bytes: &[u8]| {
    let mut shell = Shell::new();
    let mut script = Reader::new(bytes);
    while shell.step(&mut script).is_ok() {}
    // Whatever happened, all ends by itself.
    for _ in 0..2000 {
        let Some(next) = shell.wait else { break };
        shell.now = shell.now.max(next);
        shell.give(|_| Input::Timeout);
    }
    assert_eq!(shell.wait, None, "something never ends");
    shell.ways.retain(|(_, owed)| *owed);
    assert!(shell.ways.is_empty(), "listeners without a reply: {:?}", shell.ways);
});

struct Shell {
    engine: Engine,
    policies: [Arc<Policy>; 2],
    now: Instant,
    wait: Option<Instant>,
    asks: Vec<(AskId, Vec<u8>)>,
    searches: Vec<SearchId>,
    /// Listeners' questions without a reply so far, and whether one is due.
    ways: Vec<(WayBack, bool)>,
    next_way: u64,
    /// What we should send and acknowledge next, on each of four TCP ports.
    edges: [(u32, u32); 4],
    /// Addresses that blocked names got.
    sinks: Vec<IpAddr>,
}

impl Shell {
    fn new() -> Self {
        let dns = dns::Settings {
            sinkhole_v4: ([198, 18, 0, 0].into(), 22),
            sinkhole_v6: ([0xfd6f, 0x7074, 0x6f75, 0x7400, 0, 0, 0, 0].into(), 64),
            seed: [7; 32],
            case_randomization: false,
        };
        let policies = [
            Arc::new(Policy::blocking(&["a.b", "t.example"])),
            Arc::new(Policy::blocking(&[])),
        ];
        let settings = Settings { dns, mtu: 1500, stream_seed: 1, inline: optout::core::flows::inline::Settings::default() };
        let mut shell = Self {
            engine: Engine::new(&settings, policies[0].clone()),
            policies,
            now: Instant::from_micros(1_000_000),
            wait: None,
            asks: Vec::new(),
            searches: Vec::new(),
            ways: Vec::new(),
            next_way: 0,
            edges: [(1000, 0); 4],
            sinks: vec![[198, 18, 1, 0].into()],
        };
        let upstream: SocketAddr = ([192, 0, 2, 1], 53).into();
        shell.give(|_| Input::OwnAddresses(vec![[192, 0, 2, 7].into()]));
        shell.give(|_| Input::Upstreams(vec![upstream]));
        shell
    }

    fn step(&mut self, script: &mut Reader<'_>) -> Result<(), Short> {
        let [what, how, len] = script.array()?;
        match what {
            0..=79 => {
                let message = script.take(usize::from(len))?;
                let packet = self.datagram(how, message);
                self.give(|_| Input::Packet(&packet));
            }
            80..=129 => {
                let payload = script.take(usize::from(len))?;
                let packet = self.segment(how, script.u8()?, payload);
                self.give(|_| Input::Packet(&packet));
            }
            130..=139 => {
                let packet = script.take(usize::from(len))?;
                self.give(|_| Input::Packet(packet));
            }
            140..=189 => {
                let rest = script.take(usize::from(len))?;
                self.answer(how, rest);
            }
            190..=204 => {
                if let Some((ask, _)) = self.asks.pop() {
                    self.give(|_| Input::AskFailed { ask });
                }
            }
            205..=224 => {
                if let Some(search) = self.searches.pop() {
                    let owner = Owner { uid: Some(how.into()), ..Owner::default() };
                    self.give(|_| Input::Owner { search, owner });
                }
            }
            225..=234 => {
                let message = script.take(usize::from(len))?;
                self.listener(how, message);
            }
            235..=239 => {
                let policy = self.policies[usize::from(how & 1)].clone();
                self.give(|_| Input::Policy(policy));
            }
            240..=244 => {
                let one = SocketAddr::from(([192, 0, 2, how & 3], 53));
                let list = if how < 128 { vec![one] } else { Vec::new() };
                self.give(|_| Input::Upstreams(list));
            }
            _ => {
                self.now = self.now + Duration::from_millis(u64::from(how) * 20);
                self.give(|_| Input::Timeout);
            }
        }
        Ok(())
    }

    fn give<'a>(&mut self, input: impl FnOnce(&Self) -> Input<'a>) {
        let input = input(self);
        self.engine.handle(self.now, input);
        for _ in 0..10_000 {
            match self.engine.poll() {
                Output::Packet(bytes) => {
                    let packet = Packet::parse(bytes).expect("what we send is sound");
                    if let Ok(segment) = Segment::parse(&packet)
                        && packet.protocol == ip::TCP
                        && segment.flags.has(Flags::ACK)
                    {
                        self.edges[usize::from(segment.destination_port & 3)].1 = segment.end();
                    }
                }
                Output::Ask { ask, message, .. } => {
                    assert!(message.len() > 12);
                    self.asks.push((ask, message.to_vec()));
                }
                Output::Forget { ask } => self.asks.retain(|(other, _)| *other != ask),
                Output::WhoOwns { search, .. } => self.searches.push(search),
                Output::Reply { way_back, .. } => {
                    let at = self.ways.iter().position(|(way, _)| *way == way_back);
                    self.ways.remove(at.expect("one reply a question"));
                }
                Output::Seen(event, _) => {
                    if let optout::core::event::Kind::Connection { address, .. } = event.kind {
                        self.sinks.push(address);
                        self.sinks.truncate(4);
                    }
                }
                Output::Wait(until) => {
                    self.wait = until;
                    return;
                }
            }
        }
        panic!("one input makes no end of work");
    }

    fn datagram(&self, how: u8, message: &[u8]) -> Vec<u8> {
        let v6 = how & 1 != 0;
        let from: IpAddr = match (v6, how & 2 != 0) {
            (false, own) => [192, 0, 2, if own { 7 } else { 9 }].into(),
            (true, _) => [0x2001, 0xdb8, 0, 0, 0, 0, 0, 9].into(),
        };
        let (to, port): (IpAddr, u16) = match (v6, how >> 2 & 3) {
            (true, _) => ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x53].into(), 53),
            (false, 0) => (self.sinks[usize::from(how >> 4) % self.sinks.len()], 443),
            (false, 1) => (self.sinks[usize::from(how >> 4) % self.sinks.len()], 53),
            (false, _) => ([203, 0, 113, 53].into(), 53),
        };
        let mut packet = Vec::new();
        let (from, to) = (SocketAddr::new(from, 4000 + u16::from(how)), SocketAddr::new(to, port));
        if udp::write(&mut packet, from, to, message).is_err() {
            packet.clear();
        }
        packet
    }

    fn segment(&mut self, how: u8, near: u8, payload: &[u8]) -> Vec<u8> {
        let port = how & 3;
        let flags = [0x02, 0x10, 0x18, 0x11, 0x04, 0x12, 0x00, 0x3f][usize::from(how >> 2 & 7)];
        let edges = &mut self.edges[usize::from(port)];
        if flags == 0x02 {
            edges.1 = 0;
        }
        let sequence = match near {
            0..=199 => edges.0,
            _ => edges.0.wrapping_add(u32::from(near) * 97),
        };
        if sequence == edges.0 {
            edges.0 = sequence.wrapping_add(payload.len() as u32 + u32::from(flags & 3 != 0));
        }
        let from = IpAddr::from([192, 0, 2, if how & 0x20 == 0 { 9 } else { 7 }]);
        let (to, service) = match how >> 6 {
            0 => (self.sinks[0], 443),
            1 => (self.sinks[0], 53),
            _ => ([203, 0, 113, 8].into(), 53),
        };
        let mut tcp = vec![0x9c, 0x40 + port];
        tcp.extend(u16::to_be_bytes(service));
        tcp.extend(sequence.to_be_bytes());
        tcp.extend(edges.1.to_be_bytes());
        tcp.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        tcp.extend(payload);
        let sum = Sum::pseudo_header(from, to, ip::TCP, tcp.len()).with(&tcp).checksum();
        tcp[16..18].copy_from_slice(&sum.to_be_bytes());
        let mut packet = Vec::new();
        if ip::write_header(&mut packet, from, to, ip::TCP, tcp.len()).is_ok() {
            packet.extend(tcp);
        }
        packet
    }

    fn answer(&mut self, how: u8, rest: &[u8]) {
        let Some((ask, asked)) = self.asks.last().cloned() else { return };
        let mut message = Vec::new();
        match (how, rest.split_first_chunk()) {
            (0..=31, _) | (_, None) => message.extend(rest),
            (_, Some((&[flags, code, counts], records))) => {
                let question = asked.get(12..).unwrap_or_default();
                let end = question.iter().position(|byte| *byte == 0).map_or(0, |zero| zero + 5);
                message.extend(&asked[..2]);
                message.extend([flags | 0x80, code, 0, 1, 0, counts & 7, 0, counts >> 3 & 3]);
                message.extend([0, counts >> 5]);
                message.extend(question.get(..end).unwrap_or_default());
                message.extend(records);
            }
        }
        self.give(|_| Input::Answer { ask, message: &message });
    }

    /// A message that comes through a listener: `Reply` is due, unless the
    /// message deserves none.
    fn listener(&mut self, how: u8, message: &[u8]) {
        // Only what is a sound question for certain is owed a reply.
        let sound = [&[how, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, b'c'], &[0u8, 0, 1, 0, 1][..]];
        let owed = how & 1 == 0;
        let message = if owed { sound.concat() } else { message.to_vec() };
        self.next_way += 1;
        let way_back = WayBack(self.next_way);
        self.ways.push((way_back, owed));
        let client = IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, u16::from(how)]);
        let resolver = SocketAddr::from(([198, 51, 100, 1], 53));
        let transport = if how & 2 == 0 { Transport::Udp } else { Transport::Tcp };
        self.give(|_| Input::Question { way_back, client, resolver, transport, message: &message });
    }
}
