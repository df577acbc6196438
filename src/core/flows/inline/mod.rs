//! Flows on their way: looked into, and put back or refused. TCP is not ended.
//!
//! # Contract
//!
//! 1. Hand in every packet of a client that came out of the TUN and is not for
//!    us: [`Inline::handle_packet`]. Packets of the servers never come.
//! 2. Take what comes of it with [`Inline::poll`] until it returns `None`.
//! 3. Call [`Inline::handle_timeout`] at [`Inline::poll_timeout`].
//! 4. When the rules changed: [`Inline::rejudge`]. When everything is to pass:
//!    [`Inline::release`].
//!
//! A packet that is put back [`Out::Onward`] with `decided` takes its flow past
//! us: the kernel sends the rest on without asking. So only that goes on
//! decided which leaves nothing open.
//!
//! # What the server gets
//!
//! Until the verdict, nothing of what the client says; afterwards exactly the
//! bytes that were judged, in segments of ours where the client's could be read
//! in another way (overlaps, options that make a server drop them, hop limits
//! that do not reach it).

use std::net::IpAddr;
use std::time::Duration;

use crate::core::flow::{Client, FiveTuple, Owner};
use crate::core::host::HostName;
use crate::core::sniff::{Cause, Spoken};
use crate::core::time::Instant;
use crate::core::verdict::Verdict;
use crate::core::wire::ip::Packet;

/// What the engine knows that decides about a flow.
pub trait Judge {
    /// What the rules say of `host` when `client` connects to it.
    fn host(&self, host: &str, client: &Client) -> Verdict;

    /// What the rules say of an address.
    fn address(&self, address: IpAddr, client: &Client) -> Verdict;

    /// The names that our own answers gave to `client` for `address` and that may
    /// still be believed.
    fn answered(&self, client: &Client, address: IpAddr, found: &mut dyn FnMut(&HostName));

    /// Whether a verdict may depend on the program, so that it must be known first.
    fn depends_on_program(&self) -> bool;
}

/// Bounds. Every one of them holds whatever clients send.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Most flows that are undecided, refused or remembered.
    pub flows: usize,
    /// Most of these of one client.
    pub flows_of_client: usize,
    /// Most bytes of packets that are held, of all flows together.
    pub held: usize,
    /// How long bytes of a TCP flow wait for the rest of a hello. Then they go
    /// on, undecided, and are looked at further.
    pub patience: Duration,
    /// The same for datagrams.
    pub patience_udp: Duration,
    /// Refuse DNS over TLS (port 853) that names no resolver, as Android's
    /// automatic mode speaks it, so that it asks in plain text, which we see.
    pub refuse_nameless_dot: bool,
    /// Random; for what a client must not foresee.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            flows: 16_384,
            flows_of_client: 4096,
            held: 4 << 20,
            patience: Duration::from_secs(2),
            patience_udp: Duration::from_millis(500),
            refuse_nameless_dot: true,
            seed: 0,
        }
    }
}

/// What is to be done.
#[derive(Debug)]
pub enum Out {
    /// Send this packet of the client on its way.
    Onward {
        /// The packet.
        packet: Vec<u8>,
        /// Its flow may pass from now on: the kernel need not ask again.
        decided: bool,
        /// It is of this host, not of a device behind it.
        host: bool,
    },
    /// Send this packet to the client, as from its server.
    Back(Vec<u8>),
    /// The flow passed before and must not any more: have the kernel ask again.
    Recall(FiveTuple),
    /// Find out whose flow this is, and call [`Inline::handle_owner`].
    WhoOwns(FiveTuple),
    /// This is what is known and decided about a flow. Once for each flow that
    /// was looked into, and once more if the verdict changed.
    Seen(Box<Seen>),
}

/// A flow, and what was decided about it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Who talks to whom.
    pub tuple: FiveTuple,
    /// The same, as a person sees it.
    pub client: Client,
    /// The host that decided, if any is known.
    pub host: Option<HostName>,
    /// How it was learnt, or why not.
    pub learnt: Learnt,
    /// The protocol, where it was recognised.
    pub spoken: Option<Spoken>,
    /// The hello was an encrypted one: `host` is the outer name.
    pub ech: bool,
    /// What the rules say.
    pub verdict: Verdict,
    /// What was done: refused, or not.
    pub refused: bool,
    /// Bytes that the client sent so far and we saw.
    pub bytes: u64,
    /// From its first packet until now.
    pub age: Duration,
}

/// How the host of a flow was learnt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Learnt {
    /// The client said it.
    Said,
    /// All names that we answered with this address agree.
    Answers,
    /// The address itself is named by a rule.
    Address,
    /// It is not known, for this reason.
    Not(Cause),
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Flows that were looked into.
    pub flows: u64,
    /// Of these, refused.
    pub refused: u64,
    /// Of these, passed with a name.
    pub named: u64,
    /// Of these, passed without.
    pub unnamed: u64,
    /// Packets of clients that were put back.
    pub put_back: u64,
    /// Segments and datagrams that were dropped: broken, out of every window,
    /// made to be read in two ways.
    pub dropped: u64,
    /// Flows that were passed or refused unseen, because a bound was reached.
    pub over_bound: u64,
    /// Names whose refusals were changed from resets to silence, because the
    /// client would not stop.
    pub storms: u64,
}

/// How much there is now.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Fill {
    /// Flows that wait for their verdict.
    pub undecided: usize,
    /// Flows that are refused, and remembered so that they stay so.
    pub refused: usize,
    /// Flows that passed and are remembered, so that they can be recalled.
    pub passed: usize,
    /// Bytes that are held.
    pub held: usize,
}

/// The flows that are looked into. See the module's contract.
#[derive(Debug)]
pub struct Inline {
    settings: Settings,
    counters: Counters,
    out: std::collections::VecDeque<Out>,
}

impl Inline {
    /// No flows yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, counters: Counters::default(), out: std::collections::VecDeque::new() }
    }

    /// Takes a whole packet of `client` to somebody else.
    pub fn handle_packet(
        &mut self,
        _now: Instant,
        _judge: &dyn Judge,
        client: &Client,
        packet: &Packet<'_>,
    ) {
        let host = matches!(client, Client::Host(_));
        self.counters.put_back += 1;
        self.out.push_back(Out::Onward { packet: packet.bytes.to_vec(), decided: true, host });
    }

    /// Takes the answer to [`Out::WhoOwns`].
    pub fn handle_owner(
        &mut self,
        _now: Instant,
        _judge: &dyn Judge,
        _tuple: FiveTuple,
        _owner: Owner,
    ) {
    }

    /// Takes the passing of time.
    pub fn handle_timeout(&mut self, _now: Instant, _judge: &dyn Judge) {}

    /// When to call [`Inline::handle_timeout`] next. Early is harmless.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// The rules are others now: flows that passed and may no more are recalled.
    pub fn rejudge(&mut self, _now: Instant, _judge: &dyn Judge) {}

    /// Lets everything go that is held, and forgets all flows.
    pub fn release(&mut self, _now: Instant) {}

    /// What is to be done; `None` if nothing is left.
    pub fn poll(&mut self) -> Option<Out> {
        self.out.pop_front()
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// How much there is now.
    #[must_use]
    pub fn fill(&self) -> Fill {
        Fill::default()
    }

    /// The bounds.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}
