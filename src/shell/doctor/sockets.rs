//! Live flows to encrypted resolvers, from the kernel's own tables.

use std::io::BufRead;
use std::net::{IpAddr, SocketAddr};

use crate::core::flow::Protocol;
use crate::core::prefix::Prefix;
use crate::shell::owner::hex_address;

/// A flow to an encrypted resolver.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Flow {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The resolver.
    pub resolver: SocketAddr,
    /// Who: `uid 1000`, or a client's address.
    pub who: String,
}

/// Flows in the form of `/proc/net/{tcp,tcp6,udp,udp6}` to what is in
/// `resolvers` (ports 443 and 853), or to port 853 anywhere.
///
/// A UDP socket that was not connected shows no destination and is missed.
pub(super) fn in_sockets(
    table: impl BufRead,
    protocol: Protocol,
    resolvers: &[Prefix],
) -> Vec<Flow> {
    let lines = table.lines().map_while(Result::ok).skip(1);
    let flows = lines.filter_map(|line| socket(&line, protocol));
    flows.filter(|flow| is_encrypted_dns(flow.resolver, resolvers)).take(MOST).collect()
}

/// The same in the form of `/proc/net/nf_conntrack`, which a router has.
pub(super) fn in_conntrack(table: impl BufRead, resolvers: &[Prefix]) -> Vec<Flow> {
    let flows = table.lines().map_while(Result::ok).filter_map(|line| tracked(&line));
    flows.filter(|flow| is_encrypted_dns(flow.resolver, resolvers)).take(MOST).collect()
}

fn is_encrypted_dns(destination: SocketAddr, resolvers: &[Prefix]) -> bool {
    match destination.port() {
        DOT => !destination.ip().is_loopback(),
        HTTPS => resolvers.iter().any(|known| known.contains(destination.ip())),
        _ => false,
    }
}

/// `sl local_address rem_address st tx:rx tr:tm retrnsmt uid …`
fn socket(line: &str, protocol: Protocol) -> Option<Flow> {
    let mut fields = line.split_ascii_whitespace().skip(2);
    let resolver = hex_address(fields.next()?)?;
    let state = u8::from_str_radix(fields.next()?, 16).ok()?;
    if !matches!(state, ESTABLISHED | SYN_SENT) {
        return None;
    }
    let uid: u32 = fields.nth(3)?.parse().ok()?;
    Some(Flow { protocol, resolver, who: format!("uid {uid}") })
}

/// `ipv4 2 tcp 6 431999 ESTABLISHED src=… dst=… sport=… dport=… src=…`
fn tracked(line: &str) -> Option<Flow> {
    let mut fields = line.split_ascii_whitespace();
    let protocol = match fields.nth(2)? {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return None,
    };
    // The first of each is the direction that the client began.
    let mut first = |name: &str| fields.find_map(|field| field.strip_prefix(name));
    let source: IpAddr = first("src=")?.parse().ok()?;
    let destination: IpAddr = first("dst=")?.parse().ok()?;
    let port: u16 = first("dport=")?.parse().ok()?;
    let who = source.to_string();
    Some(Flow { protocol, resolver: SocketAddr::new(destination, port), who })
}

const DOT: u16 = 853; // RFC 7858 §3.1, RFC 9250 §4.1.1
const HTTPS: u16 = 443; // RFC 8484 §8.2
const ESTABLISHED: u8 = 1; // include/net/tcp_states.h; a connected UDP socket too
const SYN_SENT: u8 = 2;

/// Flows of one table that are kept: a person reads a few.
const MOST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn resolvers() -> Vec<Prefix> {
        ["192.0.2.53", "2001:db8::50/124"].iter().map(|text| text.parse().unwrap()).collect()
    }

    /// A line as the kernel of a little-endian machine writes it.
    fn line(remote: &str, state: &str) -> String {
        format!(
            "   0: 0100007F:9C40 {remote} {state} 00000000:00000000 00:00000000 00000000  1000 \
             0 31337 1 0000000000000000\n"
        )
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn only_live_flows_to_encrypted_resolvers_are_found() {
        for (remote, state, want) in [
            ("350200C0:01BB", "01", Some("192.0.2.53:443")),
            ("350200C0:01BB", "02", Some("192.0.2.53:443")),
            ("350200C0:0355", "01", Some("192.0.2.53:853")),
            ("350200C0:01BB", "06", None), // TIME_WAIT
            ("350200C0:0050", "01", None),
            ("010200C0:01BB", "01", None),
            ("010200C0:0355", "01", Some("192.0.2.1:853")),
            ("0100007F:0355", "01", None),
            ("B80D0120000000000000000053000000:01BB", "01", Some("[2001:db8::53]:443")),
            ("0000000000000000FFFF0000350200C0:01BB", "01", Some("192.0.2.53:443")),
            ("00000000:0000", "07", None),
        ] {
            let table = format!("  sl  local_address rem_address   st\n{}", line(remote, state));
            let found = in_sockets(table.as_bytes(), Protocol::Tcp, &resolvers());
            let got = found.first().map(|flow| flow.resolver.to_string());
            assert_eq!(got.as_deref(), want, "{remote} {state}");
            assert!(found.iter().all(|flow| flow.who == "uid 1000"));
        }
    }

    #[test]
    fn a_routers_table_shows_the_client() {
        let table = "\
ipv4     2 tcp      6 431999 ESTABLISHED src=192.0.2.7 dst=192.0.2.53 sport=5 dport=443 \
src=192.0.2.53 dst=198.51.100.1 sport=443 dport=5 [ASSURED] mark=0 use=2
ipv6     10 udp      17 29 src=2001:db8::7 dst=2001:db8::53 sport=5 dport=443 src=:: dst=::
ipv4     2 udp      17 29 src=192.0.2.8 dst=192.0.2.1 sport=5 dport=443
ipv4     2 icmp     1 29 src=192.0.2.8 dst=192.0.2.53 type=8 code=0 id=1
";
        let found = in_conntrack(table.as_bytes(), &resolvers());
        let who: Vec<_> = found.iter().map(|flow| flow.who.as_str()).collect();
        assert_eq!(who, ["192.0.2.7", "2001:db8::7"]);
    }

    #[test]
    fn nonsense_is_skipped_and_does_not_stop_us() {
        let lines = [
            "",
            ":",
            "0:",
            "0: 0:0",
            "0: 0:0 zz:zz 01",
            "0: 0:0 350200C0 01",
            "0: a é:0355 01",
            "0: 0:0 350200C0:01BB 01",
            "ipv4 2 tcp",
            "ipv4 2 tcp 6 src=x dst=y dport=z",
        ];
        for line in lines {
            let table = format!("head\n{line}\n");
            assert!(in_sockets(table.as_bytes(), Protocol::Udp, &resolvers()).is_empty());
            assert!(in_conntrack(table.as_bytes(), &resolvers()).is_empty());
        }
    }
}
