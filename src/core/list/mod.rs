//! List text → rules.
//!
//! A [`Reader`] takes a list line by line, so a list is never in memory as
//! text. Each format is a file of its own that turns a line into [`Rule`]s or
//! says with a [`Fault`] why there is none. Lists are written by strangers: a
//! line that makes no sense is counted, and never a reason to stop.

mod adblock;
mod comments;
mod detect;
mod dnscrypt;
mod dnsmasq;
mod domains;
mod fault;
mod glob;
mod guard;
mod hosts;
mod ips;
mod names;
mod nowhere;
mod patterns;
mod reader;
mod rpz;
#[cfg(test)]
mod spelled;
#[cfg(test)]
mod tests;
mod unbound;
pub mod vet;
mod whole;

use serde::{Deserialize, Serialize};

use crate::core::rule::Rule;

pub use detect::{Detected, detect};
pub use fault::{Class, Fault};
pub use guard::Guard;
pub use names::host_name;
pub use patterns::{MAX_COMPILED, MAX_NESTING, MAX_REGEX, MAX_STATES, compile as compile_pattern};
pub use reader::{Counts, Reader};
pub use whole::{NotAList, check};

/// How a list is written.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// An address and names, as in `/etc/hosts` (hosts(5)).
    Hosts,
    /// One name a line, perhaps with `*.` before it.
    Domains,
    /// Names with `*.` before them.
    Wildcard,
    /// Adblock syntax as far as it is about names: `||x^`, `@@`, `$important`.
    Adblock,
    /// Options of dnsmasq: `address=`, `local=`, `server=`.
    Dnsmasq,
    /// Options of unbound: `local-zone:`, `local-data:`.
    Unbound,
    /// A response policy zone (draft-vixie-dnsop-dns-rpz).
    Rpz,
    /// Patterns of dnscrypt-proxy.
    Dnscrypt,
    /// Addresses and prefixes.
    Ips,
}

/// How a list is to be read.
#[derive(Clone, Debug)]
pub struct Options {
    /// The format of every line.
    pub format: Format,
    /// Whether a bare name means what is below it too.
    pub subdomains: bool,
    /// Whether its rules let through what they name: a list of exceptions.
    pub allow: bool,
    /// Whether it may name whole top-level domains.
    pub tlds: bool,
}

/// Where a format tells what a line is.
///
/// For each line it calls at least one of these, except for comments and lines
/// that mean nothing on purpose (`localhost` in a hosts file).
trait Sink {
    /// A rule. The sink looks after what no list may do ([`Guard`]).
    fn rule(&mut self, rule: &Rule<'_>);
    /// Why something in this line is no rule.
    fn fault(&mut self, fault: Fault);
}

/// A format: what reads one line after the other.
trait Syntax: std::fmt::Debug + Send {
    /// Takes the next line, without its end and without a byte order mark, of at
    /// most [`MAX_LINE`] bytes; invalid UTF-8 has been replaced by U+FFFD. Space
    /// around it is still there.
    fn line(&mut self, text: &str, sink: &mut dyn Sink);
    /// Takes the end of the list: what stands on several lines may be incomplete.
    fn end(&mut self, _sink: &mut dyn Sink) {}
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 9] = [
        Self::Hosts,
        Self::Domains,
        Self::Wildcard,
        Self::Adblock,
        Self::Dnsmasq,
        Self::Unbound,
        Self::Rpz,
        Self::Dnscrypt,
        Self::Ips,
    ];

    /// The word for it in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hosts => "hosts",
            Self::Domains => "domains",
            Self::Wildcard => "wildcard",
            Self::Adblock => "adblock",
            Self::Dnsmasq => "dnsmasq",
            Self::Unbound => "unbound",
            Self::Rpz => "rpz",
            Self::Dnscrypt => "dnscrypt",
            Self::Ips => "ips",
        }
    }

    /// Whether a bare name in such a list means what is below it too, if nobody
    /// says otherwise. Where a format has a form of its own for both, that form
    /// decides.
    #[must_use]
    pub fn subdomains(self) -> bool {
        matches!(self, Self::Wildcard | Self::Dnsmasq | Self::Unbound | Self::Dnscrypt)
    }

    /// Whether in such a list the most specific rule about a name decides, be it
    /// to block or to allow.
    #[must_use]
    pub fn nearest_decides(self) -> bool {
        matches!(self, Self::Dnsmasq | Self::Unbound | Self::Rpz)
    }

    /// What reads it.
    fn syntax(self, options: &Options) -> Box<dyn Syntax> {
        match self {
            Self::Hosts => Box::new(hosts::Hosts::new(options)),
            Self::Domains | Self::Wildcard => Box::new(domains::Domains::new(options)),
            Self::Adblock => Box::new(adblock::Adblock::new(options)),
            Self::Dnsmasq => Box::new(dnsmasq::Dnsmasq::default()),
            Self::Unbound => Box::new(unbound::Unbound::default()),
            Self::Rpz => Box::new(rpz::Rpz::default()),
            Self::Dnscrypt => Box::new(dnscrypt::Dnscrypt::new(options)),
            Self::Ips => Box::new(ips::Ips),
        }
    }
}

impl Options {
    /// How a list of this format is read if nobody says otherwise.
    #[must_use]
    pub fn of(format: Format) -> Self {
        Self { format, subdomains: format.subdomains(), allow: false, tlds: false }
    }
}

/// Longest line that is read, in bytes: sixteen times what a hosts line of ten
/// names of full length takes.
pub const MAX_LINE: usize = 64 * 1024;
