//! The other end of the control socket: asks the daemon, blocking.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::unistd::{Gid, Group};
use socket2::{Domain, SockAddr, Socket, Type};
use thiserror::Error;

use crate::request::{PROTOCOL, Request, Response};

/// Whoever answers requests: the daemon, or a test's stand-in.
pub trait Daemon {
    /// Sends one request and hands every answer to `each` until that breaks off
    /// or the last one came.
    ///
    /// # Errors
    ///
    /// [`ClientError`], of which [`ClientError::Refused`] is the daemon's own word.
    fn ask_each(
        &mut self,
        request: &Request,
        each: &mut dyn FnMut(Response) -> ControlFlow<()>,
    ) -> Result<(), ClientError>;

    /// Sends one request that has one answer.
    ///
    /// # Errors
    ///
    /// As [`ask_each`](Self::ask_each).
    fn ask(&mut self, request: &Request) -> Result<Response, ClientError> {
        let mut answer = None;
        self.ask_each(request, &mut |response| {
            answer = Some(response);
            ControlFlow::Break(())
        })?;
        answer.ok_or(ClientError::HungUp)
    }
}

/// Why there is no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody listens.
    #[error(
        "optout is not running (nobody answers at {}); \
         start it with `sudo systemctl start optout` or `sudo optout run`", .0.display()
    )]
    NotRunning(PathBuf),
    /// The file's mode keeps us out.
    #[error("no permission to speak to the daemon at {}; {remedy}", path.display())]
    NoPermission {
        /// The socket.
        path: PathBuf,
        /// What to do.
        remedy: String,
    },
    /// The daemon speaks another language.
    #[error(
        "the daemon is optout {daemon}, this is optout {}; \
         restart it with `sudo systemctl restart optout`", env!("CARGO_PKG_VERSION")
    )]
    OtherVersion {
        /// Its version, or `of another version`.
        daemon: String,
    },
    /// It took too long.
    #[error("the daemon did not answer within {} s; see its log", .0.as_secs())]
    Silent(Duration),
    /// It closed the connection without an answer.
    #[error("the daemon closed the connection without an answer; see its log")]
    HungUp,
    /// The daemon could not do it, in its own words.
    #[error("{0}")]
    Refused(String),
    /// The system refused.
    #[error("cannot speak to the daemon at {}: {source}", path.display())]
    System {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A daemon behind a socket. Every request is a connection of its own.
#[derive(Clone, Debug)]
pub struct Client {
    path: PathBuf,
    patience: Duration,
}

impl Client {
    /// Will connect to the socket at `path` when asked.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), patience: PATIENCE }
    }

    /// The same, but waits that long for an answer.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    fn connect(&self) -> Result<UnixStream, ClientError> {
        let deadline = Instant::now() + self.patience;
        loop {
            match try_connect(&self.path) {
                Ok(stream) => return Ok(stream),
                // The queue of the socket is full: the daemon is busy, not gone.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if Instant::now() >= deadline {
                        return Err(ClientError::Silent(self.patience));
                    }
                    std::thread::sleep(BETWEEN_TRIES);
                }
                Err(error) => return Err(self.cannot_connect(error)),
            }
        }
    }

    fn cannot_connect(&self, source: io::Error) -> ClientError {
        let path = self.path.clone();
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                ClientError::NotRunning(path)
            }
            io::ErrorKind::PermissionDenied => {
                let remedy = remedy(&path);
                ClientError::NoPermission { path, remedy }
            }
            _ => ClientError::System { path, source },
        }
    }

    fn failed(&self, source: io::Error) -> ClientError {
        match source.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                ClientError::Silent(self.patience)
            }
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => ClientError::HungUp,
            _ => ClientError::System { path: self.path.clone(), source },
        }
    }

    /// How long to wait for an answer, or for the next. `None`: for ever.
    fn patience_for(&self, request: &Request) -> Option<Duration> {
        match request {
            Request::Log(query) if query.follow => None,
            // A list may take a minute to come, and more lists than one may not come at all.
            Request::ChangeLists(_) => None,
            Request::Log(_) | Request::Report { .. } | Request::Reload => {
                Some(self.patience.max(READING_PATIENCE))
            }
            _ => Some(self.patience),
        }
    }
}

impl Daemon for Client {
    fn ask_each(
        &mut self,
        request: &Request,
        each: &mut dyn FnMut(Response) -> ControlFlow<()>,
    ) -> Result<(), ClientError> {
        let mut stream = self.connect()?;
        let patience = self.patience_for(request);
        stream
            .set_read_timeout(patience)
            .and_then(|()| stream.set_write_timeout(Some(self.patience)))
            .map_err(|error| self.failed(error))?;
        match stream.write_all(&line_of(request)) {
            // Turned away before we spoke: the reason is there to be read.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            written => written.map_err(|error| self.failed(error))?,
        }
        let mut from = BufReader::new(stream);
        loop {
            let response = read_response(&mut from).map_err(|error| self.failed(error))?;
            let response = understand(response)?;
            let more = response.is_part();
            if each(response).is_break() || !more {
                return Ok(());
            }
        }
    }
}

fn try_connect(path: &Path) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)?;
    socket.set_nonblocking(false)?;
    Ok(socket.into())
}

fn line_of(request: &Request) -> Vec<u8> {
    let mut value = serde_json::to_value(request).expect("our requests have text keys only");
    if let Some(fields) = value.as_object_mut() {
        fields.insert("v".into(), PROTOCOL.into());
    }
    let mut line = value.to_string().into_bytes();
    line.push(b'\n');
    line
}

/// Reads one line: `None` if it is not whole.
fn read_response(from: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    from.take(LONGEST_RESPONSE).read_until(b'\n', &mut line)?;
    Ok(line.ends_with(b"\n").then_some(line))
}

fn understand(line: Option<Vec<u8>>) -> Result<Response, ClientError> {
    let line = line.ok_or(ClientError::HungUp)?;
    match serde_json::from_slice(&line) {
        Ok(Response::Failed(why)) => Err(ClientError::Refused(why)),
        Ok(Response::Version { daemon, .. }) => Err(ClientError::OtherVersion { daemon }),
        Ok(response) => Ok(response),
        Err(_) => Err(ClientError::OtherVersion { daemon: "of another version".into() }),
    }
}

/// What to do about a socket that we may not open: join its group if it has one.
fn remedy(path: &Path) -> String {
    let group_of = |path: &Path| path.symlink_metadata().ok().map(|found| found.gid());
    let gid = group_of(path).or_else(|| group_of(path.parent()?));
    let group = gid
        .filter(|&gid| gid != 0)
        .and_then(|gid| Group::from_gid(Gid::from_raw(gid)).ok().flatten());
    match group {
        Some(group) => {
            let name = group.name;
            format!("use sudo, or join the group {name} (`sudo usermod -aG {name} $USER`)")
        }
        None => "use sudo".into(),
    }
}

/// To connect, to send, and for a short answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// For answers that are read from the journal.
const READING_PATIENCE: Duration = Duration::from_mins(1);

const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// Bytes of an answer's line. A report over 100,000 hosts is near 20 MiB.
const LONGEST_RESPONSE: u64 = 64 * 1024 * 1024;
