//! What can be known from outside: packets that arrived, and the state of a
//! machine's network.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Node;

/// Packets that reached the Internet, counted by nftables there.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counters {
    /// To port 53 of anything.
    pub(crate) dns: u64,
    /// Of these, those that a client sent: they went past optout.
    pub(crate) dns_from_clients: u64,
    /// To the vendor that collects.
    pub(crate) vendor: u64,
    /// To the collector that has no name.
    pub(crate) hard_coded: u64,
    /// To a sinkhole address: these must never leave the house.
    pub(crate) sinkhole: u64,
    /// To ports 80 and 443.
    pub(crate) web: u64,
}

impl Counters {
    pub(super) fn read(internet: &Node) -> Self {
        let text = internet.ok("nft -j list counters");
        let json: serde_json::Value = serde_json::from_str(&text).expect("nft speaks JSON");
        let rows = json["nftables"].as_array().expect("a list").iter();
        let counts: BTreeMap<&str, u64> = rows
            .filter_map(|row| {
                let counter = row.get("counter")?;
                Some((counter["name"].as_str()?, counter["packets"].as_u64()?))
            })
            .collect();
        let count = |name| *counts.get(name).expect("a counter of the lab");
        Self {
            dns: count("dns"),
            dns_from_clients: count("dns_from_clients"),
            vendor: count("vendor"),
            hard_coded: count("hard_coded"),
            sinkhole: count("sinkhole"),
            web: count("web"),
        }
    }
}

/// The state of a machine's network, as text that can be compared.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Snapshot(Vec<(&'static str, String)>);

impl Snapshot {
    /// Takes one.
    pub(crate) fn of(node: &Node) -> Self {
        let take = |script: &'static str| (script, node.ok(script));
        Self(SCRIPTS.iter().copied().map(take).collect())
    }

    /// Insists that nothing changed.
    #[track_caller]
    pub(crate) fn assert_same(&self, now: &Self, when: &str) {
        let mut report = String::new();
        for ((script, before), (_, after)) in self.0.iter().zip(&now.0) {
            for line in after.lines().filter(|line| !before.lines().any(|old| old == *line)) {
                let _ = writeln!(report, "{script}: new:  {line}");
            }
            for line in before.lines().filter(|line| !after.lines().any(|new| new == *line)) {
                let _ = writeln!(report, "{script}: gone: {line}");
            }
        }
        assert!(self == now, "{when}, the machine is not as it was:\n{report}");
    }
}

const SCRIPTS: &[&str] = &[
    "ip -4 rule",
    "ip -6 rule",
    "ip -4 route show table all",
    "ip -6 route show table all",
    "ip -o link | sed 's/\\\\.*//'",
    "ip -o addr | sed 's/ *valid_lft.*//'",
    "nft list ruleset",
    "cd /proc/sys/net && grep -rs . ipv4/ip_forward ipv4/conf/all ipv4/conf/default \
     ipv6/conf/all ipv6/conf/default | grep -v stable_secret",
    "find /run/optout -type s",
];
