//! Policy rules, default routes and tunnels, over netlink.

use std::net::{Ipv4Addr, Ipv6Addr};

use futures_util::TryStreamExt;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage};
use netlink_packet_route::route::{RouteAttribute, RouteMessage, RouteType};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleMessage};
use rtnetlink::{Error, Handle, IpVersion, RouteMessageBuilder};

use crate::shell::doctor::facts::{Family, Link, PolicyRule};

/// What routing looks like.
#[derive(Debug, Default)]
pub(super) struct Routing {
    pub(super) rules: Vec<PolicyRule>,
    pub(super) default_routes: Vec<(Family, u32)>,
    pub(super) uplinks: Vec<String>,
    pub(super) tunnels: Vec<Link>,
}

/// Reads it all. `None` if the system does not tell.
pub(super) fn read() -> Option<Routing> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    runtime.block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection().ok()?;
        tokio::spawn(connection);
        read_all(&handle).await.ok()
    })
}

async fn read_all(handle: &Handle) -> Result<Routing, Error> {
    let mut routing = Routing::default();
    let links: Vec<_> = handle.link().get().execute().try_collect().await?;
    routing.tunnels = links.iter().filter_map(tunnel).collect();
    for version in [IpVersion::V4, IpVersion::V6] {
        // A kernel without IPv6 has neither rules nor routes of it.
        let rules = handle.rule().get(version.clone()).execute().try_collect::<Vec<_>>().await;
        routing.rules.extend(rules.unwrap_or_default().iter().filter_map(rule));
        let dump = match version {
            IpVersion::V4 => RouteMessageBuilder::<Ipv4Addr>::new().build(),
            IpVersion::V6 => RouteMessageBuilder::<Ipv6Addr>::new().build(),
        };
        let routes = handle.route().get(dump).execute().try_collect::<Vec<_>>().await;
        for route in routes.unwrap_or_default().iter().filter(|route| is_default(route)) {
            note_default(route, &links, &mut routing);
        }
    }
    Ok(routing)
}

/// A default route that leads somewhere: the kernel's own "unreachable" of
/// IPv6 does not.
fn is_default(route: &RouteMessage) -> bool {
    route.header.destination_prefix_length == 0 && route.header.kind == RouteType::Unicast
}

fn note_default(route: &RouteMessage, links: &[LinkMessage], routing: &mut Routing) {
    let Some(family) = family(route.header.address_family) else { return };
    let mut table = u32::from(route.header.table);
    let mut device = None;
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Table(number) => table = *number,
            RouteAttribute::Oif(index) => device = Some(*index),
            _ => {}
        }
    }
    routing.default_routes.push((family, table));
    if table == MAIN
        && let Some(name) = device
            .and_then(|index| links.iter().find(|link| link.header.index == index))
            .and_then(name)
    {
        routing.uplinks.push(name);
    }
}

fn family(family: AddressFamily) -> Option<Family> {
    match family {
        AddressFamily::Inet => Some(Family::V4),
        AddressFamily::Inet6 => Some(Family::V6),
        _ => None,
    }
}

fn name(link: &LinkMessage) -> Option<String> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    })
}

fn tunnel(link: &LinkMessage) -> Option<Link> {
    let kind = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::LinkInfo(infos) => infos.iter().find_map(|info| match info {
            LinkInfo::Kind(kind @ (InfoKind::Tun | InfoKind::Wireguard)) => Some(kind.to_string()),
            _ => None,
        }),
        _ => None,
    })?;
    Some(Link { name: name(link)?, kind })
}

fn rule(message: &RuleMessage) -> Option<PolicyRule> {
    let header = &message.header;
    let mut rule = PolicyRule {
        family: family(header.family)?,
        priority: 0, // the kernel leaves 0 out
        table: (header.action == RuleAction::ToTable).then_some(u32::from(header.table)),
        mark: None,
        inverted: header.flags.contains(RuleFlags::Invert),
        protocol: None,
        ports: None,
        from: None,
        to: None,
        iif: None,
        oif: None,
        users: false,
        suppress: None,
        origin: 0,
    };
    let (mut value, mut mask) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Priority(priority) => rule.priority = *priority,
            RuleAttribute::Table(table) if rule.table.is_some() => rule.table = Some(*table),
            RuleAttribute::FwMark(it) => value = Some(*it),
            RuleAttribute::FwMask(it) => mask = Some(*it),
            RuleAttribute::IpProtocol(it) => rule.protocol = u8::try_from(i32::from(*it)).ok(),
            RuleAttribute::DestinationPortRange(it) => rule.ports = Some((it.start, it.end)),
            RuleAttribute::Source(it) => rule.from = Some(format!("{it}/{}", header.src_len)),
            RuleAttribute::Destination(it) => rule.to = Some(format!("{it}/{}", header.dst_len)),
            RuleAttribute::Iifname(it) => rule.iif = Some(it.clone()),
            RuleAttribute::Oifname(it) => rule.oif = Some(it.clone()),
            RuleAttribute::UidRange(_) => rule.users = true,
            // The kernel sends -1 for "none".
            RuleAttribute::SuppressPrefixLen(it) => {
                rule.suppress = Some(*it).filter(|it| *it <= 128);
            }
            RuleAttribute::Protocol(it) => rule.origin = u8::from(*it),
            _ => {}
        }
    }
    rule.mark = match (value, mask) {
        (None, None) | (None | Some(0), Some(0)) => None,
        (value, mask) => Some((value.unwrap_or(0), mask.unwrap_or(u32::MAX))),
    };
    Some(rule)
}

/// The main table.
pub(super) const MAIN: u32 = 254;
