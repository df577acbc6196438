//! What is said about a flow of a capture.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::heard::Heard;
use crate::core::flow::{Client, Protocol};
use crate::core::host::HostName;
use crate::core::policy::{Asked, Policy};
use crate::core::sniff::{Cause, Spoken};
use crate::core::time::Instant;
use crate::core::verdict::{Verdict, Via, Why};

/// A flow, and what optout would have made of it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When its first packet was recorded, since 1970.
    pub first: Instant,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Who started it.
    pub client: SocketAddr,
    /// Whom it is meant for.
    pub server: SocketAddr,
    /// What the client spoke, where it was recognised.
    pub spoken: Option<Said>,
    /// Versions that the client tried before, and that nobody knows.
    pub before: Vec<Spoken>,
    /// The names that the client said. The one that decides comes first.
    pub names: Vec<HostName>,
    /// Why there are none.
    pub cause: Option<Cause>,
    /// The names are outer names only.
    pub ech: bool,
    /// The bytes can be read in two ways; `names` has the names of both.
    pub doubtful: bool,
    /// What the rules say.
    pub verdict: Verdict,
    /// What the verdict is about.
    pub via: Via,
    /// Packets of both ends.
    pub packets: u64,
    /// Bytes of these packets, from the IP header on.
    pub bytes: u64,
    /// Bytes of these that the capture does not have.
    pub missing: u64,
}

/// A protocol that tells a host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Said {
    /// Questions in plain text, to port 53.
    Dns,
    /// What the sniffers know.
    Sniffed(Spoken),
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns => f.write_str("DNS"),
            Self::Sniffed(spoken) => spoken.fmt(f),
        }
    }
}

/// Decides about a flow by the policy: about each name, and about its address
/// unless it is a `question`, which we would answer whomever it is meant for. The
/// strictest counts, a name before an address. The name that decides is put first.
pub(super) fn judge(
    policy: &Policy,
    now: Instant,
    client: &Client,
    (server, question): (IpAddr, bool),
    heard: &mut Heard,
) -> (Verdict, Via) {
    let (mut best, mut first) = (Verdict::Pass(Why::NoMatch), 0);
    let types = heard.qtypes.iter().map(|qtype| Some(*qtype)).chain(std::iter::repeat(None));
    for (at, (name, qtype)) in heard.names.iter().zip(types).enumerate() {
        let asked = Asked { host: None, qtype, client };
        let verdict = policy.judge(now, name.as_str(), asked);
        if strictness(verdict) > strictness(best) {
            (best, first) = (verdict, at);
        }
    }
    if let Some(names) = heard.names.get_mut(..=first) {
        names.rotate_right(1);
    }
    if !question {
        let verdict = policy.judge_address(now, server, Asked::from(client));
        if strictness(verdict) > strictness(best) {
            return (verdict, Via::Address);
        }
    }
    (best, Via::Name)
}

fn strictness(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Pass(Why::NoMatch) => 0,
        Verdict::Pass(_) => 1,
        Verdict::Watch(_) => 2,
        Verdict::Block(_) => 3,
    }
}
