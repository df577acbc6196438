//! Response policy zones: a policy written as a zone file
//! (draft-vixie-dnsop-dns-rpz-00 §3 to §5, RFC 1035 §5.1).
//!
//! The owner of a record is its trigger, `CNAME` to a special name its action.
//! `$INCLUDE` is never followed. What is kept from one line to the next is one
//! owner, the origin, the name of the zone, and a record within parentheses; so a
//! second record for the same owner is noticed only if it follows the first, and
//! what else contradicts itself is left to the rule set.

mod action;
mod owner;
pub(super) mod zone;

use super::{Fault, Sink, Syntax, names};
use crate::core::host::HostName;
use crate::core::rule::{Device, Limits, Rule, Scope, Subject};
use action::Outcome;
use owner::{Owner, Places, Trigger};
use zone::{Joined, Joiner, Kind, Record};

/// Reads a response policy zone.
#[derive(Debug, Default)]
pub(super) struct Rpz {
    joiner: Joiner,
    places: Places,
    /// Of the last record that had one; those without have it too.
    owner: Option<Owner>,
    /// The first record of this owner that tells what may follow it.
    first: Option<First>,
    name: String,
}

/// A record that tells what others its owner may have.
#[derive(Clone, Copy, Debug)]
struct First {
    /// A CNAME is alone at its name.
    kind: Kind,
    outcome: Outcome,
}

impl Syntax for Rpz {
    fn line(&mut self, text: &str, sink: &mut dyn Sink) {
        match self.joiner.line(text) {
            Joined::Open => {}
            Joined::Broken => sink.fault(Fault::Malformed),
            Joined::Whole => {
                let text = self.joiner.take();
                if let Err(fault) = self.entry(&text, sink) {
                    sink.fault(fault);
                }
                self.joiner.give(text);
            }
        }
    }

    fn end(&mut self, sink: &mut dyn Sink) {
        if self.joiner.is_open() {
            sink.fault(Fault::Malformed);
        }
    }
}

impl Rpz {
    /// Reads a record or directive that is on one line now.
    fn entry(&mut self, text: &str, sink: &mut dyn Sink) -> Result<(), Fault> {
        if text.trim_matches(zone::is_blank).is_empty() {
            return Ok(());
        }
        if text.starts_with('$') {
            return Err(self.directive(text));
        }
        let record = Record::read(text).ok_or(Fault::Malformed)?;
        if let Some(word) = record.owner {
            self.enter(word);
        }
        if record.kind == Kind::Start
            && let Some(owner) = &self.owner
        {
            self.places.begin(owner);
        }
        if matches!(record.kind, Kind::Start | Kind::Silent) {
            return Err(Fault::NoRule);
        }
        let owner = self.owner.as_ref().ok_or(Fault::Malformed)?;
        let trigger = owner.trigger()?;
        let outcome = action::read(&record, trigger, &self.places);
        let outcome = self.agree(record.kind, outcome);
        self.say(outcome, sink)
    }

    /// Takes up the owner that `word` names.
    fn enter(&mut self, word: &str) {
        let mut owner = self.owner.take().unwrap_or_default();
        if !self.places.locate(word, &mut owner) {
            self.first = None;
        }
        self.owner = Some(owner);
    }

    /// What is to be done with a record that came to `outcome`: what the first of
    /// its owner was decides what others there may be.
    fn agree(&mut self, kind: Kind, outcome: Outcome) -> Outcome {
        let Some(first) = self.first else {
            self.first = Some(First { kind, outcome });
            return outcome;
        };
        match (first.kind, kind) {
            (Kind::Cname, Kind::Cname) if first.outcome == outcome => outcome,
            (Kind::Cname, _) | (_, Kind::Cname) => Err(Fault::Malformed),
            (Kind::Data, _) => {
                self.first = Some(First { kind, outcome }); // a text says nothing of addresses
                outcome
            }
            // One address of a host, and the name leads there.
            _ => first.outcome.and(outcome),
        }
    }

    fn say(&mut self, outcome: Outcome, sink: &mut dyn Sink) -> Result<(), Fault> {
        let owner = self.owner.as_ref().ok_or(Fault::Malformed)?;
        let mut limits = None;
        let subject = match Trigger::read(owner.trigger()?)? {
            Trigger::Name(name) => {
                let name = host(name, &mut self.name)?;
                if !name.contains('.') {
                    return Err(Fault::SingleLabel);
                }
                Subject::Host(name, Scope::Exact)
            }
            Trigger::Below(name) => Subject::Host(host(name, &mut self.name)?, Scope::Below),
            Trigger::Answer(prefix) => Subject::Prefix(prefix),
            Trigger::Client(prefix) => {
                let clients = vec![Device::Address(prefix)];
                limits = Some(Box::new(Limits { clients, ..Limits::default() }));
                Subject::Everything
            }
        };
        let (action, answer) = outcome?;
        sink.rule(&Rule { answer, limits, ..Rule::about(subject, action) });
        Ok(())
    }

    /// Heeds `$ORIGIN`. No directive is a rule, and `$INCLUDE` and `$GENERATE` are
    /// not carried out.
    fn directive(&mut self, text: &str) -> Fault {
        let (word, rest) = zone::word(text);
        if !word.eq_ignore_ascii_case("$ORIGIN") {
            return Fault::NoRule;
        }
        let (origin, rest) = zone::word(rest);
        if self.places.enter(origin) && zone::word(rest).0.is_empty() {
            Fault::NoRule
        } else {
            Fault::Malformed
        }
    }
}

/// The name that the text of an owner means.
fn host<'a>(text: &str, buffer: &'a mut String) -> Result<&'a str, Fault> {
    if !text.contains('\\') {
        // The owner has lost its final dot. One more is an empty label.
        return if text.ends_with('.') { Err(Fault::BadName) } else { names::read(text, buffer) };
    }
    let host = HostName::try_from(text.to_owned()).map_err(|_| Fault::BadName)?;
    buffer.clear();
    buffer.push_str(host.as_str());
    Ok(buffer)
}

#[cfg(test)]
mod tests;
