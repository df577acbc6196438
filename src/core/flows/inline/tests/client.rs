//! A client whose packets are put together by hand.

use std::net::SocketAddr;
use std::ops::Range;

use super::*;
use crate::core::wire::checksum::Sum;

/// One end of a TCP connection that can lie.
pub(super) struct Client {
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub isn: u32,
    /// What it acknowledges: the server's first number.
    pub ack: u32,
    pub stamps: Option<(u32, u32)>,
    pub stream: Vec<u8>,
}

/// A segment before it is written.
#[derive(Clone)]
pub(super) struct Sent {
    ends: (SocketAddr, SocketAddr),
    pub sequence: u32,
    pub ack: u32,
    pub flags: u8,
    pub hop_limit: u8,
    pub window: u16,
    pub urgent: u16,
    pub stamps: Option<(u32, u32)>,
    pub options: Vec<u8>,
    pub payload: Vec<u8>,
    bad_sum: bool,
    /// An extension header in IPv6, an option in IPv4.
    extension: Option<u8>,
}

impl Client {
    pub(super) fn new(v6: bool, stream: Vec<u8>) -> Self {
        let [source, destination] = if v6 {
            ["[2001:db8:7::7]:50000", "[2001:db8::443]:443"]
        } else {
            ["192.0.2.7:50000", "203.0.113.4:443"]
        }
        .map(|end| end.parse().unwrap());
        let (isn, ack) = (ISN, server::ISS.wrapping_add(1));
        Self { source, destination, isn, ack, stamps: None, stream }
    }

    pub(super) fn tuple(&self) -> FiveTuple {
        let (source, destination) = (self.source, self.destination);
        FiveTuple { protocol: Protocol::Tcp, source, destination }
    }

    pub(super) fn syn(&self) -> Sent {
        let syn = self.segment(-1, &[]);
        Sent {
            flags: SYN,
            ack: 0,
            stamps: self.stamps.map(|(value, _)| (value.wrapping_sub(30), 0)),
            ..syn
        }
    }

    pub(super) fn pure_ack(&self) -> Sent {
        self.segment(0, &[])
    }

    /// The bytes of the stream in this range.
    pub(super) fn real(&self, range: Range<usize>) -> Sent {
        self.segment(i64::try_from(range.start).unwrap(), &self.stream[range])
    }

    /// All of them.
    pub(super) fn all(&self) -> Sent {
        self.real(0..self.stream.len())
    }

    /// Other bytes.
    pub(super) fn fake(&self, at: i64, bytes: &[u8]) -> Sent {
        self.segment(at, bytes)
    }

    fn segment(&self, at: i64, payload: &[u8]) -> Sent {
        let offset = i32::try_from(at + 1).unwrap();
        Sent {
            ends: (self.source, self.destination),
            sequence: self.isn.wrapping_add_signed(offset),
            ack: self.ack,
            flags: if payload.is_empty() { ACK } else { ACK | PSH },
            hop_limit: 64,
            window: 502,
            urgent: 0,
            stamps: self.stamps,
            options: Vec::new(),
            payload: payload.to_vec(),
            bad_sum: false,
            extension: None,
        }
    }
}

impl Sent {
    pub(super) fn ttl(self, hop_limit: u8) -> Self {
        Self { hop_limit, ..self }
    }

    pub(super) fn flags(self, flags: u8) -> Self {
        Self { flags, ..self }
    }

    pub(super) fn shifted(self, by: i32) -> Self {
        Self { sequence: self.sequence.wrapping_add_signed(by), ..self }
    }

    pub(super) fn acking(self, by: i32) -> Self {
        Self { ack: self.ack.wrapping_add_signed(by), ..self }
    }

    pub(super) fn bad_sum(self) -> Self {
        Self { bad_sum: true, ..self }
    }

    pub(super) fn option(mut self, bytes: &[u8]) -> Self {
        self.options.extend(bytes);
        self
    }

    pub(super) fn md5(self) -> Self {
        self.option(&[1, 1, 19, 18]).option(&[5; 16])
    }

    pub(super) fn clock(mut self, by: i32) -> Self {
        self.stamps = self.stamps.map(|(value, echo)| (value.wrapping_add_signed(by), echo));
        self
    }

    pub(super) fn urgent(self, pointer: u16) -> Self {
        Self { flags: self.flags | URG, urgent: pointer, ..self }
    }

    pub(super) fn window(self, window: u16) -> Self {
        Self { window, ..self }
    }

    pub(super) fn extension(self, kind: u8) -> Self {
        Self { extension: Some(kind), ..self }
    }

    pub(super) fn carrying(self, payload: &[u8]) -> Self {
        Self { payload: payload.to_vec(), ..self }
    }

    /// The packet.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut options = self.options.clone();
        if let Some((value, echo)) = self.stamps {
            options.extend([1, 1, 8, 10]);
            options.extend(value.to_be_bytes());
            options.extend(echo.to_be_bytes());
        }
        options.resize(options.len().next_multiple_of(4), 0);
        let (from, to) = self.ends;
        let mut tcp = Vec::new();
        tcp.extend(from.port().to_be_bytes());
        tcp.extend(to.port().to_be_bytes());
        tcp.extend(self.sequence.to_be_bytes());
        tcp.extend(self.ack.to_be_bytes());
        tcp.push(u8::try_from(5 + options.len() / 4).unwrap() << 4);
        tcp.push(self.flags);
        tcp.extend(self.window.to_be_bytes());
        tcp.extend([0, 0]);
        tcp.extend(self.urgent.to_be_bytes());
        tcp.extend(options);
        tcp.extend(&self.payload);
        let sum = Sum::pseudo_header(from.ip(), to.ip(), ip::TCP, tcp.len()).with(&tcp);
        let sum = sum.checksum() ^ u16::from(self.bad_sum);
        tcp[16..18].copy_from_slice(&sum.to_be_bytes());
        self.wrap(&tcp)
    }

    fn wrap(&self, tcp: &[u8]) -> Vec<u8> {
        let (from, to) = self.ends;
        let v6 = from.is_ipv6();
        let mut out = Vec::new();
        let extra = self.extension.map_or(Vec::new(), |_| {
            if v6 { vec![6, 0, 1, 4, 0, 0, 0, 0] } else { vec![1, 1, 1, 0] }
        });
        ip::write_header(&mut out, from.ip(), to.ip(), ip::TCP, extra.len() + tcp.len()).unwrap();
        if let Some(kind) = self.extension {
            if v6 { out[6] = kind } else { out[0] = 0x46 }
        }
        out.extend(&extra);
        let header = out.len();
        ip::mend_length(&mut out, if v6 { 40 } else { header }).unwrap();
        out.extend(tcp);
        ip::mend_length(&mut out, if v6 { 40 } else { header }).unwrap();
        if v6 {
            ip::set_hop_limit(&mut out, self.hop_limit);
        } else {
            out[8] = self.hop_limit;
            ip::mend_length(&mut out, header).unwrap();
        }
        out
    }
}

pub(super) const FIN: u8 = 1;
pub(super) const SYN: u8 = 2;
pub(super) const RST: u8 = 4;
pub(super) const PSH: u8 = 8;
pub(super) const ACK: u8 = 16;
pub(super) const URG: u8 = 32;

/// Near the end, so that the numbers of every test wrap.
pub(super) const ISN: u32 = u32::MAX - 100;
