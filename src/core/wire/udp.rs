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
        let sum =
            || Sum::pseudo_header(packet.source, packet.destination, ip::UDP, len).with(whole);
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
    let checksum = match sum.with(&header).with(payload).checksum() {
        0 => u16::MAX, // 0 would say that there is no checksum
        sum => sum,
    };
    header[6..8].copy_from_slice(&checksum.to_be_bytes());
    out.extend_from_slice(&header);
    out.extend_from_slice(payload);
    Ok(())
}

const HEADER: usize = 8; // ports, length, checksum; RFC 768

#[cfg(test)]
mod tests {
    use smoltcp::wire::{Ipv4Packet, Ipv6Packet, UdpPacket};

    use super::*;

    #[test]
    fn what_we_write_smoltcp_reads_and_we_read_too() {
        for (from, to) in
            [("192.0.2.1:53", "203.0.113.2:4000"), ("[2001:db8::1]:53", "[2001:db8::2]:4000")]
        {
            let (from, to): (SocketAddr, SocketAddr) = (from.parse().unwrap(), to.parse().unwrap());
            for payload in [&b""[..], b"odd", b"even", &[0xff; 1231]] {
                let mut out = vec![1; 9];
                write(&mut out, from, to, payload).unwrap();
                let body = match from {
                    SocketAddr::V4(_) => Ipv4Packet::new_checked(&out[..]).unwrap().payload(),
                    SocketAddr::V6(_) => Ipv6Packet::new_checked(&out[..]).unwrap().payload(),
                };
                let theirs = UdpPacket::new_checked(body).unwrap();
                assert!(theirs.verify_checksum(&from.ip().into(), &to.ip().into()));
                let packet = Packet::parse(&out).unwrap();
                let ours = Datagram::parse(&packet).unwrap();
                let want = Datagram { source_port: 53, destination_port: 4000, payload };
                assert_eq!(ours, want);
            }
        }
    }

    #[test]
    fn a_missing_checksum_is_legal_in_ipv4_only() {
        for (from, to, legal) in [
            ("192.0.2.1:9", "203.0.113.2:53", true),
            ("[2001:db8::1]:9", "[2001:db8::2]:53", false),
        ] {
            let (mut bytes, header) = datagram(from, to);
            bytes[header + 6..header + 8].fill(0);
            assert_eq!(read(&bytes).is_ok(), legal, "{from}");
            bytes[header + 6] = 1;
            assert_eq!(read(&bytes), Err(Malformed("UDP checksum")), "{from}");
        }
    }

    #[test]
    fn lengths_and_ports_that_cannot_be_are_malformed() {
        let (good, header) = datagram("192.0.2.1:9", "203.0.113.2:53");
        for (at, bytes, want) in [
            (4, [0, 7], "UDP length"),
            (4, [0, 0], "UDP length"),
            (4, [0, 16], "UDP length"),
            (4, [255, 255], "UDP length"),
            (2, [0, 0], "UDP port"),
        ] {
            let mut bad = good.clone();
            bad[header + at..header + at + 2].copy_from_slice(&bytes);
            bad[header + 6..header + 8].fill(0);
            assert_eq!(read(&bad), Err(Malformed(want)));
        }
        let mut fragment = Packet::parse(&good).unwrap();
        fragment.fragment = Fragment::First;
        assert!(Datagram::parse(&fragment).is_err());
        fragment.fragment = Fragment::Whole;
        fragment.payload = &fragment.payload[..7];
        assert!(Datagram::parse(&fragment).is_err());
    }

    #[test]
    fn what_does_not_fit_is_not_written() {
        let mut out = Vec::new();
        let [from, to]: [SocketAddr; 2] =
            ["192.0.2.1:9", "203.0.113.2:53"].map(|a| a.parse().unwrap());
        assert!(write(&mut out, from, to, &vec![0; 65_507]).is_ok());
        assert_eq!(write(&mut out, from, to, &vec![0; 65_508]), Err(Unwritable::TooLong(65_516)));
        assert!(out.is_empty());
    }

    fn datagram(from: &str, to: &str) -> (Vec<u8>, usize) {
        let mut out = Vec::new();
        write(&mut out, from.parse().unwrap(), to.parse().unwrap(), b"payload").unwrap();
        let header = out.len() - 7 - HEADER;
        (out, header)
    }

    fn read(bytes: &[u8]) -> Result<(), Malformed> {
        Datagram::parse(&Packet::parse(bytes).unwrap()).map(drop)
    }
}
