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
mod led;
mod lists;
mod network;
mod origin;
mod parts;
mod requests;
mod seat;
mod settings;
mod status;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::{OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::mpsc;

pub use self::embedded::{Embedded, EmbeddedError, Folders, NetworkOutside, plan, plan_of_file};
pub use self::error::DaemonError;
use self::lists::Lists;
use self::network::{Ears, Network};
use self::origin::Origin;
use self::parts::Parts;
pub use self::seat::App;
use self::seat::{Seat, Word};
use self::status::Problems;
use crate::config::Config;
use crate::core::engine;
use crate::core::engine::{Engine, Input, Output, WayBack};
use crate::core::policy::Policy;
use crate::core::time::Instant;
use crate::core::wire::virtio::HEADER;
use crate::shell::clock;
use crate::shell::control::server::Asked;
use crate::shell::journal::{self, Journal};
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
use crate::shell::upstream::{AskError, Reply, Upstreams};

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

/// What is kept from one run to the next.
struct Kept {
    config: Config,
    origin: Origin,
    state_file: StateFile,
    state: State,
    rulebook: Rulebook,
    journal: Journal,
    problems: Problems,
}

impl Kept {
    /// Must be called on a tokio runtime.
    fn open(config: Config, origin: Origin) -> Result<Self, DaemonError> {
        folder(&config.state_dir)?;
        let (state_file, state, problem) = StateFile::load(&config.state_dir);
        let mut problems = Problems::default();
        problems.set("state", problem.map(|error| error.to_string()));
        let rulebook = Rulebook::read(&config, origin.named(), &state, || {
            log::info!("putting the rules of all lists together");
        })?;
        let (journal, problem) = Journal::open(&config.state_dir, settings::of_journal(&config));
        if let Some(problem) = problem {
            log::warn!("{problem}");
        }
        Ok(Self { config, origin, state_file, state, rulebook, journal, problems })
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

/// What woke the daemon.
enum Woken {
    Packets,
    Flows,
    Owner(engine::SearchId, crate::core::flow::Owner),
    Asked(Asked),
    Local(link_local::Question),
    Routes,
    Outside,
    Told(Word),
    Lists(Box<lists::Done>),
    Timer,
    Served,
}

/// What there is more of than was taken at a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum More {
    Nothing,
    Packets,
    /// Of flows, with virtio headers.
    Frames,
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

    /// Turns the crank until someone says stop.
    async fn serve(&mut self) -> Result<(), DaemonError> {
        let mut more = More::Nothing;
        loop {
            if more != More::Nothing {
                // Tasks and timers of the runtime have a turn only when somebody waits.
                tokio::task::yield_now().await;
            }
            let deadline = self.perform();
            let woken = self.wait(deadline, more).await;
            self.wakeups += 1;
            more = More::Nothing;
            match woken {
                Woken::Packets if self.take_packets() => more = More::Packets,
                Woken::Flows if self.take_flows() => more = More::Frames,
                Woken::Owner(search, owner) => {
                    self.engine.handle(clock::now(), Input::Owner { search, owner });
                }
                Woken::Asked(asked) => self.answer(asked),
                Woken::Local(question) => self.take_local(question),
                Woken::Routes => self.look_around(),
                Woken::Outside => self.tell_network(),
                Woken::Told(Word::Stop) => return Ok(()),
                // What went wrong is in the log and in the status.
                Woken::Told(Word::Reload) => self.reload(None),
                Woken::Told(Word::Tunnel(tun, reply)) => {
                    // Who asked and left needs no answer.
                    let _ = reply.send(self.replace_tunnel(tun));
                }
                Woken::Lists(done) => self.take_lists(*done),
                Woken::Timer => self.pass_time(),
                Woken::Packets | Woken::Flows | Woken::Served => {}
            }
            if self.gone {
                self.lose_tunnel()?;
            }
            self.look_after_lists();
            self.tell_news();
        }
    }

    /// Packets come first. But where there are `more` of them than were taken, everyone
    /// else does: a flood has no end.
    async fn wait(&mut self, deadline: Option<Instant>, more: More) -> Woken {
        let timer = self.next_timer(deadline);
        if more != More::Nothing && timer.is_some_and(|timer| timer.is_zero()) {
            return Woken::Timer;
        }
        let packets_last = more == More::Packets;
        let Ears { tun, offload, changed, outside } = self.network.ears();
        tokio::select! {
            biased;
            told = self.seat.next() => Woken::Told(told),
            () = readable(tun), if !packets_last => Woken::Packets,
            reply = self.upstreams.next() => {
                let input = match reply {
                    Reply::Answer { ask, message } => {
                        self.problems.end("protect");
                        Input::Answer { ask, message }
                    }
                    Reply::Failed { ask, error } => {
                        log::debug!("no answer: {error}");
                        if let AskError::Protect(_) = error {
                            self.problems.set("protect", Some(error.to_string()));
                        }
                        Input::AskFailed { ask }
                    }
                };
                self.engine.handle(clock::now(), input);
                Woken::Served
            }
            (search, owner) = self.owners.next() => Woken::Owner(search, owner),
            Some(question) = self.local.recv() => Woken::Local(question),
            Some(asked) = self.asked.recv() => Woken::Asked(asked),
            Some(done) = self.lists.came.recv() => Woken::Lists(Box::new(done)),
            Some(()) = next(changed) => Woken::Routes,
            Ok(()) = outside.changed() => Woken::Outside,
            () = self.notify.watchdog() => Woken::Served,
            () = sleep(timer) => Woken::Timer,
            // After the others: there may be frames without end, and these are soon done.
            () = by_rules::readable(offload) => Woken::Flows,
            () = readable(tun), if packets_last => Woken::Packets,
        }
    }

    /// Does what the engine wants done; when it wants to be called again.
    fn perform(&mut self) -> Option<Instant> {
        loop {
            match self.engine.poll() {
                Output::Packet(packet) => self.network.send(packet),
                Output::Onward { packet, decided, host } => {
                    self.network.put_back(packet, decided, host);
                }
                Output::Recall(flow) => self.network.recall(&flow),
                Output::Ask { ask, upstream, transport, message } => {
                    self.upstreams.ask(ask, upstream, transport, message);
                }
                Output::Forget { ask } => self.upstreams.forget(ask),
                Output::WhoOwns { search, flow } => self.owners.search(search, flow),
                Output::Reply { way_back, message } => {
                    if let Some(way) = self.ways_back.remove(&way_back) {
                        way.send(message);
                    }
                }
                Output::Seen(event, traffic) => {
                    let neighbours = &mut self.neighbours;
                    self.journal.record(clock::wall_millis(), &event, traffic, || {
                        let mut line = journal::client_line(&event.client);
                        if let Some(address) = line.address {
                            let known = neighbours.lookup(address, std::time::Instant::now());
                            (line.mac, line.name) = (known.mac, known.name);
                        }
                        line
                    });
                }
                Output::Wait(deadline) => return deadline,
            }
        }
    }

    /// Takes packets until there are none, but not for ever: others wait too. Whether
    /// there may be more.
    fn take_packets(&mut self) -> bool {
        for _ in 0..BURST {
            let Some(tun) = self.network.tun() else { return false };
            let len = match tun.try_recv(&mut self.packet) {
                Ok(len) => len,
                Err(error) => {
                    self.gone = Tun::is_gone(&error);
                    return false;
                }
            };
            let packet = self.packet.get(..len).unwrap_or_default();
            self.engine.handle(clock::now(), Input::Packet(packet));
            self.perform();
        }
        true
    }

    fn take_local(&mut self, question: link_local::Question) {
        // The client gave up, or never waited: nothing is owed to the oldest.
        if self.ways_back.len() >= MOST_LOCAL {
            self.ways_back.pop_first();
        }
        self.next_way += 1;
        let way_back = WayBack(self.next_way);
        let transport = match question.reply.protocol() {
            crate::core::flow::Protocol::Udp => engine::Transport::Udp,
            crate::core::flow::Protocol::Tcp => engine::Transport::Tcp,
        };
        let input = Input::Question {
            way_back,
            client: question.client.ip(),
            resolver: SocketAddr::new(self.network.resolver_v6().into(), 53),
            transport,
            message: &question.message,
        };
        self.ways_back.insert(way_back, question.reply);
        self.engine.handle(clock::now(), input);
    }

    /// The device is gone from which packets came. Without it we are of no use, but to
    /// somebody who may hand over another.
    fn lose_tunnel(&mut self) -> Result<(), DaemonError> {
        self.gone = false;
        let Seat::App(_) = self.seat else { return Err(DaemonError::Gone) };
        log::warn!("the tunnel is gone");
        if let Some(handed) = self.network.handed() {
            handed.tun = None;
        }
        self.engine.handle(clock::now(), Input::Release);
        self.seat.note();
        Ok(())
    }

    /// Tells the app how things are, if that is news.
    fn tell_news(&mut self) {
        if self.problems.take_news() {
            self.seat.note();
        }
        if self.seat.wants_news() {
            let state = self.engine_state();
            self.seat.tell(state);
        }
    }

    fn next_timer(&self, deadline: Option<Instant>) -> Option<Duration> {
        let now = clock::now();
        let engine = deadline.map(|then| clock::until(now, then));
        let journal = self
            .journal
            .next_flush()
            .map(|then| then.saturating_duration_since(std::time::Instant::now()));
        let rule = self.policy.next_end(now).map(|then| clock::until(now, then));
        let wall = clock::wall_seconds();
        let pause = self
            .state
            .paused_until
            .map(|until| Duration::from_secs(until.saturating_sub(wall).max(0).unsigned_abs()));
        [engine, journal, rule, pause].into_iter().flatten().min()
    }

    fn pass_time(&mut self) {
        let now = clock::now();
        self.engine.handle(now, Input::Timeout);
        if self.journal.next_flush().is_some_and(|due| due <= std::time::Instant::now()) {
            self.journal.flush();
            // Many names were looked up since; few of them will be again.
            self.rulebook.let_go();
        }
        if self.state.paused_until.is_some_and(|until| until <= clock::wall_seconds()) {
            let _ = self.resume(); // a problem is in the status
        }
        if self
            .state
            .rules
            .known
            .iter()
            .any(|rule| rule.until.is_some_and(|until| until <= clock::wall_seconds()))
        {
            self.forget_ended_rules();
        }
        if self.policy.is_over(now) {
            self.renew_policy();
        }
    }

    /// Ends in reverse order of the beginning.
    fn stop(mut self) {
        self.notify.stopping();
        self.stop_capture();
        self.journal.close();
        log::info!("optout stopped");
    }
}

fn folder(path: &Path) -> Result<(), DaemonError> {
    use std::os::unix::fs::DirBuilderExt;
    let fail = |source| DaemonError::Folder { path: path.into(), source };
    std::fs::DirBuilder::new().recursive(true).mode(0o750).create(path).map_err(fail)
}

/// Waits until there may be a packet.
async fn readable(tun: Option<&Tun>) {
    match tun {
        Some(tun) => drop(tun.readable().await),
        None => std::future::pending().await,
    }
}

async fn next(from: Option<&mut mpsc::Receiver<()>>) -> Option<()> {
    from?.recv().await
}

async fn sleep(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
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
