//! Patterns that are no regular expressions.
//!
//! They were made for URLs. Of a URL a resolver sees the host name only: a pattern is
//! of use if nothing in it can be about anything else.

use std::borrow::Cow;
use std::net::IpAddr;

use super::regex;
use crate::core::list::Fault;
use crate::core::prefix::Prefix;
use crate::core::rule::Scope;

/// What a pattern names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Shape<'a> {
    /// Every name.
    All,
    /// Addresses.
    Prefix(Prefix),
    /// What may be a host name, without any mark.
    Bare(&'a str),
    /// What may be a host name.
    Name(Cow<'a, str>, Scope),
    /// What this regular expression matches.
    Pattern(Cow<'a, str>),
}

/// Where a mask begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Start {
    /// At the start of the name or of one of its labels (`||`).
    Label,
    /// At the start of the name (`|`, `://`).
    Name,
    /// Anywhere.
    Anywhere,
}

/// Takes a pattern apart.
///
/// # Errors
///
/// A fault if nothing about host names follows from it.
pub(super) fn read(text: &str) -> Result<Shape<'_>, Fault> {
    if text.bytes().all(|byte| matches!(byte, b'|' | b'*' | b'^')) {
        return Ok(Shape::All);
    }
    let (start, dressed, rest) = beginning(text);
    let (core, ends) = ending(rest, dressed);
    sound(core)?;
    if let Some(address) = address(core) {
        return Ok(Shape::Prefix(address.into()));
    }
    if core.contains([':', '[', ']']) {
        return Err(Fault::Url); // a port, or a set of a shell
    }
    let inner = core.trim_start_matches('*');
    let start = if inner.len() < core.len() { Start::Anywhere } else { start };
    let (inner, ends) = match inner.trim_end_matches('*') {
        shorter if shorter.len() < inner.len() => (shorter, false),
        same => (same, ends),
    };
    if inner.is_empty() {
        return Err(if text.contains('*') { Fault::MatchesAll } else { Fault::Url });
    }
    let bare = core.len() == text.len() && !text.contains('*');
    match (start, ends) {
        (Start::Anywhere, false) if bare => return bare_name(text),
        _ if inner.contains('*') => {}
        (Start::Label, true) => return Ok(Shape::Name(inner.into(), Scope::WithSubdomains)),
        (Start::Name, true) => return Ok(Shape::Name(inner.into(), Scope::Exact)),
        (Start::Anywhere, true) => {
            if let Some(parent) = inner.strip_prefix('.') {
                return Ok(Shape::Name(parent.into(), Scope::Below));
            }
        }
        _ => {}
    }
    if start != Start::Anywhere
        && !ends
        && let Some(prefix) = octets(inner)
    {
        return Ok(Shape::Prefix(prefix));
    }
    regex_of(start, inner, ends).map(|regex| Shape::Pattern(regex.into()))
}

/// What stands before the host name: where the mask begins, whether it is dressed as a
/// URL, so that a slash ends the host name, and what remains.
fn beginning(text: &str) -> (Start, bool, &str) {
    if let Some(rest) = text.strip_prefix("||") {
        return (Start::Label, true, rest);
    }
    let (start, unbarred) =
        text.strip_prefix('|').map_or((Start::Anywhere, text), |rest| (Start::Name, rest));
    match unbarred.split_once("//") {
        Some((scheme, rest)) if is_scheme(scheme) => (Start::Name, true, rest),
        _ => (start, false, unbarred),
    }
}

/// `http:`, `ws*:`, `:` or nothing.
fn is_scheme(text: &str) -> bool {
    let scheme = text.strip_suffix(':').unwrap_or(text);
    scheme.bytes().all(|b| b.is_ascii_alphabetic() || b == b'*')
        && (text.ends_with(':') || text.is_empty())
}

/// What stands before the end of the host name, and whether the mask ends there.
fn ending(text: &str, dressed: bool) -> (&str, bool) {
    let (text, barred) = text.strip_suffix('|').map_or((text, false), |rest| (rest, true));
    let unstarred = text.trim_end_matches('*');
    if unstarred.ends_with('^') {
        return (unstarred.trim_end_matches('^'), true);
    }
    match unstarred.strip_suffix('/') {
        Some(core) if dressed => (core, true),
        _ => (text, barred),
    }
}

/// Whether only characters are in it that can be of a host name, an address or a mask.
fn sound(core: &str) -> Result<(), Fault> {
    let mut url = false;
    for c in core.chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' | '*' | ':' | '[' | ']' => {}
            '\t' | ' ' | '\\' | '<' | '>' | '"' => return Err(Fault::Malformed),
            c if c.is_control() => return Err(Fault::Control),
            c => url |= c.is_ascii(),
        }
    }
    if url { Err(Fault::Url) } else { Ok(()) }
}

fn address(core: &str) -> Option<IpAddr> {
    core.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(core).parse().ok()
}

/// The addresses that begin with some whole octets: `192.0.2.`.
fn octets(text: &str) -> Option<Prefix> {
    let count = text.bytes().filter(|&byte| byte == b'.').count();
    let padded = format!("{text}{}", PADDING.get(count.checked_sub(1)?)?);
    let length = u8::try_from(8 * count).ok()?;
    text.ends_with('.').then(|| Prefix::new(padded.parse().ok()?, length).ok())?
}

/// A name without any mark. What is odd at an end is a part of a URL (`-ad-300x250.`,
/// `_prebid_`, `.gif`).
fn bare_name(text: &str) -> Result<Shape<'_>, Fault> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let odd = name.starts_with(['.', '-']) || name.ends_with(['.', '-', '_']);
    match name.contains('.') {
        true if !odd => Ok(Shape::Bare(name)),
        false if !odd && !text.ends_with('.') && !name.contains('_') => Err(Fault::SingleLabel),
        _ => Err(Fault::Url),
    }
}

/// The regular expression for a mask.
fn regex_of(start: Start, mask: &str, ends: bool) -> Result<String, Fault> {
    if !mask.is_ascii() {
        return Err(Fault::BadName); // what is left of a label cannot be put in Punycode
    }
    if regex::is_of_digits(mask) {
        return Err(Fault::AddressPattern);
    }
    if mask.len() > MAX_MASK {
        return Err(Fault::BadPattern);
    }
    let mut regex = String::with_capacity(mask.len() * 2 + 8);
    regex.push_str(match start {
        Start::Label => "(?:^|\\.)",
        Start::Name => "^",
        Start::Anywhere => "",
    });
    let mut starred = false;
    for c in mask.chars() {
        match c {
            '*' if starred => {}
            '*' => regex.push_str(".*"),
            '.' => regex.push_str("\\."),
            c => regex.push(c.to_ascii_lowercase()),
        }
        starred = c == '*';
    }
    if ends {
        regex.push('$');
    }
    Ok(regex)
}

const PADDING: [&str; 3] = ["0.0.0", "0.0", "0"]; // what one, two and three octets lack
const MAX_MASK: usize = 512; // bytes: twice the longest name, as there may be stars
