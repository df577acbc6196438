//! The daemon on a thread of a program that is not ours: an app.
//!
//! There is no control socket and there are no signals: what would come by these comes
//! by [`Embedded::ask`] and [`Embedded::stop`]. The program says what the network
//! outside is like, and may take the TUN away and hand over another.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};

use thiserror::Error;
use tokio::sync::{mpsc, watch};

use super::network::Outside;
use super::origin::Origin;
use super::parts::{Ends, Parts};
use super::seat::{App, Word};
use super::{Daemon, DaemonError, Kept, LAST_READERS, REQUEST_QUEUE, runtime};
use crate::request::{Request, Response, TunnelPlan};
use crate::shell::control::server::{Asked, Reply};
use crate::shell::resolvers::{Found, Named, Resolver, socket_address};
use crate::shell::rulebook::Rulebook;
use crate::shell::state::State;
use crate::shell::tun::HandedError;
use crate::shell::{clock, tunnel};

/// A daemon that runs on a thread of its own.
#[derive(Debug)]
pub struct Embedded {
    words: mpsc::Sender<Word>,
    requests: mpsc::Sender<Asked>,
    outside: watch::Sender<Outside>,
    id: ThreadId,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Where an app has its files.
#[derive(Clone, Copy, Debug)]
pub struct Folders<'a> {
    /// Where `optout.toml` may be.
    pub config: &'a Path,
    /// Where everything is kept. The configuration cannot say otherwise.
    pub data: &'a Path,
}

/// The network that an app tells of.
#[derive(Clone, Debug, Default)]
pub struct NetworkOutside {
    /// This device's addresses.
    pub addresses: Vec<IpAddr>,
    /// The resolvers that it hands out, best first.
    pub resolvers: Vec<Named>,
    /// Its bytes cost money: no lists are fetched.
    pub metered: bool,
    /// It wants a person to sign in first: no lists are fetched.
    pub captive: bool,
}

/// Why an app was not served.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// It ended, or is about to.
    #[error("the engine does not run any more; start it again")]
    Ended,
    /// One of our own threads asks, and would wait for itself.
    #[error("the engine cannot be asked from within its own callback; ask from another thread")]
    OwnThread,
    /// It cannot be answered in one piece.
    #[error("the engine cannot follow the log here; ask for the last lines again instead")]
    NoFollowing,
    /// What was handed over is no TUN.
    #[error(transparent)]
    Handed(#[from] HandedError),
}

impl NetworkOutside {
    /// Before anything is known.
    pub const NONE: Self =
        Self { addresses: Vec::new(), resolvers: Vec::new(), metered: false, captive: false };
}

impl Embedded {
    /// Starts, and returns when it answers. Without a TUN it waits for one.
    ///
    /// # Errors
    ///
    /// [`DaemonError`]; then nothing of it is left.
    pub fn start(
        folders: Folders<'_>,
        tun: Option<OwnedFd>,
        app: Arc<dyn App>,
        network: NetworkOutside,
    ) -> Result<Self, DaemonError> {
        let origin = Origin::of_app(folders.config, folders.data);
        let (words, heard) = mpsc::channel(WORDS);
        let (requests, asked) = mpsc::channel(REQUEST_QUEUE);
        let (outside, seen) = watch::channel(Outside::from(network));
        let (ready, outcome) = sync_channel(1);
        let ends = Ends { words: heard, asked, outside: seen };
        let work = move || {
            let Err(error) = serve(origin, tun, &app, ends, || drop(ready.send(Ok(())))) else {
                return;
            };
            log::error!("{error}");
            // Once it was ready, nobody waits for this any more.
            let _ = ready.send(Err(error));
        };
        let thread = thread::Builder::new()
            .name(THREAD.into())
            .spawn(work)
            .map_err(DaemonError::system("start a thread"))?;
        let id = thread.thread().id();
        let thread = Mutex::new(Some(thread));
        let embedded = Self { words, requests, outside, id, thread };
        match outcome.recv() {
            Ok(Ok(())) => Ok(embedded),
            Ok(Err(error)) => {
                embedded.stop();
                Err(error)
            }
            Err(_) => Err(DaemonError::Panicked),
        }
    }

    /// Asks what may be asked at the control socket; all answers, the last one last.
    ///
    /// # Errors
    ///
    /// [`EmbeddedError`]. What the daemon refuses is an answer.
    pub fn ask(&self, request: Request) -> Result<Vec<Response>, EmbeddedError> {
        self.is_another_thread()?;
        if matches!(&request, Request::Log(query) if query.follow) {
            return Err(EmbeddedError::NoFollowing);
        }
        let (reply, mut answers) = Reply::channel();
        let asked = Asked { request, uid: nix::unistd::getuid().as_raw(), reply };
        self.requests.blocking_send(asked).map_err(|_| EmbeddedError::Ended)?;
        let mut all = Vec::new();
        while let Some(answer) = answers.blocking_recv() {
            let more = answer.is_part();
            all.push(answer);
            if !more {
                return Ok(all);
            }
        }
        Err(EmbeddedError::Ended)
    }

    /// The network outside is another one. Many at once are as good as the last.
    pub fn network_changed(&self, network: NetworkOutside) {
        let now = Outside::from(network);
        self.outside.send_if_modified(|before| {
            let is_news = *before != now;
            *before = now;
            is_news
        });
    }

    /// Goes on with another TUN, or without one. Where it fails there is none.
    ///
    /// # Errors
    ///
    /// [`EmbeddedError`].
    pub fn replace_tunnel(&self, tun: Option<OwnedFd>) -> Result<(), EmbeddedError> {
        self.is_another_thread()?;
        let (reply, outcome): (_, Receiver<_>) = sync_channel(1);
        self.words.blocking_send(Word::Tunnel(tun, reply)).map_err(|_| EmbeddedError::Ended)?;
        Ok(outcome.recv().map_err(|_| EmbeddedError::Ended)??)
    }

    /// Whether it runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !self.requests.is_closed()
    }

    /// Stops, and returns when it has. From one of its own threads it returns at once.
    pub fn stop(&self) {
        // A queue that is full has a stop in it, or somebody who takes a place soon.
        if self.id == thread::current().id() {
            let _ = self.words.try_send(Word::Stop);
            return;
        }
        let _ = self.words.blocking_send(Word::Stop);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            log::error!("the engine ended by a fault of its own; please report it");
        }
    }

    fn is_another_thread(&self) -> Result<(), EmbeddedError> {
        let own = self.id == thread::current().id();
        if own { Err(EmbeddedError::OwnThread) } else { Ok(()) }
    }
}

impl From<NetworkOutside> for Outside {
    fn from(network: NetworkOutside) -> Self {
        let NetworkOutside { addresses, resolvers, metered, captive } = network;
        let usable =
            |named: &&Named| !named.address.is_unspecified() && !named.address.is_loopback();
        let resolver = |address| Resolver { address, source: SOURCE.into() };
        let resolvers = resolvers.iter().filter(usable).take(MOST_RESOLVERS);
        let resolvers: Vec<_> = resolvers.filter_map(socket_address).map(resolver).collect();
        let problem = resolvers.is_empty().then(|| NO_RESOLVERS.to_owned());
        Self { found: Found { resolvers, problem }, addresses, metered, captive }
    }
}

/// What has to be led to a TUN, as these files say, whether or not a daemon runs.
///
/// # Errors
///
/// [`DaemonError::Config`].
pub fn plan(folders: Folders<'_>) -> Result<TunnelPlan, DaemonError> {
    plan_of(&Origin::of_app(folders.config, folders.data))
}

/// The same for the configuration of a daemon of its own.
///
/// # Errors
///
/// [`DaemonError::Config`].
pub fn plan_of_file(config: Option<PathBuf>) -> Result<TunnelPlan, DaemonError> {
    plan_of(&Origin::of_file(config))
}

fn plan_of(origin: &Origin) -> Result<TunnelPlan, DaemonError> {
    let config = origin.read()?;
    let state = State::look(&config.state_dir).unwrap_or_default();
    let rulebook = Rulebook::read(&config, origin.named(), &state, || {})?;
    let (policy, _) = rulebook.policy(&config, &state);
    Ok(tunnel::plan(&config, &policy, clock::now()).0)
}

/// Runs until it is told to stop.
fn serve(
    origin: Origin,
    tun: Option<OwnedFd>,
    app: &Arc<dyn App>,
    ends: Ends,
    ready: impl FnOnce(),
) -> Result<(), DaemonError> {
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
        let config = origin.read()?;
        log::set_max_level(config.log_level);
        let kept = Kept::open(config, origin)?;
        let parts = Parts::of_app(&kept.config, app, tun, ends)?;
        let mut daemon = Daemon::start(kept, parts).await?;
        ready();
        let outcome = daemon.serve().await;
        daemon.stop();
        outcome
    });
    // A reader of the journal that still runs must not hold up the end.
    runtime.shutdown_timeout(LAST_READERS);
    outcome
}

const THREAD: &str = "optout";

/// Words that may wait to be heard.
const WORDS: usize = 4;

/// What the app's resolvers are said to be from.
const SOURCE: &str = "network";

/// Resolvers of one network; the C library asks three.
const MOST_RESOLVERS: usize = 16;

const NO_RESOLVERS: &str = "no resolver to pass questions to: the network names none; connect to a \
                            network or name upstreams in the configuration";
