//! Rules by address prefix.

use std::net::IpAddr;

use crate::core::catalog::Action;
use crate::core::prefix::Prefix;
use crate::core::verdict::RuleRef;

/// Prefixes, each with its rule. Grows until [`Prefixes::seal`].
#[derive(Default)]
pub(super) struct Prefixes {
    /// Sorted by length, then address, then rule.
    rules: Vec<(Prefix, RuleRef, Action)>,
    /// The lengths that occur, shortest first.
    lengths: Vec<u8>,
}

impl Prefixes {
    pub(super) fn add(&mut self, rule: RuleRef, prefix: Prefix, action: Action) {
        self.rules.push((prefix, rule, action));
    }

    pub(super) fn seal(&mut self) {
        self.rules.sort_unstable_by_key(|(prefix, rule, _)| (key(*prefix), *rule));
        self.rules.shrink_to_fit();
        self.lengths = self.rules.iter().map(|(prefix, ..)| prefix.length()).collect();
        self.lengths.dedup();
    }

    /// Tells `found` each rule about `address`, the shortest prefix first.
    pub(super) fn visit(&self, address: IpAddr, mut found: impl FnMut(Prefix, RuleRef, Action)) {
        for &length in &self.lengths {
            let Ok(prefix) = Prefix::new(address, length) else { return }; // v4 has no more
            let first = self.rules.partition_point(|(other, ..)| key(*other) < key(prefix));
            for (other, rule, action) in self.rules.iter().skip(first) {
                if *other != prefix {
                    break;
                }
                found(prefix, *rule, *action);
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Prefix, RuleRef, Action)> {
        self.rules.iter().copied()
    }

    pub(super) fn memory(&self) -> usize {
        self.rules.capacity() * size_of::<(Prefix, RuleRef, Action)>() + self.lengths.capacity()
    }
}

fn key(prefix: Prefix) -> (u8, IpAddr) {
    (prefix.length(), prefix.address())
}
