//! The only decision: rules, vendors' modes, the user's own rules → [`Verdict`].
//!
//! One order for everything; names in questions, names of connections and
//! addresses alike. Of the rules that name what is judged and hold now, the first
//! in this order decides:
//!
//! 1. The user's own rules, the nearest name first, allow before block at the same name.
//! 2. What must never be blocked.
//! 3. `$important` allow rules of packs and lists.
//! 4. `$important` blocking rules of packs and lists.
//! 5. Allow rules of packs and lists.
//! 6. Blocking rules of packs and lists.
//!
//! Among equals the nearest is the one that is named: it has the longest name or
//! prefix. Then the list that was named first, then the line. Rules that a
//! `$badfilter` names are not among them at all: they are removed when lists
//! are put together.
//!
//! In a list where nearness decides ([`List::nearest_decides`]: dnsmasq, unbound, RPZ,
//! and packs that watch a name inside a zone that they block) only one rule of that list counts, and takes its place in the order above: that
//! for the narrowest set of clients, then the nearest, then allow before block.
//!
//! A blocking rule is *watched* if its list or everything is in mode watch, if
//! it is in the strict set and the user did not ask for that, or if its action
//! is watch. An allow rule is watched if its list is. A watched rule never
//! changes what happens to traffic: it counts only where no rule in force
//! names what is judged, and then as it would if all of them were in force. So to
//! watch a list does to traffic exactly what switching it off does. The user's
//! own rules know no watch mode.
//!
//! [`List::nearest_decides`]: crate::core::rules::List::nearest_decides

mod builder;
mod device;
mod evidence;
mod limits;
mod order;
mod regions;
mod routes;
mod user;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::core::catalog::Action;
use crate::core::flow::Client;
use crate::core::rules::{Hit, List, RuleSet};
use crate::core::time::Instant;
use crate::core::verdict::{Mode, RuleRef, RuleText, Verdict};
pub use builder::Builder;
pub use device::NamedDevice;
pub use evidence::{Effect, Evidence};
use evidence::{in_words, put_first};
pub use limits::{Asked, Limit, ListLimits};
use limits::{Scene, for_some};
use order::Best;
pub use user::{App, UserRule, UserRuleError, UserSubject};
use user::{USER, UserRules};

/// Everything that decides. Immutable: a change is a new policy, so a packet
/// sees either the old one or the new one, never half of each. Cheap to make
/// anew, as the rules are shared.
#[derive(Debug, Default)]
pub struct Policy {
    rules: Arc<RuleSet>,
    /// In the order of the rule set.
    lists: Vec<InForce>,
    /// How many lists there are in which nearness decides.
    by_nearness: usize,
    mode: Mode,
    strict: bool,
    user: UserRules,
    scene: Scene,
    next_change: Option<Instant>,
    /// How a blocked name is answered.
    pub block_answer: BlockAnswer,
    /// What is done with canary names.
    pub canaries: Canaries,
}

/// How a list is used.
#[derive(Debug)]
struct InForce {
    mode: Mode,
    limits: Option<Box<ListLimits>>,
    /// Its number among the lists in which nearness decides.
    by_nearness: Option<usize>,
}

/// How a question for a blocked name is answered.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BlockAnswer {
    /// With an address of its own in the sinkhole range, so that the attempt to
    /// connect is seen too, and refused.
    #[default]
    Sinkhole,
    /// With 0.0.0.0 and ::.
    Null,
    /// With NXDOMAIN.
    Nxdomain,
    /// With REFUSED.
    Refused,
}

/// What is done with the names by which networks ask software not to go round
/// their resolver. They are answered negatively, never with an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Canaries {
    /// `use-application-dns.net` → NXDOMAIN: Firefox keeps to the system's resolver.
    pub firefox: bool,
    /// `_dns.resolver.arpa` → NODATA: no upgrade past us by DDR (RFC 9462).
    pub resolver: bool,
    /// `mask.icloud.com`, `mask-h2.icloud.com`, `mask-canary.icloud.com` →
    /// NXDOMAIN. Off: Private Relay is a privacy feature too.
    pub private_relay: bool,
}

impl Default for Canaries {
    fn default() -> Self {
        Self { firefox: true, resolver: true, private_relay: false }
    }
}

/// A vendor whose pack is in use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Vendor {
    /// Key of the pack.
    pub key: Arc<str>,
    /// Its mode: the user's choice, or the pack's own.
    pub mode: Mode,
    /// Entries that block by default.
    pub blocks: u32,
    /// Entries that are only watched by default.
    pub watches: u32,
    /// Entries that keep something reachable.
    pub allows: u32,
}

impl Policy {
    /// Begins a policy with these rules, each list in its own mode.
    #[must_use]
    pub fn builder(rules: Arc<RuleSet>) -> Builder {
        Builder::new(rules)
    }

    /// Decides about a host name, in the form of
    /// [`HostName`](crate::core::host::HostName). Allocates nothing.
    pub fn judge<'a>(&self, now: Instant, host: &str, asked: impl Into<Asked<'a>>) -> Verdict {
        let asked = asked.into();
        let mut best = Best::default();
        if self.mode != Mode::Off {
            self.user.visit(now, host, (asked.client, &self.scene), |hit, limit| {
                if limit.is_none() {
                    best.take_user(hit);
                }
            });
            if best.is_empty() {
                let visit = |found: &mut dyn FnMut(Hit)| self.rules.visit(host, found);
                let holds = |hit: &Hit| self.limit(hit, Some(host), &asked).is_none();
                best = self.weigh(visit, holds, Some(asked.client));
            }
        }
        best.verdict()
    }

    /// Decides about an address. Allocates nothing.
    pub fn judge_address<'a>(
        &self,
        now: Instant,
        address: IpAddr,
        asked: impl Into<Asked<'a>>,
    ) -> Verdict {
        let asked = asked.into();
        let mut best = Best::default();
        if self.mode != Mode::Off {
            self.user.visit_address(now, address, &self.scene, |hit, limit| {
                if limit.is_none() {
                    best.take_user(hit);
                }
            });
            if best.is_empty() {
                let visit = |found: &mut dyn FnMut(Hit)| self.rules.visit_address(address, found);
                let holds = |hit: &Hit| self.limit(hit, None, &asked).is_none();
                best = self.weigh(visit, holds, Some(asked.client));
            }
        }
        best.verdict()
    }

    /// The first of `names` that a rule of a pack or list would block for
    /// anybody at any time, and that rule. The user's own rules do not count:
    /// who blocks a name on purpose may.
    pub fn would_block<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Option<(&'a str, RuleRef)> {
        if self.mode == Mode::Off {
            return None;
        }
        names.into_iter().find_map(|name| {
            let visit = |found: &mut dyn FnMut(Hit)| self.rules.visit(name, found);
            let holds = |hit: &Hit| blocks(hit) || !(self.is_for_some(hit) || self.is_timed(hit));
            match self.weigh(visit, holds, None).verdict() {
                Verdict::Block(stop) => Some((name, stop.rule)),
                _ => None,
            }
        })
    }

    /// Every rule that names this host, the deciding one first, then by
    /// nearness; also those that do not hold now.
    #[must_use]
    pub fn evidence<'a>(
        &self,
        now: Instant,
        host: &str,
        asked: impl Into<Asked<'a>>,
    ) -> Vec<Evidence> {
        let asked = asked.into();
        let mut all = Vec::new();
        let client = asked.client;
        self.user.visit(now, host, (client, &self.scene), |hit, limit| {
            all.push(self.user_evidence(hit, limit));
        });
        let mut hits = Vec::new();
        self.rules.visit(host, |hit| hits.push((hit, self.limit(&hit, Some(host), &asked))));
        all.extend(self.evidence_of(&hits, client));
        put_first(all, self.judge(now, host, asked))
    }

    /// Every rule that names this address, the deciding one first, then by
    /// nearness; also those that do not hold now.
    #[must_use]
    pub fn evidence_for_address<'a>(
        &self,
        now: Instant,
        address: IpAddr,
        asked: impl Into<Asked<'a>>,
    ) -> Vec<Evidence> {
        let asked = asked.into();
        let mut all = Vec::new();
        self.user.visit_address(now, address, &self.scene, |hit, limit| {
            all.push(self.user_evidence(hit, limit));
        });
        let mut hits = Vec::new();
        self.rules.visit_address(address, |hit| hits.push((hit, self.limit(&hit, None, &asked))));
        all.extend(self.evidence_of(&hits, asked.client));
        put_first(all, self.judge_address(now, address, asked))
    }

    /// The rule in words, for events. `subject` is the name or address that it
    /// names, as text.
    #[must_use]
    pub fn rule_text(&self, rule: RuleRef, subject: &str) -> Arc<RuleText> {
        if rule.list == USER {
            let text = self.user.text(rule, subject).into();
            return Arc::new(RuleText { list: YOURS.into(), line: 0, text, vendor: None });
        }
        let list = self.rules.lists().get(usize::from(rule.list));
        Arc::new(RuleText {
            list: list.map_or_else(|| "?".into(), |list| list.name.clone()),
            line: rule.line,
            text: self.rules.text(rule, subject).into(),
            vendor: list.and_then(List::vendor).cloned(),
        })
    }

    /// Whether a verdict may depend on the program that asks: then, and only
    /// then, the engine must learn the owner before it decides.
    #[must_use]
    pub fn depends_on_program(&self) -> bool {
        let by_app = |list: &InForce| list.limits.as_ref().is_some_and(|it| !it.apps.is_empty());
        self.user.name_an_app() || self.lists.iter().any(by_app)
    }

    /// When the next rule of the user's own ends by itself, or the next schedule
    /// begins or ends: a policy that is made then may decide otherwise.
    #[must_use]
    pub fn next_end(&self, now: Instant) -> Option<Instant> {
        let change = self.next_change.filter(|&change| now < change);
        self.user.next_end(now).into_iter().chain(change).min()
    }

    /// Whether the schedules that it was made with may be over.
    #[must_use]
    pub fn is_over(&self, now: Instant) -> bool {
        self.next_change.is_some_and(|change| change <= now)
    }

    /// The lists and packs in use, with their modes.
    pub fn lists(&self) -> impl Iterator<Item = (&List, Mode)> {
        self.rules.lists().iter().zip(self.lists.iter().map(|list| list.mode))
    }

    /// The vendors, with their modes.
    pub fn vendors(&self) -> impl Iterator<Item = Vendor> {
        self.lists().filter(|(list, _)| list.rules() > list.count(Action::NeverBlock)).filter_map(
            |(list, mode)| {
                let stops = list.count(Action::Block);
                let only = list.count(Action::Strict) + list.count(Action::Watch);
                let (blocks, watches) =
                    if list.mode == Mode::Enforce { (stops, only) } else { (0, stops + only) };
                let allows = list.count(Action::Allow) + list.count(Action::NeverBlock);
                Some(Vendor { key: list.vendor()?.clone(), mode, blocks, watches, allows })
            },
        )
    }

    /// The global mode.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The rules that it decides by.
    #[must_use]
    pub fn rules(&self) -> &Arc<RuleSet> {
        &self.rules
    }

    /// Weighs the rules that `visit` tells and that hold.
    ///
    /// Of lists in which nearness decides, some are kept in mind at a time. Where
    /// there are more, the rules are visited once more for each so many.
    fn weigh(
        &self,
        visit: impl Fn(&mut dyn FnMut(Hit)),
        holds: impl Fn(&Hit) -> bool,
        client: Option<&Client>,
    ) -> Best {
        let mut best = Best::default();
        for first in (0..self.by_nearness.max(1)).step_by(AT_ONCE) {
            let mut nearest: [Option<Hit>; AT_ONCE] = [None; AT_ONCE];
            visit(&mut |hit| {
                let Some(list) = self.lists.get(usize::from(hit.rule.list)) else { return };
                match list.by_nearness {
                    None if first == 0 && holds(&hit) => best.take(hit, self.effect(&hit)),
                    Some(number) if number >= first && holds(&hit) => {
                        let Some(slot) = nearest.get_mut(number - first) else { return };
                        best.blocks |= self.effect(&hit) == Effect::Block;
                        if slot.is_none_or(|other| self.is_nearer(&hit, &other, client)) {
                            *slot = Some(hit);
                        }
                    }
                    _ => {}
                }
            });
            for hit in nearest.into_iter().flatten() {
                best.take(hit, self.effect(&hit));
            }
        }
        best
    }

    /// Whether a rule counts more than another of the same list, in which
    /// nearness decides.
    fn is_nearer(&self, hit: &Hit, other: &Hit, client: Option<&Client>) -> bool {
        let rank = |hit: &Hit| {
            let limits = hit.limits.and_then(|id| self.rules.limits(id));
            let narrow = limits
                .zip(client)
                .and_then(|(limits, client)| self.scene.devices.nearness(&limits.clients, client));
            (narrow, hit.nearness, !blocks(hit), std::cmp::Reverse(hit.rule))
        };
        rank(hit) > rank(other)
    }

    fn effect(&self, hit: &Hit) -> Effect {
        let list = self.lists.get(usize::from(hit.rule.list)).map_or(Mode::Off, |list| list.mode);
        let stops = match hit.action {
            _ if self.mode == Mode::Off => return Effect::Off,
            Action::NeverBlock => return Effect::NeverBlock,
            _ if list == Mode::Off => return Effect::Off,
            Action::Allow if list == Mode::Watch => return Effect::WatchAllow,
            Action::Allow => return Effect::Allow,
            Action::Watch => false,
            Action::Strict => self.strict,
            Action::Block => true,
        };
        let enforced = list == Mode::Enforce && self.mode == Mode::Enforce;
        if stops && enforced { Effect::Block } else { Effect::Watch }
    }

    /// What keeps a rule from holding for `judged`; see [`Scene::limit`].
    fn limit(&self, hit: &Hit, judged: Option<&str>, asked: &Asked<'_>) -> Option<Limit> {
        let of_list = self.list_limits(hit).and_then(|it| self.scene.list_limit(it, asked.client));
        let of_rule = || match self.rules.limits(hit.limits?) {
            Some(limits) => self.scene.limit(limits, judged, asked),
            None => Some(Limit::Name), // a set without them is damaged: it stops nobody
        };
        of_list.or_else(of_rule)
    }

    fn list_limits(&self, hit: &Hit) -> Option<&ListLimits> {
        self.lists.get(usize::from(hit.rule.list))?.limits.as_deref()
    }

    /// Whether a rule is not for every question and everybody.
    fn is_for_some(&self, hit: &Hit) -> bool {
        let of_rule = hit.limits.is_some_and(|id| self.rules.limits(id).is_none_or(for_some));
        of_rule || self.list_limits(hit).is_some_and(ListLimits::is_for_some)
    }

    /// Whether a rule is not for every time.
    fn is_timed(&self, hit: &Hit) -> bool {
        let limits = hit.limits.and_then(|id| self.rules.limits(id));
        limits.is_some_and(|limits| limits.schedule.is_some())
            || self.list_limits(hit).is_some_and(|limits| limits.schedule.is_some())
    }

    fn user_evidence(&self, hit: Hit, limit: Option<Limit>) -> Evidence {
        let effect = match (hit.action, limit) {
            _ if self.mode == Mode::Off => Effect::Off,
            (_, Some(limit)) => Effect::Limited(limit),
            (Action::Allow, None) => Effect::Allow,
            _ => Effect::Block,
        };
        let limits = self.user.limits(hit.rule).and_then(|limits| limits.in_words(""));
        let Hit { rule, important, answer, nearness, .. } = hit;
        Evidence { rule, effect, important, answer, limits, nearness }
    }

    /// Evidence of rules of packs and lists, each with what keeps it from holding.
    fn evidence_of(&self, hits: &[(Hit, Option<Limit>)], client: &Client) -> Vec<Evidence> {
        let decides = |list: u16| {
            self.lists.get(usize::from(list)).is_some_and(|list| list.by_nearness.is_some())
        };
        let mut nearest: BTreeMap<u16, Hit> = BTreeMap::new();
        for (hit, _) in hits.iter().filter(|(hit, limit)| limit.is_none() && decides(hit.rule.list))
        {
            let best = nearest.entry(hit.rule.list).or_insert(*hit);
            if self.is_nearer(hit, best, Some(client)) {
                *best = *hit;
            }
        }
        let is_outdone = |hit: &Hit| nearest.get(&hit.rule.list).is_some_and(|best| best != hit);
        let evidence = |(hit, limit): &(Hit, Option<Limit>)| {
            let effect = match (self.effect(hit), limit) {
                (Effect::Off, _) => Effect::Off,
                (_, Some(limit)) => Effect::Limited(*limit),
                _ if is_outdone(hit) => Effect::Outdone,
                (effect, None) => effect,
            };
            let limits = hit.limits.and_then(|id| self.rules.limits(id));
            let limits = in_words(limits, self.list_limits(hit));
            let Hit { rule, important, answer, nearness, .. } = *hit;
            Evidence { rule, effect, important, answer, limits, nearness }
        };
        hits.iter().map(evidence).collect()
    }
}

fn blocks(hit: &Hit) -> bool {
    !matches!(hit.action, Action::Allow | Action::NeverBlock)
}

/// Lists in which nearness decides that are weighed in one visit: more than
/// anybody has, and little enough to clear for each question.
const AT_ONCE: usize = 8;

const YOURS: &str = "your rules"; // what people see as the list of their own rules

#[cfg(test)]
mod tests;
