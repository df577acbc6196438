//! Puts a policy together.

use std::sync::Arc;

use super::device::Devices;
use super::{BlockAnswer, Canaries, InForce, ListLimits, NamedDevice, Policy, UserRule, UserRules};
use crate::core::host::HostName;
use crate::core::list::Format;
use crate::core::rule::{Action, Device, Scope};
use crate::core::rules::{Builder as RulesBuilder, Kind, List, RuleSet};
use crate::core::time::Instant;
use crate::core::verdict::Mode;

/// Puts a [`Policy`] together.
#[derive(Debug)]
pub struct Builder {
    policy: Policy,
    user: Vec<UserRule>,
}

impl Builder {
    pub(super) fn new(rules: Arc<RuleSet>) -> Self {
        let lists = rules.lists().iter();
        let lists = lists
            .map(|list| InForce { mode: list.mode, limits: None, by_nearness: None })
            .collect();
        Self { policy: Policy { rules, lists, ..Policy::default() }, user: Vec::new() }
    }

    /// Sets the mode of everything.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.policy.mode = mode;
        self
    }

    /// Whether entries of the strict set block.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.policy.strict = strict;
        self
    }

    /// Sets the mode of the vendor with this key. Nothing if there is none.
    #[must_use]
    pub fn vendor(mut self, key: &str, mode: Mode) -> Self {
        self.each(|list| list.vendor().is_some_and(|vendor| **vendor == *key), |it| it.mode = mode);
        self
    }

    /// Sets the mode of the list with this name. Nothing if there is none.
    #[must_use]
    pub fn list_mode(mut self, name: &str, mode: Mode) -> Self {
        self.each(|list| is_called(list, name), |it| it.mode = mode);
        self
    }

    /// Sets when and for whom the list with this name is used. Nothing if there is none.
    #[must_use]
    pub fn list_limits(mut self, name: &str, limits: ListLimits) -> Self {
        let mut limits = limits;
        for client in &mut limits.clients {
            if let Device::Name(name) = client {
                *name = name.to_lowercase();
            }
        }
        let limits = (limits != ListLimits::default()).then(|| Box::new(limits));
        self.each(|list| is_called(list, name), |it| it.limits.clone_from(&limits));
        self
    }

    /// Sets the devices that have a name.
    #[must_use]
    pub fn devices(mut self, devices: impl IntoIterator<Item = NamedDevice>) -> Self {
        self.policy.scene.devices = Devices::new(devices);
        self
    }

    /// Sets which schedules hold now, by name. Others do not, known or not.
    #[must_use]
    pub fn schedules<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.policy.scene.schedules = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets when a policy is to be made anew because of a schedule.
    #[must_use]
    pub fn next_change(mut self, at: Option<Instant>) -> Self {
        self.policy.next_change = at;
        self
    }

    /// Adds the user's own rules.
    #[must_use]
    pub fn user_rules(mut self, rules: impl IntoIterator<Item = UserRule>) -> Self {
        self.user.extend(rules);
        self
    }

    /// Sets how blocked names are answered.
    #[must_use]
    pub fn block_answer(mut self, answer: BlockAnswer) -> Self {
        self.policy.block_answer = answer;
        self
    }

    /// Sets what is done with canary names.
    #[must_use]
    pub fn canaries(mut self, canaries: Canaries) -> Self {
        self.policy.canaries = canaries;
        self
    }

    /// Whether any rule or list is limited to the schedule of this name.
    #[must_use]
    pub fn uses_schedule(&self, name: &str) -> bool {
        let is = |it: Option<&str>| it.is_some_and(|it| it.eq_ignore_ascii_case(name));
        let limits = |list: &InForce| list.limits.as_ref().and_then(|it| it.schedule.clone());
        let rules = &self.policy.rules;
        self.user.iter().any(|rule| is(rule.schedule.as_deref()))
            || self.policy.lists.iter().any(|list| is(limits(list).as_deref()))
            || (0..=u16::MAX)
                .map_while(|id| rules.limits(id))
                .any(|limits| is(limits.schedule.as_deref()))
    }

    /// The policy.
    #[must_use]
    pub fn build(self) -> Policy {
        let mut policy = self.policy;
        for (list, slot) in policy.rules.lists().iter().zip(&mut policy.lists) {
            let by_nearness = matches!(list.kind, Kind::File(format) if format.nearest_decides());
            if by_nearness && slot.mode != Mode::Off {
                slot.by_nearness = Some(policy.by_nearness);
                policy.by_nearness += 1;
            }
        }
        Policy { user: UserRules::new(self.user), ..policy }
    }

    fn each(&mut self, is_meant: impl Fn(&List) -> bool, change: impl Fn(&mut InForce)) {
        let Policy { rules, lists, .. } = &mut self.policy;
        for (list, slot) in rules.lists().iter().zip(lists) {
            if is_meant(list) {
                change(slot);
            }
        }
    }
}

impl Policy {
    /// A policy that blocks these names and what is below them; for tests.
    ///
    /// # Panics
    ///
    /// If one is not a host name.
    #[must_use]
    pub fn blocking(hosts: &[&str]) -> Self {
        let mut rules = RulesBuilder::default();
        rules.list("test", Kind::File(Format::Domains), Mode::Enforce);
        for (line, host) in (1..).zip(hosts) {
            let host: HostName = host.parse().expect("host name in a test");
            rules.host(line, host.as_str(), Scope::WithSubdomains, Action::Block);
        }
        Self::builder(Arc::new(rules.build())).build()
    }
}

/// Whether it is a list, and no pack, of this name.
fn is_called(list: &List, name: &str) -> bool {
    list.vendor().is_none() && *list.name == *name
}
