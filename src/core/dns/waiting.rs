//! Clients that wait for an answer.

use std::sync::Arc;

use super::Asker;
use super::query::{Edns, Question};
use crate::core::verdict::RuleText;

/// One who waits for an answer.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) asker: Asker,
    /// The rule that watches the name, as far as known when it was asked.
    pub(super) watched: Option<Arc<RuleText>>,
    id: u16,
    name: Box<[u8]>,
    qtype: u16,
    authentic_data: bool,
    checking_disabled: bool,
    recursion_desired: bool,
    edns: Option<Edns>,
}

impl Waiting {
    pub(super) fn new(
        asker: Asker,
        question: &Question<'_>,
        watched: Option<Arc<RuleText>>,
    ) -> Self {
        Self {
            asker,
            watched,
            id: question.id,
            name: question.name.into(),
            qtype: question.qtype,
            authentic_data: question.authentic_data,
            checking_disabled: question.checking_disabled,
            recursion_desired: question.recursion_desired,
            edns: question.edns,
        }
    }

    /// The question as it was asked.
    pub(super) fn question(&self) -> Question<'_> {
        Question {
            id: self.id,
            recursion_desired: self.recursion_desired,
            authentic_data: self.authentic_data,
            checking_disabled: self.checking_disabled,
            name: &self.name,
            qtype: self.qtype,
            edns: self.edns,
        }
    }
}
