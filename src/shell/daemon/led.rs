//! The network where we lead packets to us ourselves: device, routes, and what watches
//! them.

#![cfg_attr(target_os = "android", allow(dead_code, reason = "in an app nobody leads packets"))]

use std::net::{Ipv6Addr, SocketAddr};

use tokio::sync::mpsc;

use super::DaemonError;
use crate::config::{Config, FailPolicy};
use crate::core::engine::{AskId, Transport};
use crate::shell::link_local::{Listener, Question};
use crate::shell::nft::flows::Ends;
use crate::shell::put_back::PutBack;
use crate::shell::route::monitor::Monitor;
use crate::shell::route::{Fail, Plan, Routes, Surroundings, self_test};
use crate::shell::tun::{OffloadTun, Tun};
use crate::shell::tunnel::resolvers;
use crate::shell::upstream::Upstreams;

/// Device, routes, and what watches them. Dropping it gives everything back;
/// the fields go in this order.
pub(super) struct Led {
    /// Routes, rules and the packet filter.
    pub(super) routes: Routes,
    /// The device.
    pub(super) tun: Tun,
    /// Says when links, addresses, routes or rules changed.
    pub(super) changed: mpsc::Receiver<()>,
    /// Where clients' questions to our own address are led.
    pub(super) resolver_v6: Ipv6Addr,
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
    pub(super) by_rules_around: Option<Surroundings>,
    /// Why clients on the local link are not covered.
    listener_problem: Option<String>,
}

/// One that there is. In an app nobody may lead packets to himself: there it has no value, so
/// that the compiler leaves all of it out of the app's library.
#[cfg(not(target_os = "android"))]
pub(super) type Leading = Box<Led>;
#[cfg(target_os = "android")]
pub(super) enum Leading {}

impl Led {
    /// Makes the device and its tables. Nothing comes our way yet.
    pub(super) fn set_up(
        config: &Config,
        own_user: Option<u32>,
        questions: mpsc::Sender<Question>,
    ) -> Result<Self, DaemonError> {
        let (listener, listener_problem) = match Listener::open(config.mark.get()) {
            Ok(listener) => (config.capture_forwarded.then_some(listener), None),
            Err(error) => {
                (None, Some(format!("cannot listen for clients on the local link: {error}")))
            }
        };
        let plan = Plan { own_user, ..plan(config, listener.as_ref().map(Listener::port)) };
        let tun = Tun::open(&config.device)?;
        let monitor = Monitor::open().map_err(DaemonError::system("watch the network"))?;
        let (change, changed) = mpsc::channel(1);
        let routes = Routes::set_up(plan.clone(), &tun)?;
        // A task of its own: it waits for a change to settle, and the loop would break
        // that off with every packet.
        tokio::spawn(tell_changes(monitor, change));
        if let Some(listener) = listener {
            tokio::spawn(listener.run(questions));
        }
        let resolver_v6 = plan.resolver_v6;
        Ok(Self {
            routes,
            tun,
            changed,
            resolver_v6,
            put_back: PutBack::new(&plan),
            plan,
            passing: None,
            offload: None,
            ends: Ends::default(),
            tests: 0,
            tested: None,
            by_rules_around: None,
            listener_problem,
        })
    }

    /// What is missing on this side.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = self.routes.problems();
        problems.extend(self.listener_problem.clone());
        problems
    }

    /// A real packet of ours must not come back to us.
    pub(super) async fn self_test(
        &self,
        sockets: &mut Upstreams,
        upstreams: &[SocketAddr],
    ) -> Result<(), DaemonError> {
        let mut asked = 0;
        // By the sockets of every question, so that it is them that are tested.
        // The engine has asked nothing yet, so no number is taken.
        let outcome = self_test(&self.tun, &self.plan, upstreams, |to, message| {
            sockets.ask(AskId(asked), to, Transport::Udp, message);
            asked += 1;
            Ok(())
        })
        .await;
        (0..asked).for_each(|ask| sockets.forget(AskId(ask)));
        Ok(outcome?)
    }
}

/// Makes one, where that is allowed.
#[cfg(not(target_os = "android"))]
pub(super) fn leading(
    config: &Config,
    own_user: Option<u32>,
    questions: mpsc::Sender<Question>,
) -> Result<Leading, DaemonError> {
    Led::set_up(config, own_user, questions).map(Box::new)
}

#[cfg(target_os = "android")]
pub(super) fn leading(
    _: &Config,
    _: Option<u32>,
    _: mpsc::Sender<Question>,
) -> Result<Leading, DaemonError> {
    Err(DaemonError::system("lead packets here")(std::io::ErrorKind::Unsupported.into()))
}

#[cfg(target_os = "android")]
impl std::ops::Deref for Leading {
    type Target = Led;

    fn deref(&self) -> &Led {
        match *self {}
    }
}

#[cfg(target_os = "android")]
impl std::ops::DerefMut for Leading {
    fn deref_mut(&mut self) -> &mut Led {
        match *self {}
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

fn plan(config: &Config, listener: Option<u16>) -> Plan {
    let (resolver_v4, resolver_v6) = resolvers(config);
    Plan {
        flow_table: config.flow_table,
        dns_table: config.dns_table,
        address_table: config.address_table,
        priority: config.rule_priority,
        sinkhole_v4: config.sinkhole_v4,
        sinkhole_v6: config.sinkhole_v6,
        resolver_v4,
        resolver_v6,
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
