//! dnsmasq options, one a line (dnsmasq(8), version 2.86 and later).
//!
//! What stops or lets through: `address=`, `server=` and `local=` with domains, and
//! `bogus-nxdomain=`. A domain means what is below it too. `conf-file=` is never
//! followed.

use std::net::IpAddr;

use super::{Fault, Sink, Syntax, names, nowhere, patterns};
use crate::core::prefix::{Prefix, PrefixError};
use crate::core::rule::{Action, Rule, Scope, Subject};

/// Reads dnsmasq options.
#[derive(Debug, Default)]
pub(super) struct Dnsmasq {
    /// The line without quotes and comment.
    plain: String,
    name: String,
}

impl Syntax for Dnsmasq {
    fn line(&mut self, text: &str, sink: &mut dyn Sink) {
        let mut plain = std::mem::take(&mut self.plain);
        match strip(text, &mut plain) {
            Some("") => {}
            Some(option) => self.option(option, sink),
            None => sink.fault(Fault::Malformed),
        }
        self.plain = plain;
    }
}

impl Dnsmasq {
    fn option(&mut self, option: &str, sink: &mut dyn Sink) {
        let (key, value) = option.split_once('=').map_or((option, None), |(key, value)| {
            (key.trim_end_matches(is_blank), Some(value.trim_start_matches(is_blank)))
        });
        match (key, value) {
            ("address", Some(value)) => self.domains(value, address, sink),
            ("server" | "local", Some(value)) => self.domains(value, server, sink),
            ("bogus-nxdomain", Some(value)) => bogus(value, sink),
            ("rev-server", Some(_)) => sink.fault(Fault::Forwarding),
            _ if is_option(key) => sink.fault(Fault::NoRule),
            _ => sink.fault(Fault::Malformed),
        }
    }

    /// Reads `/domain/…/target`; `meaning` says what the target asks for.
    fn domains(&mut self, value: &str, meaning: Meaning, sink: &mut dyn Sink) {
        let Some(rest) = value.strip_prefix('/') else {
            // The option is for all names, be it a server or an address.
            return sink.fault(match meaning(value) {
                Ok(_) | Err(Fault::Rewrite) => Fault::MatchesAll,
                Err(fault) => fault,
            });
        };
        let Some((domains, target)) = rest.rsplit_once('/') else {
            return sink.fault(Fault::Malformed);
        };
        match meaning(target.trim_matches(is_blank)) {
            Ok(action) => {
                for domain in domains.split('/') {
                    if let Err(fault) = self.domain(domain, action, sink) {
                        sink.fault(fault);
                    }
                }
            }
            Err(Fault::Rewrite) if domains.split('/').any(is_all) => sink.fault(Fault::MatchesAll),
            Err(fault) => sink.fault(fault),
        }
    }

    fn domain(&mut self, domain: &str, action: Action, sink: &mut dyn Sink) -> Result<(), Fault> {
        if domain.is_empty() {
            // `//` are names without a dot: it keeps those of the home from the
            // upstream, and is no wish to have them stopped.
            return Err(Fault::NoRule);
        }
        if is_all(domain) {
            return Err(Fault::MatchesAll);
        }
        let bare = domain.trim_start_matches('.'); // as dnsmasq has it since ever
        let Some(end) = domain.strip_prefix('*') else {
            let name = names::read(bare, &mut self.name)?;
            sink.rule(&Rule::about(Subject::Host(name, Scope::WithSubdomains), action));
            return Ok(());
        };
        if let Some(parent) = end.strip_prefix('.') {
            let name = names::read(parent, &mut self.name)?;
            sink.rule(&Rule::about(Subject::Host(name, Scope::Below), action));
            return Ok(());
        }
        let pattern = ending(names::read(end, &mut self.name)?)?;
        patterns::check(&pattern)?;
        sink.rule(&Rule::about(Subject::Pattern(&pattern), action));
        Ok(())
    }
}

/// Whether it stands for every name.
fn is_all(domain: &str) -> bool {
    !domain.is_empty() && matches!(domain.trim_start_matches('.'), "" | "#" | "*" | "*.")
}

/// What a target does to the domains before it.
type Meaning = fn(&str) -> Result<Action, Fault>;

/// The target of `address=`. That other types than the address' go upstream is no
/// wish of the list: dnsmasq changed it under lists that exist.
fn address(target: &str) -> Result<Action, Fault> {
    if matches!(target, "" | "#") {
        return Ok(Action::Block);
    }
    let address: IpAddr = target.parse().map_err(|_| Fault::Malformed)?;
    if nowhere::is(address) { Ok(Action::Block) } else { Err(Fault::Rewrite) }
}

/// The target of `server=` and `local=`: none, the usual upstreams, or others.
fn server(target: &str) -> Result<Action, Fault> {
    match target {
        "" => Ok(Action::Block),
        "#" => Ok(Action::Allow),
        _ => Err(Fault::Forwarding),
    }
}

/// Addresses that make an answer a false one.
fn bogus(value: &str, sink: &mut dyn Sink) {
    match value.parse::<Prefix>() {
        Ok(prefix) | Err(PrefixError::HostBits(prefix)) => {
            sink.rule(&Rule::about(Subject::Prefix(prefix), Action::Block));
        }
        Err(_) => sink.fault(Fault::BadAddress),
    }
}

/// The expression for all names that end so, at a dot or not.
fn ending(end: &str) -> Result<String, Fault> {
    if psl2::lookup(end).is_some_and(|domain| domain.is_public_suffix()) {
        return Err(Fault::PublicSuffix); // nobody's name to block, and here even with others before it
    }
    Ok(format!("{}$", regex::escape(end)))
}

/// Puts what is left of a line without comment, quotes and space around it into
/// `plain`; `None` if a quote does not end, or stands where none may.
fn strip<'a>(text: &str, plain: &'a mut String) -> Option<&'a str> {
    plain.clear();
    let mut after_blank = true;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' if !plain.contains('=') => return None, // a quoted key is none
            '"' => quoted(&mut chars, plain)?,
            '#' if after_blank => break,
            _ => plain.push(c),
        }
        after_blank = is_blank(c);
    }
    Some(plain.trim_matches(is_blank))
}

/// Appends the text up to the next quote.
fn quoted(chars: &mut std::str::Chars<'_>, plain: &mut String) -> Option<()> {
    loop {
        match chars.next()? {
            '"' => return Some(()),
            '\\' => match chars.as_str().chars().next()? {
                escaped @ ('"' | '\\') => {
                    plain.push(escaped);
                    chars.next();
                }
                _ => plain.push('\\'), // `\n` and the like: nothing that a name may hold
            },
            c => plain.push(c),
        }
    }
}

/// Whether it can be the word of an option.
fn is_option(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_lowercase())
        && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// What `isspace` of C is true for.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\x0b' | '\x0c')
}

#[cfg(test)]
mod tests;
