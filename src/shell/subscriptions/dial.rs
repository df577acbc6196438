//! How the server of a list is found and connected to.

use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Finds servers and connects to them.
///
/// The daemon brings its own: sockets with its mark, and names asked of its
/// upstreams past all rules, so that a list that blocks its own server does not
/// cut itself off.
pub trait Dial: Debug + Send + Sync + 'static {
    /// The addresses of a name. May take its time: the caller does not wait for
    /// ever.
    ///
    /// # Errors
    ///
    /// What the resolver said.
    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;

    /// A connection to exactly this address.
    ///
    /// # Errors
    ///
    /// What the system said, and [`io::ErrorKind::TimedOut`] after `within`.
    fn connect(&self, to: SocketAddr, within: Duration) -> io::Result<TcpStream>;
}

/// As every other program does it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemDial;

impl Dial for SystemDial {
    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok((host, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
    }

    fn connect(&self, to: SocketAddr, within: Duration) -> io::Result<TcpStream> {
        TcpStream::connect_timeout(&to, within)
    }
}
