//! A packet as it was recorded → the packet as it was sent.
//!
//! Where the network card does the rest, what is recorded on a host has no
//! checksums, and lengths of 0 where it is more than one packet; and a recorder
//! may keep only the first bytes of each. So lengths are set to what is there,
//! and checksums to what they should be: none is ever compared.

use crate::core::wire::checksum::Sum;
use crate::core::wire::ip::{self, Fragment, Packet};

/// What [`mend()`] had to do without.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Mended {
    /// Bytes of the packet that the file does not have.
    pub missing: usize,
}

/// Writes the packet that `recorded` begins with to `out`, with sound lengths and
/// checksums. It had `len` bytes, with padding, before the recorder cut it. `None`,
/// and nothing useful in `out`, if it is no IP packet.
pub fn mend(recorded: &[u8], len: usize, out: &mut Vec<u8>) -> Option<Mended> {
    out.clear();
    let v6 = match recorded.first()? >> 4 {
        4 => false,
        6 => true,
        _ => return None,
    };
    let header = if v6 { ip::V6_HEADER } else { ip::V4_HEADER };
    let (at, uncounted) = if v6 { (4, ip::V6_HEADER) } else { (2, 0) };
    let says = usize::from(read(recorded.get(..header)?, at)?);
    // 0 is said where it does not fit, or is left to the card. No more than fits is taken.
    let most = usize::from(u16::MAX) + uncounted;
    let len = if says == 0 { len.max(recorded.len()).min(most) } else { says + uncounted };
    out.extend_from_slice(recorded.get(..len).unwrap_or(recorded));
    let missing = len - out.len();
    let counted = out.len().saturating_sub(uncounted);
    put(out, at, counted);
    if !v6 {
        sum_header(out);
    }
    mend_transport(out, missing > 0);
    Some(Mended { missing })
}

fn sum_header(packet: &mut [u8]) {
    let len = packet.first().map_or(0, |first| usize::from(first & 0x0f) * 4);
    put(packet, 10, 0);
    let sum = packet.get(..len).map_or(0, |header| Sum::default().with(header).checksum());
    put(packet, 10, sum.into());
}

/// Sets the checksum of TCP or UDP, and the length of UDP if the packet was `cut`
/// or says none. A fragment has none of its own.
fn mend_transport(out: &mut [u8], cut: bool) {
    let Ok(packet) = Packet::parse(out) else { return };
    if packet.fragment != Fragment::Whole {
        return;
    }
    let (source, destination, protocol) = (packet.source, packet.destination, packet.protocol);
    let start = packet.bytes.len() - packet.payload.len();
    let Some(transport) = out.get_mut(start..) else { return };
    let (at, len) = match protocol {
        ip::TCP => (16, transport.len()),
        ip::UDP => {
            let says = read(transport, 4).map_or(0, usize::from);
            if says == 0 || cut {
                let len = transport.len();
                put(transport, 4, len);
            }
            (6, if says == 0 || cut { transport.len() } else { says })
        }
        _ => return,
    };
    put(transport, at, 0);
    let Some(summed) = transport.get(..len) else { return };
    let sum = Sum::pseudo_header(source, destination, protocol, len).with(summed).checksum();
    // In UDP, 0 would say that there is none (RFC 768).
    let sum = if sum == 0 && protocol == ip::UDP { u16::MAX } else { sum };
    put(transport, at, sum.into());
}

fn read(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.first_chunk().map(|field| u16::from_be_bytes(*field))
}

/// Writes a field that is there; one that is not is left to the parsers.
fn put(bytes: &mut [u8], at: usize, value: usize) {
    let value = u16::try_from(value).unwrap_or(u16::MAX);
    if let Some(field) = bytes.get_mut(at..at + 2) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::wire::tcp::{Control, Flags, Segment};
    use crate::core::wire::udp::{self, Datagram};

    #[test]
    fn a_sound_packet_stays_as_it_is() {
        for packet in [datagram(false), datagram(true), segment(false), segment(true)] {
            let mut out = Vec::new();
            assert_eq!(mend(&packet, packet.len(), &mut out), Some(Mended::default()));
            assert_eq!(out, packet);
        }
    }

    #[test]
    fn checksums_that_were_left_to_the_card_are_filled_in() {
        for (packet, v6) in [(datagram(false), false), (datagram(true), true)] {
            let mut recorded = packet.clone();
            let udp = if v6 { 40 } else { 20 };
            recorded[udp + 6] ^= 0x5a;
            if !v6 {
                recorded[10] ^= 0x5a;
            }
            assert_eq!(mended(&recorded), packet, "IPv6: {v6}");
        }
        for (packet, v6) in [(segment(false), false), (segment(true), true)] {
            let mut recorded = packet.clone();
            recorded[if v6 { 56 } else { 36 }] ^= 0x5a;
            assert_eq!(mended(&recorded), packet, "IPv6: {v6}");
        }
    }

    #[test]
    fn lengths_that_were_left_to_the_card_are_filled_in() {
        for (packet, at) in [(segment(false), 2), (segment(true), 4)] {
            let mut recorded = packet.clone();
            recorded[at..at + 2].fill(0);
            assert_eq!(mended(&recorded), packet);
        }
    }

    #[test]
    fn padding_is_cut_off() {
        for packet in [datagram(false), datagram(true)] {
            assert_eq!(mended(&[&packet[..], &[0; 9]].concat()), packet);
        }
    }

    #[test]
    fn what_is_missing_is_counted_and_the_rest_is_sound() {
        for packet in [datagram(false), datagram(true)] {
            let mut out = Vec::new();
            let done = mend(&packet[..packet.len() - 3], 0, &mut out);
            assert_eq!(done, Some(Mended { missing: 3 }));
            let packet = Packet::parse(&out).unwrap();
            assert_eq!(Datagram::parse(&packet).unwrap().payload, b"payl");
        }
        let packet = segment(true);
        let mut out = Vec::new();
        for cut in 0..packet.len() {
            if mend(&packet[..cut], packet.len(), &mut out).is_some() {
                let sound = Packet::parse(&out).unwrap();
                assert_eq!(Segment::parse(&sound).is_ok(), cut == packet.len(), "cut at {cut}");
            }
        }
    }

    #[test]
    fn what_is_missing_is_known_without_a_length_too() {
        let mut packet = segment(false);
        packet.extend(b"payload");
        packet[2..4].fill(0);
        let mut out = Vec::new();
        let done = mend(&packet[..packet.len() - 3], packet.len(), &mut out);
        assert_eq!(done, Some(Mended { missing: 3 }));
        let packet = Packet::parse(&out).unwrap();
        assert_eq!(Segment::parse(&packet).unwrap().payload, b"payl");
    }

    #[test]
    fn fragments_keep_their_bytes() {
        let mut packet = datagram(false);
        packet[6] = 0x20;
        sum_header(&mut packet);
        assert_eq!(mended(&packet), packet);
    }

    proptest! {
        #[test]
        fn any_bytes_are_mended_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for first in [0x45, 0x4f, 0x60] {
                let mut bytes = bytes.clone();
                if let Some(byte) = bytes.first_mut() {
                    *byte = first;
                }
                let mut out = Vec::new();
                if mend(&bytes, bytes.len(), &mut out).is_some() {
                    prop_assert!(out.len() <= bytes.len());
                }
            }
        }
    }

    fn mended(recorded: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        assert_eq!(mend(recorded, recorded.len(), &mut out), Some(Mended::default()));
        out
    }

    fn ends(v6: bool) -> (std::net::SocketAddr, std::net::SocketAddr) {
        if v6 {
            ("[2001:db8::1]:9".parse().unwrap(), "[2001:db8::2]:53".parse().unwrap())
        } else {
            ("192.0.2.1:9".parse().unwrap(), "203.0.113.2:53".parse().unwrap())
        }
    }

    fn datagram(v6: bool) -> Vec<u8> {
        let (from, to) = ends(v6);
        let mut out = Vec::new();
        udp::write(&mut out, from, to, b"payload").unwrap();
        out
    }

    fn segment(v6: bool) -> Vec<u8> {
        let (source, destination) = ends(v6);
        let mut out = Vec::new();
        let (sequence, acknowledgment, flags, window) = (1, 2, Flags::ACK, 512);
        let control = Control { source, destination, sequence, acknowledgment, flags, window };
        control.write(&mut out).unwrap();
        out
    }
}
