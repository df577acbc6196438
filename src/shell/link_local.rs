//! A listener for clients that cannot be routed to the TUN.
//!
//! A packet with a link-local source may not be forwarded (RFC 4291 §2.5.6), a
//! host that does not forward forwards nothing, and where connections are not
//! tracked, no question to this host's own address can be given another. The
//! packet filter leads what such clients ask this host to this listener, and
//! drops what comes here by itself.

use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg, sendmsg, setsockopt,
    sockopt,
};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::core::flow::Protocol;

/// The listener's sockets, UDP and TCP on one port.
#[derive(Debug)]
pub struct Listener {
    udp: Arc<UdpSocket>,
    tcp: TcpListener,
    port: u16,
}

/// A message that a client sent, and the way back. To drop it is not to answer.
#[derive(Debug)]
pub struct Question {
    /// Who asks; with the link, for a link-local address.
    pub client: SocketAddr,
    /// The message, without the length bytes of TCP. Not looked at yet.
    pub message: Vec<u8>,
    /// The way back.
    pub reply: Reply,
}

/// The way back to a client.
#[derive(Debug)]
pub struct Reply(Way);

#[derive(Debug)]
enum Way {
    /// From the address that was asked; the packet filter puts the port right.
    Datagram {
        socket: Arc<UdpSocket>,
        to: SockaddrIn6,
        from: libc::in6_pktinfo,
    },
    Stream(oneshot::Sender<Vec<u8>>),
}

impl Listener {
    /// Opens both sockets on a port that the kernel chooses, marked with `mark`.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says: without IPv6 there is no listener.
    pub fn open(mark: u32) -> io::Result<Self> {
        let mut last = io::ErrorKind::AddrInUse.into();
        // The port that one socket was given may be another's in the other protocol.
        for _ in 0..PORT_TRIES {
            let tcp = socket(Type::STREAM, mark, 0)?;
            tcp.listen(BACKLOG)?;
            let port = tcp.local_addr()?.as_socket().map_or(0, |address| address.port());
            match socket(Type::DGRAM, mark, port) {
                Ok(udp) => {
                    setsockopt(&udp, sockopt::Ipv6RecvPacketInfo, &true)?;
                    let udp = Arc::new(UdpSocket::from_std(udp.into())?);
                    let tcp = TcpListener::from_std(tcp.into())?;
                    return Ok(Self { udp, tcp, port });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The port, for the packet filter.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Hands in what clients ask, until the other end of `questions` is gone.
    /// What comes while the channel is full is dropped, as the network would.
    ///
    /// # Errors
    ///
    /// If a socket fails for good.
    pub async fn run(self, questions: mpsc::Sender<Question>) -> io::Result<()> {
        let mut streams = FuturesUnordered::new();
        let mut clients: BTreeMap<IpAddr, usize> = BTreeMap::new();
        loop {
            tokio::select! {
                () = questions.closed() => return Ok(()),
                got = datagram(&self.udp) => {
                    if let Some(question) = got? {
                        let _ = questions.try_send(question);
                    }
                }
                Some(client) = streams.next() => {
                    if let Some(count) = clients.get_mut(&client) {
                        *count -= 1;
                    }
                    clients.retain(|_, count| *count > 0);
                }
                got = self.tcp.accept(), if streams.len() < MOST_STREAMS => {
                    // An error is of the connection, which is gone.
                    let Ok((stream, client)) = got else { continue };
                    let count = clients.entry(client.ip()).or_default();
                    if *count < MOST_STREAMS_EACH {
                        *count += 1;
                        let served = serve(stream, client, questions.clone());
                        streams.push(async move {
                            let _ = timeout(PATIENCE, served).await;
                            client.ip()
                        });
                    }
                }
            }
        }
    }
}

impl Reply {
    /// Whether the question came by UDP, so that a long answer must be cut.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match self.0 {
            Way::Datagram { .. } => Protocol::Udp,
            Way::Stream(_) => Protocol::Tcp,
        }
    }

    /// Sends the answer. A client that is gone by now does not get it.
    pub fn send(self, message: &[u8]) {
        match self.0 {
            Way::Datagram { socket, to, from } => {
                let sent = socket.try_io(Interest::WRITABLE, || {
                    let from = [ControlMessage::Ipv6PacketInfo(&from)];
                    let bytes = [IoSlice::new(message)];
                    let none = MsgFlags::empty();
                    Ok(sendmsg(socket.as_raw_fd(), &bytes, &from, none, Some(&to))?)
                });
                if let Err(error) = sent {
                    log::debug!("link_local: an answer was not sent: {error}");
                }
            }
            Way::Stream(answer) => drop(answer.send(message.into())),
        }
    }
}

/// A socket on every address of both families.
fn socket(kind: Type, mark: u32, port: u16) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV6, kind, None)?;
    socket.set_only_v6(false)?;
    socket.set_mark(mark)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)).into())?;
    Ok(socket)
}

/// Waits for a datagram; `None` for one that cannot be answered.
async fn datagram(udp: &Arc<UdpSocket>) -> io::Result<Option<Question>> {
    let mut buffer = [0; MOST_DATAGRAM];
    let received = udp.async_io(Interest::READABLE, || receive(udp, &mut buffer)).await;
    let (length, client, from) = match received {
        Ok(received) => received,
        // An earlier answer could not be delivered.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(None),
        Err(error) => return Err(error),
    };
    let (Some(to), Some(mut from)) = (client, from) else { return Ok(None) };
    let address = SocketAddrV6::from(to);
    if address.scope_id() == 0 {
        from.ipi6_ifindex = 0; // by whatever way leads to the client
    }
    let message = buffer.get(..length).unwrap_or_default().to_vec();
    let reply = Reply(Way::Datagram { socket: Arc::clone(udp), to, from });
    Ok(Some(Question { client: plain(address.into()), message, reply }))
}

type Received = (usize, Option<SockaddrIn6>, Option<libc::in6_pktinfo>);

fn receive(udp: &UdpSocket, buffer: &mut [u8]) -> io::Result<Received> {
    let mut parts = [IoSliceMut::new(buffer)];
    let mut space = nix::cmsg_space!(libc::in6_pktinfo);
    let none = MsgFlags::empty();
    let got = recvmsg::<SockaddrIn6>(udp.as_raw_fd(), &mut parts, Some(&mut space), none)?;
    let from = got.cmsgs()?.find_map(|message| match message {
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(info),
        _ => None,
    });
    Ok((got.bytes, got.address, from))
}

/// Serves one connection, question after question (RFC 7766 §6.2.1).
async fn serve(
    mut stream: TcpStream,
    client: SocketAddr,
    questions: mpsc::Sender<Question>,
) -> io::Result<()> {
    loop {
        let mut message = vec![0; stream.read_u16().await?.into()];
        stream.read_exact(&mut message).await?;
        let (sender, answer) = oneshot::channel();
        let reply = Reply(Way::Stream(sender));
        let question = Question { client: plain(client), message, reply };
        questions.try_send(question).map_err(|_| io::ErrorKind::ConnectionAborted)?;
        let answer = answer.await.map_err(|_| io::ErrorKind::ConnectionAborted)?;
        let length = u16::try_from(answer.len()).map_err(|_| io::ErrorKind::InvalidData)?;
        // In one piece (RFC 7766 §8).
        let framed = [&length.to_be_bytes(), answer.as_slice()].concat();
        stream.write_all(&framed).await?;
    }
}

/// IPv4 clients come as `::ffff:192.0.2.1`.
fn plain(client: SocketAddr) -> SocketAddr {
    match client.ip().to_canonical() {
        IpAddr::V4(v4) => (v4, client.port()).into(),
        IpAddr::V6(_) => client,
    }
}

const PORT_TRIES: usize = 16;
const BACKLOG: i32 = 64;
const MOST_STREAMS: usize = 64;
const MOST_STREAMS_EACH: usize = 8; // so that one client leaves room for the others
const PATIENCE: Duration = Duration::from_secs(10); // for a whole connection
const MOST_DATAGRAM: usize = 4096; // longer questions come by TCP (RFC 6891 §6.2.5)
