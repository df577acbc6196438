//! Clients' questions to this host's own address, without connection tracking.
//!
//! The port of the question is written over where the packet is handed to a
//! program, and that of the answer where it leaves one; the kernel remembers
//! nothing. Only packets that end or begin on this host walk these chains: what
//! it forwards meets no packet filter of ours at all. A chain before routing,
//! as the expression `tproxy` needs it, would be walked by everything.
//!
//! Other filters see port 53 in both directions: we come after them on the way
//! in and before them on the way out, where we also come before connection
//! tracking, should somebody begin with it.

use super::expression::Rule;
use super::message::Batch;
use super::{FILTER, INPUT, LOOPBACK, OUTPUT, PROTOCOLS, RAW, add, chain, clients};
use crate::core::flow::Protocol;
use crate::shell::route::{Plan, Surroundings};

/// Leads clients' questions to the listener on that port, and its answers back.
pub(super) fn rewriting(batch: &mut Batch, plan: &Plan, around: &Surroundings, listener: u16) {
    chain(batch, "to_listener", None);
    for client in clients(around) {
        for protocol in PROTOCOLS {
            let asked = Rule::default()
                .family(client.is_v6())
                .source(client)
                .protocol(protocol)
                .port_to(53);
            if protocol == Protocol::Udp && !client.is_v6() {
                // Now its port is another, so that the next rule passes it by.
                let bare = asked.clone().without_checksum();
                add(batch, "to_listener", bare.write_port_to(listener, None));
            }
            add(batch, "to_listener", asked.write_port_to(listener, Some(protocol)));
        }
    }
    chain(batch, "own_address", Some(("filter", INPUT, LAST)));
    for protocol in PROTOCOLS {
        // The listener is for those whom we lead there, not for the Internet.
        let stray = Rule::default().protocol(protocol).port_to(listener).drop();
        add(batch, "own_address", stray);
        let asked = Rule::default()
            .protocol(protocol)
            .port_to(53)
            .mark(0, plan.mark)
            .came_not_by(LOOPBACK)
            .meant_for_us(true)
            .jump("to_listener");
        add(batch, "own_address", asked);
    }
    chain(batch, "answers", Some(("filter", OUTPUT, RAW)));
    for protocol in PROTOCOLS {
        // Also resets, which belong to no socket and bear no mark.
        let answered = Rule::default().protocol(protocol).port_from(listener);
        add(batch, "answers", answered.write_port_from(53, Some(protocol)));
    }
}

/// Has fragments joined before they are routed, as connection tracking would:
/// our routing rules know a question by its port, which only the first fragment
/// has. Nothing leads to this chain.
pub(super) fn joining(batch: &mut Batch) {
    chain(batch, "fragments", None);
    add(batch, "fragments", Rule::default().protocol(Protocol::Udp).join_fragments());
}

const LAST: i32 = FILTER + 200; // after every usual filter (nft(8), "priority")
