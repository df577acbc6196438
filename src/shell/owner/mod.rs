//! Whose flow is this? The program on this host behind a five-tuple.
//!
//! The kernel names the socket (`sock_diag(7)`: user and inode), and /proc names
//! the process that holds it. Both may take a millisecond, so they have a
//! thread of their own; it sleeps while nobody asks.

mod diag;
mod processes;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::mpsc::{self as queue, TrySendError};
use std::thread;

use tokio::sync::mpsc;

use crate::core::engine::SearchId;
use crate::core::flow::{FiveTuple, Owner};

use diag::Diag;
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
        let mut finder = Finder::new(Path::new("/proc"));
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
    /// Opened when first needed, and anew after it failed.
    diag: Option<Diag>,
    processes: Processes,
}

impl Finder {
    fn new(proc: &Path) -> Self {
        Self { diag: None, processes: Processes::new(proc) }
    }

    fn find(&mut self, flow: &FiveTuple) -> Owner {
        let socket = match self.socket(flow) {
            Ok(Some(socket)) => socket,
            Ok(None) => return Owner::default(),
            Err(error) => {
                log::debug!("cannot ask the kernel for the owner of a flow: {error}");
                self.diag = None;
                return Owner::default();
            }
        };
        let process = self.processes.holder(socket.inode, socket.uid);
        let (pid, program) = process.unzip();
        Owner { uid: Some(socket.uid), pid, program: program.flatten() }
    }

    fn socket(&mut self, flow: &FiveTuple) -> io::Result<Option<diag::Socket>> {
        let diag = match &mut self.diag {
            Some(diag) => diag,
            none => none.insert(Diag::open()?),
        };
        diag.find(flow)
    }
}

/// Searches that may wait, and answers that may. A page of a browser starts
/// some dozens of flows at once.
const QUEUE: usize = 256;
