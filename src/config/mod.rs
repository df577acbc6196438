//! The configuration file: what may be written in it, and what it means.
//!
//! Two steps, one type each. `File` is what serde accepts, key for key;
//! [`Config`] is what the rest of the program may rely on. Only
//! [`Config::parse`] makes one from the other, so a `Config` is always sound.
//! [`SAMPLE`] is the manual: every key with what it does and its default.

mod error;
mod file;
mod list;
mod schedule;
mod sound;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::policy::{BlockAnswer, Canaries, NamedDevice, UserSubject};
use crate::core::prefix::Prefix;
use crate::core::verdict::Mode;

pub use error::ConfigError;
pub use list::{EVERY, ListSource, Place, digest, id_of, why_no_key, why_no_url};
pub use schedule::Schedule;

/// A sound configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "the file has these switches")]
pub struct Config {
    /// What is done with verdicts: `Enforce` or `Watch`, never `Off`.
    pub mode: Mode,
    /// Block what the catalogue only blocks on request, too.
    pub strict: bool,
    /// How blocked names are answered.
    pub block_answer: BlockAnswer,
    /// What happens to our traffic while we do not run.
    pub fail_policy: FailPolicy,
    /// Name of the TUN device, a valid one.
    pub device: String,
    /// The bits that our own sockets carry: value and mask.
    pub mark: NonZeroU32,
    /// Priority of the first of our routing rules; [`RULE_PRIORITIES`] from here on are ours.
    pub rule_priority: u32,
    /// Routing table of DNS. Differs from `address_table`.
    pub dns_table: u32,
    /// Routing table of sinkhole and address rules.
    pub address_table: u32,
    /// Routing table of flows that are not decided. Differs from both.
    pub flow_table: u32,
    /// IPv4 addresses for blocked names, /8 to /22.
    pub sinkhole_v4: Prefix,
    /// IPv6 addresses for blocked names, /64 to /96.
    pub sinkhole_v6: Prefix,
    /// Resolvers that passed questions go to, best first; empty: the system's.
    pub upstreams: Vec<SocketAddr>,
    /// The file that names the system's resolvers.
    pub resolv_conf: PathBuf,
    /// Devices whose questions are answered, besides those on private prefixes; never everybody.
    pub clients: Vec<Prefix>,
    /// Whether forwarded questions are captured, or only this host's.
    pub capture_forwarded: bool,
    /// Which flows are looked into.
    pub capture: Capture,
    /// Whether DNS over TLS to no resolver in particular is refused.
    pub refuse_opportunistic_dot: bool,
    /// Bounds and exceptions of [`Capture::Full`].
    pub full: Full,
    /// What is done with canary names.
    pub canaries: Canaries,
    /// Whether questions to upstreams have random case (0x20).
    pub case_randomization: bool,
    /// What is stored of what happened.
    pub journal: Journal,
    /// Modes of vendors by key. Whether such a vendor exists is not known here.
    pub vendors: BTreeMap<String, Written<Mode>>,
    /// Devices that have a name.
    pub devices: Vec<NamedDevice>,
    /// Times of the week, by name: 1 to 40 of a-z, 0-9, `-` and `_`.
    pub schedules: BTreeMap<String, Schedule>,
    /// Lists, in the order that decides which one is named in a verdict.
    pub lists: Vec<ListSource>,
    /// Names, `*.` names and prefixes that the user lets through.
    pub allow: Vec<Written<UserSubject>>,
    /// Names, `*.` names and prefixes that the user blocks.
    pub block: Vec<Written<UserSubject>>,
    /// Where commands are taken.
    pub control_socket: PathBuf,
    /// Where what must survive a restart is kept.
    pub state_dir: PathBuf,
    /// Where what must not survive a boot is kept.
    pub run_dir: PathBuf,
    /// What is logged.
    pub log_level: log::LevelFilter,
}

/// A value and the line it was written on, counted from 1: evidence.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Written<T> {
    /// The value.
    pub value: T,
    /// Its line.
    pub line: u32,
}

/// What happens to the traffic we would see while we do not run.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailPolicy {
    /// It goes its way, as without optout.
    #[default]
    Open,
    /// It is refused.
    Closed,
}

impl fmt::Display for FailPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Closed => "closed",
        })
    }
}

/// Which flows are looked into.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Capture {
    /// Questions, and flows to addresses that rules name.
    #[default]
    Selective,
    /// Besides these, every TCP and UDP flow until its host is known.
    Full,
}

impl fmt::Display for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Selective => "selective",
            Self::Full => "full",
        })
    }
}

/// Bounds and exceptions of [`Capture::Full`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Full {
    /// Not looked into are flows to these ports, from and to.
    pub exclude_ports: Vec<(u16, u16)>,
    /// Nor those of these devices.
    pub exclude_clients: Vec<Prefix>,
    /// Nor those to these addresses.
    pub exclude_addresses: Vec<Prefix>,
    /// Nor those of programs of these users of this host.
    pub exclude_users: Vec<u32>,
    /// Nor those of these programs of this host, by the file names of their executables.
    pub exclude_programs: Vec<Arc<str>>,
    /// How many flows that passed each of the kernel's sets can hold.
    pub flows: u32,
    /// Most bytes of packets that wait for a verdict.
    pub held: usize,
}

/// What is stored of what happened, and how long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Journal {
    /// Which events.
    pub privacy: Privacy,
    /// Events older than this are removed.
    pub keep: Duration,
    /// The oldest events are removed when the file is larger, in bytes.
    pub max_bytes: u64,
    /// Least time between two writes.
    pub flush: Duration,
}

/// Which events are stored, each level less than the one before.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Privacy {
    /// A line for every event.
    #[default]
    Everything,
    /// Lines for what was blocked or watched; of what was passed, the number a day.
    Blocked,
    /// No lines: numbers by day, outcome and vendor. No host, no client.
    Counters,
    /// Nothing at all.
    Nothing,
}

impl Config {
    /// Reads the text of a configuration file. The empty text is valid.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], which names the line, the key and the remedy.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let file = toml::from_str(text).map_err(|error| ConfigError::from_toml(text, &error))?;
        sound::Checker::new(text).config(file)
    }

    /// Refuses modes of vendors that are not in the catalogue. Apart from
    /// [`Config::parse`], which knows no catalogue.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for the first that `known` does not hold.
    pub fn check_vendors(&self, known: &[&str]) -> Result<(), ConfigError> {
        for (key, Written { line, .. }) in &self.vendors {
            if !known.contains(&key.as_str()) {
                return Err(ConfigError::unknown_vendor(*line, key, known));
            }
        }
        Ok(())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::parse("").expect("the empty configuration is sound")
    }
}

/// A file that holds every key with its default, as comments.
pub const SAMPLE: &str = include_str!("../../packaging/optout.toml");

/// How many priorities from [`Config::rule_priority`] on are ours.
pub const RULE_PRIORITIES: u32 = 40;

#[cfg(test)]
mod tests;
