//! Addresses that lead nowhere.

use std::net::IpAddr;

/// Whether a list that gives this address for a name only says that the name is
/// blocked: it is of no host, or of the host that asks.
pub(super) fn is(address: IpAddr) -> bool {
    let address = address.to_canonical();
    address.is_unspecified() || address.is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_no_host_and_this_host_are_nowhere() {
        for (text, want) in [
            ("0.0.0.0", true),
            ("127.0.0.1", true),
            ("127.0.0.53", true),
            ("::", true),
            ("::1", true),
            ("::ffff:0.0.0.0", true),
            ("0.0.0.1", false),
            ("192.0.2.1", false),
            ("192.168.0.1", false),
            ("::2", false),
        ] {
            assert_eq!(is(text.parse().unwrap()), want, "{text}");
        }
    }
}
