//! Against a real smoltcp client in virtual time, and against hand-made segments.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::{Socket, SocketBuffer};
use smoltcp::wire::{IpAddress, IpCidr};

use super::connection::{MAX_IN_FLIGHT, MESSAGE_PATIENCE, PATIENCE, RECEIVE_BUFFER};
use super::*;
use crate::core::wire::checksum::Sum;

// The network between a client and us.

/// A client with a stack of its own, us, and a network that takes 1 ms each way.
struct Home {
    streams: Streams,
    now: Instant,
    client: Interface,
    sockets: SocketSet<'static>,
    wire: TestDevice,
    /// Packets under way, by arrival and number; `true` is towards us.
    under_way: BTreeMap<(Instant, u64), (bool, Vec<u8>)>,
    sent: u64,
    random: u64,
    /// Of 100 packets, how many are lost, and how many are late by 20 ms.
    lost: u64,
    late: u64,
    /// Questions that nobody has answered, as they came.
    asked: Vec<Query>,
    answer_at_once: bool,
    next_port: u16,
}

#[derive(Default)]
struct TestDevice {
    arrived: VecDeque<Vec<u8>>,
    left: VecDeque<Vec<u8>>,
}

struct Token<'a>(Vec<u8>, Option<&'a mut VecDeque<Vec<u8>>>);

impl RxToken for Token<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

impl TxToken for Token<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, len: usize, write: F) -> R {
        self.0.resize(len, 0);
        let result = write(&mut self.0);
        self.1.expect("a sending token").push_back(self.0);
        result
    }
}

impl Device for TestDevice {
    type RxToken<'a> = Token<'a>;
    type TxToken<'a> = Token<'a>;

    fn receive(&mut self, _: smoltcp::time::Instant) -> Option<(Token<'_>, Token<'_>)> {
        let packet = self.arrived.pop_front()?;
        Some((Token(packet, None), Token(Vec::new(), Some(&mut self.left))))
    }

    fn transmit(&mut self, _: smoltcp::time::Instant) -> Option<Token<'_>> {
        Some(Token(Vec::new(), Some(&mut self.left)))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = MTU;
        capabilities
    }
}

impl Home {
    fn new() -> Self {
        let mut wire = TestDevice::default();
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = 7;
        let mut client = Interface::new(config, &mut wire, to_smoltcp(Instant::ZERO));
        client.update_ip_addrs(|addresses| {
            for address in [CLIENT_V4, CLIENT_V6] {
                addresses.push(IpCidr::new(smoltcp_address(address), 24)).unwrap();
            }
        });
        let gateway = ("192.0.2.254".parse().unwrap(), "2001:db8::fe".parse().unwrap());
        client.routes_mut().add_default_ipv4_route(gateway.0).unwrap();
        client.routes_mut().add_default_ipv6_route(gateway.1).unwrap();
        Self {
            streams: Streams::new(MTU, 42),
            now: Instant::from_micros(1_000_000),
            client,
            sockets: SocketSet::new(Vec::new()),
            wire,
            under_way: BTreeMap::new(),
            sent: 0,
            random: 0x9e37_79b9_7f4a_7c15,
            lost: 0,
            late: 0,
            asked: Vec::new(),
            answer_at_once: true,
            next_port: 20_000,
        }
    }

    fn percent(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % 100
    }

    fn connect(&mut self, server: IpAddr, buffer: usize) -> SocketHandle {
        let buffers = || SocketBuffer::new(vec![0; buffer]);
        let mut socket = Socket::new(buffers(), buffers());
        socket.set_nagle_enabled(false);
        let handle = self.sockets.add(socket);
        self.next_port = self.next_port.checked_add(1).unwrap_or(20_000);
        let port = self.next_port;
        let server = (smoltcp_address(server), 53);
        let context = self.client.context();
        self.sockets.get_mut::<Socket<'_>>(handle).connect(context, server, port).unwrap();
        handle
    }

    fn socket(&mut self, handle: SocketHandle) -> &mut Socket<'static> {
        self.sockets.get_mut(handle)
    }

    fn post(&mut self, to_us: bool, packet: Vec<u8>) {
        if self.percent() < self.lost {
            return;
        }
        let late = if self.percent() < self.late { 20 } else { 0 };
        self.sent += 1;
        let arrival = self.now + Duration::from_millis(1 + late);
        self.under_way.insert((arrival, self.sent), (to_us, packet));
    }

    /// Everything that happens at this instant.
    fn turn(&mut self) {
        while let Some(entry) = self.under_way.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            match entry.remove() {
                (true, packet) => self.streams.handle_packet(self.now, &packet),
                (false, packet) => self.wire.arrived.push_back(packet),
            }
            self.drain();
        }
        self.streams.handle_timeout(self.now);
        self.drain();
        self.client.poll(to_smoltcp(self.now), &mut self.wire, &mut self.sockets);
        while let Some(packet) = self.wire.left.pop_front() {
            self.post(true, packet);
        }
    }

    fn drain(&mut self) {
        while let Some(query) = self.streams.next_query() {
            if self.answer_at_once {
                self.streams.answer(self.now, query.stream, &query.message);
            } else {
                self.asked.push(query);
            }
        }
        let mut packet = Vec::new();
        while self.streams.poll_packet(&mut packet) {
            assert!(packet.len() <= MTU);
            self.post(false, packet.clone());
        }
    }

    fn run(&mut self, patience: Duration) {
        let end = self.now + patience;
        loop {
            self.turn();
            let client = self.client.poll_at(to_smoltcp(self.now), &self.sockets);
            let client = client.map(|at| Instant::from_micros(at.total_micros().cast_unsigned()));
            let network = self.under_way.first_key_value().map(|(key, _)| key.0);
            let next = [client, network, self.streams.poll_timeout()].into_iter().flatten().min();
            let next = next.unwrap_or(Instant::NEVER).max(self.now + Duration::from_micros(10));
            if next > end {
                self.now = end;
                return;
            }
            self.now = next;
        }
    }

    fn send(&mut self, handle: SocketHandle, bytes: &[u8]) {
        let sent = self.socket(handle).send_slice(bytes).unwrap();
        assert_eq!(sent, bytes.len(), "the client's buffer is too small for this test");
    }

    fn received(&mut self, handle: SocketHandle) -> Vec<u8> {
        let mut all = Vec::new();
        let socket = self.socket(handle);
        while socket.can_recv() {
            socket.recv(|bytes| (bytes.len(), all.extend_from_slice(bytes))).unwrap();
        }
        all
    }

    /// A client connected to `server`, the handshake done.
    fn connected(server: IpAddr) -> (Self, SocketHandle) {
        let mut home = Self::new();
        let handle = home.connect(server, 65_535);
        home.run(MS * 10);
        assert_eq!(home.socket(handle).state(), State::Established);
        (home, handle)
    }

    /// Runs until all is quiet, and checks that nothing is left.
    fn ends_empty(&mut self) {
        self.run(PATIENCE * 4);
        assert_eq!(self.streams.len(), 0);
        assert_eq!(self.streams.ids.len(), 0);
        assert_eq!(self.streams.waiting.len(), 0);
        assert_eq!(self.streams.poll_timeout(), None);
    }
}

fn smoltcp_address(address: IpAddr) -> IpAddress {
    address.into()
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut framed = (message.len() as u16).to_be_bytes().to_vec();
    framed.extend_from_slice(message);
    framed
}

#[test]
fn a_question_to_any_resolver_is_answered_as_from_it() {
    for server in [SERVER_V4, SERVER_V6] {
        let (mut home, handle) = Home::connected(server);
        home.answer_at_once = false;
        home.send(handle, &framed(b"question"));
        home.run(MS * 10);

        let query = home.asked.pop().unwrap();
        assert_eq!(query.destination, SocketAddr::new(server, 53));
        assert_eq!(query.source.ip().is_ipv4(), server.is_ipv4());
        assert_eq!(query.message, b"question");

        home.streams.answer(home.now, query.stream, b"answer");
        home.run(MS * 10);
        assert_eq!(home.received(handle), framed(b"answer"));

        home.socket(handle).close();
        home.run(MS * 10);
        assert!(home.streams.is_empty(), "the client closed and all was answered");
    }
}

#[test]
fn an_answer_given_at_once_carries_the_acknowledgment() {
    let (mut home, handle) = Home::connected(SERVER_V4);
    home.send(handle, &framed(b"question"));
    home.client.poll(to_smoltcp(home.now), &mut home.wire, &mut home.sockets);
    let question = home.wire.left.pop_front().unwrap();
    home.streams.handle_packet(home.now, &question);
    let query = home.streams.next_query().unwrap();
    home.streams.answer(home.now, query.stream, b"answer");
    let mut packet = Vec::new();
    assert!(home.streams.poll_packet(&mut packet));
    assert!(!home.streams.poll_packet(&mut packet));
}

#[test]
fn answers_of_the_greatest_length_get_through_a_small_window() {
    for window in [600, 4096] {
        let mut home = Home::new();
        home.answer_at_once = false;
        let handle = home.connect(SERVER_V6, window);
        home.run(MS * 10);
        home.send(handle, &framed(b"q"));
        home.run(MS * 10);
        let query = home.asked.pop().unwrap();
        let answer: Vec<u8> = (0..65_535u32).map(|n| (n % 251) as u8).collect();
        home.streams.answer(home.now, query.stream, &answer);
        let mut received = Vec::new();
        for _ in 0..1000 {
            home.run(MS * 5);
            received.extend(home.received(handle));
        }
        assert_eq!(received, framed(&answer), "window {window}");
    }
}

#[test]
fn loss_and_reordering_change_nothing() {
    for server in [SERVER_V4, SERVER_V6] {
        let mut home = Home::new();
        (home.lost, home.late) = (10, 20);
        let handle = home.connect(server, 65_535);
        let mut want = Vec::new();
        let mut received = Vec::new();
        for number in 0..40u16 {
            home.run(MS * 200);
            if !home.socket(handle).may_send() {
                continue;
            }
            let message: Vec<u8> = number.to_be_bytes().repeat(400);
            home.send(handle, &framed(&message));
            want.extend(framed(&message));
            received.extend(home.received(handle));
        }
        home.run(Duration::from_secs(8));
        received.extend(home.received(handle));
        assert!(want.len() > 20_000, "too little was sent to mean anything");
        assert!(received == want, "{} of {} bytes", received.len(), want.len());
    }
}

#[test]
fn one_byte_a_second_is_answered() {
    let (mut home, handle) = Home::connected(SERVER_V4);
    for byte in framed(&[7; 29]) {
        home.send(handle, &[byte]);
        home.run(Duration::from_secs(1));
    }
    assert_eq!(home.received(handle), framed(&[7; 29]));
}

#[test]
fn a_question_that_never_ends_is_cut_off() {
    let (mut home, handle) = Home::connected(SERVER_V4);
    home.send(handle, &[255, 255]);
    let mut seconds = 0;
    while home.socket(handle).may_send() {
        home.send(handle, &[1]);
        home.run(Duration::from_secs(1));
        seconds += 1;
        assert!(seconds <= MESSAGE_PATIENCE.as_secs() + 1);
    }
    assert!(home.streams.is_empty());
    assert_eq!(home.streams.poll_timeout(), None);
}

#[test]
fn a_length_of_zero_is_reset() {
    let (mut home, handle) = Home::connected(SERVER_V4);
    home.send(handle, &[framed(b"one"), vec![0, 0], framed(b"two")].concat());
    home.run(MS * 10);
    assert_eq!(home.socket(handle).state(), State::Closed);
    assert!(home.streams.is_empty());
}

#[test]
fn the_greatest_length_then_a_close_leaves_nothing() {
    let (mut home, handle) = Home::connected(SERVER_V4);
    home.send(handle, &[255, 255, 1, 2, 3]);
    home.socket(handle).close();
    home.run(MS * 20);
    assert!(home.streams.is_empty());
    home.ends_empty();
}

#[test]
fn a_thousand_pipelined_questions_are_answered_128_at_a_time_in_any_order() {
    let (mut home, handle) = Home::connected(SERVER_V6);
    home.answer_at_once = false;
    let all: Vec<u8> = (0..1000u16).flat_map(|n| framed(&n.to_be_bytes().repeat(10))).collect();
    let mut unsent = &all[..];
    let mut answers = Vec::new();
    for _ in 0..100 {
        let n = home.socket(handle).send_slice(unsent).unwrap();
        unsent = &unsent[n..];
        home.run(MS * 50);
        assert!(home.asked.len() <= MAX_IN_FLIGHT);
        while let Some(query) = home.asked.pop() {
            home.streams.answer(home.now, query.stream, &query.message);
        }
        home.run(MS * 50);
        answers.extend(home.received(handle));
    }
    let (records, rest) = answers.as_chunks::<22>();
    assert!(rest.is_empty());
    let mut numbers: Vec<u16> =
        records.iter().map(|record| u16::from_be_bytes([record[2], record[3]])).collect();
    assert_ne!(numbers[0], 0, "the last of each batch comes first");
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..1000));
}

#[test]
fn a_half_closed_client_is_answered_then_closed() {
    for late in [false, true] {
        let (mut home, handle) = Home::connected(SERVER_V4);
        home.answer_at_once = !late;
        home.send(handle, &[framed(b"one"), framed(b"two")].concat());
        home.socket(handle).close();
        home.run(Duration::from_secs(3));
        for query in std::mem::take(&mut home.asked) {
            assert_eq!(home.received(handle), b"");
            home.streams.answer(home.now, query.stream, &query.message);
        }
        home.run(MS * 30);
        assert_eq!(home.received(handle), [framed(b"one"), framed(b"two")].concat());
        assert!(home.streams.is_empty());
        assert_eq!(home.socket(handle).state(), State::TimeWait);
    }
}

#[test]
fn a_question_left_unanswered_does_not_hold_the_connection() {
    let (mut home, handle) = Home::connected(SERVER_V4);
    home.answer_at_once = false;
    home.send(handle, &framed(b"one"));
    home.socket(handle).close();
    home.run(MS * 10);
    let query = home.asked.pop().unwrap();
    home.streams.answer(home.now, query.stream, &[]);
    home.run(MS * 10);
    assert_eq!(home.received(handle), b"");
    assert!(home.streams.is_empty());
}

#[test]
fn an_idle_connection_is_closed_after_ten_seconds() {
    let (mut home, handle) = Home::connected(SERVER_V4);
    home.send(handle, &framed(b"one"));
    home.run(PATIENCE.saturating_sub(MS * 100));
    assert_eq!(home.socket(handle).state(), State::Established);
    home.run(MS * 200);
    assert_eq!(home.socket(handle).state(), State::CloseWait);
    home.socket(handle).close();
    home.ends_empty();
}

#[test]
fn a_client_that_never_closes_its_half_is_reset() {
    let (mut home, handle) = Home::connected(SERVER_V4);
    home.run(PATIENCE * 2 + MS * 100);
    assert_eq!(home.socket(handle).state(), State::Closed);
    assert!(home.streams.is_empty());
}

#[test]
fn a_question_that_crosses_our_close_is_reset_so_that_it_is_asked_again() {
    let (mut home, handle) = Home::connected(SERVER_V4);
    home.run(PATIENCE + MS * 100);
    home.send(handle, &framed(b"late"));
    home.run(MS * 10);
    assert_eq!(home.socket(handle).state(), State::Closed);
    assert!(home.asked.is_empty());
    assert!(home.streams.is_empty());
}

#[test]
fn a_client_that_vanishes_in_any_state_is_forgotten() {
    for stage in 0..5 {
        let (mut home, handle) = Home::connected(SERVER_V4);
        home.answer_at_once = stage != 1;
        if stage > 0 {
            home.send(handle, &framed(b"question"));
        }
        match stage {
            2 => home.socket(handle).close(),
            3 => home.run(PATIENCE + MS),
            _ => {}
        }
        if stage != 4 {
            home.run(MS * 3);
        }
        home.lost = 100;
        home.ends_empty();
    }
}

#[test]
fn a_reset_from_the_client_frees_at_once() {
    let (mut home, handle) = Home::connected(SERVER_V4);
    home.answer_at_once = false;
    home.send(handle, &framed(b"question"));
    home.run(MS * 10);
    home.socket(handle).abort();
    home.run(MS * 2);
    assert!(home.streams.is_empty());
    let query = home.asked.pop().unwrap();
    home.streams.answer(home.now, query.stream, b"too late");
    assert!(!home.streams.poll_packet(&mut Vec::new()));
}

#[test]
fn a_client_that_takes_no_answers_is_reset_and_others_are_not() {
    let mut home = Home::new();
    let deaf = home.connect(SERVER_V4, 600);
    let other = home.connect(SERVER_V6, 8192);
    home.answer_at_once = false;
    home.run(MS * 10);
    home.send(deaf, &framed(b"a").repeat(10));
    home.run(MS * 10);
    for query in std::mem::take(&mut home.asked) {
        assert_eq!(home.streams.len(), 2);
        home.streams.answer(home.now, query.stream, &vec![1; 65_535]);
    }
    home.run(MS * 10);
    assert_eq!(home.socket(deaf).state(), State::Closed);
    assert_eq!(home.streams.len(), 1);
    home.send(other, &framed(b"still here"));
    home.run(MS * 10);
    let query = home.asked.pop().unwrap();
    home.streams.answer(home.now, query.stream, b"yes");
    home.run(MS * 10);
    assert_eq!(home.received(other), framed(b"yes"));
}

#[test]
fn a_client_whose_window_stays_shut_is_reset() {
    let mut home = Home::new();
    let handle = home.connect(SERVER_V4, 600);
    home.answer_at_once = false;
    home.run(MS * 10);
    home.send(handle, &framed(b"a"));
    home.run(MS * 10);
    let query = home.asked.pop().unwrap();
    home.streams.answer(home.now, query.stream, &[1; 5000]);
    home.run(PATIENCE + MS * 100);
    assert!(home.streams.is_empty());
}

#[test]
fn backlogs_of_all_clients_together_are_bounded() {
    let mut home = Home::new();
    home.answer_at_once = false;
    let handles: Vec<_> = (0..40).map(|_| home.connect(SERVER_V4, 600)).collect();
    home.run(MS * 10);
    for handle in handles {
        home.send(handle, &[framed(b"a"), framed(b"b"), framed(b"c")].concat());
    }
    home.run(MS * 10);
    for query in std::mem::take(&mut home.asked) {
        home.streams.answer(home.now, query.stream, &vec![1; 65_535]);
        let held: usize = home.streams.connections.values().map(Connection::backlog).sum();
        assert!(held <= MAX_BACKLOGS);
    }
    home.run(MS * 10);
    assert!(home.streams.len() < 40);
    assert!(home.streams.len() > 10);
}

#[test]
fn ten_thousand_clean_closes_leave_nothing() {
    let mut home = Home::new();
    for round in 0..10_000 {
        let server = if round % 2 == 0 { SERVER_V4 } else { SERVER_V6 };
        let handle = home.connect(server, 64);
        home.run(MS * 3);
        home.send(handle, &framed(b"question"));
        home.run(MS * 3);
        assert_eq!(home.received(handle), framed(b"question"));
        home.socket(handle).close();
        home.run(MS * 5);
        home.sockets.remove(handle);
        assert!(home.streams.is_empty());
    }
    home.ends_empty();
    assert_eq!(home.streams.counts().opened, 10_000);
}

#[test]
fn two_thousand_idle_clients_and_a_new_one_is_served() {
    let mut home = Home::new();
    let handles: Vec<_> = (0..2000).map(|_| home.connect(SERVER_V4, 64)).collect();
    home.run(MS * 100);
    assert_eq!(home.streams.len(), MAX_STREAMS);
    let handle = home.connect(SERVER_V4, 64);
    home.run(MS * 10);
    home.send(handle, &framed(b"question"));
    home.run(MS * 10);
    assert_eq!(home.received(handle), framed(b"question"));
    assert_eq!(home.streams.len(), MAX_STREAMS);
    let closed =
        handles.iter().filter(|handle| home.socket(**handle).state() == State::Closed).count();
    assert!(closed >= 2000 - MAX_STREAMS, "each evicted client was told: {closed}");
}

// Hand-made segments.

/// A client of the test's own making, connected or not.
struct Bare {
    streams: Streams,
    now: Instant,
}

#[derive(Clone, Copy)]
struct Hand {
    source: (IpAddr, u16),
    destination: IpAddr,
    sequence: u32,
    acknowledgment: u32,
    flags: u8,
    options: &'static [u8],
    payload: &'static [u8],
}

const SYN: u8 = 2;
const ACK: u8 = 16;
const RST: u8 = 4;
const FIN: u8 = 1;

fn hand(flags: u8, sequence: u32, acknowledgment: u32) -> Hand {
    let source = (CLIENT_V4, 40_000);
    let (options, payload) = (&[][..], &[][..]);
    Hand { source, destination: SERVER_V4, sequence, acknowledgment, flags, options, payload }
}

impl Hand {
    fn bytes(self) -> Vec<u8> {
        let mut tcp = Vec::new();
        tcp.extend(self.source.1.to_be_bytes());
        tcp.extend(53u16.to_be_bytes());
        tcp.extend(self.sequence.to_be_bytes());
        tcp.extend(self.acknowledgment.to_be_bytes());
        assert_eq!(self.options.len() % 4, 0);
        tcp.extend([(5 + self.options.len() as u8 / 4) << 4, self.flags]);
        tcp.extend(8192u16.to_be_bytes());
        tcp.extend([0; 4]);
        tcp.extend(self.options);
        tcp.extend(self.payload);
        let sum = Sum::pseudo_header(self.source.0, self.destination, ip::TCP, tcp.len());
        let sum = sum.with(&tcp).checksum();
        tcp[16..18].copy_from_slice(&sum.to_be_bytes());
        let mut out = Vec::new();
        ip::write_header(&mut out, self.source.0, self.destination, ip::TCP, tcp.len()).unwrap();
        out.extend(tcp);
        out
    }
}

/// What came back: flags, sequence, acknowledgment.
type Reply = (u8, u32, u32);

impl Bare {
    fn new() -> Self {
        Self { streams: Streams::new(MTU, 1), now: Instant::from_micros(5_000_000) }
    }

    fn give(&mut self, hand: Hand) -> Vec<Reply> {
        self.streams.handle_packet(self.now, &hand.bytes());
        self.replies()
    }

    fn replies(&mut self) -> Vec<Reply> {
        let mut replies = Vec::new();
        let mut out = Vec::new();
        while self.streams.poll_packet(&mut out) {
            let packet = Packet::parse(&out).unwrap();
            let segment = Segment::parse(&packet).unwrap();
            let flags = packet.payload[13];
            replies.push((flags, segment.sequence, segment.acknowledgment));
        }
        replies
    }

    /// A connection from sequence number 1000. Returns our sequence number.
    fn connected() -> (Self, u32) {
        let mut bare = Self::new();
        let [(flags, sequence, 1001)] = bare.give(hand(SYN, 1000, 0))[..] else { panic!() };
        assert_eq!(flags, SYN | ACK);
        assert_eq!(bare.give(hand(ACK, 1001, sequence.wrapping_add(1))), []);
        assert_eq!(bare.streams.connections.values().next().unwrap().state(), State::Established);
        (bare, sequence.wrapping_add(1))
    }

    fn wait(&mut self, patience: Duration) -> Vec<Reply> {
        let end = self.now + patience;
        let mut replies = Vec::new();
        while let Some(next) = self.streams.poll_timeout().filter(|next| *next <= end) {
            assert!(next >= self.now, "time goes on");
            self.now = next;
            self.streams.handle_timeout(next);
            replies.extend(self.replies());
        }
        self.now = end;
        replies
    }
}

#[test]
fn a_segment_of_no_connection_is_reset() {
    let mut bare = Bare::new();
    assert_eq!(bare.give(hand(ACK, 5, 77)), [(RST, 77, 0)]);
    assert_eq!(bare.give(hand(FIN | ACK, 5, 77)), [(RST, 77, 0)]);
    assert_eq!(bare.give(hand(SYN | ACK, 5, 77)), [(RST, 77, 0)]);
    assert_eq!(bare.give(hand(RST, 5, 77)), []);
    assert_eq!(bare.give(hand(RST | ACK, 5, 77)), []);
    assert!(bare.streams.is_empty());
}

#[test]
fn impossible_flags_open_nothing() {
    let xmas = 0x29; // FIN, PSH, URG
    for flags in [0, xmas, 0x3f, SYN | FIN, SYN | RST, FIN] {
        let mut bare = Bare::new();
        bare.give(hand(flags, 1000, 0));
        assert!(bare.streams.is_empty(), "flags {flags:#x}");

        let (mut bare, ours) = Bare::connected();
        bare.give(hand(flags, 1001, ours));
        let mut asking = hand(ACK, 1001, ours);
        asking.payload = b"\0\x01q";
        bare.give(asking);
        let alive = bare.streams.next_query().is_some();
        assert!(alive || flags & (RST | FIN) != 0, "flags {flags:#x}");
    }
}

#[test]
fn a_syn_that_offers_congestion_bits_or_carries_data_is_accepted() {
    let mut bare = Bare::new();
    let mut offer = hand(SYN | 0xc0, 1000, 0);
    offer.payload = b"\0\x01q";
    let [(flags, _, acknowledgment)] = bare.give(offer)[..] else { panic!() };
    assert_eq!((flags, acknowledgment), (SYN | ACK, 1001));
}

#[test]
fn odd_options_neither_stop_us_nor_kill_us() {
    for (options, accepted) in [
        (&[1; 40][..], true),  // NOP without end
        (&[2, 4, 0, 0], true), // MSS 0
        (&[2, 4, 0, 8], true), // MSS 8
        (&[19, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1], true), // MD5
        (&[3, 3, 255, 0], true), // window scale 255
        (&[8, 0, 0, 0], false), // length 0
        (&[8, 1, 0, 0], false), // length 1
        (&[8, 200, 0, 0], false), // past the end
        (&[1, 1, 1, 8], false), // no length
    ] {
        let mut bare = Bare::new();
        let mut syn = hand(SYN, 1000, 0);
        syn.options = options;
        assert_eq!(bare.give(syn).len(), usize::from(accepted), "{options:?}");
        assert_eq!(bare.streams.len(), usize::from(accepted), "{options:?}");
    }
}

#[test]
fn a_tiny_segment_size_still_gets_answers_through() {
    let mut bare = Bare::new();
    let mut syn = hand(SYN, 1000, 0);
    syn.options = &[2, 4, 0, 1];
    let [(_, sequence, _)] = bare.give(syn)[..] else { panic!() };
    let mut asking = hand(ACK, 1001, sequence.wrapping_add(1));
    asking.payload = b"\0\x01q";
    bare.give(asking);
    let query = bare.streams.next_query().unwrap();
    bare.streams.answer(bare.now, query.stream, &[9; 3000]);
    let packets = bare.replies().len();
    assert!((1..=MAX_REPLIES).contains(&packets), "{packets} packets");
}

const MAX_REPLIES: usize = 90;

#[test]
fn only_the_exact_sequence_number_resets() {
    let (mut bare, ours) = Bare::connected();
    assert_eq!(bare.give(hand(RST, 1001 + RECEIVE_BUFFER as u32 + 1, 0)), []);
    assert_eq!(bare.give(hand(RST, 1000, 0)), []);
    assert_eq!(bare.give(hand(RST, 1002, 0)), [(ACK, ours, 1001)]);
    assert_eq!(bare.give(hand(RST, 1003, 0)), [], "one challenge a second");
    assert_eq!(bare.streams.len(), 1);
    assert_eq!(bare.give(hand(RST, 1001, 0)), []);
    assert_eq!(bare.streams.len(), 0);
}

#[test]
fn the_exact_sequence_number_moves_with_what_was_received() {
    let (mut bare, ours) = Bare::connected();
    let mut asking = hand(ACK, 1001, ours);
    asking.payload = b"\0\x01q";
    assert_eq!(bare.give(asking), [(ACK, ours, 1004)]);
    assert_eq!(bare.give(hand(RST, 1001, 0)), []);
    assert_eq!(bare.streams.len(), 1);
    assert_eq!(bare.give(hand(RST, 1004, 0)), []);
    assert_eq!(bare.streams.len(), 0);
}

#[test]
fn a_syn_in_an_established_connection_is_challenged() {
    let (mut bare, ours) = Bare::connected();
    assert_eq!(bare.give(hand(SYN, 70_000, 0)), [(ACK, ours, 1001)]);
    assert_eq!(bare.give(hand(SYN, 70_000, 0)), []);
    // A client that lost its state resets, and begins anew.
    assert_eq!(bare.give(hand(RST, 1001, 0)), []);
    assert_eq!(bare.give(hand(SYN, 70_000, 0)).len(), 1);
    assert_eq!(bare.streams.len(), 1);
}

#[test]
fn a_port_is_used_anew_while_the_old_connection_waits() {
    let (mut bare, ours) = Bare::connected();
    let ours = ours.wrapping_add(1);
    assert_eq!(bare.wait(PATIENCE), [(FIN | ACK, ours.wrapping_sub(1), 1001)]);
    assert_eq!(bare.give(hand(FIN | ACK, 1001, ours)), [(ACK, ours, 1002)]);
    assert_eq!(bare.streams.len(), 1, "stragglers are still acknowledged");
    let [(flags, _, 90_001)] = bare.give(hand(SYN, 90_000, 0))[..] else { panic!() };
    assert_eq!(flags, SYN | ACK);
    assert_eq!(bare.streams.len(), 1);
}

#[test]
fn a_syn_sent_again_is_one_connection_and_dies_in_ten_seconds() {
    let mut bare = Bare::new();
    assert_eq!(bare.give(hand(SYN, 1000, 0)).len(), 1);
    for _ in 0..5 {
        assert_eq!(bare.give(hand(SYN, 1000, 0)), []);
    }
    assert_eq!(bare.streams.len(), 1);
    let again = bare.wait(PATIENCE.saturating_sub(MS));
    assert!(!again.is_empty() && again.iter().all(|reply| reply.0 == SYN | ACK), "{again:?}");
    assert_eq!(bare.streams.len(), 1);
    assert_eq!(bare.wait(MS), [], "who never answered is told nothing");
    assert_eq!(bare.streams.len(), 0);
}

#[test]
fn another_syn_on_a_half_open_port_replaces_it() {
    let mut bare = Bare::new();
    bare.give(hand(SYN, 1000, 0));
    let [(_, _, acknowledgment)] = bare.give(hand(SYN, 5000, 0))[..] else { panic!() };
    assert_eq!(acknowledgment, 5001);
    assert_eq!(bare.streams.len(), 1);
}

#[test]
fn a_flood_of_syns_leaves_the_established_alone_and_lets_new_ones_in() {
    let mut bare = Bare::new();
    let mut ours = Vec::new();
    let established = 150u16;
    for port in 1..=established {
        let from = |mut hand: Hand| {
            hand.source.1 = port;
            hand
        };
        let [(_, sequence, _)] = bare.give(from(hand(SYN, 1000, 0)))[..] else { panic!() };
        bare.give(from(hand(ACK, 1001, sequence.wrapping_add(1))));
        ours.push((port, sequence.wrapping_add(1)));
    }
    for spoof in 0..20_000u32 {
        let mut syn = hand(SYN, spoof, 0);
        syn.source.0 = IpAddr::from([10, (spoof >> 16) as u8, (spoof >> 8) as u8, spoof as u8]);
        let replies = bare.give(syn);
        assert!(replies.iter().all(|reply| reply.0 == SYN | ACK), "nobody is reset: {replies:?}");
        assert!(bare.streams.len() <= MAX_STREAMS);
    }
    for (port, sequence) in ours {
        let mut asking = hand(ACK, 1001, sequence);
        asking.source.1 = port;
        asking.payload = b"\0\x01q";
        bare.give(asking);
    }
    let answered = std::iter::from_fn(|| bare.streams.next_query()).count();
    assert_eq!(answered, usize::from(established));
    bare.wait(PATIENCE * 5);
    assert!(bare.streams.is_empty());
}

#[test]
fn packets_that_are_not_between_two_hosts_are_dropped() {
    let addresses =
        ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1"].map(str::parse);
    for address in addresses.map(Result::unwrap) {
        let mut bare = Bare::new();
        let mut syn = hand(SYN, 1, 0);
        syn.source.0 = address;
        assert_eq!(bare.give(syn), []);
        syn.source.0 = CLIENT_V4;
        syn.destination = address;
        assert_eq!(bare.give(syn), []);
        assert_eq!(bare.streams.counts().dropped, 2);
        assert!(bare.streams.is_empty());
    }
    let mut bare = Bare::new();
    let mut land = hand(SYN, 1, 0);
    land.source.0 = SERVER_V4;
    assert_eq!(bare.give(land), []);
}

#[test]
fn extension_headers_are_looked_past() {
    let mut bare = Bare::new();
    let mut syn = hand(SYN, 1000, 0);
    (syn.source.0, syn.destination) = (CLIENT_V6, SERVER_V6);
    let mut bytes = syn.bytes();
    let options = [6, 0, 1, 4, 0, 0, 0, 0]; // TCP follows; PadN
    bytes.splice(40..40, options);
    bytes[6] = 60;
    bytes[5] += 8;
    bare.streams.handle_packet(bare.now, &bytes);
    assert_eq!(bare.replies().len(), 1);
}

#[test]
fn segments_far_out_of_order_stay_within_the_window() {
    let (mut bare, ours) = Bare::connected();
    for step in 1..1000u32 {
        let mut stray = hand(ACK, 1001 + step * 100, ours);
        stray.payload = &[0; 50];
        bare.give(stray);
    }
    assert!(bare.streams.next_query().is_none());
    bare.wait(PATIENCE * 5);
    assert!(bare.streams.is_empty(), "a gap that is never filled ends by time");
}

#[test]
fn unfinished_long_questions_of_all_clients_together_are_bounded() {
    let mut home = Home::new();
    let handles: Vec<_> = (0..40).map(|_| home.connect(SERVER_V4, 65_535)).collect();
    home.run(MS * 10);
    for handle in &handles {
        home.send(*handle, &[vec![255, 254], vec![1; 60_000]].concat());
    }
    for _ in 0..100 {
        home.run(MS * 5);
        let held: usize = home.streams.connections.values().map(Connection::held).sum();
        assert!(held <= MAX_LONG_QUESTIONS + 40 * USUAL_QUESTION);
    }
    assert!((10..40).contains(&home.streams.len()), "{}", home.streams.len());
}

const CLIENT_V4: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));
const CLIENT_V6: IpAddr = IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7));
const SERVER_V4: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 8));
const SERVER_V6: IpAddr = IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 9, 0, 0, 0, 0, 8));
const MS: Duration = Duration::from_millis(1);
const MTU: usize = 1500;
