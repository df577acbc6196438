//! Routing rules: the only switch. Without them nothing comes our way.

use std::io;
use std::net::IpAddr;

use rtnetlink::packet_route::route::RouteProtocol;
use rtnetlink::packet_route::rule::{
    RuleAction, RuleAttribute, RuleFlags, RuleMessage, RulePortRange,
};
use rtnetlink::packet_route::{IpProtocol, RouteNetlinkMessage};

use super::links::family;
use super::{Plan, TAG, prefix};
use crate::core::flow::Protocol;
use crate::core::prefix::Prefix;
use crate::shell::netlink::{Existing, Netlink};

/// One of our rules.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Rule {
    v6: bool,
    priority: u32,
    table: u32,
    /// The mark must have this value under this mask. Never the whole mark,
    /// whose other bits are other programs'.
    mark: (u32, u32),
    /// Only packets of this host.
    host: bool,
    /// Only packets from there.
    from: Option<Prefix>,
    /// Only questions, by this protocol.
    questions: Option<Protocol>,
    /// Go on at this priority, instead of looking into `table`.
    goto: Option<u32>,
}

/// The rules of both families that divert what the plan names. `steered`: nft
/// marks the questions of this host; otherwise they are known by their port.
pub(crate) fn wanted(plan: &Plan, has_v6: bool, clients: &[Prefix], steered: bool) -> Vec<Rule> {
    let families = [false, true].into_iter().filter(|&v6| has_v6 || !v6);
    families.flat_map(|v6| of_family(plan, v6, clients, steered)).collect()
}

fn of_family(plan: &Plan, v6: bool, clients: &[Prefix], steered: bool) -> Vec<Rule> {
    let [host, others, past, client, address] = [0, 1, 2, 3, 4].map(|step| plan.priority + step);
    let base = Rule {
        v6,
        priority: host,
        table: plan.dns_table,
        mark: (0, plan.mark),
        host: false,
        from: None,
        questions: None,
        goto: None,
    };
    // First what leads packets past the rules of the clients, and where that leads to;
    // those come last. They know no ports: alone they would divert all that clients send.
    let mut rules = vec![Rule { table: plan.address_table, priority: address, ..base.clone() }];
    if steered {
        let mark = (plan.steer, plan.mark | plan.steer);
        rules.push(Rule { host: true, mark, ..base.clone() });
    }
    // An own address may be in a client's prefix. Then the answers of our
    // upstreams would fail a strict reverse path filter, as `nft` tells.
    let goto = |priority, to| Rule { priority, goto: Some(to), table: 0, ..base.clone() };
    rules.push(Rule { host: true, ..goto(others, address) });
    let mut from = clients.iter().filter(|client| client.is_v6() == v6).peekable();
    let has_clients = from.peek().is_some();
    // Every packet that is forwarded walks these rules, so that they are few.
    if has_clients {
        rules.push(goto(past, address));
    }
    for protocol in [Protocol::Udp, Protocol::Tcp] {
        let questions = Some(protocol);
        if !steered {
            rules.push(Rule { host: true, questions, ..base.clone() });
        }
        if has_clients {
            rules.push(Rule { questions, ..goto(others, client) });
        }
    }
    rules.extend(from.map(|&from| Rule { from: Some(from), priority: client, ..base.clone() }));
    rules
}

/// The rules of both families that lead flows to us that are not decided.
pub(crate) fn for_flows(plan: &Plan, has_v6: bool) -> Vec<Rule> {
    let families = [false, true].into_iter().filter(|&v6| has_v6 || !v6);
    let rule = |v6| Rule {
        v6,
        // Before the rules that lead past all of ours.
        priority: plan.priority,
        table: plan.flow_table,
        mark: (plan.divert, plan.mark | plan.divert),
        host: false,
        from: None,
        questions: None,
        goto: None,
    };
    families.map(rule).collect()
}

/// Makes our rules in the kernel be exactly `wanted`; whether that changed anything.
///
/// # Errors
///
/// Whatever the kernel says; and `EOPNOTSUPP` if it took a rule and made
/// another of it, as kernels before 4.17 do, which know no ports and would
/// divert everything. Such a rule is removed at once.
pub(crate) fn reconcile(netlink: &mut Netlink, wanted: &[Rule]) -> io::Result<bool> {
    let mut changed = remove_others(netlink, wanted)?;
    let present = ours(netlink)?;
    for rule in
        wanted.iter().filter(|rule| !present.iter().any(|(have, _)| have.as_ref() == Some(rule)))
    {
        changed = true;
        match netlink.create(&RouteNetlinkMessage::NewRule(rule.message()), Existing::Refuse) {
            Err(error) if error.raw_os_error() != Some(libc::EEXIST) => return Err(error),
            _ => {}
        }
    }
    if changed && remove_others(netlink, wanted)? {
        return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP));
    }
    Ok(changed)
}

/// Removes every rule with our tag that is not `wanted`, those of the clients first.
fn remove_others(netlink: &mut Netlink, wanted: &[Rule]) -> io::Result<bool> {
    let mut changed = false;
    let mut ours = ours(netlink)?;
    ours.sort_by_key(|(rule, _)| rule.as_ref().is_some_and(|rule| rule.from.is_none()));
    for (rule, message) in ours {
        if rule.is_none_or(|rule| !wanted.contains(&rule)) {
            changed = true;
            match netlink.change(&RouteNetlinkMessage::DelRule(message)) {
                Err(error) if error.raw_os_error() != Some(libc::ENOENT) => return Err(error),
                _ => {}
            }
        }
    }
    Ok(changed)
}

/// The rules of others that have one of our priorities or tables: `(priority, table)`.
pub(crate) fn strangers(netlink: &mut Netlink, plan: &Plan) -> io::Result<Vec<(u32, u32)>> {
    let mut strangers = Vec::new();
    for message in all(netlink)? {
        let (mut priority, mut table) = (0, u32::from(message.header.table));
        for attribute in &message.attributes {
            match attribute {
                RuleAttribute::Priority(value) => priority = *value,
                RuleAttribute::Table(value) => table = *value,
                _ => {}
            }
        }
        let priority_taken = (plan.priority..plan.priority + PRIORITIES).contains(&priority);
        let table_taken = plan.tables().contains(&table);
        if !is_ours(&message) && (priority_taken || table_taken) {
            strangers.push((priority, table));
        }
    }
    Ok(strangers)
}

/// Every rule with our tag: what it means, if we could have made it, and as it came.
fn ours(netlink: &mut Netlink) -> io::Result<Vec<(Option<Rule>, RuleMessage)>> {
    let messages = all(netlink)?.into_iter().filter(is_ours);
    Ok(messages.map(|message| (Rule::read(&message), message)).collect())
}

fn all(netlink: &mut Netlink) -> io::Result<Vec<RuleMessage>> {
    let mut rules = Vec::new();
    for v6 in [false, true] {
        let mut message = RuleMessage::default();
        message.header.family = family(v6);
        let answers = match netlink.all(&RouteNetlinkMessage::GetRule(message)) {
            // No IPv6 in this kernel, so none of its rules.
            Err(error)
                if v6
                    && matches!(
                        error.raw_os_error(),
                        Some(libc::EAFNOSUPPORT | libc::EOPNOTSUPP)
                    ) =>
            {
                continue;
            }
            answers => answers?,
        };
        rules.extend(answers.into_iter().filter_map(|answer| match answer {
            RouteNetlinkMessage::NewRule(rule) if rule.header.family == family(v6) => Some(rule),
            _ => None,
        }));
    }
    Ok(rules)
}

fn is_ours(message: &RuleMessage) -> bool {
    message.attributes.contains(&RuleAttribute::Protocol(RouteProtocol::from(TAG)))
}

impl Rule {
    fn message(&self) -> RuleMessage {
        let mut message = RuleMessage::default();
        message.header.family = family(self.v6);
        let (bits, mask) = self.mark;
        message.attributes = vec![
            RuleAttribute::Protocol(RouteProtocol::from(TAG)),
            RuleAttribute::Priority(self.priority),
            RuleAttribute::FwMark(bits),
            RuleAttribute::FwMask(mask),
        ];
        if let Some(priority) = self.goto {
            message.header.action = RuleAction::Goto;
            message.attributes.push(RuleAttribute::Goto(priority));
        } else {
            message.header.action = RuleAction::ToTable;
            message.attributes.push(RuleAttribute::Table(self.table));
        }
        if self.host {
            message.attributes.push(RuleAttribute::Iifname(LOOPBACK.into()));
        }
        if let Some(prefix) = self.from {
            message.header.src_len = prefix.length();
            message.attributes.push(RuleAttribute::Source(prefix.address()));
        }
        if let Some(protocol) = self.questions {
            let protocol = match protocol {
                Protocol::Tcp => IpProtocol::Tcp,
                Protocol::Udp => IpProtocol::Udp,
            };
            message.attributes.push(RuleAttribute::IpProtocol(protocol));
            message.attributes.push(RuleAttribute::DestinationPortRange(PORT_53));
        }
        message
    }

    /// Reads a rule back; `None` if it is none that we make.
    fn read(message: &RuleMessage) -> Option<Self> {
        let v6 = message.header.family == family(true);
        let mut rule = Self {
            v6,
            priority: 0,
            table: message.header.table.into(),
            mark: (0, 0),
            host: false,
            from: None,
            questions: None,
            goto: None,
        };
        let mut port = None;
        for attribute in &message.attributes {
            match attribute {
                RuleAttribute::Priority(value) => rule.priority = *value,
                RuleAttribute::Table(value) => rule.table = *value,
                RuleAttribute::Goto(priority) => rule.goto = Some(*priority),
                RuleAttribute::FwMark(value) => rule.mark.0 = *value,
                RuleAttribute::FwMask(value) => rule.mark.1 = *value,
                RuleAttribute::Iifname(name) => {
                    rule.host = true;
                    (name == LOOPBACK).then_some(())?;
                }
                RuleAttribute::Source(address) => {
                    rule.from = Some(prefix(*address, message.header.src_len));
                }
                RuleAttribute::IpProtocol(IpProtocol::Tcp) => rule.questions = Some(Protocol::Tcp),
                RuleAttribute::IpProtocol(IpProtocol::Udp) => rule.questions = Some(Protocol::Udp),
                RuleAttribute::DestinationPortRange(range) => port = Some(*range),
                // Filled in by the kernel, or said above already.
                RuleAttribute::Protocol(_)
                | RuleAttribute::SuppressPrefixLen(u32::MAX)
                | RuleAttribute::Other(_) => {}
                _ => return None,
            }
        }
        let action = if rule.goto.is_some() { RuleAction::Goto } else { RuleAction::ToTable };
        let plain = message.header.action == action
            && !message.header.flags.contains(RuleFlags::Invert)
            && message.header.dst_len == 0
            && rule.from.is_none_or(|from| matches!(from.address(), IpAddr::V6(_)) == v6)
            && port == rule.questions.map(|_| PORT_53);
        if rule.goto.is_some() {
            rule.table = 0;
        }
        plain.then_some(rule)
    }
}

pub(crate) const PRIORITIES: u32 = 5; // host, questions of others, past them, clients, addresses
const PORT_53: RulePortRange = RulePortRange { start: 53, end: 53 }; // RFC 1035 §4.2
const LOOPBACK: &str = "lo";
