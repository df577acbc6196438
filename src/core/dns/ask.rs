//! Questions to upstreams, made new.

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::Name;
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use super::answer::Expected;
use super::query::Question;
use super::random::Random;
use super::reply::EDNS_LIMIT;
use super::upstream::Route;

/// What makes two questions equal: they get the same answer.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Key {
    /// In lower case.
    name: Box<[u8]>,
    qtype: u16,
    dnssec_ok: bool,
    checking_disabled: bool,
    recursion_desired: bool,
    pub(super) route: Route,
}

impl Key {
    /// What this question is, whoever asks it.
    pub(super) fn new(question: &Question<'_>, route: Route) -> Self {
        Self {
            name: question.name.to_ascii_lowercase().into(),
            qtype: question.qtype,
            dnssec_ok: question.dnssec_ok(),
            checking_disabled: question.checking_disabled,
            recursion_desired: question.recursion_desired,
            route,
        }
    }

    /// Makes the message for an upstream, and what its answer must be like.
    /// `mixed` gives letters a random case.
    pub(super) fn compose(
        &self,
        random: &mut Random,
        edns: bool,
        mixed: bool,
    ) -> Option<(Vec<u8>, Expected)> {
        let mut name = self.name.to_vec();
        if mixed {
            random.mix_case(&mut name);
        }
        let id = random.id();
        let mut message = Message::new(id, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = self.recursion_desired;
        message.metadata.checking_disabled = self.checking_disabled;
        message.metadata.authentic_data = true; // tell us if it is validated (RFC 6840 §5.7)
        let query = Name::read(&mut BinDecoder::new(&name)).ok()?;
        message.add_query(Query::query(query, self.qtype.into()));
        if edns {
            let mut opt = Edns::new();
            opt.set_max_payload(EDNS_LIMIT).set_dnssec_ok(self.dnssec_ok);
            message.set_edns(opt);
        }
        let bytes = message.to_vec().ok()?;
        let question = bytes.get(HEADER..HEADER + name.len() + 4)?.to_vec();
        let (dnssec, iterative) = (self.dnssec_ok, !self.recursion_desired);
        let expected = Expected { id, question, exact_case: mixed, edns, dnssec, iterative };
        Some((bytes, expected))
    }
}

const HEADER: usize = 12; // bytes, RFC 1035 §4.1.1
