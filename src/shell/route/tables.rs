//! The routing tables: questions, addresses, and flows.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteProtocol, RouteScope, RouteType,
};

use super::links::{Surroundings, family, table_of};
use super::{Fail, Plan, TAG, prefix};
use crate::core::prefix::Prefix;
use crate::shell::netlink::{Existing, Netlink};

/// One of our routes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Route {
    table: u32,
    to: Prefix,
    metric: u32,
    way: Way,
}

/// Where a route leads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    /// Into the TUN; sockets take this source.
    Device { link: u32, source: Option<IpAddr> },
    /// Into the TUN by a gateway that is nobody's.
    Gateway { link: u32, gateway: IpAddr },
    /// Nowhere, and the sender is told at once. Not `unreachable`, whose ICMP a
    /// UDP socket takes for a passing trouble and keeps from its program
    /// (RFC 1122 §4.2.3.9).
    Prohibited,
    /// As if this table said nothing: the next rule decides.
    Throw,
}

/// The routes of both tables.
pub(crate) fn wanted(
    plan: &Plan,
    around: &Surroundings,
    device: u32,
    addresses: &[Prefix],
    spared: &[Prefix],
) -> Vec<Route> {
    let everywhere = [prefix(Ipv4Addr::UNSPECIFIED, 0), prefix(Ipv6Addr::UNSPECIFIED, 0)];
    let questions = everywhere.into_iter().map(|to| (plan.dns_table, to));
    let sinkholes = [plan.sinkhole_v4, plan.sinkhole_v6];
    let addresses = sinkholes.iter().chain(addresses).map(|&to| (plan.address_table, to));
    let mut routes = Vec::new();
    for (table, to) in questions.chain(addresses) {
        if to.is_v6() && !around.has_v6 {
            continue;
        }
        let way = Way::Device { link: device, source: around.source(to.is_v6()) };
        let route = Route { table, to, metric: METRIC, way };
        if !routes.contains(&route) {
            routes.push(route);
        }
        // Stays when the device goes: then nothing leaves.
        let last = Route { metric: LAST_METRIC, way: Way::Prohibited, ..route };
        if plan.fail == Fail::Closed && !routes.contains(&last) {
            routes.push(last);
        }
    }
    // Holes in what is routed to us, but never in what is ours.
    for &to in spared.iter().filter(|to| around.has_v6 || !to.is_v6()) {
        if !sinkholes.iter().any(|sinkhole| sinkhole.covers(to)) {
            routes.push(Route { table: plan.address_table, to, metric: METRIC, way: Way::Throw });
        }
    }
    routes
}

/// The routes for flows that are not decided. Those to `spared` go their usual way.
pub(crate) fn for_flows(
    plan: &Plan,
    around: &Surroundings,
    link: u32,
    spared: &[Prefix],
) -> Vec<Route> {
    let route = |to, way| Route { table: plan.flow_table, to, metric: METRIC, way };
    let everywhere: [(Prefix, IpAddr); 2] = [
        (prefix(Ipv4Addr::UNSPECIFIED, 0), plan.gateway_v4().into()),
        (prefix(Ipv6Addr::UNSPECIFIED, 0), plan.gateway_v6().into()),
    ];
    let families = everywhere.into_iter().filter(|(to, _)| around.has_v6 || !to.is_v6());
    let mut routes: Vec<_> =
        families.map(|(to, gateway)| route(to, Way::Gateway { link, gateway })).collect();
    // Where a strict reverse path filter heeds marks (src_valid_mark), it looks here
    // for the way back to the client.
    for &to in around.client_prefixes.iter().chain(spared) {
        let throw = route(to, Way::Throw);
        if (around.has_v6 || !to.is_v6()) && !routes.contains(&throw) {
            routes.push(throw);
        }
    }
    routes
}

/// Makes our routes in the kernel be exactly `wanted`; whether that changed anything.
pub(crate) fn reconcile(netlink: &mut Netlink, wanted: &[Route]) -> io::Result<bool> {
    let mut changed = false;
    let present = ours(netlink)?;
    for route in wanted.iter().filter(|route| !present.iter().any(|(have, _)| have == *route)) {
        changed = true;
        netlink.create(&RouteNetlinkMessage::NewRoute(route.message()), Existing::Replace)?;
    }
    let place = |route: &Route| (route.table, route.to, route.metric);
    for (route, message) in present {
        // What has the place of a wanted one was replaced above.
        if wanted.iter().any(|wanted| place(wanted) == place(&route)) {
            continue;
        }
        changed = true;
        match netlink.change(&RouteNetlinkMessage::DelRoute(message)) {
            // It went with its device or address in the meantime.
            Err(error) if !matches!(error.raw_os_error(), Some(libc::ESRCH | libc::ENOENT)) => {
                return Err(error);
            }
            _ => {}
        }
    }
    Ok(changed)
}

/// Whether a route of somebody else's is in one of our tables; which table.
pub(crate) fn stranger(netlink: &mut Netlink, plan: &Plan) -> io::Result<Option<u32>> {
    for table in plan.tables() {
        let filter = |message: &mut RouteMessage| {
            message.attributes.push(RouteAttribute::Table(table));
        };
        let foreign = dump(netlink, filter)?.iter().any(|route| {
            table_of(route) == table && route.header.protocol != RouteProtocol::from(TAG)
        });
        if foreign {
            return Ok(Some(table));
        }
    }
    Ok(None)
}

/// Every route with our tag, in whatever table, and the message that removes it.
fn ours(netlink: &mut Netlink) -> io::Result<Vec<(Route, RouteMessage)>> {
    let tag = RouteProtocol::from(TAG);
    let routes = dump(netlink, |message| message.header.protocol = tag)?;
    let tagged = routes.iter().filter(|route| route.header.protocol == tag);
    Ok(tagged.map(|route| (Route::read(route), removal(route))).collect())
}

fn dump(
    netlink: &mut Netlink,
    filter: impl Fn(&mut RouteMessage),
) -> io::Result<Vec<RouteMessage>> {
    let mut routes = Vec::new();
    for v6 in [false, true] {
        let mut message = RouteMessage::default();
        message.header.address_family = family(v6);
        filter(&mut message);
        let answers = match netlink.all(&RouteNetlinkMessage::GetRoute(message)) {
            // No such table yet, or no IPv6.
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(libc::ENOENT | libc::EAFNOSUPPORT | libc::EOPNOTSUPP)
                ) =>
            {
                continue;
            }
            answers => answers?,
        };
        routes.extend(answers.into_iter().filter_map(|answer| match answer {
            // Without IPv6 the kernel answers for every family it has.
            RouteNetlinkMessage::NewRoute(route) if route.header.address_family == family(v6) => {
                Some(route)
            }
            _ => None,
        }));
    }
    Ok(routes)
}

/// Names a route, and no more: the kernel would compare whatever else it is told.
fn removal(route: &RouteMessage) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header = route.header.clone();
    message.header.flags = RouteFlags::default();
    let reject = matches!(route.header.kind, RouteType::Prohibit | RouteType::Throw);
    let names = route.attributes.iter().filter(|attribute| match attribute {
        RouteAttribute::Table(_) | RouteAttribute::Destination(_) | RouteAttribute::Priority(_) => {
            true
        }
        RouteAttribute::Oif(_) => !reject,
        _ => false,
    });
    message.attributes = names.cloned().collect();
    message
}

impl Route {
    fn message(&self) -> RouteMessage {
        let mut message = RouteMessage::default();
        let header = &mut message.header;
        header.address_family = family(self.to.is_v6());
        header.destination_prefix_length = self.to.length();
        header.protocol = RouteProtocol::from(TAG);
        header.scope = RouteScope::Universe;
        message.attributes.push(RouteAttribute::Table(self.table));
        message.attributes.push(RouteAttribute::Destination(self.to.address().into()));
        message.attributes.push(RouteAttribute::Priority(self.metric));
        match self.way {
            Way::Device { link, source } => {
                message.header.kind = RouteType::Unicast;
                if !self.to.is_v6() {
                    message.header.scope = RouteScope::Link; // no gateway on the way
                }
                message.attributes.push(RouteAttribute::Oif(link));
                let source = source.map(RouteAddress::from).map(RouteAttribute::PrefSource);
                message.attributes.extend(source);
            }
            Way::Gateway { link, gateway } => {
                message.header.kind = RouteType::Unicast;
                // It need not be reachable, for nobody is asked where it is.
                message.header.flags = RouteFlags::Onlink;
                message.attributes.push(RouteAttribute::Oif(link));
                message.attributes.push(RouteAttribute::Gateway(gateway.into()));
            }
            Way::Prohibited => message.header.kind = RouteType::Prohibit,
            Way::Throw => message.header.kind = RouteType::Throw,
        }
        message
    }

    fn read(message: &RouteMessage) -> Self {
        let v6 = message.header.address_family == family(true);
        let mut to: IpAddr =
            if v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        let (mut metric, mut link, mut source, mut gateway) = (0, 0, None, None);
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Destination(address) => to = plain(address).unwrap_or(to),
                RouteAttribute::PrefSource(address) => source = plain(address),
                RouteAttribute::Gateway(address) => gateway = plain(address),
                RouteAttribute::Priority(value) => metric = *value,
                RouteAttribute::Oif(value) => link = *value,
                _ => {}
            }
        }
        let way = match message.header.kind {
            RouteType::Prohibit => Way::Prohibited,
            RouteType::Throw => Way::Throw,
            _ => match gateway {
                Some(gateway) => Way::Gateway { link, gateway },
                None => Way::Device { link, source },
            },
        };
        let to = prefix(to, message.header.destination_prefix_length);
        Self { table: table_of(message), to, metric, way }
    }
}

fn plain(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some((*v4).into()),
        RouteAddress::Inet6(v6) => Some((*v6).into()),
        _ => None,
    }
}

const METRIC: u32 = 1; // IPv6 takes 0 for its default of 1024
const LAST_METRIC: u32 = 65_535; // worse than that of any route of ours
