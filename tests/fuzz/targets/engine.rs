//! The whole door: packets of hosts and devices, answers, failures, owners, new
//! policies, flows to anywhere, and time, in any order.
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
use optout::core::wire::quic::version::Version;
use optout::core::wire::quic::write::{Initial, put_crypto};
use optout::core::wire::reader::{Reader, Short};
use optout::core::wire::tcp::{Flags, Segment};
use optout::core::wire::udp;

fuzz_target!(|bytes: &[u8]| {
    let mut shell = Shell::new();
    let mut script = Reader::new(bytes);
    while shell.step(&mut script).is_ok() {}
    // Whatever happened, all ends by itself.
    for _ in 0..4000 {
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
    /// Connections to anywhere, on four ports.
    calls: [Call; 4],
}

/// What a client still has to say, and where in its stream it is.
#[derive(Clone, Default)]
struct Call {
    next: u32,
    unsaid: Vec<u8>,
}

impl Shell {
    fn new() -> Self {
        let dns = dns::Settings {
            sinkhole_v4: ([198, 18, 0, 0].into(), 22),
            sinkhole_v6: ([0xfd6f, 0x7074, 0x6f75, 0x7400, 0, 0, 0, 0].into(), 64),
            seed: [7; 32],
            case_randomization: false,
        };
        let policies =
            [Arc::new(Policy::blocking(&["a.b", "t.example"])), Arc::new(Policy::blocking(&[]))];
        let settings = Settings {
            dns,
            mtu: 1500,
            stream_seed: 1,
            inline: optout::core::flows::inline::Settings::default(),
        };
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
            calls: Default::default(),
        };
        let upstream: SocketAddr = ([192, 0, 2, 1], 53).into();
        shell.give(|_| Input::OwnAddresses(vec![[192, 0, 2, 7].into()]));
        shell.give(|_| Input::Upstreams(vec![upstream]));
        shell
    }

    fn step(&mut self, script: &mut Reader<'_>) -> Result<(), Short> {
        let [what, how, len] = script.array()?;
        match what {
            0..=49 => {
                let message = script.take(usize::from(len))?;
                let packet = self.datagram(how, message);
                self.give(|_| Input::Packet(&packet));
            }
            50..=79 => {
                let packet = self.call(how, len, script)?;
                self.give(|_| Input::Packet(&packet));
            }
            80..=99 => {
                let packet = self.exchange(how, len, script)?;
                self.give(|_| Input::Packet(&packet));
            }
            100..=129 => {
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
            245 => self.give(|_| Input::HellosComeBack(how & 1 == 1)),
            246 => self.give(|_| Input::Release),
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
                Output::Onward { packet, .. } => {
                    let packet = Packet::parse(packet).expect("what goes on is sound");
                    assert!(ip::is_host(packet.destination), "it would go round");
                    assert_ne!(packet.destination, IpAddr::from([192, 0, 2, 7]), "it is for us");
                    assert!(!self.sinks.contains(&packet.destination), "it is blocked");
                    assert!(packet.bytes.len() <= 1500 || packet.protocol == ip::TCP);
                }
                Output::Recall(_) => {}
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
                    if let optout::core::event::Kind::Connection { address, .. } = event.kind
                        && is_sink(address)
                    {
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

    /// A segment of a connection to anywhere: of what its client has to say, the next
    /// bytes, or others in their place.
    fn call(&mut self, how: u8, len: u8, script: &mut Reader<'_>) -> Result<Vec<u8>, Short> {
        let [near, change] = script.array()?;
        let port = how & 3;
        let call = &mut self.calls[usize::from(port)];
        let flags = [0x02, 0x10, 0x18, 0x18, 0x18, 0x11, 0x04, 0x38][usize::from(how >> 2 & 7)];
        if flags == 0x02 {
            let host = ["a.b", "t.example", "www.example", ""][usize::from(near & 3)];
            let unsaid = if near & 4 == 0 { tls(host) } else { http(host) };
            *call = Call { next: 1000, unsaid };
        }
        let end = if flags == 0x02 { 0 } else { usize::from(len).min(call.unsaid.len()) };
        let mut payload: Vec<u8> = call.unsaid[..end].to_vec();
        let off = match near {
            0..=159 => 0,
            _ => u32::from(near - 160).wrapping_sub(48),
        };
        let sequence = call.next.wrapping_add(off);
        if change < 64 {
            let at = usize::from(change) % payload.len().max(1);
            payload.get_mut(at).into_iter().for_each(|byte| *byte ^= near | 1);
        } else if off == 0 {
            call.unsaid.drain(..end);
            call.next = call.next.wrapping_add(end as u32 + u32::from(flags & 3 != 0));
        }
        let (from, to): (IpAddr, IpAddr) = match how >> 5 & 3 {
            0 => ([192, 0, 2, 9].into(), [203, 0, 113, 8].into()),
            1 => ([192, 0, 2, 7].into(), [203, 0, 113, 8].into()),
            2 => ([192, 0, 2, 9].into(), [192, 0, 2, 7].into()),
            _ => {
                let of = |last| [0x2001, 0xdb8, 0, 0, 0, 0, 0, last].into();
                (of(9), of(0x99))
            }
        };
        let service: u16 = if how & 0x80 == 0 { 443 } else { 853 };
        let mut tcp = vec![0x9d, 0x40 + port];
        tcp.extend(service.to_be_bytes());
        tcp.extend(sequence.to_be_bytes());
        tcp.extend(u32::to_be_bytes(if flags & 0x10 == 0 { 0 } else { 5001 }));
        tcp.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        tcp.extend(payload);
        let sum = Sum::pseudo_header(from, to, ip::TCP, tcp.len()).with(&tcp).checksum();
        tcp[16..18].copy_from_slice(&sum.to_be_bytes());
        let mut packet = Vec::new();
        if ip::write_header(&mut packet, from, to, ip::TCP, tcp.len()).is_ok() {
            packet.extend(tcp);
        }
        Ok(packet)
    }

    /// A datagram to anywhere: the beginning of QUIC, whole, in part or spoilt, or
    /// any bytes.
    fn exchange(&mut self, how: u8, len: u8, script: &mut Reader<'_>) -> Result<Vec<u8>, Short> {
        let any = script.take(usize::from(len))?;
        let host = ["a.b", "t.example", "www.example", ""][usize::from(how & 3)];
        let hello = &tls(host)[5..];
        let half = hello.len() / 2;
        let mut frames = Vec::new();
        match how >> 2 & 3 {
            0 => put_crypto(&mut frames, 0, hello),
            1 => put_crypto(&mut frames, 0, &hello[..half]),
            2 => put_crypto(&mut frames, half as u64, &hello[half..]),
            _ => frames.extend(any),
        }
        frames.resize(frames.len().max(1150), 0);
        let version = Version::known(1).expect("of RFC 9000");
        let sealed = Initial::first(version, b"chosen id").seal(&frames).unwrap_or_default();
        let payload = match how >> 4 & 3 {
            0 | 1 => sealed,
            2 => {
                let mut spoilt = sealed;
                for (at, byte) in any.iter().enumerate() {
                    spoilt.get_mut(at * 7).into_iter().for_each(|other| *other ^= byte);
                }
                spoilt
            }
            _ => any.to_vec(),
        };
        let own = if how & 0x40 == 0 { 9 } else { 7 };
        let from = SocketAddr::from(([192, 0, 2, own], 4500 + u16::from(how & 3)));
        let to = SocketAddr::from(([203, 0, 113, 8], 443));
        let mut packet = Vec::new();
        if udp::write(&mut packet, from, to, &payload).is_err() {
            packet.clear();
        }
        Ok(packet)
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

fn is_sink(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.octets()[..2] == [198, 18],
        IpAddr::V6(v6) => v6.segments()[0] == 0xfd6f,
    }
}

/// How a client begins TLS with a host, or without a name.
fn tls(host: &str) -> Vec<u8> {
    let length = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes(), bytes].concat();
    let mut extensions = vec![0, 43, 0, 3, 2, 3, 4];
    if !host.is_empty() {
        extensions.extend([0, 0]);
        extensions.extend(length(&length(&[&[0], &length(host.as_bytes())[..]].concat())));
    }
    let body = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 1, 1, 0], &length(&extensions)].concat();
    let hello = [&[1], &(body.len() as u32).to_be_bytes()[1..], &body].concat();
    [&[22, 3, 1], &length(&hello)[..]].concat()
}

fn http(host: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes()
}
