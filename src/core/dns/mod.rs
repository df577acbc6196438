//! Questions and answers over time.
//!
//! Whole DNS messages come in and go out; where packets and streams begin and
//! end is not known here.
//!
//! # Contract
//!
//! 1. Hand in what happens: [`Dns::handle_query`], [`Dns::handle_answer`],
//!    [`Dns::handle_failure`], [`Dns::handle_timeout`] and the setters.
//! 2. Take what comes of it with [`Dns::poll`] until it returns `None`.
//! 3. Call [`Dns::handle_timeout`] at [`Dns::poll_timeout`].
//!
//! A question for a blocked name is answered at once, from its own address in
//! the sinkhole range. Any other goes to an upstream as a message of our own,
//! and of what comes back only the answer goes to the client, written new, and
//! only after the policy had its say about every name in it.

mod answer;
mod ask;
mod asked;
mod canary;
mod cloaking;
mod contract;
mod flight;
mod hammer;
mod memory;
mod query;
mod random;
mod reader;
mod record;
mod reply;
mod share;
mod sinkhole;
pub mod stream;
mod types;
mod upstream;
mod waiting;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use hickory_proto::op::ResponseCode;

use crate::core::event::{Event, Kind, Outcome};
use crate::core::flow::Client;
use crate::core::host::{HostName, write_labels};
use crate::core::policy::{Asked, BlockAnswer, Policy};
use crate::core::rule::Answer;
use crate::core::time::Instant;
use crate::core::verdict::{RuleText, Stop, Verdict, Via};
pub use asked::{Messages, answered, asked};
pub use contract::{AskId, Asker, Counters, Handled, Out, Settings, Sunk, Transport};

use canary::Denial;
use cloaking::{ByPolicy, Ruling, What};
use flight::{Failed, Failure, Flights, Landed};
use hammer::Who;
use memory::{Bounds, Memory};
use query::{Question, Read};
use random::Random;
use reader::labels;
use reply::Saying;
use share::Full;
use sinkhole::{Because, Ranges, Sinkhole};
use waiting::Waiting;

/// The state of all questions.
#[derive(Debug)]
pub struct Dns {
    sinkhole: Sinkhole,
    flights: Flights,
    canaries: canary::Texts,
    memory: Memory,
    counters: Counters,
    out: VecDeque<Out>,
    /// Text of the name in hand. A field so that its memory is used again.
    host: String,
}

impl Dns {
    /// With no upstreams yet.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let mut random = Random::new(settings.seed);
        let ranges = Ranges::new(settings.sinkhole_v4, settings.sinkhole_v6);
        let key = random.hash_key();
        Self {
            sinkhole: Sinkhole::new(ranges, key),
            memory: Memory::new(key, Bounds::default()),
            flights: Flights::new(settings.case_randomization, random),
            canaries: canary::Texts::new(),
            counters: Counters::default(),
            out: VecDeque::new(),
            host: String::new(),
        }
    }

    /// Takes a message from a client. `reply` is cleared, and holds the answer
    /// if [`Handled::Replied`] is returned.
    pub fn handle_query(
        &mut self,
        now: Instant,
        policy: &Policy,
        asker: Asker,
        message: &[u8],
        reply: &mut Vec<u8>,
    ) -> Handled {
        reply.clear();
        let question = match query::read(message) {
            Read::Nothing => {
                self.counters.malformed += 1;
                return Handled::Dropped;
            }
            Read::Refused(refusal) => {
                self.counters.malformed += 1;
                reply::refuse(refusal, reply);
                return Handled::Replied;
            }
            Read::Declined(question, code) => {
                self.counters.queries += 1;
                self.counters.declined += 1;
                reply::say(&question, Saying::Code(code), None, reply);
                return Handled::Replied;
            }
            Read::Question(question) => question,
        };
        self.counters.queries += 1;
        self.read_host(question.name);
        if let Some((denial, rule)) = self.canaries.find(policy.canaries, &self.host) {
            let rule = rule.clone();
            self.deny(&question, asker.client, denial, rule, reply);
            return Handled::Replied;
        }
        match policy.judge(now, &self.host, Asked::about(question.qtype, &asker.client)) {
            Verdict::Block(stop) => {
                self.block(now, policy, &question, asker.client, (stop, What::Name), reply);
                if reply.is_empty() { Handled::Dropped } else { Handled::Replied }
            }
            Verdict::Watch(rule) => {
                let text = policy.rule_text(rule, &self.host);
                self.forward(now, &question, asker, Some(text), reply)
            }
            Verdict::Pass(_) => self.forward(now, &question, asker, None, reply),
        }
    }

    /// Takes a message from an upstream. One that does not match the question,
    /// or comes too late, is not an answer.
    ///
    /// Everything is judged by `policy`, the one in force now, the name that
    /// was asked for too.
    pub fn handle_answer(&mut self, now: Instant, policy: &Policy, ask: AskId, message: &[u8]) {
        let landed = self.flights.handle_answer(now, ask, message, &mut self.out);
        if let Some(landed) = landed {
            self.land(now, policy, landed);
        }
    }

    /// Takes the news that the upstream cannot be reached, or hung up.
    pub fn handle_failure(&mut self, now: Instant, ask: AskId) {
        if let Some(failed) = self.flights.handle_failure(now, ask, &mut self.out) {
            self.land_failed(failed);
        }
    }

    /// Takes the passing of time.
    pub fn handle_timeout(&mut self, now: Instant) {
        for failed in self.flights.handle_timeout(now, &mut self.out) {
            self.land_failed(failed);
        }
    }

    /// When to call [`Dns::handle_timeout`] next. Early is harmless.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.flights.poll_timeout()
    }

    /// What is to be done; `None` if nothing is left.
    pub fn poll(&mut self) -> Option<Out> {
        self.out.pop_front()
    }

    /// Asks these from now on, best first. What waits for an upstream that is
    /// gone is asked again.
    pub fn set_upstreams(&mut self, now: Instant, upstreams: &[SocketAddr]) {
        self.flights.set_upstreams(now, upstreams, &mut self.out);
    }

    /// Sets the addresses of this host, so that no question goes round for ever.
    pub fn set_own_addresses(&mut self, addresses: &[IpAddr]) {
        self.flights.upstreams.set_own(addresses);
    }

    /// The policy that is handed in from now on is another one.
    pub fn policy_changed(&mut self) {
        self.sinkhole.policy_changed();
    }

    /// The name that a sinkhole address was handed out for.
    #[must_use]
    pub fn host_of(&self, address: IpAddr) -> Option<Sunk> {
        let sunk = self.sinkhole.find(address)?;
        let evidence = (sunk.rule.clone(), sunk.via.clone());
        Some(Sunk { host: sunk.host.clone(), evidence })
    }

    /// Whether an address is of the ranges that blocked names are answered from.
    #[must_use]
    pub fn is_sinkhole(&self, address: IpAddr) -> bool {
        self.sinkhole.contains(address)
    }

    /// Tells the names that answers of ours gave to `client` for `address` and that
    /// may still be believed. None, if they are more than are kept.
    pub fn visit_answered(
        &self,
        now: Instant,
        client: &Client,
        address: IpAddr,
        found: &mut dyn FnMut(&HostName),
    ) {
        self.memory.visit(now, client, address, found);
    }

    /// Addresses that answers of ours gave to clients, and that are remembered.
    #[must_use]
    pub fn answers_remembered(&self) -> usize {
        self.memory.len()
    }

    /// Counters since the start.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The upstreams, best first, each with whether it answers.
    #[must_use]
    pub fn upstream_health(&self) -> Vec<(SocketAddr, bool)> {
        self.flights.upstreams.health()
    }

    fn read_host(&mut self, name: &[u8]) {
        self.host.clear();
        write_labels(&mut self.host, labels(name));
    }

    /// Answers a canary.
    fn deny(
        &mut self,
        question: &Question<'_>,
        client: Client,
        denial: Denial,
        rule: Arc<RuleText>,
        reply: &mut Vec<u8>,
    ) {
        let saying = match denial {
            Denial::NxDomain => Saying::NxDomain(hammer::TTL),
            Denial::NoData => Saying::NoData(hammer::TTL),
        };
        reply::say(question, saying, Some(reply::BLOCKED), reply);
        self.counters.blocked += 1;
        let host = HostName::from_labels(labels(question.name));
        self.see(question, Outcome::Blocked, host, client, Some((rule, Via::Name)));
    }

    /// Answers a question for a blocked name, whose text is in `self.host`, or
    /// leaves `reply` empty: some rules want no answer at all.
    fn block(
        &mut self,
        now: Instant,
        policy: &Policy,
        question: &Question<'_>,
        client: Client,
        (stop, what): (Stop, What),
        reply: &mut Vec<u8>,
    ) {
        let subject = what.text(&self.host).into_owned();
        let text = |rule| policy.rule_text(rule, &subject);
        let via = Via::from(what);
        let because = Because { rule: stop.rule, via: Some(&via), text: &text };
        let how = How::of(stop.answer, policy.block_answer);
        let names = (self.host.as_str(), question.name);
        let sunk = self.sinkhole.sink(now, Who::from(&client), names, &because);
        let (host, evidence, saying) = if let Some((slot, ttl)) = sunk {
            let is_address = matches!(question.qtype, types::A | types::AAAA);
            let addresses = match how {
                How::Usual(BlockAnswer::Sinkhole) if is_address => {
                    self.sinkhole.lend(now, slot, ttl)
                }
                _ => NULL_ADDRESSES,
            };
            let name = self.sinkhole.name(slot);
            let evidence = (name.rule.clone(), name.via.clone());
            let saying = how.saying(question.qtype, addresses, ttl);
            (name.host.clone(), evidence, saying)
        } else {
            self.counters.sinkhole_full += 1;
            let host = HostName::from_labels(labels(question.name));
            let saying = how.saying(question.qtype, NULL_ADDRESSES, hammer::TTL);
            (host, because.words(), saying)
        };
        if let Some(saying) = saying {
            reply::say(question, saying, Some(reply::BLOCKED), reply);
        }
        self.counters.blocked += 1;
        self.see(question, Outcome::Blocked, host, client, Some(evidence));
    }

    /// Puts a question to an upstream.
    fn forward(
        &mut self,
        now: Instant,
        question: &Question<'_>,
        asker: Asker,
        watched: Option<Arc<RuleText>>,
        reply: &mut Vec<u8>,
    ) -> Handled {
        if question.qtype == types::ANY {
            reply::say(question, Saying::Any(hammer::TTL), None, reply);
            self.tell(question, asker.client, watched.map(|rule| (rule, Via::Name)));
            return Handled::Replied;
        }
        let is_ours = |address| self.sinkhole.contains(address);
        let upstreams = &self.flights.upstreams;
        let step = if question.recursion_desired { None } else { upstreams.step(&asker, is_ours) };
        let route = step.or_else(|| upstreams.route(&asker, is_ours));
        let why = if let Some(route) = route {
            let waiting = Waiting::new(asker, question, watched);
            if let Err(Full) = self.flights.join(now, route, waiting, &mut self.out) {
                self.counters.declined += 1;
                None
            } else {
                return Handled::Pending;
            }
        } else {
            self.counters.unanswered += 1;
            self.tell(question, asker.client, watched.map(|rule| (rule, Via::Name)));
            Some(reply::NETWORK_ERROR)
        };
        reply::say(question, Saying::Code(ResponseCode::ServFail), why, reply);
        Handled::Replied
    }

    /// Answers all who waited for a flight.
    fn land(&mut self, now: Instant, policy: &Policy, landed: Landed) {
        let (waiting, answer) = match landed {
            Landed::Answered(waiting, answer) => (waiting, answer),
            Landed::Failed(failed) => return self.land_failed(failed),
        };
        for waiting in waiting {
            let mut message = Vec::new();
            self.give(now, policy, &waiting, &answer, &mut message);
            self.out.push_back(Out::Reply { asker: waiting.asker, message });
        }
    }

    /// The same where no answer came.
    fn land_failed(&mut self, failed: Failed) {
        let Failed { waiting, failure } = failed;
        for waiting in waiting {
            let mut message = Vec::new();
            self.fail(&waiting, failure, &mut message);
            self.out.push_back(Out::Reply { asker: waiting.asker, message });
        }
    }

    fn fail(&mut self, waiting: &Waiting, (code, why): Failure, message: &mut Vec<u8>) {
        self.counters.unanswered += 1;
        let question = waiting.question();
        reply::say(&question, Saying::Code(code), why, message);
        let evidence = waiting.watched.clone().map(|rule| (rule, Via::Name));
        self.tell(&question, waiting.asker.client.clone(), evidence);
    }

    /// Gives one asker an answer, if the policy lets it.
    fn give(
        &mut self,
        now: Instant,
        policy: &Policy,
        waiting: &Waiting,
        answer: &answer::Answer,
        message: &mut Vec<u8>,
    ) {
        let question = waiting.question();
        let client = &waiting.asker.client;
        self.read_host(question.name);
        let judge = ByPolicy { policy, now, client, host: &self.host };
        let evidence = match cloaking::rule(&judge, (&self.host, question.qtype), answer) {
            Ruling::Block(stop, what) => {
                return self.block(now, policy, &question, client.clone(), (stop, what), message);
            }
            Ruling::Watch(rule, what) => {
                Some((policy.rule_text(rule, &what.text(&self.host)), what.into()))
            }
            Ruling::Pass => None,
        };
        reply::relay(&question, waiting.asker.transport, answer, message);
        let host = HostName::from_labels(labels(question.name));
        self.memory.note(now, client, &host, answer.given());
        self.tell_of(&question, host, client.clone(), evidence);
    }

    /// Tells of a question that was let through; watched, if there is a reason.
    fn tell(
        &mut self,
        question: &Question<'_>,
        client: Client,
        evidence: Option<(Arc<RuleText>, Via)>,
    ) {
        let host = HostName::from_labels(labels(question.name));
        self.tell_of(question, host, client, evidence);
    }

    fn tell_of(
        &mut self,
        question: &Question<'_>,
        host: HostName,
        client: Client,
        evidence: Option<(Arc<RuleText>, Via)>,
    ) {
        let outcome = if evidence.is_some() {
            self.counters.watched += 1;
            Outcome::Watched
        } else {
            self.counters.passed += 1;
            Outcome::Passed
        };
        self.see(question, outcome, host, client, evidence);
    }

    fn see(
        &mut self,
        question: &Question<'_>,
        outcome: Outcome,
        host: HostName,
        client: Client,
        evidence: Option<(Arc<RuleText>, Via)>,
    ) {
        let kind = Kind::Query { qtype: question.qtype };
        let host = Some(host);
        let seen = Event {
            kind,
            outcome,
            host,
            client,
            evidence,
            learnt: None,
            unnamed: None,
            ech: false,
        };
        self.out.push_back(Out::Seen(seen));
    }
}

/// How a blocked name is answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum How {
    Usual(BlockAnswer),
    NoData,
    Not,
}

impl How {
    /// What the rule asks for, or else what the configuration says.
    fn of(answer: Answer, usual: BlockAnswer) -> Self {
        match answer {
            Answer::Usual => Self::Usual(usual),
            Answer::Nodata => Self::NoData,
            Answer::Nxdomain => Self::Usual(BlockAnswer::Nxdomain),
            Answer::Refused => Self::Usual(BlockAnswer::Refused),
            Answer::Drop => Self::Not,
        }
    }

    /// In words of DNS; `None` for no answer.
    fn saying(self, qtype: u16, (v4, v6): (Ipv4Addr, Ipv6Addr), ttl: u32) -> Option<Saying> {
        use BlockAnswer::{Null, Nxdomain, Refused, Sinkhole};
        Some(match (self, qtype) {
            (Self::Not, _) => return None,
            (Self::Usual(Sinkhole | Null), types::A) => Saying::Address(v4.into(), ttl),
            (Self::Usual(Sinkhole | Null), types::AAAA) => Saying::Address(v6.into(), ttl),
            (Self::Usual(Sinkhole | Null) | Self::NoData, _) => Saying::NoData(ttl),
            (Self::Usual(Nxdomain), _) => Saying::NxDomain(ttl),
            (Self::Usual(Refused), _) => Saying::Code(ResponseCode::Refused),
        })
    }
}

const NULL_ADDRESSES: (Ipv4Addr, Ipv6Addr) = (Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED);
