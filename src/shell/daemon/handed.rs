//! A TUN that somebody else leads packets to.
//!
//! He is told what to lead there ([`TunnelPlan`]); whatever else comes cannot go on from
//! here, and is refused. He may take the TUN away, and hand over another.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use nix::ifaddrs::getifaddrs;

use super::Daemon;
use crate::config::{Capture, Config};
use crate::core::engine::Input;
use crate::request::TunnelPlan;
use crate::shell::tun::{HandedError, Tun};
use crate::shell::{clock, tunnel};

/// The TUN, and what is to be led there.
pub(super) struct Handed {
    /// None while it was taken away.
    pub(super) tun: Option<Tun>,
    /// Where clients' questions to our own address are led.
    pub(super) resolver_v6: Ipv6Addr,
    /// What is to be led there now.
    pub(super) plan: TunnelPlan,
    /// Why not everything is.
    left_out: Option<String>,
}

impl Handed {
    pub(super) fn new(tun: Option<OwnedFd>, config: &Config) -> Result<Self, HandedError> {
        let tun = tun.map(Tun::handed).transpose()?;
        let (_, resolver_v6) = tunnel::resolvers(config);
        let plan = TunnelPlan::default();
        Ok(Self { tun, resolver_v6, plan, left_out: None })
    }

    /// Bytes that fit into a packet.
    pub(super) fn mtu(&self) -> usize {
        let told = self.tun.as_ref().and_then(Tun::mtu);
        told.unwrap_or(tunnel::MTU).clamp(LEAST_MTU, MOST_MTU)
    }

    /// The tunnel's addresses and those outside. A packet from one of them is of a
    /// program here.
    pub(super) fn own_addresses(&self, outside: &[IpAddr]) -> Vec<IpAddr> {
        let of_tunnel = self.plan.addresses.iter().map(|prefix| prefix.address());
        of_tunnel.chain(outside.iter().copied()).collect()
    }

    /// Whether it is the resolver that programs ask in the tunnel.
    pub(super) fn is_ours(&self, resolver: IpAddr) -> bool {
        self.plan.resolvers.contains(&resolver)
    }

    pub(super) fn send(&self, packet: &[u8]) {
        if let Some(tun) = &self.tun {
            // What the kernel does not take is lost, as on any link.
            let _ = tun.try_send(packet);
        }
    }

    pub(super) fn problems(&self) -> Vec<String> {
        self.left_out.iter().cloned().collect()
    }
}

impl Daemon {
    /// Notes what is to be led to the TUN, and tells of it if that changed.
    pub(super) fn follow_plan(&mut self) {
        let (plan, left_out) = tunnel::plan(&self.config, &self.policy, clock::now());
        let Some(handed) = self.network.handed() else { return };
        handed.left_out = left_out;
        let first = handed.plan == TunnelPlan::default();
        if handed.plan != plan {
            handed.plan = plan;
            if !first {
                self.seat.plan_changed();
            }
        }
    }

    /// Goes on with another TUN, or with none.
    pub(super) fn replace_tunnel(&mut self, tun: Option<OwnedFd>) -> Result<(), HandedError> {
        let Some(handed) = self.network.handed() else { return Ok(()) };
        // The one before first: it may be of the same device.
        handed.tun = None;
        handed.tun = tun.map(Tun::handed).transpose()?;
        // Who had begun something over the one before will not hear of it again.
        self.engine.handle(clock::now(), Input::Release);
        self.tell_network();
        Ok(())
    }

    /// What full capture comes to here.
    pub(super) fn no_flows(&mut self) -> Vec<String> {
        let wanted = self.capture() == Capture::Full;
        let problems: Vec<_> = wanted.then(|| NO_FLOWS.to_owned()).into_iter().collect();
        self.problems.set("flows", problems.clone());
        problems
    }
}

/// The addresses of this machine, whatever they are on.
pub(super) fn addresses_here() -> Vec<IpAddr> {
    let address = |of: nix::ifaddrs::InterfaceAddress| {
        let address = of.address?;
        let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::from(*v4).ip());
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddr::from(*v6).ip()))
    };
    match getifaddrs() {
        Ok(all) => all.filter_map(address).collect(),
        Err(error) => {
            log::debug!("the addresses of this machine cannot be read: {error}");
            Vec::new()
        }
    }
}

const NO_FLOWS: &str = "flows are not looked into: the TUN was handed over, so nothing that passes \
                        can be put back on its way; use `optout capture selective`";

const LEAST_MTU: usize = 1280; // RFC 8200 §5
const MOST_MTU: usize = 65_535;
