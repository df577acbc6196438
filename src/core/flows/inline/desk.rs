//! Where what is to be done is put down, and counted.

use std::collections::VecDeque;
use std::time::Duration;

use super::door::{Counters, Out, Seen, Settings};
use super::storms::{Manner, Storms, Subject};
use super::verdicts::{Case, Ruling};
use crate::core::flow::Member;
use crate::core::flow::{Client, FiveTuple, Owner};
use crate::core::time::Instant;

/// What the flows have in common.
#[derive(Debug)]
pub(super) struct Desk {
    pub settings: Settings,
    pub counters: Counters,
    /// The kernel brings hellos back of flows that passed.
    pub hellos_come_back: bool,
    out: VecDeque<Out>,
    storms: Storms,
    /// What waits for the owner of its flow to be said; all wait equally long.
    unsaid: VecDeque<(Instant, Box<Seen>)>,
}

/// A flow, as far as a report goes.
#[derive(Clone, Copy)]
pub(super) struct Moment<'a> {
    pub now: Instant,
    pub case: Case<'a>,
    /// When its first packet came.
    pub since: Instant,
    /// Until when it may yet turn out whose it is.
    pub owner_until: Option<Instant>,
    /// What its client sent so far.
    pub bytes: u64,
    /// How many bytes more may be held.
    pub room: usize,
}

impl Desk {
    pub(super) fn new(settings: Settings) -> Self {
        let storms = Storms::new(settings.seed.rotate_left(16));
        let (out, unsaid) = (VecDeque::new(), VecDeque::new());
        let counters = Counters::default();
        Self { settings, counters, hellos_come_back: false, out, storms, unsaid }
    }

    pub(super) fn push(&mut self, out: Out) {
        self.out.push_back(out);
    }

    pub(super) fn pop(&mut self) -> Option<Out> {
        self.out.pop_front()
    }

    pub(super) fn counters(&self) -> Counters {
        Counters { storms: self.storms.broke_out(), ..self.counters }
    }

    /// Sends a packet of `client` on its way.
    pub(super) fn onward(&mut self, client: &Client, packet: Vec<u8>, decided: bool) {
        self.counters.put_back += 1;
        let host = matches!(client, Client::Host(_));
        self.out.push_back(Out::Onward { packet, decided, host });
    }

    pub(super) fn drop(&mut self) {
        self.counters.dropped += 1;
    }

    /// Counts that a flow passed.
    pub(super) fn passes(&mut self, at: &Moment<'_>, ruling: &Ruling) {
        if ruling.is_named() {
            self.counters.named += 1;
        } else {
            self.counters.unnamed += 1;
        }
        self.tell(at, ruling);
    }

    /// Counts that a flow that passed without a name has one now.
    pub(super) fn learns(&mut self, at: &Moment<'_>, ruling: &Ruling) {
        self.counters.unnamed = self.counters.unnamed.saturating_sub(1);
        self.counters.named += 1;
        self.tell(at, ruling);
    }

    /// Counts that a flow is refused. Returns how.
    pub(super) fn refuses(&mut self, at: &Moment<'_>, ruling: &Ruling) -> Manner {
        self.counters.refused += 1;
        self.tell(at, ruling);
        let address = || Subject::Address(at.case.tuple.destination.ip());
        let subject = ruling.host.clone().map_or_else(address, Subject::Host);
        self.storms.count(at.now, Member::from(at.case.client), subject)
    }

    /// Says what is known of a flow: at once, or when it is known whose it is.
    fn tell(&mut self, at: &Moment<'_>, ruling: &Ruling) {
        let seen = Box::new(Seen {
            tuple: at.case.tuple,
            client: person(at.case.client),
            host: ruling.host.clone(),
            learnt: ruling.learnt,
            spoken: ruling.spoken,
            ech: ruling.ech,
            verdict: ruling.verdict,
            refused: ruling.refusal.is_some(),
            refusal: ruling.refusal,
            bytes: at.bytes,
            age: at.now.since(at.since),
        });
        match at.owner_until {
            Some(until) if *at.case.client == Client::Host(None) && at.now < until => {
                if self.unsaid.len() >= MAX_UNSAID
                    && let Some((_, oldest)) = self.unsaid.pop_front()
                {
                    self.out.push_back(Out::Seen(oldest));
                }
                self.unsaid.push_back((at.now + OWNER_PATIENCE, seen));
            }
            _ => self.out.push_back(Out::Seen(seen)),
        }
    }

    /// It is known whose this flow is.
    pub(super) fn handle_owner(&mut self, tuple: FiveTuple, owner: &Owner) {
        for _ in 0..self.unsaid.len() {
            let Some((until, mut seen)) = self.unsaid.pop_front() else { break };
            if seen.tuple == tuple {
                seen.client = Client::Host(Some(owner.clone()));
                self.out.push_back(Out::Seen(seen));
            } else {
                self.unsaid.push_back((until, seen));
            }
        }
    }

    /// What waited long enough is said without.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        while self.unsaid.front().is_some_and(|(until, _)| *until <= now) {
            if let Some((_, seen)) = self.unsaid.pop_front() {
                self.out.push_back(Out::Seen(seen));
            }
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.unsaid.front().map(|(until, _)| *until)
    }

    /// Says all that is still to be said, and forgets who stormed.
    pub(super) fn release(&mut self) {
        self.handle_timeout(Instant::NEVER);
        self.storms.clear();
    }
}

/// The client as a person is told: of whom nothing could be learnt, nothing.
fn person(client: &Client) -> Client {
    match client {
        Client::Host(Some(owner)) if *owner == Owner::default() => Client::Host(None),
        client => client.clone(),
    }
}

/// How long a verdict, or a report, waits for the owner of a flow. A search takes
/// about a millisecond; a program must not notice that one failed.
pub(super) const OWNER_PATIENCE: Duration = Duration::from_millis(100);

/// Most reports that wait for an owner.
const MAX_UNSAID: usize = 256;
