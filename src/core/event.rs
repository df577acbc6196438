//! What happened, for people.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::flow::{Client, Protocol};
use crate::core::host::HostName;
use crate::core::sniff::Cause;
use crate::core::verdict::{RuleText, Via};

/// One thing that happened, as the engine tells it. The shell adds the time of
/// day and what it knows of the client (MAC, host name).
///
/// Equal events that follow one another are one line with a count, so equality
/// and hashing cover every field. What differs each time is in [`Traffic`].
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
    /// How the host of a connection was learnt; `None` for a question, and where
    /// the address of the sinkhole says it.
    pub learnt: Option<Learnt>,
    /// Why a connection that was looked into has no name.
    pub unnamed: Option<Cause>,
    /// The client hid whom it wants (ECH): `host` is the outer name.
    pub ech: bool,
}

/// What went over a connection until it was decided. Beside the event, because it
/// is added up where equal events share a line, and not compared.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Traffic {
    /// Bytes that the client sent.
    pub bytes_up: u64,
    /// From its first packet on.
    pub lasted: Duration,
}

/// From where the host of a connection is known.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub enum Learnt {
    /// Our own answers gave this address for it, and for nothing that is judged otherwise.
    #[serde(rename = "dns answer")]
    Answer,
    /// A rule names the address itself.
    #[serde(rename = "address")]
    Address,
    /// The client said it as it began TLS.
    #[serde(rename = "tls")]
    Tls,
    /// The client said it in the head of an HTTP request.
    #[serde(rename = "http")]
    Http,
    /// The client said it as it began QUIC.
    #[serde(rename = "quic")]
    Quic,
}

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// A DNS question of this type (RFC 1035 §3.2.3) came.
    Query {
        /// The type's number.
        qtype: u16,
    },
    /// A flow was started.
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

impl Learnt {
    /// The word that users see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answer => "dns answer",
            Self::Address => "address",
            Self::Tls => "tls",
            Self::Http => "http",
            Self::Quic => "quic",
        }
    }

    /// Reads the word again.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        let all = [Self::Answer, Self::Address, Self::Tls, Self::Http, Self::Quic];
        all.into_iter().find(|learnt| learnt.as_str() == word)
    }
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
