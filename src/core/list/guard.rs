//! What no list may name.

use std::collections::HashSet;
use std::net::IpAddr;

use super::{Fault, Options};
use crate::core::prefix::Prefix;
use crate::core::rule::{Action, Limits, Rule, Scope, Subject};

/// Knows what must stay reachable whatever a list says.
///
/// A list is a stranger's. What a user says himself does not pass here.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    names: HashSet<Box<str>>,
}

impl Guard {
    /// Protects exactly these names, in the form of
    /// [`HostName`](crate::core::host::HostName): what the pack `never-block` and the
    /// configuration need. What is below them is not protected: a rule may name that.
    #[must_use]
    pub fn protecting<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self { names: names.into_iter().map(Into::into).collect() }
    }

    /// Why no list may have this rule; `None` if it may.
    ///
    /// An exception is refused only if it is for everything or for all of a public
    /// suffix: it would switch off all other lists.
    pub(super) fn objection(&self, rule: &Rule<'_>, options: &Options) -> Option<Fault> {
        let limited = rule.limits.as_deref().is_some_and(narrows);
        match rule.subject {
            Subject::Everything => (!limited).then_some(Fault::MatchesAll),
            Subject::Pattern(_) => None, // was looked at as it was made
            Subject::Prefix(prefix) => objection_to_prefix(prefix, rule.action),
            Subject::Host("", _) => Some(Fault::MatchesAll),
            Subject::Host(name, scope) => {
                let spared = options.tlds || limited || rule.cancels;
                self.objection_to_name(name, scope, rule.action, spared)
            }
        }
    }

    fn objection_to_name(
        &self,
        name: &str,
        scope: Scope,
        action: Action,
        spared: bool,
    ) -> Option<Fault> {
        let (exact, allow) = (scope == Scope::Exact, action == Action::Allow);
        let own = name == "localhost" || name.ends_with(".localhost"); // RFC 6761 §6.3
        if !allow && (own || (scope != Scope::Below && self.names.contains(name))) {
            return Some(if own && exact { Fault::SingleLabel } else { Fault::Protected });
        }
        if spared || (allow && exact) {
            None
        } else if is_public_suffix(name) {
            Some(Fault::PublicSuffix)
        } else {
            (exact && !name.contains('.')).then_some(Fault::SingleLabel)
        }
    }
}

/// Whether everyone has names directly below it, by the part of the public suffix
/// list that registries answer for. The rest of that list is for owners of zones who
/// let others have names there: such a zone may be blocked.
pub(super) fn is_public_suffix(name: &str) -> bool {
    psl2::lookup(name).is_some_and(|domain| domain.is_icann() && domain.is_public_suffix())
}

/// Whether a rule with these limits leaves most questions alone. To leave out some
/// types or clients is not enough for that.
fn narrows(limits: &Limits) -> bool {
    !limits.not_below.is_empty()
        || !limits.types.is_empty()
        || !limits.clients.is_empty()
        || !limits.tags.is_empty()
        || limits.schedule.is_some()
}

fn objection_to_prefix(prefix: Prefix, action: Action) -> Option<Fault> {
    let shortest = if prefix.is_v6() { MIN_V6 } else { MIN_V4 };
    if prefix.length() == 0 {
        return Some(Fault::MatchesAll);
    }
    let special = action != Action::Allow
        && match prefix.address().to_canonical() {
            IpAddr::V4(_) => touches(prefix, &SPECIAL_V4),
            IpAddr::V6(_) => touches(prefix, &SPECIAL_V6) || covers_nat64(prefix),
        };
    (prefix.length() < shortest || special).then_some(Fault::ProtectedAddress)
}

/// Whether `prefix` has an address in one of these.
fn touches(prefix: Prefix, others: &[(IpAddr, u8)]) -> bool {
    others.iter().any(|&(address, length)| {
        Prefix::new(address, length).is_ok_and(|other| other.covers(prefix) || prefix.covers(other))
    })
}

/// Whether it is all that a network without IPv4 has for it (RFC 6052 §2.1).
fn covers_nat64(prefix: Prefix) -> bool {
    let (address, length) = NAT64;
    Prefix::new(address, length).is_ok_and(|nat64| prefix.covers(nat64))
}

const MIN_V4: u8 = 8; // bits: no owner has more
const MIN_V6: u8 = 16; // bits: a registry has /12 and gives out /19 at most, rarely more

/// Addresses that are nobody's to block (RFC 6890): this host, the home, the link, the
/// carrier, our own sinkholes' range, multicast.
const SPECIAL_V4: [(IpAddr, u8); 9] = [
    (v4(0, 0), 8),
    (v4(10, 0), 8),
    (v4(100, 64), 10),
    (v4(127, 0), 8),
    (v4(169, 254), 16),
    (v4(172, 16), 12),
    (v4(192, 168), 16),
    (v4(198, 18), 15),
    (v4(224, 0), 3), // multicast, and reserved up to broadcast
];
const SPECIAL_V6: [(IpAddr, u8); 4] = [
    (v6(0), 95), // unspecified, loopback; IPv4 within IPv6 is read as IPv4
    (v6(0xfc00), 7),
    (v6(0xfe80), 9), // link-local, and site-local of old
    (v6(0xff00), 8),
];
const NAT64: (IpAddr, u8) =
    (IpAddr::V6(std::net::Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0)), 96);

const fn v4(first: u8, second: u8) -> IpAddr {
    IpAddr::V4(std::net::Ipv4Addr::new(first, second, 0, 0))
}

const fn v6(first: u16) -> IpAddr {
    IpAddr::V6(std::net::Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0))
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::*;

    fn judge(rule: &Rule<'_>) -> Option<Fault> {
        Guard::protecting(["time.vendor.example", "vendor.example"])
            .objection(rule, &Options::of(Format::Adblock))
    }

    macro_rules! host {
        ($test:ident, $action:ident, $scope:ident, $name:expr, $want:expr) => {
            #[test]
            fn $test() {
                let subject = Subject::Host($name, Scope::$scope);
                assert_eq!(judge(&Rule::about(subject, Action::$action)), $want, "{}", $name);
            }
        };
    }

    host!(an_ordinary_name_may_be_blocked, Block, Exact, "a.example", None);
    host!(a_protected_name_may_not, Block, Exact, "vendor.example", Some(Fault::Protected));
    host!(nor_with_what_is_below, Block, WithSubdomains, "vendor.example", Some(Fault::Protected));
    host!(what_is_only_below_it_may, Block, Below, "vendor.example", None);
    host!(a_name_below_a_protected_one_may, Block, Exact, "ads.vendor.example", None);
    host!(a_protected_name_may_be_allowed, Allow, Exact, "vendor.example", None);
    host!(a_top_level_domain, Block, WithSubdomains, "com", Some(Fault::PublicSuffix));
    host!(a_top_level_domain_exactly, Block, Exact, "com", Some(Fault::PublicSuffix));
    host!(a_suffix_of_two_labels, Block, WithSubdomains, "co.uk", Some(Fault::PublicSuffix));
    host!(what_is_below_a_suffix, Block, Below, "co.uk", Some(Fault::PublicSuffix));
    host!(a_suffix_by_a_wildcard_of_the_list, Block, Exact, "x.ck", Some(Fault::PublicSuffix));
    host!(an_exception_of_that_list, Block, WithSubdomains, "www.ck", None);
    host!(a_suffix_in_punycode, Block, Exact, "xn--p1ai", Some(Fault::PublicSuffix));
    host!(a_suffix_of_a_private_owner_may, Block, WithSubdomains, "duckdns.org", None);
    host!(a_name_below_a_suffix_may, Block, WithSubdomains, "a.co.uk", None);
    host!(a_suffix_is_not_allowed_either, Allow, WithSubdomains, "com", Some(Fault::PublicSuffix));
    host!(a_suffix_alone_may_be_allowed, Allow, Exact, "com", None);
    host!(a_single_label_exactly, Block, Exact, "actorr", Some(Fault::SingleLabel));
    host!(a_zone_of_ones_own_may, Block, WithSubdomains, "lan", None);
    host!(localhost_may_not, Block, WithSubdomains, "localhost", Some(Fault::Protected));
    host!(localhost_is_a_single_label, Block, Exact, "localhost", Some(Fault::SingleLabel));
    host!(the_root_may_not, Block, Below, "", Some(Fault::MatchesAll));
    host!(the_root_is_not_allowed_either, Allow, WithSubdomains, "", Some(Fault::MatchesAll));

    macro_rules! address {
        ($test:ident, $action:ident, $prefix:expr, $want:expr) => {
            #[test]
            fn $test() {
                let subject = Subject::Prefix($prefix.parse().unwrap());
                assert_eq!(judge(&Rule::about(subject, Action::$action)), $want, "{}", $prefix);
            }
        };
    }
    const NO: Option<Fault> = Some(Fault::ProtectedAddress);

    address!(an_ordinary_address_may_be_blocked, Block, "192.0.2.1", None);
    address!(documentation_may_be_blocked, Block, "2001:db8::/32", None);
    address!(a_home_network_may_not, Block, "192.168.1.0/24", NO);
    address!(a_home_network_of_ten_may_not, Block, "10.1.2.3", NO);
    address!(a_home_network_of_172_may_not, Block, "172.31.0.1", NO);
    address!(what_is_beside_172_may, Block, "172.32.0.1", None);
    address!(what_contains_a_home_network_may_not, Block, "192.0.0.0/8", NO);
    address!(loopback_may_not, Block, "127.0.0.1", NO);
    address!(the_link_may_not, Block, "169.254.169.254", NO);
    address!(the_carrier_may_not, Block, "100.64.0.1", NO);
    address!(what_is_beside_the_carrier_may, Block, "100.128.0.1", None);
    address!(the_sinkhole_may_not, Block, "198.18.0.0/15", NO);
    address!(multicast_may_not, Block, "224.0.0.1", NO);
    address!(broadcast_may_not, Block, "255.255.255.255", NO);
    address!(the_unspecified_may_not, Block, "0.0.0.0", NO);
    address!(an_eighth_may_be_blocked, Block, "44.0.0.0/8", None);
    address!(more_than_an_eighth_may_not, Block, "44.0.0.0/7", NO);
    address!(all_addresses_may_not, Block, "0.0.0.0/0", Some(Fault::MatchesAll));
    address!(all_of_ipv6_may_not, Block, "::/0", Some(Fault::MatchesAll));
    address!(all_addresses_are_not_allowed_either, Allow, "0.0.0.0/0", Some(Fault::MatchesAll));
    address!(loopback_of_ipv6_may_not, Block, "::1", NO);
    address!(unique_local_may_not, Block, "fd00:1::/32", NO);
    address!(link_local_of_ipv6_may_not, Block, "fe80::/10", NO);
    address!(multicast_of_ipv6_may_not, Block, "ff02::1", NO);
    address!(all_of_nat64_may_not, Block, "64:ff9b::/96", NO);
    address!(one_address_behind_nat64_may, Block, "64:ff9b::c000:201", None);
    address!(a_sixteenth_of_ipv6_may, Block, "2a02::/16", None);
    address!(more_of_ipv6_may_not, Block, "2a02::/15", NO);
    address!(a_home_network_may_be_allowed, Allow, "192.168.1.0/24", None);

    #[test]
    fn everything_needs_a_limit_that_narrows_it() {
        let mut rule = Rule::about(Subject::Everything, Action::Block);
        assert_eq!(judge(&rule), Some(Fault::MatchesAll));
        rule.limits = Some(Box::default());
        assert_eq!(judge(&rule), Some(Fault::MatchesAll));
        rule.limits = Some(Box::new(Limits { not_types: vec![5], ..Limits::default() }));
        assert_eq!(judge(&rule), Some(Fault::MatchesAll));
        rule.limits = Some(Box::new(Limits { types: vec![65], ..Limits::default() }));
        assert_eq!(judge(&rule), None);
        rule.action = Action::Allow;
        assert_eq!(judge(&rule), None);
    }

    #[test]
    fn a_list_of_top_level_domains_may_name_them_but_nothing_protected() {
        let options = Options { tlds: true, ..Options::of(Format::Adblock) };
        let guard = Guard::protecting(["zip"]);
        let wide = |name| Rule::block(name, Scope::WithSubdomains);
        assert_eq!(guard.objection(&wide("mov"), &options), None);
        assert_eq!(guard.objection(&wide("zip"), &options), Some(Fault::Protected));
    }

    #[test]
    fn what_is_below_a_suffix_or_nothing_is_none() {
        assert!(is_public_suffix("a.kawasaki.jp") && !is_public_suffix("city.kawasaki.jp"));
        assert!(!is_public_suffix("a.city.kawasaki.jp") && !is_public_suffix("b.a.kawasaki.jp"));
        assert!(!is_public_suffix("") && !is_public_suffix("example"));
    }
}
