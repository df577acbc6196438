//! AdGuard's DNS filtering syntax, of which Adblock Plus' `||x^` is a part
//! (adguard-dns.io/kb/general/dns-filtering-syntax).
//!
//! `["@@"] pattern ["$" modifier *("," modifier)]`. A rule is applied as a whole or not
//! at all. Where we had to choose:
//!
//! - `||x` without `^` is open at its end, as in AdGuard: it matches `x.evil.example` too.
//! - `x^` and `x|` are open at their start: they match `notx`. `.x^` is what is below x.
//! - An address is an address, whether the ends of its pattern are open or not.
//! - `@@…$dnsrewrite` is not applied ([`dnsrewrite`]).
//! - `||192.0.2.` and `||192.0.2.*` are the prefix of these octets. Other patterns for
//!   addresses (`/^192\.0\.2\./`) are not applied.
//! - Directives (`!#if`, `!#include`) are comments; what they enclose is read.

mod browser;
mod dnsrewrite;
mod line;
mod mask;
mod modifiers;
mod regex;
mod types;
mod values;

#[cfg(test)]
mod tests;

use line::{Line, Parts};
use mask::Shape;
use modifiers::Modifiers;

use super::{Fault, Format, Options, Sink, Syntax, hosts, names, patterns};
use crate::core::rule::{Action, Rule, Scope, Subject};

/// Reads AdGuard's syntax.
#[derive(Debug)]
pub(super) struct Adblock {
    /// What a bare name means.
    bare: Scope,
    /// For the name of a rule.
    buffer: String,
    /// How many patterns have been compiled.
    patterns: usize,
    /// For lines of hosts files, which such lists may hold.
    hosts: hosts::Hosts,
}

impl Syntax for Adblock {
    fn line(&mut self, text: &str, sink: &mut dyn Sink) {
        let text = text.trim_matches([' ', '\t']);
        // Nearly all lines are of this kind.
        if let Some(name) = common(text)
            && let Ok(name) = names::read(name, &mut self.buffer)
        {
            return sink.rule(&Rule::block(name, Scope::WithSubdomains));
        }
        match Line::of(text) {
            Line::Comment => {}
            Line::Hosts => self.hosts.line(text, sink),
            Line::Not(fault) => sink.fault(fault),
            Line::Rule(parts) => {
                if let Err(fault) = self.rule(parts, sink) {
                    sink.fault(fault);
                }
            }
        }
    }
}

impl Adblock {
    /// A reader for a list that is to be read in this way.
    pub(super) fn new(options: &Options) -> Self {
        let bare = if options.subdomains { Scope::WithSubdomains } else { Scope::Exact };
        let hosts = hosts::Hosts::new(&Options::of(Format::Hosts));
        Self { bare, buffer: String::new(), patterns: 0, hosts }
    }

    fn rule(&mut self, parts: Parts<'_>, sink: &mut dyn Sink) -> Result<(), Fault> {
        let shape = shape(parts.pattern)?;
        let modifiers = match parts.modifiers {
            Some(text) => Modifiers::read(text, parts.allow)?,
            None => Modifiers::default(),
        };
        let limited = modifiers.is_limited();
        let subject = match &shape {
            Shape::All if limited => Subject::Everything,
            Shape::All => return Err(Fault::MatchesAll),
            // In AdGuard no address is ever outside the names that are excepted.
            Shape::Prefix(_) if !modifiers.limits.not_below.is_empty() => {
                return Err(Fault::BadModifier);
            }
            Shape::Prefix(prefix) => Subject::Prefix(*prefix),
            Shape::Bare(name) => {
                let scope = self.bare;
                Subject::Host(host(name, scope, &mut self.buffer)?, scope)
            }
            Shape::Name(name, scope) => {
                Subject::Host(host(name, *scope, &mut self.buffer)?, *scope)
            }
            Shape::Pattern(regex) => {
                if self.patterns >= patterns::MAX_PER_LIST {
                    return Err(Fault::TooManyPatterns);
                }
                self.patterns += 1;
                patterns::check(regex)?;
                Subject::Pattern(regex)
            }
        };
        sink.rule(&Rule {
            subject,
            action: if parts.allow { Action::Allow } else { Action::Block },
            answer: modifiers.answer,
            important: modifiers.important,
            cancels: modifiers.cancels,
            limits: limited.then(|| Box::new(modifiers.limits)),
        });
        Ok(())
    }
}

/// The name in `||name^`, if it is plain and no address.
fn common(text: &str) -> Option<&str> {
    let name = text.strip_prefix("||")?.strip_suffix('^')?;
    let mut dotted = false;
    let plain = name.bytes().all(|byte| {
        dotted |= byte == b'.';
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')
    });
    (plain && dotted && name.ends_with(|c: char| c.is_ascii_alphabetic())).then_some(name)
}

/// What a pattern names.
fn shape(pattern: &str) -> Result<Shape<'_>, Fault> {
    if line::is_regex(pattern) {
        regex::read(pattern.get(1..pattern.len() - 1).unwrap_or_default())
    } else {
        mask::read(pattern)
    }
}

/// The host name that `name` means.
fn host<'a>(name: &str, scope: Scope, buffer: &'a mut String) -> Result<&'a str, Fault> {
    if name.contains('_') && !name.contains('.') {
        return Err(Fault::BadName); // a part of a URL
    }
    let name = names::read(name, buffer)?;
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Fault::BadAddress); // a part of an address
    }
    // A whole top-level domain is written `||tld^`; the guard decides about these.
    if scope == Scope::Exact && last.len() == name.len() {
        return Err(Fault::SingleLabel);
    }
    Ok(name)
}
