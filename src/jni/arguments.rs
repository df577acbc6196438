//! Arguments from Java, as Rust types.

use std::net::IpAddr;

use ::jni::Env;
use ::jni::objects::{JObjectArray, JString};

use super::refusal::Refusal;
use crate::shell::resolvers::Named;

/// A string that is one.
pub(super) fn text(
    env: &Env<'_>,
    from: &JString<'_>,
    name: &'static str,
) -> Result<String, Refusal> {
    if from.is_null() {
        return Err(Refusal::Argument { name, what: "is null".into() });
    }
    Ok(from.try_to_string(env)?)
}

/// This device's addresses.
pub(super) fn addresses(
    env: &mut Env<'_>,
    from: &JObjectArray<'_>,
) -> Result<Vec<IpAddr>, Refusal> {
    Ok(all(env, from, "addresses")?.into_iter().map(|named| named.address).collect())
}

/// Resolvers. A link-local one has a link behind a `%`.
pub(super) fn resolvers(env: &mut Env<'_>, from: &JObjectArray<'_>) -> Result<Vec<Named>, Refusal> {
    all(env, from, "resolvers")
}

fn all(
    env: &mut Env<'_>,
    from: &JObjectArray<'_>,
    name: &'static str,
) -> Result<Vec<Named>, Refusal> {
    if from.is_null() {
        return Err(Refusal::Argument { name, what: "is null".into() });
    }
    let count = from.len(env)?.min(MOST);
    let mut all = Vec::new();
    for n in 0..count {
        // Each is let go at once: there is little room for them.
        let word = env.with_local_frame(FRAME, |env| {
            let element = from.get_element(env, n)?;
            let element = env.cast_local::<JString<'_>>(element)?;
            text(env, &element, name)
        })?;
        all.push(named(&word).ok_or_else(|| Refusal::Argument {
            name,
            what: format!("has {word:?}, which is no address"),
        })?);
    }
    Ok(all)
}

/// Reads `192.0.2.1`, `2001:db8::1` or `fe80::1%wlan0`.
fn named(word: &str) -> Option<Named> {
    let (address, zone) = match word.split_once('%') {
        Some((address, zone)) => (address, Some(zone.to_owned())),
        None => (word, None),
    };
    Some(Named { address: address.parse().ok()?, zone })
}

/// Addresses that are looked at. A phone has some.
const MOST: usize = 64;

/// References that one element takes.
const FRAME: usize = 4;
