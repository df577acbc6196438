//! Which addresses are to be routed to us.
//!
//! Addresses are routed for all programs and clients at once. So a rule that is
//! for some of them routes nothing, and where one lets some through, nothing is
//! routed either. Such rules still decide about addresses in answers.

use super::regions::inside;
use super::{Best, Policy, blocks};
use crate::core::prefix::Prefix;
use crate::core::rules::Hit;
use crate::core::time::Instant;
use crate::core::verdict::{Mode, Verdict};

impl Policy {
    /// The prefixes that are blocked now and so belong into the TUN.
    #[must_use]
    pub fn prefixes_to_route(&self, now: Instant) -> Vec<Prefix> {
        self.prefixes_where(now, |best| matches!(best.verdict(), Verdict::Block(_)))
    }

    /// The prefixes that must stay out of the TUN although they lie in one that
    /// is routed there.
    #[must_use]
    pub fn prefixes_to_spare(&self, now: Instant) -> Vec<Prefix> {
        self.prefixes_where(now, |best| best.blocks && !matches!(best.verdict(), Verdict::Block(_)))
    }

    /// What of all this must come to us where nobody can be told what to leave out:
    /// the prefixes to route, with those to spare cut out of them. In order, none in
    /// another.
    #[must_use]
    pub fn prefixes_of_tunnel(&self, now: Instant) -> Vec<Prefix> {
        let routed = self.prefixes_to_route(now).into_iter().map(|prefix| (prefix, true));
        let spared = self.prefixes_to_spare(now).into_iter().map(|prefix| (prefix, false));
        inside(routed.chain(spared).collect())
    }

    /// The prefixes of all rules for which the decision about exactly them is so.
    fn prefixes_where(&self, now: Instant, wanted: impl Fn(&Best) -> bool) -> Vec<Prefix> {
        if self.mode == Mode::Off {
            return Vec::new();
        }
        let mine = self.user.prefixes(now, &self.scene);
        let mut all: Vec<_> = mine.chain(self.rules.prefixes().map(|(it, ..)| it)).collect();
        all.sort_unstable();
        all.dedup();
        all.retain(|&prefix| wanted(&self.best_for_prefix(now, prefix)));
        all
    }

    /// The rules about all of this prefix.
    fn best_for_prefix(&self, now: Instant, prefix: Prefix) -> Best {
        let whole = |hit: &Hit| hit.nearness <= usize::from(prefix.length());
        let mut best = Best::default();
        self.user.visit_address(now, prefix.address(), &self.scene, |hit, limit| {
            if limit.is_none() && whole(&hit) {
                best.take_user(hit);
            }
        });
        let visit = |found: &mut dyn FnMut(Hit)| self.rules.visit_address(prefix.address(), found);
        let holds = |hit: &Hit| {
            whole(hit) && self.is_on_time(hit) && !(blocks(hit) && self.is_for_some(hit))
        };
        let of_lists = self.weigh(visit, holds, None);
        best.blocks |= of_lists.blocks;
        if best.is_empty() { of_lists } else { best }
    }

    fn is_on_time(&self, hit: &Hit) -> bool {
        let rule = hit.limits.and_then(|id| self.rules.limits(id));
        let list = self.list_limits(hit);
        self.scene.holds(rule.and_then(|limits| limits.schedule.as_deref()))
            && self.scene.holds(list.and_then(|limits| limits.schedule.as_deref()))
    }
}
