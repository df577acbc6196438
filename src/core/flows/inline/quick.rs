//! Packets of flows that passed, where the kernel cannot let them go on by itself.
//!
//! Each of them comes to us then, most of them segments of up to 64 KiB that are not
//! cut yet. They are not read but for their ports and flags, and not copied.

use std::net::SocketAddr;

use super::Inline;
use super::flow::State;
use crate::core::flow::{FiveTuple, Protocol};
use crate::core::time::Instant;
use crate::core::wire::Malformed;
use crate::core::wire::ip::{self, Fragment, Packet};
use crate::core::wire::reader::Reader;
use crate::core::wire::tcp::Flags;

impl Inline {
    /// Whether a packet of a client may go on as it is. If not, nothing has happened:
    /// it is for [`Inline::handle_packet`]. Its checksums need not be made.
    pub fn passes(&mut self, now: Instant, packet: &Packet<'_>) -> bool {
        if packet.fragment != Fragment::Whole || !packet.is_plain() {
            return false;
        }
        let Ok(Some((tuple, header))) = ends(packet) else { return false };
        let Some(flow) = self.table.find_spare(&tuple) else { return false };
        let State::Passed(_, last) = &mut flow.state else { return false };
        *last = now;
        flow.bytes += packet.payload.len().saturating_sub(header) as u64;
        self.desk.counters.put_back += 1;
        true
    }
}

/// Between whom a packet goes, and how long its header is; `None` if it begins or ends
/// something.
fn ends(packet: &Packet<'_>) -> Result<Option<(FiveTuple, usize)>, Malformed> {
    let mut r = Reader::new(packet.payload);
    let [from, to] = [r.u16()?, r.u16()?];
    let (protocol, header) = match packet.protocol {
        ip::TCP => {
            r.take(8)?; // sequence and acknowledgment
            let [offset, flags] = r.array()?;
            if flags & TURNS != 0 {
                return Ok(None);
            }
            (Protocol::Tcp, usize::from(offset >> 4) * 4)
        }
        ip::UDP => (Protocol::Udp, 8),
        _ => return Ok(None),
    };
    let source = SocketAddr::new(packet.source, from);
    let destination = SocketAddr::new(packet.destination, to);
    Ok(Some((FiveTuple { protocol, source, destination }, header)))
}

/// Flags of segments that are more than a part of their connection.
const TURNS: u8 = Flags::SYN.bits() | Flags::FIN.bits() | Flags::RST.bits();
