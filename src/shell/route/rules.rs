//! Routing rules: the only switch. Without them nothing comes our way.

use std::io;
use std::net::IpAddr;

use rtnetlink::packet_route::route::RouteProtocol;
use rtnetlink::packet_route::rule::{
    RuleAction, RuleAttribute, RuleFlags, RuleMessage, RulePortRange, RuleUidRange,
};
use rtnetlink::packet_route::{IpProtocol, RouteNetlinkMessage};

use super::links::family;
use super::netd::NET_ID;
use super::{FAR_V4, FAR_V6, FlowPlan, Plan, TAG, prefix};
use crate::core::flow::Protocol;
use crate::core::prefix::Prefix;
use crate::shell::netlink::{Existing, Netlink};

/// One of our rules.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Rule {
    v6: bool,
    priority: u32,
    table: u32,
    /// The mark must have this value under this mask. Never the whole mark,
    /// whose other bits are other programs'.
    mark: (u32, u32),
    /// Only packets that came by this link; by the loopback those of this host.
    link: Option<String>,
    /// Only packets from there.
    from: Option<Prefix>,
    /// Only packets to there.
    to: Option<Prefix>,
    /// Only packets of this protocol.
    protocol: Option<Protocol>,
    /// Only packets of sockets of these users; what is forwarded counts as root's.
    users: Option<(u32, u32)>,
    /// Only packets to these ports.
    ports: Option<(u16, u16)>,
    /// Go on at this priority, instead of looking into `table`. Without either it is
    /// only there to be gone to.
    goto: Option<u32>,
}

/// What is led to a device of its own by rules, and comes back by it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round<'a> {
    /// The device's name.
    pub device: &'a str,
    /// Which flows are led there, if any are.
    pub plan: Option<&'a FlowPlan>,
    /// Of IPv4, and of IPv6.
    pub families: [bool; 2],
    /// Tests are led there again.
    pub tests: bool,
}

/// How the questions of this host are known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Host<'a> {
    /// The packet filter marks them; otherwise they are known by their port.
    pub steered: bool,
    /// Those of these networks alone, and of none in particular; all, if it is empty.
    pub networks: &'a [u32],
}

/// The rules of both families that divert what the plan names.
pub(crate) fn wanted(plan: &Plan, has_v6: bool, clients: &[Prefix], host: Host<'_>) -> Vec<Rule> {
    let families = [false, true].into_iter().filter(|&v6| has_v6 || !v6);
    families.flat_map(|v6| of_family(plan, v6, clients, host)).collect()
}

/// The rules for the questions of this host.
fn of_host(plan: &Plan, base: &Rule, host: Host<'_>) -> Vec<Rule> {
    let steer = if host.steered { plan.steer } else { 0 };
    let mut marks = vec![(steer, plan.mark | steer)];
    if !host.networks.is_empty() {
        let numbers = std::iter::once(0).chain(host.networks.iter().copied());
        marks = numbers.map(|number| (steer | number, plan.mark | steer | NET_ID)).collect();
    }
    let rule = |mark| Rule { mark, ..base.clone() }.of_host();
    let by_port = |mark| {
        PROTOCOLS.map(|protocol| Rule { protocol, ports: Some(QUESTIONS), ..rule(mark) }).to_vec()
    };
    let of_mark = |mark| if host.steered { vec![rule(mark)] } else { by_port(mark) };
    marks.into_iter().flat_map(of_mark).collect()
}

fn of_family(plan: &Plan, v6: bool, clients: &[Prefix], own: Host<'_>) -> Vec<Rule> {
    let [host, others, past, client, address] = [0, 1, 2, 3, 4].map(|step| plan.priority + step);
    let base = Rule { priority: host, table: plan.dns_table, ..Rule::of(plan, v6) };
    // First what leads packets past the rules of the clients, and where that leads to;
    // those come last. They know no ports: alone they would divert all that clients send.
    let mut rules = vec![Rule { table: plan.address_table, priority: address, ..base.clone() }];
    rules.extend(of_host(plan, &base, own));
    // An own address may be in a client's prefix. Then the answers of our
    // upstreams would fail a strict reverse path filter, as `nft` tells.
    let goto = |priority, to| Rule { priority, goto: Some(to), table: 0, ..base.clone() };
    rules.push(goto(others, address).of_host());
    let mut from = clients.iter().filter(|client| client.is_v6() == v6).peekable();
    let has_clients = from.peek().is_some();
    // Every packet that is forwarded walks these rules, so that they are few.
    if has_clients {
        rules.push(goto(past, address));
    }
    for protocol in PROTOCOLS {
        let ports = Some(QUESTIONS);
        if has_clients {
            rules.push(Rule { protocol, ports, ..goto(others, client) });
        }
    }
    rules.extend(from.map(|&from| Rule { from: Some(from), priority: client, ..base.clone() }));
    match plan.own_user {
        Some(user) => rules.into_iter().flat_map(|rule| rule.but_of(user)).collect(),
        None => rules,
    }
}

/// The rules of both families that lead flows to us that are not decided.
pub(crate) fn for_flows(plan: &Plan, has_v6: bool) -> Vec<Rule> {
    let families = [false, true].into_iter().filter(|&v6| has_v6 || !v6);
    let rule = |v6| Rule {
        // Before the rules that lead past all of ours.
        priority: plan.priority,
        table: plan.flow_table,
        mark: (plan.divert, plan.mark | plan.divert),
        ..Rule::of(plan, v6)
    };
    families.map(rule).collect()
}

/// The rules of both families that lead flows of clients round by a device.
pub(crate) fn by_rules(
    plan: &Plan,
    has_v6: bool,
    clients: &[Prefix],
    round: Round<'_>,
) -> Vec<Rule> {
    let families = [false, true].into_iter().filter(|&v6| has_v6 || !v6);
    families.flat_map(|v6| round_of_family(plan, v6, clients, round)).collect()
}

fn round_of_family(plan: &Plan, v6: bool, clients: &[Prefix], round: Round<'_>) -> Vec<Rule> {
    let [first, past, flows_at, end] = [0, 5, 6, 7].map(|step| plan.priority + step);
    let base = Rule::of(plan, v6);
    let goto_end = |priority| Rule { priority, goto: Some(end), ..base.clone() };
    let lead = |priority| Rule { priority, table: plan.flow_table, ..base.clone() };
    let link = Some(round.device.to_owned());
    let mut rules = vec![Rule { priority: end, ..base.clone() }];
    if round.tests {
        let far = if v6 { prefix(FAR_V6, 128) } else { prefix(FAR_V4, 32) };
        rules.push(Rule { link: link.clone(), to: Some(far), ..lead(first) });
    }
    rules.push(Rule { link, ..goto_end(first + 1) });
    let wanted = round.families[usize::from(v6)];
    let Some(flows) = round.plan.filter(|_| wanted) else { return rules };
    // Those of this host; and the lookups of a strict reverse path filter, as of others.
    rules.push(goto_end(past).of_host());
    let of_family = |prefix: &&Prefix| prefix.is_v6() == v6;
    for &from in flows.clients.iter().filter(of_family) {
        rules.push(Rule { from: Some(from), ..goto_end(past) });
    }
    for protocol in PROTOCOLS {
        for &ports in &flows.ports {
            rules.push(Rule { protocol, ports: Some(ports), ..goto_end(past) });
        }
        // What is of the link alone is never forwarded.
        for &from in clients.iter().filter(of_family).filter(|from| !is_link_local(**from)) {
            rules.push(Rule { from: Some(from), protocol, ..lead(flows_at) });
        }
    }
    rules
}

fn is_link_local(prefix: Prefix) -> bool {
    match prefix.address() {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// Makes our rules in the kernel be exactly `wanted`; whether that changed anything.
///
/// # Errors
///
/// Whatever the kernel says; and `EOPNOTSUPP` if it took a rule and made
/// another of it, as kernels before 4.17 do, which know no ports and would
/// divert everything. Such a rule is removed at once.
pub(crate) fn reconcile(netlink: &mut Netlink, plan: &Plan, wanted: &[Rule]) -> io::Result<bool> {
    let mut changed = remove_others(netlink, plan, wanted)?;
    let present = ours(netlink, plan)?;
    for rule in
        wanted.iter().filter(|rule| !present.iter().any(|(have, _)| have.as_ref() == Some(rule)))
    {
        changed = true;
        match netlink.create(&RouteNetlinkMessage::NewRule(rule.message()), Existing::Refuse) {
            Err(error) if error.raw_os_error() != Some(libc::EEXIST) => return Err(error),
            _ => {}
        }
    }
    if changed && remove_others(netlink, plan, wanted)? {
        return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP));
    }
    Ok(changed)
}

/// Removes every rule with our tag that is not `wanted`, those of the clients first.
fn remove_others(netlink: &mut Netlink, plan: &Plan, wanted: &[Rule]) -> io::Result<bool> {
    let mut changed = false;
    let mut ours = ours(netlink, plan)?;
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
        if !is_ours(&message, plan) && (priority_taken || table_taken) {
            strangers.push((priority, table));
        }
    }
    Ok(strangers)
}

/// Every rule with our tag: what it means, if we could have made it, and as it came.
fn ours(netlink: &mut Netlink, plan: &Plan) -> io::Result<Vec<(Option<Rule>, RuleMessage)>> {
    let messages = all(netlink)?.into_iter().filter(|message| is_ours(message, plan));
    Ok(messages.map(|message| (Rule::read(&message), message)).collect())
}

/// All rules, whoever made them.
pub(super) fn all(netlink: &mut Netlink) -> io::Result<Vec<RuleMessage>> {
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

/// Whether it has our tag; or, on a kernel that keeps none, our place and our bits.
fn is_ours(message: &RuleMessage, plan: &Plan) -> bool {
    let (mut tag, mut priority, mut mask) = (None, 0, 0);
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Protocol(value) => tag = Some(*value),
            RuleAttribute::Priority(value) => priority = *value,
            RuleAttribute::FwMask(value) => mask = *value,
            _ => {}
        }
    }
    let in_place = (plan.priority..plan.priority + PRIORITIES).contains(&priority);
    let bits = plan.mark | plan.steer | plan.divert | NET_ID;
    match tag {
        Some(tag) => tag == RouteProtocol::from(TAG),
        None => in_place && mask & plan.mark == plan.mark && mask & !bits == 0,
    }
}

/// Whether this kernel's rules know ports, as those from Linux 4.17 on do, and keep our
/// tag, which came with them. Tried with a rule that does nothing: an older kernel takes
/// what it does not know for not said, and would divert everything.
///
/// # Errors
///
/// Whatever the kernel says.
pub(crate) fn know_ports(netlink: &mut Netlink, plan: &Plan) -> io::Result<bool> {
    let probe = Rule {
        priority: plan.priority,
        mark: (plan.mark, plan.mark),
        protocol: Some(Protocol::Udp),
        ports: Some(QUESTIONS),
        ..Rule::default()
    };
    match netlink.create(&RouteNetlinkMessage::NewRule(probe.message()), Existing::Refuse) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP)) => {
            return Ok(false);
        }
        Err(error) if error.raw_os_error() != Some(libc::EEXIST) => return Err(error),
        _ => {}
    }
    let known = ours(netlink, plan)?.into_iter().any(|(rule, _)| rule.as_ref() == Some(&probe));
    remove_others(netlink, plan, &[])?;
    Ok(known)
}

impl Rule {
    /// One for every packet that is not ours, which does nothing yet.
    fn of(plan: &Plan, v6: bool) -> Self {
        Self { v6, mark: (0, plan.mark), ..Self::default() }
    }

    /// The same for packets of this host alone.
    fn of_host(self) -> Self {
        Self { link: Some(LOOPBACK.into()), ..self }
    }

    /// The same, but not for sockets of that user. A rule knows a range of users and not
    /// all but one, so it is two. What leads past others, or is for clients alone, stays.
    fn but_of(self, user: u32) -> Vec<Self> {
        if self.goto.is_some() || self.from.is_some() {
            return vec![self];
        }
        let below = user.checked_sub(1).map(|last| (0, last));
        let above = user.checked_add(1).map(|first| (first, LAST_USER));
        let some = |users| Self { users: Some(users), ..self.clone() };
        below.into_iter().chain(above).map(some).collect()
    }

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
        message.header.action = self.action();
        if let Some(priority) = self.goto {
            message.attributes.push(RuleAttribute::Goto(priority));
        } else if self.table != 0 {
            message.attributes.push(RuleAttribute::Table(self.table));
        }
        message.attributes.extend(self.link.clone().map(RuleAttribute::Iifname));
        if let Some(prefix) = self.from {
            message.header.src_len = prefix.length();
            message.attributes.push(RuleAttribute::Source(prefix.address()));
        }
        if let Some(prefix) = self.to {
            message.header.dst_len = prefix.length();
            message.attributes.push(RuleAttribute::Destination(prefix.address()));
        }
        let protocol = self.protocol.map(|protocol| match protocol {
            Protocol::Tcp => IpProtocol::Tcp,
            Protocol::Udp => IpProtocol::Udp,
        });
        message.attributes.extend(protocol.map(RuleAttribute::IpProtocol));
        let users = self.users.map(|(start, end)| RuleUidRange { start, end });
        message.attributes.extend(users.map(RuleAttribute::UidRange));
        let ports = self.ports.map(|(start, end)| RulePortRange { start, end });
        message.attributes.extend(ports.map(RuleAttribute::DestinationPortRange));
        message
    }

    fn action(&self) -> RuleAction {
        match (self.goto, self.table) {
            (Some(_), _) => RuleAction::Goto,
            (None, 0) => RuleAction::Nop,
            (None, _) => RuleAction::ToTable,
        }
    }

    /// Reads a rule back; `None` if it is none that we make.
    fn read(message: &RuleMessage) -> Option<Self> {
        let v6 = message.header.family == family(true);
        let table = message.header.table.into();
        let mut rule = Self { v6, table, ..Self::default() };
        for attribute in &message.attributes {
            match attribute {
                RuleAttribute::Priority(value) => rule.priority = *value,
                RuleAttribute::Table(value) => rule.table = *value,
                RuleAttribute::Goto(priority) => rule.goto = Some(*priority),
                RuleAttribute::FwMark(value) => rule.mark.0 = *value,
                RuleAttribute::FwMask(value) => rule.mark.1 = *value,
                RuleAttribute::Iifname(name) => rule.link = Some(name.clone()),
                RuleAttribute::Source(address) => {
                    rule.from = Some(prefix(*address, message.header.src_len));
                }
                RuleAttribute::Destination(address) => {
                    rule.to = Some(prefix(*address, message.header.dst_len));
                }
                RuleAttribute::IpProtocol(IpProtocol::Tcp) => rule.protocol = Some(Protocol::Tcp),
                RuleAttribute::IpProtocol(IpProtocol::Udp) => rule.protocol = Some(Protocol::Udp),
                RuleAttribute::DestinationPortRange(RulePortRange { start, end }) => {
                    rule.ports = Some((*start, *end));
                }
                RuleAttribute::UidRange(RuleUidRange { start, end }) => {
                    rule.users = Some((*start, *end));
                }
                // Filled in by the kernel, or said above already.
                RuleAttribute::Protocol(_)
                | RuleAttribute::SuppressPrefixLen(u32::MAX)
                | RuleAttribute::Other(_) => {}
                _ => return None,
            }
        }
        if rule.goto.is_some() {
            rule.table = 0;
        }
        let plain = message.header.action == rule.action()
            && !message.header.flags.contains(RuleFlags::Invert)
            && [rule.from, rule.to].iter().flatten().all(|prefix| prefix.is_v6() == v6);
        plain.then_some(rule)
    }
}

/// Host, questions of others, past them, clients, addresses; then what spares flows,
/// flows, and the end.
pub(crate) const PRIORITIES: u32 = 8;
const PROTOCOLS: [Option<Protocol>; 2] = [Some(Protocol::Udp), Some(Protocol::Tcp)];
const LAST_USER: u32 = u32::MAX - 1; // the last number means none
const QUESTIONS: (u16, u16) = (53, 53); // RFC 1035 §4.2
const LOOPBACK: &str = "lo";

#[cfg(test)]
mod tests {
    use super::*;

    /// As a kernel before 4.17 gives a rule back: it has no tag and no ports.
    fn of_an_old_kernel(rule: &Rule) -> RuleMessage {
        let mut message = rule.message();
        message.attributes.retain(|attribute| {
            !matches!(
                attribute,
                RuleAttribute::Protocol(_)
                    | RuleAttribute::IpProtocol(_)
                    | RuleAttribute::DestinationPortRange(_)
            )
        });
        message
    }

    #[test]
    fn a_kernel_that_keeps_no_tag_shows_ours_by_place_and_bits() {
        let plan = Plan::default();
        for rule in wanted(&plan, true, &[], Host { steered: true, networks: &[0x64] }) {
            let message = of_an_old_kernel(&rule);
            assert!(is_ours(&message, &plan), "{rule:?}");
            assert_eq!(Rule::read(&message), Some(rule), "nothing of it needs a new kernel");
        }
        let rule = Rule { priority: plan.priority, table: 5353, ..Rule::default() };
        for (other, why) in [
            (Rule { mark: (0, 0xffff), ..rule.clone() }, "netd's mask"),
            (Rule { mark: (0, u32::MAX), ..rule.clone() }, "a mask of everything"),
            (Rule { mark: (0, plan.mark), priority: 5299, ..rule.clone() }, "before ours"),
            (Rule { mark: (0, plan.mark), priority: 13_000, ..rule }, "netd's place"),
        ] {
            assert!(!is_ours(&of_an_old_kernel(&other), &plan), "{why}");
        }
    }

    #[test]
    fn a_rule_that_lost_its_ports_is_not_the_one_that_was_wanted() {
        let client: Prefix = "192.0.2.0/24".parse().unwrap();
        let host = Host { steered: false, networks: &[] };
        let rules = wanted(&Plan::default(), false, &[client], host);
        let with_ports: Vec<_> = rules.iter().filter(|rule| rule.ports.is_some()).collect();
        assert!(!with_ports.is_empty());
        for rule in with_ports {
            assert_ne!(Rule::read(&of_an_old_kernel(rule)).as_ref(), Some(rule));
        }
    }

    /// Nothing is marked, and there are no networks of Android's.
    const HOST: Host<'_> = Host { steered: false, networks: &[] };

    /// Whether a rule leads a packet of this host, of such a socket, to one of our tables.
    fn leads(rules: &[Rule], user: u32) -> bool {
        let mut rules: Vec<_> = rules.iter().filter(|rule| rule.from.is_none()).collect();
        rules.sort_by_key(|rule| rule.priority);
        rules.iter().any(|rule| {
            rule.table != 0 && rule.users.is_none_or(|(first, last)| (first..=last).contains(&user))
        })
    }

    #[test]
    fn without_marks_nothing_leads_a_socket_of_our_own_user() {
        let client = prefix(std::net::Ipv4Addr::new(192, 168, 7, 0), 24);
        for own in [0, 1, 61_053, LAST_USER] {
            let plan = Plan { own_user: Some(own), ..Plan::default() };
            let rules = wanted(&plan, true, &[client], HOST);
            for other in [0, 1, 2, 61_052, 61_053, 61_054, LAST_USER] {
                assert_eq!(leads(&rules, other), other != own, "own {own}, other {other}");
            }
            let clients: Vec<_> = rules.iter().filter(|rule| rule.from.is_some()).collect();
            assert!(matches!(clients[..], [rule] if rule.users.is_none()), "{clients:?}");
        }
    }

    #[test]
    fn a_rule_for_users_is_read_back_as_it_was_made() {
        let plan = Plan { own_user: Some(61_053), ..Plan::default() };
        for rule in wanted(&plan, true, &[], HOST) {
            assert_eq!(Rule::read(&rule.message()).as_ref(), Some(&rule));
        }
    }
}
