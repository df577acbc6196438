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
