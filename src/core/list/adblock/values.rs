//! Values of modifiers: lists whose parts may be negated, quoted and escaped.
//!
//! All are returned sorted and without repetition, so that what means the same is equal.

use std::net::IpAddr;

use super::types;
use crate::core::host::HostName;
use crate::core::list::{Fault, names};
use crate::core::prefix::Prefix;
use crate::core::rule::Device;

/// Parts `text` at each `at` that has no backslash before it.
pub(super) fn split(text: &str, at: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut escaped = false;
        let end = text.bytes().position(|byte| {
            let found = byte == at && !escaped;
            escaped = byte == b'\\' && !escaped;
            found
        });
        rest = end.and_then(|end| text.get(end + 1..));
        end.map_or(Some(text), |end| text.get(..end))
    })
}

/// Of `$client`: for whom a rule holds, and for whom it does not.
pub(super) fn clients(value: &str) -> Result<(Vec<Device>, Vec<Device>), Fault> {
    both(value, device)
}

/// Of `$ctag`. A tag that no client has is no fault: the rule just never holds.
pub(super) fn tags(value: &str) -> Result<(Vec<String>, Vec<String>), Fault> {
    both(value, |word| {
        let sound = word.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        if sound { Ok(word.into()) } else { Err(Fault::BadModifier) }
    })
}

/// Of `$dnstype`. With types to which a rule is limited, those that are left out say
/// nothing more.
pub(super) fn types(value: &str) -> Result<(Vec<u16>, Vec<u16>), Fault> {
    let (only, not) = both(value, |word| types::number(word).ok_or(Fault::BadModifier))?;
    let not = if only.is_empty() { not } else { Vec::new() };
    Ok((only, not))
}

/// Of `$denyallow`: names that may be whole top-level domains.
pub(super) fn names(value: &str) -> Result<Vec<HostName>, Fault> {
    let mut buffer = String::new();
    let (only, not) = both(value, |word| {
        let name = names::read(word, &mut buffer).map_err(|_| Fault::BadModifier)?;
        name.parse::<HostName>().map_err(|_| Fault::BadModifier)
    })?;
    if not.is_empty() { Ok(only) } else { Err(Fault::BadModifier) }
}

/// The parts between `|`, and apart from them those with `~` before.
fn both<T: Ord>(
    value: &str,
    mut read: impl FnMut(&str) -> Result<T, Fault>,
) -> Result<(Vec<T>, Vec<T>), Fault> {
    let (mut only, mut not) = (Vec::new(), Vec::new());
    for (place, word) in split(value, b'|').enumerate() {
        let word = word.trim_matches([' ', '\t']);
        let (list, word) = match word.strip_prefix('~') {
            Some(word) => (&mut not, word),
            None => (&mut only, word),
        };
        if word.is_empty() || place >= MAX_VALUES {
            return Err(Fault::BadModifier);
        }
        list.push(read(word)?);
    }
    for list in [&mut only, &mut not] {
        list.sort_unstable();
        list.dedup();
    }
    Ok((only, not))
}

/// A client: an address, a prefix or a name, in quotes or not.
fn device(word: &str) -> Result<Device, Fault> {
    let word = unescape(unquote(word)?);
    if word.is_empty() || word.chars().any(char::is_control) {
        return Err(Fault::BadModifier);
    }
    if let Ok(address) = word.parse::<IpAddr>() {
        return Ok(Device::Address(address.into()));
    }
    if let Some((address, length)) = word.split_once('/')
        && let Ok(address) = address.parse::<IpAddr>()
    {
        // AdGuard takes bits after the length, and does not compare them.
        let digits = length.bytes().all(|b| b.is_ascii_digit());
        let length = length.parse().ok().filter(|_| digits).ok_or(Fault::BadModifier)?;
        let prefix = Prefix::new(address, length).map_err(|_| Fault::BadModifier)?;
        return Ok(Device::Address(prefix));
    }
    Ok(Device::Name(word.to_lowercase()))
}

/// What is between quotes, if there are any. A quote that is not closed is a fault: the
/// rest of the name may have been cut off by a comma in it.
fn unquote(word: &str) -> Result<&str, Fault> {
    let Some(quote) = word.chars().next().filter(|c| matches!(c, '\'' | '"')) else {
        return Ok(word);
    };
    let inner = word.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    let inner = inner.ok_or(Fault::BadModifier)?;
    let escapes = inner.bytes().rev().take_while(|&byte| byte == b'\\').count();
    if escapes % 2 == 0 { Ok(inner) } else { Err(Fault::BadModifier) }
}

/// Takes the backslash away from what it protects.
fn unescape(word: &str) -> String {
    let mut text = String::with_capacity(word.len());
    let mut chars = word.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\\'
            && let Some(kept) = chars.next_if(|c| matches!(c, '\\' | ',' | '|' | '\'' | '"' | '$'))
        {
            text.push(kept);
        } else {
            text.push(c);
        }
    }
    text
}

const MAX_VALUES: usize = 4096; // of one modifier: more than there are top-level domains
