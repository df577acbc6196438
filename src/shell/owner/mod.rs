//! Whose flow is this? The program on this host behind a five-tuple.
//!
//! The kernel names the socket (`sock_diag(7)` or, where that is missing, the tables
//! under /proc/net: user and inode), and /proc names the process that holds it; on
//! Android the list of packages names the user. All that may take a millisecond, so it
//! has a thread of its own; it sleeps while nobody asks.

mod diag;
mod packages;
mod proc_net;
mod processes;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self as queue, TrySendError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::core::engine::SearchId;
use crate::core::flow::{FiveTuple, Owner, Protocol};

use diag::Diag;
use packages::Packages;
pub(crate) use proc_net::hex_address;
use processes::Processes;

/// Searches for owners, one after another.
#[derive(Debug)]
pub struct Owners {
    searches: queue::SyncSender<(SearchId, FiveTuple)>,
    found: mpsc::Receiver<(SearchId, Owner)>,
    /// Searches that had no place in the queue: answered, with nothing known.
    given_up: VecDeque<SearchId>,
}

impl Owners {
    /// Asks this system itself.
    ///
    /// # Errors
    ///
    /// If the system has no thread for us.
    pub fn of_this_system() -> io::Result<Self> {
        let mut finder = Finder::new(Path::new("/proc"), Path::new(PACKAGES));
        Self::found_by(move |flow| finder.find(flow))
    }

    /// Asks `find`, on a thread of its own that ends when this is dropped.
    ///
    /// # Errors
    ///
    /// If the system has no thread for us.
    pub fn found_by(
        mut find: impl FnMut(&FiveTuple) -> Owner + Send + 'static,
    ) -> io::Result<Self> {
        let (searches, to_do) = queue::sync_channel(QUEUE);
        let (done, found) = mpsc::channel(QUEUE);
        thread::Builder::new().name("owner".into()).spawn(move || {
            while let Ok((search, flow)) = to_do.recv() {
                if done.blocking_send((search, find(&flow))).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { searches, found, given_up: VecDeque::new() })
    }

    /// Begins a search. The source of `flow` is on this host. Never waits; when
    /// too many searches wait already, the owner stays unknown.
    pub fn search(&mut self, search: SearchId, flow: FiveTuple) {
        match self.searches.try_send((search, flow)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.given_up.push_back(search);
            }
        }
    }

    /// Waits for the end of a search. What could not be learnt is `None`.
    ///
    /// Cancel-safe. Waits forever if nothing is searched for.
    pub async fn next(&mut self) -> (SearchId, Owner) {
        if let Some(search) = self.given_up.pop_front() {
            return (search, Owner::default());
        }
        match self.found.recv().await {
            Some(found) => found,
            None => std::future::pending().await,
        }
    }
}

/// Finds owners, in the thread that calls it.
#[derive(Debug)]
struct Finder {
    /// Where proc is mounted.
    proc: PathBuf,
    sockets: Sockets,
    processes: Processes,
    packages: Packages,
}

/// The user of a flow's socket, as the tables under /proc/net say. Android lets apps read
/// them before its version 10.
#[must_use]
pub fn user_by_tables(flow: &FiveTuple) -> Option<u32> {
    let socket = proc_net::find(Path::new("/proc"), flow).ok()??;
    Some(socket.uid)
}

/// Who is asked for sockets.
#[derive(Debug)]
enum Sockets {
    /// Not known yet, or it failed lately.
    Unasked,
    /// The kernel, by netlink.
    Diag(Diag),
    /// The tables under /proc/net, until the kernel is tried again.
    Tables { until: Instant },
}

/// A socket, as far as its owner goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Socket {
    uid: u32,
    inode: u32,
}

impl Finder {
    fn new(proc: &Path, packages: &Path) -> Self {
        Self {
            proc: proc.into(),
            sockets: Sockets::Unasked,
            processes: Processes::new(proc),
            packages: Packages::new(packages),
        }
    }

    fn find(&mut self, flow: &FiveTuple) -> Owner {
        let socket = match self.socket(flow) {
            Ok(Some(socket)) => socket,
            Ok(None) => return Owner::default(),
            Err(error) => {
                log::debug!("cannot ask the kernel for the owner of a flow: {error}");
                return Owner::default();
            }
        };
        let process = self.processes.holder(socket.inode, socket.uid);
        let (pid, program) = process.unzip();
        let program = program.flatten();
        let program = self.packages.name(socket.uid, program.as_ref()).or(program);
        Owner { uid: Some(socket.uid), pid, program }
    }

    fn socket(&mut self, flow: &FiveTuple) -> io::Result<Option<Socket>> {
        match &self.sockets {
            Sockets::Tables { until } if Instant::now() < *until => {
                return proc_net::find(&self.proc, flow);
            }
            _ => {}
        }
        match self.ask(flow) {
            Err(error) if is_refusal(&error) => {
                log::info!("owners of flows are looked up in /proc/net: sock_diag says {error}");
                self.sockets = Sockets::Tables { until: Instant::now() + RETRY };
                proc_net::find(&self.proc, flow)
            }
            Err(error) => {
                self.sockets = Sockets::Unasked;
                Err(error)
            }
            found => found,
        }
    }

    fn ask(&mut self, flow: &FiveTuple) -> io::Result<Option<Socket>> {
        if !matches!(self.sockets, Sockets::Diag(_)) {
            self.sockets = Sockets::Diag(Diag::open()?);
        }
        match &mut self.sockets {
            Sockets::Diag(diag) => diag.find(flow),
            _ => Ok(None),
        }
    }
}

/// Whether the system says that it never answers, and not that something went wrong.
fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::EPERM
                | libc::EACCES
                | libc::ENOENT
                | libc::EPROTONOSUPPORT
                | libc::EAFNOSUPPORT
                | libc::EOPNOTSUPP
        )
    )
}

/// How well a socket with these ends fits a flow; `None` if it cannot be its own. A
/// socket that is bound or connected to just these addresses beats one that is to any.
fn fit(flow: &FiveTuple, near: SocketAddr, far: SocketAddr) -> Option<u8> {
    let matches = |own: IpAddr, address: IpAddr| match own.to_canonical() {
        own if own == address => Some(1),
        own if own.is_unspecified() && flow.protocol == Protocol::Udp => Some(0),
        _ => None,
    };
    let near_fit = matches(near.ip(), flow.source.ip())?;
    let far_fit = matches(far.ip(), flow.destination.ip())?;
    let far_port = match far.port() {
        port if port == flow.destination.port() => true,
        port => port == 0 && far_fit == 0,
    };
    (near.port() == flow.source.port() && far_port).then_some(2 * far_fit + near_fit)
}

/// Searches that may wait, and answers that may. A page of a browser starts
/// some dozens of flows at once.
const QUEUE: usize = 256;

/// Where Android names its packages.
const PACKAGES: &str = "/data/system/packages.list";

/// How long the tables are read until the kernel is asked again. What it cannot do it
/// learns by a module at most.
const RETRY: Duration = Duration::from_hours(1);
