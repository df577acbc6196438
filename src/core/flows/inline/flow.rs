//! One flow in the table.

use std::time::Duration;

use super::connection::Connection;
use super::exchange::Exchange;
use super::refused::Refused;
use super::verdicts::Ruling;
use crate::core::flow::Client;
use crate::core::time::Instant;

/// A flow that is undecided, refused or remembered.
#[derive(Debug)]
pub(super) struct Flow {
    pub client: Client,
    /// When its first packet came.
    pub since: Instant,
    /// Until when it may yet turn out whose it is.
    pub owner_until: Option<Instant>,
    /// What its client sent so far, as far as we saw.
    pub bytes: u64,
    pub state: State,
}

/// What is known of it.
#[derive(Debug)]
pub(super) enum State {
    /// It is not known whose it is, and that matters. Its packets wait.
    Owned(Vec<Vec<u8>>),
    /// Only acknowledgments came, of a connection that we never saw begin.
    Heard {
        /// How many.
        acks: u8,
        last: Instant,
    },
    /// TCP, undecided.
    Connection(Box<Connection>),
    /// UDP, undecided.
    Exchange(Box<Exchange>),
    /// It must not be.
    Refused(Refused),
    /// It passed, and was last heard of then, as far as we hear.
    Passed(Box<Ruling>, Instant),
}

impl Flow {
    /// When it is to be looked at next, whatever comes.
    pub(super) fn deadline(&self, tcp: Duration, udp: Duration) -> Instant {
        match &self.state {
            State::Owned(_) => self.owner_until.unwrap_or(self.since),
            State::Heard { last, .. } => *last + HEARD,
            State::Connection(connection) => connection.deadline(tcp),
            State::Exchange(exchange) => exchange.deadline(udp),
            State::Refused(refused) => refused.deadline(),
            State::Passed(_, last) => *last + PASSED,
        }
    }

    /// What it costs in memory.
    pub(super) fn weight(&self) -> usize {
        match &self.state {
            State::Owned(packets) => packets.iter().map(Vec::len).sum(),
            State::Connection(connection) => connection.weight(),
            State::Exchange(exchange) => exchange.weight(),
            State::Heard { .. } | State::Refused(_) | State::Passed(..) => 0,
        }
    }
}

/// How long a flow is remembered of which only acknowledgments came.
const HEARD: Duration = Duration::from_secs(10);

/// How long a flow that passed is remembered, so that it can be recalled.
pub(super) const PASSED: Duration = Duration::from_hours(4);
