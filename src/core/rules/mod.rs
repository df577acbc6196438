//! The rule set: host or address → the rules that name it.
//!
//! It knows what is written where, and nothing of modes, clients or the user:
//! what follows from its rules is for the policy to say. So it never changes,
//! and a new mode needs no new rule set.

mod names;
mod prefixes;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::core::catalog::{self, Action, Pack, Subject as Named};
use crate::core::list::{Counts, Format};
use crate::core::prefix::Prefix;
pub use crate::core::rule::Scope;
use crate::core::rule::{Answer, Limits, Rule, Subject};
use crate::core::verdict::{Mode, RuleRef};
use names::Names;
use prefixes::Prefixes;

/// All rules of packs and lists. Immutable; [`Builder`] makes it.
#[derive(Default)]
pub struct RuleSet {
    names: Names,
    prefixes: Prefixes,
    lists: Vec<List>,
    details: std::collections::HashMap<RuleRef, Details>,
    everything: Vec<(RuleRef, Action)>,
    limits: Vec<Limits>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Details {
    important: bool,
    answer: Answer,
    limits: Option<u16>,
}

/// One list or pack, without its rules.
#[derive(Clone, Debug, PartialEq)]
pub struct List {
    /// What people call it.
    pub name: Arc<str>,
    /// What it is.
    pub kind: Kind,
    /// Its mode until the user chooses one.
    pub mode: Mode,
    /// How many rules it has, by [`Action`].
    pub actions: [u32; 5],
    /// Lines that are not rules and not comments.
    pub ignored: u32,
}

/// What a list is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A vendor pack with this key.
    Pack(Arc<str>),
    /// A file on disk.
    File(Format),
}

/// A rule that names a host or an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Hit {
    /// Which rule.
    pub rule: RuleRef,
    /// What it says.
    pub action: Action,
    /// `$important`.
    pub important: bool,
    /// How a block is answered.
    pub answer: Answer,
    /// When and for whom it holds: for [`RuleSet::limits`].
    pub limits: Option<u16>,
    /// How near it is to what was looked up: length of the name or prefix in
    /// it. Comparable only between hits of one lookup.
    pub nearness: usize,
}

impl List {
    /// How many rules it has.
    #[must_use]
    pub fn rules(&self) -> u32 {
        self.actions.iter().sum()
    }

    /// How many rules with this action it has.
    #[must_use]
    pub fn count(&self, action: Action) -> u32 {
        self.actions[action as usize]
    }

    /// Key of the vendor, if it is a pack.
    #[must_use]
    pub fn vendor(&self) -> Option<&Arc<str>> {
        match &self.kind {
            Kind::Pack(key) => Some(key),
            Kind::File(_) => None,
        }
    }
}

impl RuleSet {
    /// The built-in packs and nothing else.
    #[must_use]
    pub fn embedded() -> Self {
        let mut builder = Builder::default();
        for pack in catalog::embedded() {
            builder.pack(&pack);
        }
        builder.build()
    }

    /// Tells `found` every rule that names `host` (in the form of [`HostName`](crate::core::host::HostName)),
    /// from the widest to the nearest. Allocates nothing.
    pub fn visit(&self, host: &str, mut found: impl FnMut(Hit)) {
        for &(rule, action) in &self.everything {
            found(self.hit(rule, action, 0));
        }
        self.names.visit(host, |nearness, hit| found(self.hit(hit.rule, hit.action, nearness)));
    }

    /// When and for whom a rule holds.
    #[must_use]
    pub fn limits(&self, id: u16) -> Option<&Limits> {
        self.limits.get(usize::from(id))
    }

    fn hit(&self, rule: RuleRef, action: Action, nearness: usize) -> Hit {
        let Details { important, answer, limits } =
            self.details.get(&rule).copied().unwrap_or_default();
        Hit { rule, action, important, answer, limits, nearness }
    }

    /// Tells `found` every rule that names `address`, from the widest to the nearest.
    pub fn visit_address(&self, address: IpAddr, mut found: impl FnMut(Hit)) {
        self.prefixes.visit(address, |prefix, rule, action| {
            found(self.hit(rule, action, prefix.length().into()));
        });
    }

    /// Every address rule.
    pub fn prefixes(&self) -> impl Iterator<Item = (Prefix, RuleRef, Action)> {
        self.prefixes.iter()
    }

    /// The lists, in the order of [`RuleRef::list`].
    #[must_use]
    pub fn lists(&self) -> &[List] {
        &self.lists
    }

    /// What is written there: `a.example`, `*.a.example` or a prefix. A line of a hosts
    /// file that has several names is given with all of them, up to a point.
    #[must_use]
    pub fn text(&self, rule: RuleRef, _subject: &str) -> String {
        let names = self.names.at(rule).map(|(name, scope)| match scope {
            Scope::Exact => name.to_owned(),
            Scope::WithSubdomains => format!("*.{name}"),
            Scope::Below => format!("*.{name} (only below)"),
        });
        let prefixes =
            self.prefixes.iter().filter(|(_, at, _)| *at == rule).map(|(p, ..)| p.to_string());
        names.chain(prefixes).take(MAX_SHOWN).collect::<Vec<_>>().join(" ")
    }

    /// How many names it holds.
    #[must_use]
    pub fn names(&self) -> usize {
        self.names.len()
    }

    /// Bytes of memory that the rules take.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.names.memory() + self.prefixes.memory()
    }
}

impl fmt::Debug for RuleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RuleSet({} lists, {} names)", self.lists.len(), self.names())
    }
}

/// Takes lists one after the other and makes a [`RuleSet`] of them.
#[derive(Default)]
pub struct Builder {
    set: RuleSet,
    keep_repeated: bool,
}

impl Builder {
    /// Keeps rules apart that say the same of the same name: for the user's own,
    /// which differ in more than that.
    #[must_use]
    pub(crate) fn keep_repeated(mut self) -> Self {
        self.keep_repeated = true;
        self
    }

    /// Begins a list; what is added next belongs to it.
    ///
    /// # Panics
    ///
    /// At the 65,535th list.
    pub fn list(&mut self, name: &str, kind: Kind, mode: Mode) {
        assert!(self.set.lists.len() < usize::from(u16::MAX), "fewer lists than that");
        self.set.lists.push(List { name: name.into(), kind, mode, actions: [0; 5], ignored: 0 });
    }

    /// Adds a rule for a name, as it stands in this line. False if the set is full.
    pub fn host(&mut self, line: u32, host: &str, scope: Scope, action: Action) -> bool {
        let rule = RuleRef { list: self.current(), line };
        self.set.names.add(rule, host, scope, action) && self.count(action)
    }

    /// Adds a rule for addresses.
    pub fn prefix(&mut self, line: u32, prefix: Prefix, action: Action) {
        let rule = RuleRef { list: self.current(), line };
        self.set.prefixes.add(rule, prefix, action);
        self.count(action);
    }

    /// Adds a rule of a list. False if the set is full.
    pub fn rule(&mut self, line: u32, rule: &Rule<'_>) -> bool {
        let limits = rule.limits.as_ref().map(|limits| {
            self.set.limits.push((**limits).clone());
            u16::try_from(self.set.limits.len() - 1).unwrap_or(u16::MAX)
        });
        let details = Details { important: rule.important, answer: rule.answer, limits };
        let place = RuleRef { list: self.current(), line };
        if limits.is_some() || details.important || details.answer != Answer::Usual {
            self.set.details.insert(place, details);
            self.keep_repeated = true;
        }
        match rule.subject {
            Subject::Host(host, scope) => self.host(line, host, scope, rule.action),
            Subject::Prefix(prefix) => {
                self.prefix(line, prefix, rule.action);
                true
            }
            Subject::Everything => {
                self.set.everything.push((place, rule.action));
                true
            }
            Subject::Pattern(_) => true,
        }
    }

    /// Adds a whole pack.
    pub fn pack(&mut self, pack: &Pack) {
        self.list(&pack.key, Kind::Pack(pack.key.clone()), pack.mode);
        for entry in &pack.entries {
            match &entry.subject {
                Named::Host { host, subdomains } => {
                    let scope = if *subdomains { Scope::WithSubdomains } else { Scope::Exact };
                    self.host(entry.line, host.as_str(), scope, entry.action);
                }
                Named::Prefix(prefix) => self.prefix(entry.line, *prefix, entry.action),
            }
        }
    }

    /// Says what a list's reader found, once the list has been read.
    pub fn ended(&mut self, format: Format, counts: &Counts) {
        if let Some(list) = self.set.lists.last_mut() {
            list.kind = Kind::File(format);
            list.ignored = counts.faults.iter().sum();
        }
    }

    /// Makes the set.
    #[must_use]
    pub fn build(self) -> RuleSet {
        let mut set = self.set;
        let lists = &mut set.lists;
        set.names.seal(!self.keep_repeated, |list, action| {
            if let Some(list) = lists.get_mut(usize::from(list)) {
                list.actions[action as usize] -= 1;
            }
        });
        set.prefixes.seal();
        set
    }

    fn current(&self) -> u16 {
        u16::try_from(self.set.lists.len().saturating_sub(1)).unwrap_or(u16::MAX)
    }

    fn count(&mut self, action: Action) -> bool {
        if let Some(list) = self.set.lists.last_mut() {
            list.actions[action as usize] += 1;
        }
        true
    }
}

const MAX_SHOWN: usize = 9; // names of one line that are shown; no known list has more in a line

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::host::suffixes;
    use proptest::prelude::*;

    type Written = (u8, String, Scope, Action);

    fn build(rules: &[Written]) -> RuleSet {
        let mut builder = Builder::default();
        for list in 0..4 {
            builder.list(&list.to_string(), Kind::File(Format::Domains), Mode::Enforce);
            for (line, (_, host, scope, action)) in
                (1..).zip(rules).filter(|(_, rule)| rule.0 == list)
            {
                assert!(builder.host(line, host, *scope, *action));
            }
        }
        builder.build()
    }

    /// What a reader of the documentation would write down.
    fn naive(rules: &[Written], host: &str) -> Vec<(usize, u16, Action)> {
        let mut hits: Vec<_> = suffixes(host)
            .flat_map(|name| {
                rules.iter().filter(move |(_, written, scope, _)| {
                    written == name
                        && match scope {
                            Scope::Exact => name == host,
                            Scope::WithSubdomains => true,
                            Scope::Below => name != host,
                        }
                })
            })
            .map(|(list, name, _, action)| (name.len(), u16::from(*list), *action))
            .collect();
        hits.sort_unstable();
        hits
    }

    fn found(set: &RuleSet, host: &str) -> Vec<(usize, u16, Action)> {
        let mut hits = Vec::new();
        set.visit(host, |hit| hits.push((hit.nearness, hit.rule.list, hit.action)));
        assert!(hits.is_sorted_by_key(|hit| hit.0), "from the widest to the nearest");
        hits.sort_unstable();
        hits
    }

    fn name() -> impl Strategy<Value = String> {
        proptest::collection::vec("[ab]{1,2}|x-1", 1..5).prop_map(|labels| labels.join("."))
    }

    fn rules() -> impl Strategy<Value = Vec<Written>> {
        let scope =
            prop_oneof![Just(Scope::Exact), Just(Scope::WithSubdomains), Just(Scope::Below)];
        let action = prop_oneof![Just(Action::Block), Just(Action::Allow)];
        proptest::collection::vec((0..4_u8, name(), scope, action), 0..200)
    }

    proptest! {
        #[test]
        fn lookups_agree_with_a_naive_matcher(
            rules in rules(),
            hosts in proptest::collection::vec(name(), 20)
        ) {
            let set = build(&rules);
            let mut distinct = rules.clone();
            distinct.sort_by_key(|(list, name, scope, action)| {
                (*list, name.clone(), *scope, *action)
            });
            distinct.dedup();
            let counted: u32 = set.lists().iter().map(List::rules).sum();
            prop_assert_eq!(counted as usize, distinct.len());
            for host in hosts {
                prop_assert_eq!(found(&set, &host), naive(&distinct, &host), "{}", host);
            }
        }

        #[test]
        fn any_text_can_be_looked_up(host in ".{0,80}") {
            let set = build(&[(0, "a.b".into(), Scope::WithSubdomains, Action::Block)]);
            prop_assert_eq!(found(&set, &host).len(), usize::from(host == "a.b" || host.ends_with(".a.b")));
        }

        #[test]
        fn address_lookups_agree_with_a_naive_matcher(
            rules in proptest::collection::vec((0..16_u32, 24..=32_u8), 0..40),
            host in 0..16_u32
        ) {
            let address = |host: u32| IpAddr::from((0xc000_0200 | host << 2).to_be_bytes());
            let mut builder = Builder::default();
            builder.list("l", Kind::File(Format::Domains), Mode::Enforce);
            let rules: Vec<_> =
                rules.into_iter().map(|(h, n)| Prefix::new(address(h), n).unwrap()).collect();
            for (line, prefix) in (1..).zip(&rules) {
                builder.prefix(line, *prefix, Action::Block);
            }
            let mut found = Vec::new();
            builder.build().visit_address(address(host), |hit| found.push(hit.rule.line));
            let mut want: Vec<_> = (1..).zip(&rules)
                .filter(|(_, prefix)| prefix.contains(address(host)))
                .map(|(line, prefix): (u32, _)| (prefix.length(), line))
                .collect();
            want.sort_unstable();
            prop_assert_eq!(found, want.into_iter().map(|(_, line)| line).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_rule_is_found_again_in_words() {
        let mut builder = Builder::default();
        builder.list("l", Kind::File(Format::Hosts), Mode::Enforce);
        builder.host(3, "a.example", Scope::Exact, Action::Block);
        builder.host(5, "b.example", Scope::Exact, Action::Block);
        builder.host(5, "c.example", Scope::WithSubdomains, Action::Block);
        builder.prefix(6, "192.0.2.0/24".parse().unwrap(), Action::Block);
        let set = builder.build();
        for (line, want) in
            [(3, "a.example"), (4, ""), (5, "b.example *.c.example"), (6, "192.0.2.0/24")]
        {
            assert_eq!(set.text(RuleRef { list: 0, line }, ""), want);
        }
    }

    #[test]
    fn a_hundred_thousand_names_are_small_and_fast() {
        let names: Vec<String> =
            (0..100_000).map(|n| format!("t{}.tracker{n}.example.com", n % 7)).collect();
        let mut builder = Builder::default();
        builder.list("big", Kind::File(Format::Domains), Mode::Enforce);
        for (line, name) in (1..).zip(&names) {
            builder.host(line, name, Scope::WithSubdomains, Action::Block);
        }
        let set = builder.build();
        println!("{} bytes for {} names", set.memory(), set.names());
        assert!(set.memory() < 60 * names.len());
        for name in &names {
            assert_eq!(found(&set, name).len(), 1, "{name}");
        }
        assert!(found(&set, "t9.tracker1.example.com").is_empty());
    }

    #[test]
    fn one_name_a_hundred_thousand_times_is_one_rule() {
        let mut builder = Builder::default();
        builder.list("odd", Kind::File(Format::Domains), Mode::Enforce);
        for line in 1..=100_000 {
            builder.host(line, "a.example", Scope::Exact, Action::Block);
        }
        let set = builder.build();
        assert_eq!(found(&set, "a.example").len(), 1);
        assert_eq!(set.lists()[0].rules(), 1);
    }
}
