//! The chains of the table: which packets come to us, and how those that we put back
//! are let by.
//!
//! ```text
//! before routing   arriving ── clients' ──> arriving4 ── flow4 ── undecided: untracked, marked
//!                           └─ by the passing device ──> passing: the flow is noted
//! leaving          leaving ── programs' ──> leaving4 ── flow4 ── undecided: marked, routed anew
//!                  untracking: what is on its way to us now is not tracked
//! ```

use std::net::IpAddr;
use std::time::Duration;

use super::super::expression::Rule;
use super::super::message::Batch;
use super::super::{FAMILIES, LOOPBACK, OUTPUT, PREROUTING, PROTOCOLS, RAW, chain};
use super::sets::{Passed, TESTED};
use super::{Ends, FAR_V4, FAR_V6, TEST_PORT};
use crate::core::flow::Protocol;
use crate::shell::route::{FlowPlan, Plan, Scope};

/// What the chains are made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Making<'a> {
    pub(super) plan: &'a Plan,
    pub(super) flows: &'a FlowPlan,
    pub(super) ends: &'a Ends,
    pub(super) has_v6: bool,
    /// The kernel joins fragments before our chains meet them.
    pub(super) joins: bool,
    /// The kernel can look at the first bytes that a segment carries.
    pub(super) hellos: bool,
}

/// A chain, and its place if it is a base chain.
type Place = (&'static str, Option<(&'static str, u32, i32)>);

/// All chains. They are made in this order.
pub(super) const CHAINS: [Place; 18] = [
    ("hello4", None),
    ("hello6", None),
    ("ends4", None),
    ("ends6", None),
    ("flow4", None),
    ("flow6", None),
    ("passing", None),
    ("arriving4", None),
    ("arriving6", None),
    ("decided", None),
    ("put_back", None),
    ("leaving4", None),
    ("leaving6", None),
    ("fragments", None),
    ("arriving", Some(("filter", PREROUTING, RAW))),
    ("leaving", Some(("route", OUTPUT, RAW))),
    ("untracking", Some(("filter", OUTPUT, RAW + 1))),
    ("testing", Some(("filter", POSTROUTING, RAW))),
];

impl Making<'_> {
    /// Makes the chains, where they are not there, and all rules anew.
    pub(super) fn make(self, batch: &mut Batch) {
        for (name, place) in CHAINS {
            chain(batch, name, place);
            super::flush(batch, name);
        }
        for v6 in self.families() {
            if self.hellos {
                hello(batch, v6);
            }
            ends(batch, v6);
            self.flow(batch, v6);
        }
        if self.joins {
            let rule = Rule::default().protocol(Protocol::Udp).join_fragments();
            add(batch, "fragments", rule);
        }
        self.passing(batch);
        self.arriving(batch);
        self.put_back(batch);
        self.leaving(batch);
        self.testing(batch);
    }

    fn families(self) -> impl Iterator<Item = bool> {
        FAMILIES.into_iter().filter(move |&v6| self.has_v6 || !v6)
    }

    fn sets(self) -> impl Iterator<Item = Passed> {
        Passed::all().filter(move |set| self.has_v6 || !set.1)
    }

    /// Goes back for packets that come to us, and for no others.
    fn flow(self, batch: &mut Batch, v6: bool) {
        let name = named("flow", v6);
        let of = || Rule::default().family(v6);
        if !self.joins {
            // Only its first part has ports: all of them, or none of them.
            add(batch, name, of().fragment(v6).go_back());
        }
        if self.hellos {
            let rule = Rule::default().protocol(Protocol::Tcp);
            let rule = rule.begins_with(&HELLO_OR_CHANGE.0, &HELLO_OR_CHANGE.1);
            add(batch, name, rule.jump(named("hello", v6)));
        }
        let ends = Rule::default().flags(FIN | SYN | RST, false);
        add(batch, name, ends.jump(named("ends", v6)));
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let rule = Rule::default().passed(Passed(protocol, v6), false);
            add(batch, name, rule.accept());
        }
        let [_, exempt, spared] = address_sets(v6);
        add(batch, name, of().address_in(spared, v6, true).accept());
        add(batch, name, of().address_in(exempt, v6, false).accept());
        add(batch, name, of().meant_for_none_or_many().accept());
        for protocol in PROTOCOLS {
            let rule = Rule::default().protocol(protocol).port_to_in(SPARED_PORTS);
            add(batch, name, rule.accept());
        }
    }

    /// What we put back and is decided: the kernel does the rest of the flow.
    fn passing(self, batch: &mut Batch) {
        // Our mark keeps it from coming to us again by way of its address.
        add(batch, "passing", Rule::default().set_mark(self.plan.mark));
        self.note_flows(batch, "passing");
    }

    /// Notes the flow, unless it ends with this.
    fn note_flows(self, batch: &mut Batch, name: &str) {
        for set in self.sets() {
            let rule = Rule::default();
            let rule = if set.0 == Protocol::Tcp { rule.flags(FIN | RST, true) } else { rule };
            add(batch, name, rule.pass(set, None));
        }
    }

    fn arriving(self, batch: &mut Batch) {
        let Plan { mark, divert, .. } = *self.plan;
        let passing = Rule::default().came_by(self.ends.passing);
        add(batch, "arriving", passing.go_to("passing"));
        let ours = Rule::default().came_by(self.ends.device);
        add(batch, "arriving", ours.set_mark(mark).accept());
        for v6 in self.families() {
            let name = named("arriving", v6);
            if self.ends.forwards(v6) && self.flows.scope != Scope::Nothing {
                let [clients, ..] = address_sets(v6);
                let rule = self.in_scope().family(v6).address_in(clients, v6, false);
                add(batch, "arriving", rule.go_to(name));
            }
            add(batch, name, Rule::default().jump(named("flow", v6)));
            for protocol in PROTOCOLS {
                let rule = Rule::default().protocol(protocol).untrack();
                add(batch, name, rule.set_mark(divert).accept());
            }
        }
    }

    /// What a socket of ours puts back says by two bits what it is. Their change has
    /// the kernel route it by the source that it bears, which the socket does not have.
    fn put_back(self, batch: &mut Batch) {
        let Plan { steer, divert, .. } = *self.plan;
        let both = steer | divert;
        self.note_flows(batch, "decided");
        add(batch, "decided", Rule::default().clear_mark(both).accept());
        add(batch, "put_back", Rule::default().mark(divert, both).go_to("decided"));
        // It is for a client, as from its server: a connection that nobody knows.
        let back = Rule::default().mark(both, both);
        add(batch, "put_back", back.untrack().clear_mark(both).accept());
        add(batch, "put_back", Rule::default().mark(steer, both).clear_mark(both));
        add(batch, "put_back", Rule::default().accept());
    }

    fn leaving(self, batch: &mut Batch) {
        let Plan { mark, divert, .. } = *self.plan;
        add(batch, "leaving", Rule::default().mark(mark, mark).go_to("put_back"));
        // Programs that mark, VPNs above all, have rules of their own for it, which
        // we would break.
        add(batch, "leaving", Rule::default().marked().accept());
        add(batch, "leaving", Rule::default().leaves_by(LOOPBACK).accept());
        for &user in &self.flows.users {
            add(batch, "leaving", Rule::default().sent_by(user).accept());
        }
        for v6 in self.families() {
            let name = named("leaving", v6);
            if self.ends.host && self.flows.scope != Scope::Nothing {
                add(batch, "leaving", self.in_scope().family(v6).go_to(name));
            }
            add(batch, name, Rule::default().jump(named("flow", v6)));
            for protocol in PROTOCOLS {
                let rule = Rule::default().protocol(protocol);
                add(batch, name, rule.set_mark(divert).accept());
            }
            // A socket that is bound to a link goes its way in spite of our mark, and
            // must be tracked as ever. So it is asked whether the way leads to us.
            let gateway: IpAddr =
                if v6 { self.plan.gateway_v6().into() } else { self.plan.gateway_v4().into() };
            let rule = Rule::default().mark(divert, divert).family(v6).goes_by(gateway);
            add(batch, "untracking", rule.untrack());
        }
    }

    /// What [`test`](super::FlowTable::test) sends goes no further than this.
    fn testing(self, batch: &mut Batch) {
        for v6 in self.families() {
            let far: IpAddr = if v6 { FAR_V6.into() } else { FAR_V4.into() };
            let test = Rule::default()
                .mark(self.plan.mark, self.plan.mark)
                .family(v6)
                .destination(far)
                .protocol(Protocol::Udp)
                .port_to(TEST_PORT);
            add(batch, "testing", test.clone().note_port_from(TESTED));
            add(batch, "testing", test.drop());
        }
    }

    /// Not all flows, but those that are looked into in any case.
    fn in_scope(self) -> Rule {
        match self.flows.scope {
            Scope::All | Scope::Nothing => Rule::default(),
            Scope::Dot => Rule::default().protocol(Protocol::Tcp).port_to(DOT),
        }
    }
}

/// A flow that says a hello, the second one mostly, does not pass any more, and so comes
/// to us with this segment and all behind it.
fn hello(batch: &mut Batch, v6: bool) {
    for (bytes, mask) in
        [(&HELLO.0[..], &HELLO.1[..]), (&CHANGE_THEN_HELLO.0, &CHANGE_THEN_HELLO.1)]
    {
        let rule = Rule::default().protocol(Protocol::Tcp).begins_with(bytes, mask);
        add(batch, named("hello", v6), rule.recall(Passed(Protocol::Tcp, v6)));
    }
}

/// A TCP flow ends or begins. One that begins is a new one, and is to be judged
/// anew, even if its ports were used before.
fn ends(batch: &mut Batch, v6: bool) {
    let (name, set) = (named("ends", v6), Passed(Protocol::Tcp, v6));
    let rule = Rule::default().flags(SYN, false).recall(set);
    add(batch, name, rule);
    add(batch, name, Rule::default().passed(set, true).go_back());
    let rule = Rule::default().flags(FIN, false).pass(set, Some(LINGER));
    add(batch, name, rule);
    add(batch, name, Rule::default().flags(FIN, false).accept());
    add(batch, name, Rule::default().recall(set));
    add(batch, name, Rule::default().accept());
}

/// The sets of a family: clients, those of them that are exempt, spared destinations.
pub(super) const fn address_sets(v6: bool) -> [&'static str; 3] {
    if v6 { ["clients6", "exempt6", "spared6"] } else { ["clients4", "exempt4", "spared4"] }
}

fn add(batch: &mut Batch, chain: &str, rule: Rule) {
    super::super::add(batch, chain, rule);
}

/// A chain that each family has.
fn named(base: &str, v6: bool) -> &'static str {
    let (name, _) = CHAINS
        .iter()
        .find(|(name, _)| name.strip_prefix(base) == Some(if v6 { "6" } else { "4" }))
        .expect("a chain of ours");
    name
}

pub(super) const SPARED_PORTS: &str = "spared_ports";

/// Bytes, and which bits of them count.
type Start<const N: usize> = ([u8; N], [u8; N]);

/// A record of TLS with a handshake message that is a hello (RFC 8446 §4, §5.1).
const HELLO: Start<6> = ([22, 3, 0, 0, 0, 1], [0xff, 0xff, 0, 0, 0, 0xff]);

/// The record that middleboxes want to see, then that one (RFC 8446 §D.4).
const CHANGE_THEN_HELLO: Start<12> = (
    [20, 3, 0, 0, 1, 1, 22, 3, 0, 0, 0, 1],
    [0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0xff],
);

/// What both begin with, so that nothing else is looked at twice.
const HELLO_OR_CHANGE: Start<2> = ([20, 3], [0xfd, 0xff]);

const FIN: u8 = 1; // RFC 9293 §3.1
const SYN: u8 = 2;
const RST: u8 = 4;

/// How long a flow is passed after the client said its last word: it has still to
/// acknowledge what the server sends.
const LINGER: Duration = Duration::from_mins(1);

const DOT: u16 = 853; // RFC 7858 §3.1
const POSTROUTING: u32 = 4; // NF_INET_POST_ROUTING
