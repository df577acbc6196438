//! UDP (RFC 768).

use std::net::SocketAddr;

use crate::core::wire::checksum::Sum;
use crate::core::wire::ip::{self, Fragment, Packet};
use crate::core::wire::reader::Reader;
use crate::core::wire::{Malformed, Unwritable};

/// A datagram whose header adds up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Datagram<'a> {
    /// Port of the sender. 0 means that no answer is wanted.
    pub source_port: u16,
    /// Port it is meant for. Never 0.
    pub destination_port: u16,
    /// What was sent.
    pub payload: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// Reads the datagram in `packet`.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if it is not UDP or only a fragment, if its length does not
    /// fit, if its checksum is wrong, or missing in IPv6 (RFC 8200 §8.1; in IPv4
    /// it may be), and for a destination port of 0.
    pub fn parse(packet: &Packet<'a>) -> Result<Self, Malformed> {
        if packet.protocol != ip::UDP || packet.fragment != Fragment::Whole {
            return Err(Malformed("not a whole UDP datagram"));
        }
        let mut r = Reader::new(packet.payload);
        let source_port = r.u16()?;
        let destination_port = r.u16()?;
        let len = usize::from(r.u16()?);
        let checksum = r.u16()?;
        let whole = packet.payload.get(..len).ok_or(Malformed("UDP length"))?;
        let payload = whole.get(HEADER..).ok_or(Malformed("UDP length"))?;
        if destination_port == 0 {
            return Err(Malformed("UDP port"));
        }
        let unsummed = checksum == 0 && packet.source.is_ipv4();
        let sum = || Sum::pseudo_header(packet.source, packet.destination, ip::UDP, len).add(whole);
        if !unsummed && (checksum == 0 || !sum().is_valid()) {
            return Err(Malformed("UDP checksum"));
        }
        Ok(Self { source_port, destination_port, payload })
    }
}

/// Empties `out` and writes a datagram from `source` to `destination` into it,
/// as a whole IP packet. Does not allocate once `out` has grown.
///
/// # Errors
///
/// [`Unwritable`]; then `out` is empty.
pub fn write(
    out: &mut Vec<u8>,
    source: SocketAddr,
    destination: SocketAddr,
    payload: &[u8],
) -> Result<(), Unwritable> {
    out.clear();
    let len = HEADER.saturating_add(payload.len());
    let field = u16::try_from(len).map_err(|_| Unwritable::TooLong(payload.len()))?;
    ip::write_header(out, source.ip(), destination.ip(), ip::UDP, len)?;

    let mut header = [0; HEADER];
    header[0..2].copy_from_slice(&source.port().to_be_bytes());
    header[2..4].copy_from_slice(&destination.port().to_be_bytes());
    header[4..6].copy_from_slice(&field.to_be_bytes());
    let sum = Sum::pseudo_header(source.ip(), destination.ip(), ip::UDP, len);
    let checksum = match sum.add(&header).add(payload).checksum() {
        0 => u16::MAX, // 0 would say that there is no checksum
        sum => sum,
    };
    header[6..8].copy_from_slice(&checksum.to_be_bytes());
    out.extend_from_slice(&header);
    out.extend_from_slice(payload);
    Ok(())
}

const HEADER: usize = 8; // ports, length, checksum; RFC 768
