//! The packet-filter table: what routing rules alone cannot do.
//!
//! 1. Questions that clients send to this host's own address never reach a
//!    routing rule. Where connections are tracked, as on any router that
//!    masquerades, they are translated to an address inside the TUN, or, where
//!    they cannot be forwarded there (link-local sources, hosts that do not
//!    forward), redirected to a listener of ours. Where they are not, asking for
//!    a translation would have the kernel track everything that it forwards.
//!    There all go to the listener, as `rewriting` tells.
//! 2. Questions of this host's own programs get a second mark, which makes the
//!    kernel route them anew, now to the TUN. A routing rule by port would do
//!    the same with less, but it would also be met by the question that a strict
//!    reverse path filter asks about each answer from our upstreams ("would I
//!    send to that address by the link that this came from?"), and every one of
//!    them would be dropped. And a socket that is bound to a link by
//!    `IP_UNICAST_IF`, as those of systemd-resolved are, meets no rule at all.
//! 3. What clients ask is tracked, if at all, in a connection zone of its own. The packet
//!    filter remembers translations by connection: without the zone, a client
//!    that keeps its source port would, for minutes, be translated to where we
//!    were when we are gone, or not masqueraded, and not be captured when we
//!    come. With it the kernel forgets at the same instant as the table goes.
//!
//! The table belongs to our netlink socket (`flags owner`, Linux 5.12): it goes
//! with it, however we end, and `nft flush ruleset` leaves it alone.

mod expression;
pub mod flows;
mod message;
pub mod offload;
mod rewriting;
mod tracking;

use std::io;

use self::expression::Rule;
use self::message::{Attributes, Batch, GET_GENERATION, single};
use crate::core::flow::Protocol;
use crate::core::prefix::Prefix;
use crate::shell::netlink::Netlink;
use crate::shell::route::{Fail, Plan, Surroundings};

/// The table `inet optout`. Goes with the value.
#[derive(Debug)]
pub struct Table {
    /// Held open: the kernel removes the table when it is closed.
    _owner: Netlink,
    way: Way,
    problem: Option<String>,
}

/// How questions to this host's own address come to us.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    /// By translation, with a connection zone for all that clients ask.
    Translation,
    /// Ports are written over; to the listener on this port.
    Rewriting { listener: u16, joins: bool },
    /// Not at all.
    None,
}

impl Table {
    /// Makes the table with all its chains and rules, at once or not at all.
    /// Where connections are tracked is looked up anew; no table of ours may be
    /// left by then, because it could be the only one that wants that.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says; `EOPNOTSUPP`, `ENOENT` or `EPROTONOSUPPORT` if
    /// it lacks nftables or one of the expressions.
    pub fn make(plan: &Plan, around: &Surroundings, device: u32) -> io::Result<Self> {
        let way = match plan.listener {
            _ if !plan.forwarded => Way::None,
            Some(listener) if !tracking::is_active() => Way::Rewriting { listener, joins: true },
            _ => Way::Translation,
        };
        let mut made = build(way, plan, around, device);
        if let (Way::Rewriting { listener, .. }, Err(error)) = (way, &made) {
            log::debug!("nft: fragments of questions will go by ({error})");
            made = build(Way::Rewriting { listener, joins: false }, plan, around, device);
        }
        let mut problem = None;
        if let (Way::Rewriting { .. }, Err(error)) = (way, &made) {
            problem = Some(format!(
                "forwarding is slower than without optout: the packet filter cannot write ports \
                 ({error}), so connections are tracked; Linux 4.10 or newer with nftables is needed, \
                 or set capture_forwarded = false"
            ));
            made = build(Way::Translation, plan, around, device);
        }
        let way = if problem.is_some() { Way::Translation } else { way };
        let table = Self { _owner: made?, way, problem };
        if plan.fail == Fail::Closed {
            guard(plan, around)?;
        }
        Ok(table)
    }

    /// Whether someone began to track connections since the table was made, so
    /// that another must take its place.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        matches!(self.way, Way::Rewriting { .. }) && tracking::is_active()
    }

    /// What is worse than it could be, with the remedy.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }
}

/// Makes the table in one batch; the socket that owns it.
fn build(way: Way, plan: &Plan, around: &Surroundings, device: u32) -> io::Result<Netlink> {
    let mut netlink = Netlink::netfilter()?;
    let mut batch = Batch::new(NAME);
    let table = Attributes::default().number(2, TABLE_OWNER);
    batch.push(NEW_TABLE, CREATE | EXCLUSIVE, table);
    steer(&mut batch, plan, device);
    match way {
        Way::Translation => {
            zones(&mut batch, plan, around, device);
            translations(&mut batch, plan, around);
        }
        Way::Rewriting { listener, joins } => {
            rewriting::rewriting(&mut batch, plan, around, listener);
            if joins {
                rewriting::joining(&mut batch);
            }
        }
        Way::None => {}
    }
    if plan.forwarded && plan.fail == Fail::Closed {
        vouch(&mut batch, plan, around);
    }
    let (bytes, acks) = batch.finish();
    netlink.batch(&bytes, acks)?;
    Ok(netlink)
}

/// Marks what clients ask, as a sign for [`guard`] that we live.
fn vouch(batch: &mut Batch, plan: &Plan, around: &Surroundings) {
    chain(batch, "vouch", Some(("filter", PREROUTING, MANGLE)));
    for_clients(batch, "vouch", plan, around, |rule, _| rule.set_mark(plan.steer));
}

/// A rule for each kind of question that each kind of client sends to others
/// than this host, and that nothing has marked yet.
fn for_clients(
    batch: &mut Batch,
    name: &str,
    plan: &Plan,
    around: &Surroundings,
    then: impl Fn(Rule, Protocol) -> Rule,
) {
    for client in clients(around) {
        for protocol in PROTOCOLS {
            let rule = Rule::default()
                .family(client.is_v6())
                .source(client)
                .protocol(protocol)
                .port_to(53)
                .mark(0, plan.mark | plan.steer)
                .meant_for_us(false);
            add(batch, name, then(rule, protocol));
        }
    }
}

/// Refuses the questions that neither [`steer`] nor [`vouch`] marked before. It
/// stays when we die, and is what `closed` means for this host. Clients would
/// be refused by our routes too, but the kernel says so by ICMP, and no more
/// than about once a second to each; a reset has no such limit.
fn guard(plan: &Plan, around: &Surroundings) -> io::Result<()> {
    unguard()?;
    let mut batch = Batch::new(GUARD);
    batch.push(NEW_TABLE, CREATE, Attributes::default());
    chain(&mut batch, "leaving", Some(("filter", OUTPUT, FILTER)));
    for protocol in PROTOCOLS {
        let rule = Rule::default()
            .protocol(protocol)
            .port_to(53)
            .mark(0, plan.mark | plan.steer)
            .leaves_not_by(LOOPBACK)
            .reject(protocol);
        add(&mut batch, "leaving", rule);
    }
    if plan.forwarded {
        chain(&mut batch, "passing", Some(("filter", PREROUTING, FILTER)));
        for_clients(&mut batch, "passing", plan, around, Rule::reject);
    }
    let (bytes, acks) = batch.finish();
    Netlink::netfilter()?.batch(&bytes, acks)
}

/// Removes what [`Table::make`] leaves for the time after a crash.
///
/// # Errors
///
/// Whatever the kernel says; it is no error if it is not there.
pub(crate) fn unguard() -> io::Result<()> {
    remove(GUARD)
}

/// Removes a table of our name that another program or an older run left.
///
/// # Errors
///
/// Whatever the kernel says; it is no error if there is no such table, or no
/// packet filter.
pub(crate) fn sweep() -> io::Result<()> {
    remove(NAME).and(flows::sweep()).and(unguard())
}

/// Whether this kernel has nftables.
pub(crate) fn is_there() -> bool {
    let mut netlink = Netlink::netfilter();
    netlink.as_mut().is_ok_and(|it| it.dump(&single(GET_GENERATION), |_| {}).is_ok())
}

/// Whether connections are tracked here, by whomever.
pub(crate) fn tracks() -> bool {
    tracking::is_active()
}

fn remove(table: &'static str) -> io::Result<()> {
    let Ok(mut netlink) = Netlink::netfilter() else { return Ok(()) };
    let mut batch = Batch::new(table);
    batch.push(DEL_TABLE, 0, Attributes::default());
    let (bytes, acks) = batch.finish();
    match netlink.batch(&bytes, acks).map_err(|error| (error.raw_os_error(), error)) {
        Err((Some(libc::EPERM), error)) => Err(error),
        _ => Ok(()),
    }
}

/// Questions of this host's programs.
fn steer(batch: &mut Batch, plan: &Plan, device: u32) {
    chain(batch, "steer", Some(("route", OUTPUT, MANGLE)));
    for protocol in PROTOCOLS {
        let rule = Rule::default()
            .protocol(protocol)
            .port_to(53)
            .mark(0, plan.mark | plan.steer)
            .leaves_not_by(device)
            .leaves_not_by(LOOPBACK)
            .set_mark(plan.steer);
        add(batch, "steer", rule);
    }
}

/// Connection zones for what clients ask and for what they are answered.
fn zones(batch: &mut Batch, plan: &Plan, around: &Surroundings, device: u32) {
    chain(batch, "zone_clients", None);
    for client in clients(around) {
        let rule = Rule::default().family(client.is_v6()).source(client).zone(ZONE);
        add(batch, "zone_clients", rule);
    }
    chain(batch, "zone_in", Some(("filter", PREROUTING, RAW)));
    for protocol in PROTOCOLS {
        let asked = Rule::default().protocol(protocol).port_to(53).mark(0, plan.mark);
        add(batch, "zone_in", asked.jump("zone_clients"));
        let answered = Rule::default()
            .came_by(device)
            .protocol(protocol)
            .port_from(53)
            .meant_for_us(false)
            .zone(ZONE);
        add(batch, "zone_in", answered);
    }
    let Some(listener) = plan.listener else { return };
    chain(batch, "zone_out", Some(("filter", OUTPUT, RAW)));
    for protocol in PROTOCOLS {
        let answered = Rule::default()
            .protocol(protocol)
            .port_from(listener)
            .mark(plan.mark, plan.mark)
            .zone(ZONE);
        add(batch, "zone_out", answered);
    }
    // The listener is for those whom we redirect, not for the Internet.
    chain(batch, "listener", Some(("filter", INPUT, FILTER)));
    for protocol in PROTOCOLS {
        let stray = Rule::default().protocol(protocol).port_to(listener).drop_untranslated();
        add(batch, "listener", stray);
    }
}

/// Where questions go that clients send to this host's own address.
fn translations(batch: &mut Batch, plan: &Plan, around: &Surroundings) {
    chain(batch, "clients", None);
    for client in clients(around) {
        let link_local = client.contains(LINK_LOCAL.into());
        let forwards = if client.is_v6() { around.forwards_v6 } else { around.forwards_v4 };
        let inside = if client.is_v6() { plan.resolver_v6.into() } else { plan.resolver_v4.into() };
        let rule = Rule::default().family(client.is_v6()).source(client);
        if forwards && !link_local {
            add(batch, "clients", rule.translate_to(inside));
        } else if let Some(listener) = plan.listener {
            // The expression asks again, for the kernel's own check of the rule.
            for protocol in PROTOCOLS {
                add(batch, "clients", rule.clone().protocol(protocol).redirect_to(listener));
            }
        }
    }
    chain(batch, "own_address", Some(("nat", PREROUTING, BEFORE_DSTNAT)));
    for protocol in PROTOCOLS {
        let rule = Rule::default()
            .protocol(protocol)
            .port_to(53)
            .mark(0, plan.mark)
            .meant_for_us(true)
            .jump("clients");
        add(batch, "own_address", rule);
    }
}

/// Clients' prefixes of the families that this kernel has.
fn clients(around: &Surroundings) -> impl Iterator<Item = Prefix> {
    around.client_prefixes.iter().copied().filter(|client| around.has_v6 || !client.is_v6())
}

/// Adds a chain; a base chain, if it has a type, a hook and a priority.
fn chain(batch: &mut Batch, name: &str, base: Option<(&str, u32, i32)>) {
    let mut chain = Attributes::default().text(3, name);
    if let Some((kind, hook, priority)) = base {
        let hook = Attributes::default().number(1, hook).number(2, priority.cast_unsigned());
        chain = chain.nest(4, &hook).text(7, kind);
    }
    batch.push(NEW_CHAIN, CREATE, chain);
}

fn add(batch: &mut Batch, chain: &str, rule: Rule) {
    let rule = Attributes::default().text(2, chain).nest(4, &rule.finish());
    batch.push(NEW_RULE, CREATE | APPEND, rule);
}

const NAME: &str = "optout";
const GUARD: &str = "optout_closed";
const PROTOCOLS: [Protocol; 2] = [Protocol::Udp, Protocol::Tcp];
const FAMILIES: [bool; 2] = [false, true]; // whether it is IPv6
const LINK_LOCAL: std::net::Ipv6Addr = std::net::Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0); // RFC 4291 §2.5.6
const LOOPBACK: u32 = 1; // the first link of every network namespace
const ZONE: u16 = 5353; // any number that others do not have

const NEW_TABLE: u16 = 0; // nf_tables.h, enum nf_tables_msg_types
const DEL_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
const TABLE_OWNER: u32 = 2; // NFT_TABLE_F_OWNER
const EXCLUSIVE: u16 = 0x200; // NLM_F_EXCL
const CREATE: u16 = 0x400; // NLM_F_CREATE
const APPEND: u16 = 0x800; // NLM_F_APPEND
const PREROUTING: u32 = 0; // NF_INET_PRE_ROUTING
const INPUT: u32 = 1; // NF_INET_LOCAL_IN
const OUTPUT: u32 = 3; // NF_INET_LOCAL_OUT
const RAW: i32 = -300; // before connections are tracked
const MANGLE: i32 = -150;
const FILTER: i32 = 0;
const BEFORE_DSTNAT: i32 = -101; // port forwards of others come at -100

#[cfg(test)]
mod tests;
