//! Capture files: pcap and pcapng (draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng).
//!
//! Ours, because of what the crates do with odd files: pcap-file 2.0 never gets
//! past a packet that is longer than the header says; pcap-parser 0.17 takes a
//! length that lies for the end of the file, refuses resolutions that are powers
//! of two, and needs a whole block in memory to skip it.

use thiserror::Error;

use crate::core::time::Instant;
use crate::core::wire::reader::{Reader, Short};

/// Reads one file, from its first byte on.
///
/// Give [`Format::step`] all bytes that were not consumed yet; it says what they
/// begin with and how many of them that took. It keeps at most `MAX_INTERFACES`
/// interfaces, and never asks for more than [`Format::MAX_NEED`] bytes at once.
#[derive(Debug, Default)]
pub struct Format {
    state: State,
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step<'a> {
    /// A packet.
    Record(Record<'a>),
    /// Nothing for us: go on behind so many bytes, whether they are here or not.
    Skip(u64),
    /// Call again with at least so many bytes. If there are none at all, the file
    /// ends well; if there are too few, it was cut.
    Need(usize),
}

/// A frame as it was recorded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Record<'a> {
    /// Since 1970. `None` where the file does not say.
    pub at: Option<Instant>,
    /// What kind of frame, as in the registry of link types of tcpdump.org.
    pub link: u16,
    /// How long the frame was; the file may have less of it.
    pub len: u32,
    /// What was kept of it.
    pub bytes: &'a [u8],
}

/// Why a file cannot be read on.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Broken {
    /// Neither format begins so.
    #[error("it is no capture: neither pcap nor pcapng begins so")]
    NotACapture,
    /// Packed with gzip, zstd, xz or bzip2.
    #[error("it is compressed; unpack it first, as with `zcat FILE | optout sniff -`")]
    Compressed,
    /// A length that cannot be.
    #[error("a length in it cannot be: {0} bytes for {1}")]
    Length(u64, &'static str),
    /// The length before a block and the one behind it differ.
    #[error("a block's two lengths differ: {0} and {1} bytes")]
    Lengths(u32, u32),
    /// A packet came from an interface that was not described.
    #[error("a packet came from interface {0}, which is not described")]
    Interface(u32),
    /// Too many of them.
    #[error("it describes more than {MAX_INTERFACES} interfaces")]
    Interfaces,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Start,
    Pcap(Pcap),
    PcapNg(Section),
}

/// What the header of a pcap file says.
#[derive(Clone, Copy, Debug)]
struct Pcap {
    order: Order,
    nanoseconds: bool,
    /// Bytes between the header of a record and its frame, as one old kernel wrote them.
    extra: usize,
    link: u16,
}

/// A section of a pcapng file, so far.
#[derive(Debug)]
struct Section {
    order: Order,
    interfaces: Vec<Interface>,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link: u16,
    /// Longest frame that is kept whole; 0 if that was not limited.
    snap: u32,
    /// Ticks of its clock a second.
    ticks: u128,
    /// Seconds to add to every time.
    offset: i64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Order {
    Big,
    Little,
}

impl Format {
    /// Most bytes that a step may need.
    pub const MAX_NEED: usize = MAX_FRAME + 256;

    /// Looks at what `bytes` begin with. Returns it, and how many bytes to
    /// consume before the next step, which for [`Step::Skip`] are in the step.
    ///
    /// # Errors
    ///
    /// [`Broken`]; then there is nothing more to be had of the file.
    pub fn step<'a>(&mut self, bytes: &'a [u8]) -> Result<(usize, Step<'a>), Broken> {
        match &mut self.state {
            State::Start => self.begin(bytes),
            State::Pcap(pcap) => pcap.step(bytes),
            State::PcapNg(section) => section.step(bytes),
        }
    }

    fn begin<'a>(&mut self, bytes: &'a [u8]) -> Result<(usize, Step<'a>), Broken> {
        let Some(magic) = bytes.first_chunk() else { return Ok(need(4)) };
        if u32::from_be_bytes(*magic) == SECTION {
            self.state = State::PcapNg(Section { order: Order::Little, interfaces: Vec::new() });
            return Ok((0, Step::Skip(0)));
        }
        let Some(pcap) = Pcap::of(*magic) else {
            let packed = matches!(
                magic,
                [0x1f, 0x8b, ..] | b"\x28\xb5\x2f\xfd" | b"\xfd7zX" | [b'B', b'Z', b'h', _]
            );
            return Err(if packed { Broken::Compressed } else { Broken::NotACapture });
        };
        let Some(header) = bytes.get(..PCAP_HEADER) else { return Ok(need(PCAP_HEADER)) };
        let [.., high, low] = pcap.order.sorted(*header.last_chunk::<4>().unwrap_or(&[0; 4]));
        // The upper half tells of a checksum behind each frame, which we look past.
        let link = u16::from_be_bytes([high, low]);
        self.state = State::Pcap(Pcap { link, ..pcap });
        Ok((PCAP_HEADER, Step::Skip(0)))
    }
}

impl Pcap {
    /// What the first four bytes of a file say, if they are those of one.
    fn of(magic: [u8; 4]) -> Option<Self> {
        [Order::Big, Order::Little].into_iter().find_map(|order| {
            let (nanoseconds, extra) = match u32::from_be_bytes(order.sorted(magic)) {
                0xa1b2_c3d4 => (false, 0),
                0xa1b2_3c4d => (true, 0),
                0xa1b2_cd34 => (false, 8),
                _ => return None,
            };
            Some(Self { order, nanoseconds, extra, link: 0 })
        })
    }

    fn step<'a>(&self, bytes: &'a [u8]) -> Result<(usize, Step<'a>), Broken> {
        let mut r = Ordered { order: self.order, r: Reader::new(bytes) };
        let header = (|| Ok::<_, Short>([r.u32()?, r.u32()?, r.u32()?, r.u32()?]))();
        let start = PCAP_RECORD + self.extra;
        let Ok([seconds, fraction, kept, len]) = header else { return Ok(need(start)) };
        let end = start + frame(kept)?;
        let Some(bytes) = bytes.get(start..end) else { return Ok(need(end)) };
        let micros = if self.nanoseconds { fraction / 1000 } else { fraction };
        let at = Instant::from_micros(u64::from(seconds) * 1_000_000 + u64::from(micros));
        Ok((end, Step::Record(Record { at: Some(at), link: self.link, len, bytes })))
    }
}

impl Section {
    fn step<'a>(&mut self, bytes: &'a [u8]) -> Result<(usize, Step<'a>), Broken> {
        let mut r = Reader::new(bytes);
        let (Ok(kind), Ok(len), Ok(third)) = (r.array(), r.array(), r.array()) else {
            return Ok(need(if bytes.is_empty() { 1 } else { 12 }));
        };
        if u32::from_be_bytes(kind) == SECTION {
            let fits = |order: &Order| order.u32(third) == ORDER;
            let mut orders = [Order::Big, Order::Little].into_iter();
            self.order = orders.find(fits).ok_or(Broken::NotACapture)?;
            self.interfaces.clear();
        }
        let kind = self.order.u32(kind);
        let len = self.order.u32(len);
        if len < EMPTY_BLOCK {
            return Err(Broken::Length(len.into(), "a block"));
        }
        let padded = u64::from(len).next_multiple_of(4);
        if !matches!(kind, INTERFACE | OLD_PACKET | SIMPLE_PACKET | PACKET) {
            return Ok((0, Step::Skip(padded)));
        }
        let whole = usize::try_from(padded).unwrap_or(usize::MAX);
        if whole > Format::MAX_NEED {
            return Err(Broken::Length(len.into(), "a block"));
        }
        let Some(block) = bytes.get(..whole) else { return Ok(need(whole)) };
        let behind = self.order.u32(*block.last_chunk().unwrap_or(&[0; 4]));
        if behind != len {
            return Err(Broken::Lengths(len, behind));
        }
        let body = block.get(8..whole - 4).unwrap_or_default();
        let record = self.read(kind, Ordered { order: self.order, r: Reader::new(body) });
        let record = record.map_err(|Fault(fault)| {
            fault.unwrap_or(Broken::Length(len.into(), "a block of its kind"))
        })?;
        Ok((whole, record.map_or(Step::Skip(0), Step::Record)))
    }

    /// Reads the body of a block that is of use.
    fn read<'a>(&mut self, kind: u32, mut r: Ordered<'a>) -> Result<Option<Record<'a>>, Fault> {
        match kind {
            INTERFACE => {
                let interface = Interface::read(&mut r)?;
                if self.interfaces.len() >= MAX_INTERFACES {
                    return Err(Fault(Some(Broken::Interfaces)));
                }
                self.interfaces.push(interface);
                Ok(None)
            }
            SIMPLE_PACKET => {
                let interface = self.interface(0)?;
                let len = r.u32()?;
                let room = u32::try_from(r.r.rest().len()).unwrap_or(u32::MAX);
                let snap = if interface.snap == 0 { u32::MAX } else { interface.snap };
                let bytes = r.r.take(frame(len.min(room).min(snap))?)?;
                Ok(Some(Record { at: None, link: interface.link, len, bytes }))
            }
            _ => {
                let number = if kind == PACKET { r.u32()? } else { r.u16()?.into() };
                let interface = self.interface(number)?;
                if kind == OLD_PACKET {
                    r.u16()?; // how many were lost before it
                }
                let ticks = u64::from(r.u32()?) << 32 | u64::from(r.u32()?);
                let (kept, len) = (r.u32()?, r.u32()?);
                let bytes = r.r.take(frame(kept)?)?;
                let at = Some(interface.time(ticks));
                Ok(Some(Record { at, link: interface.link, len, bytes }))
            }
        }
    }

    fn interface(&self, number: u32) -> Result<Interface, Fault> {
        let found = usize::try_from(number).ok().and_then(|at| self.interfaces.get(at));
        found.copied().ok_or(Fault(Some(Broken::Interface(number))))
    }
}

impl Interface {
    fn read(r: &mut Ordered<'_>) -> Result<Self, Fault> {
        let link = r.u16()?;
        r.u16()?; // reserved
        let snap = r.u32()?;
        let mut interface = Self { link, snap, ticks: 1_000_000, offset: 0 };
        // What options say besides is not needed, so where they end early they end.
        while let (Ok(code @ 1..), Ok(len)) = (r.u16(), r.u16()) {
            let Ok(value) = r.r.take(usize::from(len)) else { break };
            let _ = r.r.take(usize::from(len).next_multiple_of(4) - usize::from(len));
            match (code, value) {
                (RESOLUTION, [power, ..]) => interface.ticks = ticks_a_second(*power),
                (OFFSET, _) => {
                    let Some(seconds) = value.first_chunk::<8>() else { continue };
                    let big = r.order == Order::Big;
                    interface.offset = if big {
                        i64::from_be_bytes(*seconds)
                    } else {
                        i64::from_le_bytes(*seconds)
                    };
                }
                _ => {}
            }
        }
        Ok(interface)
    }

    fn time(&self, ticks: u64) -> Instant {
        let micros = u128::from(ticks) * 1_000_000 / self.ticks;
        let micros = i128::try_from(micros).unwrap_or(i128::MAX);
        let offset = i128::from(self.offset) * 1_000_000;
        let micros = micros.saturating_add(offset).clamp(0, u64::MAX.into());
        Instant::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

/// Why a block cannot be read; `None` if it is too short for what it is.
struct Fault(Option<Broken>);

impl From<Short> for Fault {
    fn from(Short: Short) -> Self {
        Self(None)
    }
}

impl From<Broken> for Fault {
    fn from(broken: Broken) -> Self {
        Self(Some(broken))
    }
}

/// A cursor in the byte order of the file.
struct Ordered<'a> {
    order: Order,
    r: Reader<'a>,
}

impl Ordered<'_> {
    fn u16(&mut self) -> Result<u16, Short> {
        let read = self.r.u16()?;
        Ok(if self.order == Order::Big { read } else { read.swap_bytes() })
    }

    fn u32(&mut self) -> Result<u32, Short> {
        self.r.array().map(|bytes| self.order.u32(bytes))
    }
}

impl Order {
    /// The bytes with the most significant first.
    fn sorted(self, mut bytes: [u8; 4]) -> [u8; 4] {
        if self == Self::Little {
            bytes.reverse();
        }
        bytes
    }

    fn u32(self, bytes: [u8; 4]) -> u32 {
        u32::from_be_bytes(self.sorted(bytes))
    }
}

/// How many bytes to take, if a frame can be so long.
fn frame(len: u32) -> Result<usize, Broken> {
    let fits = usize::try_from(len).ok().filter(|len| *len <= MAX_FRAME);
    fits.ok_or(Broken::Length(len.into(), "a packet"))
}

/// Powers of 10, or of 2 if the first bit is set (pcapng §4.2). Finer than 64
/// bits can count, all times are 0.
fn ticks_a_second(power: u8) -> u128 {
    let (base, power) = if power & 0x80 == 0 { (10_u128, power) } else { (2, power & 0x7f) };
    base.checked_pow(power.into()).unwrap_or(u128::MAX)
}

fn need<'a>(bytes: usize) -> (usize, Step<'a>) {
    (0, Step::Need(bytes))
}

const PCAP_HEADER: usize = 24; // of the file; pcap §4
const PCAP_RECORD: usize = 16; // header of a packet; pcap §5

const SECTION: u32 = 0x0a0d_0d0a; // the same in both byte orders; pcapng §4.1
const ORDER: u32 = 0x1a2b_3c4d; // tells the byte order; pcapng §4.1
const INTERFACE: u32 = 1; // pcapng §4.2
const OLD_PACKET: u32 = 2; // pcapng appendix A
const SIMPLE_PACKET: u32 = 3; // pcapng §4.4
const PACKET: u32 = 6; // pcapng §4.3
const EMPTY_BLOCK: u32 = 12; // type and two lengths; pcapng §3.1
const RESOLUTION: u16 = 9; // if_tsresol; pcapng §4.2
const OFFSET: u16 = 14; // if_tsoffset; pcapng §4.2

/// Longest frame, in bytes: four times what libpcap records of an interface.
const MAX_FRAME: usize = 1 << 20;

/// Most interfaces of a section. A machine has a hundred.
const MAX_INTERFACES: usize = 4096;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Everything in a file: `time link length bytes` of each packet, and how it ended.
    fn all(file: &[u8]) -> (Vec<String>, Result<usize, Broken>) {
        let (mut format, mut rest, mut found) = (Format::default(), file, Vec::new());
        loop {
            let (used, step) = match format.step(rest) {
                Ok(done) => done,
                Err(broken) => return (found, Err(broken)),
            };
            let skip = match step {
                Step::Need(_) => return (found, Ok(rest.len())),
                Step::Skip(more) => used + usize::try_from(more).unwrap(),
                Step::Record(Record { at, link, len, bytes }) => {
                    let at = at.map_or("-".into(), |at| at.as_micros().to_string());
                    found.push(format!("{at} {link} {len} {}", String::from_utf8_lossy(bytes)));
                    used
                }
            };
            let Some(left) = rest.get(skip..) else { return (found, Ok(rest.len())) };
            assert!(left.len() < rest.len() || used == 0, "no way forward");
            rest = left;
        }
    }

    /// Numbers in the order of a file, as it grows.
    struct Out(bool, Vec<u8>);

    impl Out {
        fn u16(mut self, n: u16) -> Self {
            self.1.extend(if self.0 { n.to_be_bytes() } else { n.to_le_bytes() });
            self
        }

        fn u32(mut self, n: u32) -> Self {
            self.1.extend(if self.0 { n.to_be_bytes() } else { n.to_le_bytes() });
            self
        }

        fn raw(mut self, bytes: &[u8]) -> Self {
            self.1.extend(bytes);
            self
        }

        fn block(self, kind: u32, body: impl FnOnce(Self) -> Self) -> Self {
            let mut body = body(Self(self.0, Vec::new())).1;
            body.resize(body.len().next_multiple_of(4), 0);
            let len = u32::try_from(body.len() + 12).unwrap();
            self.u32(kind).u32(len).raw(&body).u32(len)
        }

        fn section(self) -> Self {
            self.block(SECTION, |out| out.u32(ORDER).u16(1).u16(0).raw(&[0xff; 8]))
        }

        fn interface(self, link: u16, snap: u32) -> Self {
            self.block(INTERFACE, |out| out.u16(link).u16(0).u32(snap))
        }

        fn packet(self, interface: u32, ticks: u64, bytes: &[u8]) -> Self {
            let [high, low] = [ticks >> 32, ticks & 0xffff_ffff].map(|n| u32::try_from(n).unwrap());
            let len = u32::try_from(bytes.len()).unwrap();
            self.block(PACKET, |out| {
                out.u32(interface).u32(high).u32(low).u32(len).u32(99).raw(bytes)
            })
        }
    }

    fn pcap(big: bool, magic: u32, extra: &[u8]) -> Vec<u8> {
        let header = Out(big, Vec::new()).u32(magic).u16(2).u16(4).u32(0).u32(0).u32(262_144);
        let record = header.u32(0xf400_0071).u32(3).u32(4000).u32(3).u32(99);
        record.raw(extra).raw(b"one").1
    }

    #[test]
    fn pcap_is_read_in_both_orders_and_both_units() {
        for big in [false, true] {
            for (magic, extra, want) in [
                (0xa1b2_c3d4, &b""[..], "3004000 113 99 one"),
                (0xa1b2_3c4d, b"", "3000004 113 99 one"),
                (0xa1b2_cd34, b"8 bytes ", "3004000 113 99 one"),
            ] {
                let file = pcap(big, magic, extra);
                assert_eq!(all(&file), (vec![want.into()], Ok(0)), "big: {big}, {magic:#x}");
            }
        }
    }

    #[test]
    fn pcapng_is_read_with_all_its_packets() {
        for big in [false, true] {
            let file = Out(big, Vec::new())
                .section()
                .interface(1, 0)
                .interface(113, 4)
                .block(0x0bad, |out| out.raw(b"unknown"))
                .packet(0, 5_000_000_000, b"one")
                .packet(1, 7, b"seven")
                .block(SIMPLE_PACKET, |out| out.u32(5).raw(b"three"))
                .block(OLD_PACKET, |out| out.u16(1).u16(9).u32(0).u32(8).u32(4).u32(4).raw(b"four"))
                .section()
                .interface(101, 2)
                .packet(0, 9, b"five")
                .block(SIMPLE_PACKET, |out| out.u32(5).raw(b"si"));
            let want = [
                "5000000000 1 99 one",
                "7 113 99 seven",
                "- 1 5 three",
                "8 113 4 four",
                "9 101 99 five",
                "- 101 5 si",
            ];
            assert_eq!(all(&file.1), (want.map(Into::into).to_vec(), Ok(0)), "big: {big}");
        }
    }

    #[test]
    fn sections_may_have_different_orders() {
        let one = Out(true, Vec::new()).section().interface(1, 0).packet(0, 1, b"one");
        let two = Out(false, one.1).section().interface(1, 0).packet(0, 2, b"two");
        assert_eq!(all(&two.1).0, ["1 1 99 one", "2 1 99 two"]);
    }

    #[test]
    fn clocks_are_as_fine_and_as_late_as_the_interface_says() {
        for big in [false, true] {
            for (power, offset, ticks, micros) in [
                (6, 0, 1_000_001, 1_000_001),
                (9, 0, 1_000_001, 1000),
                (0, 0, 2, 2_000_000),
                (0x8a, 0, 1536, 1_500_000),
                (6, 10, 5, 10_000_005),
                (6, -10, 10_000_005, 5),
                (6, -10, 5, 0),
                (0x7f, 0, 77, 0),
                (0xff, 0, 77, 0),
                (0, i64::MAX, u64::MAX, u64::MAX),
            ] {
                let offset = if big { offset.to_be_bytes() } else { offset.to_le_bytes() };
                let file = Out(big, Vec::new()).section().block(INTERFACE, |out| {
                    let out = out.u16(1).u16(0).u32(0).u16(2).u16(3).raw(b"eth\0");
                    let out = out.u16(RESOLUTION).u16(1).raw(&[power, 0, 0, 0]);
                    out.u16(OFFSET).u16(8).raw(&offset).u32(0)
                });
                let file = file.packet(0, ticks, b"x");
                assert_eq!(all(&file.1).0, [format!("{micros} 1 99 x")], "{power:#x}");
            }
        }
    }

    #[test]
    fn what_is_no_capture_is_said() {
        for (bytes, want) in [
            (&b"GET / HTTP"[..], Broken::NotACapture),
            (b"\x1f\x8b\x08\0\0", Broken::Compressed),
            (b"\x28\xb5\x2f\xfd", Broken::Compressed),
            (b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x01\x02\x03\x04", Broken::NotACapture),
        ] {
            assert_eq!(all(bytes), (vec![], Err(want)));
        }
    }

    #[test]
    fn lengths_that_cannot_be_are_said() {
        let start = || Out(false, Vec::new()).section().interface(1, 0);
        let long = u32::try_from(MAX_FRAME + 1).unwrap();
        for (file, want) in [
            (start().u32(PACKET).u32(11).u32(0), Broken::Length(11, "a block")),
            (start().u32(PACKET).u32(0).u32(0), Broken::Length(0, "a block")),
            (start().u32(PACKET).u32(u32::MAX).u32(0), Broken::Length(0xffff_ffff, "a block")),
            (start().u32(PACKET).u32(12).u32(12), Broken::Length(12, "a block of its kind")),
            (start().u32(PACKET).u32(16).u32(0).u32(20), Broken::Lengths(16, 20)),
            (start().packet(1, 0, b""), Broken::Interface(1)),
            (start().section().packet(0, 0, b""), Broken::Interface(0)),
            (
                start().block(PACKET, |out| out.u32(0).u32(0).u32(0).u32(5).u32(5).raw(b"four")),
                Broken::Length(36, "a block of its kind"),
            ),
            (
                start().block(PACKET, |out| out.u32(0).u32(0).u32(0).u32(u32::MAX).u32(5)),
                Broken::Length(0xffff_ffff, "a packet"),
            ),
            (
                Out(false, pcap(false, 0xa1b2_c3d4, b"")).u32(0).u32(0).u32(long).u32(long),
                Broken::Length(long.into(), "a packet"),
            ),
        ] {
            assert_eq!(all(&file.1).1, Err(want));
        }
    }

    #[test]
    fn interfaces_do_not_go_on_for_ever() {
        let mut file = Out(false, Vec::new()).section();
        for _ in 0..MAX_INTERFACES {
            file = file.interface(1, 0);
        }
        assert_eq!(all(&file.1).1, Ok(0));
        assert_eq!(all(&file.interface(1, 0).1).1, Err(Broken::Interfaces));
    }

    #[test]
    fn no_step_asks_for_more_than_it_may() {
        let file = Out(false, Vec::new()).section().interface(1, 0).packet(0, 1, b"one").1;
        for cut in 0..file.len() {
            let mut format = Format::default();
            let mut rest = &file[..cut];
            while let Ok((used, step)) = format.step(rest) {
                match step {
                    Step::Need(len) => {
                        assert!(len > rest.len() && len <= Format::MAX_NEED, "cut at {cut}");
                        break;
                    }
                    Step::Skip(more) => {
                        let skip = used + usize::try_from(more).unwrap();
                        let Some(left) = rest.get(skip..) else { break };
                        rest = left;
                    }
                    Step::Record(_) => rest = &rest[used..],
                }
            }
        }
    }

    proptest! {
        #[test]
        fn flipped_bits_do_no_harm(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let mut file = Out(false, Vec::new()).section().interface(1, 0).packet(0, 1, b"one");
            file = file.block(SIMPLE_PACKET, |out| out.u32(5).raw(b"three")).section();
            *at.get_mut(&mut file.1) ^= 1 << bit;
            let (found, _) = all(&file.1);
            prop_assert!(found.len() <= 3);
        }
    }
}
