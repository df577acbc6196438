//! The one door into core.
//!
//! # Contract
//!
//! 1. Give the engine one input: [`Engine::handle`].
//! 2. Take outputs with [`Engine::poll`] and do them, until [`Output::Wait`].
//! 3. Wait for the next input or for that instant, whichever is first; then
//!    go to 1, with [`Input::Timeout`] if it was the instant.
//!
//! The engine has one owner and no locks. To change the rules, hand it a new
//! policy; a packet sees either the old one or the new one, never half of each.
//! Everything it sees is an `(Instant, Input)`: recorded, it is a bug report
//! that replays.

mod door;
mod judge;
mod outbox;
mod passing;
mod seen;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::core::dns::stream::{StreamId, Streams};
use crate::core::dns::{self, Asker, Dns, Handled, Out};
use crate::core::event::{Event, Kind, Learnt, Outcome};
use crate::core::flow::{Client, FiveTuple, Owner, Protocol};
use crate::core::flows::inline::{self, Inline};
use crate::core::flows::reassemble::Reassembler;
use crate::core::flows::refuse::refuse;
use crate::core::policy::Policy;
use crate::core::time::Instant;
pub use crate::core::upstream::Transport;
use crate::core::verdict::{RuleText, Via};
use crate::core::wire::ip::{self, Packet};
use crate::core::wire::tcp::Segment;
use crate::core::wire::udp::{self, Datagram};

pub use crate::core::upstream::AskId;
pub use door::{Input, Output, SearchId, WayBack};
use outbox::{Outbox, Queued};

/// What an engine is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The DNS part.
    pub dns: dns::Settings,
    /// MTU of the TUN, bytes.
    pub mtu: usize,
    /// Random; for TCP sequence numbers.
    pub stream_seed: u64,
    /// Whether what passes can be put back on its way. Otherwise nothing passes but
    /// questions: what need not come here should not.
    pub puts_back: bool,
    /// The flows that are looked into: their bounds.
    pub inline: inline::Settings,
}

/// What the engine has counted since its start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Packets that came out of the TUN.
    pub packets: u64,
    /// Packets that made no sense, and fragments that never became a datagram.
    pub malformed: u64,
    /// Flows to blocked hosts that were refused.
    pub connections: u64,
    /// Packets that could not go on from here, and so were refused.
    pub strays: u64,
    /// Questions and answers.
    pub dns: dns::Counters,
}

/// Decides about every packet and every message. See the module's contract.
pub struct Engine {
    policy: Arc<Policy>,
    dns: Dns,
    streams: Streams,
    fragments: Reassembler,
    inline: Inline,
    own: HashSet<IpAddr>,
    /// What waits for its owner to be found, oldest first.
    held: BTreeMap<SearchId, Held>,
    /// Where replies to pending questions go, by asker.
    paths: HashMap<u64, Path>,
    next_id: u64,
    mtu: usize,
    puts_back: bool,
    /// Of the datagram that was cut last.
    identification: u32,
    counters: Counters,
    /// Room for one reply, kept so that the hot path does not allocate.
    reply: Vec<u8>,
    /// Room for one datagram out of fragments.
    whole: Vec<u8>,
    outbox: Outbox,
}

/// How a question came, and so how its reply goes.
#[derive(Clone, Copy, Debug)]
enum Path {
    Datagram { client: SocketAddr, resolver: SocketAddr },
    Stream { stream: StreamId, resolver: SocketAddr },
    Listener { way_back: WayBack, resolver: SocketAddr, transport: Transport },
}

impl Path {
    fn resolver(self) -> SocketAddr {
        match self {
            Self::Datagram { resolver, .. }
            | Self::Stream { resolver, .. }
            | Self::Listener { resolver, .. } => resolver,
        }
    }

    fn transport(self) -> Transport {
        match self {
            Self::Datagram { .. } => Transport::Udp,
            Self::Stream { .. } => Transport::Tcp,
            Self::Listener { transport, .. } => transport,
        }
    }
}

/// Something that waits for [`Input::Owner`].
#[derive(Debug)]
struct Held {
    until: Instant,
    what: Waiting,
}

#[derive(Debug)]
enum Waiting {
    Question { path: Path, message: Vec<u8> },
    Connection { tuple: FiveTuple, packet: Vec<u8> },
    Flow { tuple: FiveTuple },
}

impl Engine {
    /// An engine that decides by `policy`. It asks nobody before
    /// [`Input::Upstreams`].
    #[must_use]
    pub fn new(settings: &Settings, policy: Arc<Policy>) -> Self {
        Self {
            policy,
            streams: Streams::new(settings.mtu, settings.stream_seed),
            dns: Dns::new(&settings.dns),
            fragments: Reassembler::default(),
            inline: Inline::new(settings.inline.clone()),
            own: HashSet::new(),
            held: BTreeMap::new(),
            paths: HashMap::new(),
            next_id: 0,
            mtu: settings.mtu,
            puts_back: settings.puts_back,
            identification: first_identification(settings.stream_seed),
            counters: Counters::default(),
            reply: Vec::new(),
            whole: Vec::new(),
            outbox: Outbox::default(),
        }
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Packet(bytes) => self.packet(now, bytes),
            Input::Answer { ask, message } => {
                self.dns.handle_answer(now, &self.policy, ask, message);
            }
            Input::AskFailed { ask } => self.dns.handle_failure(now, ask),
            Input::Owner { search, owner } => {
                if let Some(held) = self.held.remove(&search) {
                    self.go_on(now, held.what, Some(owner));
                }
            }
            Input::Policy(policy) => {
                self.policy = policy;
                self.dns.policy_changed();
                self.rejudge(now);
            }
            Input::Upstreams(upstreams) => self.dns.set_upstreams(now, &upstreams),
            Input::OwnAddresses(addresses) => {
                self.dns.set_own_addresses(&addresses);
                self.own = addresses.into_iter().collect();
            }
            Input::Question { way_back, client, resolver, transport, message } => {
                let path = Path::Listener { way_back, resolver, transport };
                self.question(now, path, Client::Device(client), message);
            }
            Input::Flows(settings) => self.inline.set(settings),
            Input::HellosComeBack(come) => self.inline.hellos_come_back(come),
            Input::Release => self.inline.release(now),
            Input::Timeout => self.timeout(now),
        }
        self.drain(now);
    }

    /// The next thing to do. [`Output::Wait`] once there is nothing left.
    pub fn poll(&mut self) -> Output<'_> {
        let held = self.held.first_key_value().map(|(_, held)| held.until);
        let (dns, streams) = (&self.dns, &self.streams);
        let (fragments, inline) = (&self.fragments, &self.inline);
        self.outbox.pop(|| {
            let below = [dns.poll_timeout(), streams.poll_timeout()];
            let flows = [fragments.poll_timeout(), inline.poll_timeout()];
            below.into_iter().chain(flows).chain([held]).flatten().min()
        })
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let malformed = self.counters.malformed + self.fragments.dropped();
        Counters { malformed, dns: self.dns.counters(), ..self.counters }
    }

    /// The flows that are looked into: what was counted, and how many there are.
    #[must_use]
    pub fn flows(&self) -> (inline::Counters, inline::Fill) {
        (self.inline.counters(), self.inline.fill())
    }

    /// The most that flows may hold.
    #[must_use]
    pub fn flow_bounds(&self) -> &inline::Settings {
        self.inline.settings()
    }

    /// Addresses that our answers gave to clients, and that are remembered.
    #[must_use]
    pub fn answers_remembered(&self) -> usize {
        self.dns.answers_remembered()
    }

    /// Each upstream, and whether it answered last.
    #[must_use]
    pub fn upstream_health(&self) -> Vec<(SocketAddr, bool)> {
        self.dns.upstream_health()
    }

    fn packet(&mut self, now: Instant, bytes: &[u8]) {
        self.counters.packets += 1;
        let Ok(packet) = Packet::parse(bytes) else {
            self.counters.malformed += 1;
            return;
        };
        if packet.part.is_none() {
            return self.whole_packet(now, &packet);
        }
        let mut whole = std::mem::take(&mut self.whole);
        if self.fragments.handle_fragment(now, &packet, &mut whole) {
            match Packet::parse(&whole) {
                Ok(packet) if packet.part.is_none() => self.whole_packet(now, &packet),
                _ => self.counters.malformed += 1,
            }
        }
        self.whole = whole;
    }

    fn whole_packet(&mut self, now: Instant, packet: &Packet<'_>) {
        // Port 53 of a sinkhole address is a blocked host's, not a resolver.
        let resolver = self.dns.host_of(packet.destination).is_none();
        match packet.protocol {
            ip::UDP => match Datagram::parse(packet) {
                Ok(datagram) => self.datagram(now, packet, datagram, resolver),
                Err(_) => self.counters.malformed += 1,
            },
            ip::TCP => match Segment::parse(packet) {
                Ok(segment) => self.segment(now, packet, segment, resolver),
                Err(_) => self.counters.malformed += 1,
            },
            _ => self.refuse(packet),
        }
    }

    fn datagram(&mut self, now: Instant, packet: &Packet<'_>, of: Datagram<'_>, resolver: bool) {
        let tuple = FiveTuple {
            protocol: Protocol::Udp,
            source: SocketAddr::new(packet.source, of.source_port),
            destination: SocketAddr::new(packet.destination, of.destination_port),
        };
        if of.destination_port == DNS_PORT && resolver && packet.is_answerable() {
            let path = Path::Datagram { client: tuple.source, resolver: tuple.destination };
            self.search_then_ask(now, tuple, path, of.payload);
        } else {
            self.flow(now, tuple, packet, true);
        }
    }

    fn segment(&mut self, now: Instant, packet: &Packet<'_>, of: Segment<'_>, resolver: bool) {
        if of.destination_port == DNS_PORT && resolver {
            self.streams.handle_packet(now, packet.bytes);
            return;
        }
        let tuple = FiveTuple {
            protocol: Protocol::Tcp,
            source: SocketAddr::new(packet.source, of.source_port),
            destination: SocketAddr::new(packet.destination, of.destination_port),
        };
        self.flow(now, tuple, packet, of.opens());
    }

    /// A program's question waits until we know whose it is: once it has its
    /// answer its socket is gone, and nobody can tell any more.
    fn search_then_ask(&mut self, now: Instant, tuple: FiveTuple, path: Path, message: &[u8]) {
        let source = tuple.source.ip();
        if !self.own.contains(&source) {
            self.question(now, path, Client::Device(source), message);
        } else if !self.can_hold(message) {
            self.question(now, path, Client::Host(None), message);
        } else {
            self.hold(now, tuple, Waiting::Question { path, message: message.to_vec() });
        }
    }

    fn can_hold(&self, bytes: &[u8]) -> bool {
        self.held.len() < MAX_HELD && bytes.len() <= MAX_HELD_BYTES
    }

    fn hold(&mut self, now: Instant, flow: FiveTuple, what: Waiting) {
        let search = SearchId(self.fresh_id());
        self.held.insert(search, Held { until: now + SEARCH_PATIENCE, what });
        self.outbox.push(Queued::WhoOwns { search, flow });
    }

    fn go_on(&mut self, now: Instant, what: Waiting, owner: Option<Owner>) {
        match what {
            Waiting::Question { path, message } => {
                self.question(now, path, Client::Host(owner), &message);
            }
            Waiting::Connection { tuple, packet } => {
                self.refuse_flow(now, tuple, Client::Host(owner), &packet);
            }
            Waiting::Flow { tuple } => self.owner_of_flow(now, tuple, owner),
        }
    }

    fn question(&mut self, now: Instant, path: Path, client: Client, message: &[u8]) {
        let id = self.fresh_id();
        let asker = Asker { id, client, resolver: path.resolver(), transport: path.transport() };
        let mut reply = std::mem::take(&mut self.reply);
        match self.dns.handle_query(now, &self.policy, asker, message, &mut reply) {
            Handled::Replied => self.reply(now, path, &reply),
            Handled::Pending => {
                self.paths.insert(id, path);
            }
            Handled::Dropped => self.reply(now, path, &[]),
        }
        self.reply = reply;
    }

    /// Sends an answer its way. There is none if it is empty.
    fn reply(&mut self, now: Instant, path: Path, message: &[u8]) {
        match path {
            // A stream wants to know that there is no reply, so that it need not wait.
            Path::Datagram { .. } | Path::Listener { .. } if message.is_empty() => {}
            Path::Datagram { client, resolver } => {
                self.outbox.packet(|out| udp::write(out, resolver, client, message).is_ok());
            }
            Path::Stream { stream, .. } => self.streams.answer(now, stream, message),
            Path::Listener { way_back, .. } => {
                self.outbox.push(Queued::Reply { way_back, message: message.to_vec() });
            }
        }
    }

    /// A flow that must not be begins.
    fn connection(&mut self, now: Instant, tuple: FiveTuple, packet: &Packet<'_>) {
        if !packet.is_answerable() {
            return;
        }
        let client = self.client_of(packet);
        if matches!(client, Client::Host(_)) && self.can_hold(packet.bytes) {
            self.hold(now, tuple, Waiting::Connection { tuple, packet: packet.bytes.to_vec() });
        } else {
            self.refuse_flow(now, tuple, client, packet.bytes);
        }
    }

    fn refuse_flow(&mut self, now: Instant, tuple: FiveTuple, client: Client, bytes: &[u8]) {
        self.counters.connections += 1;
        let address = tuple.destination.ip();
        let (host, evidence) = match self.dns.host_of(address) {
            Some(blocked) => (Some(blocked.host), Some(blocked.evidence)),
            None => (None, self.address_evidence(now, address, &client)),
        };
        let (protocol, port) = (tuple.protocol, tuple.destination.port());
        let kind = Kind::Connection { protocol, port, address };
        let by_address = host.is_none() && evidence.is_some();
        let learnt = by_address.then_some(Learnt::Address);
        let outcome = Outcome::Blocked;
        let event =
            Event { kind, outcome, host, client, evidence, learnt, unnamed: None, ech: false };
        self.outbox.push(Queued::Seen(event, None));
        if let Ok(packet) = Packet::parse(bytes) {
            self.refuse(&packet);
        }
    }

    fn address_evidence(
        &self,
        now: Instant,
        address: IpAddr,
        client: &Client,
    ) -> Option<(Arc<RuleText>, Via)> {
        let rule = self.policy.judge_address(now, address, client).rule()?;
        Some((self.policy.rule_text(rule, &address.to_string()), Via::Address))
    }

    fn refuse(&mut self, packet: &Packet<'_>) {
        self.outbox.packet(|out| refuse(packet, out));
    }

    fn timeout(&mut self, now: Instant) {
        while let Some(oldest) = self.held.first_entry() {
            if oldest.get().until > now {
                break;
            }
            let held = oldest.remove();
            self.go_on(now, held.what, None);
        }
        self.dns.handle_timeout(now);
        self.streams.handle_timeout(now);
        self.fragments.handle_timeout(now);
        self.flows_in_time(now);
    }

    /// Carries what the parts below have to say to one another and to the outbox.
    fn drain(&mut self, now: Instant) {
        while let Some(query) = self.streams.next_query() {
            let (source, destination) = (query.source, query.destination);
            let path = Path::Stream { stream: query.stream, resolver: destination };
            let tuple = FiveTuple { protocol: Protocol::Tcp, source, destination };
            self.search_then_ask(now, tuple, path, &query.message);
        }
        while let Some(out) = self.dns.poll() {
            match out {
                Out::Reply { asker, message } => {
                    if let Some(path) = self.paths.remove(&asker.id) {
                        self.reply(now, path, &message);
                    }
                }
                Out::Ask { ask, upstream, transport, message } => {
                    self.outbox.push(Queued::Ask { ask, upstream, transport, message });
                }
                Out::Forget { ask } => self.outbox.push(Queued::Forget { ask }),
                Out::Seen(event) => self.outbox.push(Queued::Seen(event, None)),
            }
        }
        while self.outbox.packet(|out| self.streams.poll_packet(out)) {}
        self.drain_flows(now);
    }

    fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}

/// Servers see it, so it must not tell them the seed.
fn first_identification(seed: u64) -> u32 {
    let mut hasher = DefaultHasher::new();
    (seed, "identification").hash(&mut hasher);
    let [.., a, b, c, d] = hasher.finish().to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

const DNS_PORT: u16 = 53; // RFC 1035 §4.2

/// How long a question or a refusal waits for its owner. A search takes about a
/// millisecond; a program must not notice that one failed.
const SEARCH_PATIENCE: Duration = Duration::from_millis(100);

/// Most that waits for an owner. A program that asks faster than owners can be
/// found is answered without: 256 × 4 KB is what it can make us keep.
const MAX_HELD: usize = 256;

/// Longest message or packet that waits for its owner, in bytes. A question is
/// a tenth of that; only fragments and streams bring longer ones.
const MAX_HELD_BYTES: usize = 4096;
