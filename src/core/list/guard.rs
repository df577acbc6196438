//! What no list may name.

use std::collections::HashSet;

use super::{Fault, Options};
use crate::core::rule::{Action, Rule, Subject};

/// Knows what must stay reachable whatever a list says.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    names: HashSet<Box<str>>,
}

impl Guard {
    /// Protects exactly these names. What is below them is not protected: a rule
    /// may name that.
    #[must_use]
    pub fn protecting<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self { names: names.into_iter().map(Into::into).collect() }
    }

    /// Why no list may have this rule; `None` if it may.
    pub(super) fn objection(&self, rule: &Rule<'_>, _options: &Options) -> Option<Fault> {
        match rule.subject {
            Subject::Host(name, _) if rule.action != Action::Allow && self.names.contains(name) => {
                Some(Fault::Protected)
            }
            _ => None,
        }
    }
}
