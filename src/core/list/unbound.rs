//! unbound's local zones (unbound.conf(5)).
//!
//! `local-zone:` means a name and what is below it; `local-data:` exactly one name
//! and one type, unless its zone is of the type `redirect`. `include:` is never
//! followed, and what stands in a `view:` is for clients that only unbound knows.
//! A statement has to end on its line.

use super::rpz::zone::{Kind, Record};
use super::{Fault, Sink, Syntax, names, nowhere};
use crate::core::rule::{Action, Answer, Limits, Rule, Scope, Subject};

/// Reads statements of unbound's configuration.
#[derive(Debug, Default)]
pub(super) struct Unbound {
    in_view: bool,
    /// The zone of the type `redirect` that stood last.
    redirect: Option<Redirect>,
    name: String,
}

/// A zone that answers for all its names with the data of its own.
#[derive(Debug)]
struct Redirect {
    name: String,
    /// What its data came to so far.
    found: Found,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Found {
    /// There was none.
    Nothing,
    /// It leads nowhere: the zone is blocked.
    Nowhere,
    /// Some of it leads somewhere.
    Elsewhere,
}

impl Syntax for Unbound {
    fn line(&mut self, text: &str, sink: &mut dyn Sink) {
        let mut words = Words { rest: text };
        while let Some(keyword) = words.keyword() {
            let done = keyword.and_then(|keyword| self.statement(keyword, &mut words, sink));
            if let Err(Malformed) = done {
                return sink.fault(Fault::Malformed); // where the next begins is not known
            }
        }
    }

    fn end(&mut self, sink: &mut dyn Sink) {
        self.leave(sink);
    }
}

impl Unbound {
    fn statement(
        &mut self,
        keyword: &str,
        words: &mut Words<'_>,
        sink: &mut dyn Sink,
    ) -> Result<(), Malformed> {
        let said = match keyword {
            "local-zone" => {
                let (name, kind) = (words.value()?, words.value()?);
                let policy = Policy::read(kind).ok_or(Malformed)?;
                self.leave(sink);
                if self.in_view { Err(Fault::NoRule) } else { self.zone(name, policy, sink) }
            }
            "local-data" => {
                let record = Record::read(words.value()?.trim_ascii()).ok_or(Malformed)?;
                if self.in_view { Err(Fault::NoRule) } else { self.data(&record, sink) }
            }
            "local-data-ptr" => {
                words.value()?;
                Err(Fault::Rewrite)
            }
            "server" => {
                self.in_view = false;
                Ok(()) // the clause that everything here is in anyway
            }
            _ => {
                if CLAUSES.contains(&keyword) {
                    self.in_view = keyword == "view";
                }
                words.skip()?;
                Err(Fault::NoRule)
            }
        };
        if let Err(fault) = said {
            sink.fault(fault);
        }
        Ok(())
    }

    fn zone(&mut self, name: &str, policy: Policy, sink: &mut dyn Sink) -> Result<(), Fault> {
        if policy == Policy::None {
            return Err(Fault::NoRule);
        }
        if name == "." {
            return Err(Fault::MatchesAll);
        }
        let name = names::read(name, &mut self.name)?;
        let about = |action| Rule::about(Subject::Host(name, Scope::WithSubdomains), action);
        match policy {
            Policy::Block(answer) => sink.rule(&Rule { answer, ..about(Action::Block) }),
            Policy::BlockA => {
                let limits = Some(only(TYPE_A));
                sink.rule(&Rule { answer: Answer::Nodata, limits, ..about(Action::Block) });
            }
            Policy::Allow => sink.rule(&about(Action::Allow)),
            Policy::Redirect => {
                self.redirect = Some(Redirect { name: name.to_owned(), found: Found::Nothing });
            }
            Policy::None => {}
        }
        Ok(())
    }

    fn data(&mut self, record: &Record<'_>, sink: &mut dyn Sink) -> Result<(), Fault> {
        let name = names::read(record.owner.ok_or(Fault::Malformed)?, &mut self.name)?;
        let stopped = stopped(record)?;
        if let Some(redirect) = self.redirect.as_mut().filter(|redirect| redirect.name == name) {
            let first = redirect.found == Found::Nothing;
            let nowhere = stopped.is_some() && redirect.found != Found::Elsewhere;
            redirect.found = if nowhere { Found::Nowhere } else { Found::Elsewhere };
            if !nowhere {
                return Err(Fault::Rewrite);
            }
            if first {
                sink.rule(&Rule::block(name, Scope::WithSubdomains));
            }
            return Ok(()); // after the first it is the same for another type
        }
        let limits = Some(only(stopped.ok_or(Fault::Rewrite)?));
        if !name.contains('.') {
            return Err(Fault::SingleLabel);
        }
        sink.rule(&Rule { limits, ..Rule::block(name, Scope::Exact) });
        Ok(())
    }

    /// Leaves the zone that stood last. That a redirect came without data next to it
    /// is only known now: it may lead anywhere.
    fn leave(&mut self, sink: &mut dyn Sink) {
        if self.redirect.take().is_some_and(|redirect| redirect.found == Found::Nothing) {
            sink.fault(Fault::Rewrite);
        }
    }
}

/// What a type of zone means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Policy {
    Block(Answer),
    /// No IPv4 addresses; all else as usual.
    BlockA,
    Allow,
    Redirect,
    None,
}

impl Policy {
    fn read(kind: &str) -> Option<Self> {
        Some(match kind {
            "always_null" | "always_nxdomain" | "static" => Self::Block(Answer::Usual),
            "always_nodata" => Self::Block(Answer::Nodata),
            "always_refuse" | "refuse" => Self::Block(Answer::Refused),
            "always_deny" | "deny" | "inform_deny" => Self::Block(Answer::Drop),
            "block_a" => Self::BlockA,
            "transparent" | "typetransparent" | "always_transparent" | "inform" => Self::Allow,
            "redirect" | "inform_redirect" => Self::Redirect,
            // The first takes a zone away that unbound has of itself, and lets
            // nothing through that a wider zone stops.
            "nodefault" | "noview" | "ipset" => Self::None,
            _ => return None,
        })
    }
}

/// It does not fit the format: the rest of the line is not read.
#[derive(Clone, Copy, Debug)]
struct Malformed;

/// What is left of a line.
#[derive(Debug)]
struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    /// The word before the next colon; `None` at the end of the line.
    fn keyword(&mut self) -> Option<Result<&'a str, Malformed>> {
        if self.is_end() {
            return None;
        }
        let keyword = self.rest.split_once(':').filter(|(word, _)| is_keyword(word));
        Some(keyword.ok_or(Malformed).map(|(keyword, rest)| {
            self.rest = rest;
            keyword
        }))
    }

    /// The next value, in quotes or without.
    fn value(&mut self) -> Result<&'a str, Malformed> {
        if self.is_end() {
            return Err(Malformed);
        }
        for quote in ['"', '\''] {
            if let Some(text) = self.rest.strip_prefix(quote) {
                let (value, rest) = text.split_once(quote).ok_or(Malformed)?;
                self.rest = rest;
                return Ok(value);
            }
        }
        let end = self.rest.find([' ', '\t', '\r', '"', '\'']).unwrap_or(self.rest.len());
        let (value, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(value)
    }

    /// Goes to the next statement.
    fn skip(&mut self) -> Result<(), Malformed> {
        while !self.is_end() && !self.is_statement() {
            self.value()?;
        }
        Ok(())
    }

    /// Whether only space and a comment are left. A comment begins where a word
    /// could, not within one.
    fn is_end(&mut self) -> bool {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r']);
        self.rest.is_empty() || self.rest.starts_with('#')
    }

    /// Whether a statement begins here. A value may hold a colon too, as an IPv6
    /// address does.
    fn is_statement(&self) -> bool {
        self.rest.split_once(':').is_some_and(|(word, rest)| {
            let ends = rest.is_empty() || rest.starts_with([' ', '\t', '\r']);
            is_keyword(word) && (ends || matches!(word, "local-zone" | "local-data"))
        })
    }
}

/// The type of address for which this record leads nowhere; `None` if it leads
/// somewhere.
fn stopped(record: &Record<'_>) -> Result<Option<u16>, Fault> {
    let only = || record.only().ok_or(Fault::Malformed);
    let (kind, address) = match record.kind {
        Kind::A => (TYPE_A, only()?.parse().map(std::net::IpAddr::V4)),
        Kind::Aaaa => (TYPE_AAAA, only()?.parse().map(std::net::IpAddr::V6)),
        _ => return Ok(None),
    };
    let address = address.map_err(|_| Fault::Malformed)?;
    Ok(nowhere::is(address).then_some(kind))
}

/// Only for questions of this type.
fn only(kind: u16) -> Box<Limits> {
    Box::new(Limits { types: vec![kind], ..Limits::default() })
}

fn is_keyword(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
}

/// What begins a part of the configuration, apart from `server:`.
const CLAUSES: [&str; 11] = [
    "view",
    "remote-control",
    "stub-zone",
    "forward-zone",
    "auth-zone",
    "python",
    "dynlib",
    "cachedb",
    "dnscrypt",
    "dnstap",
    "rpz",
];

const TYPE_A: u16 = 1; // RFC 1035 §3.2.2
const TYPE_AAAA: u16 = 28; // RFC 3596 §2.1

#[cfg(test)]
mod tests;
