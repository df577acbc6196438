//! What goes in and out of [`Inline`](super::Inline), and its bounds.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::core::flow::{Client, FiveTuple};
use crate::core::host::HostName;
use crate::core::sniff::{Cause, Spoken};
use crate::core::verdict::Verdict;

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
    /// Most bytes of packets that are held, of all flows together. Of one client
    /// as large a part as it may have of the flows.
    pub held: usize,
    /// How long bytes of a TCP flow wait for the rest of a hello. Then they go
    /// on, undecided, and are looked at further.
    pub patience: Duration,
    /// The same for datagrams.
    pub patience_udp: Duration,
    /// Refuse DNS over TLS (port 853) that names no resolver, as Android's
    /// automatic mode speaks it, so that it asks in plain text, which we see.
    pub refuse_nameless_dot: bool,
    /// Programs of this host whose flows are not looked into, by the file names of
    /// their executables. No flow of this host goes on before its program is known,
    /// if there are any.
    pub exempt: Vec<Arc<str>>,
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
            exempt: Vec::new(),
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
    /// Find out whose flow this is, and call
    /// [`Inline::handle_owner`](super::Inline::handle_owner).
    WhoOwns(FiveTuple),
    /// This is what is known and decided about a flow. Once for each flow that
    /// was looked into, and once more if the verdict changed, or if it passed
    /// without a name and said one after all.
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
    /// Why it was refused, if it was.
    pub refusal: Option<Refusal>,
    /// Bytes that the client sent so far and we saw.
    pub bytes: u64,
    /// From its first packet until now.
    pub age: Duration,
}

/// Why a flow was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// A rule says so: see [`Seen::verdict`].
    Rule,
    /// It is DNS over TLS that names no resolver; no rule says so, but
    /// [`Settings::refuse_nameless_dot`].
    NamelessDot,
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
    /// Flows that passed unseen because there was no room for them, and segments
    /// that were dropped because there was no room to hold them. Where every packet
    /// comes by us, each of such a flow counts.
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
