//! What goes through the door: inputs and outputs.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::core::event::{Event, Traffic};
use crate::core::flow::{FiveTuple, Owner};
use crate::core::flows::inline;
use crate::core::policy::Policy;
use crate::core::time::Instant;
use crate::core::upstream::{AskId, Transport};

/// Names one search for an owner.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SearchId(pub u64);

/// Names the way back to who asked through a listener of the shell.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct WayBack(pub u64);

/// What happens to the engine.
#[derive(Debug)]
pub enum Input<'a> {
    /// An IP packet came out of the TUN.
    Packet(&'a [u8]),
    /// An upstream sent this message. May come more than once for a question:
    /// what does not match is not an answer. Without the length bytes of TCP.
    Answer {
        /// The question.
        ask: AskId,
        /// The message, as it came.
        message: &'a [u8],
    },
    /// The upstream cannot be reached, or hung up.
    AskFailed {
        /// The question.
        ask: AskId,
    },
    /// A search for an owner ended. An owner with nothing known is an answer.
    Owner {
        /// The search.
        search: SearchId,
        /// What was found.
        owner: Owner,
    },
    /// From now on, decide by this policy.
    Policy(Arc<Policy>),
    /// From now on, ask these upstreams, best first.
    Upstreams(Vec<SocketAddr>),
    /// The addresses of this host changed: a packet from one of them is a
    /// program's on this host, any other is a device's.
    OwnAddresses(Vec<IpAddr>),
    /// A question that did not come through the TUN: a listener of the shell took
    /// it, because the client's address cannot be forwarded (IPv6 link-local).
    Question {
        /// Names the way back, for [`Output::Reply`].
        way_back: WayBack,
        /// Who asked.
        client: IpAddr,
        /// The address that was asked.
        resolver: SocketAddr,
        /// How the question came.
        transport: Transport,
        /// The message, without the length bytes of TCP.
        message: &'a [u8],
    },
    /// From now on, look into flows within these bounds and by these choices. What is
    /// random in them does not count.
    Flows(inline::Settings),
    /// Whether the kernel brings hellos back of flows that passed. See
    /// [`Inline::hellos_come_back`](crate::core::flows::inline::Inline::hellos_come_back).
    HellosComeBack(bool),
    /// Everything is to pass from now on: let go what is held.
    Release,
    /// The instant of [`Output::Wait`] has come.
    Timeout,
}

/// What the engine wants done.
#[derive(Debug)]
pub enum Output<'a> {
    /// Write this IP packet to the TUN.
    Packet(&'a [u8]),
    /// Send this packet of a client on its way, past the rules that brought it here.
    Onward {
        /// The packet.
        packet: &'a [u8],
        /// Its flow may pass from now on: the kernel need not ask again.
        decided: bool,
        /// It is of this host, not of a device behind it.
        host: bool,
    },
    /// This flow passed before and must not any more: have the kernel ask again.
    Recall(FiveTuple),
    /// Send this message to an upstream from a fresh socket with a random port,
    /// and hand in what comes back as [`Input::Answer`] or [`Input::AskFailed`].
    Ask {
        /// Names the question.
        ask: AskId,
        /// Whom.
        upstream: SocketAddr,
        /// How.
        transport: Transport,
        /// The message, without the length bytes of TCP.
        message: &'a [u8],
    },
    /// Nothing is awaited for this question any more: close its socket.
    Forget {
        /// The question.
        ask: AskId,
    },
    /// Find out whose flow this is, and hand it in as [`Input::Owner`].
    WhoOwns {
        /// Names the search.
        search: SearchId,
        /// The flow; its source is on this host.
        flow: FiveTuple,
    },
    /// The reply to [`Input::Question`].
    Reply {
        /// Which question.
        way_back: WayBack,
        /// The message, without the length bytes of TCP.
        message: &'a [u8],
    },
    /// This happened; and what went over it, if it is a flow that was looked into.
    /// For the journal.
    Seen(Event, Option<Traffic>),
    /// Nothing to do before this instant, or before the next input if `None`.
    Wait(Option<Instant>),
}
