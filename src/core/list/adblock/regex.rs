//! Regular expressions of lists: idioms that are names, and what is for addresses.

use std::borrow::Cow;
use std::net::IpAddr;

use super::mask::Shape;
use crate::core::list::Fault;
use crate::core::rule::Scope;

/// Takes what stands between the slashes. Whether it is valid is not looked at yet.
///
/// # Errors
///
/// A fault if it cannot match a host name.
pub(super) fn read(regex: &str) -> Result<Shape<'_>, Fault> {
    if EVERYTHING.contains(&regex) {
        return Ok(Shape::All);
    }
    if let Some((name, scope)) = idiom(regex) {
        return Ok(match name.parse::<IpAddr>() {
            Ok(address) if scope != Scope::Below => Shape::Prefix(address.into()),
            _ => Shape::Name(name.into(), scope),
        });
    }
    if !regex.is_ascii() {
        return Err(Fault::BadPattern);
    }
    if has_slash(regex) {
        return Err(Fault::Url);
    }
    if is_for_addresses(regex) {
        return Err(Fault::AddressPattern);
    }
    // Names are lower-case; AdGuard and Pi-hole both ignore case.
    Ok(Shape::Pattern(if has_capitals(regex) {
        format!("(?i){regex}").into()
    } else {
        Cow::Borrowed(regex)
    }))
}

/// Whether it is of digits, dots and stars: a mask for addresses.
pub(super) fn is_of_digits(mask: &str) -> bool {
    mask.contains('.')
        && mask.contains(|c: char| c.is_ascii_digit())
        && mask.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'*'))
}

/// The name that a regular expression spells out. Most of those in lists for Pi-hole are
/// of this kind, and a name is found much faster than a pattern is tried.
fn idiom(regex: &str) -> Option<(String, Scope)> {
    let body = regex.strip_suffix('$')?;
    let (body, scope) = BEGINNINGS
        .into_iter()
        .find_map(|(start, scope)| Some((body.strip_prefix(start)?, scope)))?;
    Some((literal(body)?, scope))
}

/// The text that a regular expression without any choice matches.
fn literal(regex: &str) -> Option<String> {
    let mut text = String::with_capacity(regex.len());
    let mut rest = regex.as_bytes();
    while !rest.is_empty() {
        let (byte, after) = match rest {
            [b'\\', byte @ (b'.' | b'-'), after @ ..] => (*byte, after),
            [b'[', b'.', b']', after @ ..] => (b'.', after),
            [byte, after @ ..] if byte.is_ascii_alphanumeric() || b"-_".contains(byte) => {
                (*byte, after)
            }
            _ => return None,
        };
        text.push(byte.to_ascii_lowercase().into());
        rest = after;
    }
    (!text.is_empty()).then_some(text)
}

/// Whether a slash stands in it, other than in a set, which may be negated.
fn has_slash(regex: &str) -> bool {
    let (mut escaped, mut in_set) = (false, false);
    regex.bytes().any(|byte| {
        match byte {
            b'[' if !escaped => in_set = true,
            b']' if !escaped => in_set = false,
            _ => {}
        }
        escaped = byte == b'\\' && !escaped;
        byte == b'/' && !in_set
    })
}

/// Whether it can only be meant for addresses in answers: it has a colon, or no letter,
/// and a dot, and is bound to the start and to as much as the end or a second dot. No
/// name of a host ends in a label of digits.
fn is_for_addresses(regex: &str) -> bool {
    let (mut letters, mut dots, mut colons, mut class) = (false, 0, false, false);
    let mut rest = regex.as_bytes();
    loop {
        rest = match rest {
            [] => break,
            [b'\\', b'd', rest @ ..] => rest,
            [b'(', b'?', rest @ ..] => {
                let flags =
                    rest.iter().take_while(|b| b.is_ascii_alphabetic() || **b == b'-').count();
                let rest = rest.get(flags..).unwrap_or_default();
                rest.strip_prefix(b":").unwrap_or(rest)
            }
            [b'[', b':', rest @ ..] => {
                class = true; // as in `[[:digit:]]`
                rest
            }
            [b':', b']', rest @ ..] if class => {
                class = false;
                rest
            }
            [b'\\', b'.', rest @ ..] | [b'[', b'.', b']', rest @ ..] => {
                dots += 1;
                rest
            }
            [byte, rest @ ..] => {
                letters |= byte.is_ascii_alphabetic();
                colons |= *byte == b':';
                rest
            }
        };
    }
    let bound = regex.starts_with('^') || regex.starts_with("(^");
    colons || bound && !letters && (dots > 1 || dots == 1 && regex.ends_with('$'))
}

/// Whether a capital letter stands in it for itself.
fn has_capitals(regex: &str) -> bool {
    let mut escaped = false;
    regex.bytes().any(|byte| {
        let capital = byte.is_ascii_uppercase() && !escaped;
        escaped = byte == b'\\' && !escaped;
        capital
    })
}

/// Ways to write what matches every name. Others are refused, limited or not.
const EVERYTHING: [&str; 10] = [".*", ".+", ".", "^", "$", "^.*", "^.+", "^.*$", "^.+$", "(.*)"];

/// How regular expressions begin that match just a name and what is below it. The longer
/// ones first.
const BEGINNINGS: [(&str, Scope); 14] = [
    ("(^|\\.)", Scope::WithSubdomains),
    ("(?:^|\\.)", Scope::WithSubdomains),
    ("(\\.|^)", Scope::WithSubdomains),
    ("(?:\\.|^)", Scope::WithSubdomains),
    ("^(.+\\.)?", Scope::WithSubdomains),
    ("^(?:.+\\.)?", Scope::WithSubdomains),
    ("^(.*\\.)?", Scope::WithSubdomains),
    ("^(?:.*\\.)?", Scope::WithSubdomains),
    ("^.+\\.", Scope::Below),
    ("^.*\\.", Scope::Below),
    (".+\\.", Scope::Below),
    (".*\\.", Scope::Below),
    ("\\.", Scope::Below),
    ("^", Scope::Exact),
];
