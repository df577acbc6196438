//! Canary names: by them networks ask software not to go round their resolver.
//!
//! They are answered negatively, and never with an address: to Firefox even
//! `0.0.0.0` says "go ahead". The user's switch decides alone; lists that carry
//! these names as if they were hosts have no say.

use std::sync::Arc;

use crate::core::policy::Canaries;
use crate::core::verdict::RuleText;

/// How a canary is answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Denial {
    /// There is no such name.
    NxDomain,
    /// There is nothing of this type.
    NoData,
}

/// The rules by which canaries are answered, in words, for events.
#[derive(Debug)]
pub(super) struct Texts([Arc<RuleText>; NAMES.len()]);

impl Texts {
    pub(super) fn new() -> Self {
        let list: Arc<str> = LIST.into();
        let text =
            |name: &str| RuleText { list: list.clone(), line: 0, text: name.into(), vendor: None };
        Self(NAMES.map(|name| Arc::new(text(name))))
    }

    /// The answer that `host` gets, and the rule, if it is a canary that is on.
    pub(super) fn find(&self, on: Canaries, host: &str) -> Option<(Denial, &Arc<RuleText>)> {
        let at = NAMES.iter().position(|&name| name == host)?;
        let (is_on, denial) = match at {
            FIREFOX => (on.firefox, Denial::NxDomain),
            RESOLVER => (on.resolver, Denial::NoData),
            _ => (on.private_relay, Denial::NxDomain),
        };
        is_on.then(|| (denial, &self.0[at]))
    }
}

const NAMES: [&str; 5] = [
    "use-application-dns.net", // support.mozilla.org/kb/canary-domain-use-application-dnsnet
    "_dns.resolver.arpa",      // RFC 9462 §4
    "mask.icloud.com", // developer.apple.com/support/prepare-your-network-for-icloud-private-relay
    "mask-h2.icloud.com",
    "mask-canary.icloud.com",
];
const FIREFOX: usize = 0; // in NAMES
const RESOLVER: usize = 1; // in NAMES

/// What events give as the list.
const LIST: &str = "canaries";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_switch_turns_its_own_names() {
        let texts = Texts::new();
        let off = Canaries { firefox: false, resolver: false, private_relay: false };
        let denial = |on, host| texts.find(on, host).map(|(denial, _)| denial);
        for (on, denied) in [
            (Canaries { firefox: true, ..off }, &NAMES[..1]),
            (Canaries { resolver: true, ..off }, &NAMES[1..2]),
            (Canaries { private_relay: true, ..off }, &NAMES[2..]),
        ] {
            for name in NAMES {
                assert_eq!(denial(on, name).is_some(), denied.contains(&name), "{name}");
            }
        }
        let all = Canaries { firefox: true, resolver: true, private_relay: true };
        assert_eq!(denial(all, "_dns.resolver.arpa"), Some(Denial::NoData));
        assert_eq!(denial(all, "mask.icloud.com"), Some(Denial::NxDomain));
        assert_eq!(denial(all, "x.mask.icloud.com"), None);
    }
}
