//! Whether this network namespace tracks connections.
//!
//! The kernel tracks them where a packet filter asks for it, by a translation
//! or a rule about a connection's state, and then all of them. It has no
//! question for whether it does that every kernel answers (`NFNL_SUBSYS_HOOK`
//! is often left out). So we look whether a datagram of ours is tracked.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// Whether connections are tracked, by whomever.
pub(super) fn is_active() -> bool {
    // A connection that is known was tracked. The datagram is for a router
    // that has just started, and knows none yet.
    count() > 0
        || [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            .into_iter()
            .any(|address| probe(address).is_ok() && count() > 0)
}

/// Sends a datagram from a new socket to itself, which no other program sees.
fn probe(address: IpAddr) -> io::Result<()> {
    let socket = UdpSocket::bind((address, 0))?;
    socket.send_to(&[], socket.local_addr()?).map(drop)
}

/// Connections of this namespace that are known just now.
fn count() -> u64 {
    fs::read_to_string(COUNT).ok().and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

const COUNT: &str = "/proc/sys/net/netfilter/nf_conntrack_count";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::netns_test::{isolated, sh};

    #[test]
    fn tracking_is_seen_as_soon_as_someone_asks_for_it() {
        isolated(
            "shell::nft::tracking::tests::tracking_is_seen_as_soon_as_someone_asks_for_it",
            || {
                for (family, rule) in [
                    ("ip", "type nat hook postrouting priority 100; oifname wan masquerade"),
                    ("ip6", "type filter hook input priority 0; ct state invalid drop"),
                ] {
                    assert!(!is_active(), "before {family}");
                    sh(&format!("nft 'table {family} t {{ chain c {{ {rule}; }};\n}}'"));
                    assert!(is_active(), "{family}");
                    sh(&format!("nft delete table {family} t; sleep 0.1"));
                    assert!(is_active(), "what was tracked stays for a while");
                    sh("conntrack -F 2>/dev/null || true");
                    if count() > 0 {
                        return; // without conntrack(8) there is no next round
                    }
                }
            },
        );
    }
}
