//! The daemon: joins the engine to the world and turns the crank.
//!
//! # Order of things
//!
//! Everything that can fail without a trace comes first: configuration, lock,
//! privileges. Then the journal, the lists, the TUN with its tables, and last
//! the rules, which are the only switch. It ends in reverse; whatever owns
//! something in the kernel gives it back when it is dropped.

mod by_rules;
mod capture;
mod embedded;
mod error;
mod handed;
mod kept;
mod led;
mod lists;
mod network;
mod origin;
mod parts;
mod requests;
mod seat;
mod settings;
mod status;
mod turn;

use std::collections::BTreeMap;
use std::os::fd::{OwnedFd, RawFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::mpsc;

pub use self::embedded::{Embedded, EmbeddedError, Folders, NetworkOutside, plan, plan_of_file};
pub use self::error::DaemonError;
use self::kept::Kept;
use self::lists::Lists;
use self::network::Network;
use self::origin::Origin;
use self::parts::Parts;
pub use self::seat::App;
use self::seat::Seat;
use self::status::Problems;
use crate::config::Config;
use crate::core::engine::{Engine, WayBack};
use crate::core::policy::Policy;
use crate::core::wire::virtio::HEADER;
use crate::shell::clock;
use crate::shell::control::server::Asked;
use crate::shell::journal::Journal;
use crate::shell::link_local;
use crate::shell::lock::Lock;
use crate::shell::neighbours::Neighbours;
use crate::shell::notify::Notify;
use crate::shell::owner::Owners;
use crate::shell::privileges;
use crate::shell::protect::{self, Protector};
use crate::shell::rulebook::Rulebook;
use crate::shell::state::{State, StateFile};
use crate::shell::tun::{self, HandedError, Tun};
use crate::shell::upstream::Upstreams;

/// How to run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The configuration file, if not the usual one.
    pub config: Option<PathBuf>,
    /// Stop when the process that started us does.
    pub with_parent: bool,
    /// A TUN that somebody else leads packets to; without, we make one and lead them.
    pub handover: Option<Handover>,
}

/// A TUN that somebody else has opened and leads packets to.
#[derive(Clone, Debug)]
pub struct Handover {
    /// Where it is.
    pub tun: Handed,
    /// How our own sockets stay out of it.
    pub protect: protect::Way,
}

/// Where a TUN is that was handed over.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Handed {
    /// It was inherited, with this number.
    Descriptor(RawFd),
    /// It comes from whoever listens at this socket (`SCM_RIGHTS`).
    Socket(PathBuf),
}

/// Runs until a signal says stop. Leaves nothing behind.
///
/// # Errors
///
/// [`DaemonError`]: why it did not start, or could not go on.
pub fn run(options: &Options) -> Result<(), DaemonError> {
    let origin = Origin::of_file(options.config.clone());
    let config = origin.read()?;
    log::set_max_level(log::max_level().max(config.log_level));
    if options.with_parent {
        privileges::die_with_parent().map_err(DaemonError::system("follow the parent"))?;
    }
    let handover = options.handover.as_ref();
    let tun = handover.map(|handover| handover.tun.take()).transpose()?;
    privileges::harden().map_err(DaemonError::system("give up new privileges"))?;
    let _lock = Lock::take(&config.run_dir)?;
    if handover.is_none()
        && let Some(missing) = privileges::missing().into_iter().next()
    {
        return Err(missing.into());
    }
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
        let kept = Kept::open(config, origin)?;
        let parts = Parts::of_system(&kept.config, tun.zip(handover))?;
        let mut daemon = Daemon::start(kept, parts).await?;
        let outcome = daemon.serve().await;
        daemon.stop();
        outcome
    });
    // A reader of the journal that still runs must not hold up the end.
    runtime.shutdown_timeout(LAST_READERS);
    outcome
}

fn runtime() -> Result<Runtime, DaemonError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(MOST_READERS)
        .build()
        .map_err(DaemonError::system("start the runtime"))
}

impl Handed {
    fn take(&self) -> Result<OwnedFd, HandedError> {
        match self {
            Self::Descriptor(number) => tun::take(*number),
            Self::Socket(path) => tun::from_socket(path),
        }
    }
}

/// Everything the daemon owns.
struct Daemon {
    config: Config,
    origin: Origin,
    state_file: StateFile,
    state: State,
    rulebook: Rulebook,
    policy: Arc<Policy>,
    engine: Engine,
    network: Network,
    protector: Protector,
    upstreams: Upstreams,
    owners: Owners,
    journal: Journal,
    neighbours: Neighbours,
    lists: Lists,
    asked: mpsc::Receiver<Asked>,
    /// Questions of clients that cannot be routed to the TUN, and the ways back to them.
    local: mpsc::Receiver<link_local::Question>,
    ways_back: BTreeMap<WayBack, link_local::Reply>,
    next_way: u64,
    seat: Seat,
    notify: Notify,
    problems: Problems,
    started: i64,
    wakeups: u64,
    /// The device that packets came from is gone.
    gone: bool,
    /// Room for one packet, and for what comes before it.
    packet: Box<[u8]>,
    /// Room for one segment that is cut from it.
    segment: Vec<u8>,
}

impl Daemon {
    async fn start(kept: Kept, parts: Parts) -> Result<Self, DaemonError> {
        let Kept { config, origin, state_file, state, rulebook, journal, problems } = kept;
        let Parts { seat, protector, upstreams, owners, network, asked, local } = parts;
        let lists = Lists::new(&config);
        let (policy, _) = rulebook.policy(&config, &state);
        let engine = Engine::new(&settings::of_engine(&config, &network)?, Arc::clone(&policy));
        let mut daemon = Self {
            config,
            origin,
            state_file,
            state,
            rulebook,
            policy,
            engine,
            network,
            protector,
            upstreams,
            owners,
            journal,
            neighbours: Neighbours::default(),
            lists,
            asked,
            local,
            ways_back: BTreeMap::new(),
            next_way: 0,
            seat,
            notify: Notify::from_env(),
            problems,
            started: clock::wall_seconds(),
            wakeups: 0,
            gone: false,
            packet: vec![0; HEADER + LONGEST_PACKET].into(),
            segment: Vec::new(),
        };
        daemon.know_lists(None);
        daemon.renew_policy();
        daemon.tell_network();
        daemon.begin().await?;
        Ok(daemon)
    }

    /// Proves that our own questions do not come back, then lets traffic in as
    /// the user's last word was.
    async fn begin(&mut self) -> Result<(), DaemonError> {
        self.network.capture_on()?;
        self.network.self_test(&mut self.upstreams).await?;
        if self.wants_capture() {
            self.follow_capture();
        } else {
            self.network.capture_off();
        }
        self.notify.ready();
        self.say_state();
        if self.network.led().is_some_and(|led| !led.routes.surroundings().has_v6) {
            log::info!("IPv6 is switched off on this system; IPv4 is covered");
        }
        log::info!(
            "optout {} runs: {} rules, device {}, fail policy {}",
            env!("CARGO_PKG_VERSION"),
            self.policy.lists().map(|(list, _)| u64::from(list.rules())).sum::<u64>(),
            self.network.tun().map_or("none yet", Tun::name),
            self.config.fail_policy,
        );
        Ok(())
    }

    /// Ends in reverse order of the beginning.
    fn stop(mut self) {
        self.notify.stopping();
        self.stop_capture();
        self.journal.close();
        log::info!("optout stopped");
    }
}

/// Group whose members may use the control socket.
const GROUP: &str = "optout";

/// Packets to take before others get their turn.
const BURST: usize = 64;

/// Longest packet that a TUN hands out: an IPv6 packet without jumbograms (RFC 8200 §3).
const LONGEST_PACKET: usize = 65_575;

/// Requests and questions that may wait for their turn.
const REQUEST_QUEUE: usize = 32;
const LOCAL_QUEUE: usize = 256;

/// Ways back to clients on the local link. A question that got no answer leaves one.
const MOST_LOCAL: usize = 1024;

/// Threads that read the journal for someone, at a time.
const MOST_READERS: usize = 4;

/// Patience with them at the end.
const LAST_READERS: Duration = Duration::from_millis(200);
