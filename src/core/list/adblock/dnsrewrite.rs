//! `$dnsrewrite`.
//!
//! In AdGuard Home it replaces the answer. A list may stop a name and must not divert
//! it, so of its forms only those without any record are taken: `NXDOMAIN`, `REFUSED`
//! and an empty `NOERROR`. They are blocks with an answer of their own, and have the
//! place in the order that a block has: an allow rule goes before them.
//!
//! `@@…$dnsrewrite` takes rewrites back and leaves ordinary blocks as they are. It is
//! not applied: read as an allow rule it would let through more than it says.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::types;
use crate::core::list::Fault;
use crate::core::rule::Answer;

/// How a rule with this value is answered.
///
/// # Errors
///
/// [`Fault::Rewrite`] for what is sound but diverts, and for all exceptions;
/// [`Fault::BadModifier`] for what is not sound.
pub(super) fn read(value: Option<&str>, allow: bool) -> Result<Answer, Fault> {
    if allow {
        return Err(Fault::Rewrite);
    }
    let value = value.filter(|value| !value.is_empty()).ok_or(Fault::BadModifier)?;
    match value.split_once(';') {
        None => short(value),
        Some((code, rest)) => {
            let (kind, data) = rest.split_once(';').ok_or(Fault::BadModifier)?;
            match of_code(code)? {
                Some(Answer::Nodata) if !(kind.is_empty() && data.is_empty()) => record(kind, data),
                Some(answer) => Ok(answer),
                None => Err(Fault::Rewrite),
            }
        }
    }
}

/// A keyword, an address or a name.
fn short(value: &str) -> Result<Answer, Fault> {
    match of_code(value) {
        Ok(Some(answer)) => Ok(answer),
        Err(_) if value.contains([' ', '/', '|', '"', '\'']) => Err(Fault::BadModifier),
        Ok(None) | Err(_) => Err(Fault::Rewrite),
    }
}

/// How a response code stops; `None` for one that we do not give.
fn of_code(code: &str) -> Result<Option<Answer>, Fault> {
    Ok(match code {
        "NOERROR" => Some(Answer::Nodata),
        "NXDOMAIN" => Some(Answer::Nxdomain),
        "REFUSED" => Some(Answer::Refused),
        _ if CODES.contains(&code) => None,
        _ => return Err(Fault::BadModifier),
    })
}

/// A record that the answer is to have.
fn record(kind: &str, data: &str) -> Result<Answer, Fault> {
    let sound = match types::number(kind).ok_or(Fault::BadModifier)? {
        types::A => data.parse::<Ipv4Addr>().is_ok(),
        types::AAAA => data.parse::<Ipv6Addr>().is_ok(),
        _ => !data.is_empty(),
    };
    Err(if sound { Fault::Rewrite } else { Fault::BadModifier })
}

/// Response codes besides those that stop (IANA, DNS RCODEs).
const CODES: [&str; 8] =
    ["FORMERR", "SERVFAIL", "NOTIMP", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE"];
