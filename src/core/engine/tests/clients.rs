//! What clients say, made by hand.

use super::*;
use crate::core::wire::quic::version::Version;
use crate::core::wire::quic::write::{Initial, put_crypto};
use crate::core::wire::tcp::Flags;

/// One end of a TCP connection, and what it sends next.
pub(super) struct Caller {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    next: u32,
}

impl Caller {
    pub(super) fn new(from: &str, to: &str) -> Self {
        Self { from: from.parse().unwrap(), to: to.parse().unwrap(), next: 1000 }
    }

    pub(super) fn tuple(&self) -> FiveTuple {
        FiveTuple { protocol: Protocol::Tcp, source: self.from, destination: self.to }
    }

    pub(super) fn syn(&mut self) -> Vec<u8> {
        self.send(SYN, &[])
    }

    /// The end of the handshake: the server began with 5000.
    pub(super) fn ack(&mut self) -> Vec<u8> {
        self.send(ACK, &[])
    }

    pub(super) fn say(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.send(ACK | PSH, bytes)
    }

    pub(super) fn send(&mut self, flags: u8, payload: &[u8]) -> Vec<u8> {
        let acknowledged: u32 = if flags & ACK == 0 { 0 } else { 5001 };
        let mut tcp = Vec::new();
        tcp.extend(self.from.port().to_be_bytes());
        tcp.extend(self.to.port().to_be_bytes());
        tcp.extend(self.next.to_be_bytes());
        tcp.extend(acknowledged.to_be_bytes());
        tcp.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        tcp.extend(payload);
        let (from, to) = (self.from.ip(), self.to.ip());
        let sum = Sum::pseudo_header(from, to, ip::TCP, tcp.len()).with(&tcp).checksum();
        tcp[16..18].copy_from_slice(&sum.to_be_bytes());
        let mut packet = Vec::new();
        ip::write_header(&mut packet, from, to, ip::TCP, tcp.len()).unwrap();
        packet.extend(tcp);
        let taken = payload.len() + usize::from(flags & (SYN | FIN) != 0);
        self.next = self.next.wrapping_add(u32::try_from(taken).unwrap());
        packet
    }
}

/// A packet of UDP.
pub(super) fn datagram(from: &str, to: &str, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    udp::write(&mut packet, from.parse().unwrap(), to.parse().unwrap(), payload).unwrap();
    packet
}

/// How a client begins TLS with a host, or without a name (RFC 8446 §5.1).
pub(super) fn tls(host: &str) -> Vec<u8> {
    let hello = hello(host);
    let mut record = vec![22, 3, 1];
    record.extend(u16::try_from(hello.len()).unwrap().to_be_bytes());
    record.extend(hello);
    record
}

/// The first datagram of a client that speaks QUIC.
pub(super) fn quic(host: &str) -> Vec<u8> {
    let mut frames = Vec::new();
    put_crypto(&mut frames, 0, &hello(host));
    frames.resize(1150, 0);
    Initial::first(Version::known(1).unwrap(), b"chosen id").seal(&frames).unwrap()
}

pub(super) fn http(host: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes()
}

/// What a TCP packet says: its flags, and its bytes.
pub(super) fn said(packet: &[u8]) -> (Flags, Vec<u8>) {
    let packet = Packet::parse(packet).unwrap();
    let segment = Segment::parse(&packet).unwrap();
    (segment.flags, segment.payload.to_vec())
}

/// A ClientHello (RFC 8446 §4.1.2), with a server name if there is one.
fn hello(host: &str) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
    let name = with_length(&[&[0], &with_length(host.as_bytes())[..]].concat());
    let mut extensions = vec![0, 43, 0, 3, 2, 3, 4];
    if !host.is_empty() {
        extensions.extend([0, 0]);
        extensions.extend(with_length(&name));
    }
    body.extend(with_length(&extensions));
    let len = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[1], &len[1..], &body].concat()
}

fn with_length(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

/// What follows a hello: the end of the handshake (RFC 8446 §5), sealed.
pub(super) const FINISHED: &[u8] =
    b"\x14\x03\x03\x00\x01\x01\x17\x03\x03\x00\x1412345678901234567890";

pub(super) const FIN: u8 = 1;
pub(super) const SYN: u8 = 2;
pub(super) const PSH: u8 = 8;
pub(super) const ACK: u8 = 16;
