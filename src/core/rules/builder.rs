//! Takes lists one after the other and compiles them.

use std::collections::BTreeMap;
use std::io;

use super::emit;
use super::form::{Form, Forms, Reach};
use super::hash::Hasher;
use super::pack::Packer;
use super::patterns::{MAX_PATTERNS, MAX_TEXT};
use super::settle::Evidence;
use super::spill::{Item, Memory, Spill};
use super::{Kind, List, RuleSet, Scope};
use crate::core::catalog::{Pack, Subject as Named};
use crate::core::list::{Counts, Fault, Options};
use crate::core::prefix::Prefix;
use crate::core::rule::{Action, Rule, Subject};
use crate::core::verdict::Mode;

/// Takes lists one after the other and makes a [`RuleSet`] of them.
pub struct Builder {
    pub(super) names: Names,
    pub(super) forms: Forms,
    pub(super) lists: Vec<List>,
    /// Of each list, why rules of it were left out.
    pub(super) refused: Vec<[u32; Fault::ALL.len()]>,
    pub(super) prefixes: Vec<(Prefix, Evidence)>,
    /// Of each pattern, its rules by form and, if repeated ones are kept, by line.
    pub(super) patterns: BTreeMap<Box<str>, BTreeMap<(u16, u32), u32>>,
    /// The rules for everything, in the same way.
    pub(super) everything: BTreeMap<(u16, u32), u32>,
    pub(super) keep_repeated: bool,
    pattern_text: usize,
    pattern_rules: usize,
}

/// What came out.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Length of the image.
    pub bytes: u64,
    /// How many names it holds.
    pub names: usize,
    /// The lists, with what became of their rules.
    pub lists: Vec<List>,
}

impl Default for Builder {
    /// A builder for a small set: all of it is in memory at once.
    fn default() -> Self {
        Self::over(Box::new(Memory::default()), 1, 256)
    }
}

impl Builder {
    /// A builder for a set of any size: names wait in `spill`.
    #[must_use]
    pub fn spilling(spill: impl Spill + 'static) -> Self {
        Self::over(Box::new(spill), PARTS, 32 * 1024)
    }

    fn over(spill: Box<dyn Spill>, parts: usize, remembered: usize) -> Self {
        Self {
            names: Names::new(spill, parts, remembered),
            forms: Forms::default(),
            lists: Vec::new(),
            refused: Vec::new(),
            prefixes: Vec::new(),
            patterns: BTreeMap::new(),
            everything: BTreeMap::new(),
            keep_repeated: false,
            pattern_text: 0,
            pattern_rules: 0,
        }
    }

    /// Hashes with this seed, which nobody who writes lists can know. To be called before
    /// any rule is added.
    #[must_use]
    pub fn seeded(mut self, seed: u64) -> Self {
        self.names.seed = seed;
        self.names.hasher = Hasher::new(seed);
        self
    }

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
        assert!(self.lists.len() < usize::from(u16::MAX), "fewer lists than that");
        self.lists.push(List::new(name, kind, mode));
        self.refused.push(Default::default());
    }

    /// Adds a rule for a name, as it stands in this line. False if the set is full.
    pub fn host(&mut self, line: u32, host: &str, scope: Scope, action: Action) -> bool {
        self.rule(line, &Rule::about(Subject::Host(host, scope), action))
    }

    /// Adds a rule for addresses.
    pub fn prefix(&mut self, line: u32, prefix: Prefix, action: Action) {
        self.rule(line, &Rule::about(Subject::Prefix(prefix), action));
    }

    /// Adds a rule. False if the set is full.
    ///
    /// Patterns, limits and rules for everything are bounded more narrowly, as each lookup
    /// may have to try them all. One too many is left out and counted in its list.
    pub fn rule(&mut self, line: u32, rule: &Rule<'_>) -> bool {
        let form = match self.form(rule) {
            Ok(form) => form,
            Err(fault) => return self.refuse(fault),
        };
        match rule.subject {
            Subject::Host(name, _) => self.name(name, form, line),
            Subject::Prefix(prefix) => {
                let fits = self.prefixes.len() < MAX_PREFIXES;
                if fits {
                    self.prefixes.push((prefix, (form, line)));
                }
                fits
            }
            Subject::Pattern(text) => self.pattern(text, form, line),
            Subject::Everything => self.everything(rule, form, line),
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
    pub fn ended(&mut self, options: &Options, counts: &Counts) {
        if let Some(list) = self.lists.last_mut() {
            list.kind = Kind::File(options.format);
            list.subdomains = options.subdomains;
            list.counts = counts.clone();
            list.ignored = counts.faults.iter().sum();
        }
    }

    /// Makes the set, in memory.
    ///
    /// # Panics
    ///
    /// If [`Builder::spilling`] was given something that fails.
    #[must_use]
    pub fn build(self) -> RuleSet {
        let mut image = Vec::new();
        self.finish([0; 32], &mut image).expect("memory does not fail");
        RuleSet::open(Box::new(image)).expect("what was just made is as it should be")
    }

    /// Compiles the set and writes it to `out`, from the beginning to the end. `stamp` says
    /// what it was made from; [`RuleSet::stamp`] gives it back.
    ///
    /// # Errors
    ///
    /// What `out` or the spill said, or that there are more names than an image can hold.
    pub fn finish(self, stamp: [u8; 32], out: &mut impl io::Write) -> io::Result<Summary> {
        emit::emit(self, stamp, out)
    }

    fn form(&mut self, rule: &Rule<'_>) -> Result<u16, Fault> {
        let limits = rule.limits.as_ref().map(|limits| self.forms.limits(limits)).transpose()?;
        self.forms.number(Form {
            cancels: rule.cancels,
            reach: match rule.subject {
                Subject::Host(_, scope) => scope.into(),
                _ => Reach::WithSubdomains,
            },
            list: self.current(),
            action: rule.action,
            important: rule.important,
            answer: rule.answer,
            limits,
        })
    }

    fn name(&mut self, name: &str, form: u16, line: u32) -> bool {
        match self.names.add(name, form, line, self.keep_repeated) {
            Added::New => true,
            Added::Repeated => {
                if let Some(list) = self.lists.last_mut() {
                    list.duplicates += 1;
                }
                true
            }
            Added::NoRoom => false,
        }
    }

    fn pattern(&mut self, text: &str, form: u16, line: u32) -> bool {
        let key = (form, if self.keep_repeated { line } else { 0 });
        if let Some(rules) = self.patterns.get_mut(text) {
            if rules.contains_key(&key) {
                self.repeat();
            } else if self.pattern_rules >= MAX_PATTERN_RULES {
                return self.refuse(Fault::TooManyPatterns);
            } else {
                self.pattern_rules += 1;
                rules.insert(key, line);
            }
            return true;
        }
        if self.patterns.len() >= MAX_PATTERNS || self.pattern_text + text.len() > MAX_TEXT {
            return self.refuse(Fault::TooManyPatterns);
        }
        self.pattern_text += text.len();
        self.pattern_rules += 1;
        self.patterns.insert(text.into(), [(key, line)].into());
        true
    }

    fn everything(&mut self, rule: &Rule<'_>, form: u16, line: u32) -> bool {
        let key = (form, if self.keep_repeated { line } else { 0 });
        if rule.limits.is_none() {
            return self.refuse(Fault::MatchesAll);
        }
        if self.everything.contains_key(&key) {
            self.repeat();
        } else if self.everything.len() >= MAX_PATTERNS {
            return self.refuse(Fault::TooManyPatterns);
        } else {
            self.everything.insert(key, line);
        }
        true
    }

    fn repeat(&mut self) {
        if let Some(list) = self.lists.last_mut() {
            list.duplicates += 1;
        }
    }

    fn refuse(&mut self, fault: Fault) -> bool {
        if let Some(refused) = self.refused.last_mut() {
            refused[fault as usize] += 1;
        }
        true
    }

    fn current(&self) -> u16 {
        u16::try_from(self.lists.len().saturating_sub(1)).unwrap_or(u16::MAX)
    }
}

/// Names on their way to the spill.
pub(super) struct Names {
    pub(super) spill: Box<dyn Spill>,
    pub(super) seed: u64,
    hasher: Hasher,
    packer: Packer,
    /// What has not been spilled yet, of each part.
    waiting: Vec<Vec<u8>>,
    /// Parents that were spilled lately, so that `com` is not spilled a million times.
    parents: Vec<u64>,
    /// Rules that were spilled lately, so that no list can fill one part with one rule.
    recent: Vec<Recent>,
    /// How many items were spilled.
    pub(super) items: usize,
    failed: Option<io::Error>,
    codes: Vec<u8>,
    hashes: Vec<u64>,
}

#[derive(Clone, Default)]
struct Recent {
    form: u16,
    codes: Vec<u8>,
}

enum Added {
    New,
    Repeated,
    NoRoom,
}

impl Names {
    fn new(spill: Box<dyn Spill>, parts: usize, remembered: usize) -> Self {
        Self {
            spill,
            seed: 0,
            hasher: Hasher::new(0),
            packer: Packer::new(),
            waiting: vec![Vec::new(); parts],
            parents: vec![0; remembered],
            recent: vec![Recent::default(); RECENT],
            items: 0,
            failed: None,
            codes: Vec::new(),
            hashes: Vec::new(),
        }
    }

    fn add(&mut self, name: &str, form: u16, line: u32, keep_repeated: bool) -> Added {
        let name = name.as_bytes();
        if name.is_empty() || name.len() > MAX_NAME || self.items >= MAX_ITEMS {
            return Added::NoRoom;
        }
        let mut codes = std::mem::take(&mut self.codes);
        let mut hashes = std::mem::take(&mut self.hashes);
        codes.clear();
        self.packer.pack(name, &mut codes);
        hashes.clear();
        hashes.extend(self.hasher.walk(name).map(|(_, hash)| hash));
        let hash = hashes.pop().unwrap_or_default();
        let repeated = !keep_repeated && self.is_repeated(hash, form, &codes);
        if !repeated {
            for &parent in &hashes {
                self.add_parent(parent);
            }
            self.push(hash, &Item::Rule { codes: &codes, form, line });
        }
        (self.codes, self.hashes) = (codes, hashes);
        if repeated { Added::Repeated } else { Added::New }
    }

    fn is_repeated(&mut self, hash: u64, form: u16, codes: &[u8]) -> bool {
        let place = hash as usize % RECENT;
        let Some(recent) = self.recent.get_mut(place) else { return false };
        if recent.form == form && recent.codes == codes {
            return true;
        }
        recent.form = form;
        recent.codes.clear();
        recent.codes.extend_from_slice(codes);
        false
    }

    fn add_parent(&mut self, hash: u64) {
        let place = hash as usize % self.parents.len();
        if self.parents.get(place) != Some(&hash) {
            self.parents[place] = hash;
            self.push(hash, &Item::Parent);
        }
    }

    fn push(&mut self, hash: u64, item: &Item<'_>) {
        let part = if self.waiting.len() == PARTS { (hash >> 56) as usize } else { 0 };
        let Some(waiting) = self.waiting.get_mut(part) else { return };
        item.write(hash, waiting);
        self.items += 1;
        if waiting.len() >= ENOUGH {
            let spilled = self.spill.append(part, waiting);
            waiting.clear();
            self.failed = self.failed.take().or(spilled.err());
        }
    }

    /// How many parts there are.
    pub(super) fn parts(&self) -> usize {
        self.waiting.len()
    }

    /// Puts all of a part into `into`.
    pub(super) fn take(&mut self, part: usize, into: &mut Vec<u8>) -> io::Result<()> {
        if let Some(failed) = self.failed.take() {
            return Err(failed);
        }
        into.clear();
        self.spill.take(part, into)?;
        if let Some(waiting) = self.waiting.get_mut(part) {
            into.append(waiting);
        }
        Ok(())
    }
}

const PARTS: usize = 256; // by the first eight bits of the hash
const ENOUGH: usize = 4096; // bytes of a part that are worth a write
const RECENT: usize = 512; // rules: more than a list can repeat in turn without filling all parts
const MAX_NAME: usize = 255; // bytes; one on the wire has no more (RFC 1035 §2.3.4)
const MAX_ITEMS: usize = 24_000_000; // twelve million names; the largest public lists have two
const MAX_PREFIXES: usize = 1_000_000; // they are sorted in memory: 32 MB; public lists have 100,000
const MAX_PATTERN_RULES: usize = 20_000; // ten lists for each pattern
