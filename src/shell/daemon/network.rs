//! The network side: device, routes, resolvers, and what watches them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::sync::{mpsc, watch};

use super::{Daemon, DaemonError};
use crate::config::{Config, FailPolicy};
use crate::core::engine::{AskId, Input, Transport};
use crate::core::prefix::Prefix;
use crate::shell::clock;
use crate::shell::link_local::{Listener, Question};
use crate::shell::nft::flows::Ends;
use crate::shell::put_back::PutBack;
use crate::shell::resolvers::{Found, Places, Resolver, Watcher};
use crate::shell::route::monitor::Monitor;
use crate::shell::route::{Fail, Plan, Routes, Surroundings, self_test};
use crate::shell::tun::{OffloadTun, Tun};
use crate::shell::upstream::Upstreams;

/// Device, routes, and what watches them. Dropping it gives everything back;
/// the fields go in this order.
pub(super) struct Network {
    /// Routes, rules and the packet filter.
    pub(super) routes: Routes,
    /// The device.
    pub(super) tun: Tun,
    /// Says when links, addresses, routes or rules changed.
    pub(super) changed: mpsc::Receiver<()>,
    /// The system's resolvers, as they change.
    pub(super) found: watch::Receiver<Found>,
    /// Where clients' questions to our own address are led.
    pub(super) resolver_v6: Ipv6Addr,
    /// From the configuration; they go before the system's.
    configured: Vec<SocketAddr>,
    /// What the engine was last told to ask.
    told: Vec<SocketAddr>,
    pub(super) plan: Plan,
    /// Where decided packets are put back, once flows are looked into.
    pub(super) passing: Option<Tun>,
    /// Where flows come by and are put back, on a kernel without nftables.
    pub(super) offload: Option<OffloadTun>,
    /// How packets are put back.
    pub(super) put_back: PutBack,
    /// Which flows can be put back.
    pub(super) ends: Ends,
    /// Number of the last test of that.
    pub(super) tests: u16,
    /// What it was like when what we put back was last tested: the generation of the
    /// packet filter, and the network.
    pub(super) tested: Option<(u32, Surroundings)>,
    /// What the network was like when flows were last to be led to us by rules.
    pub(super) led: Option<Surroundings>,
    /// Why clients on the local link are not covered.
    listener_problem: Option<String>,
}

/// An upstream, and where it is known from.
pub(super) struct Known {
    /// Its address.
    pub(super) address: SocketAddr,
    /// A file, or `config`.
    pub(super) source: String,
}

impl Network {
    /// Makes the device and its tables. Nothing comes our way yet.
    pub(super) fn set_up(
        config: &Config,
        questions: mpsc::Sender<Question>,
    ) -> Result<Self, DaemonError> {
        let (listener, listener_problem) = match Listener::open(config.mark.get()) {
            Ok(listener) => (config.capture_forwarded.then_some(listener), None),
            Err(error) => {
                (None, Some(format!("cannot listen for clients on the local link: {error}")))
            }
        };
        let plan = plan(config, listener.as_ref().map(Listener::port));
        let tun = Tun::open(&config.device)?;
        let monitor = Monitor::open().map_err(DaemonError::system("watch the network"))?;
        let (change, changed) = mpsc::channel(1);
        let routes = Routes::set_up(plan.clone(), &tun)?;
        let places = Places { main: config.resolv_conf.clone(), ..Places::default() };
        let resolvers = Watcher::open(places).map_err(DaemonError::system("watch resolv.conf"))?;
        let (find, found) = watch::channel(resolvers.found().clone());
        // Tasks of their own: they wait for a change to settle, and the loop
        // would break that off with every packet.
        tokio::spawn(tell_changes(monitor, change));
        tokio::spawn(tell_resolvers(resolvers, find));
        if let Some(listener) = listener {
            tokio::spawn(listener.run(questions));
        }
        let resolver_v6 = plan.resolver_v6;
        let configured = config.upstreams.clone();
        Ok(Self {
            routes,
            tun,
            changed,
            found,
            resolver_v6,
            configured,
            told: Vec::new(),
            put_back: PutBack::new(&plan),
            plan,
            passing: None,
            offload: None,
            ends: Ends::default(),
            tests: 0,
            tested: None,
            led: None,
            listener_problem,
        })
    }

    /// Who is asked, best first, and where that is known from.
    pub(super) fn upstreams(&self) -> Vec<Known> {
        if self.configured.is_empty() {
            let system = &self.found.borrow().resolvers;
            let known = |found: &Resolver| Known {
                address: found.address,
                source: found.source.display().to_string(),
            };
            return system.iter().map(known).collect();
        }
        let named = |&address: &SocketAddr| Known { address, source: "config".into() };
        self.configured.iter().map(named).collect()
    }

    /// From now on, ask these before the system's.
    pub(super) fn configure(&mut self, upstreams: Vec<SocketAddr>) {
        self.configured = upstreams;
    }

    /// What is missing on this side.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = self.routes.problems();
        problems.extend(self.listener_problem.clone());
        if self.configured.is_empty() {
            problems.extend(self.found.borrow().problem.clone());
        }
        problems
    }

    /// A real packet of ours must not come back to us.
    pub(super) async fn self_test(&self, sockets: &mut Upstreams) -> Result<(), DaemonError> {
        let upstreams: Vec<_> = self.upstreams().iter().map(|known| known.address).collect();
        let mut asked = 0;
        // By the sockets of every question, so that it is them that are tested.
        // The engine has asked nothing yet, so no number is taken.
        let outcome = self_test(&self.tun, &self.plan, &upstreams, |to, message| {
            sockets.ask(AskId(asked), to, Transport::Udp, message);
            asked += 1;
            Ok(())
        })
        .await;
        (0..asked).for_each(|ask| sockets.forget(AskId(ask)));
        Ok(outcome?)
    }
}

impl Daemon {
    /// Tells the engine who we are and whom to ask.
    pub(super) fn tell_network(&mut self) {
        let own = self.network.routes.surroundings().own_addresses.clone();
        self.engine.handle(clock::now(), Input::OwnAddresses(own));
        self.tell_upstreams();
    }

    /// Tells the engine whom to ask.
    pub(super) fn tell_upstreams(&mut self) {
        let upstreams: Vec<_> =
            self.network.upstreams().iter().map(|known| known.address).collect();
        if upstreams != self.network.told {
            log::info!("resolvers that questions are passed on to: {}", upstreams.len());
            self.network.told.clone_from(&upstreams);
        }
        self.engine.handle(clock::now(), Input::Upstreams(upstreams));
    }

    /// The network changed, or someone changed our rules: make it right again.
    pub(super) fn look_around(&mut self) {
        match self.network.routes.refresh() {
            Ok(changes) => {
                if changes.restored {
                    log::warn!("another program removed our routing; it is back");
                }
                self.problems.set("routes", None);
                self.tell_network();
                if self.network.is_test_stale() {
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
        let prefixes = self.policy.prefixes_to_route(now);
        let spared = self.policy.prefixes_to_spare(now);
        let problem = self.network.routes.set_prefixes(prefixes, spared).err();
        self.problems.set("prefixes", problem.map(|error| error.to_string()));
    }
}

async fn tell_changes(mut monitor: Monitor, tell: mpsc::Sender<()>) {
    while monitor.changed().await.is_ok() {
        // One that waits to be taken stands for this one too.
        if let Err(mpsc::error::TrySendError::Closed(())) = tell.try_send(()) {
            return;
        }
    }
    log::error!("the network is not watched any more; restart optout when it changes");
}

async fn tell_resolvers(mut resolvers: Watcher, tell: watch::Sender<Found>) {
    while let Ok(found) = resolvers.changed().await {
        if tell.send(found.clone()).is_err() {
            return;
        }
    }
    log::error!("resolv.conf is not watched any more; restart optout when it changes");
}

fn plan(config: &Config, listener: Option<u16>) -> Plan {
    let (v4, v6) = (v4(config.sinkhole_v4), v6(config.sinkhole_v6));
    Plan {
        flow_table: config.flow_table,
        dns_table: config.dns_table,
        address_table: config.address_table,
        priority: config.rule_priority,
        sinkhole_v4: config.sinkhole_v4,
        sinkhole_v6: config.sinkhole_v6,
        resolver_v4: Ipv4Addr::from_bits(v4.to_bits() | RESOLVER),
        resolver_v6: Ipv6Addr::from_bits(v6.to_bits() | u128::from(RESOLVER)),
        clients: config.clients.clone(),
        forwarded: config.capture_forwarded,
        listener,
        fail: match config.fail_policy {
            FailPolicy::Open => Fail::Open,
            FailPolicy::Closed => Fail::Closed,
        },
        ..Plan::default().with_mark(config.mark.get())
    }
}

/// The address of a prefix that the configuration has checked to be IPv4.
pub(super) fn v4(prefix: Prefix) -> Ipv4Addr {
    match prefix.address() {
        IpAddr::V4(v4) => v4,
        IpAddr::V6(_) => unreachable!("checked with the configuration"),
    }
}

/// The address of a prefix that the configuration has checked to be IPv6.
pub(super) fn v6(prefix: Prefix) -> Ipv6Addr {
    match prefix.address() {
        IpAddr::V6(v6) => v6,
        IpAddr::V4(_) => unreachable!("checked with the configuration"),
    }
}

/// Place in both sinkholes of the address that stands for our resolver; places
/// below 256 are never a name's.
const RESOLVER: u32 = 0x35;
