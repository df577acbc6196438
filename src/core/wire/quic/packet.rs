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

/// The kinds of packets with long headers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
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
    /// tells QUIC from RTP (RFC 9443 §3).
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
            None if first & FIXED_BIT != 0 || number == 0 => Self::Version(number),
            None => Self::Other,
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
