//! What happened, for people.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::core::flow::{Client, Protocol};
use crate::core::host::HostName;
use crate::core::verdict::{RuleText, Via};

/// One thing that happened, as the engine tells it. The shell adds the time of
/// day and what it knows of the client (MAC, host name).
///
/// Equal events that follow one another are one line with a count, so equality
/// and hashing cover every field.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Event {
    /// A question, or an attempt to connect.
    pub kind: Kind,
    /// What was done.
    pub outcome: Outcome,
    /// The host it was about. `None` if only an address is known.
    pub host: Option<HostName>,
    /// Who asked or connected.
    pub client: Client,
    /// The rule, and what it matched; `None` if no rule had a say.
    pub evidence: Option<(Arc<RuleText>, Via)>,
}

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// A DNS question of this type (RFC 1035 §3.2.3) came.
    Query {
        /// The type's number.
        qtype: u16,
    },
    /// A flow to a blocked host was started.
    Connection {
        /// TCP or UDP.
        protocol: Protocol,
        /// Destination port.
        port: u16,
        /// The address it went to.
        address: IpAddr,
    },
}

/// What was done: the three words that users see.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Stopped.
    Blocked,
    /// Would have been stopped; recorded and let through.
    Watched,
    /// Let through.
    Passed,
}

impl Outcome {
    /// The word that users see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Watched => "watched",
            Self::Passed => "passed",
        }
    }
}
