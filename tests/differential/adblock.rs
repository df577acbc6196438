//! Line by line: Adblock syntax as AdGuard has it for DNS.

use std::net::IpAddr;

use optout::core::rule::{Action, Answer};
use regex::bytes::RegexBuilder;

use crate::common::{How, bare, below, exact, name, of_length, prefix, wide};
use crate::plain;
use crate::statement::{Limits, Mask, Part, Start, Statement, Subject};

pub(crate) fn adblock(line: &str, how: How) -> Vec<Statement> {
    let text = line.trim();
    let heading = text.starts_with('[') && text.ends_with(']');
    if text.is_empty() || text.starts_with(['!', '#']) || heading {
        return Vec::new();
    }
    let mut words = text.split_whitespace();
    let address = words.next().and_then(|word| word.split('%').next()?.parse::<IpAddr>().ok());
    if address.is_some() && words.next().is_some_and(|next| !next.starts_with('#')) {
        return plain::hosts(text, How { subdomains: false, ..how });
    }
    let comment = text.match_indices('#').find(|&(at, _)| text[..at].ends_with([' ', '\t']));
    let kept = comment.map_or(text, |(at, _)| text[..at].trim_end());
    let cosmetic = |text: &str| MARKS.split(' ').any(|mark| text.contains(mark));
    if text.starts_with("[$")
        || cosmetic(kept)
        || comment.is_some_and(|(at, _)| is_mark(&text[at..]))
    {
        return Vec::new();
    }
    rule(kept, how).into_iter().collect()
}

const MARKS: &str = "## #@# #?# #$# #%# #@?# #@$# #@%# #$?# #@$?# $$ $@$ %%";

/// Whether a comment looks like what is done to a page.
fn is_mark(text: &str) -> bool {
    let sort = text[1..].find('#').map(|at| &text[1..=at]);
    match sort {
        Some("") => !text[2..].is_empty() && !text[2..].starts_with(['#', ' ', '\t']),
        Some(sort) => sort.chars().all(|c| "@?$%".contains(c)),
        None => false,
    }
}

fn rule(text: &str, how: How) -> Option<Statement> {
    let (action, text) = match text.strip_prefix("@@") {
        Some(rest) => (Action::Allow, rest),
        None => (Action::Block, text),
    };
    let (pattern, modifiers) = split(text);
    let mut said = Statement::new(Subject::Everything, action);
    if let Some(modifiers) = modifiers {
        read_modifiers(modifiers, &mut said)?;
    }
    let limited = said.limits != Limits::default();
    said.subject = match regex_in(pattern) {
        Some(regex) => of_regex(regex, limited)?,
        None => of_mask(pattern, limited, how)?,
    };
    let address = matches!(said.subject, Subject::Range { .. });
    (!address || said.limits.not_below.is_empty()).then_some(said)
}

/// What stands between slashes.
fn regex_in(text: &str) -> Option<&str> {
    text.strip_prefix('/')?.strip_suffix('/').filter(|regex| !regex.is_empty())
}

/// Pattern and modifiers.
fn split(text: &str) -> (&str, Option<&str>) {
    if text.starts_with('/') {
        let names = |at: usize| {
            text[at + 2..].starts_with(|c: char| c.is_ascii_lowercase() || c == '~')
                && !text[..at].ends_with('\\')
        };
        if let Some((at, _)) = text.match_indices("/$").find(|&(at, _)| at > 0 && names(at)) {
            return (&text[..=at], Some(&text[at + 2..]));
        }
        if regex_in(text).is_some() {
            return (text, None);
        }
    }
    let whole = |at: &usize| {
        *at + 1 < text.len() && !text[..*at].ends_with('\\') && !text[at + 1..].starts_with('/')
    };
    match text.match_indices('$').map(|(at, _)| at).rfind(whole) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

/// `None` if the rule is not for DNS or says what it cannot.
fn read_modifiers(text: &str, said: &mut Statement) -> Option<()> {
    let limits = &mut said.limits;
    let mut seen = Vec::new();
    for modifier in parts(text, ',') {
        let (key, value) = match modifier.trim().split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (modifier.trim(), None),
        };
        if value.is_some() && seen.iter().any(|other| other == key) {
            return None;
        }
        seen.push(key.to_owned());
        match (key, value) {
            ("important", None) => said.important = true,
            ("badfilter", None) => said.cancels = true,
            ("denyallow", Some(value)) => {
                let (names, not) = both(value)?;
                limits.not_below = names.iter().map(|word| name(word)).collect::<Option<_>>()?;
                not.is_empty().then_some(())?;
            }
            ("dnstype", Some(value)) => {
                let (types, not) = both(value)?;
                limits.types = types.iter().map(|word| qtype(word)).collect::<Option<_>>()?;
                limits.not_types = not.iter().map(|word| qtype(word)).collect::<Option<_>>()?;
                if !limits.types.is_empty() {
                    limits.not_types.clear();
                }
            }
            ("client", Some(value)) => (limits.clients, limits.not_clients) = clients(value)?,
            ("ctag", Some(value)) => {
                (limits.tags, limits.not_tags) = both(value)?;
                let odd = |c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
                let mut all = limits.tags.iter().chain(&limits.not_tags);
                all.all(|tag| !tag.contains(odd)).then_some(())?;
            }
            ("dnsrewrite", Some(value)) if said.action == Action::Block => {
                said.answer = match value.trim_end_matches(';') {
                    "NXDOMAIN" => Answer::Nxdomain,
                    "REFUSED" => Answer::Refused,
                    "NOERROR" => Answer::Nodata,
                    _ => return None,
                };
            }
            _ => return None,
        }
    }
    for list in [&mut limits.not_below, &mut limits.clients, &mut limits.not_clients] {
        list.sort();
        list.dedup();
    }
    for list in [&mut limits.types, &mut limits.not_types] {
        list.sort_unstable();
        list.dedup();
    }
    for list in [&mut limits.tags, &mut limits.not_tags] {
        list.sort();
        list.dedup();
    }
    Some(())
}

/// The parts between marks that have no backslash before them.
fn parts(text: &str, mark: char) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut escaped = false;
    for c in text.chars() {
        if c == mark && !escaped {
            all.push(String::new());
        } else {
            all.last_mut().expect("there is one").push(c);
        }
        escaped = c == '\\' && !escaped;
    }
    all
}

/// Words between bars, and those of them with `~`; `None` if one is empty.
fn both(value: &str) -> Option<(Vec<String>, Vec<String>)> {
    let (mut only, mut not) = (Vec::new(), Vec::new());
    for word in parts(value, '|') {
        match word.trim().strip_prefix('~') {
            Some(word) => not.push(word.to_owned()),
            None => only.push(word.trim().to_owned()),
        }
    }
    let empty = only.iter().chain(&not).any(String::is_empty);
    (!empty).then_some((only, not))
}

/// Clients: what has no address is nobody here, so only that is told apart.
fn clients(value: &str) -> Option<(Vec<String>, Vec<String>)> {
    let plain = |word: String| {
        let quoted = ['\'', '"'].iter().find_map(|q| word.strip_prefix(*q)?.strip_suffix(*q));
        quoted.unwrap_or(&word).replace('\\', "").to_lowercase()
    };
    let (only, not) = both(value)?;
    Some((only.into_iter().map(plain).collect(), not.into_iter().map(plain).collect()))
}

fn qtype(word: &str) -> Option<u16> {
    Some(match word.to_ascii_uppercase().as_str() {
        "A" => 1,
        "NS" => 2,
        "CNAME" => 5,
        "PTR" => 12,
        "MX" => 15,
        "TXT" => 16,
        "AAAA" => 28,
        "SRV" => 33,
        "SVCB" => 64,
        "HTTPS" => 65,
        "ANY" => 255,
        _ => return None,
    })
}

fn of_regex(regex: &str, limited: bool) -> Option<Subject> {
    const ALL: [&str; 10] = [".*", ".+", ".", "^", "$", "^.*", "^.+", "^.*$", "^.+$", "(.*)"];
    if ALL.contains(&regex) {
        return limited.then_some(Subject::Everything);
    }
    if let Some(address) = regex.strip_prefix('^').and_then(|rest| rest.strip_suffix('$'))
        && let Some(prefix) = prefix(&address.replace("\\.", "."))
    {
        return Some(prefix);
    }
    let sets = regex.split(['[', ']']).step_by(2).collect::<String>();
    let unlettered = regex.replace("\\d", "").replace("[:digit:]", "").replace("(?:", "(");
    let bound = regex.starts_with('^') || regex.starts_with("(^");
    let dots = regex.matches("\\.").count() + regex.matches("[.]").count();
    let of_addresses = unlettered.contains(':')
        || bound
            && !unlettered.contains(|c: char| c.is_ascii_alphabetic())
            && (dots > 1 || dots == 1 && regex.ends_with('$'));
    if sets.contains('/') || of_addresses || !regex.is_ascii() || regex.len() > 2048 {
        return None;
    }
    let compiled = RegexBuilder::new(regex).case_insensitive(true).unicode(false).build().ok()?;
    Some(Subject::Regex(regex.to_owned(), compiled))
}

fn of_mask(text: &str, limited: bool, how: How) -> Option<Subject> {
    if text.chars().all(|c| "|*^".contains(c)) {
        return limited.then_some(Subject::Everything);
    }
    let (start, dressed, rest) = beginning(text);
    let (core, ends) = ending(rest, dressed);
    if let Some(address) = address(core) {
        return Some(address);
    }
    let odd = |c: char| c.is_ascii() && !(c.is_ascii_alphanumeric() || ".-_*".contains(c));
    if core.contains(odd) {
        return None;
    }
    if core == text && !core.contains('*') {
        // It stands without any mark.
        let plain = core.strip_suffix('.').unwrap_or(core);
        let part = plain.starts_with(['.', '-']) || plain.ends_with(['.', '-', '_']);
        return name(plain).filter(|n| n.contains('.') && !part).map(|n| bare(n, how.subdomains));
    }
    let inner = core.trim_start_matches('*');
    let start = if inner.len() < core.len() { Start::Anywhere } else { start };
    let shorter = inner.trim_end_matches('*');
    let ends = ends && shorter.len() == inner.len();
    if shorter.is_empty() {
        return None;
    }
    match (start, ends) {
        _ if shorter.contains('*') => {}
        (Start::Label, true) => return name(shorter).map(|name| wide(&name)),
        (Start::Name, true) => return name(shorter).filter(|n| n.contains('.')).map(exact),
        (Start::Anywhere, true) => {
            if let Some(parent) = shorter.strip_prefix('.') {
                return name(parent).map(|name| below(&name));
            }
        }
        (Start::Anywhere, false) => {}
        (_, false) => {
            if let Some(octets) = shorter.strip_suffix('.')
                && octets.split('.').count() < 4
                && octets.split('.').all(|octet| octet.parse::<u8>().is_ok())
            {
                let count = octets.split('.').count();
                let whole = format!("{octets}{}", ".0".repeat(4 - count));
                return of_length(whole.parse().ok()?, u32::try_from(8 * count).ok()?);
            }
        }
    }
    mask(start, shorter, ends)
}

fn mask(start: Start, text: &str, ends: bool) -> Option<Subject> {
    let digits = text.contains('.')
        && text.contains(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_digit() || c == '.' || c == '*');
    if digits || !text.is_ascii() || text.len() > 512 {
        return None; // for addresses, or no name has it
    }
    let part = |byte: u8| if byte == b'*' { Part::Star } else { Part::One(byte) };
    let mut parts: Vec<Part> = text.to_ascii_lowercase().bytes().map(part).collect();
    parts.dedup_by(|b, a| *a == Part::Star && *b == Part::Star);
    Some(Subject::Mask(Mask { start, parts, ends }))
}

fn beginning(text: &str) -> (Start, bool, &str) {
    if let Some(rest) = text.strip_prefix("||") {
        return (Start::Label, true, rest);
    }
    let unbarred = text.strip_prefix('|').unwrap_or(text);
    for scheme in ["http*://", "https://", "http://", "ws://", "wss://", "://", "//"] {
        if let Some(rest) = unbarred.strip_prefix(scheme) {
            return (Start::Name, true, rest);
        }
    }
    let start = if unbarred.len() < text.len() { Start::Name } else { Start::Anywhere };
    (start, false, unbarred)
}

fn ending(text: &str, dressed: bool) -> (&str, bool) {
    let (text, barred) = text.strip_suffix('|').map_or((text, false), |rest| (rest, true));
    let unstarred = text.trim_end_matches('*');
    if unstarred.ends_with('^') {
        (unstarred.trim_end_matches('^'), true)
    } else if dressed && unstarred.ends_with('/') {
        (unstarred.strip_suffix('/').unwrap_or_default(), true)
    } else {
        (text, barred)
    }
}

fn address(core: &str) -> Option<Subject> {
    let plain = core.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(core);
    plain.parse::<IpAddr>().ok()?;
    prefix(plain)
}
