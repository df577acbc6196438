//! The order in which rules come.

use std::cmp::Reverse;

use super::evidence::Effect;
use crate::core::catalog::Action;
use crate::core::rules::Hit;
use crate::core::verdict::{RuleRef, Stop, Verdict, Why};

/// The rule that decides, of those seen so far.
#[derive(Default)]
pub(super) struct Best {
    found: Option<(Rank, Hit)>,
    /// Whether any rule blocks, be it outdone or not.
    pub(super) blocks: bool,
}

/// What a rule counts among others; less comes first: its class, how near it is,
/// allow before block among the user's own, and where it stands.
type Rank = (Class, Reverse<usize>, bool, RuleRef);

/// The classes of rules, the first first. The last four never change what happens
/// to traffic: they say what the others would, were they in force.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Class {
    User,
    NeverBlock,
    ImportantAllow,
    ImportantBlock,
    Allow,
    Block,
    WatchImportantAllow,
    WatchImportant,
    WatchAllow,
    Watch,
}

impl Best {
    /// Takes a rule of the user's own.
    pub(super) fn take_user(&mut self, hit: Hit) {
        let blocks = hit.action != Action::Allow;
        self.blocks |= blocks;
        self.put((Class::User, Reverse(hit.nearness), blocks, hit.rule), hit);
    }

    /// Takes a rule of a pack or list that has this effect by itself.
    pub(super) fn take(&mut self, hit: Hit, effect: Effect) {
        let class = match (effect, hit.important) {
            (Effect::NeverBlock, _) => Class::NeverBlock,
            (Effect::Allow, true) => Class::ImportantAllow,
            (Effect::Block, true) => Class::ImportantBlock,
            (Effect::Allow, false) => Class::Allow,
            (Effect::Block, false) => Class::Block,
            (Effect::WatchAllow, true) => Class::WatchImportantAllow,
            (Effect::Watch, true) => Class::WatchImportant,
            (Effect::WatchAllow, false) => Class::WatchAllow,
            (Effect::Watch, false) => Class::Watch,
            (Effect::Off | Effect::Outdone | Effect::Limited(_), _) => return,
        };
        self.blocks |= effect == Effect::Block;
        self.put((class, Reverse(hit.nearness), false, hit.rule), hit);
    }

    fn put(&mut self, rank: Rank, hit: Hit) {
        if self.found.as_ref().is_none_or(|(other, _)| rank < *other) {
            self.found = Some((rank, hit));
        }
    }

    /// Whether no rule was seen.
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_none()
    }

    pub(super) fn verdict(&self) -> Verdict {
        let Some(((class, ..), hit)) = self.found else { return Verdict::Pass(Why::NoMatch) };
        let rule = hit.rule;
        match class {
            Class::User if hit.action == Action::Allow => Verdict::Pass(Why::Allowed(rule)),
            Class::ImportantAllow | Class::Allow => Verdict::Pass(Why::Allowed(rule)),
            Class::NeverBlock => Verdict::Pass(Why::NeverBlock(rule)),
            Class::User | Class::ImportantBlock | Class::Block => {
                Verdict::Block(Stop { rule, answer: hit.answer })
            }
            Class::WatchImportant | Class::Watch => Verdict::Watch(rule),
            // It would let through what nothing stops.
            Class::WatchImportantAllow | Class::WatchAllow => Verdict::Pass(Why::NoMatch),
        }
    }
}
