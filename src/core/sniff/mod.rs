//! The first bytes of a flow → the host that it is for.
//!
//! # Contract
//!
//! - [`Stream`] takes the bytes of one direction of a TCP connection, from the
//!   client, in order and each once; [`Datagrams`] takes the payloads of a
//!   client's datagrams, in any order.
//! - `push` says [`Sniffed::NeedMore`] until there is an outcome; `finish` says
//!   what is known when no more will come (FIN, the deadline).
//! - Whatever a peer sends: bounded memory, linear time, no panic. What fits in
//!   one `push` is read where it lies; only what must wait is copied.
//! - After [`Sniffed::Named`] a stream may name another host: a second
//!   ClientHello, after HelloRetryRequest (RFC 8446 §4.1.4). Push on until
//!   [`Stream::is_over`].

mod datagrams;
mod names;
mod stream;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use datagrams::Datagrams;
pub use names::{Names, NotAdded};
pub use stream::Stream;

/// What the first bytes of a flow say.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub enum Sniffed {
    /// Nothing yet.
    NeedMore,
    /// The client named its host.
    Named(Named),
    /// It did not, and will not.
    Unnamed(Unnamed),
}

impl Sniffed {
    /// What there is to say of a client that said these hosts, as it wrote them.
    pub fn from_hosts<'a>(
        hosts: impl IntoIterator<Item = &'a [u8]>,
        spoken: Spoken,
        ech: bool,
    ) -> Self {
        let mut names = Names::new();
        let mut odd = None;
        for host in hosts {
            odd = odd.max(names.push(host).err());
        }
        if !names.is_empty() {
            let doubtful = odd.is_some() || names.iter().nth(1).is_some();
            return Self::Named(Named { names, spoken, ech, doubtful });
        }
        let cause = match odd {
            None => Cause::NoName,
            Some(NotAdded::Address) => Cause::Address,
            Some(NotAdded::Malformed | NotAdded::TooMany) => Cause::Malformed,
        };
        Self::Unnamed(Unnamed { cause, spoken: Some(spoken), ech })
    }

    /// Both together, of one flow: every name of either counts.
    fn and(self, later: Self) -> Self {
        match (self, later) {
            (Self::Named(mut named), Self::Named(later)) => {
                named.doubtful |= later.doubtful || named.names != later.names;
                named.ech |= later.ech;
                for name in later.names.iter() {
                    // What there is no room for is doubted already: it differs.
                    let _ = named.names.push(name.as_bytes());
                }
                Self::Named(named)
            }
            (Self::Named(named), Self::NeedMore | Self::Unnamed(_)) => Self::Named(named),
            (_, later) => later,
        }
    }
}

/// A flow whose client said whom it wants.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Named {
    /// The host. More than one where the client said more than one; then each
    /// counts, for we cannot know which the server believes.
    pub names: Names,
    /// The protocol it was said in.
    pub spoken: Spoken,
    /// The client sent encrypted_client_hello: `names` is the outer name only.
    pub ech: bool,
    /// The bytes can be read in two ways, and `names` has the names of both. So
    /// it is where more than one host was said, or one beside it that is no name.
    pub doubtful: bool,
}

/// A flow whose client did not say whom it wants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Unnamed {
    /// Why there is no name.
    pub cause: Cause,
    /// The protocol, where it was recognised.
    pub spoken: Option<Spoken>,
    /// The client sent encrypted_client_hello.
    pub ech: bool,
}

/// A protocol, and its version as it is on the wire.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Spoken {
    /// TLS over TCP. The highest version that the client offers: 0x0304 is TLS 1.3.
    Tls(u16),
    /// HTTP/1.x or 0.9 in plain text: major and minor version.
    Http(u8, u8),
    /// HTTP/2 in plain text, with prior knowledge (RFC 9113 §3.3).
    Http2,
    /// QUIC, with the version of its long header (RFC 9000 §15).
    Quic(u32),
    /// DTLS (RFC 9147).
    Dtls,
    /// STUN (RFC 8489).
    Stun,
    /// SSH (RFC 4253 §4.2).
    Ssh,
}

/// Why there is no name.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Understood, and no host is said in it.
    NoName,
    /// An address stands where a name would.
    Address,
    /// A protocol that names no host, or none that we read.
    OtherProtocol,
    /// A version that we cannot read.
    UnknownVersion,
    /// It begins like a protocol that we read, and is broken.
    Malformed,
    /// Longer than we keep.
    TooLong,
    /// It ended, or the deadline came, before all of it was here.
    Incomplete,
    /// It cannot be decrypted with the keys that anyone has.
    Undecryptable,
    /// The client sent nothing.
    Silent,
    /// The first bytes were never seen: the flow is older than we.
    Midway,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoName => "it names no host",
            Self::Address => "an address instead of a name",
            Self::OtherProtocol => "another protocol",
            Self::UnknownVersion => "unknown version",
            Self::Malformed => "malformed",
            Self::TooLong => "too long",
            Self::Incomplete => "incomplete",
            Self::Undecryptable => "cannot be decrypted",
            Self::Silent => "nothing was sent",
            Self::Midway => "older than we",
        })
    }
}

impl fmt::Display for Spoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls(0x0300) => f.write_str("SSL 3.0"),
            Self::Tls(version @ 0x0301..=0x0304) => write!(f, "TLS 1.{}", version - 0x0301),
            Self::Tls(version) => write!(f, "TLS {version:#06x}"),
            Self::Http(major, minor) => write!(f, "HTTP/{major}.{minor}"),
            Self::Http2 => f.write_str("HTTP/2"),
            Self::Quic(1) => f.write_str("QUIC v1"),
            Self::Quic(0x6b33_43cf) => f.write_str("QUIC v2"),
            Self::Quic(version) => write!(f, "QUIC {version:#010x}"),
            Self::Dtls => f.write_str("DTLS"),
            Self::Stun => f.write_str("STUN"),
            Self::Ssh => f.write_str("SSH"),
        }
    }
}

/// Most bytes of a stream, or of the datagrams of a flow, that wait for a name.
pub const MAX_HELD: usize = 32 * 1024;
