//! The sets of the table: what they hold, and how it is put in and read out.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::super::expression::{Field, NETWORK_HEADER, Rule, TRANSPORT_HEADER};
use super::super::message::{Attributes, Batch, body, question};
use super::super::{CREATE, FAMILIES, PROTOCOLS};
use super::NAME;
use crate::core::flow::{FiveTuple, Protocol};
use crate::core::prefix::Prefix;
use crate::shell::netlink::{Netlink, attributes};

/// A set of flows that passed, by protocol and family.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Passed(pub(super) Protocol, pub(super) bool);

impl Passed {
    /// All four.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        FAMILIES.into_iter().flat_map(|v6| PROTOCOLS.map(|protocol| Self(protocol, v6)))
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match (self.0, self.1) {
            (Protocol::Tcp, false) => "passed_tcp4",
            (Protocol::Udp, false) => "passed_udp4",
            (Protocol::Tcp, true) => "passed_tcp6",
            (Protocol::Udp, true) => "passed_udp6",
        }
    }

    /// How long a flow stays in it, if no packet of it comes to us.
    fn timeout(self) -> Duration {
        match self.0 {
            Protocol::Tcp => TCP_TIMEOUT,
            Protocol::Udp => UDP_TIMEOUT,
        }
    }

    /// Makes it.
    pub(super) fn make(self, batch: &mut Batch, id: u32, size: u32) {
        let address = if self.1 { IPV6_ADDR } else { IPV4_ADDR };
        let kinds = [address, INET_SERVICE, address, INET_SERVICE];
        let kind = kinds.iter().fold(0, |all, kind| all << TYPE_BITS | kind);
        let width = if self.1 { 40 } else { 16 };
        let set = Attributes::default()
            .text(2, self.name())
            .number(3, SET_EVAL | SET_TIMEOUT)
            .number(4, kind)
            .number(5, width)
            .nest(9, &Attributes::default().number(1, size))
            .number(10, id)
            .millis(11, self.timeout());
        batch.push(NEW_SET, CREATE, set);
    }

    /// Takes a flow out of it.
    pub(super) fn forget(self, batch: &mut Batch, flow: &FiveTuple) {
        let mut key = Vec::new();
        for end in [flow.source, flow.destination] {
            match end {
                SocketAddr::V4(v4) => key.extend(v4.ip().octets()),
                SocketAddr::V6(v6) => key.extend(v6.ip().octets()),
            }
            key.extend(end.port().to_be_bytes());
            key.extend([0; 2]); // every part takes whole registers of four bytes
        }
        let elements = Attributes::default().nest(1, &element(&key, false));
        let list = Attributes::default().text(2, self.name()).nest(3, &elements);
        batch.push(DEL_ELEMENTS, 0, list);
    }
}

impl Rule {
    /// It is of a flow that passed, or, with `not`, of none.
    pub(super) fn passed(self, set: Passed, not: bool) -> Self {
        self.tuple(set).look_up(set.name(), FIRST, not)
    }

    /// From now on its flow passes.
    pub(super) fn pass(self, set: Passed, timeout: Option<Duration>) -> Self {
        self.tuple(set).update(set.name(), FIRST, timeout)
    }

    /// From now on its flow does not pass any more.
    pub(super) fn recall(self, set: Passed) -> Self {
        self.tuple(set).delete(set.name(), FIRST)
    }

    /// Its source, or with `to` its destination, is in this set. Only after
    /// [`Rule::family`].
    pub(super) fn address_in(self, set: &str, v6: bool, to: bool) -> Self {
        let field = match (v6, to) {
            (false, false) => SOURCE_V4,
            (false, true) => DESTINATION_V4,
            (true, false) => SOURCE_V6,
            (true, true) => DESTINATION_V6,
        };
        self.read(field, FIRST).look_up(set, FIRST, false)
    }

    /// The port that it goes to is in this set. Only after [`Rule::protocol`].
    pub(super) fn port_to_in(self, set: &str) -> Self {
        self.read(DESTINATION_PORT, FIRST).look_up(set, FIRST, false)
    }

    /// Notes the port that it comes from in this set. Only after [`Rule::protocol`].
    pub(super) fn note_port_from(self, set: &str) -> Self {
        self.read(SOURCE_PORT, FIRST).update(set, FIRST, None)
    }

    /// Reads who talks to whom, in the order of the sets' keys.
    fn tuple(self, Passed(protocol, v6): Passed) -> Self {
        let (source, destination, width) =
            if v6 { (SOURCE_V6, DESTINATION_V6, 4) } else { (SOURCE_V4, DESTINATION_V4, 1) };
        self.family(v6)
            .protocol(protocol)
            .read(source, FIRST)
            .read(SOURCE_PORT, FIRST + width)
            .read(destination, FIRST + width + 1)
            .read(DESTINATION_PORT, FIRST + 2 * width + 1)
    }
}

/// A set of whole ranges.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Ranges {
    name: &'static str,
    kind: u32,
    bytes: usize,
    /// First and last of each.
    whole: Vec<(u128, u128)>,
}

impl Ranges {
    /// Those of `prefixes` that are of this family.
    pub(super) fn of_prefixes(name: &'static str, v6: bool, prefixes: &[Prefix]) -> Self {
        let (kind, bytes, bits) = if v6 { (IPV6_ADDR, 16, 128) } else { (IPV4_ADDR, 4, 32) };
        let range = |prefix: &Prefix| {
            let first = match prefix.address() {
                std::net::IpAddr::V4(v4) => u128::from(v4.to_bits()),
                std::net::IpAddr::V6(v6) => v6.to_bits(),
            };
            let rest = u128::MAX.checked_shr(128 - bits + u32::from(prefix.length())).unwrap_or(0);
            (first, first | rest)
        };
        let ranges = prefixes.iter().filter(|prefix| prefix.is_v6() == v6).map(range).collect();
        Self { name, kind, bytes, whole: joined(ranges) }
    }

    /// Ports, from and to.
    pub(super) fn of_ports(name: &'static str, ports: &[(u16, u16)]) -> Self {
        let ranges = ports.iter().map(|&(from, to)| (from.into(), to.into())).collect();
        Self { name, kind: INET_SERVICE, bytes: 2, whole: joined(ranges) }
    }

    /// Makes the set, or keeps the one that is there.
    pub(super) fn make(&self, batch: &mut Batch, id: u32) {
        let set = Attributes::default()
            .text(2, self.name)
            .number(3, SET_INTERVAL)
            .number(4, self.kind)
            .number(5, u32::try_from(self.bytes).expect("at most an address"))
            .number(10, id);
        batch.push(NEW_SET, CREATE, set);
    }

    /// Puts the ranges into the set, and nothing else is in it then.
    pub(super) fn fill(&self, batch: &mut Batch) {
        batch.push(DEL_ELEMENTS, 0, Attributes::default().text(2, self.name));
        let mut elements = Attributes::default();
        let most = u128::MAX >> (128 - 8 * self.bytes);
        let octets = |value: u128| value.to_be_bytes().split_at(16 - self.bytes).1.to_vec();
        for &(from, to) in &self.whole {
            elements = elements.nest(1, &element(&octets(from), false));
            if to < most {
                elements = elements.nest(1, &element(&octets(to + 1), true));
            }
        }
        if !self.whole.is_empty() {
            let list = Attributes::default().text(2, self.name).nest(3, &elements);
            batch.push(NEW_ELEMENTS, CREATE, list);
        }
    }
}

/// Makes the set of ports that a test came by.
pub(super) fn make_tested(batch: &mut Batch, id: u32) {
    let set = Attributes::default()
        .text(2, TESTED)
        .number(3, SET_EVAL | SET_TIMEOUT)
        .number(4, INET_SERVICE)
        .number(5, 2)
        .nest(9, &Attributes::default().number(1, MOST_TESTED))
        .number(10, id)
        .millis(11, TESTED_TIMEOUT);
    batch.push(NEW_SET, CREATE, set);
}

/// The ports that tests came by.
pub(super) fn tested(netlink: &mut Netlink) -> io::Result<Vec<u16>> {
    let mut ports = Vec::new();
    each_element(netlink, TESTED, |element| {
        let key = attributes(element).find(|&(kind, _)| kind == 1).map(|(_, key)| key);
        let value = key.and_then(|key| attributes(key).next()).map(|(_, value)| value);
        ports.extend(value.and_then(<[u8]>::first_chunk).map(|port| u16::from_be_bytes(*port)));
    })?;
    Ok(ports)
}

/// Forgets the ports that tests came by.
pub(super) fn forget_tested(batch: &mut Batch) {
    batch.push(DEL_ELEMENTS, 0, Attributes::default().text(2, TESTED));
}

/// How many flows are in a set.
pub(super) fn count(netlink: &mut Netlink, set: Passed) -> io::Result<u64> {
    let mut count = 0;
    each_element(netlink, set.name(), |_| count += 1)?;
    Ok(count)
}

fn each_element(netlink: &mut Netlink, set: &str, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let question = question(GET_ELEMENTS, Some(NAME), &Attributes::default().text(2, set));
    netlink.dump(&question, |frame| {
        let lists = attributes(body(frame)).filter(|&(kind, _)| kind == 3);
        lists.flat_map(|(_, list)| attributes(list)).for_each(|(_, element)| take(element));
    })
}

fn element(key: &[u8], ends: bool) -> Attributes {
    let key = Attributes::default().nest(1, &Attributes::default().bytes(1, key));
    if ends { key.number(3, INTERVAL_END) } else { key }
}

/// In order, and none touches another.
fn joined(mut ranges: Vec<(u128, u128)>) -> Vec<(u128, u128)> {
    ranges.sort_unstable();
    let mut joined: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
    for (from, to) in ranges {
        match joined.last_mut() {
            Some(last) if from <= last.1.saturating_add(1) => last.1 = last.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    joined
}

pub(super) const TESTED: &str = "tested";

const TCP_TIMEOUT: Duration = Duration::from_hours(1); // then one packet comes by us again
const UDP_TIMEOUT: Duration = Duration::from_mins(3);
const TESTED_TIMEOUT: Duration = Duration::from_secs(10);
const MOST_TESTED: u32 = 64;

const NEW_SET: u16 = 9; // nf_tables.h, enum nf_tables_msg_types
const NEW_ELEMENTS: u16 = 12;
const GET_ELEMENTS: u16 = 13;
const DEL_ELEMENTS: u16 = 14;
const SET_INTERVAL: u32 = 4; // enum nft_set_flags
const SET_TIMEOUT: u32 = 0x10;
const SET_EVAL: u32 = 0x20;
const INTERVAL_END: u32 = 1; // enum nft_set_elem_flags

// Types as nft(8) numbers them, so that it can show the sets (its datatype.h).
const TYPE_BITS: u32 = 6;
const IPV4_ADDR: u32 = 7;
const IPV6_ADDR: u32 = 8;
const INET_SERVICE: u32 = 13;

const FIRST: u32 = 8; // NFT_REG32_00: from here on, registers of four bytes
const SOURCE_V4: Field = Field { base: NETWORK_HEADER, offset: 12, length: 4 }; // RFC 791 §3.1
const DESTINATION_V4: Field = Field { base: NETWORK_HEADER, offset: 16, length: 4 };
const SOURCE_V6: Field = Field { base: NETWORK_HEADER, offset: 8, length: 16 }; // RFC 8200 §3
const DESTINATION_V6: Field = Field { base: NETWORK_HEADER, offset: 24, length: 16 };
const SOURCE_PORT: Field = Field { base: TRANSPORT_HEADER, offset: 0, length: 2 };
const DESTINATION_PORT: Field = Field { base: TRANSPORT_HEADER, offset: 2, length: 2 };

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(prefixes: &str, v6: bool) -> Vec<(u128, u128)> {
        let prefixes: Vec<_> = prefixes.split(' ').map(|text| text.parse().unwrap()).collect();
        Ranges::of_prefixes("x", v6, &prefixes).whole
    }

    #[test]
    fn prefixes_that_overlap_or_touch_are_one_range() {
        let (a, b) = (0xc000_0200, 0xc000_0300);
        assert_eq!(ranges("192.0.2.0/24 192.0.2.128/25", false), [(a, a + 255)]);
        assert_eq!(ranges("192.0.3.0/24 192.0.2.0/24", false), [(a, b + 255)]);
        assert_eq!(ranges("192.0.2.1/32 192.0.2.3/32", false), [(a + 1, a + 1), (a + 3, a + 3)]);
    }

    #[test]
    fn the_last_range_may_end_with_the_last_address() {
        assert_eq!(ranges("255.0.0.0/8", false), [(0xff00_0000, 0xffff_ffff)]);
        assert_eq!(ranges("ff00::/8 192.0.2.0/24", true), [(0xff << 120, u128::MAX)]);
        assert_eq!(ranges("::/0", true), [(0, u128::MAX)]);
    }
}
