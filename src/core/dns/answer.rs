//! Answers of upstreams: is it ours, and what of it is an answer?
//!
//! Only the chain of records that begins at the question is taken. Whatever
//! else a message carries, somebody put it there who was not asked.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hickory_proto::op::{Header, MessageType, ResponseCode};
use hickory_proto::rr::rdata::SVCB;
use hickory_proto::rr::rdata::svcb::SvcParamValue;
use hickory_proto::rr::{Name, RData, Record};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use super::reader::Reader;
use super::reply::ExtendedError;
use super::{record, types};
use crate::core::host::HostName;
use record::Place;

/// What a message must be to be an answer to a question of ours.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Expected {
    pub(super) id: u16,
    /// Name, type and class as we sent them.
    pub(super) question: Vec<u8>,
    /// Whether the case of its letters must be as we sent it.
    pub(super) exact_case: bool,
    /// Whether we sent an OPT record.
    pub(super) edns: bool,
    /// Whether DNSSEC records are wanted.
    pub(super) dnssec: bool,
    /// Whether a step towards the answer is wanted too: the client resolves by
    /// itself and asked without RD.
    pub(super) iterative: bool,
}

/// What came of reading a message.
#[derive(Debug)]
pub(super) enum Read {
    /// Not an answer to this question, maybe forged.
    NotOurs,
    /// Ours, but for the case of its letters.
    OtherCase,
    /// There is more than fits.
    Truncated,
    /// The upstream does not know EDNS.
    WithoutEdns,
    /// The upstream says that it cannot.
    Failed(ResponseCode, ExtendedError),
    /// It makes no sense.
    Malformed,
    /// An answer.
    Answer(Box<Answer>),
}

/// What an upstream said, without what it was not asked for.
#[derive(Debug)]
pub(super) struct Answer {
    /// `NoError` or `NXDomain`.
    pub(super) code: ResponseCode,
    /// AD: the upstream validated it.
    pub(super) authentic: bool,
    /// AA, if the client resolves by itself.
    pub(super) authoritative: bool,
    /// RA; always so, unless the client resolves by itself.
    pub(super) recursion_available: bool,
    pub(super) answers: Vec<Record>,
    pub(super) authorities: Vec<Record>,
    pub(super) additionals: Vec<Record>,
    /// What the name is an alias of, in order.
    pub(super) aliases: Vec<HostName>,
    /// Where SVCB and HTTPS records point.
    pub(super) targets: Vec<HostName>,
    /// Addresses and address hints, up to one more than [`MAX_ADDRESSES`].
    pub(super) addresses: Vec<IpAddr>,
    pub(super) why: ExtendedError,
}

/// Most addresses of an answer that are judged; none has as many in earnest.
pub(super) const MAX_ADDRESSES: usize = 64;

/// Reads a message of an upstream.
pub(super) fn read(message: &[u8], expected: &Expected) -> Read {
    let Ok(header) = Header::read(&mut BinDecoder::new(message)) else { return Read::NotOurs };
    let mut r = Reader::new(message);
    r.take(HEADER);
    if header.metadata.message_type != MessageType::Response || header.id != expected.id {
        return Read::NotOurs;
    }
    let code = header.response_code;
    let is_bare = header.counts.queries == 0 || message.len() == HEADER;
    if is_bare && expected.edns && is_ignorant(code) {
        return Read::WithoutEdns; // a server that did not even read on
    }
    match compare(&mut r, header.counts.queries, expected) {
        Same::No => return Read::NotOurs,
        Same::ButForCase => return Read::OtherCase,
        Same::Yes => {}
    }
    if header.truncation {
        return Read::Truncated;
    }
    if expected.edns && is_ignorant(code) {
        return Read::WithoutEdns;
    }
    let Some(sections) = Sections::find(message, r, &header) else { return Read::Malformed };
    let why = sections.extended_error;
    match code {
        _ if sections.high_code != 0 => Read::Failed(ResponseCode::ServFail, why),
        ResponseCode::NoError | ResponseCode::NXDomain => sections
            .into_answer(&header, expected)
            .map_or(Read::Malformed, |answer| Read::Answer(answer.into())),
        other => Read::Failed(other, why),
    }
}

/// Codes with which servers that do not know EDNS answer it (RFC 6891 §7).
fn is_ignorant(code: ResponseCode) -> bool {
    matches!(code, ResponseCode::FormErr | ResponseCode::NotImp)
}

enum Same {
    Yes,
    ButForCase,
    No,
}

/// Compares the question with ours. It cannot be compressed, so bytes tell.
fn compare(r: &mut Reader<'_>, questions: u16, expected: &Expected) -> Same {
    let ours = &expected.question;
    let name_len = ours.len().saturating_sub(4); // type and class
    match r.take(ours.len()) {
        _ if questions != 1 => Same::No,
        Some(theirs) if theirs == ours => Same::Yes,
        // Length bytes are below any letter, so case folding leaves them alone.
        Some(theirs)
            if theirs[..name_len].eq_ignore_ascii_case(&ours[..name_len])
                && theirs[name_len..] == ours[name_len..] =>
        {
            if expected.exact_case {
                Same::ButForCase
            } else {
                Same::Yes
            }
        }
        _ => Same::No,
    }
}

/// The records of a message, each section apart.
struct Sections<'a> {
    answers: Vec<Place<'a>>,
    authorities: Vec<Place<'a>>,
    additionals: Vec<Place<'a>>,
    extended_error: ExtendedError,
    /// The high bits of the response code.
    high_code: u8,
}

impl<'a> Sections<'a> {
    /// Finds all records; `None` if one is malformed, if there are fewer than
    /// the header says, or if bytes are left over.
    fn find(message: &'a [u8], mut r: Reader<'a>, header: &Header) -> Option<Self> {
        let mut section = |count: u16| {
            let mut places = Vec::new(); // `count` may lie, so nothing is reserved
            for _ in 0..count {
                places.push(Place::find(message, &mut r)?);
            }
            Some(places)
        };
        let mut sections = Self {
            answers: section(header.counts.answers)?,
            authorities: section(header.counts.authorities)?,
            additionals: section(header.counts.additionals)?,
            extended_error: None,
            high_code: 0,
        };
        r.is_empty().then_some(())?;
        sections.read_opt()?;
        Some(sections)
    }

    /// At most one OPT, of the root, and nowhere else (RFC 6891 §6.1.1).
    fn read_opt(&mut self) -> Option<()> {
        let is_opt = |place: &Place<'_>| place.kind == types::OPT;
        if self.answers.iter().chain(&self.authorities).any(is_opt) {
            return None;
        }
        let mut opts = self.additionals.iter().filter(|place| is_opt(place));
        let Some(opt) = opts.next() else { return Some(()) };
        if opts.next().is_some() || !opt.is_of_root() {
            return None;
        }
        let [high_code, ..] = opt.ttl.to_be_bytes();
        let extended_error = find_extended_error(opt.options())?;
        (self.high_code, self.extended_error) = (high_code, extended_error);
        Some(())
    }

    fn into_answer(self, header: &Header, expected: &Expected) -> Option<Answer> {
        let mut question = BinDecoder::new(&expected.question);
        let name = Name::read(&mut question).ok()?;
        let kind = question.read_u16().ok()?.unverified();
        let mut answer = Answer {
            code: header.response_code,
            authentic: header.authentic_data,
            authoritative: header.authoritative && expected.iterative,
            recursion_available: header.recursion_available || !expected.iterative,
            answers: Vec::new(),
            authorities: Vec::new(),
            additionals: Vec::new(),
            aliases: Vec::new(),
            targets: Vec::new(),
            addresses: Vec::new(),
            why: self.extended_error,
        };
        let last = answer.take_chain(&self.answers, name, kind, expected)?;
        answer.take_authorities(&self.authorities, &last, expected)?;
        if expected.iterative {
            answer.take_glue(&self.additionals)?;
        }
        Some(answer)
    }
}

/// The first extended error among the options; `None` if they are malformed.
fn find_extended_error(options: &[u8]) -> Option<ExtendedError> {
    let mut found = None;
    let mut r = Reader::new(options);
    while !r.is_empty() {
        let code = r.u16()?;
        let mut body = Reader::new(r.vec16()?);
        if code == EXTENDED_ERROR && found.is_none() {
            found = Some(body.u16()?);
        }
    }
    Some(found)
}

impl Answer {
    /// One with no records, only with what is judged.
    #[cfg(test)]
    pub(super) fn of(
        aliases: Vec<HostName>,
        targets: Vec<HostName>,
        addresses: Vec<IpAddr>,
    ) -> Self {
        Self {
            code: ResponseCode::NoError,
            authentic: false,
            authoritative: false,
            recursion_available: true,
            answers: Vec::new(),
            authorities: Vec::new(),
            additionals: Vec::new(),
            aliases,
            targets,
            addresses,
            why: None,
        }
    }

    /// Takes the records that answer: from the name that was asked for, by
    /// CNAMEs, to those of the type that was asked for. Returns the last name.
    fn take_chain(
        &mut self,
        places: &[Place<'_>],
        name: Name,
        kind: u16,
        expected: &Expected,
    ) -> Option<Name> {
        let of_class = places.iter().filter(|place| place.class == types::IN);
        let records: Vec<_> =
            of_class.map(|place| Some((place, place.owner()?))).collect::<Option<_>>()?;
        let mut chain = vec![name];
        loop {
            let here = chain.last().expect("begins with the question");
            let mut of_here = records.iter().filter(|(_, owner)| owner == here);
            let alias = of_here.find(|(place, _)| place.kind == types::CNAME && kind != place.kind);
            let Some((place, owner)) = alias else { break };
            let record = place.read(owner.clone())?;
            let RData::CNAME(target) = &record.data else { return None };
            if chain.contains(&target.0) || chain.len() > MAX_LINKS {
                return None;
            }
            chain.push(target.0.clone());
            self.answers.push(record);
        }
        let last = chain.last().expect("begins with the question");
        for (place, owner) in &records {
            let is_wanted = place.kind == kind && owner == last;
            let is_proof = expected.dnssec
                && match place.kind {
                    types::RRSIG => chain.contains(owner) || owner.zone_of(last),
                    types::DNAME => chain.iter().any(|link| owner.zone_of(link)),
                    _ => false,
                };
            if !is_wanted && !is_proof {
                continue;
            }
            match place.read(owner.clone()) {
                Some(record) => self.answers.push(record),
                None if is_service(place.kind) => {} // RFC 9460 §2.2: it does not count
                None => return None,
            }
        }
        self.note_aliases();
        chain.pop()
    }

    /// Collects what is to be judged.
    fn note_aliases(&mut self) {
        let mut services = 0;
        self.answers.retain(|record| {
            services += usize::from(is_service(record.record_type().into()));
            services <= MAX_SERVICES || !is_service(record.record_type().into())
        });
        for record in &self.answers {
            match &record.data {
                RData::CNAME(target) => self.aliases.push(host(&target.0)),
                RData::SVCB(service) => note_target(service, &mut self.targets),
                RData::HTTPS(service) => note_target(&service.0, &mut self.targets),
                _ => {}
            }
            each_address(&record.data, &mut |address| self.addresses.push(address));
            self.addresses.truncate(MAX_ADDRESSES + 1);
        }
    }

    /// The addresses and address hints in it, each with the seconds for which it
    /// may be used. No more than are judged.
    pub(super) fn given(&self) -> impl Iterator<Item = (IpAddr, u32)> {
        let mut given = Vec::new();
        for record in &self.answers {
            each_address(&record.data, &mut |address| given.push((address, record.ttl)));
        }
        given.into_iter().take(MAX_ADDRESSES)
    }

    /// Takes what says that there is nothing, and for how long; and, for those
    /// who want them, proofs and referrals.
    fn take_authorities(
        &mut self,
        places: &[Place<'_>],
        last: &Name,
        expected: &Expected,
    ) -> Option<()> {
        let mut has_soa = false;
        for place in places.iter().filter(|place| place.class == types::IN) {
            let owner = place.owner()?;
            let is_wanted = match place.kind {
                types::SOA => !std::mem::replace(&mut has_soa, true) && owner.zone_of(last),
                types::NSEC | types::NSEC3 | types::RRSIG => expected.dnssec,
                types::DS => expected.dnssec && expected.iterative,
                types::NS => expected.iterative && owner.zone_of(last),
                _ => false,
            };
            if is_wanted {
                let mut record = place.read(owner)?;
                cap_negative(&mut record);
                self.authorities.push(record);
            }
        }
        Some(())
    }

    /// Takes the addresses of the servers that a referral names.
    fn take_glue(&mut self, places: &[Place<'_>]) -> Option<()> {
        let servers: BTreeSet<_> = self.authorities.iter().filter_map(server).collect();
        for place in places.iter().filter(|place| matches!(place.kind, types::A | types::AAAA)) {
            let owner = place.owner()?;
            if place.class == types::IN && servers.contains(&owner) {
                self.additionals.push(place.read(owner)?);
            }
        }
        Some(())
    }
}

fn server(record: &Record) -> Option<&Name> {
    match &record.data {
        RData::NS(server) => Some(&server.0),
        _ => None,
    }
}

fn is_service(kind: u16) -> bool {
    matches!(kind, types::SVCB | types::HTTPS)
}

fn note_target(service: &SVCB, targets: &mut Vec<HostName>) {
    if !service.target_name.is_root() {
        targets.push(host(&service.target_name)); // the root means the owner (RFC 9460 §2.5)
    }
}

/// Tells the addresses in a record, and those that it hints at.
fn each_address(data: &RData, found: &mut dyn FnMut(IpAddr)) {
    let service = match data {
        RData::A(address) => return found(address.0.into()),
        RData::AAAA(address) => return found(address.0.into()),
        RData::SVCB(service) => service,
        RData::HTTPS(service) => &service.0,
        _ => return,
    };
    for (_, value) in &service.svc_params {
        match value {
            SvcParamValue::Ipv4Hint(hint) => hint.0.iter().for_each(|a| found(a.0.into())),
            SvcParamValue::Ipv6Hint(hint) => hint.0.iter().for_each(|a| found(a.0.into())),
            _ => {}
        }
    }
}

fn host(name: &Name) -> HostName {
    HostName::from_labels(name.iter())
}

/// What is not there is believed for three hours at most (RFC 2308 §5).
fn cap_negative(record: &mut Record) {
    if let RData::SOA(soa) = &mut record.data {
        record.ttl = record.ttl.min(MAX_NEGATIVE_TTL);
        soa.minimum = record::cap(soa.minimum).min(MAX_NEGATIVE_TTL);
    }
}

const HEADER: usize = 12; // bytes, RFC 1035 §4.1.1
const EXTENDED_ERROR: u16 = 15; // option code, RFC 8914 §2
const MAX_NEGATIVE_TTL: u32 = 3 * 60 * 60; // seconds, RFC 2308 §5

/// Most CNAMEs from the question to its answer. Real chains have up to six.
const MAX_LINKS: usize = 16;

/// Most SVCB and HTTPS records of an answer: each names a host to judge.
const MAX_SERVICES: usize = 64;
