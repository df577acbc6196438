//! One question to an upstream on one socket, from its start to its end.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::epoll::EpollFlags;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{Ipv4RecvErr, Ipv6RecvErr};
use socket2::{Domain, Socket, Type};

use super::{AskError, LONGEST_MESSAGE, MOST_MESSAGES, UpstreamError};
use crate::shell::protect::{Protector, protected};

/// A question under way.
#[derive(Debug)]
pub(super) struct Exchange {
    kind: Kind,
    /// Messages that came.
    messages: u32,
}

/// What a step led to.
#[derive(Debug)]
pub(super) enum Progress {
    /// Nothing yet.
    None,
    /// A message of this length, at the start of the buffer.
    Message(usize),
    /// Nothing more will come.
    Ended(AskError),
}

#[derive(Debug)]
enum Kind {
    Udp { socket: UdpSocket, upstream: SocketAddr },
    Tcp(Stream),
}

/// A message out, then messages in, each after two bytes of its length
/// (RFC 1035 §4.2.2).
#[derive(Debug)]
struct Stream {
    socket: TcpStream,
    /// What is still to be sent.
    out: Vec<u8>,
    /// What came of the next message, its length bytes included.
    /// INVARIANT: never longer than its length bytes say.
    incoming: Vec<u8>,
}

impl Exchange {
    /// Sends a datagram from a random port.
    pub(super) fn udp(
        protector: &Protector,
        upstream: SocketAddr,
        message: &[u8],
    ) -> Result<Self, AskError> {
        let socket = open(protector, upstream, Type::DGRAM)?;
        report_icmp(&socket, upstream).map_err(AskError::Socket)?;
        bind_randomly(&socket, upstream).map_err(AskError::Socket)?;
        socket.connect(&upstream.into()).map_err(AskError::Unreachable)?;
        socket.send(message).map_err(AskError::Unreachable)?;
        let socket = UdpSocket::from(socket);
        Ok(Self { kind: Kind::Udp { socket, upstream }, messages: 0 })
    }

    /// Starts to connect. The message is sent when that is done.
    pub(super) fn tcp(
        protector: &Protector,
        upstream: SocketAddr,
        message: &[u8],
    ) -> Result<Self, AskError> {
        let socket = open(protector, upstream, Type::STREAM)?;
        let len = u16::try_from(message.len())
            .map_err(|_| AskError::Socket(ErrorKind::InvalidInput.into()))?;
        match socket.connect(&upstream.into()) {
            Err(error) if !started(&error) => return Err(AskError::Unreachable(error)),
            Ok(()) | Err(_) => {}
        }
        // Length and message in one segment: some servers want that (RFC 7766 §8).
        let out = [&len.to_be_bytes(), message].concat();
        let stream = Stream { socket: socket.into(), out, incoming: Vec::new() };
        Ok(Self { kind: Kind::Tcp(stream), messages: 0 })
    }

    /// Its socket.
    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        match &self.kind {
            Kind::Udp { socket, .. } => socket.as_fd(),
            Kind::Tcp(stream) => stream.socket.as_fd(),
        }
    }

    /// What to wait for.
    pub(super) fn interest(&self) -> EpollFlags {
        match &self.kind {
            Kind::Tcp(stream) if !stream.out.is_empty() => EpollFlags::EPOLLOUT,
            Kind::Udp { .. } | Kind::Tcp(_) => EpollFlags::EPOLLIN,
        }
    }

    /// Goes on, when the socket is ready, by at most one message.
    pub(super) fn step(&mut self, events: EpollFlags, buffer: &mut [u8]) -> Progress {
        let came = match &mut self.kind {
            Kind::Udp { socket, upstream } => receive(socket, *upstream, buffer),
            Kind::Tcp(stream) => stream.step(events, buffer),
        };
        match came {
            Ok(Some(len)) if self.messages < MOST_MESSAGES => {
                self.messages += 1;
                Progress::Message(len)
            }
            Ok(Some(_)) => Progress::Ended(AskError::Flood),
            Ok(None) => Progress::None,
            Err(error) if may_go_on(&error) => Progress::None,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                Progress::Ended(AskError::HungUp)
            }
            Err(error) => Progress::Ended(AskError::Unreachable(error)),
        }
    }
}

impl Stream {
    fn step(&mut self, events: EpollFlags, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        if events.intersects(EpollFlags::EPOLLERR)
            && let Some(error) = self.socket.take_error()?
        {
            return Err(error);
        }
        if !self.out.is_empty() {
            let sent = self.socket.write(&self.out)?;
            self.out.drain(..sent);
            return Ok(None);
        }
        let missing = self.missing().min(buffer.len());
        let Some(space) = buffer.get_mut(..missing) else { return Ok(None) };
        let read = self.socket.read(space)?;
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.incoming.extend_from_slice(space.get(..read).unwrap_or_default());
        if self.missing() > 0 {
            return Ok(None);
        }
        let message = self.incoming.get(LENGTH_BYTES..).unwrap_or_default();
        let len = message.len();
        if let Some(space) = buffer.get_mut(..len) {
            space.copy_from_slice(message);
        }
        self.incoming.clear();
        Ok(Some(len))
    }

    /// How many bytes to read next: first the length, then what it says.
    fn missing(&self) -> usize {
        match self.incoming[..] {
            [] => LENGTH_BYTES,
            [_] => 1,
            [a, b, ref body @ ..] => {
                usize::from(u16::from_be_bytes([a, b])).saturating_sub(body.len())
            }
        }
    }
}

/// Finds out whether sockets can be had and protected.
pub(super) fn try_protect(protector: &Protector) -> Result<(), UpstreamError> {
    // Where the kernel has no IPv6 there is still IPv4, and the reverse.
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)
        .or_else(|_| Socket::new(Domain::IPV6, Type::DGRAM, None))
        .map_err(UpstreamError::Socket)?;
    protected(protector, socket).map(drop).map_err(UpstreamError::Protect)
}

fn open(protector: &Protector, upstream: SocketAddr, kind: Type) -> Result<Socket, AskError> {
    let socket = Socket::new(Domain::for_address(upstream), kind, None);
    let socket = socket.map_err(AskError::Socket)?;
    socket.set_nonblocking(true).map_err(AskError::Socket)?;
    protected(protector, socket).map_err(AskError::Protect)
}

/// Has the kernel tell us of every ICMP error, not of refused ports only
/// (ip(7), `IP_RECVERR`), so that a dead route is known at once.
fn report_icmp(socket: &Socket, upstream: SocketAddr) -> io::Result<()> {
    match upstream {
        SocketAddr::V4(_) => setsockopt(socket, Ipv4RecvErr, &true)?,
        SocketAddr::V6(_) => setsockopt(socket, Ipv6RecvErr, &true)?,
    }
    Ok(())
}

/// Binds to a port that nobody can guess (RFC 5452 §9.2). The kernel's own
/// choice is from a range of half the size.
fn bind_randomly(socket: &Socket, upstream: SocketAddr) -> io::Result<()> {
    let any = |port| match upstream {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
    };
    if upstream.is_ipv6() {
        socket.set_only_v6(true)?; // or the port would have to be free in IPv4 too
    }
    for _ in 0..PORT_TRIES {
        match socket.bind(&any(random_port()?).into()) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            done => return done,
        }
    }
    socket.bind(&any(0).into())
}

fn random_port() -> io::Result<u16> {
    loop {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes)?;
        let mut ports = bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_ne_bytes(*pair));
        if let Some(port) = ports.find(|port| *port >= FIRST_PORT) {
            return Ok(port);
        }
    }
}

/// Takes a datagram, if it comes from the upstream: one that was sent between
/// bind and connect may come from anyone.
fn receive(
    socket: &UdpSocket,
    upstream: SocketAddr,
    buffer: &mut [u8],
) -> io::Result<Option<usize>> {
    let (len, source) = socket.recv_from(buffer)?;
    let same = source.ip() == upstream.ip() && source.port() == upstream.port();
    Ok(same.then_some(len.min(LONGEST_MESSAGE)))
}

fn started(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EINPROGRESS)
}

fn may_go_on(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

const LENGTH_BYTES: usize = 2; // RFC 1035 §4.2.2

/// The first port that needs no privilege.
const FIRST_PORT: u16 = 1024;

/// Random ports to try; each is taken with a chance of a few percent at most.
const PORT_TRIES: usize = 16;
