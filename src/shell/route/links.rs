//! Links and addresses: what the network around us looks like, and our own device.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage, AddressScope};
use rtnetlink::packet_route::link::{
    AfSpecInet6, AfSpecUnspec, In6AddrGenMode, LinkAttribute, LinkFlags, LinkMessage,
};
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteType,
};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use super::{Plan, netd, prefix, rules};
use crate::core::prefix::Prefix;
use crate::shell::netlink::{Existing, Netlink};

/// The network as far as we care: what is put into routes and rules, and what
/// tells this host from a client. Equal values mean that nothing changed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Surroundings {
    /// Every address of this host, in order.
    pub own_addresses: Vec<IpAddr>,
    /// The source that the kernel picks towards the Internet.
    pub source_v4: Option<Ipv4Addr>,
    /// The same for IPv6.
    pub source_v6: Option<Ipv6Addr>,
    /// Where clients may come from: private prefixes, and those on the links
    /// that do not lead to the Internet.
    pub client_prefixes: Vec<Prefix>,
    /// What is at home, whether or not clients are captured: private prefixes, and
    /// those on the links that do not lead to the Internet.
    pub near: Vec<Prefix>,
    /// The least MTU on the way to the Internet, bytes.
    pub mtu: u32,
    /// Numbers of the networks that our questions are for, where netd sorts them; empty
    /// where all are.
    pub networks: Vec<u32>,
    /// Whether this kernel does IPv6.
    pub has_v6: bool,
    /// Whether IPv4 packets of others are forwarded.
    pub forwards_v4: bool,
    /// Whether IPv6 packets of others are forwarded.
    pub forwards_v6: bool,
}

impl Surroundings {
    /// Looks around. `device` is our own TUN, which does not count; the mark of
    /// our own sockets keeps our own routes out of the answers.
    pub(crate) fn look(netlink: &mut Netlink, device: u32, plan: &Plan) -> io::Result<Self> {
        let has_v6 = has_v6();
        let mut towards = BTreeSet::new();
        let v4 = route_to(netlink, FAR_V4.into(), plan.own_socket())?;
        let v6 = if has_v6 { route_to(netlink, FAR_V6.into(), plan.own_socket())? } else { None };
        let mut source = (None, None);
        for way in [v4, v6].into_iter().flatten().filter(|way| way.link != device && way.leaves()) {
            towards.insert(way.link);
            match way.source {
                Some(IpAddr::V4(address)) => source.0 = Some(address),
                Some(IpAddr::V6(address)) => source.1 = Some(address),
                None => {}
            }
        }
        default_links(netlink, has_v6, &mut towards)?;
        towards.remove(&device);
        let links = mtus(netlink)?;
        let mtu = towards.iter().filter_map(|link| links.get(link)).min().copied();
        let (own_addresses, on_link) = addresses(netlink, device, &towards, plan)?;
        let near = near(plan, on_link);
        Ok(Self {
            own_addresses,
            source_v4: source.0,
            source_v6: source.1,
            client_prefixes: if plan.forwarded { near.clone() } else { Vec::new() },
            near,
            mtu: mtu.unwrap_or(USUAL_MTU).clamp(LEAST_MTU, MOST_MTU),
            networks: netd::networks(&rules::all(netlink)?),
            has_v6,
            forwards_v4: switch("/proc/sys/net/ipv4/ip_forward"),
            forwards_v6: has_v6 && switch("/proc/sys/net/ipv6/conf/all/forwarding"),
        })
    }

    /// The preferred source of our routes in that family.
    pub(crate) fn source(&self, v6: bool) -> Option<IpAddr> {
        if v6 { self.source_v6.map(Into::into) } else { self.source_v4.map(Into::into) }
    }
}

/// Where the kernel sends a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Way {
    pub(crate) link: u32,
    pub(crate) source: Option<IpAddr>,
    pub(crate) table: u32,
    kind: RouteType,
}

impl Way {
    fn leaves(self) -> bool {
        self.kind == RouteType::Unicast
    }
}

/// Asks the kernel where a packet to port 53 of `to` would go from such a socket;
/// `None` if nowhere.
pub(crate) fn route_to(
    netlink: &mut Netlink,
    to: IpAddr,
    socket: RouteAttribute,
) -> io::Result<Option<Way>> {
    let mut message = RouteMessage::default();
    message.header.address_family = family(to.is_ipv6());
    message.header.destination_prefix_length = if to.is_ipv6() { 128 } else { 32 };
    if to.is_ipv4() {
        // Name the table that decided; IPv6 does unasked, and refuses the flag.
        message.header.flags = RouteFlags::LookupTable;
    }
    message.attributes.push(RouteAttribute::Destination(to.into()));
    message.attributes.push(RouteAttribute::IpProto(17)); // UDP, RFC 768
    message.attributes.push(RouteAttribute::Dport(53));
    message.attributes.push(socket);
    let answer = match netlink.one(&RouteNetlinkMessage::GetRoute(message)) {
        Ok(Some(RouteNetlinkMessage::NewRoute(answer))) => answer,
        Ok(_) => return Ok(None),
        Err(error) if is_no_way(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let kind = answer.header.kind;
    let mut way = Way { link: 0, source: None, table: table_of(&answer), kind };
    for attribute in answer.attributes {
        match attribute {
            RouteAttribute::Oif(link) => way.link = link,
            RouteAttribute::PrefSource(RouteAddress::Inet(v4)) => way.source = Some(v4.into()),
            RouteAttribute::PrefSource(RouteAddress::Inet6(v6)) => way.source = Some(v6.into()),
            _ => {}
        }
    }
    Ok(Some(way))
}

/// The table of a route: the attribute where there is one, since the header has
/// room for 255 only.
pub(crate) fn table_of(message: &RouteMessage) -> u32 {
    let attribute = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Table(table) => Some(*table),
        _ => None,
    });
    attribute.unwrap_or_else(|| message.header.table.into())
}

pub(crate) fn family(v6: bool) -> AddressFamily {
    if v6 { AddressFamily::Inet6 } else { AddressFamily::Inet }
}

/// Keeps the kernel from announcing, by the device, that a router listens there
/// to other routers (MLD, RFC 3810): nobody is behind it. To be called while
/// the device is down.
///
/// The kernel joins the routers' group when it first hears of a device that can
/// do multicast, which a TUN can, and announces it as soon as the device is up,
/// even after it left. So it has to forget the device: for IPv6 it does where
/// the MTU is too small for that.
pub(crate) fn silence(netlink: &mut Netlink, device: u32) -> io::Result<()> {
    for mtu in [LEAST_MTU - 1, LEAST_MTU] {
        let mut message = LinkMessage::default();
        message.header.index = device;
        message.header.change_mask = LinkFlags::Multicast;
        message.attributes = vec![LinkAttribute::Mtu(mtu)];
        netlink.change(&RouteNetlinkMessage::SetLink(message))?;
    }
    Ok(())
}

/// Sets our device's MTU, keeps the kernel from giving it addresses, brings it up.
pub(crate) fn bring_up(
    netlink: &mut Netlink,
    device: u32,
    mtu: u32,
    address: Ipv4Addr,
) -> io::Result<()> {
    let change = |attributes| {
        let mut message = LinkMessage::default();
        message.header.index = device;
        message.attributes = attributes;
        message
    };
    // Apart, because a kernel without IPv6 refuses it.
    let none = AfSpecUnspec::Inet6(vec![AfSpecInet6::AddrGenMode(In6AddrGenMode::None)]);
    let quiet = change(vec![LinkAttribute::AfSpecUnspec(vec![none])]);
    if let Err(error) = netlink.change(&RouteNetlinkMessage::SetLink(quiet)) {
        log::debug!("route: the device keeps its way of making addresses: {error}");
    }
    accept_answers(netlink, device, address)?;
    let mut up = change(vec![LinkAttribute::Mtu(mtu)]);
    up.header.flags = LinkFlags::Up;
    up.header.change_mask = LinkFlags::Up;
    netlink.change(&RouteNetlinkMessage::SetLink(up))
}

/// Answers come out of the device from all the resolvers of the world, which
/// are not behind it: a strict reverse path filter would drop them. The switch
/// is the device's own and goes with it (RFC 3704 §2.4: loose). The kernel
/// heeds it only on a link with an address. This one is of the host's scope, so
/// that no program ever takes it for its source.
fn accept_answers(netlink: &mut Netlink, device: u32, address: Ipv4Addr) -> io::Result<()> {
    if let Ok(name) = nix::net::if_::if_indextoname(device) {
        let switch = format!("/proc/sys/net/ipv4/conf/{}/rp_filter", name.to_string_lossy());
        if let Err(error) = fs::write(switch, "2") {
            log::debug!("route: cannot loosen the reverse path filter of the device: {error}");
        }
    }
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = 32;
    message.header.scope = AddressScope::Host;
    message.header.index = device;
    message.attributes =
        vec![AddressAttribute::Local(address.into()), AddressAttribute::Address(address.into())];
    netlink.create(&RouteNetlinkMessage::NewAddress(message), Existing::Replace)
}

/// Adds the links that carry a default route of the main table.
pub(super) fn default_links(
    netlink: &mut Netlink,
    has_v6: bool,
    links: &mut BTreeSet<u32>,
) -> io::Result<()> {
    for v6 in [false, true] {
        if v6 && !has_v6 {
            continue;
        }
        let mut message = RouteMessage::default();
        message.header.address_family = family(v6);
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        message.attributes.push(RouteAttribute::Table(RouteHeader::RT_TABLE_MAIN.into()));
        for answer in netlink.all(&RouteNetlinkMessage::GetRoute(message))? {
            let RouteNetlinkMessage::NewRoute(route) = answer else { continue };
            let main = table_of(&route) == u32::from(RouteHeader::RT_TABLE_MAIN);
            if !main || route.header.destination_prefix_length != 0 {
                continue;
            }
            for attribute in route.attributes {
                match attribute {
                    RouteAttribute::Oif(link) if link != LOOPBACK => drop(links.insert(link)),
                    RouteAttribute::MultiPath(hops) => {
                        links.extend(hops.iter().map(|hop| hop.interface_index));
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

fn mtus(netlink: &mut Netlink) -> io::Result<BTreeMap<u32, u32>> {
    let mut mtus = BTreeMap::new();
    for answer in netlink.all(&RouteNetlinkMessage::GetLink(LinkMessage::default()))? {
        let RouteNetlinkMessage::NewLink(link) = answer else { continue };
        let mtu = link.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::Mtu(mtu) => Some(*mtu),
            _ => None,
        });
        mtus.extend(mtu.map(|mtu| (link.header.index, mtu)));
    }
    Ok(mtus)
}

/// Where clients may come from.
fn near(plan: &Plan, on_link: BTreeSet<Prefix>) -> Vec<Prefix> {
    let private = PRIVATE.iter().map(|&(address, length)| prefix(address, length));
    let mut prefixes: Vec<Prefix> = Vec::new();
    for prefix in private.chain(plan.clients.iter().copied()).chain(on_link) {
        // A prefix of length 0 would be everybody, which no link is.
        if prefix.length() != 0 && !prefixes.iter().any(|known| known.covers(prefix)) {
            prefixes.push(prefix);
        }
    }
    prefixes.truncate(MOST_CLIENT_PREFIXES);
    prefixes
}

/// This host's addresses, and the prefixes on links that do not lead to the Internet.
fn addresses(
    netlink: &mut Netlink,
    device: u32,
    towards: &BTreeSet<u32>,
    plan: &Plan,
) -> io::Result<(Vec<IpAddr>, BTreeSet<Prefix>)> {
    let mut own = BTreeSet::new();
    let mut on_link = BTreeSet::new();
    for answer in netlink.all(&RouteNetlinkMessage::GetAddress(AddressMessage::default()))? {
        let RouteNetlinkMessage::NewAddress(message) = answer else { continue };
        // On a point-to-point link the address is the peer's, and the local one ours.
        let mut address = None;
        let mut local = None;
        for attribute in &message.attributes {
            match attribute {
                AddressAttribute::Address(ip) => address = Some(*ip),
                AddressAttribute::Local(ip) => local = Some(*ip),
                _ => {}
            }
        }
        let link = message.header.index;
        if link == device || local == Some(plan.passing_v4().into()) {
            continue; // our own devices
        }
        own.extend(local.or(address));
        let global = message.header.scope == AddressScope::Universe;
        if global && link != LOOPBACK && !towards.contains(&link) {
            on_link.extend(address.map(|ip| prefix(ip, message.header.prefix_len)));
        }
    }
    Ok((own.into_iter().collect(), on_link))
}

fn has_v6() -> bool {
    fs::read_to_string("/proc/sys/net/ipv6/conf/all/disable_ipv6")
        .is_ok_and(|off| off.trim() == "0")
}

fn switch(path: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|value| value.trim() != "0")
}

fn is_no_way(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EACCES | libc::ENETDOWN)
    )
}

/// Private prefixes, which no client from the Internet has.
const PRIVATE: [(IpAddr, u8); 7] = [
    (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8), // RFC 1918
    (IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12), // RFC 1918
    (IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16), // RFC 1918
    (IpAddr::V4(Ipv4Addr::new(100, 64, 0, 0)), 10), // RFC 6598
    (IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16), // RFC 3927
    (IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7), // RFC 4193
    (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10), // RFC 4291
];

/// Addresses that only the default route leads to: the retired 6to4 relay
/// (RFC 7526) and a network of the retired 6bone (RFC 3701). Nothing is sent there.
pub(crate) const FAR_V4: Ipv4Addr = Ipv4Addr::new(192, 88, 99, 1);
pub(crate) const FAR_V6: Ipv6Addr = Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 1);

const LOOPBACK: u32 = 1; // the first link of every network namespace
const USUAL_MTU: u32 = 1500; // Ethernet's
const LEAST_MTU: u32 = 1280; // RFC 8200 §5
const MOST_MTU: u32 = 65_535; // an IP packet's length field
const MOST_CLIENT_PREFIXES: usize = 64; // each is a handful of rules
