//! What is said about a flow of a capture.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::answers::Answers;
use super::heard::Heard;
use crate::core::flow::{Client, FiveTuple, Protocol};
use crate::core::flows::inline::recorded::{Decided, decide};
use crate::core::flows::inline::{Judge, Learnt, Refusal, Settings};
use crate::core::host::HostName;
use crate::core::policy::{Asked, Policy};
use crate::core::sniff::{Cause, Named, Names, Sniffed, Spoken, Unnamed};
use crate::core::time::Instant;
use crate::core::verdict::{Verdict, Why};

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
    /// Names of the server's address in answers that the client got, if it said none.
    pub answered: Vec<HostName>,
    /// What would have been decided.
    pub decided: Decided,
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

/// What a capture and a policy know about flows.
pub(super) struct Facts<'a> {
    pub(super) policy: &'a Policy,
    pub(super) answers: &'a Answers,
    pub(super) now: Instant,
}

impl Judge for Facts<'_> {
    fn host(&self, host: &str, client: &Client) -> Verdict {
        self.policy.judge(self.now, host, client)
    }

    fn address(&self, address: IpAddr, client: &Client) -> Verdict {
        self.policy.judge_address(self.now, address, client)
    }

    fn answered(&self, client: &Client, address: IpAddr, found: &mut dyn FnMut(&HostName)) {
        if let Client::Device(client) = client {
            self.answers.of(*client, address).iter().for_each(found);
        }
    }

    fn depends_on_program(&self) -> bool {
        false
    }
}

impl Facts<'_> {
    /// Decides about a flow as about one on its way. The name that decides is put
    /// first: each counts, and the one that fares worst decides.
    pub(super) fn decide(&self, tuple: FiveTuple, heard: &mut Heard) -> Decided {
        let client = Client::Device(tuple.source.ip());
        let settings = Settings::default();
        if heard.names.is_empty() {
            let cause = heard.cause.unwrap_or(Cause::Silent);
            let said = Unnamed { cause, spoken: heard.spoken, ech: heard.ech };
            return decide(self, &client, tuple, &Sniffed::Unnamed(said), &settings);
        }
        let mut best: Option<(Decided, usize)> = None;
        for (at, name) in heard.names.iter().enumerate() {
            let mut names = Names::new();
            let _ = names.push(name.as_str().as_bytes()); // it came out of such
            let (spoken, ech) = (heard.spoken.unwrap_or(Spoken::Http2), heard.ech);
            let said = Named { names, spoken, ech, doubtful: heard.doubtful };
            let decided = decide(self, &client, tuple, &Sniffed::Named(said), &settings);
            if best.is_none_or(|(best, _)| strictness(decided.verdict) > strictness(best.verdict)) {
                best = Some((decided, at));
            }
        }
        let (decided, at) = best.unwrap_or((UNKNOWN, 0));
        put_first(&mut heard.names, at);
        decided
    }

    /// Decides about questions: only the names count, for we would answer them
    /// whomever they are meant for.
    pub(super) fn decide_questions(&self, client: IpAddr, heard: &mut Heard) -> Decided {
        let client = Client::Device(client);
        let mut best = (Verdict::Pass(Why::NoMatch), 0);
        for (at, (name, qtype)) in heard.names.iter().zip(&heard.qtypes).enumerate() {
            let verdict = self.policy.judge(self.now, name.as_str(), Asked::about(*qtype, &client));
            if strictness(verdict) > strictness(best.0) {
                best = (verdict, at);
            }
        }
        put_first(&mut heard.names, best.1);
        let refusal = matches!(best.0, Verdict::Block(_)).then_some(Refusal::Rule);
        Decided { verdict: best.0, learnt: Learnt::Said, refusal }
    }
}

fn put_first(names: &mut [HostName], at: usize) {
    if let Some(names) = names.get_mut(..=at) {
        names.rotate_right(1);
    }
}

fn strictness(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Pass(Why::NoMatch) => 0,
        Verdict::Pass(_) => 1,
        Verdict::Watch(_) => 2,
        Verdict::Block(_) => 3,
    }
}

const UNKNOWN: Decided = Decided {
    verdict: Verdict::Pass(Why::NoMatch),
    learnt: Learnt::Not(Cause::NoName),
    refusal: None,
};
