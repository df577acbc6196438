//! A device at home that sends whatever it likes: its network stack is the test,
//! and no kernel of its own resets what it does not understand.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use super::packet::{self, ACK, Ends, Ip, PSH, RST, Received, SYN, Segment};
use super::tap::{self, Mac, Tap};
use super::{Lab, Node};

/// The device: 192.0.2.30 and `2001:db8:1::30`.
pub(crate) struct Sender {
    card: Tap,
    router: Mac,
    next_port: AtomicU16,
}

/// An open connection, seen from the device.
pub(crate) struct Connection<'s> {
    sender: &'s Sender,
    pub(crate) ends: Ends,
    /// The first byte that is not sent yet.
    pub(crate) seq: u32,
    /// The first byte that has not come yet.
    pub(crate) ack: u32,
    /// The last timestamp of the server (RFC 7323).
    pub(crate) heard: u32,
    /// Our own, when the connection was opened.
    pub(crate) clock: u32,
    /// It was reset.
    pub(crate) reset: bool,
    /// The first byte that the server does not have.
    pub(crate) acked: u32,
}

impl Lab {
    /// Plugs the device into the home's network.
    pub(crate) fn sender(&self) -> Sender {
        let router = self.router();
        let card = Tap::plug(router, "lan3");
        router.ip("link set lan3 master br0 up\n");
        for address in HERE {
            router
                .ip(&format!("neigh replace {address} lladdr {MAC_TEXT} dev br0 nud permanent\n"));
        }
        // A bridge takes the lowest address of its ports, unless it has one of its own.
        let mac = mac_of(router, "br0");
        Sender { card, router: mac, next_port: AtomicU16::new(20_000) }
    }
}

impl Sender {
    /// A flow from here to this server, from a port that was not used before.
    pub(crate) fn ends(&self, to: SocketAddr) -> Ends {
        let from = HERE[usize::from(to.is_ipv6())];
        Ends { from: (from, self.next_port.fetch_add(1, Ordering::Relaxed)).into(), to }
    }

    /// Sends a packet to the router.
    pub(crate) fn send(&self, packet: &[u8]) {
        self.card.send(&tap::frame(self.router, MAC, packet));
    }

    /// Waits for a packet that this finds something in.
    pub(crate) fn wait_for<T>(
        &self,
        patience: Duration,
        find: impl Fn(&[u8]) -> Option<T>,
    ) -> Option<T> {
        let until = Instant::now() + patience;
        loop {
            let frame = self.card.receive(until)?;
            if let Some(found) = tap::packet(&frame).and_then(&find) {
                return Some(found);
            }
        }
    }

    /// Opens a connection; `change` may alter its first segment, and `before` is sent
    /// ahead of it.
    pub(crate) fn connect(
        &self,
        to: SocketAddr,
        before: impl Fn(&Connection<'_>) -> Vec<Vec<u8>>,
        change: impl Fn(&mut Segment),
    ) -> Option<Connection<'_>> {
        let ends = self.ends(to);
        let seq = u32::from(ends.from.port()) * 100_003;
        let clock = 5_000_000;
        let mut it = Connection {
            sender: self,
            ends,
            seq,
            ack: 0,
            heard: 0,
            clock,
            reset: false,
            acked: seq,
        };
        for packet in before(&it) {
            self.send(&packet);
        }
        let mut syn = it.segment(&[]);
        syn.flags = SYN;
        syn.options = [&[2, 4, 5, 0xb4][..], &syn.options].concat(); // an MSS of 1460
        change(&mut syn);
        for _ in 0..3 {
            self.send(&syn.packet(ends));
            let answer = self.wait_for(RETRY, |p| it.mine(p).filter(|s| s.flags & SYN != 0));
            let Some(answer) = answer else { continue };
            it.seq = answer.ack;
            it.acked = answer.ack;
            it.ack = answer.seq.wrapping_add(1);
            it.heard = answer.timestamp.unwrap_or(0);
            self.send(&it.segment(&[]).packet(ends));
            return Some(it);
        }
        None
    }
}

impl Connection<'_> {
    /// An ordinary segment with this payload, at the place that is next.
    pub(crate) fn segment(&self, payload: &[u8]) -> Segment {
        let mut options = vec![1, 1, 8, 10];
        options.extend(self.clock.to_be_bytes());
        options.extend(self.heard.to_be_bytes());
        Segment {
            ip: Ip::new(u32::from(self.ends.from.port())),
            flags: if payload.is_empty() { ACK } else { ACK | PSH },
            seq: self.seq,
            ack: self.ack,
            window: 64_000,
            urgent: 0,
            options,
            header_off: 0,
            payload: payload.to_vec(),
        }
    }

    /// Sends packets, and then, as a kernel would, what the server does not have.
    pub(crate) fn say(&mut self, packets: &[Say], payload: &[u8]) {
        for step in packets {
            match step {
                Say::Packet(packet) => self.sender.send(packet),
                Say::Wait(time) => {
                    self.listen(*time, 0);
                }
            }
        }
        let end = u32::try_from(payload.len()).expect("a hello");
        for wait in [150, 300, 600] {
            if self.listen(Duration::from_millis(wait), end) {
                return;
            }
            let done = usize::try_from(self.acked.wrapping_sub(self.seq)).expect("32 bits");
            for (n, part) in payload.chunks(MSS).enumerate() {
                if (n + 1) * MSS > done {
                    let mut again = self.segment(part);
                    again.seq = self.seq.wrapping_add(u32::try_from(n * MSS).expect("a hello"));
                    self.sender.send(&again.packet(self.ends));
                }
            }
        }
        self.listen(Duration::from_millis(300), end);
    }

    /// Ends it, so that the server keeps nothing.
    pub(crate) fn abort(&self) {
        let mut rst = self.segment(&[]);
        rst.flags = RST;
        rst.seq = self.acked;
        self.sender.send(&rst.packet(self.ends));
    }

    /// Takes what comes for so long; whether it was reset, or has all up to `end`.
    fn listen(&mut self, time: Duration, end: u32) -> bool {
        let until = Instant::now() + time;
        let mine = |packet: &[u8]| self.mine(packet);
        let mut heard = Vec::new();
        while let Some(segment) = self.sender.wait_for(until - Instant::now(), mine) {
            let acked = segment.ack.wrapping_sub(self.seq);
            let over = segment.flags & RST != 0
                || (end > 0 && segment.flags & ACK != 0 && (end..u32::MAX / 2).contains(&acked));
            heard.push(segment);
            if over {
                break;
            }
        }
        for segment in heard {
            self.reset |= segment.flags & RST != 0;
            self.heard = segment.timestamp.unwrap_or(self.heard);
            if segment.flags & ACK != 0 && segment.flags & RST == 0 {
                let further = segment.ack.wrapping_sub(self.acked);
                if further < u32::MAX / 2 {
                    self.acked = segment.ack;
                }
            }
            self.ack = self.ack.max(segment.seq.wrapping_add(segment.length));
        }
        self.reset || end > 0 && self.acked.wrapping_sub(self.seq) >= end
    }

    fn mine(&self, packet: &[u8]) -> Option<Received> {
        let segment = packet::segment(packet)?;
        (segment.to_port == self.ends.from.port()).then_some(segment)
    }
}

/// A step of what a device says.
pub(crate) enum Say {
    Packet(Vec<u8>),
    Wait(Duration),
}

fn mac_of(node: &Node, device: &str) -> Mac {
    let text = node.ok(&format!("ip -o link show {device} | grep -o 'ether [0-9a-f:]*'"));
    let digits = text.trim_start_matches("ether ").split(':');
    let bytes: Vec<u8> = digits.map(|d| u8::from_str_radix(d, 16).expect("two digits")).collect();
    bytes.try_into().expect("six bytes")
}

/// Where the device is.
pub(crate) const HERE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 30)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x30)),
];
const MAC: Mac = [2, 0, 0, 0, 0, 0x30]; // locally administered (IEEE 802)
const MAC_TEXT: &str = "02:00:00:00:00:30";

/// Most bytes in a segment, with timestamps, over the lab's links, v6 too.
const MSS: usize = 1420;

/// How soon a device asks again for a connection.
const RETRY: Duration = Duration::from_millis(700);
