//! Packets with long headers, and the datagrams they come in (RFC 9000 §12.2,
//! §17.2; RFC 8999 for what holds in every version).

use super::varint;
use super::version::{self, Version};
use crate::core::wire::reader::{Reader, Short};

/// What a datagram, or what is left of one, begins with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Start<'a> {
    /// A packet that we understand; then what comes after it in the datagram.
    Packet(Packet<'a>, &'a [u8]),
    /// A packet of this version, which we know, that is cut short or whose
    /// lengths do not fit.
    Broken(u32),
    /// A packet of this version of QUIC, which we do not know. 0 negotiates
    /// versions (RFC 8999 §6).
    Version(u32),
    /// A packet with a short header, if this is QUIC. It is never the first.
    Short,
    /// Not QUIC.
    Other,
}

/// A packet with a long header, of a version that we know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Packet<'a> {
    /// The version.
    pub version: Version,
    /// The kind.
    pub kind: Kind,
    /// Destination Connection ID: at most 20 bytes.
    pub destination: &'a [u8],
    /// From its first byte to its last.
    pub bytes: &'a [u8],
    /// What is sealed: the end of `bytes`, from the packet number on. Empty for
    /// Retry.
    pub sealed: &'a [u8],
}

/// The kinds of packets with long headers. The first tell most.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// The first of a client, under keys that everyone can derive.
    Initial,
    /// Data ahead of the handshake, under keys of an earlier connection.
    ZeroRtt,
    /// The rest of the handshake, under keys of its own.
    Handshake,
    /// Asks the client to begin anew. Only servers send it.
    Retry,
}

impl<'a> Start<'a> {
    /// Reads it.
    ///
    /// The fixed bit may be 0 in versions that we know (RFC 9287); in others it
    /// tells QUIC from RTP (RFC 9443 §3). What is the same in all versions must
    /// fit: this tells QUIC from most else.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Self {
        let mut r = Reader::new(bytes);
        let Ok(first) = r.u8() else { return Self::Other };
        if first & LONG_HEADER == 0 {
            return google_header(bytes).map_or_else(|| short_header(first), Self::Version);
        }
        let Ok(number) = r.u32() else { return Self::Other };
        match Version::known(number) {
            Some(version) => Self::known(bytes, version),
            None if version::is_google(number) => Self::Version(number),
            None if first & FIXED_BIT == 0 && number != 0 => Self::Other,
            None => match connection_id(&mut r).and_then(|_| connection_id(&mut r)) {
                Ok(_) => Self::Version(number),
                Err(Short) => Self::Other,
            },
        }
    }

    fn known(bytes: &'a [u8], version: Version) -> Self {
        match Packet::parse(bytes, version) {
            Ok(Some((packet, rest))) => Self::Packet(packet, rest),
            Ok(None) => Self::Other,
            Err(Short) => Self::Broken(version.number),
        }
    }
}

impl<'a> Packet<'a> {
    /// `None` if a connection id is longer than this version allows.
    fn parse(bytes: &'a [u8], version: Version) -> Result<Option<(Self, &'a [u8])>, Short> {
        let mut r = Reader::new(bytes);
        let [first, _, _, _, _] = r.array()?;
        let kind = version.kinds[usize::from(first >> 4 & 3)];
        let [destination, source] = [connection_id(&mut r)?, connection_id(&mut r)?];
        if destination.len().max(source.len()) > MAX_CONNECTION_ID {
            return Ok(None);
        }
        if kind == Kind::Retry {
            return Ok(Some((Self { version, kind, destination, bytes, sealed: &[] }, &[])));
        }
        if kind == Kind::Initial {
            let token = varint(&mut r)?;
            long(&mut r, token)?;
        }
        let len = varint(&mut r)?;
        let sealed = long(&mut r, len)?;
        let (bytes, rest) = bytes.split_at_checked(bytes.len() - r.rest().len()).ok_or(Short)?;
        Ok(Some((Self { version, kind, destination, bytes, sealed }, rest)))
    }
}

fn connection_id<'a>(r: &mut Reader<'a>) -> Result<&'a [u8], Short> {
    let len = r.u8()?;
    r.take(len.into())
}

fn long<'a>(r: &mut Reader<'a>, len: u64) -> Result<&'a [u8], Short> {
    r.take(usize::try_from(len).map_err(|_| Short)?)
}

fn short_header<'a>(first: u8) -> Start<'a> {
    if first & FIXED_BIT == 0 { Start::Other } else { Start::Short }
}

/// The version in the header that Google's QUIC had up to Q043: flags,
/// connection id, version.
fn google_header(bytes: &[u8]) -> Option<u32> {
    let (&flags, rest) = bytes.split_first()?;
    let (_, rest) = rest.split_at_checked(if flags & GOOGLE_ID == 0 { 0 } else { 8 })?;
    let number = Reader::new(rest).u32().ok()?;
    (flags & GOOGLE_VERSION != 0 && version::is_google(number)).then_some(number)
}

const LONG_HEADER: u8 = 0x80; // RFC 8999 §5.1
const FIXED_BIT: u8 = 0x40; // RFC 9000 §17.2
const MAX_CONNECTION_ID: usize = 20; // RFC 9000 §17.2

const GOOGLE_VERSION: u8 = 0x01; // flag of its public header: a version follows
const GOOGLE_ID: u8 = 0x08; // the same: eight bytes of connection id

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_its_own_numbers_for_kinds() {
        for (first, number, kind) in [
            (0xc0, 1, Kind::Initial),
            (0xd0, 1, Kind::ZeroRtt),
            (0xe0, 1, Kind::Handshake),
            (0xf0, 1, Kind::Retry),
            (0xd0, 0x6b33_43cf, Kind::Initial),
            (0xe0, 0x6b33_43cf, Kind::ZeroRtt),
            (0xf0, 0x6b33_43cf, Kind::Handshake),
            (0xc0, 0x6b33_43cf, Kind::Retry),
            (0xc0, 0xff00_0017, Kind::Initial),
            (0xc0, 0xff00_001d, Kind::Initial),
            (0xc0, 0xff00_0022, Kind::Initial),
            (0xc0, 0xface_b002, Kind::Initial),
        ] {
            let bytes = packet(first, number, &[7; 8], &[0, 1, 9]);
            let Start::Packet(packet, _) = Start::parse(&bytes) else {
                panic!("{first:x} {number:x}: not a packet")
            };
            assert_eq!((packet.kind, packet.version.number), (kind, number), "{first:x}");
        }
    }

    #[test]
    fn packets_of_one_datagram_are_parted_at_their_lengths() {
        let initial = packet(0xc0, 1, b"whole", &[2, 8, 8, 3, 1, 2, 3]);
        let handshake = packet(0xe0, 1, b"whole", &[2, 4, 5]);
        let datagram = [&initial[..], &handshake, b"rest"].concat();
        let Start::Packet(first, rest) = Start::parse(&datagram) else { panic!("no packet") };
        assert_eq!((first.bytes, first.sealed), (&initial[..], &[1, 2, 3][..]));
        assert_eq!(first.destination, b"whole");
        let Start::Packet(second, rest) = Start::parse(rest) else { panic!("no second") };
        assert_eq!((second.bytes, second.sealed), (&handshake[..], &[4, 5][..]));
        assert_eq!(rest, b"rest");
        assert_eq!(Start::parse(rest), Start::Short);
    }

    #[test]
    fn every_prefix_of_a_packet_is_broken_or_nothing() {
        let whole = packet(0xc0, 1, &[1; 20], &[3, 5, 5, 5, 0x40, 4, 1, 2, 3, 4]);
        assert!(matches!(Start::parse(&whole), Start::Packet(_, [])));
        for len in 0..whole.len() {
            let want = if len < 5 { Start::Other } else { Start::Broken(1) };
            assert_eq!(Start::parse(&whole[..len]), want, "{len}");
        }
    }

    #[test]
    fn lengths_that_cannot_be_are_broken() {
        for tail in [
            &[0x40][..],
            &[0xff; 8],
            &[0xff; 16],
            &[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            &[0, 2, 1],
        ] {
            assert_eq!(Start::parse(&packet(0xc0, 1, b"", tail)), Start::Broken(1), "{tail:?}");
        }
    }

    #[test]
    fn a_connection_id_of_21_bytes_is_no_packet_of_version_1() {
        assert!(matches!(Start::parse(&packet(0xc0, 1, &[1; 20], &[0, 0])), Start::Packet(..)));
        assert_eq!(Start::parse(&packet(0xc0, 1, &[1; 21], &[0, 0])), Start::Other);
        let unknown = packet(0xc0, 0x0a0a_0a0a, &[1; 255], &[0, 0]);
        assert_eq!(Start::parse(&unknown), Start::Version(0x0a0a_0a0a));
    }

    #[test]
    fn the_fixed_bit_tells_unknown_versions_from_rtp() {
        assert!(matches!(Start::parse(&packet(0x80, 1, b"", &[0, 0])), Start::Packet(..)));
        assert_eq!(Start::parse(&packet(0xc0, 0x1234, b"", &[])), Start::Version(0x1234));
        assert_eq!(Start::parse(&packet(0x80, 0x1234, b"", &[])), Start::Other);
        assert_eq!(Start::parse(&packet(0x80, 0, b"", &[])), Start::Version(0));
        assert_eq!(Start::parse(&[0xff; 517]), Start::Version(u32::MAX));
        assert_eq!(Start::parse(&[0xff; 516]), Start::Other);
        assert_eq!(Start::parse(&[0x40; 30]), Start::Short);
        assert_eq!(Start::parse(&[0x3f; 30]), Start::Other);
        assert_eq!(Start::parse(&[]), Start::Other);
    }

    #[test]
    fn versions_of_google_are_told_by_either_header() {
        for (bytes, version) in [
            (&b"\x09\x01\x02\x03\x04\x05\x06\x07\x08Q043\x01rest"[..], b"Q043"),
            (b"\x0d\x01\x02\x03\x04\x05\x06\x07\x08Q039\x01", b"Q039"),
            (b"\x01Q035\x01", b"Q035"),
            (b"\xc3Q046\x50\x01", b"Q046"),
            (b"\xc3Q050\x08", b"Q050"),
            (b"\xc3T051\x08", b"T051"),
        ] {
            let version = u32::from_be_bytes(*version);
            assert_eq!(Start::parse(bytes), Start::Version(version), "{bytes:?}");
        }
        let dns = b"\x09\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a";
        assert_eq!(Start::parse(dns), Start::Other);
    }

    fn packet(first: u8, version: u32, destination: &[u8], tail: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        bytes.extend(version.to_be_bytes());
        bytes.push(u8::try_from(destination.len()).unwrap());
        bytes.extend(destination);
        bytes.push(0);
        bytes.extend(tail);
        bytes
    }
}
