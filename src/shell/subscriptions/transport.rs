//! TLS connections to checked addresses, for the HTTP that goes over them.
//!
//! Every wait ends at one deadline, so that no number of small steps adds up.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};

use super::address;
use super::dial::Dial;
use super::error::FetchError;
use super::tls;

/// Resolves names and refuses what no public list may be at.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) dial: Arc<dyn Dial>,
    pub(super) allow_private: bool,
    pub(super) deadline: Instant,
}

impl Names {
    fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, FetchError> {
        let found = match host.trim_matches(['[', ']']).parse() {
            Ok(address) => vec![address],
            Err(_) => self.ask(host).map_err(|source| FetchError::Resolve { source })?,
        };
        for address in &found {
            // One private address among public ones is a trap, and no server of lists has it.
            if let Some(kind) = address::not_public(*address).filter(|_| !self.allow_private) {
                return Err(FetchError::Private { address: *address, kind });
            }
        }
        if found.is_empty() {
            let source = io::Error::other("it has no address");
            return Err(FetchError::Resolve { source });
        }
        Ok(found)
    }

    /// Resolves on a thread of its own: the system's resolver cannot be stopped,
    /// only left alone.
    fn ask(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let (dial, host) = (self.dial.clone(), host.to_owned());
        let (answer, answered) = mpsc::sync_channel(1);
        let work = move || drop(answer.send(dial.resolve(&host)));
        thread::Builder::new().name("list-name".into()).spawn(work)?;
        match answered.recv_timeout(left(self.deadline)?) {
            Ok(found) => found,
            Err(_) => Err(ErrorKind::TimedOut.into()),
        }
    }
}

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        _: &ureq::config::Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.addresses(uri.host().unwrap_or_default()).map_err(wrap)?;
        let port = uri.port_u16().unwrap_or(HTTPS);
        let mut addresses = self.empty();
        for address in found.into_iter().take(MOST_ADDRESSES) {
            addresses.push(SocketAddr::new(address, port));
        }
        Ok(addresses)
    }
}

/// Makes connections to addresses that [`Names`] has let through.
#[derive(Debug)]
pub(super) struct Dialer {
    pub(super) dial: Arc<dyn Dial>,
    pub(super) tls: Arc<ClientConfig>,
    /// When the connection must be there, TLS included.
    pub(super) connected_by: Instant,
    /// When all must be over.
    pub(super) deadline: Instant,
    /// Set where a connection ended without a word.
    pub(super) cut: Arc<AtomicBool>,
}

impl Dialer {
    /// Tries one address after the other; each gets its share of the time.
    fn reach(&self, addresses: &[SocketAddr]) -> Result<TcpStream, FetchError> {
        let mut last = io::Error::from(ErrorKind::TimedOut);
        for (tried, to) in (0..).zip(addresses) {
            let Ok(left) = left(self.connected_by) else { break };
            let untried = u32::try_from(addresses.len()).unwrap_or(u32::MAX).saturating_sub(tried);
            let share = (left / untried.max(1)).max(SHORTEST);
            match self.dial.connect(*to, share) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(FetchError::Connect { source: last })
    }

    fn secure(&self, host: &str, tcp: TcpStream) -> Result<Connection, FetchError> {
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|_| FetchError::BadUrl)?;
        let mut session =
            ClientConnection::new(self.tls.clone(), name).map_err(|error| tls::explain(&error))?;
        let mut socket = Timed { stream: tcp, deadline: self.connected_by };
        session.complete_io(&mut socket).map_err(|error| not_secured(&error))?;
        socket.deadline = self.deadline;
        Ok(Connection {
            buffers: LazyBuffers::new(BUFFER, BUFFER),
            stream: StreamOwned::new(session, socket),
            cut: self.cut.clone(),
        })
    }
}

impl Connector<()> for Dialer {
    type Out = Connection;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Connection>, ureq::Error> {
        let tcp = self.reach(&details.addrs).map_err(wrap)?;
        self.secure(details.uri.host().unwrap_or_default(), tcp).map(Some).map_err(wrap)
    }
}

/// A TLS connection.
pub(super) struct Connection {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, Timed>,
    cut: Arc<AtomicBool>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}

impl Transport for Connection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        Ok(self.stream.write_all(output)?)
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        let read = self.stream.read(self.buffers.input_append_buf());
        // TLS ends with a word. Where it is missing, someone else may have cut the connection.
        if read.is_err() {
            self.cut.store(true, Ordering::Relaxed);
        }
        let amount = read?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        false // never used a second time
    }

    fn is_tls(&self) -> bool {
        true
    }
}

/// A socket that waits until the deadline and no longer.
#[derive(Debug)]
struct Timed {
    stream: TcpStream,
    deadline: Instant,
}

impl Timed {
    fn attempt(
        &mut self,
        set: fn(&TcpStream, Option<Duration>) -> io::Result<()>,
        mut act: impl FnMut(&mut TcpStream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            set(&self.stream, Some(left(self.deadline)?))?;
            match act(&mut self.stream) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Err(ErrorKind::TimedOut.into());
                }
                done => return done,
            }
        }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.attempt(TcpStream::set_read_timeout, |stream| stream.read(buffer))
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.attempt(TcpStream::set_write_timeout, |stream| stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is left until then; an error if nothing is.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// What went wrong while TLS was made.
fn not_secured(error: &io::Error) -> FetchError {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    if let Some(tls) = inner {
        return tls::explain(tls);
    }
    let problem = match error.kind() {
        ErrorKind::TimedOut => "it did not answer in time".into(),
        ErrorKind::UnexpectedEof => "it hung up".into(),
        _ => error.to_string(),
    };
    FetchError::Tls { problem }
}

/// Carries an error of ours through the HTTP.
fn wrap(error: FetchError) -> ureq::Error {
    ureq::Error::Other(Box::new(error))
}

const HTTPS: u16 = 443;
const MOST_ADDRESSES: usize = 8; // of one name are tried
const BUFFER: usize = 16 * 1024; // bytes: a TLS record
const SHORTEST: Duration = Duration::from_millis(50); // to try one address for
