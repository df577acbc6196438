//! The rule set: host or address → the rules that name it.
//!
//! The first form of it, held in memory. The compiled form, mapped from one
//! file, takes its place behind the same lookups.

use std::collections::HashMap;

use crate::core::host::{HostName, suffixes};
use crate::core::verdict::RuleRef;

/// Rules by name.
#[derive(Debug, Default)]
pub struct RuleSet {
    block: HashMap<HostName, RuleRef>,
}

impl RuleSet {
    /// Adds a rule that blocks `host` and everything below it.
    pub fn block(&mut self, host: HostName, rule: RuleRef) {
        self.block.entry(host).or_insert(rule);
    }

    /// The nearest blocking rule.
    #[must_use]
    pub fn lookup(&self, host: &str) -> Option<RuleRef> {
        suffixes(host).find_map(|name| self.block.get(name).copied())
    }
}
