//! What is known of a flow → what becomes of it.

use std::net::IpAddr;

use super::door::{Judge, Learnt, Refusal, Settings};
use crate::core::flow::{Client, FiveTuple, Protocol};
use crate::core::host::HostName;
use crate::core::sniff::{Cause, Named, Spoken, Unnamed};
use crate::core::verdict::{Verdict, Why};

/// What was decided about a flow, and on what grounds.
#[derive(Clone, Debug)]
pub(super) struct Ruling {
    pub host: Option<HostName>,
    pub learnt: Learnt,
    pub spoken: Option<Spoken>,
    pub ech: bool,
    pub verdict: Verdict,
    /// Why it must not be, if it must not.
    pub refusal: Option<Refusal>,
}

/// Who wants what, and who knows whether it may be.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    pub judge: &'a dyn Judge,
    pub client: &'a Client,
    pub tuple: FiveTuple,
}

impl Case<'_> {
    /// Before the client has said anything: the ruling if it is refused already.
    pub(super) fn at_first(&self) -> Option<Ruling> {
        let address = self.address();
        let verdict = self.judge.address(address, self.client);
        if let Verdict::Block(_) = verdict {
            return Some(Ruling::new(None, Learnt::Address, verdict));
        }
        let answers = self.of_answers()?;
        matches!(answers.verdict, Verdict::Block(_)).then_some(answers)
    }

    /// Once the client has said whom it wants.
    pub(super) fn named(&self, named: &Named) -> Ruling {
        let mut ruling = match self.judge.address(self.address(), self.client) {
            verdict @ Verdict::Block(_) => {
                let first = named.names.first().and_then(host_name);
                Ruling::new(first, Learnt::Address, verdict)
            }
            of_address => self.of_names(named, of_address),
        };
        (ruling.spoken, ruling.ech) = (Some(named.spoken), named.ech);
        ruling
    }

    /// Once it is clear that the client will not say whom it wants.
    pub(super) fn unnamed(&self, unnamed: Unnamed, settings: &Settings) -> Ruling {
        let of_address = self.judge.address(self.address(), self.client);
        let mut ruling = match of_address {
            Verdict::Pass(Why::NoMatch) => self
                .of_answers()
                .unwrap_or_else(|| Ruling::new(None, Learnt::Not(unnamed.cause), of_address)),
            _ => Ruling::new(None, Learnt::Address, of_address),
        };
        (ruling.spoken, ruling.ech) = (unnamed.spoken, unnamed.ech);
        if settings.refuse_nameless_dot && ruling.refusal.is_none() && self.is_nameless_dot(unnamed)
        {
            ruling.refusal = Some(Refusal::NamelessDot);
        }
        ruling
    }

    /// Of a flow that passed: the new ruling, if it must not pass any more.
    pub(super) fn again(&self, before: &Ruling) -> Option<Ruling> {
        let of_address = self.judge.address(self.address(), self.client);
        let after = match &before.host {
            _ if matches!(of_address, Verdict::Block(_)) => {
                Ruling { learnt: Learnt::Address, verdict: of_address, ..before.clone() }
            }
            Some(host) => {
                Ruling { verdict: self.judge.host(host.as_str(), self.client), ..before.clone() }
            }
            None => self.of_answers()?,
        };
        let blocked = matches!(after.verdict, Verdict::Block(_));
        blocked.then_some(Ruling { refusal: Some(Refusal::Rule), ..after })
    }

    fn address(&self) -> IpAddr {
        self.tuple.destination.ip()
    }

    /// Each name counts, for we cannot know which one the server believes.
    fn of_names(&self, named: &Named, of_address: Verdict) -> Ruling {
        let mut chosen = None;
        for name in named.names.iter() {
            let verdict = self.judge.host(name, self.client);
            if chosen.is_none_or(|(_, before)| gravity(verdict) > gravity(before)) {
                chosen = Some((name, verdict));
            }
        }
        match chosen {
            Some((name, verdict)) if gravity(verdict) >= gravity(of_address) => {
                Ruling::new(host_name(name), Learnt::Said, verdict)
            }
            Some((name, _)) => Ruling::new(host_name(name), Learnt::Address, of_address),
            None => Ruling::new(None, Learnt::Not(Cause::NoName), of_address),
        }
    }

    /// What our own answers say of the address, if all of them are to the same
    /// effect and it is one that matters.
    fn of_answers(&self) -> Option<Ruling> {
        let mut first = None;
        let mut agreed = true;
        self.judge.answered(self.client, self.address(), &mut |name| {
            if !agreed {
                return;
            }
            let verdict = self.judge.host(name.as_str(), self.client);
            match &first {
                None => first = Some((name.clone(), verdict)),
                Some((_, before)) => agreed = gravity(*before) == gravity(verdict),
            }
        });
        let (host, verdict) = first.filter(|(_, verdict)| agreed && gravity(*verdict) > 0)?;
        Some(Ruling::new(Some(host), Learnt::Answers, verdict))
    }

    fn is_nameless_dot(&self, unnamed: Unnamed) -> bool {
        self.tuple.protocol == Protocol::Tcp
            && self.tuple.destination.port() == DOT_PORT
            && matches!(unnamed.spoken, Some(Spoken::Tls(_)))
            && matches!(unnamed.cause, Cause::NoName | Cause::Address)
    }
}

impl Ruling {
    /// Nothing is known, and nothing was looked at.
    pub(super) fn unknown(cause: Cause) -> Self {
        Self::new(None, Learnt::Not(cause), Verdict::Pass(Why::NoMatch))
    }

    pub(super) fn is_named(&self) -> bool {
        self.host.is_some()
    }

    fn new(host: Option<HostName>, learnt: Learnt, verdict: Verdict) -> Self {
        let refusal = matches!(verdict, Verdict::Block(_)).then_some(Refusal::Rule);
        Self { host, learnt, spoken: None, ech: false, verdict, refusal }
    }
}

/// What decides when everything is to pass.
pub(super) struct Anything;

impl Judge for Anything {
    fn host(&self, _host: &str, _client: &Client) -> Verdict {
        Verdict::Pass(Why::NoMatch)
    }

    fn address(&self, _address: IpAddr, _client: &Client) -> Verdict {
        Verdict::Pass(Why::NoMatch)
    }

    fn answered(&self, _client: &Client, _address: IpAddr, _found: &mut dyn FnMut(&HostName)) {}

    fn depends_on_program(&self) -> bool {
        false
    }
}

/// Which of two verdicts goes before the other.
fn gravity(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Pass(_) => 0,
        Verdict::Watch(_) => 1,
        Verdict::Block(_) => 2,
    }
}

fn host_name(text: &str) -> Option<HostName> {
    HostName::try_from(text.to_owned()).ok()
}

const DOT_PORT: u16 = 853; // RFC 7858 §3.1
