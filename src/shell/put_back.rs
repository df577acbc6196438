//! Puts packets of flows back on their way.
//!
//! What a client sent was forwarded to us, so it is written to a device and forwarded
//! once more; what a program of this host sent leaves by a raw socket, as if the
//! program had sent it just now. Either way connection tracking and translation meet
//! it as they would without us.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

use crate::core::wire::ip::{self, Packet};
use crate::core::wire::udp::Datagram;
use crate::shell::route::Plan;
use crate::shell::tun::Tun;

/// The ways by which packets go on.
#[derive(Debug)]
pub struct PutBack {
    plan: Plan,
    v4: Option<Raw>,
    v6: Option<Raw>,
    /// Room for one packet.
    room: Vec<u8>,
    /// Numbers the packets that go on in parts.
    parts: u32,
}

/// What a packet is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sent {
    /// A program's; its flow is not decided.
    Undecided,
    /// A program's; its flow passes from now on.
    Decided,
    /// It is for a client, as from its server.
    Back,
}

impl PutBack {
    /// Opens the raw sockets. Without `CAP_NET_RAW` there are none.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let open = |domain| {
            let raw = Raw::open(domain);
            raw.inspect_err(|error| log::debug!("put back: no raw socket: {error}")).ok()
        };
        let (v4, v6) = (open(Domain::IPV4), open(Domain::IPV6));
        Self { plan: plan.clone(), v4, v6, room: Vec::new(), parts: 0 }
    }

    /// Whether packets of this host can be put back. A host without IPv6 needs none
    /// of its sockets.
    #[must_use]
    pub fn can_send(&self, has_v6: bool) -> bool {
        self.v4.is_some() && (self.v6.is_some() || !has_v6)
    }

    /// Sends a packet as this host. What the kernel does not take is lost, as on any
    /// link.
    pub fn send(&mut self, packet: &[u8], sent: Sent, mtu: usize) {
        let Some(to) = destination(packet) else { return };
        let raw = if to.is_ipv6() { &mut self.v6 } else { &mut self.v4 };
        let Some(raw) = raw else { return };
        let both = self.plan.steer | self.plan.divert;
        let bits = match sent {
            Sent::Undecided => self.plan.steer,
            Sent::Decided => self.plan.divert,
            Sent::Back => both,
        };
        for part in parts(packet, mtu, &mut self.parts).iter() {
            if let Err(error) = raw.send(part, to, self.plan.mark | bits) {
                log::trace!("put back: a packet is lost: {error}");
            }
        }
    }

    /// Writes a packet of a client to a device, to be forwarded. It gets the hop back
    /// that the way to us took from it.
    pub fn forward(&mut self, packet: &[u8], device: &Tun, mtu: usize) {
        self.room.clear();
        self.room.extend_from_slice(packet);
        raise_hop_limit(&mut self.room);
        for part in parts(&self.room, mtu, &mut self.parts).iter() {
            if let Err(error) = device.try_send(part) {
                log::trace!("put back: a packet is lost: {error}");
            }
        }
    }

    /// Sends a packet to a client as from its server, if there is a way for that and
    /// the packet needs it; otherwise the device is as good.
    ///
    /// A refusal of a flow that nobody tracks would be dropped by many packet filters
    /// if it came by a device. This one leaves the host as its own packets do.
    pub fn send_back(&mut self, packet: &[u8], mtu: usize) -> bool {
        let Ok(parsed) = Packet::parse(packet) else { return false };
        let sinkholes = [self.plan.sinkhole_v4, self.plan.sinkhole_v6];
        let tracked = is_answer(&parsed) || sinkholes.iter().any(|it| it.contains(parsed.source));
        let raw = if parsed.source.is_ipv6() { &self.v6 } else { &self.v4 };
        if tracked || raw.is_none() {
            return false;
        }
        self.send(packet, Sent::Back, mtu);
        true
    }
}

/// A raw socket, and the mark that it has just now.
#[derive(Debug)]
struct Raw {
    socket: Socket,
    mark: Option<u32>,
}

impl Raw {
    fn open(domain: Domain) -> io::Result<Self> {
        // It only sends: nobody sends packets of protocol 255.
        let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, mark: None })
    }

    fn send(&mut self, packet: &[u8], to: IpAddr, mark: u32) -> io::Result<()> {
        if self.mark != Some(mark) {
            self.socket.set_mark(mark)?;
            self.mark = Some(mark);
        }
        self.socket.send_to(packet, &SocketAddr::new(to, 0).into()).map(drop)
    }
}

/// Whether it is from a resolver, or as from one: questions are tracked.
fn is_answer(packet: &Packet<'_>) -> bool {
    let port = match packet.protocol {
        ip::UDP => Datagram::parse(packet).ok().map(|datagram| datagram.source_port),
        ip::TCP => packet.payload.first_chunk().map(|port| u16::from_be_bytes(*port)),
        _ => None,
    };
    port == Some(DNS_PORT)
}

fn destination(packet: &[u8]) -> Option<IpAddr> {
    match packet.first()? >> 4 {
        4 => packet.get(16..)?.first_chunk::<4>().map(|octets| IpAddr::from(*octets)),
        6 => packet.get(24..)?.first_chunk::<16>().map(|octets| IpAddr::from(*octets)),
        _ => None,
    }
}

/// One hop more, in place, with the checksum kept (RFC 1624).
fn raise_hop_limit(packet: &mut [u8]) {
    match packet {
        [first, _, _, _, _, _, _, _, ttl @ ..=254, _, check_1, check_2, ..] if *first >> 4 == 4 => {
            *ttl += 1;
            let sum = u32::from(!u16::from_be_bytes([*check_1, *check_2])) + 0x100;
            let sum = u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap_or(u16::MAX);
            [*check_1, *check_2] = (!sum).to_be_bytes();
        }
        [first, _, _, _, _, _, _, hops @ ..=254, ..] if *first >> 4 == 6 => *hops += 1,
        _ => {}
    }
}

/// A packet as it fits on the link: whole, or in parts where it came to us in parts
/// and was joined. One that may not be parted stays whole: its sender is told.
fn parts<'a>(packet: &'a [u8], mtu: usize, last: &mut u32) -> Parts<'a> {
    if packet.len() <= mtu {
        return Parts::Whole(packet);
    }
    *last = last.wrapping_add(1);
    let parted = match packet.first().map(|first| first >> 4) {
        Some(4) => parts_v4(packet, mtu, *last),
        Some(6) => parts_v6(packet, mtu, *last),
        _ => None,
    };
    parted.map_or(Parts::Whole(packet), Parts::Parted)
}

/// RFC 791 §3.2.
fn parts_v4(packet: &[u8], mtu: usize, number: u32) -> Option<Vec<Vec<u8>>> {
    let length = usize::from(packet.first()? & 0xf) * 4;
    let (header, payload) = packet.split_at_checked(length)?;
    if header.len() < 20 || packet.get(6)? & DO_NOT_PART != 0 {
        return None;
    }
    let [_, _, id @ ..] = number.to_be_bytes();
    let room = mtu.checked_sub(length)? / 8 * 8;
    let part = |(at, bytes): (usize, &[u8])| {
        let more = (at + 1) * room < payload.len();
        let place = u16::try_from(at * room / 8).ok()? | if more { MORE_PARTS } else { 0 };
        let mut part = header.to_vec();
        let total = u16::try_from(length + bytes.len()).ok()?;
        part.get_mut(2..4)?.copy_from_slice(&total.to_be_bytes());
        part.get_mut(4..6)?.copy_from_slice(&id);
        part.get_mut(6..8)?.copy_from_slice(&place.to_be_bytes());
        part.get_mut(10..12)?.fill(0);
        let check = crate::core::wire::checksum::Sum::default().with(&part).checksum();
        part.get_mut(10..12)?.copy_from_slice(&check.to_be_bytes());
        part.extend_from_slice(bytes);
        Some(part)
    };
    payload.chunks(room.max(8)).enumerate().map(part).collect()
}

/// RFC 8200 §4.5. A packet with other headers before its payload stays whole.
fn parts_v6(packet: &[u8], mtu: usize, number: u32) -> Option<Vec<Vec<u8>>> {
    let (header, payload) = packet.split_at_checked(40)?;
    let next = *header.get(6)?;
    if ![ip::TCP, ip::UDP].contains(&next) {
        return None;
    }
    let room = mtu.checked_sub(48)? / 8 * 8;
    let part = |(at, bytes): (usize, &[u8])| {
        let more = u16::from((at + 1) * room < payload.len());
        let place = u16::try_from(at * room).ok()? | more;
        let mut part = header.to_vec();
        let length = u16::try_from(8 + bytes.len()).ok()?;
        part.get_mut(4..6)?.copy_from_slice(&length.to_be_bytes());
        *part.get_mut(6)? = FRAGMENT_HEADER;
        part.extend([next, 0]);
        part.extend(place.to_be_bytes());
        part.extend(number.to_be_bytes());
        part.extend_from_slice(bytes);
        Some(part)
    };
    payload.chunks(room.max(8)).enumerate().map(part).collect()
}

enum Parts<'a> {
    Whole(&'a [u8]),
    Parted(Vec<Vec<u8>>),
}

impl Parts<'_> {
    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let (whole, parted) = match self {
            Self::Whole(packet) => (Some(*packet), [].as_slice()),
            Self::Parted(parts) => (None, parts.as_slice()),
        };
        whole.into_iter().chain(parted.iter().map(Vec::as_slice))
    }
}

const DNS_PORT: u16 = 53; // RFC 1035 §4.2
const DO_NOT_PART: u8 = 0x40; // RFC 791 §3.1
const MORE_PARTS: u16 = 0x2000;
const FRAGMENT_HEADER: u8 = 44; // RFC 8200 §4.5
