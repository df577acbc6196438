//! Asks upstreams what the engine wants asked.
//!
//! A fresh socket for every question, closed when the engine forgets it. No
//! task, no timer and no thread: all sockets are in one epoll set, and the set
//! is one file descriptor to the runtime. How long to wait is the engine's
//! business; it forgets a question that takes too long.
//!
//! To add an encrypted transport, give `exchange` another kind of exchange.

mod exchange;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::resource::{Resource, getrlimit};
use thiserror::Error;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::core::engine::{AskId, Transport};
use crate::shell::protect::Protector;

use exchange::{Exchange, Progress};

/// The questions that are under way.
///
/// # Contract
///
/// [`ask`](Self::ask) and [`forget`](Self::forget) never wait. Await
/// [`next`](Self::next) for what comes of it; dropping that future loses
/// nothing, so it may stand in a `select!`.
#[derive(Debug)]
pub struct Upstreams {
    protector: Protector,
    /// Most exchanges at a time.
    most: usize,
    /// INVARIANT: the socket of each exchange is in `set` with the id as its data.
    exchanges: HashMap<AskId, Exchange>,
    set: AsyncFd<Set>,
    /// Readiness that was fetched and not yet looked at.
    ready: VecDeque<(AskId, EpollFlags)>,
    /// Questions that failed while they were asked.
    failed: VecDeque<(AskId, AskError)>,
    /// The message that a reply lends out.
    message: Box<[u8]>,
}

/// What came of a question.
#[derive(Debug)]
pub enum Reply<'a> {
    /// A message came. More may come until the question is forgotten.
    Answer {
        /// The question.
        ask: AskId,
        /// The message, without the length bytes of TCP.
        message: &'a [u8],
    },
    /// No message will come any more. The socket is closed.
    Failed {
        /// The question.
        ask: AskId,
        /// Why.
        error: AskError,
    },
}

/// Why a question got no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AskError {
    /// As many questions as we allow are under way.
    #[error("{0} questions are under way, which is the limit; try again later")]
    TooMany(usize),
    /// This host let us have no socket: no file descriptors, memory or ports.
    #[error("cannot have a socket: {0}; if it is a limit, raise LimitNOFILE of the service")]
    Socket(#[source] io::Error),
    /// The socket would lead back to us.
    #[error("cannot keep our own socket out of what comes to us: {0}")]
    Protect(#[source] io::Error),
    /// The upstream cannot be reached, or refuses.
    #[error("the upstream cannot be reached: {0}")]
    Unreachable(#[source] io::Error),
    /// The upstream ended the connection.
    #[error("the upstream hung up")]
    HungUp,
    /// More messages came than any upstream would send.
    #[error("more than {MOST_MESSAGES} messages came for one question")]
    Flood,
}

impl AskError {
    /// Whether this host is at fault, so that no other upstream would do better.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::TooMany(_) | Self::Socket(_) | Self::Protect(_))
    }
}

/// Why no upstream can be asked at all.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// Sockets cannot be protected, so our own questions would come back to us.
    #[error(
        "cannot mark our own sockets: {0}; run optout as root, or give it CAP_NET_ADMIN (systemd: AmbientCapabilities=CAP_NET_ADMIN)"
    )]
    Protect(#[source] io::Error),
    /// There is not one socket or file descriptor for us.
    #[error("cannot have a socket: {0}; if it is a limit, raise LimitNOFILE of the service")]
    Socket(#[source] io::Error),
}

impl Upstreams {
    /// Makes ready to ask, with sockets that are protected so, inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`], if not one such socket can be had.
    pub fn new(protector: Protector) -> Result<Self, UpstreamError> {
        exchange::try_protect(&protector)?;
        Self::unchecked(protector)
    }

    /// The same, without looking whether a socket can be had and protected just now.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Socket`].
    pub fn unchecked(protector: Protector) -> Result<Self, UpstreamError> {
        let no_set = |error: Errno| UpstreamError::Socket(error.into());
        let set = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(no_set)?;
        Ok(Self {
            protector,
            most: most_exchanges(),
            exchanges: HashMap::new(),
            set: Set(set).register().map_err(UpstreamError::Socket)?,
            ready: VecDeque::new(),
            failed: VecDeque::new(),
            message: vec![0; LONGEST_MESSAGE].into(),
        })
    }

    /// Sends `message` to `upstream` from a fresh socket. What comes of it, a
    /// failure to send too, comes from [`next`](Self::next).
    pub fn ask(&mut self, ask: AskId, upstream: SocketAddr, transport: Transport, message: &[u8]) {
        self.forget(ask);
        if let Err(error) = self.start(ask, upstream, transport, message) {
            self.failed.push_back((ask, error));
        }
    }

    fn start(
        &mut self,
        ask: AskId,
        upstream: SocketAddr,
        transport: Transport,
        message: &[u8],
    ) -> Result<(), AskError> {
        if self.exchanges.len() >= self.most {
            return Err(AskError::TooMany(self.most));
        }
        let exchange = match transport {
            Transport::Udp => Exchange::udp(&self.protector, upstream, message)?,
            Transport::Tcp => Exchange::tcp(&self.protector, upstream, message)?,
        };
        let event = EpollEvent::new(exchange.interest(), ask.0);
        let added = self.set.get_ref().0.add(exchange.socket(), event);
        added.map_err(|error| AskError::Socket(error.into()))?;
        self.exchanges.insert(ask, exchange);
        Ok(())
    }

    /// Closes the socket of a question. One that is not under way is no error.
    pub fn forget(&mut self, ask: AskId) {
        // Closing the only descriptor of a socket takes it out of the set.
        self.exchanges.remove(&ask);
        self.failed.retain(|(failed, _)| *failed != ask);
    }

    /// How many questions are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.exchanges.len()
    }

    /// Waits for the next thing that comes of a question.
    ///
    /// Cancel-safe. Waits forever if nothing is under way.
    pub async fn next(&mut self) -> Reply<'_> {
        loop {
            if let Some((ask, error)) = self.failed.pop_front() {
                return Reply::Failed { ask, error };
            }
            let Some((ask, events)) = self.ready.pop_front() else {
                self.wait().await;
                continue;
            };
            match self.step(ask, events) {
                Progress::None => {}
                Progress::Message(len) => {
                    let message = self.message.get(..len).unwrap_or_default();
                    return Reply::Answer { ask, message };
                }
                Progress::Ended(error) => {
                    self.forget(ask);
                    return Reply::Failed { ask, error };
                }
            }
        }
    }

    /// Goes on with an exchange whose socket is ready.
    fn step(&mut self, ask: AskId, events: EpollFlags) -> Progress {
        // It may have been forgotten since its readiness was fetched.
        let Some(exchange) = self.exchanges.get_mut(&ask) else { return Progress::None };
        let before = exchange.interest();
        let progress = exchange.step(events, &mut self.message);
        let interest = exchange.interest();
        if interest != before && !matches!(progress, Progress::Ended(_)) {
            let mut event = EpollEvent::new(interest, ask.0);
            if let Err(error) = self.set.get_ref().0.modify(exchange.socket(), &mut event) {
                return Progress::Ended(AskError::Socket(error.into()));
            }
        }
        progress
    }

    /// Waits until a socket is ready, and fetches which are.
    async fn wait(&mut self) {
        let Ok(mut guard) = self.set.readable().await else {
            return std::future::pending().await; // the runtime is shutting down
        };
        let mut events = [EpollEvent::empty(); BATCH];
        match guard.get_inner().0.wait(&mut events, EpollTimeout::ZERO) {
            // Only now, or what is ready and not fetched would never be told again.
            Ok(0) => guard.clear_ready(),
            Ok(count) => {
                let fetched = events.iter().take(count);
                self.ready.extend(fetched.map(|event| (AskId(event.data()), event.events())));
            }
            Err(Errno::EINTR) => {}
            Err(error) => {
                log::error!("cannot wait for upstreams: {error}; restart optout");
                std::future::pending::<()>().await;
            }
        }
    }
}

/// An epoll set that the runtime can wait for.
#[derive(Debug)]
struct Set(Epoll);

impl Set {
    #[expect(unsafe_code, reason = "the runtime must rely on the descriptor to stay open")]
    fn register(self) -> io::Result<AsyncFd<Self>> {
        // SAFETY: the descriptor is owned by the set, which never gives it away
        // and closes it only when it is dropped, with or after the `AsyncFd`.
        Ok(unsafe { AsyncFd::register_with_interest(self, Interest::READABLE) }?)
    }
}

impl AsRawFd for Set {
    fn as_raw_fd(&self) -> RawFd {
        self.0.0.as_raw_fd()
    }
}

/// Most exchanges that the limit of open files leaves room for.
fn most_exchanges() -> usize {
    let limit = getrlimit(Resource::RLIMIT_NOFILE)
        .map_or(usize::MAX, |(soft, _)| usize::try_from(soft).unwrap_or(usize::MAX));
    limit.saturating_sub(RESERVE_FILES).clamp(FEWEST_EXCHANGES, MOST_EXCHANGES)
}

/// Most exchanges at a time. A household has some dozens under way; with more
/// the upstream is dead, and asking it faster helps nobody.
const MOST_EXCHANGES: usize = 512;

/// Exchanges that are tried even where files are scarce.
const FEWEST_EXCHANGES: usize = 8;

/// Files left for the journal, the control socket, lists and the TUN.
const RESERVE_FILES: usize = 48;

/// Longest DNS message, in bytes (RFC 1035 §4.2.2: two bytes of length).
const LONGEST_MESSAGE: usize = 65_535;

/// Most messages for one question. An upstream sends one; a few more may be
/// late, and the rest is someone who guesses.
const MOST_MESSAGES: u32 = 128;

/// Sockets whose readiness is fetched at once.
const BATCH: usize = 32;
