//! What follows the `$`.

use super::{browser, dnsrewrite, values};
use crate::core::list::Fault;
use crate::core::rule::{Answer, Limits};

/// What the modifiers of a rule say.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Modifiers {
    /// `important`.
    pub(super) important: bool,
    /// `badfilter`.
    pub(super) cancels: bool,
    /// `dnsrewrite`, as far as it stops.
    pub(super) answer: Answer,
    /// `client`, `ctag`, `denyallow`, `dnstype`.
    pub(super) limits: Limits,
    /// Which modifiers with a value there were, by their place in [`VALUED`].
    seen: u8,
}

impl Modifiers {
    /// Takes what follows the `$` of a rule; `allow` if it begins with `@@`.
    ///
    /// # Errors
    ///
    /// Why the rule cannot be applied. A rule is applied with all of its modifiers or
    /// not at all.
    pub(super) fn read(text: &str, allow: bool) -> Result<Self, Fault> {
        let mut all = Self::default();
        for modifier in values::split(text, b',') {
            let modifier = modifier.trim_matches([' ', '\t']);
            match modifier.split_once('=') {
                Some((name, value)) => all.take(name, Some(value), allow)?,
                None => all.take(modifier, None, allow)?,
            }
        }
        Ok(all)
    }

    fn take(&mut self, name: &str, value: Option<&str>, allow: bool) -> Result<(), Fault> {
        if let Some(place) = VALUED.into_iter().position(|valued| valued == name) {
            let bit = 1 << place;
            if self.seen & bit != 0 {
                return Err(Fault::BadModifier); // which of the two is meant?
            }
            self.seen |= bit;
        }
        match (name, value) {
            ("important", None) => self.important = true,
            ("badfilter", None) => self.cancels = true,
            ("dnsrewrite", value) => self.answer = dnsrewrite::read(value, allow)?,
            ("client", Some(value)) => {
                (self.limits.clients, self.limits.not_clients) = values::clients(value)?;
            }
            ("ctag", Some(value)) => {
                (self.limits.tags, self.limits.not_tags) = values::tags(value)?;
            }
            ("denyallow", Some(value)) => self.limits.not_below = values::names(value)?,
            ("dnstype", Some(value)) => {
                (self.limits.types, self.limits.not_types) = values::types(value)?;
            }
            ("important" | "badfilter" | "client" | "ctag" | "denyallow" | "dnstype", _) => {
                return Err(Fault::BadModifier);
            }
            (name, _) if browser::knows(name) => return Err(Fault::BrowserModifier),
            _ => return Err(Fault::UnknownModifier),
        }
        Ok(())
    }

    /// Whether it limits when and for whom the rule holds.
    pub(super) fn is_limited(&self) -> bool {
        self.limits != Limits::default()
    }
}

const VALUED: [&str; 5] = ["client", "ctag", "denyallow", "dnstype", "dnsrewrite"];
