//! Upstreams, as core names them.

/// Names one question to an upstream, until its end.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AskId(pub u64);

/// How DNS messages are carried, to us or to an upstream. Encrypted ways join here.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Transport {
    /// One datagram each way (RFC 1035 §4.2.1).
    Udp,
    /// Two bytes of length before each message (RFC 1035 §4.2.2).
    Tcp,
}
