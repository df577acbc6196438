//! ICMP errors (RFC 792, RFC 4443): written, never obeyed.

use std::net::IpAddr;

use crate::core::wire::Unwritable;
use crate::core::wire::checksum::Sum;
use crate::core::wire::ip::{self, Packet, V4_HEADER, V6_HEADER};

/// What there is not, where a packet was meant to go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unreachable {
    /// Nobody listens on the port.
    Port,
    /// The transport protocol is not spoken.
    Protocol,
}

/// Empties `out` and writes an error about `packet` into it, from the address
/// that was asked, quoting as much of it as the least link carries.
///
/// Whether the packet may be answered at all (RFC 1122 §3.2.2, RFC 4443 §2.4 e)
/// is for the caller to know.
///
/// # Errors
///
/// [`Unwritable`] cannot happen for a packet that was read from the wire.
pub fn write_unreachable(
    out: &mut Vec<u8>,
    packet: &Packet<'_>,
    what: Unreachable,
) -> Result<(), Unwritable> {
    let (from, to) = (packet.destination, packet.source);
    let is_v4 = from.is_ipv4();
    let most = if is_v4 { V4_LEAST_MTU - V4_HEADER } else { V6_LEAST_MTU - V6_HEADER } - HEADER;
    let quote = packet.bytes.get(..most).unwrap_or(packet.bytes);
    let len = HEADER + quote.len();

    let mut header = [0; HEADER];
    (header[0], header[1]) = match (is_v4, what) {
        (true, Unreachable::Port) => (3, 3),      // RFC 792
        (true, Unreachable::Protocol) => (3, 2),  // RFC 792
        (false, Unreachable::Port) => (1, 4),     // RFC 4443 §3.1
        (false, Unreachable::Protocol) => (4, 1), // unrecognised next header, RFC 4443 §3.4
    };
    if !is_v4 && what == Unreachable::Protocol {
        let pointer = u32::try_from(packet.protocol_at).unwrap_or_default();
        header[4..8].copy_from_slice(&pointer.to_be_bytes());
    }
    let (protocol, sum) = match from {
        IpAddr::V4(_) => (ip::ICMP, Sum::default()),
        IpAddr::V6(_) => (ip::ICMP_V6, Sum::pseudo_header(from, to, ip::ICMP_V6, len)),
    };
    let checksum = sum.with(&header).with(quote).checksum();
    header[2..4].copy_from_slice(&checksum.to_be_bytes());

    ip::write_header(out, from, to, protocol, len)?;
    out.extend_from_slice(&header);
    out.extend_from_slice(quote);
    Ok(())
}

/// Whether an ICMP message asks for an answer: an echo request. All else is an
/// error, an answer, or talk among neighbours, and must never be answered with
/// an error.
#[must_use]
pub fn is_echo_request(packet: &Packet<'_>) -> bool {
    let kind = packet.payload.first().copied();
    match packet.protocol {
        ip::ICMP if packet.source.is_ipv4() => kind == Some(V4_ECHO_REQUEST),
        ip::ICMP_V6 if packet.source.is_ipv6() => kind == Some(V6_ECHO_REQUEST),
        _ => false,
    }
}

const HEADER: usize = 8; // type, code, checksum, four bytes by type
const V4_LEAST_MTU: usize = 576; // RFC 1812 §4.3.2.3: as much as fits without exceeding it
const V6_LEAST_MTU: usize = 1280; // RFC 4443 §2.4 c
const V4_ECHO_REQUEST: u8 = 8; // RFC 792
const V6_ECHO_REQUEST: u8 = 128; // RFC 4443 §4.1
