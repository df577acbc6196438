//! Takes a list line by line.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Fault, Guard, MAX_LINE, Options, Sink, Syntax};
use crate::core::rule::{Action, Rule};

/// Reads a list, line by line.
#[derive(Debug)]
pub struct Reader {
    syntax: Box<dyn Syntax>,
    options: Options,
    guard: Arc<Guard>,
    counts: Counts,
}

/// What a reader has seen.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Counts {
    /// All lines.
    pub lines: u32,
    /// Rules found, repeated ones included.
    pub rules: u32,
    /// Lines that are comments, empty, or mean nothing on purpose.
    pub comments: u32,
    /// Of each [`Fault`], in the order of [`Fault::ALL`], how often it occurred.
    pub faults: [u32; Fault::ALL.len()],
}

impl Counts {
    /// How often this fault occurred.
    #[must_use]
    pub fn of(&self, fault: Fault) -> u32 {
        self.faults[fault as usize]
    }
}

impl Reader {
    /// A reader for a list of this kind; `guard` knows what no list may name.
    #[must_use]
    pub fn new(options: Options, guard: Arc<Guard>) -> Self {
        let syntax = options.format.syntax(&options);
        Self { syntax, options, guard, counts: Counts::default() }
    }

    /// Takes the next line, with or without its end, and tells `found` its number
    /// (from 1) with each rule in it and each reason why something is none.
    pub fn line(&mut self, bytes: &[u8], mut found: impl FnMut(u32, Result<&Rule<'_>, Fault>)) {
        self.counts.lines = self.counts.lines.saturating_add(1);
        let before = (self.counts.rules, self.counts.faults);
        let mut judge = Judge {
            options: &self.options,
            guard: &self.guard,
            counts: &mut self.counts,
            found: &mut found,
        };
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
        if bytes.len() > MAX_LINE {
            judge.fault(Fault::TooLong);
        } else {
            self.syntax.line(&String::from_utf8_lossy(bytes), &mut judge);
        }
        if before == (self.counts.rules, self.counts.faults) {
            self.counts.comments = self.counts.comments.saturating_add(1);
        }
    }

    /// Takes the end of the list.
    pub fn end(&mut self, mut found: impl FnMut(u32, Result<&Rule<'_>, Fault>)) {
        let mut judge = Judge {
            options: &self.options,
            guard: &self.guard,
            counts: &mut self.counts,
            found: &mut found,
        };
        self.syntax.end(&mut judge);
    }

    /// What has been seen so far.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How the list is read.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }
}

/// Lets through what a list may say, and counts.
struct Judge<'a> {
    options: &'a Options,
    guard: &'a Guard,
    counts: &'a mut Counts,
    found: &'a mut dyn FnMut(u32, Result<&Rule<'_>, Fault>),
}

impl Sink for Judge<'_> {
    fn rule(&mut self, rule: &Rule<'_>) {
        if let Some(fault) = self.guard.objection(rule, self.options) {
            return self.fault(fault);
        }
        self.counts.rules = self.counts.rules.saturating_add(1);
        if self.options.allow && rule.action == Action::Block {
            let rule = Rule { action: Action::Allow, ..rule.clone() };
            (self.found)(self.counts.lines, Ok(&rule));
        } else {
            (self.found)(self.counts.lines, Ok(rule));
        }
    }

    fn fault(&mut self, fault: Fault) {
        let count = &mut self.counts.faults[fault as usize];
        *count = count.saturating_add(1);
        (self.found)(self.counts.lines, Err(fault));
    }
}

const BOM: &[u8] = "\u{feff}".as_bytes(); // some editors begin a file with it, and files get joined
