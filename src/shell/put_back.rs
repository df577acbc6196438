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
use crate::core::wire::virtio::{FINISHED, HEADER};
use crate::shell::route::Plan;
use crate::shell::tun::{OffloadTun, Tun};

/// The ways by which packets go on.
#[derive(Debug)]
pub struct PutBack {
    plan: Plan,
    v4: Option<Raw>,
    v6: Option<Raw>,
    /// Room for one packet.
    room: Vec<u8>,
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
        Self { plan: plan.clone(), v4, v6, room: Vec::new() }
    }

    /// Whether packets of this host can be put back. A host without IPv6 needs none
    /// of its sockets.
    #[must_use]
    pub fn can_send(&self, has_v6: bool) -> bool {
        self.v4.is_some() && (self.v6.is_some() || !has_v6)
    }

    /// Sends a packet as this host. What the kernel does not take is lost, as on any
    /// link.
    pub fn send(&mut self, packet: &[u8], sent: Sent) {
        let Some(to) = destination(packet) else { return };
        let raw = if to.is_ipv6() { &mut self.v6 } else { &mut self.v4 };
        let Some(raw) = raw else { return };
        let both = self.plan.steer | self.plan.divert;
        let bits = match sent {
            Sent::Undecided => self.plan.steer,
            Sent::Decided => self.plan.divert,
            Sent::Back => both,
        };
        if let Err(error) = raw.send(packet, to, self.plan.mark | bits) {
            log::trace!("put back: a packet is lost: {error}");
        }
    }

    /// Writes a packet of a client to a device, to be forwarded. It gets the hop back
    /// that the way to us took from it.
    pub fn forward(&mut self, packet: &[u8], device: &Tun) {
        self.room.clear();
        self.room.extend_from_slice(packet);
        raise_hop_limit(&mut self.room);
        if let Err(error) = device.try_send(&self.room) {
            log::trace!("put back: a packet is lost: {error}");
        }
    }

    /// The same for a device with virtio headers. On the packet nothing is left undone.
    pub fn forward_whole(&mut self, packet: &[u8], device: &OffloadTun) {
        self.room.clear();
        self.room.extend_from_slice(&FINISHED);
        self.room.extend_from_slice(packet);
        raise_hop_limit(self.room.get_mut(HEADER..).unwrap_or_default());
        if let Err(error) = device.try_send(&self.room) {
            log::trace!("put back: a packet is lost: {error}");
        }
    }

    /// Sends a packet to a client as from its server, if there is a way for that and
    /// the packet needs it; otherwise the device is as good.
    ///
    /// A refusal of a flow that nobody tracks would be dropped by many packet filters
    /// if it came by a device. This one leaves the host as its own packets do.
    pub fn send_back(&mut self, packet: &[u8]) -> bool {
        let Ok(parsed) = Packet::parse(packet) else { return false };
        let sinkholes = [self.plan.sinkhole_v4, self.plan.sinkhole_v6];
        let tracked = is_answer(&parsed) || sinkholes.iter().any(|it| it.contains(parsed.source));
        let raw = if parsed.source.is_ipv6() { &self.v6 } else { &self.v4 };
        if tracked || raw.is_none() {
            return false;
        }
        self.send(packet, Sent::Back);
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
pub(crate) fn raise_hop_limit(packet: &mut [u8]) {
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

const DNS_PORT: u16 = 53; // RFC 1035 §4.2

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::wire::udp;

    const ENDS: [(&str, &str); 2] =
        [("192.0.2.1:5000", "198.51.100.1:443"), ("[2001:db8::1]:5000", "[2001:db8:1::1]:443")];

    fn datagram((source, destination): (&str, &str), length: usize) -> Vec<u8> {
        let (mut packet, payload) = (Vec::new(), vec![7; length]);
        let ends = (source.parse().unwrap(), destination.parse().unwrap());
        udp::write(&mut packet, ends.0, ends.1, &payload).unwrap();
        packet
    }

    #[test]
    fn a_hop_more_keeps_every_header_sound() {
        for ends in ENDS {
            let place = if ends.0.starts_with('[') { 7 } else { 8 };
            for hops in 0..=u8::MAX {
                let mut packet = datagram(ends, 5);
                while packet[place] != hops {
                    // By its own means, around once more.
                    if packet[place] == u8::MAX {
                        packet = set_hops(&packet, place, 0);
                    } else {
                        raise_hop_limit(&mut packet);
                    }
                }
                raise_hop_limit(&mut packet);
                assert_eq!(packet[place], hops.saturating_add(1));
                Packet::parse(&packet).unwrap();
            }
        }
    }

    /// The packet with this hop limit, and its checksum summed anew.
    fn set_hops(packet: &[u8], place: usize, hops: u8) -> Vec<u8> {
        let mut packet = packet.to_vec();
        packet[place] = hops;
        if place == 8 {
            packet[10..12].fill(0);
            let sum = crate::core::wire::checksum::Sum::default().with(&packet[..20]).checksum();
            packet[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        packet
    }

    #[test]
    fn what_is_cut_anywhere_is_harmless() {
        for ends in ENDS {
            let packet = datagram(ends, 3000);
            for length in 0..100 {
                let mut cut = packet[..length].to_vec();
                raise_hop_limit(&mut cut);
                assert_eq!(cut.len(), length);
                assert_eq!(
                    destination(&cut).is_some(),
                    length >= if ends.0.starts_with('[') { 40 } else { 20 }
                );
            }
        }
    }
}
