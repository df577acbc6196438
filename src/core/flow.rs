//! Flows: who talks to whom.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A transport protocol that optout decides about.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// RFC 9293.
    Tcp,
    /// RFC 768.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// The five values that name a flow, as its first packet has them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FiveTuple {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Who started the flow.
    pub source: SocketAddr,
    /// Whom it is meant for.
    pub destination: SocketAddr,
}

/// In one piece, for it is done some times for each packet. Scope and flow label, of
/// which packets say nothing, do not count.
impl Hash for FiveTuple {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let mut bytes = [0; 1 + 2 * END];
        let (protocol, ends) = bytes.split_at_mut(1);
        protocol.fill(u8::from(self.protocol == Protocol::Udp));
        for (place, end) in ends.chunks_exact_mut(END).zip([self.source, self.destination]) {
            let (address, port) = place.split_at_mut(END - 2);
            port.copy_from_slice(&end.port().to_be_bytes());
            match end.ip() {
                IpAddr::V4(v4) => address.iter_mut().zip(v4.octets()).for_each(|(to, of)| *to = of),
                IpAddr::V6(v6) => address.copy_from_slice(&v6.octets()),
            }
        }
        hasher.write(&bytes);
    }
}

/// Bytes of an address and a port.
const END: usize = 18;

/// The program a flow of this host belongs to. A part that could not be learnt is `None`.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct Owner {
    /// User id of the socket.
    pub uid: Option<u32>,
    /// Process id of a process that holds the socket.
    pub pid: Option<u32>,
    /// What a person would call it: the file name of the executable.
    pub program: Option<Arc<str>>,
}

/// Who asked: a program on this host, or a device whose packets we forward.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Client {
    /// This host. The owner is `None` until it is known, and if it cannot be.
    Host(Option<Owner>),
    /// Another device, by its address.
    Device(IpAddr),
}

/// Whose share of a bound something takes: all programs of this host have one
/// together, and each device has its own.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Member {
    /// All programs of this host.
    Host,
    /// A device.
    Device(IpAddr),
}

impl From<&Client> for Member {
    fn from(client: &Client) -> Self {
        match client {
            Client::Host(_) => Self::Host,
            Client::Device(address) => Self::Device(*address),
        }
    }
}
