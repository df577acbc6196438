//! Who a client is: the hardware address behind its IP address, and the name
//! that it told the DHCP server.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};

use crate::core::host::HostName;
use crate::shell::netlink::Netlink;

/// What is known of a client.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Neighbour {
    /// Its hardware address, as `02:00:5e:00:53:01`.
    pub mac: Option<Arc<str>>,
    /// The name that it goes by. Its own word, in the form of a host name.
    pub name: Option<Arc<str>>,
}

/// The neighbours, remembered for a minute. Looks only when asked.
#[derive(Debug)]
pub struct Neighbours {
    leases: Vec<PathBuf>,
    macs: HashMap<IpAddr, Arc<str>>,
    names: HashMap<IpAddr, Arc<str>>,
    /// Names by hardware address: an IPv6 address has no lease of its own.
    owners: HashMap<Arc<str>, Arc<str>>,
    looked: Option<Instant>,
}

impl Default for Neighbours {
    fn default() -> Self {
        Self::reading(LEASES.iter().map(PathBuf::from).collect())
    }
}

impl Neighbours {
    /// Takes names from these files, in the format of dnsmasq.
    #[must_use]
    pub fn reading(leases: Vec<PathBuf>) -> Self {
        Self {
            leases,
            macs: HashMap::new(),
            names: HashMap::new(),
            owners: HashMap::new(),
            looked: None,
        }
    }

    /// What is known of a client.
    ///
    /// Costs a lookup or two; once a minute, and at most every five seconds for
    /// a client that is not known yet, a look at the kernel's table and at the
    /// lease files. Never fails: what cannot be read is not known.
    pub fn lookup(&mut self, address: IpAddr, now: Instant) -> Neighbour {
        let patience = if self.macs.contains_key(&address) { KEPT } else { KEPT_UNKNOWN };
        if self.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= patience) {
            self.looked = Some(now);
            self.look();
        }
        let mac = self.macs.get(&address).cloned();
        let by_mac = || mac.as_ref().and_then(|mac| self.owners.get(mac));
        let name = self.names.get(&address).or_else(by_mac).cloned();
        Neighbour { mac, name }
    }

    fn look(&mut self) {
        self.macs = macs().unwrap_or_else(|error| {
            log::debug!("neighbours: cannot read the kernel's table: {error}");
            HashMap::new()
        });
        self.names.clear();
        self.owners.clear();
        for path in &self.leases {
            // Not there is the rule: one DHCP server has one file.
            let Ok(file) = File::open(path) else { continue };
            let lines = BufReader::new(file.take(MOST_BYTES)).lines();
            for line in lines.map_while(Result::ok) {
                let Some((mac, address, name)) = lease(&line) else { continue };
                let name: Arc<str> = name.as_str().into();
                self.names.insert(address, Arc::clone(&name));
                if address.is_ipv4() {
                    self.owners.insert(mac.to_ascii_lowercase().into(), name);
                }
            }
        }
    }
}

/// Reads a line of a lease file of dnsmasq: expiry, hardware address, address,
/// name or `*`, client id. `None` if it names nobody.
fn lease(line: &str) -> Option<(&str, IpAddr, HostName)> {
    let mut words = line.split_ascii_whitespace();
    let _expiry = words.next()?;
    let mac = words.next()?;
    let address = words.next()?.parse().ok()?;
    let name = words.next()?.parse().ok()?;
    Some((mac, address, name))
}

fn macs() -> std::io::Result<HashMap<IpAddr, Arc<str>>> {
    let mut macs = HashMap::new();
    let all = RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default());
    for answer in Netlink::route()?.all(&all)? {
        let RouteNetlinkMessage::NewNeighbour(message) = answer else { continue };
        if matches!(message.header.state, NeighbourState::Failed | NeighbourState::Noarp) {
            continue;
        }
        let (mut address, mut mac) = (None, None);
        for attribute in message.attributes {
            match attribute {
                NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => {
                    address = Some(IpAddr::V4(v4));
                }
                NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => {
                    address = Some(IpAddr::V6(v6));
                }
                NeighbourAttribute::LinkLayerAddress(bytes) if !bytes.is_empty() => {
                    let pairs: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                    mac = Some(pairs.join(":").into());
                }
                _ => {}
            }
        }
        macs.extend(address.zip(mac));
    }
    Ok(macs)
}

const LEASES: [&str; 3] = [
    "/tmp/dhcp.leases",                // OpenWrt
    "/var/lib/misc/dnsmasq.leases",    // Debian
    "/var/lib/dnsmasq/dnsmasq.leases", // Fedora
];
const KEPT: Duration = Duration::from_mins(1);
const KEPT_UNKNOWN: Duration = Duration::from_secs(5);
const MOST_BYTES: u64 = 1024 * 1024; // some ten thousand leases

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::netns_test::{isolated, sh};

    #[test]
    fn a_lease_line_names_a_client_or_nobody() {
        for (line, want) in [
            (
                "1700000000 02:00:5e:00:53:01 192.0.2.7 Phone 01:02:00:5e:00:53:01",
                Some("192.0.2.7 phone"),
            ),
            ("1700000000 123456 2001:db8::7 tablet 00:01:00:01", Some("2001:db8::7 tablet")),
            ("1700000000 02:00:5e:00:53:01 192.0.2.7 * 01:02", None),
            ("1700000000 02:00:5e:00:53:01 192.0.2.7 <b>x</b> *", None),
            ("1700000000 02:00:5e:00:53:01 192.0.2.7 \x1b[2J *", None),
            ("duid 00:01:00:01:2b:aa", None),
            ("1700000000 02:00:5e:00:53:01", None),
            ("", None),
        ] {
            let said = lease(line).map(|(_, address, name)| format!("{address} {name}"));
            assert_eq!(said.as_deref(), want, "{line}");
        }
    }

    #[test]
    fn a_client_is_known_by_both_its_addresses() {
        isolated("shell::neighbours::tests::a_client_is_known_by_both_its_addresses", || {
            sh("ip link add lan type veth peer name eth; ip link set lan up; ip link set eth up
                ip addr add 192.0.2.1/24 dev lan; ip addr add 2001:db8::1/64 dev lan nodad
                ip neigh add 192.0.2.7 lladdr 02:00:5e:00:53:01 dev lan
                ip neigh add 2001:db8::7 lladdr 02:00:5e:00:53:01 dev lan");
            let path = std::env::temp_dir().join(format!("optout-leases-{}", std::process::id()));
            std::fs::write(&path, "1 02:00:5E:00:53:01 192.0.2.7 phone *\n").unwrap();
            let mut neighbours = Neighbours::reading(vec![path.clone(), "/nowhere".into()]);
            let start = Instant::now();
            let want =
                Neighbour { mac: Some("02:00:5e:00:53:01".into()), name: Some("phone".into()) };
            for address in ["192.0.2.7", "2001:db8::7"] {
                assert_eq!(neighbours.lookup(address.parse().unwrap(), start), want, "{address}");
            }
            // A newcomer is found after some seconds, not at once.
            sh("ip neigh add 192.0.2.8 lladdr 02:00:5e:00:53:02 dev lan");
            let mut mac = |later| {
                let now = start + Duration::from_secs(later);
                neighbours.lookup("192.0.2.8".parse().unwrap(), now).mac
            };
            assert_eq!(mac(1), None);
            assert_eq!(mac(6), Some("02:00:5e:00:53:02".into()));
            std::fs::remove_file(path).unwrap();
        });
    }
}
