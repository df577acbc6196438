//! A UDP socket for one peer, that hears of ICMP (RFC 1122 §4.1.3.3), as those of
//! browsers do. quinn's own takes every fault of a socket for a passing one.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::io::Interest;

/// The socket.
#[derive(Debug)]
pub struct Told {
    socket: tokio::net::UdpSocket,
    peer: SocketAddr,
}

#[derive(Debug)]
struct Poller(Arc<Told>);

impl Told {
    /// Opens one to this peer.
    ///
    /// # Errors
    ///
    /// There is no way to it.
    pub fn connect(peer: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(if peer.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
        socket.connect(peer)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket: tokio::net::UdpSocket::from_std(socket)?, peer })
    }

    /// Waits until ICMP says that nobody is there.
    pub async fn refusal(&self) -> io::Error {
        let heard = async {
            self.socket.ready(Interest::ERROR).await?;
            Ok(self.socket.take_error()?.unwrap_or_else(|| io::ErrorKind::ConnectionRefused.into()))
        };
        heard.await.unwrap_or_else(|error| error)
    }
}

impl AsyncUdpSocket for Told {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Poller(self))
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        match self.socket.try_send(transmit.contents) {
            // What is too long for the way is lost, and QUIC finds out (RFC 9000 §14).
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.socket.poll_recv_ready(context))?;
            match self.socket.try_recv(&mut buffers[0]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok(len) => {
                    meta[0] = RecvMeta { addr: self.peer, len, stride: len, ..RecvMeta::default() };
                    return Poll::Ready(Ok(1));
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

impl UdpPoller for Poller {
    fn poll_writable(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.socket.poll_send_ready(context)
    }
}
