//! What a TUN with virtio headers leaves undone on a packet: its checksum not made, its
//! segments not cut (Virtio 1.2 §5.1.6.2 and `linux/virtio_net.h`, `struct virtio_net_hdr`).

use crate::core::wire::checksum::Sum;
use crate::core::wire::ip::{self, Fragment, Packet};
use crate::core::wire::reader::Reader;
use crate::core::wire::{Malformed, Unwritable};

/// What is yet to be done on a packet.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Undone {
    checksum: Option<Checksum>,
    segments: Option<Segments>,
}

/// The checksum over all from `start` on is not made. In its field, `offset` bytes
/// further, is the sum of the pseudo header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Checksum {
    start: usize,
    offset: usize,
}

/// It is to be cut into segments, or datagrams, of so many bytes without headers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Segments {
    protocol: u8,
    size: u16,
}

impl Undone {
    /// Reads what came out of the TUN in one read: a header, and the packet behind it.
    ///
    /// # Errors
    ///
    /// [`Malformed`] for flags or kinds that were not agreed on, for places past the
    /// end of the packet, and for segments of no size, of another IP version, or whose
    /// checksum is said to be made.
    pub fn parse(frame: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let mut r = Reader::new(frame);
        let [flags, kind] = r.array()?;
        let mut number = || r.array().map(u16::from_ne_bytes).map(usize::from);
        let (header_len, size) = (number()?, number()?);
        let (start, offset) = (number()?, number()?);
        let packet = r.rest();
        if flags & !(NEEDS_CHECKSUM | DATA_VALID) != 0 {
            return Err(Malformed("virtio flags"));
        }
        if header_len > packet.len() {
            return Err(Malformed("virtio header length"));
        }
        let checksum = (flags & NEEDS_CHECKSUM != 0).then_some(Checksum { start, offset });
        if checksum.is_some() && start + offset + 2 > packet.len() {
            return Err(Malformed("virtio checksum place"));
        }
        let segments = Segments::parse(kind, size, packet)?;
        if segments.is_some() && checksum.is_none() {
            return Err(Malformed("virtio segments without a checksum"));
        }
        Ok((Self { checksum, segments }, packet))
    }

    /// Makes the checksum of a packet that need not be cut.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if this is not about `packet`.
    pub fn finish(self, packet: &mut [u8]) -> Result<(), Malformed> {
        let Some(Checksum { start, offset }) = self.checksum else { return Ok(()) };
        let covered = packet.get_mut(start..).ok_or(Malformed("virtio checksum place"))?;
        let sum = Sum::default().with(covered);
        put(covered, offset, checksum(sum)).ok_or(Malformed("virtio checksum place"))
    }

    /// Cuts a packet into those that it stands for; `None` if it stands for itself.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the packet is no segment or datagram of that kind.
    pub fn cut(self, packet: &[u8]) -> Result<Option<Cut<'_>>, Malformed> {
        let (Some(segments), Some(checksum)) = (self.segments, self.checksum) else {
            return Ok(None);
        };
        Cut::new(segments, checksum, packet).map(Some)
    }
}

impl Segments {
    fn parse(kind: u8, size: usize, packet: &[u8]) -> Result<Option<Self>, Malformed> {
        let version = packet.first().map(|first| first >> 4);
        let protocol = match (kind & !ECN, version) {
            (NOT_CUT, _) if kind == NOT_CUT => return Ok(None),
            (TCP_V4, Some(4)) | (TCP_V6, Some(6)) => ip::TCP,
            (UDP, Some(4 | 6)) if kind == UDP => ip::UDP,
            _ => return Err(Malformed("virtio kind of segments")),
        };
        let size = u16::try_from(size).ok().filter(|size| *size > 0);
        let size = size.ok_or(Malformed("virtio size of segments"))?;
        Ok(Some(Self { protocol, size }))
    }
}

/// The packets that one stands for, one after the other. Each is whole, with its
/// checksum.
#[derive(Clone, Debug)]
pub struct Cut<'a> {
    packet: Packet<'a>,
    /// All headers, which each packet has.
    headers: &'a [u8],
    /// Where that of the transport begins.
    transport: usize,
    /// What is left.
    rest: &'a [u8],
    size: usize,
    /// Bytes that went, and packets.
    gone: u32,
    number: u16,
}

impl<'a> Cut<'a> {
    fn new(segments: Segments, checksum: Checksum, bytes: &'a [u8]) -> Result<Self, Malformed> {
        let packet = Packet::parse(bytes)?;
        let transport = packet.bytes.len() - packet.payload.len();
        let (field, header) = match segments.protocol {
            ip::TCP => (TCP_CHECKSUM_AT, tcp_header(packet.payload)?),
            _ => (UDP_CHECKSUM_AT, UDP_HEADER),
        };
        let fits = packet.fragment == Fragment::Whole
            && packet.protocol == segments.protocol
            && packet.bytes.len() == bytes.len()
            && (checksum.start, checksum.offset) == (transport, field);
        let parts = bytes.split_at_checked(transport + header);
        let (headers, rest) = parts.filter(|_| fits).ok_or(Malformed("virtio segments"))?;
        let size = segments.size.into();
        Ok(Self { packet, headers, transport, rest, size, gone: 0, number: 0 })
    }

    /// Writes the next one to `out`, whose content goes; whether there was one.
    pub fn next(&mut self, out: &mut Vec<u8>) -> bool {
        if self.rest.is_empty() && self.number > 0 {
            return false;
        }
        let (payload, rest) = self.rest.split_at(self.size.min(self.rest.len()));
        out.clear();
        out.extend_from_slice(self.headers);
        out.extend_from_slice(payload);
        let written = self.write(out, rest.is_empty()).is_some();
        self.rest = rest;
        self.number = self.number.wrapping_add(1);
        self.gone = self.gone.wrapping_add(u32::try_from(payload.len()).unwrap_or(u32::MAX));
        written
    }

    /// Makes the headers those of this one.
    fn write(&self, out: &mut [u8], last: bool) -> Option<()> {
        if self.packet.source.is_ipv4() {
            let first = u16::from_be_bytes(*self.headers.get(V4_ID_AT..)?.first_chunk()?);
            put(out, V4_ID_AT, first.wrapping_add(self.number))?;
        }
        ip::mend_length(out, self.transport).map_err(|_: Unwritable| ()).ok()?;
        let segment = out.get_mut(self.transport..)?;
        let field = if self.packet.protocol == ip::TCP {
            let sequence = segment.get_mut(TCP_SEQUENCE_AT..)?.first_chunk_mut()?;
            *sequence = u32::from_be_bytes(*sequence).wrapping_add(self.gone).to_be_bytes();
            let flags = segment.get_mut(TCP_FLAGS_AT)?;
            // What ends is with the last, and what is said once with the first.
            *flags &= if last { u8::MAX } else { !(FIN | PSH) };
            *flags &= if self.number == 0 { u8::MAX } else { !CWR };
            TCP_CHECKSUM_AT
        } else {
            put(segment, UDP_LENGTH_AT, u16::try_from(segment.len()).ok()?)?;
            UDP_CHECKSUM_AT
        };
        put(segment, field, 0)?;
        let Packet { source, destination, protocol, .. } = self.packet;
        let sum = Sum::pseudo_header(source, destination, protocol, segment.len()).with(segment);
        put(segment, field, checksum(sum))
    }
}

/// How long the header is that `segment` begins with.
fn tcp_header(segment: &[u8]) -> Result<usize, Malformed> {
    let offset = segment.get(TCP_OFFSET_AT).map(|byte| usize::from(byte >> 4) * 4);
    offset
        .filter(|len| (TCP_HEADER..=segment.len()).contains(len))
        .ok_or(Malformed("TCP data offset"))
}

/// For the field. UDP has another meaning for zero (RFC 768), and to TCP it is the same.
fn checksum(sum: Sum) -> u16 {
    match sum.checksum() {
        0 => u16::MAX,
        sum => sum,
    }
}

fn put(bytes: &mut [u8], at: usize, value: u16) -> Option<()> {
    bytes.get_mut(at..)?.first_chunk_mut::<2>()?.copy_from_slice(&value.to_be_bytes());
    Some(())
}

/// Bytes of the header that comes before each packet.
pub const HEADER: usize = 10;

/// The header of a packet on which nothing is left undone.
pub const FINISHED: [u8; HEADER] = [0; HEADER];

// linux/virtio_net.h
const NEEDS_CHECKSUM: u8 = 1;
const DATA_VALID: u8 = 2;
const NOT_CUT: u8 = 0;
const TCP_V4: u8 = 1;
const TCP_V6: u8 = 4;
const UDP: u8 = 5; // as datagrams of their own, not as fragments
const ECN: u8 = 0x80;

const V4_ID_AT: usize = 4; // RFC 791 §3.1

const TCP_HEADER: usize = 20; // bytes without options, RFC 9293 §3.1
const TCP_SEQUENCE_AT: usize = 4;
const TCP_OFFSET_AT: usize = 12;
const TCP_FLAGS_AT: usize = 13;
const TCP_CHECKSUM_AT: usize = 16;
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80; // RFC 3168 §6.1

const UDP_HEADER: usize = 8; // bytes, RFC 768
const UDP_LENGTH_AT: usize = 4;
const UDP_CHECKSUM_AT: usize = 6;

#[cfg(test)]
mod tests;
