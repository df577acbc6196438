//! Clients, a server, and what lies between them: time is a number, and packets
//! are bytes.

mod bounds;
mod client;
mod evasions;
mod hellos;
mod lives;
mod quic;
mod quick;
mod random;
mod server;

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::*;
use crate::core::host::HostName;
use crate::core::rule::Answer;
use crate::core::sniff::Cause;
use crate::core::verdict::{RuleRef, Stop, Why};
use crate::core::wire::tcp::Flags;
use client::Client as Tool;
use server::Server;

/// Rules by the beginning of a name.
#[derive(Debug, Default)]
struct Rules {
    answers: Vec<HostName>,
    address: Option<Verdict>,
    by_program: bool,
    /// Nothing is blocked.
    lax: bool,
}

impl Judge for Rules {
    fn host(&self, host: &str, client: &Client) -> Verdict {
        let spared = matches!(client, Client::Host(Some(owner)) if owner.uid == Some(SPARED));
        match host.split('.').next() {
            Some("blocked") if !self.lax && !spared => BLOCK,
            Some("watched") => Verdict::Watch(RULE),
            _ => Verdict::Pass(Why::NoMatch),
        }
    }

    fn address(&self, _address: IpAddr, _client: &Client) -> Verdict {
        self.address.unwrap_or(Verdict::Pass(Why::NoMatch))
    }

    fn answered(&self, _client: &Client, _address: IpAddr, found: &mut dyn FnMut(&HostName)) {
        self.answers.iter().for_each(found);
    }

    fn depends_on_program(&self) -> bool {
        self.by_program
    }
}

/// A client, optout and a server.
struct World {
    inline: Inline,
    rules: Rules,
    now: Instant,
    server: Server,
    /// The kernel brings hellos back.
    brings: bool,
    /// What the kernel passes by itself.
    passed: HashSet<FiveTuple>,
    /// What came back to the client.
    back: Vec<Vec<u8>>,
    seen: Vec<Seen>,
    asked: Vec<FiveTuple>,
    recalled: usize,
    /// Packets of the client that visited us.
    visits: usize,
    /// Packets that went on, and whether they were decided.
    onward: Vec<(Vec<u8>, bool)>,
    client: Client,
}

impl World {
    fn new() -> Self {
        Self::with(Settings::default())
    }

    fn with(settings: Settings) -> Self {
        Self {
            inline: Inline::new(settings),
            rules: Rules::default(),
            now: at(1000),
            server: Server::default(),
            brings: false,
            passed: HashSet::new(),
            back: Vec::new(),
            seen: Vec::new(),
            asked: Vec::new(),
            recalled: 0,
            visits: 0,
            onward: Vec::new(),
            client: Client::Device(IpAddr::from([192, 0, 2, 7])),
        }
    }

    /// With a kernel that brings hellos back of flows that passed, or without.
    fn bringing(mut self, brings: bool) -> Self {
        self.inline.hellos_come_back(brings);
        Self { brings, ..self }
    }

    /// A packet of the client comes by.
    fn send(&mut self, bytes: &[u8]) {
        let Ok(packet) = Packet::parse(bytes) else { return };
        if let Some(tuple) = tuple_of(&packet).filter(|_| self.brings && is_hello(&packet)) {
            self.passed.remove(&tuple);
        }
        if let Some(tuple) = tuple_of(&packet)
            && self.passed.contains(&tuple)
            && !is_syn(&packet)
        {
            return self.server.receive(bytes);
        }
        self.visits += 1;
        self.inline.handle_packet(self.now, &self.rules, &self.client, &packet);
        self.drain();
    }

    fn pass_time(&mut self, time: Duration) {
        let until = self.now + time;
        for _ in 0..100_000 {
            let Some(next) = self.inline.poll_timeout().filter(|next| *next <= until) else {
                self.now = until;
                return;
            };
            self.now = self.now.max(next);
            self.inline.handle_timeout(self.now, &self.rules);
            self.drain();
        }
        panic!("time does not pass: something is due again and again");
    }

    fn drain(&mut self) {
        while let Some(out) = self.inline.poll() {
            match out {
                Out::Onward { packet, decided, host } => {
                    assert_eq!(host, matches!(self.client, Client::Host(_)));
                    let read = Packet::parse(&packet).expect("what goes on is sound");
                    if decided && let Some(tuple) = tuple_of(&read) {
                        self.passed.insert(tuple);
                    }
                    self.server.receive(&packet);
                    self.onward.push((packet, decided));
                }
                Out::Back(packet) => {
                    Packet::parse(&packet).expect("what comes back is sound");
                    self.back.push(packet);
                }
                Out::Recall(tuple) => {
                    self.recalled += 1;
                    self.passed.remove(&tuple);
                }
                Out::WhoOwns(tuple) => self.asked.push(tuple),
                Out::Seen(seen) => self.seen.push(*seen),
            }
        }
    }

    fn owner(&mut self, tuple: FiveTuple, uid: u32) {
        let owner = Owner { uid: Some(uid), ..Owner::default() };
        self.inline.handle_owner(self.now, &self.rules, tuple, owner);
        self.drain();
    }

    fn rejudge(&mut self) {
        self.inline.rejudge(self.now, &self.rules);
        self.drain();
    }

    fn release(&mut self) {
        self.inline.release(self.now);
        self.drain();
    }

    fn last_seen(&self) -> &Seen {
        self.seen.last().expect("something was seen")
    }
}

fn tuple_of(packet: &Packet<'_>) -> Option<FiveTuple> {
    let (protocol, source, destination) = match packet.protocol {
        ip::TCP => {
            let of = Segment::parse(packet).ok()?;
            (Protocol::Tcp, of.source_port, of.destination_port)
        }
        ip::UDP => {
            let of = Datagram::parse(packet).ok()?;
            (Protocol::Udp, of.source_port, of.destination_port)
        }
        _ => return None,
    };
    Some(FiveTuple {
        protocol,
        source: SocketAddr::new(packet.source, source),
        destination: SocketAddr::new(packet.destination, destination),
    })
}

/// As the packet filter sees it (`shell::nft::flows`).
fn is_hello(packet: &Packet<'_>) -> bool {
    let Ok(segment) = Segment::parse(packet) else { return false };
    matches!(segment.payload, [22, 3, _, _, _, 1, ..])
        || matches!(segment.payload, [20, 3, _, 0, 1, 1, 22, 3, _, _, _, 1, ..])
}

fn is_syn(packet: &Packet<'_>) -> bool {
    Segment::parse(packet).is_ok_and(|segment| segment.opens())
}

fn reads_as_reset(packet: &[u8]) -> Option<(u32, u32)> {
    let packet = Packet::parse(packet).ok()?;
    let segment = Segment::parse(&packet).ok()?;
    let reset = segment.flags.has(Flags::RST);
    reset.then_some((segment.sequence, segment.acknowledgment))
}

/// A ClientHello for `name`, in one record.
fn hello(name: &str) -> Vec<u8> {
    record(22, &handshake(name, 200))
}

/// A ClientHello with so many bytes of padding.
fn handshake(name: &str, padding: u16) -> Vec<u8> {
    let len = u16::try_from(name.len()).unwrap();
    let mut extensions = vec![0, 0];
    for part in [len + 5, len + 3] {
        extensions.extend(part.to_be_bytes());
    }
    extensions.push(0);
    extensions.extend(len.to_be_bytes());
    extensions.extend(name.as_bytes());
    extensions.extend([0, 43, 0, 3, 2, 3, 4]); // supported_versions: TLS 1.3
    extensions.extend([0, 21]);
    extensions.extend(padding.to_be_bytes());
    extensions.extend(vec![0; padding.into()]);
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0x13, 1, 1, 0]);
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    let mut message = vec![1, 0];
    message.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    message.extend(body);
    message
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut record = vec![kind, 3, 1];
    record.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    record.extend(body);
    record
}

/// A packet with this datagram.
fn datagram(from: &str, to: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let [from, to] = [from, to].map(|end| end.parse().unwrap());
    crate::core::wire::udp::write(&mut out, from, to, payload).unwrap();
    out
}

/// What a client says after its hello: `ChangeCipherSpec`, Finished, a request.
fn after_hello() -> Vec<u8> {
    let mut bytes = record(20, &[1]);
    bytes.extend(record(23, &[9; 53]));
    bytes.extend(record(23, &[8; 700]));
    bytes
}

fn get(name: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: {name}\r\nAccept: */*\r\n\r\n").into_bytes()
}

fn at(second: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(second)
}

const RULE: RuleRef = RuleRef { list: 1, line: 7 };
const BLOCK: Verdict = Verdict::Block(Stop { rule: RULE, answer: Answer::Usual });
const SPARED: u32 = 1000;
