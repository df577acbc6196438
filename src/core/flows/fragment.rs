//! Cuts a packet into fragments (RFC 791 §2.3, RFC 8200 §4.5): the way back of
//! [`reassemble`](super::reassemble).

use std::net::IpAddr;

use crate::core::wire::checksum::Sum;
use crate::core::wire::ip::{Fragment, Packet};

/// The fragments of `packet`, each of at most `mtu` bytes. Only the packet itself
/// if it is short enough, if it must not be cut (IPv4 with DF), if it is a
/// fragment, or if nothing would fit.
///
/// `identification` is for IPv6; an IPv4 packet has one. Options and extension
/// headers are repeated in each fragment.
#[must_use]
pub fn cut(packet: Vec<u8>, mtu: usize, identification: u32) -> Vec<Vec<u8>> {
    if packet.len() <= mtu {
        return vec![packet];
    }
    let cut = Packet::parse(&packet).ok().and_then(|it| fragments(&it, mtu, identification));
    cut.unwrap_or_else(|| vec![packet])
}

fn fragments(packet: &Packet<'_>, mtu: usize, identification: u32) -> Option<Vec<Vec<u8>>> {
    let (header, data) =
        packet.bytes.split_at_checked(packet.bytes.len() - packet.payload.len())?;
    let v6 = matches!(packet.source, IpAddr::V6(_));
    let own = if v6 { V6_FRAGMENT_HEADER } else { 0 };
    let room = mtu.checked_sub(header.len() + own)? / UNIT * UNIT;
    let may = v6 || *header.get(V4_FLAGS_AT)? & V4_DONT_FRAGMENT == 0;
    if room == 0 || !may || packet.fragment != Fragment::Whole {
        return None;
    }
    let count = data.len().div_ceil(room);
    let pieces = data.chunks(room).enumerate();
    pieces
        .map(|(number, piece)| {
            let place =
                Place { offset: u16::try_from(number * room).ok()?, more: number + 1 < count };
            let mut out = Vec::with_capacity(header.len() + own + piece.len());
            out.extend_from_slice(header);
            if v6 {
                place.write_v6(&mut out, packet, identification, piece.len())?;
            } else {
                place.write_v4(&mut out, piece.len())?;
            }
            out.extend_from_slice(piece);
            Some(out)
        })
        .collect()
}

/// Where a fragment belongs. The offset is in bytes.
struct Place {
    offset: u16,
    more: bool,
}

impl Place {
    /// Makes `header`, which is all of it, that of a fragment of `len` bytes.
    fn write_v4(&self, header: &mut [u8], len: usize) -> Option<()> {
        let total = u16::try_from(header.len() + len).ok()?;
        let more = if self.more { V4_MORE } else { 0 };
        put(header, V4_LENGTH_AT, total)?;
        put(header, V4_FLAGS_AT, more | (self.offset / 8))?;
        put(header, V4_CHECKSUM_AT, 0)?;
        let sum = Sum::default().with(header).checksum();
        put(header, V4_CHECKSUM_AT, sum)
    }

    /// The same in IPv6, and appends the fragment header.
    fn write_v6(
        &self,
        header: &mut Vec<u8>,
        packet: &Packet<'_>,
        identification: u32,
        len: usize,
    ) -> Option<()> {
        *header.get_mut(packet.protocol_at)? = FRAGMENT;
        header.extend_from_slice(&[packet.protocol, 0]);
        header.extend_from_slice(&(self.offset | u16::from(self.more)).to_be_bytes());
        header.extend_from_slice(&identification.to_be_bytes());
        let payload = u16::try_from((header.len() + len).checked_sub(V6_HEADER)?).ok()?;
        put(header, V6_LENGTH_AT, payload)
    }
}

fn put(header: &mut [u8], at: usize, value: u16) -> Option<()> {
    header.get_mut(at..)?.first_chunk_mut::<2>()?.copy_from_slice(&value.to_be_bytes());
    Some(())
}

const UNIT: usize = 8; // bytes in which offsets are counted

const V4_LENGTH_AT: usize = 2; // RFC 791 §3.1
const V4_FLAGS_AT: usize = 6;
const V4_CHECKSUM_AT: usize = 10;
const V4_DONT_FRAGMENT: u8 = 0x40; // in the first byte of the flags
const V4_MORE: u16 = 0x2000;

const V6_HEADER: usize = 40; // bytes, RFC 8200 §3
const V6_LENGTH_AT: usize = 4;
const V6_FRAGMENT_HEADER: usize = 8; // bytes, RFC 8200 §4.5
const FRAGMENT: u8 = 44;

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use proptest::prelude::*;

    use super::*;
    use crate::core::flows::reassemble::Reassembler;
    use crate::core::time::Instant;
    use crate::core::wire::udp;

    fn datagram(v6: bool, len: usize) -> Vec<u8> {
        let ends = if v6 {
            ["[2001:db8::7]:40000", "[2001:db8:1::9]:443"]
        } else {
            ["192.0.2.7:40000", "203.0.113.9:443"]
        };
        let [from, to]: [SocketAddr; 2] = ends.map(|end| end.parse().unwrap());
        let payload: Vec<u8> = (0..=250).cycle().take(len).collect();
        let mut packet = Vec::new();
        udp::write(&mut packet, from, to, &payload).unwrap();
        if !v6 {
            allow(&mut packet);
        }
        packet
    }

    /// Takes DF away, and gives it an identification.
    fn allow(packet: &mut [u8]) {
        packet[4..8].copy_from_slice(&[0x12, 0x34, 0, 0]);
        packet[10..12].fill(0);
        let sum = Sum::default().with(&packet[..20]).checksum();
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
    }

    proptest! {
        #[test]
        fn what_is_cut_is_joined_again(v6: bool, len in 0..9000usize, mtu in 300..3000usize) {
            let packet = datagram(v6, len);
            let pieces = cut(packet.clone(), mtu, 7);
            prop_assert_eq!(pieces.len() > 1, packet.len() > mtu);
            let mut whole = Vec::new();
            let mut reassembler = Reassembler::default();
            for (number, piece) in pieces.iter().enumerate() {
                prop_assert!(piece.len() <= mtu);
                let read = Packet::parse(piece).unwrap();
                if pieces.len() == 1 {
                    whole.clone_from(piece);
                } else {
                    let done = reassembler.handle_fragment(Instant::ZERO, &read, &mut whole);
                    prop_assert_eq!(done, number + 1 == pieces.len());
                }
            }
            prop_assert_eq!(whole, packet);
        }
    }

    #[test]
    fn what_must_not_be_cut_is_not() {
        let mut packet = datagram(false, 3000);
        packet[6] = V4_DONT_FRAGMENT;
        packet[10..12].fill(0);
        let sum = Sum::default().with(&packet[..20]).checksum();
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(cut(packet.clone(), 1500, 1), [packet]);
        let fragment = cut(datagram(true, 3000), 1500, 1).remove(0);
        assert_eq!(cut(fragment.clone(), 1300, 2), [fragment], "no fragment of a fragment");
        let packet = datagram(true, 100);
        assert_eq!(cut(packet.clone(), 40, 1), [packet], "nothing would fit");
        assert_eq!(cut(vec![1; 100], 50, 1), [vec![1; 100]], "no packet");
    }

    #[test]
    fn extension_headers_are_repeated() {
        let mut packet = datagram(true, 3000);
        packet.splice(40..40, [17, 0, 1, 4, 0, 0, 0, 0]); // hop-by-hop: padding
        packet[6] = 0;
        let len = u16::try_from(packet.len() - 40).unwrap();
        packet[4..6].copy_from_slice(&len.to_be_bytes());
        let pieces = cut(packet.clone(), 1280, 7);
        assert_eq!(pieces.len(), 3);
        let mut whole = Vec::new();
        let mut reassembler = Reassembler::default();
        for piece in &pieces {
            let read = Packet::parse(piece).unwrap();
            let _ = reassembler.handle_fragment(Instant::ZERO, &read, &mut whole);
        }
        assert_eq!(whole, packet);
    }
}
