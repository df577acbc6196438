//! The file, key for key: what serde accepts.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::core::list::Format;
use crate::core::policy::BlockAnswer;
use crate::core::verdict::Mode;

use super::{Capture, FailPolicy, Privacy};

/// The file, key for key. Numbers and addresses are checked in the next step,
/// so that what is wrong with them can be said in words.
///
/// An unknown key is refused: a mistyped `block = [...]` that is silently
/// skipped leaves the user unprotected and sure of the opposite.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "the file has these switches")]
pub(super) struct File {
    pub mode: GlobalMode,
    pub strict: bool,
    pub block_answer: BlockAnswer,
    pub fail_policy: FailPolicy,
    pub device: String,
    pub mark: i64,
    pub rule_priority: i64,
    pub dns_table: i64,
    pub address_table: i64,
    pub flow_table: i64,
    pub sinkhole_v4: String,
    pub sinkhole_v6: String,
    pub upstreams: Vec<String>,
    pub resolv_conf: String,
    pub clients: Vec<String>,
    pub capture_forwarded: bool,
    pub capture: Capture,
    pub refuse_opportunistic_dot: bool,
    pub private_relay: PrivateRelay,
    pub firefox_canary: bool,
    pub resolver_canary: bool,
    pub case_randomization: bool,
    pub allow: Vec<String>,
    pub block: Vec<String>,
    pub control_socket: String,
    pub state_dir: String,
    pub run_dir: String,
    pub log_level: LogLevel,
    pub full: Full,
    pub journal: Journal,
    pub vendors: BTreeMap<String, Mode>,
    pub devices: Vec<Device>,
    pub schedules: BTreeMap<String, Vec<String>>,
    pub lists: Vec<List>,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Full {
    pub exclude_ports: Vec<Ports>,
    pub exclude_clients: Vec<String>,
    pub exclude_addresses: Vec<String>,
    pub exclude_apps: Vec<String>,
    pub flows: i64,
    pub held_kb: i64,
}

/// A number, or a range as text.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "wanted a port")]
pub(super) enum Ports {
    One(i64),
    Range(String),
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Journal {
    pub privacy: Privacy,
    pub keep_days: i64,
    pub max_mb: i64,
    pub flush_seconds: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Device {
    pub name: String,
    pub addresses: Vec<String>,
    #[serde(default)]
    pub tags: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    pub path: Option<String>,
    pub url: Option<String>,
    pub name: Option<String>,
    #[serde(default)]
    pub format: ListFormat,
    pub subdomains: Option<bool>,
    #[serde(default)]
    pub kind: ListKind,
    #[serde(default)]
    pub tlds: bool,
    #[serde(default)]
    pub mode: Mode,
    #[serde(default)]
    pub clients: Vec<String>,
    #[serde(default)]
    pub apps: Vec<String>,
    pub schedule: Option<String>,
    pub every: Option<String>,
    pub sha256: Option<String>,
    pub minisign: Option<String>,
    #[serde(default)]
    pub private: bool,
    pub watch_for: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ListFormat {
    #[default]
    Auto,
    Hosts,
    Domains,
    Wildcard,
    Adblock,
    Dnsmasq,
    Unbound,
    Rpz,
    Dnscrypt,
    Ips,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum ListKind {
    #[default]
    Block,
    Allow,
}

/// Off is a state that `optout off` sets, not a mode of the file.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum GlobalMode {
    Enforce,
    Watch,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum PrivateRelay {
    Allow,
    Refuse,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum LogLevel {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl From<ListFormat> for Option<Format> {
    fn from(format: ListFormat) -> Self {
        Some(match format {
            ListFormat::Auto => return None,
            ListFormat::Hosts => Format::Hosts,
            ListFormat::Domains => Format::Domains,
            ListFormat::Wildcard => Format::Wildcard,
            ListFormat::Adblock => Format::Adblock,
            ListFormat::Dnsmasq => Format::Dnsmasq,
            ListFormat::Unbound => Format::Unbound,
            ListFormat::Rpz => Format::Rpz,
            ListFormat::Dnscrypt => Format::Dnscrypt,
            ListFormat::Ips => Format::Ips,
        })
    }
}

impl From<LogLevel> for log::LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Off => Self::Off,
            LogLevel::Error => Self::Error,
            LogLevel::Warn => Self::Warn,
            LogLevel::Info => Self::Info,
            LogLevel::Debug => Self::Debug,
            LogLevel::Trace => Self::Trace,
        }
    }
}

impl Default for File {
    fn default() -> Self {
        Self {
            mode: GlobalMode::Enforce,
            strict: false,
            block_answer: BlockAnswer::Sinkhole,
            fail_policy: FailPolicy::Open,
            device: "optout0".into(),
            mark: 0x0100_0000,
            rule_priority: 5300,
            dns_table: 5353,
            address_table: 5354,
            flow_table: 5355,
            sinkhole_v4: "198.18.0.0/15".into(),
            sinkhole_v6: "fd6f:7074:6f75:7400::/64".into(),
            upstreams: Vec::new(),
            resolv_conf: "/etc/resolv.conf".into(),
            clients: Vec::new(),
            capture_forwarded: true,
            capture: Capture::Selective,
            refuse_opportunistic_dot: true,
            private_relay: PrivateRelay::Allow,
            firefox_canary: true,
            resolver_canary: true,
            case_randomization: true,
            allow: Vec::new(),
            block: Vec::new(),
            control_socket: "/run/optout/control.sock".into(),
            state_dir: "/var/lib/optout".into(),
            run_dir: "/run/optout".into(),
            log_level: LogLevel::Info,
            full: Full::default(),
            journal: Journal::default(),
            vendors: BTreeMap::new(),
            devices: Vec::new(),
            schedules: BTreeMap::new(),
            lists: Vec::new(),
        }
    }
}

impl Default for Full {
    fn default() -> Self {
        Self {
            exclude_ports: Vec::new(),
            exclude_clients: Vec::new(),
            exclude_addresses: Vec::new(),
            exclude_apps: Vec::new(),
            flows: 65_536,
            held_kb: 4096,
        }
    }
}

impl Default for Journal {
    fn default() -> Self {
        Self { privacy: Privacy::Everything, keep_days: 90, max_mb: 64, flush_seconds: 5 }
    }
}
