//! Questions: what a client sent, read strictly.
//!
//! Our own reading comes first because hickory-proto forgives what must not be
//! forgiven here: bytes after the end, options whose lengths lie, a cookie of
//! the wrong size. Nothing of the bytes is passed on; an upstream gets a new
//! message made from what was understood.

use hickory_proto::op::ResponseCode;

use super::reader::Reader;
use super::types;

/// What came of reading a message.
#[derive(Debug)]
pub(super) enum Read<'a> {
    /// Not even an answer is due: too short, or not a question.
    Nothing,
    /// It is refused with this code, its header alone.
    Refused(Refusal),
    /// It names a question, and is refused all the same.
    Declined(Question<'a>, ResponseCode),
    /// It asks this.
    Question(Question<'a>),
}

/// What of a refused message goes back to its sender.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    pub(super) id: u16,
    pub(super) opcode: u8,
    pub(super) recursion_desired: bool,
    pub(super) code: ResponseCode,
}

/// A question of class IN.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    pub(super) id: u16,
    /// RD: the client wants the whole answer, not a step towards it.
    pub(super) recursion_desired: bool,
    /// AD: the client wants to know whether the answer was validated (RFC 6840 §5.7).
    pub(super) authentic_data: bool,
    /// CD: the client validates by itself (RFC 4035 §3.2.2).
    pub(super) checking_disabled: bool,
    /// The name as it was sent, its root byte included. INVARIANT: plain labels
    /// of 1 to 63 bytes, 255 bytes at most.
    pub(super) name: &'a [u8],
    pub(super) qtype: u16,
    pub(super) edns: Option<Edns>,
}

/// What a client's OPT record says, as far as we use it (RFC 6891 §6.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Edns {
    /// Largest datagram the client takes, in bytes; at least 512.
    pub(super) payload: u16,
    /// DO: the client wants DNSSEC records (RFC 3225).
    pub(super) dnssec_ok: bool,
    version: u8,
}

impl Question<'_> {
    /// Whether the client wants DNSSEC records.
    pub(super) fn dnssec_ok(&self) -> bool {
        self.edns.is_some_and(|edns| edns.dnssec_ok)
    }
}

/// Reads what a client sent.
pub(super) fn read(message: &[u8]) -> Read<'_> {
    let mut r = Reader::new(message);
    let Some(header) = Header::read(&mut r) else { return Read::Nothing };
    if header.flags & RESPONSE != 0 {
        return Read::Nothing; // to answer an answer makes a loop
    }
    match header.read_question(r) {
        None => Read::Refused(header.refusal(ResponseCode::FormErr)),
        Some(_) if header.opcode() != 0 => Read::Refused(header.refusal(ResponseCode::NotImp)),
        Some((question, rest, class)) => header.read_rest(question, rest, class),
    }
}

#[derive(Clone, Copy)]
struct Header {
    id: u16,
    flags: u16,
    questions: u16,
    answers: u16,
    authorities: u16,
    additionals: u16,
}

impl Header {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            id: r.u16()?,
            flags: r.u16()?,
            questions: r.u16()?,
            answers: r.u16()?,
            authorities: r.u16()?,
            additionals: r.u16()?,
        })
    }

    fn opcode(self) -> u8 {
        self.flags.to_be_bytes()[0] >> 3 & 0xf
    }

    fn refusal(self, code: ResponseCode) -> Refusal {
        let recursion_desired = self.flags & RECURSION_DESIRED != 0;
        Refusal { id: self.id, opcode: self.opcode(), recursion_desired, code }
    }

    /// One question, no more and no less (RFC 9619), its class, and what follows.
    fn read_question(self, mut r: Reader<'_>) -> Option<(Question<'_>, Reader<'_>, u16)> {
        if self.questions != 1 {
            return None;
        }
        let question = Question {
            id: self.id,
            recursion_desired: self.flags & RECURSION_DESIRED != 0,
            authentic_data: self.flags & AUTHENTIC_DATA != 0,
            checking_disabled: self.flags & CHECKING_DISABLED != 0,
            name: r.plain_name()?,
            qtype: r.u16()?,
            edns: None,
        };
        let class = r.u16()?;
        Some((question, r, class))
    }

    fn read_rest<'a>(self, mut question: Question<'a>, mut r: Reader<'a>, class: u16) -> Read<'a> {
        if matches!(question.qtype, types::IXFR | types::AXFR) {
            return Read::Declined(question, ResponseCode::Refused); // needs a stream of messages
        }
        if self.answers != 0 || self.authorities != 0 {
            return Read::Refused(self.refusal(ResponseCode::FormErr));
        }
        let Ok(edns) = read_additionals(&mut r, self.additionals) else {
            return Read::Refused(self.refusal(ResponseCode::FormErr));
        };
        question.edns = edns;
        if !r.is_empty() {
            return Read::Refused(self.refusal(ResponseCode::FormErr));
        }
        match question.qtype {
            _ if edns.is_some_and(|edns| edns.version > 0) => {
                Read::Declined(question, ResponseCode::BADVERS)
            }
            _ if class != types::IN => Read::Declined(question, ResponseCode::Refused),
            types::OPT => Read::Refused(self.refusal(ResponseCode::FormErr)),
            types::TKEY..=types::MAILA => Read::Declined(question, ResponseCode::NotImp),
            _ => Read::Question(question),
        }
    }
}

/// A record that makes no sense.
struct Malformed;

/// The OPT record, if there is one. Other records (a signature) are checked for
/// their shape and left out.
fn read_additionals(r: &mut Reader<'_>, count: u16) -> Result<Option<Edns>, Malformed> {
    let mut edns = None;
    for _ in 0..count {
        if let Some(found) = read_additional(r)?
            && edns.replace(found).is_some()
        {
            return Err(Malformed); // RFC 6891 §6.1.1
        }
    }
    Ok(edns)
}

/// One record; its content if it is OPT.
fn read_additional(r: &mut Reader<'_>) -> Result<Option<Edns>, Malformed> {
    let start = r.at();
    r.skip_name().ok_or(Malformed)?;
    let is_root = r.at() == start + 1;
    let kind = r.u16().ok_or(Malformed)?;
    let payload = r.u16().ok_or(Malformed)?;
    let ttl = r.u32().ok_or(Malformed)?;
    let data = r.vec16().ok_or(Malformed)?;
    if kind != types::OPT {
        return Ok(None);
    }
    check_options(data).filter(|()| is_root).ok_or(Malformed)?; // RFC 6891 §6.1.2
    Ok(Some(Edns {
        payload: payload.max(MIN_PAYLOAD),
        dnssec_ok: ttl & DNSSEC_OK != 0,
        version: ttl.to_be_bytes()[1],
    }))
}

/// Options are not used, and none is passed on: the client's subnet and cookie
/// are nobody else's business. But they must be well-formed.
fn check_options(data: &[u8]) -> Option<()> {
    let mut r = Reader::new(data);
    while !r.is_empty() {
        let code = r.u16()?;
        let body = r.vec16()?;
        if code == COOKIE && !matches!(body.len(), 8 | 16..=40) {
            return None; // RFC 7873 §5.2.2
        }
    }
    Some(())
}

const RESPONSE: u16 = 0x8000; // QR, RFC 1035 §4.1.1
const RECURSION_DESIRED: u16 = 0x0100; // RFC 1035 §4.1.1
const AUTHENTIC_DATA: u16 = 0x0020; // RFC 4035 §3.2.3
const CHECKING_DISABLED: u16 = 0x0010; // RFC 4035 §3.2.2
const DNSSEC_OK: u32 = 0x8000; // in the TTL field of OPT, RFC 6891 §6.1.3
const MIN_PAYLOAD: u16 = 512; // lower values mean this, RFC 6891 §6.2.3
const COOKIE: u16 = 10; // RFC 7873 §4
