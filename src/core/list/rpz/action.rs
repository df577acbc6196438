//! Data of records → what is done (draft-vixie-dnsop-dns-rpz-00 §4).

use std::net::IpAddr;

use super::owner::Places;
use super::zone::{Kind, Record};
use crate::core::list::{Fault, nowhere};
use crate::core::rule::{Action, Answer};

/// What a record wants done, or why nothing is.
pub(super) type Outcome = Result<(Action, Answer), Fault>;

/// Reads what `record` wants done about `trigger`.
pub(super) fn read(record: &Record<'_>, trigger: &str, places: &Places) -> Outcome {
    match record.kind {
        Kind::Cname => target(record.only().ok_or(Fault::Malformed)?, trigger, places),
        Kind::A | Kind::Aaaa => {
            let address: IpAddr =
                record.only().and_then(|word| word.parse().ok()).ok_or(Fault::Malformed)?;
            match (record.kind, address) {
                (Kind::A, IpAddr::V6(_)) | (Kind::Aaaa, IpAddr::V4(_)) => Err(Fault::Malformed),
                _ if nowhere::is(address) => Ok((Action::Block, Answer::Usual)),
                _ => Err(Fault::Rewrite),
            }
        }
        Kind::Start | Kind::Silent => Err(Fault::NoRule),
        Kind::Data => Err(Fault::Rewrite),
    }
}

/// What a CNAME to this stands for.
fn target(word: &str, trigger: &str, places: &Places) -> Outcome {
    match word {
        "." => return Ok((Action::Block, Answer::Usual)),
        "*." => return Ok((Action::Block, Answer::Nodata)),
        _ => {}
    }
    let target = places.absolute(word).unwrap_or_default();
    if target == trigger && !target.starts_with("*.") {
        return Ok((Action::Allow, Answer::Usual)); // how passthru was written first
    }
    match target.as_str() {
        "rpz-passthru" => Ok((Action::Allow, Answer::Usual)),
        "rpz-drop" => Ok((Action::Block, Answer::Drop)),
        // Asked again over TCP, the name is let through: that stops nothing.
        "rpz-tcp-only" => Err(Fault::NoRule),
        _ if is_meant_as_action(word) => Err(Fault::RelativeTarget),
        other if other.rsplit('.').next().is_some_and(|last| last.starts_with("rpz-")) => {
            Err(Fault::Malformed) // none that there is (draft §4)
        }
        _ => Err(Fault::Rewrite),
    }
}

/// Whether a target without its final dot looks like one of the special names.
fn is_meant_as_action(word: &str) -> bool {
    !word.ends_with('.')
        && (word == "*" || word.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("rpz-")))
}
