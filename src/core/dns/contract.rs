//! What goes in and what comes out.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use crate::core::event::Event;
use crate::core::flow::Client;
use crate::core::host::HostName;
pub use crate::core::upstream::{AskId, Transport};
use crate::core::verdict::{RuleText, Via};

/// What does not change while the daemon runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Prefix, address and length in bits, that blocked names are answered from.
    pub sinkhole_v4: (Ipv4Addr, u8),
    /// The same in IPv6.
    pub sinkhole_v6: (Ipv6Addr, u8),
    /// Where all random numbers come from. Must be secret, and new at each start.
    pub seed: [u8; 32],
    /// Whether letters of names are asked for in random case, so that an answer
    /// is harder to forge.
    pub case_randomization: bool,
}

/// Who asked, and where the answer must go.
#[derive(Clone, Debug)]
pub struct Asker {
    /// Means something to the one who handed in the question, nothing here.
    pub id: u64,
    /// Who asked.
    pub client: Client,
    /// Whom the client meant to ask.
    pub resolver: SocketAddr,
    /// How it asked; the answer goes the same way.
    pub transport: Transport,
}

/// What became of a message that a client sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Handled {
    /// The answer is in the buffer that was lent.
    Replied,
    /// The answer will come as [`Out::Reply`], exactly once.
    Pending,
    /// No answer is due.
    Dropped,
}

/// What is to be done.
#[derive(Debug)]
pub enum Out {
    /// Send this message to the one who asked, or nothing if it is empty.
    Reply {
        /// As it was handed in.
        asker: Asker,
        /// The message.
        message: Vec<u8>,
    },
    /// Send this message to an upstream from a fresh socket with a random port.
    Ask {
        /// Names the question.
        ask: AskId,
        /// Whom.
        upstream: SocketAddr,
        /// How.
        transport: Transport,
        /// The message.
        message: Vec<u8>,
    },
    /// Nothing is awaited for this question any more.
    Forget {
        /// The question.
        ask: AskId,
    },
    /// This happened.
    Seen(Event),
}

/// What a sinkhole address stands for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sunk {
    /// The name that was asked for.
    pub host: HostName,
    /// The rule it was blocked by, and what that matched.
    pub evidence: (Arc<RuleText>, Via),
}

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Questions that were understood.
    pub queries: u64,
    /// Of these, blocked; canaries among them.
    pub blocked: u64,
    /// Of these, watched.
    pub watched: u64,
    /// Of these, let through.
    pub passed: u64,
    /// Of these, what no resolver does for a client (transfers, other classes),
    /// or more than we can do at a time.
    pub declined: u64,
    /// Messages of clients that made no sense.
    pub malformed: u64,
    /// Questions that no upstream answered.
    pub unanswered: u64,
    /// Blocked names that got no address of their own because all are in use.
    pub sinkhole_full: u64,
}
