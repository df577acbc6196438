//! Says no to a packet, so that the program that sent it knows at once.

use crate::core::wire::icmp::{self, Unreachable};
use crate::core::wire::ip::{self, Packet};
use crate::core::wire::tcp::{Control, Segment};
use crate::core::wire::udp::Datagram;

/// Writes the refusal of `packet` into `out`, as from the address that it was
/// meant for. Returns whether there is one to send; if not, `out` is empty.
///
/// - TCP: a reset (RFC 9293 §3.10.7.1).
/// - UDP: port unreachable (RFC 1122 §4.1.3.1, RFC 4443 §3.1).
/// - An echo request or a transport we do not speak: protocol unreachable. A
///   sinkhole is not up, so a ping must not say that it is.
/// - Nothing where an answer would feed a loop or hit a third party: resets,
///   other ICMP, later fragments, an end that is not a host
///   (RFC 1122 §3.2.2, RFC 4443 §2.4 e), and what has a wrong checksum.
///
/// Does not allocate once `out` has grown to 1,280 bytes.
#[must_use]
pub fn refuse(packet: &Packet<'_>, out: &mut Vec<u8>) -> bool {
    out.clear();
    if !packet.is_answerable() {
        return false;
    }
    match packet.protocol {
        ip::TCP => refuse_tcp(packet, out),
        ip::UDP => {
            // The rest of a first fragment is elsewhere, so its sum is unknown.
            let intact = packet.fragment == ip::Fragment::First || Datagram::parse(packet).is_ok();
            intact && icmp::write_unreachable(out, packet, Unreachable::Port).is_ok()
        }
        ip::ICMP | ip::ICMP_V6 if !icmp::is_echo_request(packet) => false,
        NO_NEXT_HEADER => false,
        _ => icmp::write_unreachable(out, packet, Unreachable::Protocol).is_ok(),
    }
}

fn refuse_tcp(packet: &Packet<'_>, out: &mut Vec<u8>) -> bool {
    Segment::parse(packet)
        .ok()
        .and_then(|segment| Control::reset(packet, &segment))
        .is_some_and(|reset| reset.write(out).is_ok())
}

const NO_NEXT_HEADER: u8 = 59; // RFC 8200 §4.7: nothing follows, so nothing was asked

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use proptest::prelude::*;
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{
        Icmpv4DstUnreachable, Icmpv4Packet, Icmpv4Repr, Icmpv6DstUnreachable, Icmpv6Packet,
        Icmpv6Repr, Ipv4Packet, Ipv6Packet,
    };

    use super::*;
    use crate::core::wire::checksum::Sum;
    use crate::core::wire::tcp::Flags;
    use crate::core::wire::udp;

    /// One row, one test: `name: flags, sequence, acknowledgment, payload => the
    /// reset's flags, sequence, acknowledgment`.
    macro_rules! resets {
        ($($name:ident: $flags:expr, $seq:literal, $ack:literal, $len:literal => $want:expr;)*) => {
            $(#[test] fn $name() {
                for ends in ENDS {
                    let packet = segment(ends, $flags, $seq, $ack, $len);
                    assert_eq!(reset_of(&packet), $want, "{ends:?}");
                }
            })*
        };
    }

    const FIN: u8 = 1;
    const SYN: u8 = 2;
    const RST: u8 = 4;
    const PSH: u8 = 8;
    const ACK: u8 = 16;
    const URG: u8 = 32;
    const CONGESTION: u8 = 0xc0;

    resets! {
        syn: SYN, 1000, 0, 0 => Some((RST | ACK, 0, 1001));
        syn_with_data: SYN, 1000, 0, 10 => Some((RST | ACK, 0, 1011));
        syn_that_wraps: SYN, 0xffff_ffff, 0, 0 => Some((RST | ACK, 0, 0));
        syn_with_congestion_bits: SYN | CONGESTION, 1000, 0, 0 => Some((RST | ACK, 0, 1001));
        syn_fin: SYN | FIN, 1000, 0, 0 => Some((RST | ACK, 0, 1002));
        null: 0, 1000, 0, 3 => Some((RST | ACK, 0, 1003));
        xmas: FIN | PSH | URG, 1000, 0, 0 => Some((RST | ACK, 0, 1001));
        ack: ACK, 1000, 777, 5 => Some((RST, 777, 0));
        fin_ack: FIN | ACK, 1000, 777, 0 => Some((RST, 777, 0));
        syn_ack: SYN | ACK, 1000, 777, 0 => Some((RST, 777, 0));
        reset: RST, 1000, 0, 0 => None;
        reset_ack: RST | ACK, 1000, 777, 0 => None;
        syn_reset: SYN | RST, 1000, 0, 0 => None;
    }

    #[test]
    fn udp_is_port_unreachable_and_quotes_the_question() {
        for (source, destination) in ENDS {
            for len in [0, 20, 500, 600, 1200, 1400, 9000] {
                let packet = datagram(source, destination, len);
                let out = refusal(&packet).unwrap();
                let most = if source.starts_with('[') { 1280 } else { 576 };
                assert!(out.len() <= most && (out.len() == most || out.len() > packet.len()));
                let (from, to, port) = read_unreachable(&out);
                let ends: [SocketAddr; 2] = [destination, source].map(|end| end.parse().unwrap());
                assert_eq!((from, to), (ends[0].ip(), ends[1].ip()), "as from whom was asked");
                assert!(port);
                // The quote begins with the very packet.
                let header = out.len() - quote_of(&out).len();
                assert!(packet.starts_with(&out[header..]));
            }
        }
    }

    #[test]
    fn a_datagram_that_is_broken_is_not_refused() {
        for (source, destination) in ENDS {
            let mut packet = datagram(source, destination, 20);
            *packet.last_mut().unwrap() ^= 1;
            assert_eq!(refusal(&packet), None);
        }
    }

    #[test]
    fn a_ping_is_told_that_nobody_speaks_it() {
        let out = refusal(&raw(V4.0, V4.1, ip::ICMP, &[8, 0, 0, 0, 0, 1, 0, 1])).unwrap();
        assert_eq!(out[20..22], [3, 2]);
        let ping = raw(V6.0, V6.1, ip::ICMP_V6, &[128, 0, 0, 0, 0, 1, 0, 1]);
        let out = refusal(&ping).unwrap();
        assert_eq!(out[40..42], [4, 1]);
        assert_eq!(out[44..48], [0, 0, 0, 6], "points at the byte that says ICMPv6");
        let sctp = refusal(&raw(V4.0, V4.1, 132, &[0; 12])).unwrap();
        assert_eq!(sctp[20..22], [3, 2]);
    }

    #[test]
    fn icmp_that_is_not_a_ping_is_met_with_silence() {
        for kind in (0..=255u8).filter(|kind| *kind != 8) {
            assert_eq!(refusal(&raw(V4.0, V4.1, ip::ICMP, &[kind, 0, 0, 0, 0, 0, 0, 0])), None);
        }
        for kind in (0..=255u8).filter(|kind| *kind != 128) {
            assert_eq!(refusal(&raw(V6.0, V6.1, ip::ICMP_V6, &[kind, 0, 0, 0, 0, 0, 0, 0])), None);
        }
        assert_eq!(refusal(&raw(V4.0, V4.1, ip::ICMP, &[])), None);
        assert_eq!(refusal(&raw(V6.0, V6.1, NO_NEXT_HEADER, &[])), None);
        // One family's ping in the other family's packet.
        assert_eq!(refusal(&raw(V6.0, V6.1, ip::ICMP, &[8, 0, 0, 0])), None);
    }

    #[test]
    fn only_the_first_fragment_is_refused() {
        let mut first = datagram(V4.0, V4.1, 20);
        first[6] = 0x20;
        fix_v4(&mut first);
        assert!(refusal(&first).is_some());
        let mut later = first;
        later[7] = 1;
        fix_v4(&mut later);
        assert_eq!(refusal(&later), None);
    }

    #[test]
    fn ends_that_are_not_hosts_are_met_with_silence() {
        for odd in
            ["0.0.0.0:9", "127.0.0.1:9", "224.0.0.1:9", "255.255.255.255:9", "198.51.100.1:9"]
        {
            assert_eq!(refusal(&datagram(odd, "198.51.100.1:9", 4)), None, "from {odd}");
            if odd != "198.51.100.1:9" {
                assert_eq!(refusal(&datagram("198.51.100.1:9", odd, 4)), None, "to {odd}");
            }
        }
        for odd in ["[::]:9", "[::1]:9", "[ff02::1]:9", "[::ffff:192.0.2.1]:9"] {
            assert_eq!(refusal(&datagram(odd, V6.1, 4)), None, "from {odd}");
            assert_eq!(refusal(&datagram(V6.0, odd, 4)), None, "to {odd}");
        }
    }

    #[test]
    fn no_refusal_is_refused_in_turn() {
        for ends in ENDS {
            for packet in [datagram(ends.0, ends.1, 40), segment(ends, SYN, 1, 0, 0)] {
                let first = refusal(&packet).unwrap();
                assert_eq!(refusal(&first), None);
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_without_harm(
            version in prop::sample::select(vec![4u8, 6]),
            protocol in prop::sample::select(vec![0u8, 1, 6, 17, 43, 44, 58, 60, 99]),
            payload in prop::collection::vec(any::<u8>(), 0..1500),
        ) {
            let ends = if version == 4 { V4 } else { V6 };
            let bytes = raw(ends.0, ends.1, protocol, &payload);
            if let Ok(packet) = Packet::parse(&bytes) {
                let mut out = Vec::new();
                prop_assert_eq!(refuse(&packet, &mut out), !out.is_empty());
                prop_assert!(out.len() <= 1280);
            }
        }
    }

    fn refusal(bytes: &[u8]) -> Option<Vec<u8>> {
        let mut out = vec![1, 2, 3];
        refuse(&Packet::parse(bytes).unwrap(), &mut out).then_some(out)
    }

    fn reset_of(bytes: &[u8]) -> Option<(u8, u32, u32)> {
        let out = refusal(bytes)?;
        let asked = Packet::parse(bytes).unwrap();
        let packet = Packet::parse(&out).unwrap();
        assert_eq!((packet.source, packet.destination), (asked.destination, asked.source));
        let segment = Segment::parse(&packet).unwrap();
        assert_eq!((segment.source_port, segment.destination_port), (443, 40_000));
        Some((packet.payload[13], segment.sequence, segment.acknowledgment))
    }

    /// From whom, to whom, and whether it is about a port; checked by smoltcp.
    fn read_unreachable(out: &[u8]) -> (IpAddr, IpAddr, bool) {
        let caps = ChecksumCapabilities::default();
        if out[0] >> 4 == 4 {
            let ip = Ipv4Packet::new_checked(out).unwrap();
            let icmp = Icmpv4Packet::new_checked(ip.payload()).unwrap();
            assert!(icmp.verify_checksum());
            let port = icmp.msg_code() == u8::from(Icmpv4DstUnreachable::PortUnreachable);
            if ip.payload().len() < 500 {
                assert!(matches!(
                    Icmpv4Repr::parse(&icmp, &caps),
                    Ok(Icmpv4Repr::DstUnreachable { .. })
                ));
            }
            (ip.src_addr().into(), ip.dst_addr().into(), port)
        } else {
            let ip = Ipv6Packet::new_checked(out).unwrap();
            let (from, to) = (ip.src_addr(), ip.dst_addr());
            let icmp = Icmpv6Packet::new_checked(ip.payload()).unwrap();
            let reason = match Icmpv6Repr::parse(&from, &to, &icmp, &caps) {
                Ok(Icmpv6Repr::DstUnreachable { reason, .. }) => Some(reason),
                _ => None,
            };
            assert!(icmp.verify_checksum(&from, &to));
            let port = icmp.msg_code() == u8::from(Icmpv6DstUnreachable::PortUnreachable);
            assert!(reason.is_none_or(|reason| reason == Icmpv6DstUnreachable::PortUnreachable));
            (from.into(), to.into(), port)
        }
    }

    fn quote_of(out: &[u8]) -> &[u8] {
        let header = if out[0] >> 4 == 4 { 20 } else { 40 };
        &out[header + 8..]
    }

    fn segment(ends: (&str, &str), flags: u8, sequence: u32, ack: u32, len: usize) -> Vec<u8> {
        let [source, destination]: [SocketAddr; 2] = [ends.0, ends.1].map(|e| e.parse().unwrap());
        let control = Control {
            source: SocketAddr::new(source.ip(), 40_000),
            destination: SocketAddr::new(destination.ip(), 443),
            sequence,
            acknowledgment: ack,
            flags: Flags::default(),
            window: 1000,
        };
        let mut packet = Vec::new();
        control.write(&mut packet).unwrap();
        let header = packet.len() - 20;
        let mut tcp = packet.split_off(header);
        tcp[13] = flags;
        tcp[16..18].fill(0);
        tcp.resize(20 + len, 7);
        let sum = Sum::pseudo_header(source.ip(), destination.ip(), ip::TCP, tcp.len()).with(&tcp);
        tcp[16..18].copy_from_slice(&sum.checksum().to_be_bytes());
        raw(ends.0, ends.1, ip::TCP, &tcp)
    }

    fn datagram(source: &str, destination: &str, len: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let [source, destination] = [source, destination].map(|end| end.parse().unwrap());
        udp::write(&mut out, source, destination, &vec![7; len]).unwrap();
        out
    }

    fn raw(source: &str, destination: &str, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let [from, to]: [SocketAddr; 2] = [source, destination].map(|end| end.parse().unwrap());
        let mut out = Vec::new();
        ip::write_header(&mut out, from.ip(), to.ip(), protocol, payload.len()).unwrap();
        out.extend(payload);
        out
    }

    fn fix_v4(packet: &mut [u8]) {
        packet[10..12].fill(0);
        let checksum = Sum::default().with(&packet[..20]).checksum();
        packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    }

    const V4: (&str, &str) = ("192.0.2.7:40000", "198.18.1.2:443");
    const V6: (&str, &str) = ("[2001:db8::7]:40000", "[fd6f:7074:6f75:7400::102]:443");
    const ENDS: [(&str, &str); 2] = [V4, V6];
}
