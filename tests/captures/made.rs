//! Captures that are made here: packets, frames, files.

use std::net::SocketAddr;

use optout::core::wire::tcp::{Control, Flags};

/// What a file can look like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Format {
    Micros,
    Nanos,
    MicrosBig,
    NgLittle,
    NgBig,
}

impl Format {
    pub(crate) const ALL: [Self; 5] =
        [Self::Micros, Self::Nanos, Self::MicrosBig, Self::NgLittle, Self::NgBig];

    fn is_big(self) -> bool {
        matches!(self, Self::MicrosBig | Self::NgBig)
    }

    fn numbers(self, numbers: &[u32]) -> Vec<u8> {
        let bytes = |n: &u32| if self.is_big() { n.to_be_bytes() } else { n.to_le_bytes() };
        numbers.iter().flat_map(bytes).collect()
    }

    /// Two numbers of 16 bits, as one.
    fn pair(self, first: u16, second: u16) -> u32 {
        let [first, second] = [u32::from(first), u32::from(second)];
        if self.is_big() { first << 16 | second } else { second << 16 | first }
    }
}

/// Link types that are read.
pub(crate) const LINKS: [u16; 12] = [101, 1, 0, 9, 12, 50, 51, 104, 108, 113, 166, 276];

/// Four flows: a hello, one to a blocked name, one over IPv6, and a head of HTTP.
pub(crate) fn packets() -> Vec<Vec<u8>> {
    let mut all = hello("192.0.2.7:50000", "203.0.113.5:443", "a.example");
    all.extend(hello("192.0.2.7:50001", "203.0.113.5:443", "blocked.example"));
    all.extend(hello("[2001:db8::7]:50002", "[2001:db8::5]:443", "v6.example"));
    let head = b"GET / HTTP/1.1\r\nUser-Agent: a test of captures\r\nHost: b.example\r\n\r\n";
    all.extend(connection("192.0.2.7:50003", "203.0.113.5:80", head));
    all
}

/// A connection that begins with a ClientHello.
pub(crate) fn hello(client: &str, server: &str, name: &str) -> Vec<Vec<u8>> {
    connection(client, server, &client_hello(name))
}

/// SYN, its answer, and what the client says, in one segment.
fn connection(client: &str, server: &str, said: &[u8]) -> Vec<Vec<u8>> {
    vec![
        segment(client, server, (Flags::SYN, 999, 0), b""),
        segment(server, client, (Flags::SYN | Flags::ACK, 4999, 1000), b""),
        segment(client, server, (Flags::ACK, 1000, 5000), said),
    ]
}

/// A segment without lengths and checksums, as a host with offloading records it.
pub(crate) fn segment(
    from: &str,
    to: &str,
    (flags, sequence, acknowledgment): (Flags, u32, u32),
    payload: &[u8],
) -> Vec<u8> {
    let (source, destination) = (address(from), address(to));
    let control = Control { source, destination, sequence, acknowledgment, flags, window: 512 };
    let mut packet = Vec::new();
    control.write(&mut packet).expect("a segment");
    packet.extend_from_slice(payload);
    forget_length(&mut packet);
    packet
}

/// Sets the length of an IP packet to 0.
pub(crate) fn forget_length(packet: &mut [u8]) {
    let at = if packet[0] >> 4 == 6 { 4 } else { 2 };
    packet[at..at + 2].fill(0);
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// A ClientHello of TLS 1.3 in one record (RFC 8446 §4.1.2).
fn client_hello(name: &str) -> Vec<u8> {
    let vec16 = |body: &[u8]| [&u16_of(body.len())[..], body].concat();
    let extension = |kind: u16, body: &[u8]| [&kind.to_be_bytes()[..], &vec16(body)].concat();
    let sni = vec16(&[&[0][..], &vec16(name.as_bytes())].concat());
    let key_share = extension(51, &vec16(&[&[0x11, 0xec][..], &vec16(&[7; 1216])].concat()));
    let extensions =
        [extension(43, &[2, 3, 4]), key_share, extension(0, &sni), extension(16, b"\0\x03\x02h2")];
    let body = [&[3, 3][..], &[9; 32], &[0], &vec16(&[0x13, 0x01]), &[1, 0]].concat();
    let body = [&body[..], &vec16(&extensions.concat())].concat();
    let handshake = [&[1, 0][..], &vec16(&body)].concat();
    [&[22, 3, 1][..], &vec16(&handshake)].concat()
}

fn u16_of(len: usize) -> [u8; 2] {
    u16::try_from(len).expect("a short vector").to_be_bytes()
}

/// The packets in frames of this link layer, some with tags.
pub(crate) fn framed(link: u16, packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let frame = |packet: &Vec<u8>| {
        let v6 = packet[0] >> 4 == 6;
        let ether: &[u8] = if v6 { b"\x86\xdd" } else { b"\x08\0" };
        let ppp: &[u8] = if v6 { b"\0\x57" } else { b"\0\x21" };
        let head: Vec<u8> = match link {
            0 => vec![if v6 { 30 } else { 2 }, 0, 0, 0],
            1 => [&[2; 12][..], b"\x81\0\0\x05", ether].concat(),
            9 | 50 => [b"\xff\x03", ppp].concat(),
            51 => [b"\x11\0\0\x01\0\0", ppp].concat(),
            104 => [b"\x0f\0", ether].concat(),
            108 => vec![0, 0, 0, if v6 { 24 } else { 2 }],
            113 => [&[0; 14][..], ether].concat(),
            166 => [b"\0\xff\x03", ppp].concat(),
            276 => [ether, &[0; 18]].concat(),
            _ => Vec::new(),
        };
        [head, packet.clone()].concat()
    };
    packets.iter().map(frame).collect()
}

/// A file with these frames, one each millisecond.
pub(crate) fn capture(format: Format, link: u16, frames: &[Vec<u8>]) -> Vec<u8> {
    let ng = matches!(format, Format::NgLittle | Format::NgBig);
    let mut file = if ng {
        let section = [0x0a0d_0d0a, 28, 0x1a2b_3c4d, format.pair(1, 0), u32::MAX, u32::MAX, 28];
        let interface = [1, 20, format.pair(link, 0), 0, 20];
        [format.numbers(&section), format.numbers(&interface)].concat()
    } else {
        let magic = if format == Format::Nanos { 0xa1b2_3c4d } else { 0xa1b2_c3d4 };
        format.numbers(&[magic, format.pair(2, 4), 0, 0, 1 << 18, link.into()])
    };
    for (frame, at) in frames.iter().zip(1_u32..) {
        let len = u32::try_from(frame.len()).expect("a short frame");
        let micros = 1_700_000_000_000_000 + u64::from(at) * 1000;
        if ng {
            let whole = len.next_multiple_of(4) + 32;
            let [high, low] = [micros >> 32, micros & 0xffff_ffff].map(number);
            file.extend(format.numbers(&[6, whole, 0, high, low, len, len]));
            file.extend(frame);
            file.resize(file.len().next_multiple_of(4), 0);
            file.extend(format.numbers(&[whole]));
        } else {
            let [seconds, micros] = [micros / 1_000_000, micros % 1_000_000].map(number);
            let part = if format == Format::Nanos { micros * 1000 } else { micros };
            file.extend(format.numbers(&[seconds, part, len, len]));
            file.extend(frame);
        }
    }
    file
}

/// Says in a little-endian pcap file how long its frames were before they were cut.
pub(crate) fn set_lengths(file: &mut [u8], frames: &[Vec<u8>]) {
    let mut at = 24;
    for frame in frames {
        let kept = u32::from_le_bytes(file[at + 8..at + 12].try_into().expect("four bytes"));
        let len = u32::try_from(frame.len()).expect("a short frame");
        file[at + 12..at + 16].copy_from_slice(&len.to_le_bytes());
        at += 16 + kept as usize;
    }
}

fn number(n: u64) -> u32 {
    u32::try_from(n).expect("32 bits")
}
