//! What the doctor knows before it judges.

use std::time::Duration;

use crate::config::{Config, RULE_PRIORITIES};
use crate::request::Status;
use crate::shell::doctor::android::Android;
use crate::shell::doctor::resolver_use::ResolverUse;
use crate::shell::doctor::sockets::Flow;

/// Everything that is judged.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The TUN driver.
    pub tun: Tun,
    /// Whether we, and so a daemon that we would start, have `CAP_NET_ADMIN`.
    pub net_admin: bool,
    /// The daemon.
    pub daemon: Reached,
    /// What is ours in routing, by the configuration.
    pub ours: Ours,
    /// Policy routing rules of both families; `None` if they cannot be read.
    pub rules: Option<Vec<PolicyRule>>,
    /// Families and tables that have a default route.
    pub default_routes: Vec<(Family, u32)>,
    /// Devices that carry a default route of the main table.
    pub uplinks: Vec<String>,
    /// Network devices that tunnel.
    pub tunnels: Vec<Link>,
    /// Upstreams, each asked one question.
    pub probes: Vec<Probe>,
    /// Live flows to encrypted resolvers.
    pub flows: Vec<Flow>,
    /// Who went to encrypted resolvers lately; `None` if the journal cannot be asked.
    pub resolver_use: Option<ResolverUse>,
    /// What is particular to Android; `None` elsewhere.
    pub android: Option<Android>,
    /// The clock.
    pub clock: Clock,
}

/// What the configuration reserves for us in the kernel's routing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ours {
    /// The bits that our own sockets carry.
    pub mark: u32,
    /// First and last priority of our rules.
    pub priorities: (u32, u32),
    /// The tables for questions, for addresses and for flows.
    pub tables: [u32; 3],
}

impl Ours {
    /// What this configuration says.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let first = config.rule_priority;
        Self {
            mark: config.mark.get(),
            priorities: (first, first + RULE_PRIORITIES - 1),
            tables: [config.dns_table, config.address_table, config.flow_table],
        }
    }
}

impl Default for Ours {
    fn default() -> Self {
        Self::of(&Config::default())
    }
}

/// The TUN driver, as opening `/dev/net/tun` shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Tun {
    /// It can be opened.
    Usable,
    /// The device file, or the driver behind it, is missing.
    Missing,
    /// We may not open it.
    Denied,
    /// Something else, in the system's words.
    Failed(String),
}

/// The daemon.
#[derive(Clone, Debug)]
pub enum Reached {
    /// It answered.
    Running(Box<Status>),
    /// Nobody listens.
    NotRunning,
    /// It is there, but we could not ask it: why, with the remedy.
    Unasked(String),
}

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// A policy routing rule (ip-rule(8)), as far as the doctor cares.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PolicyRule {
    /// Its family.
    pub family: Family,
    /// The lower, the earlier.
    pub priority: u32,
    /// The table it leads to; `None`: it refuses, jumps or does nothing.
    pub table: Option<u32>,
    /// `fwmark VALUE/MASK`.
    pub mark: Option<(u32, u32)>,
    /// `not`.
    pub inverted: bool,
    /// Only IP protocol number.
    pub protocol: Option<u8>,
    /// Only destination ports from, to.
    pub ports: Option<(u16, u16)>,
    /// Only these sources.
    pub from: Option<String>,
    /// Only these destinations.
    pub to: Option<String>,
    /// Only what comes in by this device.
    pub iif: Option<String>,
    /// Only what goes out by this device.
    pub oif: Option<String>,
    /// Only some users.
    pub users: bool,
    /// `suppress_prefixlength`: routes of this length and shorter do not count.
    pub suppress: Option<u32>,
    /// Who made it (`RTPROT_…`).
    pub origin: u8,
}

/// A network device that tunnels.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// `tun`, `wireguard`, ….
    pub kind: String,
}

/// What became of one question to an upstream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Probe {
    /// Address and port.
    pub address: String,
    /// The time it took, or what went wrong.
    pub answer: Result<Duration, String>,
}

/// The clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Clock {
    /// Seconds since 1970 (UTC).
    pub now: i64,
    /// Whether the kernel takes it for synchronised; `None` if it does not say.
    pub synchronised: Option<bool>,
}
