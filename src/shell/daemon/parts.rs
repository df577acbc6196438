//! What the daemon is put together from, and what differs by who runs it and by who
//! leads packets to us.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::handed::{Handed, addresses_here};
use super::led;
use super::network::{Network, Outside, Way, tell_resolvers};
use super::seat::{App, ByApp, Seat, Word};
use super::{DaemonError, GROUP, Handover, LOCAL_QUEUE, REQUEST_QUEUE};
use crate::config::Config;
use crate::shell::control::door::Door;
use crate::shell::control::server::{self, Asked};
use crate::shell::link_local;
use crate::shell::owner::Owners;
use crate::shell::protect::{self, Protector};
use crate::shell::resolvers::{Places, Watcher};
use crate::shell::route::monitor::Monitor;
use crate::shell::signals::Signals;
use crate::shell::upstream::Upstreams;

/// All of it. Nothing comes our way yet.
pub(super) struct Parts {
    pub(super) seat: Seat,
    pub(super) protector: Protector,
    pub(super) upstreams: Upstreams,
    pub(super) owners: Owners,
    pub(super) network: Network,
    pub(super) asked: mpsc::Receiver<Asked>,
    /// Questions of clients that cannot be routed to the TUN.
    pub(super) local: mpsc::Receiver<link_local::Question>,
}

/// The ends of what an app says to us.
pub(super) struct Ends {
    pub(super) words: mpsc::Receiver<Word>,
    pub(super) asked: mpsc::Receiver<Asked>,
    pub(super) outside: watch::Receiver<Outside>,
}

impl Parts {
    /// For a program of its own. Without a TUN that was handed over it makes one.
    pub(super) fn of_system(
        config: &Config,
        handover: Option<(OwnedFd, &Handover)>,
    ) -> Result<Self, DaemonError> {
        let signals = Signals::new().map_err(DaemonError::system("listen for signals"))?;
        let protect = match &handover {
            Some((_, handover)) => handover.protect.clone(),
            None => protect::for_rules(config.mark),
        };
        let own_user = protect.user();
        let protector: Protector = Arc::new(protect);
        let upstreams = Upstreams::new(Arc::clone(&protector))?;
        let owners =
            Owners::of_this_system().map_err(DaemonError::system("start the owner search"))?;
        let places = Places { main: config.resolv_conf.clone(), ..Places::default() };
        let resolvers = Watcher::open(places).map_err(DaemonError::system("watch resolv.conf"))?;
        let found = resolvers.found().clone();
        let (tell, outside) = watch::channel(Outside { found, ..Outside::default() });
        let (questions, local) = mpsc::channel(LOCAL_QUEUE);
        let way = match handover {
            None => Way::Led(led::leading(config, own_user, questions)?),
            Some((tun, _)) => {
                let monitor = Monitor::open().map_err(DaemonError::system("watch the network"))?;
                tell.send_modify(|outside| outside.addresses = addresses_here());
                tokio::spawn(tell_addresses(monitor, tell.clone()));
                Way::Handed(Handed::new(Some(tun), config)?)
            }
        };
        // Tasks of their own: they wait for a change to settle, and the loop would break
        // that off with every packet.
        tokio::spawn(tell_resolvers(resolvers, tell));
        let door = Door::open(&config.control_socket, GROUP)?;
        let (requests, asked) = mpsc::channel(REQUEST_QUEUE);
        tokio::spawn(server::serve(door, requests));
        let network = Network::new(way, outside, config.upstreams.clone());
        let seat = Seat::System(signals);
        Ok(Self { seat, protector, upstreams, owners, network, asked, local })
    }

    /// For an app, on the TUN that it hands over, if it has one already.
    pub(super) fn of_app(
        config: &Config,
        app: &Arc<dyn App>,
        tun: Option<OwnedFd>,
        ends: Ends,
    ) -> Result<Self, DaemonError> {
        let Ends { words, asked, outside } = ends;
        let protector: Protector = Arc::new(ByApp(Arc::clone(app)));
        // Whether the app may protect is seen with the first question: without a tunnel
        // it may not, and need not.
        let upstreams = Upstreams::unchecked(Arc::clone(&protector))?;
        let owner = Arc::clone(app);
        let owners = Owners::found_by(move |flow| owner.owner_of(flow))
            .map_err(DaemonError::system("start the owner search"))?;
        let way = Way::Handed(Handed::new(tun, config)?);
        let network = Network::new(way, outside, config.upstreams.clone());
        // Nobody asks but through the TUN.
        let (_, local) = mpsc::channel(1);
        let seat = Seat::of_app(Arc::clone(app), words);
        Ok(Self { seat, protector, upstreams, owners, network, asked, local })
    }
}

/// Tells of this machine's addresses as they change.
async fn tell_addresses(mut monitor: Monitor, tell: watch::Sender<Outside>) {
    while monitor.changed().await.is_ok() {
        let addresses = addresses_here();
        tell.send_if_modified(|outside| {
            let is_news = outside.addresses != addresses;
            outside.addresses = addresses;
            is_news
        });
        if tell.is_closed() {
            return;
        }
    }
    log::error!("the network is not watched any more; restart optout when it changes");
}
