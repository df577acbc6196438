//! Answers to clients, written new.

use std::net::IpAddr;

use hickory_proto::ProtoError;
use hickory_proto::op::{Header, HeaderCounts, MessageType, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::{Name, RData, Record};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, BinEncodable, BinEncoder};

use super::answer::Answer;
use super::query::{Question, Refusal};
use super::{Transport, types};

/// What an answer of our own says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Saying {
    /// This address, for so many seconds.
    Address(IpAddr, u32),
    /// Nothing of this type, for so many seconds.
    NoData(u32),
    /// No such name, for so many seconds.
    NxDomain(u32),
    /// Nothing but this code.
    Code(ResponseCode),
    /// The small answer to ANY (RFC 8482 §4.2), for so many seconds.
    Any(u32),
}

/// Why, in a number (RFC 8914 §5.2). Left out if the client sent no OPT.
pub(super) type ExtendedError = Option<u16>;

/// Answers a message that was refused: a header and no more, so that nothing
/// that was not understood is sent back.
pub(super) fn refuse(refusal: Refusal, reply: &mut Vec<u8>) {
    let mut metadata =
        Metadata::new(refusal.id, MessageType::Response, OpCode::from_u8(refusal.opcode));
    metadata.recursion_desired = refusal.recursion_desired;
    metadata.recursion_available = true;
    metadata.response_code = refusal.code;
    reply.clear();
    let header = Header { metadata, counts: HeaderCounts::default() };
    header.emit(&mut BinEncoder::new(reply)).expect("a header fits 64 KiB");
}

/// Writes an answer of our own.
pub(super) fn say(question: &Question<'_>, saying: Saying, why: ExtendedError, to: &mut Vec<u8>) {
    to.clear();
    // The longest, a name of 255 bytes twice and an OPT, is under 512 bytes.
    Writer::new(question, to).say(saying, why).expect("an answer of our own fits");
}

/// Writes an upstream's answer; truncated if it is too long for the client.
pub(super) fn relay(question: &Question<'_>, over: Transport, answer: &Answer, to: &mut Vec<u8>) {
    to.clear();
    let mut writer = Writer::new(question, to);
    writer.encoder.set_max_size(limit(question, over));
    if writer.relay(answer).is_err() {
        to.clear();
        Writer::new(question, to).truncate(answer).expect("a question fits");
    }
}

/// The longest answer that the client takes (RFC 6891 §6.2.3).
fn limit(question: &Question<'_>, over: Transport) -> u16 {
    match over {
        Transport::Tcp => u16::MAX,
        Transport::Udp => question.edns.map_or(PLAIN_LIMIT, |edns| edns.payload.min(EDNS_LIMIT)),
    }
}

struct Writer<'q, 'b> {
    question: &'q Question<'q>,
    encoder: BinEncoder<'b>,
    counts: HeaderCounts,
    metadata: Metadata,
}

impl<'q, 'b> Writer<'q, 'b> {
    fn new(question: &'q Question<'q>, to: &'b mut Vec<u8>) -> Self {
        let mut metadata = Metadata::new(question.id, MessageType::Response, OpCode::Query);
        metadata.recursion_desired = question.recursion_desired;
        // A client that resolves by itself believes only a server that seems to
        // know, and not one that offers to ask others.
        metadata.authoritative = !question.recursion_desired;
        metadata.recursion_available = question.recursion_desired;
        metadata.checking_disabled = question.checking_disabled;
        let counts = HeaderCounts { queries: 1, ..HeaderCounts::default() };
        Self { question, encoder: BinEncoder::new(to), counts, metadata }
    }

    fn say(mut self, saying: Saying, why: ExtendedError) -> Result<(), ProtoError> {
        let place = self.encoder.place::<Header>()?;
        self.encoder.emit_vec(self.question.name)?;
        self.encoder.emit_u16(self.question.qtype)?;
        self.encoder.emit_u16(types::IN)?;
        match saying {
            Saying::Address(IpAddr::V4(v4), ttl) => self.data(types::A, ttl, &v4.octets())?,
            Saying::Address(IpAddr::V6(v6), ttl) => self.data(types::AAAA, ttl, &v6.octets())?,
            Saying::Any(ttl) => self.data(types::HINFO, ttl, RFC_8482)?,
            Saying::NoData(ttl) => self.start_of_authority(ttl)?,
            Saying::NxDomain(ttl) => {
                self.metadata.response_code = ResponseCode::NXDomain;
                self.start_of_authority(ttl)?;
            }
            Saying::Code(code) => self.metadata.response_code = code,
        }
        self.opt(why)?;
        place.replace(&mut self.encoder, Header { metadata: self.metadata, counts: self.counts })
    }

    fn data(&mut self, kind: u16, ttl: u32, data: &[u8]) -> Result<(), ProtoError> {
        self.counts.answers += 1;
        self.record(kind, ttl, data)
    }

    /// So that what there is not is kept no longer than what there is (RFC 2308 §5).
    fn start_of_authority(&mut self, ttl: u32) -> Result<(), ProtoError> {
        self.counts.authorities += 1;
        let mut data = [0; SOA_NAMES.len() + SOA_TIMES];
        let (names, times) = data.split_at_mut(SOA_NAMES.len());
        names.copy_from_slice(SOA_NAMES);
        times[..4].copy_from_slice(&1_u32.to_be_bytes()); // serial
        for time in times[4..].chunks_mut(4) {
            time.copy_from_slice(&ttl.to_be_bytes()); // refresh, retry, expire, minimum
        }
        self.record(types::SOA, ttl, &data)
    }

    /// A record of the name that was asked for.
    fn record(&mut self, kind: u16, ttl: u32, data: &[u8]) -> Result<(), ProtoError> {
        self.encoder.emit_u16(QUESTION_POINTER)?;
        self.encoder.emit_u16(kind)?;
        self.encoder.emit_u16(types::IN)?;
        self.encoder.emit_u32(ttl)?;
        self.encoder.emit_u16(u16::try_from(data.len()).unwrap_or(0))?;
        self.encoder.emit_vec(data)
    }

    fn opt(&mut self, why: ExtendedError) -> Result<(), ProtoError> {
        let Some(edns) = self.question.edns else { return Ok(()) };
        self.counts.additionals += 1;
        self.encoder.emit(0)?; // the root
        self.encoder.emit_u16(types::OPT)?;
        self.encoder.emit_u16(EDNS_LIMIT)?;
        self.encoder.emit(self.metadata.response_code.high())?;
        self.encoder.emit(0)?; // version
        self.encoder.emit_u16(if edns.dnssec_ok { DNSSEC_OK } else { 0 })?;
        let Some(why) = why else { return self.encoder.emit_u16(0) };
        self.encoder.emit_u16(2 + 2 + 2)?;
        self.encoder.emit_u16(EXTENDED_ERROR)?;
        self.encoder.emit_u16(2)?;
        self.encoder.emit_u16(why)
    }

    fn adopt(&mut self, answer: &Answer) {
        let asked = self.question.authentic_data || self.question.dnssec_ok();
        self.metadata.response_code = answer.code;
        self.metadata.authentic_data = answer.authentic && asked;
        self.metadata.authoritative = answer.authoritative;
        self.metadata.recursion_available = answer.recursion_available;
    }

    fn truncate(mut self, answer: &Answer) -> Result<(), ProtoError> {
        self.adopt(answer);
        self.metadata.truncation = true;
        self.say(Saying::Code(answer.code), None)
    }

    fn relay(mut self, answer: &Answer) -> Result<(), ProtoError> {
        self.adopt(answer);
        let place = self.encoder.place::<Header>()?;
        let name = Name::read(&mut BinDecoder::new(self.question.name))?;
        name.emit(&mut self.encoder)?;
        self.encoder.emit_u16(self.question.qtype)?;
        self.encoder.emit_u16(types::IN)?;
        let mut places = vec![(name, QUESTION_POINTER)];
        self.counts.answers = self.section(&answer.answers, &mut places)?;
        self.counts.authorities = self.section(&answer.authorities, &mut places)?;
        self.counts.additionals = self.section(&answer.additionals, &mut places)?;
        self.opt(answer.why)?;
        place.replace(&mut self.encoder, Header { metadata: self.metadata, counts: self.counts })
    }

    /// Writes records; an owner that was written before becomes a pointer. (The
    /// encoder's own compression stops after 120 names.)
    fn section(
        &mut self,
        records: &[Record],
        places: &mut Vec<(Name, u16)>,
    ) -> Result<u16, ProtoError> {
        for record in records {
            match places.iter().find(|(name, _)| *name == record.name) {
                Some((_, pointer)) => self.encoder.emit_u16(*pointer)?,
                None => record.name.emit(&mut self.encoder)?,
            }
            record.record_type().emit(&mut self.encoder)?;
            self.encoder.emit_u16(types::IN)?;
            self.encoder.emit_u32(record.ttl)?;
            let length = self.encoder.place::<u16>()?;
            if let (RData::CNAME(target), Ok(at @ ..POINTER_END)) =
                (&record.data, u16::try_from(self.encoder.offset()))
            {
                places.push((target.0.clone(), POINTER | at));
            }
            record.data.emit(&mut self.encoder)?;
            let written = u16::try_from(self.encoder.len_since_place(&length));
            let written = written.map_err(|_| ProtoError::from("data too long"))?;
            length.replace(&mut self.encoder, written)?;
        }
        u16::try_from(records.len()).map_err(|_| ProtoError::from("too many records"))
    }
}

const PLAIN_LIMIT: u16 = 512; // bytes over UDP without EDNS, RFC 1035 §4.2.1

/// Bytes over UDP that pass every link without fragments, and so the most that
/// we send or ask for (DNS Flag Day 2020).
pub(super) const EDNS_LIMIT: u16 = 1232;

const POINTER: u16 = 0xc000; // RFC 1035 §4.1.4
const POINTER_END: u16 = 0x4000; // what has 14 bits, RFC 1035 §4.1.4
const QUESTION_POINTER: u16 = POINTER | 0x0c; // the name of the question follows the header
const DNSSEC_OK: u16 = 0x8000; // RFC 6891 §6.1.4
const EXTENDED_ERROR: u16 = 15; // option code, RFC 8914 §2

/// CPU "RFC8482", OS "" (RFC 8482 §4.2).
const RFC_8482: &[u8] = b"\x07RFC8482\x00";

/// Whose zone it is, and whom to write to: nobody, for these exist nowhere (RFC 2606 §2).
const SOA_NAMES: &[u8] = b"\x06optout\x07invalid\x00\x06nobody\x07invalid\x00";
const SOA_TIMES: usize = 5 * 4; // RFC 1035 §3.3.13

/// Extended errors (RFC 8914 §4).
pub(super) const BLOCKED: u16 = 15; // §4.16
pub(super) const NO_REACHABLE_AUTHORITY: u16 = 22; // §4.23
pub(super) const NETWORK_ERROR: u16 = 23; // §4.24
