//! Bytes ⇄ meaning, one protocol a file. Parsers answer three ways: done,
//! incomplete, malformed.
//!
//! A packet out of the TUN is always whole, so the parsers of packets know
//! only two: what they return, and [`Malformed`]. Writers put one packet into a
//! buffer that the caller keeps, so that the packet path does not allocate.

use thiserror::Error;

use crate::core::wire::reader::Short;

pub mod checksum;
pub mod http;
pub mod icmp;
pub mod ip;
pub mod quic;
pub mod reader;
pub mod tcp;
pub mod tls;
pub mod udp;
pub mod virtio;

/// These bytes are not what they claim to be. Count it and drop them.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("malformed packet: {0}")]
pub struct Malformed(pub &'static str);

impl From<Short> for Malformed {
    fn from(Short: Short) -> Self {
        Self("cut short")
    }
}

/// A packet that cannot be written.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Unwritable {
    /// One end is an IPv4 address, the other an IPv6 address.
    #[error("the two ends of a packet are of different address families")]
    Families,
    /// Longer than its length field can say.
    #[error("a payload of {0} bytes does not fit in one packet")]
    TooLong(usize),
}
