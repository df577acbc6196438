use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;
use crate::core::wire::tcp::Segment;
use crate::core::wire::udp::{self, Datagram};

const ENDS: [[&str; 2]; 2] =
    [["192.0.2.7:40000", "198.51.100.9:443"], ["[2001:db8::7]:40000", "[2001:db8:1::9]:443"]];

fn ends(v6: bool) -> [SocketAddr; 2] {
    ENDS[usize::from(v6)].map(|end| end.parse().unwrap())
}

/// A segment with these flags, whose options are of twelve bytes, and whose checksum
/// field has the sum of the pseudo header.
fn tcp(v6: bool, flags: u8, payload: &[u8]) -> Vec<u8> {
    let [from, to] = ends(v6);
    let mut packet = Vec::new();
    ip::write_header(&mut packet, from.ip(), to.ip(), ip::TCP, 32 + payload.len()).unwrap();
    let at = packet.len();
    for port in [from.port(), to.port()] {
        packet.extend(port.to_be_bytes());
    }
    packet.extend(0xffff_fff0_u32.to_be_bytes());
    packet.extend([0, 0, 0, 9, 0x80, flags, 1, 0, 0, 0, 0, 0]);
    packet.extend([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
    packet.extend(payload);
    partial(&mut packet, at, TCP_CHECKSUM_AT)
}

fn udp(v6: bool, payload: &[u8]) -> Vec<u8> {
    let [from, to] = ends(v6);
    let mut packet = Vec::new();
    udp::write(&mut packet, from, to, payload).unwrap();
    let at = packet.len() - payload.len() - UDP_HEADER;
    partial(&mut packet, at, UDP_CHECKSUM_AT)
}

/// As the kernel leaves it: the sum of the pseudo header in the field.
fn partial(packet: &mut [u8], at: usize, field: usize) -> Vec<u8> {
    let read = Packet::parse(packet).unwrap();
    let len = packet.len() - at;
    let sum = Sum::pseudo_header(read.source, read.destination, read.protocol, len);
    put(&mut packet[at..], field, !sum.checksum()).unwrap();
    packet.to_vec()
}

#[derive(Clone, Copy, Debug)]
struct Said {
    flags: u8,
    kind: u8,
    numbers: [u16; 4],
}

impl Said {
    fn frame(self, packet: &[u8]) -> Vec<u8> {
        let mut frame = vec![self.flags, self.kind];
        frame.extend(self.numbers.into_iter().flat_map(u16::to_ne_bytes));
        frame.extend(packet);
        frame
    }
}

/// What the kernel says of a packet that is to be cut into pieces of this size.
fn said(packet: &[u8], size: u16) -> Said {
    let read = Packet::parse(packet).unwrap();
    let at = u16::try_from(packet.len() - read.payload.len()).unwrap();
    let (kind, header, field) = match (read.protocol, read.source.is_ipv4()) {
        (ip::TCP, true) => (TCP_V4, 32, TCP_CHECKSUM_AT),
        (ip::TCP, false) => (TCP_V6, 32, TCP_CHECKSUM_AT),
        _ => (UDP, 8, UDP_CHECKSUM_AT),
    };
    let kind = if size == 0 { NOT_CUT } else { kind };
    let field = u16::try_from(field).unwrap();
    Said { flags: NEEDS_CHECKSUM, kind, numbers: [at + header, size, at, field] }
}

/// All that a frame stands for.
fn pieces(frame: &[u8]) -> Result<Vec<Vec<u8>>, Malformed> {
    let (undone, packet) = Undone::parse(frame)?;
    let mut packets = Vec::new();
    if let Some(mut cut) = undone.cut(packet)? {
        let mut room = Vec::new();
        while cut.next(&mut room) {
            packets.push(room.clone());
        }
        return Ok(packets);
    }
    let mut packet = packet.to_vec();
    undone.finish(&mut packet)?;
    packets.push(packet);
    Ok(packets)
}

#[test]
fn a_packet_with_nothing_left_undone_is_itself() {
    for v6 in [false, true] {
        let mut packet = Vec::new();
        udp::write(&mut packet, ends(v6)[0], ends(v6)[1], b"whole").unwrap();
        assert_eq!(pieces(&[&FINISHED, &packet[..]].concat()), Ok(vec![packet.clone()]));
        let valid = Said { flags: DATA_VALID, kind: NOT_CUT, numbers: [0; 4] };
        assert_eq!(pieces(&valid.frame(&packet)), Ok(vec![packet]));
    }
}

#[test]
fn a_checksum_is_made() {
    for v6 in [false, true] {
        for payload in [&b""[..], b"odd", b"even"] {
            for packet in [tcp(v6, 0x10, payload), udp(v6, payload)] {
                let made = pieces(&said(&packet, 0).frame(&packet)).unwrap();
                let [made] = &made[..] else { panic!("one") };
                let read = Packet::parse(made).unwrap();
                if read.protocol == ip::TCP {
                    assert_eq!(Segment::parse(&read).unwrap().payload, payload);
                } else {
                    assert_eq!(Datagram::parse(&read).unwrap().payload, payload);
                }
            }
        }
    }
}

#[test]
fn what_is_said_once_is_said_once() {
    for v6 in [false, true] {
        let all = 0x10 | FIN | PSH | CWR;
        let packet = tcp(v6, all, &[7; 25]);
        let mut said = said(&packet, 10);
        said.kind |= ECN;
        let packets = pieces(&said.frame(&packet)).unwrap();
        let flags: Vec<u8> = packets
            .iter()
            .map(|packet| Segment::parse(&Packet::parse(packet).unwrap()).unwrap().flags.bits())
            .collect();
        assert_eq!(flags, [0x10 | CWR, 0x10, 0x10 | FIN | PSH]);
    }
}

#[test]
fn identifications_of_ipv4_go_up() {
    let mut packet = udp(false, &[1; 30]);
    put(&mut packet, V4_ID_AT, 0xffff).unwrap();
    ip::mend_length(&mut packet, 20).unwrap();
    let packets = pieces(&said(&packet, 10).frame(&packet)).unwrap();
    let ids: Vec<_> = packets.iter().map(|it| [it[V4_ID_AT], it[V4_ID_AT + 1]]).collect();
    assert_eq!(ids, [[0xff, 0xff], [0, 0], [0, 1]]);
}

#[test]
fn a_false_header_is_told_from_a_true_one() {
    for v6 in [false, true] {
        for packet in [tcp(v6, 0x10, &[7; 100]), udp(v6, &[7; 100])] {
            let true_one = said(&packet, 40);
            assert_eq!(pieces(&true_one.frame(&packet)).unwrap().len(), 3);
            let long = u16::try_from(packet.len()).unwrap();
            let [len, size, start, field] = true_one.numbers;
            for (what, numbers) in [
                ("size 0", [len, 0, start, field]),
                ("header past the end", [long + 1, size, start, field]),
                ("start past the end", [len, size, long, field]),
                ("field past the end", [len, size, start, long - start - 1]),
                ("both far away", [len, size, u16::MAX, u16::MAX]),
                ("start in the IP header", [len, size, start - 1, field]),
                ("another field", [len, size, start, field + 2]),
            ] {
                let said = Said { numbers, ..true_one };
                assert!(pieces(&said.frame(&packet)).is_err(), "{what} of {packet:?}");
            }
            let kinds = (0..=u8::MAX).filter(|kind| ![NOT_CUT, true_one.kind].contains(kind));
            for kind in kinds.filter(|kind| *kind != true_one.kind | ECN || *kind == UDP | ECN) {
                let said = Said { kind, ..true_one };
                assert!(pieces(&said.frame(&packet)).is_err(), "kind {kind}");
            }
            for flags in (0..=u8::MAX).filter(|flags| flags & !DATA_VALID != NEEDS_CHECKSUM) {
                let said = Said { flags, ..true_one };
                assert!(pieces(&said.frame(&packet)).is_err(), "flags {flags}");
            }
        }
    }
}

#[test]
fn what_is_not_whole_is_not_cut() {
    let packet = tcp(false, 0x10, &[7; 100]);
    let said = said(&packet, 40);
    for length in 0..packet.len() {
        assert!(pieces(&said.frame(&packet)[..HEADER + length]).is_err(), "{length}");
    }
    let longer = [&packet[..], b"more"].concat();
    assert!(pieces(&said.frame(&longer)).is_err());
    let mut fragment = packet.clone();
    fragment[6] |= 0x20;
    ip::mend_length(&mut fragment, 20).unwrap();
    assert!(pieces(&said.frame(&fragment)).is_err());
    let mut offset = packet;
    offset[20 + TCP_OFFSET_AT] = 0xf0;
    assert!(pieces(&said.frame(&offset)).is_ok(), "a longer header is a header");
    offset[20 + TCP_OFFSET_AT] = 0x40;
    assert!(pieces(&said.frame(&offset)).is_err());
}

#[test]
fn for_every_header_as_many_packets_as_bytes_and_no_more() {
    let packet = tcp(true, 0x10, &vec![7; 60_000]);
    assert_eq!(pieces(&said(&packet, 1).frame(&packet)).unwrap().len(), 60_000);
    let bare = tcp(true, 0x10, &[]);
    assert_eq!(pieces(&said(&bare, 1).frame(&bare)).unwrap().len(), 1);
}

proptest! {
    #[test]
    fn pieces_are_whole_and_together_what_was_sent(
        v6 in any::<bool>(),
        of_tcp in any::<bool>(),
        size in 1_u16..1500,
        payload in prop::collection::vec(any::<u8>(), 1..6000),
    ) {
        let packet = if of_tcp { tcp(v6, 0x18, &payload) } else { udp(v6, &payload) };
        let packets = pieces(&said(&packet, size).frame(&packet)).unwrap();
        prop_assert_eq!(packets.len(), payload.len().div_ceil(size.into()));
        let mut joined: Vec<u8> = Vec::new();
        for packet in &packets {
            let read = Packet::parse(packet).unwrap();
            prop_assert_eq!(read.bytes.len(), packet.len());
            if of_tcp {
                let segment = Segment::parse(&read).unwrap();
                let gone = u32::try_from(joined.len()).unwrap();
                prop_assert_eq!(segment.sequence, 0xffff_fff0_u32.wrapping_add(gone));
                prop_assert_eq!(segment.options.len(), 12);
                joined.extend(segment.payload);
            } else {
                joined.extend(Datagram::parse(&read).unwrap().payload);
            }
        }
        prop_assert_eq!(joined, payload);
    }

    #[test]
    fn any_frame_is_read_or_refused(
        header in prop::collection::vec(any::<u8>(), 0..=HEADER),
        packet in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let _ = pieces(&[header, packet].concat());
    }

    #[test]
    fn any_header_before_a_sound_packet_is_read_or_refused(
        v6 in any::<bool>(),
        flags in 0_u8..4,
        kind in prop::sample::select(vec![NOT_CUT, TCP_V4, TCP_V6, UDP, 0x81, 0x84, 3]),
        numbers in prop::array::uniform4(0_u16..160),
    ) {
        let packet = tcp(v6, 0x10, &[7; 60]);
        for piece in pieces(&Said { flags, kind, numbers }.frame(&packet)).unwrap_or_default() {
            prop_assert!(piece.len() <= packet.len());
        }
    }
}
