//! Packets byte by byte, whole and broken, written apart from optout's own code.

use std::net::{IpAddr, SocketAddr};

/// From whom to whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
}

/// What is the same in a packet of any kind.
#[derive(Clone, Debug)]
pub(crate) struct Ip {
    /// Hops that it may take.
    pub(crate) ttl: u8,
    /// What the fragments of one packet have in common.
    pub(crate) id: u32,
    /// IPv6: extension headers before the payload, each with its number; each begins
    /// with a byte for the number of the next.
    pub(crate) ahead: Vec<(u8, Vec<u8>)>,
    /// IPv4: options, a multiple of four bytes.
    pub(crate) options: Vec<u8>,
    /// Added to the checksum of the payload, so that it is wrong.
    pub(crate) spoilt: u16,
}

/// A TCP segment.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) ip: Ip,
    pub(crate) flags: u8,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) window: u16,
    pub(crate) urgent: u16,
    /// Options; padded to a multiple of four.
    pub(crate) options: Vec<u8>,
    /// Added to the length of the header, in units of four bytes.
    pub(crate) header_off: i8,
    pub(crate) payload: Vec<u8>,
}

impl Ip {
    /// An ordinary one.
    pub(crate) fn new(id: u32) -> Self {
        Self { ttl: 64, id, ahead: Vec::new(), options: Vec::new(), spoilt: 0 }
    }

    /// The whole packet around this payload.
    pub(crate) fn packet(&self, ends: Ends, protocol: u8, payload: &[u8]) -> Vec<u8> {
        match (ends.from.ip(), ends.to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let words = u8::try_from(5 + self.options.len() / 4).expect("at most 40 bytes");
                let length = usize::from(words) * 4 + payload.len();
                let mut head = vec![0x40 | words, 0];
                head.extend(short(length));
                head.extend(&self.id.to_be_bytes()[2..]);
                head.extend([0, 0, self.ttl, protocol, 0, 0]);
                head.extend(from.octets());
                head.extend(to.octets());
                head.extend(&self.options);
                seal_v4(&mut head);
                [head, payload.to_vec()].concat()
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                let mut chain = Vec::new();
                for (n, (_, header)) in self.ahead.iter().enumerate() {
                    let next = self.ahead.get(n + 1).map_or(protocol, |(number, _)| *number);
                    chain.push(next);
                    chain.extend(&header[1..]);
                }
                let first = self.ahead.first().map_or(protocol, |(number, _)| *number);
                let mut head = vec![0x60, 0, 0, 0];
                head.extend(short(chain.len() + payload.len()));
                head.extend([first, self.ttl]);
                head.extend(from.octets());
                head.extend(to.octets());
                [head, chain, payload.to_vec()].concat()
            }
            _ => panic!("both ends are of one family"),
        }
    }
}

impl Segment {
    /// The whole packet.
    pub(crate) fn packet(&self, ends: Ends) -> Vec<u8> {
        let mut options = self.options.clone();
        options.resize(options.len().next_multiple_of(4), 0);
        let words = i8::try_from(5 + options.len() / 4).expect("at most 40 bytes of options");
        let words = u8::try_from(words + self.header_off).expect("above zero");
        let mut tcp = [ends.from.port().to_be_bytes(), ends.to.port().to_be_bytes()].concat();
        tcp.extend(self.seq.to_be_bytes());
        tcp.extend(self.ack.to_be_bytes());
        tcp.extend([words << 4, self.flags]);
        tcp.extend(self.window.to_be_bytes());
        tcp.extend([0, 0]);
        tcp.extend(self.urgent.to_be_bytes());
        tcp.extend(options);
        tcp.extend(&self.payload);
        let sum = checksum(ends, TCP, &tcp).wrapping_add(self.ip.spoilt);
        tcp[16..18].copy_from_slice(&sum.to_be_bytes());
        self.ip.packet(ends, TCP, &tcp)
    }
}

/// A datagram, as a whole packet.
pub(crate) fn datagram(ends: Ends, ip: &Ip, payload: &[u8]) -> Vec<u8> {
    let mut udp = [ends.from.port().to_be_bytes(), ends.to.port().to_be_bytes()].concat();
    udp.extend(short(8 + payload.len()));
    udp.extend([0, 0]);
    udp.extend(payload);
    let sum = match checksum(ends, UDP, &udp) {
        0 => 0xffff, // zero means that there is none (RFC 768)
        sum => sum,
    };
    udp[6..8].copy_from_slice(&sum.wrapping_add(ip.spoilt).to_be_bytes());
    ip.packet(ends, UDP, &udp)
}

/// Cuts a packet into fragments; `cuts` are places in its payload, each a multiple
/// of eight. The parts may overlap: each is from one place to another.
pub(crate) fn fragments(packet: &[u8], parts: &[(usize, usize)], id: u32) -> Vec<Vec<u8>> {
    let (head, payload, protocol) = match packet[0] >> 4 {
        4 => {
            let length = usize::from(packet[0] & 15) * 4;
            (packet[..length].to_vec(), &packet[length..], packet[9])
        }
        _ => (packet[..40].to_vec(), &packet[40..], packet[6]),
    };
    let cut = |&(from, to): &(usize, usize)| {
        let to = to.min(payload.len());
        let more = to < payload.len();
        let mut head = head.clone();
        if packet[0] >> 4 == 4 {
            let length = head.len();
            head[2..4].copy_from_slice(&short(length + to - from));
            let place = short((from / 8) | if more { 0x2000 } else { 0 });
            head[4..6].copy_from_slice(&id.to_be_bytes()[2..]);
            head[6..8].copy_from_slice(&place);
            seal_v4(&mut head);
        } else {
            head[4..6].copy_from_slice(&short(8 + to - from));
            head[6] = FRAGMENT;
            head.extend([protocol, 0]);
            head.extend(short(from | usize::from(more)));
            head.extend(id.to_be_bytes());
        }
        [head, payload[from..to].to_vec()].concat()
    };
    parts.iter().map(cut).collect()
}

/// A TCP segment that was received.
pub(crate) struct Received {
    pub(crate) to_port: u16,
    pub(crate) flags: u8,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) timestamp: Option<u32>,
    pub(crate) length: u32,
}

/// Reads a packet; `None` if it is no whole TCP segment.
pub(crate) fn segment(packet: &[u8]) -> Option<Received> {
    let (protocol, tcp) = body(packet)?;
    let head = (protocol == TCP).then(|| tcp.get(..20))??;
    let length = usize::from(head[12] >> 4) * 4;
    let mut options = tcp.get(20..length)?;
    let mut timestamp = None;
    while let [kind, rest @ ..] = options {
        let skip = match (kind, rest) {
            (0, _) => break,
            (1, _) => 1,
            (8, [10, a, b, c, d, ..]) => {
                timestamp = Some(u32::from_be_bytes([*a, *b, *c, *d]));
                10
            }
            (_, [length, ..]) => usize::from(*length).max(2),
            (_, []) => break,
        };
        options = options.get(skip..)?;
    }
    let word = |at| Some(u32::from_be_bytes(head.get(at..at + 4)?.try_into().ok()?));
    Some(Received {
        to_port: u16::from_be_bytes([head[2], head[3]]),
        flags: head[13],
        seq: word(4)?,
        ack: word(8)?,
        timestamp,
        length: u32::try_from(tcp.len() - length).ok()?,
    })
}

/// Who sent a packet.
pub(crate) fn source(packet: &[u8]) -> Option<IpAddr> {
    match packet.first()? >> 4 {
        4 => Some(<[u8; 4]>::try_from(packet.get(12..16)?).ok()?.into()),
        _ => Some(<[u8; 16]>::try_from(packet.get(8..24)?).ok()?.into()),
    }
}

/// The protocol and the payload of a packet without extension headers.
pub(crate) fn body(packet: &[u8]) -> Option<(u8, &[u8])> {
    match packet.first()? >> 4 {
        4 => {
            let total = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
            Some((*packet.get(9)?, packet.get(usize::from(packet[0] & 15) * 4..total)?))
        }
        6 => {
            let total = 40 + usize::from(u16::from_be_bytes([*packet.get(4)?, *packet.get(5)?]));
            Some((*packet.get(6)?, packet.get(40..total)?))
        }
        _ => None,
    }
}

/// An ICMP message of a router about this packet: `kind` and `code` of its family,
/// and what stands in its second word.
pub(crate) fn icmp(router: IpAddr, about: &[u8], kind: (u8, u8), word: u32) -> Option<Vec<u8>> {
    let from = source(about)?;
    let ends = Ends { from: (router, 0).into(), to: (from, 0).into() };
    let mut message = vec![kind.0, kind.1, 0, 0];
    message.extend(word.to_be_bytes());
    message.extend(&about[..about.len().min(QUOTED)]);
    let (protocol, sum) = match from {
        IpAddr::V4(_) => (1, !fold(sum(0, &message))),
        IpAddr::V6(_) => (58, checksum(ends, 58, &message)),
    };
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    Some(Ip::new(0).packet(ends, protocol, &message))
}

/// Writes the checksum of an IPv4 header anew.
pub(crate) fn seal_v4(head: &mut [u8]) {
    head[10..12].fill(0);
    let sum = !fold(sum(0, head));
    head[10..12].copy_from_slice(&sum.to_be_bytes());
}

fn checksum(ends: Ends, protocol: u8, payload: &[u8]) -> u16 {
    let pseudo = match (ends.from.ip(), ends.to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => [from.octets(), to.octets()].concat(),
        (IpAddr::V6(from), IpAddr::V6(to)) => [from.octets(), to.octets()].concat(),
        _ => panic!("both ends are of one family"),
    };
    let length = u32::try_from(payload.len()).expect("a packet");
    !fold(sum(sum(length + u32::from(protocol), &pseudo), payload))
}

fn sum(begin: u32, bytes: &[u8]) -> u32 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    bytes.chunks(2).map(word).fold(begin, |sum, word| sum + word)
}

fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    u16::try_from(sum).expect("folded")
}

fn short(length: usize) -> [u8; 2] {
    u16::try_from(length).expect("at most 64 KiB").to_be_bytes()
}

pub(crate) const FIN: u8 = 1; // RFC 9293 §3.1
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const PSH: u8 = 8;
pub(crate) const ACK: u8 = 16;
pub(crate) const URG: u8 = 32;

pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const HOP_BY_HOP: u8 = 0; // RFC 8200 §4.3
pub(crate) const DESTINATION: u8 = 60; // RFC 8200 §4.6
const FRAGMENT: u8 = 44; // RFC 8200 §4.5

/// Bytes of a packet that an ICMP message repeats: little enough for any link.
const QUOTED: usize = 512;
