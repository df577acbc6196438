//! The network side: where packets come from, where they go on, and who is asked.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use tokio::sync::{mpsc, watch};

use super::handed::Handed;
use super::led::{Leading, Led};
use super::{Daemon, DaemonError};
use crate::core::engine::Input;
use crate::core::flow::FiveTuple;
use crate::shell::clock;
use crate::shell::resolvers::{Found, Resolver, Watcher};
use crate::shell::tun::{OffloadTun, Tun};
use crate::shell::upstream::Upstreams;

/// Where packets come from, and who is asked.
pub(super) struct Network {
    pub(super) way: Way,
    /// What is outside, as it changes.
    pub(super) outside: watch::Receiver<Outside>,
    /// From the configuration; they go before the system's.
    configured: Vec<SocketAddr>,
    /// What the engine was last told to ask.
    told: Vec<SocketAddr>,
}

/// Who leads packets to us.
pub(super) enum Way {
    /// We do, on this machine and for those behind it.
    Led(Leading),
    /// Somebody else does.
    Handed(Handed),
}

/// The network outside, as far as we are told.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Outside {
    /// Its resolvers.
    pub(super) found: Found,
    /// This device's addresses. Where we lead packets ourselves we look for ourselves.
    pub(super) addresses: Vec<IpAddr>,
    /// Bytes cost money: no lists are fetched.
    pub(super) metered: bool,
    /// It wants a person to sign in first: no lists are fetched.
    pub(super) captive: bool,
}

/// What to wait for.
pub(super) struct Ears<'a> {
    pub(super) tun: Option<&'a Tun>,
    pub(super) offload: Option<&'a OffloadTun>,
    pub(super) changed: Option<&'a mut mpsc::Receiver<()>>,
    pub(super) outside: &'a mut watch::Receiver<Outside>,
}

/// An upstream, and where it is known from.
pub(super) struct Known {
    /// Its address.
    pub(super) address: SocketAddr,
    /// A file, or `config`.
    pub(super) source: String,
}

impl Network {
    pub(super) fn new(
        way: Way,
        outside: watch::Receiver<Outside>,
        configured: Vec<SocketAddr>,
    ) -> Self {
        Self { way, outside, configured, told: Vec::new() }
    }

    /// What to wait for.
    pub(super) fn ears(&mut self) -> Ears<'_> {
        let outside = &mut self.outside;
        match &mut self.way {
            Way::Led(led) => {
                let led: &mut Led = led;
                Ears {
                    tun: Some(&led.tun),
                    offload: led.offload.as_ref(),
                    changed: Some(&mut led.changed),
                    outside,
                }
            }
            Way::Handed(handed) => {
                Ears { tun: handed.tun.as_ref(), offload: None, changed: None, outside }
            }
        }
    }

    /// Where we lead packets to us ourselves.
    pub(super) fn led(&mut self) -> Option<&mut Led> {
        match &mut self.way {
            Way::Led(led) => Some(led),
            Way::Handed(_) => None,
        }
    }

    /// Where somebody else does.
    pub(super) fn handed(&mut self) -> Option<&mut Handed> {
        match &mut self.way {
            Way::Led(_) => None,
            Way::Handed(handed) => Some(handed),
        }
    }

    /// The device that packets come from, if there is one just now.
    pub(super) fn tun(&self) -> Option<&Tun> {
        match &self.way {
            Way::Led(led) => Some(&led.tun),
            Way::Handed(handed) => handed.tun.as_ref(),
        }
    }

    /// Bytes that fit into a packet.
    pub(super) fn mtu(&self) -> usize {
        match &self.way {
            Way::Led(led) => usize::try_from(led.routes.surroundings().mtu).unwrap_or(usize::MAX),
            Way::Handed(handed) => handed.mtu(),
        }
    }

    /// Where clients' questions to our own address are led.
    pub(super) fn resolver_v6(&self) -> Ipv6Addr {
        match &self.way {
            Way::Led(led) => led.resolver_v6,
            Way::Handed(handed) => handed.resolver_v6,
        }
    }

    /// Hands a packet to the kernel that is for a client, or for a program here.
    pub(super) fn send(&mut self, packet: &[u8]) {
        match &mut self.way {
            Way::Led(led) => led.send(packet),
            Way::Handed(handed) => handed.send(packet),
        }
    }

    /// Puts a packet of a client back on its way. Without ways of our own there is none.
    pub(super) fn put_back(&mut self, packet: &[u8], decided: bool, host: bool) {
        if let Some(led) = self.led() {
            led.put_back(packet, decided, host);
        }
    }

    /// A flow that passed must be looked at again.
    pub(super) fn recall(&mut self, flow: &FiveTuple) {
        if let Some(led) = self.led()
            && let Err(error) = led.routes.recall(flow)
        {
            log::debug!("a flow that passed cannot be recalled: {error}");
        }
    }

    /// Lets packets come our way.
    pub(super) fn capture_on(&mut self) -> Result<(), DaemonError> {
        self.led().map_or(Ok(()), |led| Ok(led.routes.capture_on()?))
    }

    /// Lets none come any more.
    pub(super) fn capture_off(&mut self) {
        if let Some(led) = self.led() {
            led.routes.capture_off();
        }
    }

    /// Who is asked, best first, and where that is known from.
    pub(super) fn upstreams(&self) -> Vec<Known> {
        if self.configured.is_empty() {
            let system = &self.outside.borrow().found.resolvers;
            let known = |found: &Resolver| Known {
                address: found.address,
                source: found.source.display().to_string(),
            };
            let others = system.iter().filter(|found| !self.is_ours(found.address.ip()));
            return others.map(known).collect();
        }
        let named = |&address: &SocketAddr| Known { address, source: "config".into() };
        self.configured.iter().map(named).collect()
    }

    /// Whether it is the resolver that programs ask in our tunnel. The system may have
    /// been told to ask it; we would ask ourselves.
    fn is_ours(&self, resolver: IpAddr) -> bool {
        matches!(&self.way, Way::Handed(handed) if handed.is_ours(resolver))
    }

    /// Their addresses alone.
    pub(super) fn addresses_of_upstreams(&self) -> Vec<SocketAddr> {
        self.upstreams().iter().map(|known| known.address).collect()
    }

    /// From now on, ask these before the system's.
    pub(super) fn configure(&mut self, upstreams: Vec<SocketAddr>) {
        self.configured = upstreams;
    }

    /// Whether nothing should be fetched just now.
    pub(super) fn is_spared(&self) -> bool {
        let outside = self.outside.borrow();
        outside.metered || outside.captive
    }

    /// What is missing on this side.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = match &self.way {
            Way::Led(led) => led.problems(),
            Way::Handed(handed) => handed.problems(),
        };
        if self.configured.is_empty() {
            let outside = self.outside.borrow();
            problems.extend(outside.found.problem.clone());
            if outside.found.problem.is_none() && self.upstreams().is_empty() {
                problems.push(ONLY_OURS.into());
            }
        }
        problems
    }

    /// A real packet of ours must not come back to us.
    pub(super) async fn self_test(&self, sockets: &mut Upstreams) -> Result<(), DaemonError> {
        let upstreams = self.addresses_of_upstreams();
        match &self.way {
            Way::Led(led) => led.self_test(sockets, &upstreams).await,
            Way::Handed(_) => Ok(()),
        }
    }
}

impl Daemon {
    /// Tells the engine who we are and whom to ask.
    pub(super) fn tell_network(&mut self) {
        let own = match &self.network.way {
            Way::Led(led) => led.routes.surroundings().own_addresses.clone(),
            Way::Handed(handed) => handed.own_addresses(&self.network.outside.borrow().addresses),
        };
        self.engine.handle(clock::now(), Input::OwnAddresses(own));
        self.tell_upstreams();
    }

    /// Tells the engine whom to ask.
    pub(super) fn tell_upstreams(&mut self) {
        let upstreams = self.network.addresses_of_upstreams();
        if upstreams != self.network.told {
            log::info!("resolvers that questions are passed on to: {}", upstreams.len());
            self.network.told.clone_from(&upstreams);
        }
        self.engine.handle(clock::now(), Input::Upstreams(upstreams));
    }

    /// The network changed, or someone changed our rules: make it right again.
    pub(super) fn look_around(&mut self) {
        let Some(led) = self.network.led() else { return };
        match led.routes.refresh() {
            Ok(changes) => {
                if changes.restored {
                    log::warn!("another program removed our routing; it is back");
                }
                let is_stale = led.is_test_stale();
                self.problems.set("routes", None);
                self.tell_network();
                if is_stale {
                    self.follow_capture();
                }
            }
            Err(error) => {
                log::error!("{error}");
                self.problems.set("routes", Some(error.to_string()));
            }
        }
    }

    /// Routes what address rules stop into the TUN, and nothing else.
    pub(super) fn route_prefixes(&mut self) {
        let now = clock::now();
        let Some(led) = self.network.led() else { return self.follow_plan() };
        let prefixes = self.policy.prefixes_to_route(now);
        let spared = self.policy.prefixes_to_spare(now);
        let problem = led.routes.set_prefixes(prefixes, spared).err();
        self.problems.set("prefixes", problem.map(|error| error.to_string()));
    }
}

const ONLY_OURS: &str = "no resolver to pass questions to: the system was told of optout's own \
                         alone; name upstreams in the configuration";

/// Tells of the system's resolvers as they change.
pub(super) async fn tell_resolvers(mut resolvers: Watcher, tell: watch::Sender<Outside>) {
    while let Ok(found) = resolvers.changed().await {
        let found = found.clone();
        tell.send_modify(|outside| outside.found = found);
        if tell.is_closed() {
            return;
        }
    }
    log::error!("resolv.conf is not watched any more; restart optout when it changes");
}
