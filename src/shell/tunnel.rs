//! What somebody else has to lead to our TUN, so that we see what we must and nothing
//! else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::Config;
use crate::core::policy::Policy;
use crate::core::prefix::Prefix;
use crate::core::time::Instant;
use crate::request::TunnelPlan;

/// What to lead there now; and why not everything is that should be.
#[must_use]
pub fn plan(config: &Config, policy: &Policy, now: Instant) -> (TunnelPlan, Option<String>) {
    let sinkholes = [config.sinkhole_v4, config.sinkhole_v6];
    let mut routes = sinkholes.to_vec();
    let others = policy.prefixes_of_tunnel(now);
    let others = others.into_iter().filter(|it| !sinkholes.iter().any(|hole| hole.covers(*it)));
    routes.extend(others);
    let left_out = routes.len().checked_sub(MOST_ROUTES).filter(|more| *more > 0).map(|more| {
        format!(
            "{more} address rules do not hold: a tunnel takes {MOST_ROUTES} routes; switch off \
             lists of addresses, or block names in their stead"
        )
    });
    routes.truncate(MOST_ROUTES);
    let (v4, v6) = resolvers(config);
    let first = |prefix: Prefix| match prefix.address() {
        IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() | OURS)),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() | u128::from(OURS))),
    };
    let plan = TunnelPlan {
        addresses: sinkholes.map(|prefix| first(prefix).into()).to_vec(),
        resolvers: vec![v4.into(), v6.into()],
        routes,
        mtu: MTU,
    };
    (plan, left_out)
}

/// The addresses that stand for our resolver.
#[must_use]
pub fn resolvers(config: &Config) -> (Ipv4Addr, Ipv6Addr) {
    let (v4, v6) = (v4(config.sinkhole_v4), v6(config.sinkhole_v6));
    (
        Ipv4Addr::from_bits(v4.to_bits() | RESOLVER),
        Ipv6Addr::from_bits(v6.to_bits() | u128::from(RESOLVER)),
    )
}

/// The address of a prefix that the configuration has checked to be IPv4.
pub(crate) fn v4(prefix: Prefix) -> Ipv4Addr {
    match prefix.address() {
        IpAddr::V4(v4) => v4,
        IpAddr::V6(_) => unreachable!("checked with the configuration"),
    }
}

/// The address of a prefix that the configuration has checked to be IPv6.
pub(crate) fn v6(prefix: Prefix) -> Ipv6Addr {
    match prefix.address() {
        IpAddr::V6(v6) => v6,
        IpAddr::V4(_) => unreachable!("checked with the configuration"),
    }
}

/// Places in both sinkholes, of the tunnel's own address and of the one that stands for
/// our resolver; places below 256 are never a name's.
const OURS: u32 = 1;
const RESOLVER: u32 = 0x35;

/// What a tunnel without a way of its own takes, in bytes.
pub const MTU: usize = 1500;

/// Routes that a tunnel takes. Android hands them over in one message, which is
/// bounded, and adds each by itself.
const MOST_ROUTES: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::Instant;

    #[test]
    fn a_tunnel_has_a_resolver_and_the_sinkholes_and_no_more() {
        let policy = Policy::blocking(&["tracker.example"]);
        let (plan, left_out) = plan(&Config::default(), &policy, Instant::ZERO);
        let said = |all: &[Prefix]| all.iter().map(Prefix::to_string).collect::<Vec<_>>();
        assert_eq!(said(&plan.addresses), ["198.18.0.1", "fd6f:7074:6f75:7400::1"]);
        assert_eq!(said(&plan.routes), ["198.18.0.0/15", "fd6f:7074:6f75:7400::/64"]);
        assert_eq!(plan.resolvers[0].to_string(), "198.18.0.53");
        assert_eq!(plan.resolvers[1].to_string(), "fd6f:7074:6f75:7400::35");
        assert_eq!(left_out, None);
    }
}
