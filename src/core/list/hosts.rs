//! Hosts files: an address, then names (hosts(5)).

use std::net::IpAddr;

use super::Line;

/// Reads a line without its comment and the space around it.
///
/// Only a line that sends names nowhere is a rule: one with a real address says
/// where a host is, and blocking that host would be the opposite of its meaning.
pub(super) fn read(text: &str) -> Line<'_> {
    let Some((address, names)) = text.split_once(|c: char| c.is_ascii_whitespace()) else {
        return Line::Odd;
    };
    let names = names.trim_ascii();
    if names.split_ascii_whitespace().all(is_of_every_system) {
        return match address.split('%').next().unwrap_or_default().parse::<IpAddr>() {
            Ok(_) => Line::Nothing,
            Err(_) => Line::Odd,
        };
    }
    match address.parse::<IpAddr>() {
        Ok(address) if is_sink(address.to_canonical()) => Line::Names(names),
        _ => Line::Odd,
    }
}

fn is_sink(address: IpAddr) -> bool {
    address.is_unspecified() || address.is_loopback()
}

/// Whether systems ship this name in their own hosts file.
fn is_of_every_system(name: &str) -> bool {
    !name.contains('.') || name.ends_with(".localdomain") || name == "0.0.0.0" || {
        let (first, last) = name.split_once('.').unwrap_or((name, ""));
        first.starts_with("localhost") && last.starts_with("localdomain")
    }
}
