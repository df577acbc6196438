//! From what was written to what it means, or to what is wrong with it.

mod device;
mod full;
mod list;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::core::policy::{Canaries, UserRuleError, UserSubject};
use crate::core::prefix::Prefix;
use crate::core::verdict::Mode;

use super::error::line_of;
use super::file::{self, File, GlobalMode, PrivateRelay};
use super::{Config, ConfigError, Journal, RULE_PRIORITIES, Written};

/// Checks a file whose text is at hand, for the lines of its errors.
#[derive(Debug)]
pub(super) struct Checker<'a> {
    text: &'a str,
}

type Checked<T> = Result<T, ConfigError>;

impl<'a> Checker<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text }
    }

    pub(super) fn config(&self, file: File) -> Checked<Config> {
        let config = Config {
            mode: match file.mode {
                GlobalMode::Enforce => Mode::Enforce,
                GlobalMode::Watch => Mode::Watch,
            },
            strict: file.strict,
            block_answer: file.block_answer,
            fail_policy: file.fail_policy,
            device: self.device(file.device)?,
            mark: self.mark(file.mark)?,
            rule_priority: self.number("rule_priority", file.rule_priority, PRIORITIES)?,
            dns_table: self.table("dns_table", file.dns_table)?,
            address_table: self.table("address_table", file.address_table)?,
            flow_table: self.table("flow_table", file.flow_table)?,
            sinkhole_v4: self.sinkhole("sinkhole_v4", &file.sinkhole_v4, SINKHOLE_V4)?,
            sinkhole_v6: self.sinkhole("sinkhole_v6", &file.sinkhole_v6, SINKHOLE_V6)?,
            upstreams: self.upstreams(&file.upstreams)?,
            resolv_conf: self.path("resolv_conf", &file.resolv_conf)?,
            clients: self.clients(&file.clients)?,
            capture_forwarded: file.capture_forwarded,
            capture: file.capture,
            refuse_opportunistic_dot: file.refuse_opportunistic_dot,
            full: self.full(&file.full, &file.devices)?,
            canaries: Canaries {
                firefox: file.firefox_canary,
                resolver: file.resolver_canary,
                private_relay: file.private_relay == PrivateRelay::Refuse,
            },
            case_randomization: file.case_randomization,
            journal: self.journal(&file.journal)?,
            vendors: self.vendors(file.vendors),
            devices: self.devices(file.devices)?,
            schedules: self.schedules(file.schedules)?,
            lists: self.lists(file.lists)?,
            allow: self.subjects("allow", &file.allow)?,
            block: self.subjects("block", &file.block)?,
            control_socket: self.path("control_socket", &file.control_socket)?,
            state_dir: self.path("state_dir", &file.state_dir)?,
            run_dir: self.path("run_dir", &file.run_dir)?,
            log_level: file.log_level.into(),
        };
        self.together(&config)?;
        Ok(config)
    }

    /// What no key can be checked for alone.
    fn together(&self, config: &Config) -> Checked<()> {
        self.known(&config.lists, &config.devices, &config.schedules)?;
        if config.dns_table == config.address_table {
            return self.wrong("address_table", "is the same as \"dns_table\"; choose another");
        }
        for (key, table) in
            [("dns_table", config.dns_table), ("address_table", config.address_table)]
        {
            if config.flow_table == table {
                let problem = format!("is the same as {key:?}; choose another");
                return self.wrong("flow_table", &problem);
            }
        }
        let ours = |ip: IpAddr| config.sinkhole_v4.contains(ip) || config.sinkhole_v6.contains(ip);
        for (n, upstream) in config.upstreams.iter().enumerate() {
            if ours(upstream.ip()) {
                let problem = format!("names {upstream}, which is ours; name a real resolver");
                return self.wrong(&format!("upstreams.{n}"), &problem);
            }
        }
        if config.control_socket.as_os_str().len() > LONGEST_SOCKET_PATH {
            let problem =
                format!("is longer than {LONGEST_SOCKET_PATH} bytes; write a shorter path");
            return self.wrong("control_socket", &problem);
        }
        Ok(())
    }

    fn wrong<T>(&self, path: &str, problem: &str) -> Checked<T> {
        Err(ConfigError::at(self.text, path, problem))
    }

    fn number(&self, key: &str, value: i64, range: RangeInclusive<u32>) -> Checked<u32> {
        match u32::try_from(value) {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => {
                let (least, most) = range.into_inner();
                self.wrong(key, &format!("cannot be {value}; write {least} to {most}"))
            }
        }
    }

    fn mark(&self, value: i64) -> Checked<NonZeroU32> {
        match u32::try_from(value).ok().and_then(NonZeroU32::new) {
            Some(mark) => Ok(mark),
            None => self.wrong(
                "mark",
                &format!("cannot be {value}; write bits of 32, such as 0x01000000, at least one"),
            ),
        }
    }

    fn table(&self, key: &str, value: i64) -> Checked<u32> {
        match u32::try_from(value) {
            Ok(table) if table != 0 && !SYSTEM_TABLES.contains(&table) => Ok(table),
            _ => self.wrong(
                key,
                &format!("cannot be {value}; write 1 to 4294967295, but not 253, 254 or 255"),
            ),
        }
    }

    /// What the kernel accepts as the name of a device (`dev_valid_name`).
    fn device(&self, name: String) -> Checked<String> {
        let odd = |c: char| !c.is_ascii_graphic() || matches!(c, '/' | ':' | '%' | '"' | '\\');
        if name.is_empty() || name.len() > 15 || name.starts_with('.') || name.chars().any(odd) {
            let problem = format!("cannot be {name:?}; write 1 to 15 letters, digits, - or _");
            return self.wrong("device", &problem);
        }
        Ok(name)
    }

    fn prefix(&self, path: &str, text: &str) -> Checked<Prefix> {
        text.parse().or_else(|error| self.wrong(path, &format!("{text:?}: {error}")))
    }

    fn sinkhole(&self, key: &str, text: &str, lengths: RangeInclusive<u8>) -> Checked<Prefix> {
        let prefix = self.prefix(key, text)?;
        let (family, v4) = if key == "sinkhole_v4" { ("IPv4", true) } else { ("IPv6", false) };
        let address = prefix.address();
        if address.is_ipv4() != v4 {
            return self.wrong(key, &format!("cannot be {prefix}; write an {family} prefix"));
        }
        if !lengths.contains(&prefix.length()) {
            let (least, most) = lengths.into_inner();
            let problem = format!("cannot be a /{}; write /{least} to /{most}", prefix.length());
            return self.wrong(key, &problem);
        }
        if address.is_loopback() || address.is_multicast() || address.is_unspecified() {
            let problem = format!("cannot be {prefix}, which is never routed; write another");
            return self.wrong(key, &problem);
        }
        Ok(prefix)
    }

    fn upstreams(&self, texts: &[String]) -> Checked<Vec<SocketAddr>> {
        if texts.len() > MOST_UPSTREAMS {
            let problem = format!("names {} resolvers; name at most 16", texts.len());
            return self.wrong("upstreams", &problem);
        }
        let mut upstreams = Vec::with_capacity(texts.len());
        for (n, text) in texts.iter().enumerate() {
            let path = format!("upstreams.{n}");
            let Some(upstream) = upstream(text) else {
                let problem = format!(
                    "cannot hold {text:?}; write an address like \"192.0.2.1\", \"192.0.2.1:53\" or \"[2001:db8::1]:53\""
                );
                return self.wrong(&path, &problem);
            };
            let ip = upstream.ip();
            let broadcast = ip == IpAddr::from([255; 4]);
            if upstream.port() == 0 || ip.is_unspecified() || ip.is_multicast() || broadcast {
                let problem = format!("cannot hold {text:?}, which no resolver can have");
                return self.wrong(&path, &problem);
            }
            if upstreams.contains(&upstream) {
                return self.wrong(&path, &format!("names {text:?} twice; remove one"));
            }
            upstreams.push(upstream);
        }
        Ok(upstreams)
    }

    fn clients(&self, texts: &[String]) -> Checked<Vec<Prefix>> {
        let mut clients = Vec::with_capacity(texts.len());
        for (n, text) in texts.iter().enumerate() {
            let path = format!("clients.{n}");
            let prefix = self.prefix(&path, text)?;
            if prefix.length() == 0 {
                let problem = format!("cannot hold {text:?}, which is everybody; name a prefix");
                return self.wrong(&path, &problem);
            }
            clients.push(prefix);
        }
        Ok(clients)
    }

    fn journal(&self, file: &file::Journal) -> Checked<Journal> {
        let keep_days = self.number("journal.keep_days", file.keep_days, 1..=3650)?;
        let max_mb = self.number("journal.max_mb", file.max_mb, 1..=65_536)?;
        let flush = self.number("journal.flush_seconds", file.flush_seconds, 1..=3600)?;
        Ok(Journal {
            privacy: file.privacy,
            keep: Duration::from_secs(u64::from(keep_days) * 24 * 3600),
            max_bytes: u64::from(max_mb) * 1_000_000,
            flush: Duration::from_secs(flush.into()),
        })
    }

    fn vendors(&self, file: BTreeMap<String, Mode>) -> BTreeMap<String, Written<Mode>> {
        let written = |(key, value)| {
            let line = line_of(self.text, &format!("vendors.{key}"));
            (key, Written { value, line })
        };
        file.into_iter().map(written).collect()
    }

    fn subjects(&self, key: &str, texts: &[String]) -> Checked<Vec<Written<UserSubject>>> {
        let mut subjects = Vec::with_capacity(texts.len());
        // Locating parses the text anew, so a long list is located only once.
        let lines = super::error::lines_of(self.text, key);
        for (n, text) in texts.iter().enumerate() {
            let value = match text.parse() {
                Ok(value) => value,
                Err(error) => {
                    let path = format!("{key}.{n}");
                    let why = what_is_no_subject(&error);
                    return self.wrong(&path, &format!("cannot hold {text:?}: {why}"));
                }
            };
            subjects.push(Written { value, line: lines.get(n).copied().unwrap_or(1) });
        }
        Ok(subjects)
    }

    fn path(&self, key: &str, text: &str) -> Checked<PathBuf> {
        if !text.starts_with('/') || text.contains(char::is_control) {
            return self
                .wrong(key, &format!("cannot be {text:?}; write a path that begins with /"));
        }
        Ok(PathBuf::from(text))
    }
}

/// Reads an address with or without a port.
fn upstream(text: &str) -> Option<SocketAddr> {
    let with_port = text.parse().ok();
    let address = || text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, DNS_PORT));
    // An address of a link has a scope, `fe80::1%2`, which `IpAddr` has no place for.
    let scoped = || format!("[{text}]:{DNS_PORT}").parse().ok();
    with_port.or_else(address).or_else(scoped)
}

/// Why a rule of the user's own names nothing, without naming it once more.
fn what_is_no_subject(error: &UserRuleError) -> String {
    match error {
        UserRuleError::Subject { why, .. } => {
            format!("{why}; write a name, a name with *. before it, an address or a prefix")
        }
        UserRuleError::Prefix { why, .. } => why.to_string(),
        other => other.to_string(),
    }
}

const DNS_PORT: u16 = 53; // RFC 1035 §4.2

/// More would never be tried before a program gives up.
const MOST_UPSTREAMS: usize = 16;

/// Below the kernel's rule for the main table (32766), with room for all of ours.
const PRIORITIES: RangeInclusive<u32> = 1..=32_766 - RULE_PRIORITIES;

/// The kernel's own routing tables: default, main and local.
const SYSTEM_TABLES: RangeInclusive<u32> = 253..=255;

/// Lengths of an IPv4 sinkhole: at most a whole class A, at least 1024 names.
const SINKHOLE_V4: RangeInclusive<u8> = 8..=22;

/// Lengths of an IPv6 sinkhole: at most a whole link, at least all of IPv4's slots.
const SINKHOLE_V6: RangeInclusive<u8> = 64..=96;

/// `sun_path` holds 108 bytes with the zero at its end (unix(7)).
const LONGEST_SOCKET_PATH: usize = 107;
