//! The rule set: host or address → the rules that name it.
//!
//! It knows what is written where, and nothing of modes, clients or the user:
//! what follows from its rules is for the policy to say. So it never changes,
//! and a new mode needs no new rule set.
//!
//! A set is one run of bytes, an image, that a [`Builder`] writes and [`RuleSet::open`]
//! takes as it is, mapped from a file or in memory. Most of it is touched only to
//! confirm that a rule names a host.

mod builder;
mod emit;
mod form;
mod hash;
mod image;
mod names;
mod pack;
mod patterns;
mod prefixes;
mod settle;
mod spill;

use std::fmt;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::core::list::{Counts, Fault, Format};
use crate::core::prefix::Prefix;
pub use crate::core::rule::Scope;
use crate::core::rule::{Action, Answer, Limits};
use crate::core::verdict::{Mode, RuleRef};
pub use builder::{Builder, Summary};
use form::{Form, Reach};
pub use image::ImageError;
use image::{Foot, Section};
use names::Names;
use patterns::{Pattern, Patterns};
use prefixes::Prefixes;
use settle::Evidence;
pub use spill::{Memory, Spill};

/// All rules of packs and lists. Immutable; [`Builder`] makes it.
pub struct RuleSet {
    image: Box<dyn AsRef<[u8]> + Send + Sync>,
    foot: Foot,
    names: Names,
    prefixes: Prefixes,
    patterns: Patterns,
    everything: Vec<Evidence>,
    forms: Vec<Form>,
    limits: Vec<Limits>,
    lists: Vec<List>,
    /// Bytes of what is kept besides the image.
    extra: usize,
}

/// One list or pack, without its rules, and what became of them.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
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
    /// Whether a bare name in it means what is below it too.
    #[serde(default)]
    pub subdomains: bool,
    /// What its reader saw; nothing for a pack.
    pub counts: Counts,
    /// Rules in use: what was read, less the next four.
    pub kept: u32,
    /// Rules that it has already.
    pub duplicates: u32,
    /// Rules for a name that were joined with one for what is below it.
    pub joined: u32,
    /// Rules that a `$badfilter` removed, of this list or another.
    pub cancelled: u32,
    /// Rules that are `$badfilter`.
    pub cancelling: u32,
    /// Of those kept, how many another list has too: the same of the same name, for
    /// everyone, and at least as widely.
    pub covered: u32,
}

/// What a list is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
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
    /// Whether it goes before all rules that are not.
    pub important: bool,
    /// How a block is answered.
    pub answer: Answer,
    /// When and for whom it holds: [`RuleSet::limits`] has it. `None` for always and everyone.
    pub limits: Option<u16>,
    /// How near it is to what was looked up: length of the name or prefix in it, and one
    /// more if it means exactly this name; 0 for patterns. Comparable only between hits
    /// of one lookup.
    pub nearness: usize,
}

/// What of an image is small, and read at the start.
#[derive(Deserialize, Serialize)]
struct Tables {
    lists: Vec<List>,
    limits: Vec<Limits>,
    patterns: Vec<Pattern>,
    everything: Vec<Evidence>,
}

impl List {
    fn new(name: &str, kind: Kind, mode: Mode) -> Self {
        Self {
            name: name.into(),
            kind,
            mode,
            actions: [0; 5],
            ignored: 0,
            subdomains: false,
            counts: Counts::default(),
            kept: 0,
            duplicates: 0,
            joined: 0,
            cancelled: 0,
            cancelling: 0,
            covered: 0,
        }
    }

    /// How many rules it has.
    #[must_use]
    pub fn rules(&self) -> u32 {
        self.kept
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

    /// Some rules that were read have this fault: it is seen only when all lists are.
    fn refuse(&mut self, fault: Fault, count: u32) {
        self.counts.faults[fault as usize] += count;
        self.counts.rules = self.counts.rules.saturating_sub(count);
        self.ignored += count;
    }
}

impl RuleSet {
    /// The built-in packs and nothing else.
    #[must_use]
    pub fn embedded() -> Self {
        let mut builder = Builder::default();
        for pack in crate::core::catalog::embedded() {
            builder.pack(&pack);
        }
        builder.build()
    }

    /// Takes an image, as [`Builder::finish`] wrote it. Reads all of it once.
    ///
    /// # Errors
    ///
    /// [`ImageError`]. What it accepts can be looked up in without a panic, whoever made it.
    pub fn open(image: Box<dyn AsRef<[u8]> + Send + Sync>) -> Result<Self, ImageError> {
        let bytes = (*image).as_ref();
        let foot = Foot::read(bytes)?;
        let fails = ImageError::Inconsistent;
        let names = Names::new(&foot, bytes).ok_or(fails("index"))?;
        let prefixes = Prefixes::new(&foot, bytes).ok_or(fails("prefixes"))?;
        let (forms, []) = foot.section(bytes, Section::Forms).as_chunks() else {
            return Err(fails("forms"));
        };
        let forms: Option<Vec<_>> = forms.iter().map(|form| Form::read(*form)).collect();
        let forms = forms.ok_or(fails("forms"))?;
        let tables = foot.section(bytes, Section::Tables);
        let extra = 2 * tables.len() + 2 * size_of::<Form>() * forms.len();
        let tables: Tables = serde_json::from_slice(tables).map_err(|_| fails("tables"))?;
        let Tables { lists, limits, patterns, everything } = tables;
        if forms.iter().any(|form| {
            usize::from(form.list) >= lists.len()
                || form.limits.is_some_and(|limit| usize::from(limit) >= limits.len())
        }) {
            return Err(fails("forms"));
        }
        let patterns = Patterns::new(patterns).ok_or(fails("patterns"))?;
        let extra = extra + patterns.memory();
        Ok(Self { foot, names, prefixes, patterns, everything, forms, limits, lists, extra, image })
    }

    /// Tells `found` every rule that names `host` (in the form of [`HostName`](crate::core::host::HostName)),
    /// from the widest to the nearest. Allocates nothing, unless a pattern matches.
    pub fn visit(&self, host: &str, mut found: impl FnMut(Hit)) {
        self.visit_names(host, |name, form, line| {
            found(form.hit(line, name.nearness(form)));
        });
    }

    /// Tells `found` every rule that names `address`, from the widest to the nearest.
    pub fn visit_address(&self, address: IpAddr, mut found: impl FnMut(Hit)) {
        self.prefixes.visit(self.bytes(), address, |prefix, form, line| {
            if let Some(form) = self.form(form) {
                found(form.hit(line, prefix.length().into()));
            }
        });
    }

    /// Every address rule.
    pub fn prefixes(&self) -> impl Iterator<Item = (Prefix, RuleRef, Action)> {
        self.prefixes.all(self.bytes()).filter_map(|(prefix, form, line)| {
            let form = self.form(form)?;
            Some((prefix, RuleRef { list: form.list, line }, form.action))
        })
    }

    /// The lists, in the order of [`RuleRef::list`].
    #[must_use]
    pub fn lists(&self) -> &[List] {
        &self.lists
    }

    /// What [`Hit::limits`] means.
    #[must_use]
    pub fn limits(&self, index: u16) -> Option<&Limits> {
        self.limits.get(usize::from(index))
    }

    /// What the set was made from, as [`Builder::finish`] was told.
    #[must_use]
    pub fn stamp(&self) -> [u8; 32] {
        self.foot.stamp
    }

    /// What this rule says, which names `subject`: a host, an address or a prefix. It is
    /// `a.example`, `*.a.example`, a prefix, a pattern between slashes, or `*`. Empty if the
    /// rule does not name it.
    #[must_use]
    pub fn text(&self, rule: RuleRef, subject: &str) -> String {
        let mut text = String::new();
        let is = |form: &Form, line| form.list == rule.list && line == rule.line;
        if let Ok(subject) = subject.parse::<Prefix>() {
            self.prefixes.visit(self.bytes(), subject.address(), |prefix, form, line| {
                if prefix.covers(subject) && self.form(form).is_some_and(|form| is(&form, line)) {
                    text = prefix.to_string();
                }
            });
        }
        if text.is_empty() {
            self.visit_names(subject, |name, form, line| {
                if is(&form, line) {
                    text = name.with(form);
                }
            });
        }
        text
    }

    /// Everything that is written in this line, up to a point: a line of a hosts file may
    /// have several names. Looks at all rules there are, so it is for small sets and for
    /// commands; [`RuleSet::text`] is quick.
    #[must_use]
    pub fn written(&self, rule: RuleRef) -> String {
        let at = |form: u32, line| {
            let form = self.form(form)?;
            (form.list == rule.list && line == rule.line).then_some(form)
        };
        let names = self.names.all(self.bytes()).filter_map(|(name, form, line)| {
            let form = at(form, line)?;
            Some(Named::Suffix(&String::from_utf8_lossy(&name)).with(form))
        });
        let prefixes = self.prefixes.all(self.bytes()).filter_map(|(prefix, form, line)| {
            at(form, line)?;
            Some(prefix.to_string())
        });
        let patterns = self.patterns.all().iter().filter_map(|pattern| {
            let form = pattern.rules.iter().find_map(|&(form, line)| at(form.into(), line))?;
            Some(Named::Pattern(&pattern.text).with(form))
        });
        let everything = self
            .everything
            .iter()
            .filter_map(|&(form, line)| Some(Named::Everything.with(at(form.into(), line)?)));
        let all = names.chain(prefixes).chain(patterns).chain(everything);
        let mut all: Vec<_> = all.take(MAX_SHOWN).collect();
        all.sort_unstable();
        all.join(" ")
    }

    /// How many names it holds.
    #[must_use]
    pub fn names(&self) -> usize {
        usize::try_from(self.foot.names).unwrap_or(usize::MAX)
    }

    /// Bytes of memory that the rules take once everything but [`RuleSet::cold`] has been touched.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.bytes().len() - self.cold().len() + self.extra
    }

    /// Which part of the image is touched only to confirm hits: where it is mapped, the
    /// system may take it back at any time.
    #[must_use]
    pub fn cold(&self) -> Range<usize> {
        self.foot.range(Section::Keys)
    }

    fn visit_names(&self, host: &str, mut found: impl FnMut(Named<'_>, Form, u32)) {
        for &(form, line) in &self.everything {
            if let Some(form) = self.form(form.into()) {
                found(Named::Everything, form, line);
            }
        }
        self.patterns.visit(host, |pattern, form, line| {
            if let Some(form) = self.form(form) {
                found(Named::Pattern(pattern), form, line);
            }
        });
        self.names.visit(self.bytes(), host.as_bytes(), |start, form, line| {
            let (Some(form), Some(name)) = (self.form(form), host.get(start..)) else { return };
            let other = if start == 0 { Reach::Below } else { Reach::Exact };
            if form.reach != other {
                found(Named::Suffix(name), form, line);
            }
        });
    }

    fn form(&self, place: u32) -> Option<Form> {
        self.forms.get(place as usize).copied()
    }

    fn bytes(&self) -> &[u8] {
        (*self.image).as_ref()
    }
}

impl Default for RuleSet {
    /// No rules.
    fn default() -> Self {
        Builder::default().build()
    }
}

impl fmt::Debug for RuleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RuleSet({} lists, {} names)", self.lists.len(), self.names())
    }
}

impl Form {
    fn hit(self, line: u32, nearness: usize) -> Hit {
        let Self { list, action, important, answer, limits, .. } = self;
        Hit { rule: RuleRef { list, line }, action, important, answer, limits, nearness }
    }
}

/// What a rule names, of the names looked up.
#[derive(Clone, Copy)]
enum Named<'a> {
    Everything,
    Pattern(&'a str),
    Suffix(&'a str),
}

impl Named<'_> {
    fn nearness(self, form: Form) -> usize {
        match self {
            Self::Everything | Self::Pattern(_) => 0,
            Self::Suffix(name) => name.len() + usize::from(form.reach == Reach::Exact),
        }
    }

    /// In words.
    fn with(self, form: Form) -> String {
        match (self, form.reach) {
            (Self::Everything, _) => "*".to_owned(),
            (Self::Pattern(text), _) => format!("/{text}/"),
            (Self::Suffix(name), Reach::Exact) => name.to_owned(),
            (Self::Suffix(name), Reach::WithSubdomains) => format!("*.{name}"),
            (Self::Suffix(name), Reach::Below) => format!("*.{name} (only below)"),
        }
    }
}

const MAX_SHOWN: usize = 9; // names of one line that are shown; no known list has more in a line

#[cfg(test)]
mod tests;
