//! TCP segments (RFC 9293 §3.1): read, and written with no other option than timestamps.

use std::net::SocketAddr;
use std::ops::BitOr;

use crate::core::wire::checksum::Sum;
use crate::core::wire::ip::{self, Fragment, Packet};
use crate::core::wire::reader::Reader;
use crate::core::wire::{Malformed, Unwritable};

/// A segment whose header adds up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Segment<'a> {
    /// Port of the sender. Never 0.
    pub source_port: u16,
    /// Port it is meant for. Never 0.
    pub destination_port: u16,
    /// Number of the first byte, or of SYN.
    pub sequence: u32,
    /// Number of the next byte that the sender awaits, if [`Flags::ACK`] is set.
    pub acknowledgment: u32,
    /// The control bits.
    pub flags: Flags,
    /// How many bytes the sender takes, not scaled.
    pub window: u16,
    /// The bytes of the options, unread.
    pub options: &'a [u8],
    /// What was sent.
    pub payload: &'a [u8],
}

/// Control bits of a segment (RFC 9293 §3.1).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Flags(u8);

impl Flags {
    /// No more data from the sender.
    pub const FIN: Self = Self(0x01);
    /// Synchronise sequence numbers.
    pub const SYN: Self = Self(0x02);
    /// Reset the connection.
    pub const RST: Self = Self(0x04);
    /// The receiver need not wait for more before it hands on what it has.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgment number counts.
    pub const ACK: Self = Self(0x10);
    /// The urgent pointer counts: receivers take a byte out of the stream (RFC 6093 §3.1).
    pub const URG: Self = Self(0x20);

    /// The bits, as they stand in a segment.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether all of `these` are set.
    #[must_use]
    pub const fn has(self, these: Self) -> bool {
        self.0 & these.0 == these.0
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl<'a> Segment<'a> {
    /// Reads the segment in `packet`.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if it is not TCP or only a fragment, if the data offset does
    /// not fit, if the checksum is wrong, and for a port of 0.
    pub fn parse(packet: &Packet<'a>) -> Result<Self, Malformed> {
        if packet.protocol != ip::TCP || packet.fragment != Fragment::Whole {
            return Err(Malformed("not a whole TCP segment"));
        }
        let mut r = Reader::new(packet.payload);
        let source_port = r.u16()?;
        let destination_port = r.u16()?;
        let sequence = r.u32()?;
        let acknowledgment = r.u32()?;
        let [offset, flags] = r.array()?;
        let window = r.u16()?;
        r.u32()?; // checksum, summed below; urgent pointer, not used by anyone (RFC 6093)
        let options = (usize::from(offset >> 4) * 4)
            .checked_sub(HEADER)
            .and_then(|len| r.take(len).ok())
            .ok_or(Malformed("TCP data offset"))?;
        if source_port == 0 || destination_port == 0 {
            return Err(Malformed("TCP port"));
        }
        let len = packet.payload.len();
        let sum = Sum::pseudo_header(packet.source, packet.destination, ip::TCP, len);
        if !sum.with(packet.payload).is_valid() {
            return Err(Malformed("TCP checksum"));
        }
        let flags = Flags(flags);
        let payload = r.rest();
        Ok(Self {
            source_port,
            destination_port,
            sequence,
            acknowledgment,
            flags,
            window,
            options,
            payload,
        })
    }

    /// Whether this is the first segment of a connection. Congestion bits in it
    /// are an offer (RFC 3168 §6.1.1) and change nothing.
    #[must_use]
    pub const fn opens(&self) -> bool {
        self.flags.0 & (Flags::SYN.0 | Flags::FIN.0 | Flags::RST.0 | Flags::ACK.0) == Flags::SYN.0
    }

    /// The options, as receivers read them: up to the end of the list, or to one
    /// whose length cannot be.
    #[must_use]
    pub fn options(&self) -> Options<'a> {
        Options { rest: Reader::new(self.options) }
    }

    /// The sequence number after this segment: SYN and FIN count (RFC 9293 §3.4).
    #[must_use]
    pub fn end(&self) -> u32 {
        // A payload is at most 64 KiB.
        let len = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        self.sequence
            .wrapping_add(len)
            .wrapping_add(self.flags.has(Flags::SYN).into())
            .wrapping_add(self.flags.has(Flags::FIN).into())
    }
}

/// A segment of ours that only says something about the connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Control {
    /// From whom.
    pub source: SocketAddr,
    /// To whom.
    pub destination: SocketAddr,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgment number; 0 without [`Flags::ACK`].
    pub acknowledgment: u32,
    /// Control bits.
    pub flags: Flags,
    /// How many bytes we take.
    pub window: u16,
}

impl Control {
    /// The reset that answers `segment` where there is no connection, or `None`
    /// if it is a reset itself (RFC 9293 §3.10.7.1).
    #[must_use]
    pub fn reset(packet: &Packet<'_>, segment: &Segment<'_>) -> Option<Self> {
        let (sequence, acknowledgment, flags) = match segment.flags {
            flags if flags.has(Flags::RST) => return None,
            flags if flags.has(Flags::ACK) => (segment.acknowledgment, 0, Flags::RST),
            _ => (0, segment.end(), Flags::RST | Flags::ACK),
        };
        Some(Self {
            source: SocketAddr::new(packet.destination, segment.destination_port),
            destination: SocketAddr::new(packet.source, segment.source_port),
            sequence,
            acknowledgment,
            flags,
            window: 0,
        })
    }

    /// Empties `out` and writes the segment into it, as a whole IP packet.
    ///
    /// # Errors
    ///
    /// [`Unwritable::Families`]; then `out` is empty.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), Unwritable> {
        let (source, destination) = (self.source.ip(), self.destination.ip());
        ip::write_header(out, source, destination, ip::TCP, HEADER)?;
        let mut header = [0; HEADER];
        header[0..2].copy_from_slice(&self.source.port().to_be_bytes());
        header[2..4].copy_from_slice(&self.destination.port().to_be_bytes());
        header[4..8].copy_from_slice(&self.sequence.to_be_bytes());
        header[8..12].copy_from_slice(&self.acknowledgment.to_be_bytes());
        header[12] = 5 << 4; // data offset: five words
        header[13] = self.flags.0;
        header[14..16].copy_from_slice(&self.window.to_be_bytes());
        let sum = Sum::pseudo_header(source, destination, ip::TCP, HEADER).with(&header);
        header[16..18].copy_from_slice(&sum.checksum().to_be_bytes());
        out.extend_from_slice(&header);
        Ok(())
    }
}

/// An option that a verdict may depend on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Choice {
    /// Timestamps (RFC 7323 §3.2).
    Timestamps(Timestamps),
    /// A signature: MD5 (RFC 2385) or authentication (RFC 5925). Who did not ask
    /// for one drops what has one.
    Signature,
    /// Any other, by its kind.
    Other(u8),
}

/// What the timestamps option says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timestamps {
    /// The sender's clock.
    pub value: u32,
    /// What the sender last read on the other's.
    pub echo: u32,
}

/// Reads the options of a segment, one after the other.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    rest: Reader<'a>,
}

impl Iterator for Options<'_> {
    type Item = Result<Choice, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.rest.u8().ok()? {
                END_OF_OPTIONS => {
                    self.rest = Reader::new(&[]);
                    return None;
                }
                NO_OPERATION => {}
                kind => {
                    let read = self.choice(kind);
                    if read.is_err() {
                        self.rest = Reader::new(&[]);
                    }
                    return Some(read);
                }
            }
        }
    }
}

impl Options<'_> {
    fn choice(&mut self, kind: u8) -> Result<Choice, Malformed> {
        let len = usize::from(self.rest.u8()?).checked_sub(2).ok_or(Malformed("TCP option"))?;
        let body = self.rest.take(len)?;
        Ok(match (kind, body) {
            (TIMESTAMPS, body) if body.len() == 8 => {
                let mut r = Reader::new(body);
                Choice::Timestamps(Timestamps { value: r.u32()?, echo: r.u32()? })
            }
            (MD5_SIGNATURE | AUTHENTICATION, _) => Choice::Signature,
            _ => Choice::Other(kind),
        })
    }
}

/// A segment of ours that carries bytes.
#[derive(Clone, Copy, Debug)]
pub struct Carrier<'a> {
    /// Its header.
    pub control: Control,
    /// The only option it has, if any.
    pub timestamps: Option<Timestamps>,
    /// How many routers it may pass.
    pub hop_limit: u8,
    /// What it carries.
    pub payload: &'a [u8],
}

impl Carrier<'_> {
    /// Empties `out` and writes the segment into it, as a whole IP packet.
    ///
    /// # Errors
    ///
    /// [`Unwritable`]; then `out` is empty.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), Unwritable> {
        let Control { source, destination, sequence, acknowledgment, flags, window } = self.control;
        let mut options = [0; TIMESTAMPS_OPTION];
        if let Some(Timestamps { value, echo }) = self.timestamps {
            options[..4].copy_from_slice(&[NO_OPERATION, NO_OPERATION, TIMESTAMPS, 10]);
            options[4..8].copy_from_slice(&value.to_be_bytes());
            options[8..].copy_from_slice(&echo.to_be_bytes());
        }
        let options = if self.timestamps.is_some() { &options[..] } else { &[] };
        let len = HEADER + options.len() + self.payload.len();
        ip::write_header(out, source.ip(), destination.ip(), ip::TCP, len)?;
        ip::set_hop_limit(out, self.hop_limit);

        let mut header = [0; HEADER];
        header[0..2].copy_from_slice(&source.port().to_be_bytes());
        header[2..4].copy_from_slice(&destination.port().to_be_bytes());
        header[4..8].copy_from_slice(&sequence.to_be_bytes());
        header[8..12].copy_from_slice(&acknowledgment.to_be_bytes());
        header[12] = if options.is_empty() { 5 << 4 } else { 8 << 4 }; // words
        header[13] = flags.0;
        header[14..16].copy_from_slice(&window.to_be_bytes());
        let sum = Sum::pseudo_header(source.ip(), destination.ip(), ip::TCP, len);
        let sum = sum.with(&header).with(options).with(self.payload);
        header[16..18].copy_from_slice(&sum.checksum().to_be_bytes());
        out.extend_from_slice(&header);
        out.extend_from_slice(options);
        out.extend_from_slice(self.payload);
        Ok(())
    }
}

/// Empties `out` and writes `packet` into it without the bytes that `segment`,
/// which is in it, carries. All else stays as it is.
///
/// # Errors
///
/// [`Unwritable`] cannot happen for a packet that was read from the wire.
pub fn write_without_payload(
    out: &mut Vec<u8>,
    packet: &Packet<'_>,
    segment: &Segment<'_>,
) -> Result<(), Unwritable> {
    out.clear();
    let kept = packet.bytes.len() - segment.payload.len();
    let header_len = packet.bytes.len() - packet.payload.len();
    out.extend_from_slice(packet.bytes.get(..kept).unwrap_or_default());
    ip::mend_length(out, header_len)?;
    let len = kept - header_len;
    let Some(tcp) = out.get_mut(header_len..) else { return Ok(()) };
    if let Some(field) = tcp.get_mut(CHECKSUM_AT..CHECKSUM_AT + 2) {
        field.fill(0);
    }
    let sum = Sum::pseudo_header(packet.source, packet.destination, ip::TCP, len).with(tcp);
    if let Some(field) = tcp.get_mut(CHECKSUM_AT..CHECKSUM_AT + 2) {
        field.copy_from_slice(&sum.checksum().to_be_bytes());
    }
    Ok(())
}

const CHECKSUM_AT: usize = 16; // RFC 9293 §3.1
const END_OF_OPTIONS: u8 = 0; // RFC 9293 §3.2
const NO_OPERATION: u8 = 1; // RFC 9293 §3.2
const TIMESTAMPS: u8 = 8; // RFC 7323 §3.2
const MD5_SIGNATURE: u8 = 19; // RFC 2385 §3.0
const AUTHENTICATION: u8 = 29; // RFC 5925 §2.2
const TIMESTAMPS_OPTION: usize = 12; // two no-operations before it; RFC 7323 appendix A
const HEADER: usize = 20; // without options, in bytes; RFC 9293 §3.1

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_write_smoltcp_reads_and_we_read_too() {
        use smoltcp::phy::ChecksumCapabilities;
        use smoltcp::wire::{Ipv4Packet, TcpControl, TcpPacket, TcpRepr};

        let mut out = Vec::new();
        let control = control();
        control.write(&mut out).unwrap();
        let ip = Ipv4Packet::new_checked(&out[..]).unwrap();
        let (source, destination) = (ip.src_addr().into(), ip.dst_addr().into());
        let tcp = TcpPacket::new_checked(ip.payload()).unwrap();
        let caps = ChecksumCapabilities::default();
        let theirs = TcpRepr::parse(&tcp, &source, &destination, &caps).unwrap();
        assert_eq!((theirs.control, theirs.window_len), (TcpControl::Rst, 512));

        let packet = Packet::parse(&out).unwrap();
        let ours = Segment::parse(&packet).unwrap();
        assert_eq!((ours.sequence, ours.acknowledgment), (0xdead_beef, 0x1234_5678));
        assert!(ours.flags.has(Flags::RST | Flags::ACK) && !ours.flags.has(Flags::SYN));
        assert_eq!((ours.source_port, ours.destination_port, ours.window), (443, 50_000, 512));
    }

    #[test]
    fn offsets_checksums_and_ports_that_cannot_be_are_malformed() {
        let mut out = Vec::new();
        control().write(&mut out).unwrap();
        let tcp = ip::V4_HEADER;
        for (at, byte, want) in [
            (12, 0x40, "TCP data offset"),
            (12, 0x00, "TCP data offset"),
            (12, 0x60, "TCP data offset"),
            (12, 0xf0, "TCP data offset"),
            (16, out[tcp + 16] ^ 1, "TCP checksum"),
            (7, 0, "TCP checksum"),
        ] {
            let mut bad = out.clone();
            bad[tcp + at] = byte;
            assert_eq!(read(&bad), Err(Malformed(want)), "byte {at} = {byte:#x}");
        }
        for at in [0, 2] {
            let mut bad = out.clone();
            bad[tcp + at..tcp + at + 2].fill(0);
            assert_eq!(read(&bad), Err(Malformed("TCP port")));
        }
        let mut packet = Packet::parse(&out).unwrap();
        packet.fragment = Fragment::First;
        assert!(Segment::parse(&packet).is_err());
        packet.fragment = Fragment::Whole;
        for cut in 0..HEADER {
            packet.payload = &out[tcp..tcp + cut];
            assert!(Segment::parse(&packet).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn sequence_numbers_wrap() {
        let mut out = Vec::new();
        let fin = Control { sequence: u32::MAX, flags: Flags::SYN | Flags::FIN, ..control() };
        fin.write(&mut out).unwrap();
        let packet = Packet::parse(&out).unwrap();
        assert_eq!(Segment::parse(&packet).unwrap().end(), 1);
    }

    #[test]
    fn bytes_and_timestamps_are_read_as_they_were_written() {
        for (from, to) in
            [("192.0.2.1:9", "203.0.113.2:443"), ("[2001:db8::1]:9", "[2001:db8::2]:443")]
        {
            let [source, destination] = [from, to].map(|end| end.parse().unwrap());
            for payload in [&b""[..], b"odd", b"even", &[0xff; 1231]] {
                for timestamps in [None, Some(Timestamps { value: 0xffff_fff0, echo: 7 })] {
                    let flags = Flags::ACK | Flags::PSH;
                    let control = Control { source, destination, flags, ..control() };
                    let mut out = vec![1; 9];
                    let carrier = Carrier { control, timestamps, hop_limit: 57, payload };
                    carrier.write(&mut out).unwrap();
                    let packet = Packet::parse(&out).unwrap();
                    let segment = Segment::parse(&packet).unwrap();
                    assert_eq!((packet.hop_limit(), packet.is_plain()), (57, true));
                    assert_eq!((segment.flags, segment.payload), (flags, payload));
                    let want: Vec<_> =
                        timestamps.map(|of| Ok(Choice::Timestamps(of))).into_iter().collect();
                    assert_eq!(segment.options().collect::<Vec<_>>(), want);

                    let mut bare = vec![2; 7];
                    write_without_payload(&mut bare, &packet, &segment).unwrap();
                    let mut want = Vec::new();
                    Carrier { payload: &[], ..carrier }.write(&mut want).unwrap();
                    assert_eq!(bare, want);
                }
            }
        }
    }

    #[test]
    fn options_are_read_up_to_one_that_cannot_be() {
        let bad = Err(Malformed("TCP option"));
        let cut = Err(Malformed("cut short"));
        let stamps = Choice::Timestamps(Timestamps { value: 1, echo: 2 });
        for (bytes, want) in [
            (&[][..], vec![]),
            (&[1, 1, 1, 1], vec![]),
            (&[0, 8, 10, 0], vec![]),
            (&[2, 4, 5, 0xb4, 4, 2, 1, 0], vec![Ok(Choice::Other(2)), Ok(Choice::Other(4))]),
            (&[8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0], vec![Ok(stamps)]),
            (&[8, 4, 0, 0], vec![Ok(Choice::Other(8))]),
            (&[19, 2, 29, 3, 9, 0], vec![Ok(Choice::Signature), Ok(Choice::Signature)]),
            (&[3, 0, 19, 2], vec![bad]),
            (&[3, 1, 19, 2], vec![bad]),
            (&[3, 9, 19, 2], vec![cut]),
            (&[1, 1, 1, 3], vec![cut]),
        ] {
            let options = Options { rest: Reader::new(bytes) };
            assert_eq!(options.collect::<Vec<_>>(), want, "{bytes:?}");
        }
    }

    fn control() -> Control {
        Control {
            source: "192.0.2.1:443".parse().unwrap(),
            destination: "203.0.113.2:50000".parse().unwrap(),
            sequence: 0xdead_beef,
            acknowledgment: 0x1234_5678,
            flags: Flags::RST | Flags::ACK,
            window: 512,
        }
    }

    fn read(bytes: &[u8]) -> Result<(), Malformed> {
        Segment::parse(&Packet::parse(bytes).unwrap()).map(drop)
    }
}
