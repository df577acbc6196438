//! Frames of the link layers that captures have: where the IP packet begins.

use crate::core::wire::reader::{Reader, Short};

/// What a frame carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Inside<'a> {
    /// An IP packet, and perhaps padding behind it.
    Ip(&'a [u8]),
    /// Something else: ARP, a bridge's messages.
    Other,
    /// It ends before what it carries begins.
    Short,
}

/// Why no frame of a link type is read, in words; `None` if they are.
#[must_use]
pub fn unread(link: u16) -> Option<&'static str> {
    match link {
        NULL | ETHERNET | PPP | PPP_HDLC | PPP_ETHER | CISCO_HDLC | LOOP | LINUX_SLL
        | PPP_DIRECTED | LINUX_SLL2 | RAW | RAW_BSD | RAW_OPENBSD | IPV4 | IPV6 => None,
        105 | 119 | 127 | 163 | 192 => Some(
            "frames of 802.11 in the air, which are encrypted and not read; record on the \
             interface of the access point or of the device",
        ),
        _ => Some("frames that optout cannot read"),
    }
}

/// Finds the IP packet in a frame of a link type that is not [`unread`].
#[must_use]
pub fn open(link: u16, frame: &[u8]) -> Inside<'_> {
    let r = Reader::new(frame);
    let opened = match link {
        ETHERNET => ethernet(r),
        LINUX_SLL => behind(r, 14).and_then(ether_type),
        LINUX_SLL2 => sll2(r),
        NULL => null(r, true),
        LOOP => null(r, false),
        PPP | PPP_HDLC => ppp(r),
        PPP_DIRECTED => behind(r, 1).and_then(ppp),
        PPP_ETHER => pppoe(r),
        CISCO_HDLC => behind(r, 2).and_then(ether_type),
        _ => Ok(ip(r)),
    };
    opened.unwrap_or(Inside::Short)
}

/// Reads on behind so many bytes.
fn behind(mut r: Reader<'_>, bytes: usize) -> Result<Reader<'_>, Short> {
    r.take(bytes)?;
    Ok(r)
}

fn ethernet(r: Reader<'_>) -> Result<Inside<'_>, Short> {
    let mut r = behind(r, 12)?;
    let start = r;
    match r.u16()? {
        // IEEE 802.3: a length, then LLC and perhaps SNAP (RFC 1042).
        0..=1500 => match r.array()? {
            [0xaa, 0xaa, 0x03, 0, 0, 0] => ether_type(r),
            _ => Ok(Inside::Other),
        },
        _ => ether_type(start),
    }
}

/// Reads an `EtherType` and what follows it, past tags of VLANs and labels.
fn ether_type(mut r: Reader<'_>) -> Result<Inside<'_>, Short> {
    for _ in 0..MAX_TAGS {
        match r.u16()? {
            0x0800 | 0x86dd => return Ok(ip(r)),
            VLAN | QINQ | QINQ_OLD => {
                r.u16()?; // which VLAN
            }
            0x8847 | 0x8848 => return mpls(r),
            0x8864 => return pppoe(r),
            _ => return Ok(Inside::Other),
        }
    }
    Ok(Inside::Other)
}

/// RFC 3032 §2.1. What is below the last label is not said, so it is looked at.
fn mpls(mut r: Reader<'_>) -> Result<Inside<'_>, Short> {
    for _ in 0..MAX_TAGS {
        if r.u32()? & 0x100 != 0 {
            return Ok(ip(r));
        }
    }
    Ok(Inside::Other)
}

/// RFC 2516 §4.
fn pppoe(mut r: Reader<'_>) -> Result<Inside<'_>, Short> {
    let [_version, code] = r.array()?;
    r.u32()?; // session and length; what is behind it is padding that IP knows of
    if code == 0 { ppp(r) } else { Ok(Inside::Other) }
}

/// RFC 1661 §2 and §6.5 (a protocol of one byte), RFC 1662 §3.1.
fn ppp(mut r: Reader<'_>) -> Result<Inside<'_>, Short> {
    if r.rest().starts_with(&[0xff, 0x03]) || r.rest().starts_with(&[0x0f, 0x00]) {
        r.u16()?; // address and control; or Cisco's, before an EtherType
        if matches!(r.rest(), [0x08, 0x00, ..] | [0x86, 0xdd, ..]) {
            return ether_type(r);
        }
    }
    let first = r.u8()?;
    let protocol = if first & 1 == 1 { first.into() } else { u16::from_be_bytes([first, r.u8()?]) };
    Ok(if matches!(protocol, 0x0021 | 0x0057) { ip(r) } else { Inside::Other })
}

fn sll2(mut r: Reader<'_>) -> Result<Inside<'_>, Short> {
    let protocol = r;
    r.take(20)?;
    let Ok([high, low]) = protocol.clone().array::<2>() else { return Err(Short) };
    match u16::from_be_bytes([high, low]) {
        0x0800 | 0x86dd => Ok(ip(r)),
        // The tag stands before the payload, its type in the header.
        VLAN | QINQ => {
            r.u16()?;
            ether_type(r)
        }
        0x8847 | 0x8848 => mpls(r),
        0x8864 => pppoe(r),
        _ => Ok(Inside::Other),
    }
}

/// BSD loopback. The family has another number on each system, and for NULL the
/// byte order of whoever recorded; so only its absence of a meaning is heeded.
fn null(mut r: Reader<'_>, any_order: bool) -> Result<Inside<'_>, Short> {
    let family = r.u32()?;
    let family = if any_order && family > 0xffff { family.swap_bytes() } else { family };
    Ok(if matches!(family, 2 | 10 | 24 | 28 | 30) { ip(r) } else { Inside::Other })
}

fn ip(r: Reader<'_>) -> Inside<'_> {
    match r.rest().first().map(|first| first >> 4) {
        Some(4 | 6) => Inside::Ip(r.rest()),
        Some(_) => Inside::Other,
        None => Inside::Short,
    }
}

// Link types: https://www.tcpdump.org/linktypes.html
const NULL: u16 = 0;
const ETHERNET: u16 = 1;
const PPP: u16 = 9;
const RAW_BSD: u16 = 12;
const RAW_OPENBSD: u16 = 14;
const PPP_HDLC: u16 = 50;
const PPP_ETHER: u16 = 51;
const RAW: u16 = 101;
const CISCO_HDLC: u16 = 104;
const LOOP: u16 = 108;
const LINUX_SLL: u16 = 113;
const PPP_DIRECTED: u16 = 166;
const IPV4: u16 = 228;
const IPV6: u16 = 229;
const LINUX_SLL2: u16 = 276;

const VLAN: u16 = 0x8100; // IEEE 802.1Q
const QINQ: u16 = 0x88a8; // IEEE 802.1ad
const QINQ_OLD: u16 = 0x9100; // before the standard

const MAX_TAGS: usize = 8; // a real frame has two

#[cfg(test)]
mod tests {
    use super::*;

    /// One row, one test: `name: link type, frame => what is inside`. An IP packet
    /// is `E`, the first byte of one.
    macro_rules! frames {
        ($($name:ident: $link:expr, [$($part:expr),*] => $want:expr;)*) => {
            $(#[test] fn $name() {
                let parts: &[&[u8]] = &[$($part),*];
                assert_eq!(open($link, &parts.concat()), $want);
            })*
        };
    }

    const MACS: &[u8] = &[7; 12];
    const SLL_HEAD: &[u8] = &[7; 14];
    const SLL2_REST: &[u8] = &[7; 18];
    const E: Inside<'_> = Inside::Ip(b"E");

    frames! {
        ethernet_carries_ipv4: 1, [MACS, b"\x08\0E"] => E;
        ethernet_carries_ipv6: 1, [MACS, b"\x86\xdd\x60"] => Inside::Ip(b"\x60");
        ethernet_carries_arp: 1, [MACS, b"\x08\x06E"] => Inside::Other;
        ethernet_with_vlan: 1, [MACS, b"\x81\0\0\x01\x08\0E"] => E;
        ethernet_with_two_vlans: 1, [MACS, b"\x88\xa8\0\x01\x81\0\0\x02\x08\0E"] => E;
        ethernet_with_two_old_vlans: 1, [MACS, b"\x91\0\0\x01\x81\0\0\x02\x08\0E"] => E;
        ethernet_with_tags_without_end: 1, [MACS, &b"\x81\0\0\x01".repeat(99)] => Inside::Other;
        ethernet_with_a_label: 1, [MACS, b"\x88\x47\0\0\x11\x40E"] => E;
        ethernet_with_two_labels: 1, [MACS, b"\x88\x47\0\0\x10\x40\0\0\x21\x40E"] => E;
        ethernet_with_labels_without_end: 1, [MACS, b"\x88\x47", &[0; 99]] => Inside::Other;
        ethernet_with_pppoe: 1, [MACS, b"\x88\x64\x11\0\0\x01\0\x03\0\x21E"] => E;
        ethernet_with_pppoe_of_ipv6: 1,
            [MACS, b"\x88\x64\x11\0\0\x01\0\x03\0\x57\x60"] => Inside::Ip(b"\x60");
        ethernet_with_pppoe_that_has_no_session: 1,
            [MACS, b"\x88\x64\x11\x09\0\x01\0\x03\0\x21E"] => Inside::Other;
        ethernet_with_snap: 1, [MACS, b"\0\x09\xaa\xaa\x03\0\0\0\x08\0E"] => E;
        ethernet_with_llc: 1, [MACS, b"\0\x09\x42\x42\x03\0\0\0\x08\0E"] => Inside::Other;
        ethernet_that_is_short: 1, [MACS, b"\x08"] => Inside::Short;
        ethernet_without_payload: 1, [MACS, b"\x08\0"] => Inside::Short;
        raw: 101, [b"E"] => E;
        raw_of_bsd: 12, [b"\x60"] => Inside::Ip(b"\x60");
        raw_ipv4: 228, [b"E"] => E;
        raw_ipv6: 229, [b"\x60"] => Inside::Ip(b"\x60");
        raw_of_nothing: 101, [b""] => Inside::Short;
        raw_of_no_ip: 101, [b"\x10"] => Inside::Other;
        cooked: 113, [SLL_HEAD, b"\x08\0E"] => E;
        cooked_with_vlan: 113, [SLL_HEAD, b"\x81\0\0\x01\x08\0E"] => E;
        cooked_that_is_short: 113, [SLL_HEAD, b"\x08"] => Inside::Short;
        cooked_2: 276, [b"\x08\0", SLL2_REST, b"E"] => E;
        cooked_2_with_vlan: 276, [b"\x81\0", SLL2_REST, b"\0\x01\x08\0E"] => E;
        cooked_2_of_arp: 276, [b"\x08\x06", SLL2_REST, b"E"] => Inside::Other;
        cooked_2_that_is_short: 276, [b"\x08\0", &SLL2_REST[1..]] => Inside::Short;
        null_little: 0, [b"\x02\0\0\0E"] => E;
        null_big: 0, [b"\0\0\0\x02E"] => E;
        null_of_ipv6_on_macos: 0, [b"\x1e\0\0\0\x60"] => Inside::Ip(b"\x60");
        null_of_something_else: 0, [b"\x07\0\0\0E"] => Inside::Other;
        loopback: 108, [b"\0\0\0\x18\x60"] => Inside::Ip(b"\x60");
        loopback_in_the_wrong_order: 108, [b"\x02\0\0\0E"] => Inside::Other;
        ppp_plain: 9, [b"\0\x21E"] => E;
        ppp_of_one_byte: 9, [b"\x21E"] => E;
        ppp_with_address: 9, [b"\xff\x03\0\x21E"] => E;
        ppp_of_lcp: 9, [b"\xff\x03\xc0\x21E"] => Inside::Other;
        ppp_on_a_line: 50, [b"\xff\x03\0\x21E"] => E;
        ppp_on_a_line_of_cisco: 50, [b"\x0f\0\x08\0E"] => E;
        ppp_with_direction: 166, [b"\x01\xff\x03\0\x21E"] => E;
        pppoe_alone: 51, [b"\x11\0\0\x01\0\x03\0\x21E"] => E;
        hdlc_of_cisco: 104, [b"\x0f\0\x08\0E"] => E;
    }

    #[test]
    fn every_cut_of_a_frame_is_short_or_something_else() {
        let tags: &[u8] = b"\x88\xa8\0\x01\x81\0\0\x02\x88\x64\x11\0\0\x01\0\x03\0\x21E";
        let frame = [MACS, tags].concat();
        for cut in 0..frame.len() {
            assert_eq!(open(1, &frame[..cut]), Inside::Short, "cut at {cut}");
        }
    }

    #[test]
    fn what_is_not_read_is_said_in_words() {
        assert!(unread(127).unwrap().contains("802.11"));
        assert!(unread(147).is_some());
        assert_eq!(unread(1), None);
    }
}
