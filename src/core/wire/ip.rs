//! IPv4 (RFC 791) and IPv6 (RFC 8200), as far as the transport header.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::core::wire::checksum::Sum;
use crate::core::wire::reader::Reader;
use crate::core::wire::{Malformed, Unwritable};

/// A packet whose headers add up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Packet<'a> {
    /// Who sent it.
    pub source: IpAddr,
    /// Whom it is meant for.
    pub destination: IpAddr,
    /// Number of the transport protocol, after all extension headers.
    pub protocol: u8,
    /// Where the byte that says `protocol` is, counted from the first.
    pub protocol_at: usize,
    /// Whether this is all of a datagram.
    pub fragment: Fragment,
    /// Where it belongs in its datagram, unless it is all of it.
    pub part: Option<Part<'a>>,
    /// What the last header is followed by.
    pub payload: &'a [u8],
    /// The whole packet, without what came after its end.
    pub bytes: &'a [u8],
}

/// Which part of a datagram a packet carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fragment {
    /// All of it. An atomic fragment (RFC 6946) counts as such.
    Whole,
    /// Its beginning, so the transport header is here.
    First,
    /// A part without the transport header.
    Later,
}

/// What a fragment says about its place in a datagram (RFC 791 §3.2, RFC 8200 §4.5).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Part<'a> {
    /// Names the datagram among those of the same ends.
    pub identification: u32,
    /// Where `data` begins, in bytes: a multiple of 8.
    pub offset: usize,
    /// Whether this is not the last.
    pub more: bool,
    /// The headers that every fragment repeats: all that comes before the
    /// fragment header, which IPv4 does not have.
    pub header: &'a [u8],
    /// Where `header` says what follows it, counted from its first byte.
    pub next_at: usize,
    /// The protocol or IPv6 header that the data of the first fragment begins with.
    pub next: u8,
    /// The part itself.
    pub data: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads what came out of the TUN in one read.
    ///
    /// Bytes after the end that the header states are cut off. Does not
    /// allocate, and reads at most 8 extension headers.
    ///
    /// # Errors
    ///
    /// [`Malformed`] for a version other than 4 and 6, lengths that point past
    /// the end, a wrong IPv4 header checksum, a routing header that is not
    /// spent or of type 0 (RFC 5095), a second fragment header, and longer
    /// chains of extension headers.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        match bytes.first().map(|first| first >> 4) {
            Some(4) => Self::parse_v4(bytes),
            Some(6) => Self::parse_v6(bytes),
            _ => Err(Malformed("IP version")),
        }
    }

    /// Whether an answer to this packet would go to the host that sent it and
    /// nowhere else: both ends are hosts, and they are two (RFC 1122 §3.2.2).
    #[must_use]
    pub fn is_answerable(&self) -> bool {
        self.fragment != Fragment::Later
            && is_host(self.source)
            && is_host(self.destination)
            && self.source != self.destination
    }

    /// How many routers it may still pass: time to live in IPv4, hop limit in IPv6.
    #[must_use]
    pub fn hop_limit(&self) -> u8 {
        let at = if self.source.is_ipv4() { V4_TTL_AT } else { V6_HOP_LIMIT_AT };
        self.bytes.get(at).copied().unwrap_or_default()
    }

    /// Whether nothing stands between the IP header and the payload: no options,
    /// no extension headers.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let header = if self.source.is_ipv4() { V4_HEADER } else { V6_HEADER };
        self.bytes.len() - self.payload.len() == header
    }

    fn parse_v4(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        let [version_and_length, _service] = r.array()?;
        let total_len = r.u16()?;
        let identification = r.u16()?;
        let place = r.u16()?;
        let [_ttl, protocol] = r.array()?;
        r.u16()?; // checksum, summed below
        let source: [u8; 4] = r.array()?;
        let destination: [u8; 4] = r.array()?;

        let header_len = usize::from(version_and_length & 0x0f) * 4;
        if header_len < V4_HEADER {
            return Err(Malformed("IPv4 header length"));
        }
        let whole = bytes.get(..total_len.into()).ok_or(Malformed("IPv4 total length"))?;
        let (header, payload) =
            whole.split_at_checked(header_len).ok_or(Malformed("IPv4 header length"))?;
        if !Sum::default().with(header).is_valid() {
            return Err(Malformed("IPv4 header checksum"));
        }
        let part = Part {
            identification: identification.into(),
            offset: usize::from(place & V4_OFFSET) * 8,
            more: place & V4_MORE != 0,
            header,
            next_at: V4_PROTOCOL_AT,
            next: protocol,
            data: payload,
        };
        let fragment = part.kind();
        Ok(Self {
            source: IpAddr::from(source),
            destination: IpAddr::from(destination),
            protocol,
            protocol_at: V4_PROTOCOL_AT,
            fragment,
            part: (fragment != Fragment::Whole).then_some(part),
            payload,
            bytes: whole,
        })
    }

    fn parse_v6(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        r.u32()?; // version, traffic class, flow label
        let payload_len = r.u16()?;
        let [protocol, _hop_limit] = r.array()?;
        let source: [u8; 16] = r.array()?;
        let destination: [u8; 16] = r.array()?;
        let payload = r.take(payload_len.into()).map_err(|_| Malformed("IPv6 payload length"))?;
        let packet = Self {
            source: IpAddr::from(source),
            destination: IpAddr::from(destination),
            protocol,
            protocol_at: V6_PROTOCOL_AT,
            fragment: Fragment::Whole,
            part: None,
            payload,
            bytes: bytes.get(..V6_HEADER + payload.len()).unwrap_or(bytes),
        };
        packet.past_extensions()
    }

    /// Walks the extension headers (RFC 8200 §4), at most [`MAX_EXTENSIONS`].
    fn past_extensions(mut self) -> Result<Self, Malformed> {
        let mut fragment_header = false;
        for _ in 0..=MAX_EXTENSIONS {
            let at = self.bytes.len() - self.payload.len();
            let mut r = Reader::new(self.payload);
            let next = match self.protocol {
                HOP_BY_HOP if at != V6_HEADER => return Err(Malformed("hop-by-hop not first")),
                HOP_BY_HOP | DESTINATION_OPTIONS => {
                    let [next, units] = r.array()?;
                    r.take(6 + usize::from(units) * 8)?;
                    next
                }
                ROUTING => {
                    let [next, units, kind, left] = r.array()?;
                    r.take(4 + usize::from(units) * 8)?;
                    if kind == 0 || left != 0 {
                        return Err(Malformed("routing header"));
                    }
                    next
                }
                // A fragment inside a fragment would be told apart by its inner header.
                FRAGMENT if fragment_header => return Err(Malformed("second fragment header")),
                FRAGMENT => {
                    fragment_header = true;
                    let [next, _reserved] = r.array()?;
                    let place = r.u16()?;
                    let part = Part {
                        identification: r.u32()?,
                        offset: usize::from(place & V6_OFFSET),
                        more: place & V6_MORE != 0,
                        header: self.bytes.get(..at).unwrap_or_default(),
                        next_at: self.protocol_at,
                        next,
                        data: r.rest(),
                    };
                    self.fragment = part.kind();
                    self.part = (self.fragment != Fragment::Whole).then_some(part);
                    next
                }
                _ => return Ok(self),
            };
            self.protocol = next;
            self.protocol_at = at;
            self.payload = r.rest();
            if self.fragment == Fragment::Later {
                return Ok(self);
            }
        }
        Err(Malformed("too many extension headers"))
    }
}

impl Part<'_> {
    fn kind(&self) -> Fragment {
        match (self.offset, self.more) {
            (0, false) => Fragment::Whole,
            (0, true) => Fragment::First,
            _ => Fragment::Later,
        }
    }
}

/// Whether `address` can be that of one host on a network: not unspecified,
/// loopback, multicast, broadcast or reserved (RFC 6890), and not an IPv4
/// address in IPv6 clothes (RFC 4291 §2.5.5), which never is on a wire.
#[must_use]
pub fn is_host(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !matches!(v4.octets(), [0 | 127 | 224..=255, ..]),
        IpAddr::V6(v6) => {
            !v6.is_multicast() && v6.to_ipv4_mapped().is_none() && v6.segments()[..6] != [0; 6]
        }
    }
}

/// Empties `out` and begins a packet of ours in it: hop limit 64, not to be
/// fragmented, no options. The caller appends `payload_len` bytes.
///
/// # Errors
///
/// [`Unwritable`]; then `out` is empty.
pub fn write_header(
    out: &mut Vec<u8>,
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    payload_len: usize,
) -> Result<(), Unwritable> {
    out.clear();
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            write_v4(out, source, destination, protocol, payload_len)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            write_v6(out, source, destination, protocol, payload_len)
        }
        _ => Err(Unwritable::Families),
    }
}

/// Makes the header right again that `packet` begins with, once its fragments
/// are joined behind it: its length, no trace of fragments, its checksum, and
/// `next` at `next_at`, as [`Part`] had them.
///
/// # Errors
///
/// [`Unwritable::TooLong`] if no length field can say how long it is.
pub fn join_header(
    packet: &mut [u8],
    header_len: usize,
    next_at: usize,
    next: u8,
) -> Result<(), Unwritable> {
    let v6 = packet.first().is_some_and(|first| first >> 4 == 6);
    let counted = packet.len().saturating_sub(if v6 { V6_HEADER } else { 0 });
    let len = u16::try_from(counted).map_err(|_| Unwritable::TooLong(counted))?;
    let Some(header) = packet.get_mut(..header_len) else { return Ok(()) };
    if let Some(says) = header.get_mut(next_at) {
        *says = next;
    }
    if v6 {
        put(header, 4, len);
    } else {
        put(header, 2, len);
        put(header, 6, 0); // flags and offset
        mend_checksum(header);
    }
    Ok(())
}

/// Makes the length in the header right again that `packet` begins with, once
/// its end is cut off, and the header's checksum.
///
/// # Errors
///
/// [`Unwritable::TooLong`] if no length field can say how long it is.
pub fn mend_length(packet: &mut [u8], header_len: usize) -> Result<(), Unwritable> {
    let v6 = packet.first().is_some_and(|first| first >> 4 == 6);
    let counted = packet.len().saturating_sub(if v6 { V6_HEADER } else { 0 });
    let len = u16::try_from(counted).map_err(|_| Unwritable::TooLong(counted))?;
    let Some(header) = packet.get_mut(..header_len) else { return Ok(()) };
    if v6 {
        put(header, 4, len);
    } else {
        put(header, 2, len);
        mend_checksum(header);
    }
    Ok(())
}

/// Sets how many routers `packet` may still pass. It has no options if it is IPv4:
/// it is of our own making.
pub fn set_hop_limit(packet: &mut [u8], hop_limit: u8) {
    let v6 = packet.first().is_some_and(|first| first >> 4 == 6);
    if let Some(field) = packet.get_mut(if v6 { V6_HOP_LIMIT_AT } else { V4_TTL_AT }) {
        *field = hop_limit;
    }
    if let (false, Some(header)) = (v6, packet.get_mut(..V4_HEADER)) {
        mend_checksum(header);
    }
}

/// Sums up an IPv4 header anew.
fn mend_checksum(header: &mut [u8]) {
    put(header, 10, 0);
    let checksum = Sum::default().with(header).checksum();
    put(header, 10, checksum);
}

fn put(header: &mut [u8], at: usize, value: u16) {
    if let Some(field) = header.get_mut(at..at + 2) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}

fn write_v4(
    out: &mut Vec<u8>,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: u8,
    payload_len: usize,
) -> Result<(), Unwritable> {
    let total = u16::try_from(V4_HEADER.saturating_add(payload_len))
        .map_err(|_| Unwritable::TooLong(payload_len))?;
    let mut header = [0; V4_HEADER];
    header[0] = 0x45; // version 4, five words
    header[2..4].copy_from_slice(&total.to_be_bytes());
    // The identification stays 0: an atomic datagram needs none (RFC 6864 §4.1).
    header[6..8].copy_from_slice(&V4_DONT_FRAGMENT.to_be_bytes());
    header[8] = HOP_LIMIT;
    header[9] = protocol;
    header[12..16].copy_from_slice(&source.octets());
    header[16..20].copy_from_slice(&destination.octets());
    let checksum = Sum::default().with(&header).checksum();
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    out.extend_from_slice(&header);
    Ok(())
}

fn write_v6(
    out: &mut Vec<u8>,
    source: Ipv6Addr,
    destination: Ipv6Addr,
    protocol: u8,
    payload_len: usize,
) -> Result<(), Unwritable> {
    let len = u16::try_from(payload_len).map_err(|_| Unwritable::TooLong(payload_len))?;
    let mut header = [0; V6_HEADER];
    header[0] = 0x60; // version 6
    header[4..6].copy_from_slice(&len.to_be_bytes());
    header[6] = protocol;
    header[7] = HOP_LIMIT;
    header[8..24].copy_from_slice(&source.octets());
    header[24..40].copy_from_slice(&destination.octets());
    out.extend_from_slice(&header);
    Ok(())
}

/// Protocol number of ICMP (RFC 792).
pub const ICMP: u8 = 1;
/// Protocol number of TCP (RFC 9293).
pub const TCP: u8 = 6;
/// Protocol number of UDP (RFC 768).
pub const UDP: u8 = 17;
/// Protocol number of `ICMPv6` (RFC 4443).
pub const ICMP_V6: u8 = 58;

/// Length of an IPv4 header without options, in bytes (RFC 791 §3.1).
pub const V4_HEADER: usize = 20;
/// Length of an IPv6 header, in bytes (RFC 8200 §3).
pub const V6_HEADER: usize = 40;

const HOP_LIMIT: u8 = 64; // RFC 1700, and what every host sends

const V4_TTL_AT: usize = 8; // RFC 791 §3.1
const V4_PROTOCOL_AT: usize = 9; // RFC 791 §3.1
const V4_DONT_FRAGMENT: u16 = 0x4000; // RFC 791 §3.1
const V4_MORE: u16 = 0x2000; // RFC 791 §3.1
const V4_OFFSET: u16 = 0x1fff; // in 8-byte units; RFC 791 §3.1

const V6_PROTOCOL_AT: usize = 6; // RFC 8200 §3
const V6_HOP_LIMIT_AT: usize = 7; // RFC 8200 §3
const V6_MORE: u16 = 0x0001; // RFC 8200 §4.5
const V6_OFFSET: u16 = 0xfff8; // RFC 8200 §4.5

const HOP_BY_HOP: u8 = 0; // RFC 8200 §4.3
const ROUTING: u8 = 43; // RFC 8200 §4.4
const FRAGMENT: u8 = 44; // RFC 8200 §4.5
const DESTINATION_OPTIONS: u8 = 60; // RFC 8200 §4.6

/// Most extension headers we walk. A real packet has two or three; RFC 8200
/// §4.1 recommends an order in which there are seven.
const MAX_EXTENSIONS: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_we_write_smoltcp_reads_and_we_read_too() {
        use smoltcp::wire::{Ipv4Packet, Ipv6Packet};

        let mut out = vec![9; 3];
        write_header(&mut out, a("192.0.2.1"), a("203.0.113.2"), UDP, 5).unwrap();
        out.extend(b"hello");
        let theirs = Ipv4Packet::new_checked(&out[..]).unwrap();
        assert!(theirs.verify_checksum() && theirs.dont_frag());
        assert_eq!((theirs.hop_limit(), theirs.total_len()), (64, 25));
        let ours = Packet::parse(&out).unwrap();
        assert_eq!((ours.source, ours.destination), (a("192.0.2.1"), a("203.0.113.2")));
        assert_eq!((ours.payload, ours.protocol), (&b"hello"[..], UDP));

        write_header(&mut out, a("2001:db8::1"), a("2001:db8::2"), TCP, 5).unwrap();
        out.extend(b"hello");
        let theirs = Ipv6Packet::new_checked(&out[..]).unwrap();
        assert_eq!((theirs.hop_limit(), theirs.payload_len()), (64, 5));
        let ours = Packet::parse(&out).unwrap();
        assert_eq!((ours.source, ours.destination), (a("2001:db8::1"), a("2001:db8::2")));
        assert_eq!((ours.payload, ours.protocol_at), (&b"hello"[..], 6));
    }

    #[test]
    fn a_packet_that_is_cut_and_aged_is_a_packet() {
        for (from, to) in [("192.0.2.1", "203.0.113.2"), ("2001:db8::1", "2001:db8::2")] {
            let mut out = Vec::new();
            write_header(&mut out, a(from), a(to), UDP, 9).unwrap();
            let header = out.len();
            out.extend(b"nine bytes"[..9].iter());
            out.truncate(header + 4);
            mend_length(&mut out, header).unwrap();
            set_hop_limit(&mut out, 3);
            out.extend(b"after its end");
            let packet = Packet::parse(&out).unwrap();
            assert_eq!((packet.payload, packet.hop_limit()), (&b"nine"[..], 3));
            assert!(packet.is_plain());
        }
        let options = v4(&[1, 1, 1, 0], b"payload");
        assert!(!Packet::parse(&options).unwrap().is_plain());
    }

    #[test]
    fn two_families_do_not_fit_in_one_header() {
        let mut out = vec![1];
        let mixed = write_header(&mut out, a("192.0.2.1"), a("2001:db8::2"), TCP, 0);
        assert_eq!((mixed, out.len()), (Err(Unwritable::Families), 0));
        let long = write_header(&mut out, a("192.0.2.1"), a("192.0.2.2"), TCP, 65_516);
        assert_eq!((long, out.len()), (Err(Unwritable::TooLong(65_516)), 0));
    }

    #[test]
    fn lies_in_an_ipv4_header_are_malformed() {
        let good = v4(&[], b"payload");
        assert!(Packet::parse(&good).is_ok());
        for (at, byte) in [
            (0, 0x05), // version 0
            (0, 0x55), // version 5
            (0, 0xf5), // version 15
            (0, 0x44), // header of 16 bytes
            (0, 0x4f), // header longer than the packet
            (2, 0xff), // longer than what was read
            (3, 19),   // shorter than its header
            (3, 0),
        ] {
            let mut bad = good.clone();
            bad[at] = byte;
            fix(&mut bad);
            assert!(Packet::parse(&bad).is_err(), "byte {at} = {byte:#x}");
        }
        let mut bad = good.clone();
        bad[10] ^= 1;
        assert_eq!(Packet::parse(&bad), Err(Malformed("IPv4 header checksum")));
        for cut in 0..good.len() {
            assert!(Packet::parse(&good[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn what_follows_the_end_is_cut_off() {
        let mut padded = v4(&[], b"payload");
        padded.extend([0; 30]);
        assert_eq!(Packet::parse(&padded).unwrap().payload, b"payload");
        let mut padded = v6(17, b"payload");
        padded.extend([0; 30]);
        let packet = Packet::parse(&padded).unwrap();
        assert_eq!((packet.payload, packet.bytes.len()), (&b"payload"[..], 47));
    }

    #[test]
    fn ipv4_options_are_looked_past() {
        let packet = v4(&[1, 1, 1, 0], b"payload");
        assert_eq!(Packet::parse(&packet).unwrap().payload, b"payload");
    }

    #[test]
    fn fragments_are_told_apart() {
        for (place, want) in [
            (0x0000, Fragment::Whole),
            (0x4000, Fragment::Whole),
            (0x2000, Fragment::First),
            (0x2001, Fragment::Later),
            (0x0001, Fragment::Later),
            (0x1fff, Fragment::Later),
        ] {
            let mut packet = v4(&[], b"payload");
            packet[6..8].copy_from_slice(&u16::to_be_bytes(place));
            fix(&mut packet);
            assert_eq!(Packet::parse(&packet).unwrap().fragment, want, "{place:#x}");
        }
        for (place, want) in
            [(0, Fragment::Whole), (1, Fragment::First), (8, Fragment::Later), (9, Fragment::Later)]
        {
            let packet = v6(FRAGMENT, &[17, 0, 0, place, 0, 0, 0, 1, 42]);
            let packet = Packet::parse(&packet).unwrap();
            assert_eq!(packet.fragment, want, "{place:#x}");
            assert_eq!((packet.protocol, packet.payload), (17, &[42][..]));
        }
    }

    #[test]
    fn a_fragment_says_where_its_data_belongs() {
        let mut packet = v4(&[1, 1, 1, 0], b"payload");
        packet[4..8].copy_from_slice(&[0xab, 0xcd, 0x20, 0x03]);
        fix(&mut packet);
        let part = Packet::parse(&packet).unwrap().part.unwrap();
        assert_eq!((part.identification, part.offset, part.more), (0xabcd, 24, true));
        assert_eq!((part.header.len(), part.data), (24, &b"payload"[..]));
        assert_eq!((part.header[part.next_at], part.next), (UDP, UDP));

        let options = [FRAGMENT, 0, 1, 4, 0, 0, 0, 0];
        let fragment = [&options[..], &[DESTINATION_OPTIONS, 0, 0, 25, 9, 8, 7, 6, 42]].concat();
        let packet = v6(DESTINATION_OPTIONS, &fragment);
        let part = Packet::parse(&packet).unwrap().part.unwrap();
        assert_eq!((part.identification, part.offset, part.more), (0x0908_0706, 24, true));
        assert_eq!((part.header.len(), part.data), (48, &[42][..]));
        assert_eq!((part.header[part.next_at], part.next), (FRAGMENT, DESTINATION_OPTIONS));

        let whole = v4(&[], b"payload");
        assert_eq!(Packet::parse(&whole).unwrap().part, None);
        let atomic = v6(FRAGMENT, &[17, 0, 0, 0, 0, 0, 0, 1, 42]);
        assert_eq!(Packet::parse(&atomic).unwrap().part, None);
    }

    #[test]
    fn extension_headers_are_walked_to_the_transport() {
        let options = |next| [next, 0, 1, 4, 0, 0, 0, 0];
        let chain =
            [options(DESTINATION_OPTIONS), options(ROUTING), [FRAGMENT, 0, 4, 0, 0, 0, 0, 0]]
                .concat();
        let chain = [chain, vec![6, 0, 0, 0, 0, 0, 0, 1], b"tcp".to_vec()].concat();
        let packet = v6(HOP_BY_HOP, &chain);
        let packet = Packet::parse(&packet).unwrap();
        assert_eq!((packet.protocol, packet.payload), (6, &b"tcp"[..]));
        assert_eq!(packet.bytes[packet.protocol_at], 6);
    }

    #[test]
    fn extension_headers_do_not_go_on_for_ever() {
        for (headers, fine) in [(8, true), (9, false), (50, false)] {
            let mut chain = Vec::new();
            for left in (0..headers).rev() {
                let next = if left == 0 { 17 } else { DESTINATION_OPTIONS };
                chain.extend([next, 0, 1, 4, 0, 0, 0, 0]);
            }
            let packet = v6(DESTINATION_OPTIONS, &chain);
            assert_eq!(Packet::parse(&packet).is_ok(), fine, "{headers} headers");
        }
    }

    #[test]
    fn extension_headers_that_lie_are_malformed() {
        for (first, body) in [
            (ROUTING, &[17, 0, 0, 0, 0, 0, 0, 0][..]), // type 0, RFC 5095
            (ROUTING, &[17, 0, 4, 1, 0, 0, 0, 0]),     // another hop to go
            (DESTINATION_OPTIONS, &[17, 1, 1, 4, 0, 0, 0, 0]), // past the end
            (DESTINATION_OPTIONS, &[17]),              // cut
            (FRAGMENT, &[17, 0, 0, 0, 0]),             // cut
            (FRAGMENT, &[FRAGMENT, 0, 0, 1, 0, 0, 0, 1, 17, 0, 0, 0, 0, 0, 0, 1]), // an atomic one inside
            (DESTINATION_OPTIONS, &[0, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0]), // late hop-by-hop
        ] {
            assert!(Packet::parse(&v6(first, body)).is_err(), "{first} {body:?}");
        }
    }

    #[test]
    fn only_addresses_of_hosts_are_answered() {
        for (text, host) in [
            ("192.0.2.1", true),
            ("198.18.0.53", true),
            ("169.254.1.1", true),
            ("0.0.0.0", false),
            ("0.1.2.3", false),
            ("127.0.0.1", false),
            ("224.0.0.251", false),
            ("239.255.255.250", false),
            ("240.0.0.1", false),
            ("255.255.255.255", false),
            ("2001:db8::1", true),
            ("fe80::1", true),
            ("fd6f:7074:6f75:7400::53", true),
            ("::", false),
            ("::1", false),
            ("::ffff:192.0.2.1", false),
            ("::192.0.2.1", false),
            ("ff02::1", false),
        ] {
            assert_eq!(is_host(a(text)), host, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for first in [0x45, 0x4f, 0x60] {
                let mut bytes = bytes.clone();
                if let Some(byte) = bytes.first_mut() {
                    *byte = first;
                }
                if let Ok(packet) = Packet::parse(&bytes) {
                    prop_assert!(packet.bytes.len() <= bytes.len());
                    prop_assert!(packet.payload.len() <= packet.bytes.len());
                    prop_assert_eq!(packet.bytes[packet.protocol_at], packet.protocol);
                }
            }
        }
    }

    fn a(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn v4(options: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let len = options.len() + payload.len();
        write_header(&mut out, a("192.0.2.1"), a("203.0.113.2"), UDP, len).unwrap();
        out.extend(options);
        out.extend(payload);
        out[0] += u8::try_from(options.len() / 4).unwrap();
        fix(&mut out);
        out
    }

    /// Makes the header checksum right again.
    fn fix(packet: &mut [u8]) {
        packet[10..12].fill(0);
        let len = (usize::from(packet[0] & 15) * 4).min(packet.len());
        let checksum = Sum::default().with(&packet[..len]).checksum();
        packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    }

    fn v6(next: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write_header(&mut out, a("2001:db8::1"), a("2001:db8::2"), next, payload.len()).unwrap();
        out.extend(payload);
        out
    }
}
