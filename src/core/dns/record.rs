//! Records of an upstream's message: their shape checked by us, their data read
//! by hickory-proto.
//!
//! The check comes first because of what hickory-proto lets pass: names whose
//! pointers make a ladder of thousands, bytes after the end. It is also too
//! strict for a forwarder with some types (CAA, CSYNC); of these the data is
//! copied as it is (RFC 3597 §3).

use hickory_proto::rr::rdata::NULL;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{
    BinDecodable, BinDecoder, BinEncodable, BinEncoder, NameEncoding, Restrict,
};

use super::reader::Reader;
use super::types;

/// Where a record is in its message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    message: &'a [u8],
    owner: usize,
    pub(super) kind: u16,
    pub(super) class: u16,
    pub(super) ttl: u32,
    data: &'a [u8],
    /// Where `data` begins.
    at: usize,
}

impl<'a> Place<'a> {
    /// Finds the next record; `None` if it is malformed.
    pub(super) fn find(message: &'a [u8], r: &mut Reader<'a>) -> Option<Self> {
        let owner = r.at();
        r.skip_name()?;
        let (kind, class, ttl, data) = (r.u16()?, r.u16()?, r.u32()?, r.vec16()?);
        Some(Self { message, owner, kind, class, ttl, data, at: r.at() - data.len() })
    }

    /// Whether it belongs to the root.
    pub(super) fn is_of_root(&self) -> bool {
        self.message.get(self.owner) == Some(&0)
    }

    /// The data of an OPT record.
    pub(super) fn options(&self) -> &'a [u8] {
        self.data
    }

    /// Whom it belongs to.
    pub(super) fn owner(&self) -> Option<Name> {
        read_name(self.message, self.owner)
    }

    /// The whole record; `None` if its data is malformed.
    pub(super) fn read(&self, owner: Name) -> Option<Record> {
        Some(Record::from_rdata(owner, cap(self.ttl), self.data()?))
    }

    fn data(&self) -> Option<RData> {
        let layout = layout(self.kind);
        self.check(layout)?;
        if layout.is_read {
            let decoder = BinDecoder::new(self.message.get(..self.at + self.data.len())?);
            let length = Restrict::new(u16::try_from(self.data.len()).ok()?);
            let mut decoder = decoder.clone(u16::try_from(self.at).ok()?);
            return RData::read(&mut decoder, self.kind.into(), length).ok();
        }
        let bytes = if layout.names > 0 { self.uncompressed(layout)? } else { self.data.into() };
        Some(RData::Unknown { code: RecordType::from(self.kind), rdata: NULL::with(bytes) })
    }

    /// Checks that the data has room for what its type says, and its names.
    fn check(&self, layout: Layout) -> Option<()> {
        let mut r = Reader::new(self.message.get(..self.at + self.data.len())?);
        r.take(self.at + layout.before)?;
        for _ in 0..layout.names {
            r.skip_name()?;
        }
        // No type that is in use has none, and hickory-proto can neither hold nor
        // read a record without.
        (!self.data.is_empty()).then_some(())
    }

    /// The data with its names written out: pointers mean nothing in another
    /// message (RFC 3597 §4).
    fn uncompressed(&self, layout: Layout) -> Option<Vec<u8>> {
        let mut r = Reader::new(self.message.get(..self.at + self.data.len())?);
        r.take(self.at)?;
        let mut bytes = r.take(layout.before)?.to_vec();
        for _ in 0..layout.names {
            let name = read_name(self.message, r.at())?;
            r.skip_name()?;
            let mut wire = Vec::new();
            let mut encoder = BinEncoder::new(&mut wire);
            encoder.set_name_encoding(NameEncoding::Uncompressed);
            name.emit(&mut encoder).ok()?;
            bytes.append(&mut wire);
        }
        r.is_empty().then_some(bytes)
    }
}

/// Reads a name that was stepped over before, so that its pointers are sound.
fn read_name(message: &[u8], at: usize) -> Option<Name> {
    Name::read(&mut BinDecoder::new(message).clone(u16::try_from(at).ok()?)).ok()
}

/// What the data of a type looks like, as far as names go.
#[derive(Clone, Copy)]
struct Layout {
    /// Bytes before the first name.
    before: usize,
    /// Names that may be compressed.
    names: usize,
    /// Whether hickory-proto reads it; else it is copied.
    is_read: bool,
}

fn layout(kind: u16) -> Layout {
    let (before, names, is_read) = match kind {
        types::A | types::AAAA | types::TXT => (0, 0, true),
        types::NS | types::CNAME | types::PTR => (0, 1, true),
        types::SOA => (0, 2, true),
        types::MX | types::SVCB | types::HTTPS => (2, 1, true),
        types::SRV => (6, 1, true),
        types::MD | types::MF | types::MB | types::MG | types::MR | types::DNAME => (0, 1, false),
        types::MINFO | types::RP => (0, 2, false),
        types::AFSDB | types::RT | types::KX => (2, 1, false),
        types::PX => (2, 2, false),
        _ => (0, 0, false),
    };
    Layout { before, names, is_read }
}

/// A time to live that cannot do much harm. With its first bit set it means
/// zero (RFC 2181 §8).
pub(super) fn cap(ttl: u32) -> u32 {
    if ttl > i32::MAX.unsigned_abs() { 0 } else { ttl.min(MAX_TTL) }
}

/// Seconds that an answer may be kept: a day. More outlives what people
/// remember of why a name went somewhere.
const MAX_TTL: u32 = 86_400;
