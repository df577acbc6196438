//! Rules by regular expression, and rules for everything.

use regex::bytes::{RegexSet, RegexSetBuilder};
use serde::{Deserialize, Serialize};

use super::settle::Evidence;

/// Patterns, compiled together.
#[derive(Default)]
pub(super) struct Patterns {
    set: Option<RegexSet>,
    patterns: Vec<Pattern>,
}

/// A pattern, and where it stands.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Pattern {
    pub(super) text: Box<str>,
    pub(super) rules: Vec<Evidence>,
}

impl Patterns {
    /// `None` if one is not a pattern, or all together are too much.
    pub(super) fn new(patterns: Vec<Pattern>) -> Option<Self> {
        if patterns.is_empty() {
            return Some(Self::default());
        }
        if patterns.len() > MAX_PATTERNS {
            return None;
        }
        let texts = patterns.iter().map(|pattern| &*pattern.text);
        let set = compile(texts).ok()?;
        Some(Self { set: Some(set), patterns })
    }

    /// Tells `found` form and line of each rule about `host`. Allocates nothing unless a
    /// pattern matches.
    pub(super) fn visit(&self, host: &str, mut found: impl FnMut(&str, u32, u32)) {
        let Some(set) = &self.set else { return };
        if !set.is_match(host.as_bytes()) {
            return;
        }
        for at in set.matches(host.as_bytes()) {
            if let Some(pattern) = self.patterns.get(at) {
                for &(form, line) in &pattern.rules {
                    found(&pattern.text, form.into(), line);
                }
            }
        }
    }

    pub(super) fn all(&self) -> &[Pattern] {
        &self.patterns
    }

    /// Bytes of memory that they take, a guess for what the automaton has made of them.
    pub(super) fn memory(&self) -> usize {
        self.patterns.iter().map(|pattern| PER_LETTER * pattern.text.len()).sum()
    }
}

/// How many of these patterns, from the first on, can be compiled together. Ones that can
/// not be compiled alone must have been taken out before.
pub(super) fn how_many_fit(patterns: &[Pattern]) -> usize {
    let fit =
        |count: usize| compile(patterns.iter().map(|pattern| &*pattern.text).take(count)).is_ok();
    if fit(patterns.len()) {
        return patterns.len();
    }
    let (mut fits, mut too_many) = (0, patterns.len());
    while too_many - fits > 1 {
        let half = fits.midpoint(too_many);
        if fit(half) { fits = half } else { too_many = half }
    }
    fits
}

/// Whether this can be a pattern at all.
pub(super) fn is_pattern(text: &str) -> bool {
    compile([text]).is_ok()
}

fn compile<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<RegexSet, regex::Error> {
    RegexSetBuilder::new(texts)
        .unicode(false)
        .size_limit(MAX_AUTOMATON)
        .dfa_size_limit(MAX_AUTOMATON)
        .build()
}

/// Most patterns of all lists together. Public lists have some hundreds.
pub(super) const MAX_PATTERNS: usize = 2000;
/// Most bytes of text of all patterns together.
pub(super) const MAX_TEXT: usize = 256 * 1024;
const MAX_AUTOMATON: usize = 1 << 20; // bytes: they stay in memory, and again for the states seen
const PER_LETTER: usize = 16; // bytes of automaton; measured on public lists
