//! The only decision: rules, vendors' modes, the user's own rules → [`Verdict`].
//!
//! One order for everything, names and addresses alike:
//!
//! 1. The user's own rules, the nearest name first, allow before block at the same name.
//! 2. What must never be blocked.
//! 3. Allow rules of packs and lists.
//! 4. Blocking rules of packs and lists, the nearest first.
//!
//! A blocking rule is *watched* if its list or everything is in mode watch, if
//! it is in the strict set and the user did not ask for that, or if its action
//! is watch. A watched rule never changes what happens to traffic: it counts
//! only where no rule blocks. So to watch a list does to traffic exactly what
//! switching it off does. The user's own rules know no watch mode.

mod limits;
mod user;

use std::net::IpAddr;
use std::sync::Arc;

use crate::core::catalog::Action;
use crate::core::flow::Client;
use crate::core::host::HostName;
use crate::core::prefix::Prefix;
use crate::core::rules::{Builder as RulesBuilder, Hit, Kind, List, RuleSet, Scope};
use crate::core::time::Instant;
use crate::core::verdict::{Mode, RuleRef, RuleText, Verdict, Why};
pub use limits::ListLimits;
pub use user::{App, UserRule, UserRuleError, UserSubject};
use user::{USER, UserRules};

/// Everything that decides. Immutable: a change is a new policy, so a packet
/// sees either the old one or the new one, never half of each. Cheap to make
/// anew, as the rules are shared.
#[derive(Debug, Default)]
pub struct Policy {
    rules: Arc<RuleSet>,
    /// Of each list, in the order of the rule set.
    modes: Vec<Mode>,
    mode: Mode,
    strict: bool,
    user: UserRules,
    /// How a blocked name is answered.
    pub block_answer: BlockAnswer,
    /// What is done with canary names.
    pub canaries: Canaries,
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

/// A rule that names a host or address, and what comes of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Evidence {
    /// Which rule.
    pub rule: RuleRef,
    /// What comes of it by itself.
    pub effect: Effect,
    /// How near its name is; see [`Hit::nearness`].
    nearness: usize,
}

/// What comes of a rule, once modes are applied.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// Lets through, whatever packs and lists say.
    NeverBlock,
    /// Lets through.
    Allow,
    /// Stops.
    Block,
    /// Would stop.
    Watch,
    /// Nothing: its list is off, or everything is.
    Off,
}

impl Effect {
    /// The word that users see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NeverBlock => "never-block",
            Self::Allow => "allow",
            Self::Block => "block",
            Self::Watch => "watch",
            Self::Off => "off",
        }
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

/// Puts a [`Policy`] together.
#[derive(Debug)]
pub struct Builder {
    policy: Policy,
    user: Vec<UserRule>,
}

impl Policy {
    /// Begins a policy with these rules, each list in its own mode.
    #[must_use]
    pub fn builder(rules: Arc<RuleSet>) -> Builder {
        let modes = rules.lists().iter().map(|list| list.mode).collect();
        Builder { policy: Self { rules, modes, ..Self::default() }, user: Vec::new() }
    }

    /// Decides about a host name, in the form of [`HostName`].
    pub fn judge(&self, now: Instant, host: &str, client: &Client) -> Verdict {
        let mut best = Best::default();
        if self.mode != Mode::Off {
            self.user.visit(now, host, client, |hit| best.take_user(hit));
            if best.user.is_none() {
                self.rules.visit(host, |hit| best.take(hit, self.effect(hit)));
            }
        }
        best.verdict()
    }

    /// Decides about an address. The client makes no difference yet: addresses
    /// are routed for all of them at once.
    pub fn judge_address(&self, now: Instant, address: IpAddr, _client: &Client) -> Verdict {
        let mut best = Best::default();
        if self.mode != Mode::Off {
            self.user.visit_address(now, address, |hit| best.take_user(hit));
            if best.user.is_none() {
                self.rules.visit_address(address, |hit| best.take(hit, self.effect(hit)));
            }
        }
        best.verdict()
    }

    /// Every rule that names this host, the deciding one first, then by nearness.
    #[must_use]
    pub fn evidence(&self, now: Instant, host: &str, client: &Client) -> Vec<Evidence> {
        let mut all = Vec::new();
        self.user.visit(now, host, client, |hit| all.push(self.evidence_of(hit)));
        self.rules.visit(host, |hit| all.push(self.evidence_of(hit)));
        put_first(all, self.judge(now, host, client))
    }

    /// Every rule that names this address, the deciding one first, then by nearness.
    #[must_use]
    pub fn evidence_for_address(
        &self,
        now: Instant,
        address: IpAddr,
        client: &Client,
    ) -> Vec<Evidence> {
        let mut all = Vec::new();
        self.user.visit_address(now, address, |hit| all.push(self.evidence_of(hit)));
        self.rules.visit_address(address, |hit| all.push(self.evidence_of(hit)));
        put_first(all, self.judge_address(now, address, client))
    }

    /// The rule in words, for events.
    #[must_use]
    pub fn rule_text(&self, rule: RuleRef) -> Arc<RuleText> {
        if rule.list == USER {
            let text = self.user.text(rule).into();
            return Arc::new(RuleText { list: YOURS.into(), line: 0, text, vendor: None });
        }
        let list = self.rules.lists().get(usize::from(rule.list));
        Arc::new(RuleText {
            list: list.map_or_else(|| "?".into(), |list| list.name.clone()),
            line: rule.line,
            text: self.rules.text(rule).into(),
            vendor: list.and_then(List::vendor).cloned(),
        })
    }

    /// Whether a verdict may depend on the program that asks: then, and only
    /// then, the engine must learn the owner before it decides.
    #[must_use]
    pub fn depends_on_program(&self) -> bool {
        self.user.name_an_app()
    }

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

    /// When the next rule of the user's own ends by itself: a good moment to ask
    /// for prefixes again.
    #[must_use]
    pub fn next_end(&self, now: Instant) -> Option<Instant> {
        self.user.next_end(now)
    }

    /// The lists and packs in use, with their modes.
    pub fn lists(&self) -> impl Iterator<Item = (&List, Mode)> {
        self.rules.lists().iter().zip(self.modes.iter().copied())
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

    /// A policy that blocks these names and what is below them; for tests.
    ///
    /// # Panics
    ///
    /// If one is not a host name.
    #[must_use]
    pub fn blocking(hosts: &[&str]) -> Self {
        let mut rules = RulesBuilder::default();
        rules.list("test", Kind::File(crate::core::list::Format::Domains), Mode::Enforce);
        for (line, host) in (1..).zip(hosts) {
            let host: HostName = host.parse().expect("host name in a test");
            rules.host(line, host.as_str(), Scope::WithSubdomains, Action::Block);
        }
        Self::builder(Arc::new(rules.build())).build()
    }

    fn effect(&self, hit: Hit) -> Effect {
        let list = self.modes.get(usize::from(hit.rule.list)).copied().unwrap_or(Mode::Off);
        let stops = match hit.action {
            _ if self.mode == Mode::Off => return Effect::Off,
            Action::NeverBlock => return Effect::NeverBlock,
            _ if list == Mode::Off => return Effect::Off,
            Action::Allow => return Effect::Allow,
            Action::Watch => false,
            Action::Strict => self.strict,
            Action::Block => true,
        };
        let enforced = list == Mode::Enforce && self.mode == Mode::Enforce;
        if stops && enforced { Effect::Block } else { Effect::Watch }
    }

    fn evidence_of(&self, hit: Hit) -> Evidence {
        let effect = match hit.action {
            _ if self.mode == Mode::Off => Effect::Off,
            Action::Allow if hit.rule.list == USER => Effect::Allow,
            _ if hit.rule.list == USER => Effect::Block,
            _ => self.effect(hit),
        };
        Evidence { rule: hit.rule, effect, nearness: hit.nearness }
    }

    /// The prefixes of all rules for which the decision about exactly them is so.
    fn prefixes_where(&self, now: Instant, wanted: impl Fn(&Best) -> bool) -> Vec<Prefix> {
        if self.mode == Mode::Off {
            return Vec::new();
        }
        let mut all: Vec<_> =
            self.user.prefixes(now).chain(self.rules.prefixes()).map(|(p, ..)| p).collect();
        all.sort_unstable();
        all.dedup();
        all.retain(|&prefix| wanted(&self.best_for_prefix(now, prefix)));
        all
    }

    /// The rules about all of this prefix.
    fn best_for_prefix(&self, now: Instant, prefix: Prefix) -> Best {
        let mut best = Best::default();
        let whole = |hit: &Hit| hit.nearness <= usize::from(prefix.length());
        self.user.visit_address(now, prefix.address(), |hit| {
            if whole(&hit) {
                best.take_user(hit);
            }
        });
        self.rules.visit_address(prefix.address(), |hit| {
            if whole(&hit) {
                best.take(hit, self.effect(hit));
            }
        });
        best
    }
}

impl Builder {
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
        let is_meant = |list: &List| list.vendor().is_some_and(|vendor| **vendor == *key);
        for (list, slot) in self.policy.rules.lists().iter().zip(&mut self.policy.modes) {
            if is_meant(list) {
                *slot = mode;
            }
        }
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

    /// The policy.
    #[must_use]
    pub fn build(self) -> Policy {
        Policy { user: UserRules::new(self.user), ..self.policy }
    }
}

/// The nearest rule of each kind, of those seen so far.
#[derive(Default)]
struct Best {
    user: Option<(Hit, bool)>,
    never: Option<Hit>,
    allow: Option<Hit>,
    block: Option<Hit>,
    watch: Option<Hit>,
    /// Whether any rule blocks, be it outdone or not.
    blocks: bool,
}

impl Best {
    fn take_user(&mut self, hit: Hit) {
        let allow = hit.action == Action::Allow;
        self.blocks |= !allow;
        let better = self.user.is_none_or(|(other, other_allows)| {
            (hit.nearness, allow) > (other.nearness, other_allows)
        });
        if better {
            self.user = Some((hit, allow));
        }
    }

    fn take(&mut self, hit: Hit, effect: Effect) {
        let slot = match effect {
            Effect::NeverBlock => &mut self.never,
            Effect::Allow => &mut self.allow,
            Effect::Block => {
                self.blocks = true;
                &mut self.block
            }
            Effect::Watch => &mut self.watch,
            Effect::Off => return,
        };
        if slot.is_none_or(|other| hit.nearness > other.nearness) {
            *slot = Some(hit);
        }
    }

    fn verdict(&self) -> Verdict {
        let Self { user, never, allow, block, watch, .. } = *self;
        match (user, never, allow, block, watch) {
            (Some((hit, true)), ..) => Verdict::Pass(Why::Allowed(hit.rule)),
            (Some((hit, false)), ..) => Verdict::Block(hit.rule),
            (_, Some(hit), ..) => Verdict::Pass(Why::NeverBlock(hit.rule)),
            (_, _, Some(hit), ..) => Verdict::Pass(Why::Allowed(hit.rule)),
            (_, _, _, Some(hit), _) => Verdict::Block(hit.rule),
            (.., Some(hit)) => Verdict::Watch(hit.rule),
            _ => Verdict::Pass(Why::NoMatch),
        }
    }
}

fn put_first(mut all: Vec<Evidence>, verdict: Verdict) -> Vec<Evidence> {
    let decides = |evidence: &Evidence| Some(evidence.rule) == verdict.rule();
    all.sort_by_key(|evidence| (!decides(evidence), std::cmp::Reverse(evidence.nearness)));
    all
}

const YOURS: &str = "your rules"; // what people see as the list of their own rules

#[cfg(test)]
mod tests;
