//! Collects the facts. Changes nothing.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader};
use std::net::{IpAddr, SocketAddr};

use crate::core::flow::Protocol;
use crate::core::prefix::Prefix;
use crate::shell::doctor::android::Android;
use crate::shell::doctor::checks::our_mark;
use crate::shell::doctor::facts::{Clock, Facts, Ours, Reached, Tun};
use crate::shell::doctor::sockets::{Flow, in_conntrack, in_sockets};
use crate::shell::doctor::{probe, routing};

/// Collects everything. `daemon`: what asking it for its status gave.
/// `ours`: what the configuration reserves for us. `resolvers`: addresses of known
/// encrypted resolvers.
/// `now`: seconds since 1970 (UTC). Sends each upstream one question. The journal
/// is the caller's to ask: [`Facts::resolver_use`] is `None`.
#[must_use]
pub fn gather(daemon: Reached, ours: Ours, resolvers: &[Prefix], now: i64) -> Facts {
    let routing = routing::read();
    let rules = routing.as_ref().map(|routing| routing.rules.clone());
    let routing = routing.unwrap_or_default();
    let mask = our_mark(rules.as_deref().unwrap_or_default(), &ours);
    let probes = probe::ask_all(&upstreams(&daemon), mask);
    Facts {
        tun: tun(),
        net_admin: net_admin(),
        daemon,
        ours,
        rules,
        default_routes: routing.default_routes,
        uplinks: routing.uplinks,
        tunnels: routing.tunnels,
        probes,
        flows: flows(resolvers),
        resolver_use: None,
        android: Android::look(),
        clock: Clock { now, synchronised: synchronised() },
    }
}

/// Those of the daemon; without it, those that the system names.
fn upstreams(daemon: &Reached) -> Vec<String> {
    match daemon {
        Reached::Running(status) => {
            status.upstreams.iter().map(|upstream| upstream.address.clone()).collect()
        }
        _ => name_servers(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default()),
    }
}

fn name_servers(text: &str) -> Vec<String> {
    let servers = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let address = (words.next() == Some("nameserver")).then(|| words.next())??;
        let address: IpAddr = address.parse().ok()?;
        Some(SocketAddr::new(address, 53).to_string())
    });
    servers.collect()
}

/// Opening it makes no device yet.
fn tun() -> Tun {
    match OpenOptions::new().read(true).write(true).open("/dev/net/tun") {
        Ok(_) => Tun::Usable,
        Err(error) => match (error.kind(), error.raw_os_error()) {
            (io::ErrorKind::NotFound, _) | (_, Some(libc::ENODEV | libc::ENXIO)) => Tun::Missing,
            (io::ErrorKind::PermissionDenied, _) => Tun::Denied,
            _ => Tun::Failed(error.to_string()),
        },
    }
}

fn net_admin() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .is_some_and(|set| set & CAP_NET_ADMIN != 0)
}

fn flows(resolvers: &[Prefix]) -> Vec<Flow> {
    let mut found = Vec::new();
    for (path, protocol) in [
        ("/proc/net/tcp", Protocol::Tcp),
        ("/proc/net/tcp6", Protocol::Tcp),
        ("/proc/net/udp", Protocol::Udp),
        ("/proc/net/udp6", Protocol::Udp),
    ] {
        if let Ok(file) = File::open(path) {
            found.extend(in_sockets(BufReader::new(file), protocol, resolvers));
        }
    }
    if let Ok(file) = File::open("/proc/net/nf_conntrack") {
        found.extend(in_conntrack(BufReader::new(file), resolvers));
    }
    found
}

/// Whether the kernel takes its clock for synchronised.
#[cfg(not(target_os = "android"))]
#[expect(unsafe_code, reason = "no safe wrapper for adjtimex(2)")]
fn synchronised() -> Option<bool> {
    // SAFETY: `timex` is plain numbers, for which all zeroes is a value.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a whole `timex`, and modes 0 only reads.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    (state >= 0).then_some(state != libc::TIME_ERROR && timex.status & libc::STA_UNSYNC == 0)
}

/// An app may not ask.
#[cfg(target_os = "android")]
fn synchronised() -> Option<bool> {
    None
}

const CAP_NET_ADMIN: u64 = 1 << 12; // capabilities(7), linux/capability.h

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_read_from_resolv_conf() {
        let text = "# nameserver 192.0.2.9\nsearch x\nnameserver 192.0.2.53 \nnameserver\t2001:db8::53\n\
                    nameserver\nnameserver nonsense\nnameserverx 192.0.2.1\n";
        assert_eq!(name_servers(text), ["192.0.2.53:53", "[2001:db8::53]:53"]);
    }
}
