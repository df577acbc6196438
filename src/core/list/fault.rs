//! Why a line of a list is no rule.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is wrong with a line, or with one name in it.
///
/// A list is written by strangers for several programs. So most of these are no
/// fault of its author: they say why nothing in DNS follows from the line.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Fault {
    /// It hides elements of a page or adds scripts to it (`##.ad`, `#@#`, `$$`).
    Cosmetic,
    /// It is about a part of a URL (`/ads/banner`, `||a.example/path`).
    Url,
    /// It has a modifier that only a browser can apply (`$third-party`, `$script`).
    BrowserModifier,
    /// It has a modifier that we do not know.
    UnknownModifier,
    /// A modifier has a value that it cannot have.
    BadModifier,
    /// It sends a name to an address or another name. A list may stop, not divert.
    Rewrite,
    /// It is a regular expression that cannot be matched in linear time
    /// (look-around, back-references).
    Backtracking,
    /// It is a pattern for addresses. We match these by prefix only.
    AddressPattern,
    /// It is a regular expression that is not valid or too large.
    BadPattern,
    /// There are more patterns than we are willing to try for each name.
    TooManyPatterns,
    /// Its name is not one: empty label, odd character, too long.
    BadName,
    /// It is a single label, and the format does not make clear that a whole
    /// top-level domain is meant.
    SingleLabel,
    /// It is an address where a name belongs, or the other way round.
    BadAddress,
    /// It would match every name, or nearly every one.
    MatchesAll,
    /// It names a public suffix, such as `com` or `co.uk`: that is no one's name to block.
    PublicSuffix,
    /// It names what must stay reachable (the pack `never-block`).
    Protected,
    /// It names addresses of home networks, this host or multicast, or a large
    /// part of all addresses.
    ProtectedAddress,
    /// It sets where questions go, and does not stop anything (`server=/x/192.0.2.1`).
    Forwarding,
    /// It is of a kind that a resolver acts on and we cannot see (`rpz-nsdname`, `rpz-nsip`).
    Unseen,
    /// It is an option, record or directive that carries no rule (`conf-file=`, SOA, `$INCLUDE`).
    NoRule,
    /// It lies outside the zone that it stands in.
    OutOfZone,
    /// It does not fit the format of its list.
    Malformed,
    /// It is longer than any rule.
    TooLong,
    /// There is a control character in it.
    Control,
    /// It is a trigger of an RPZ whose address is not written as it has to be:
    /// length first, then the parts backwards.
    BadTrigger,
    /// It is an action of an RPZ without its final dot, which makes it a name in the zone.
    RelativeTarget,
}

/// What kind of fault.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// The line is fine and not for DNS.
    Ignored,
    /// The line asks for something that we do not do.
    Unsupported,
    /// The line is no rule in any program, or none in its format.
    Invalid,
    /// The line is a rule that no list may make.
    Refused,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 26] = [
        Self::Cosmetic,
        Self::Url,
        Self::BrowserModifier,
        Self::UnknownModifier,
        Self::BadModifier,
        Self::Rewrite,
        Self::Backtracking,
        Self::AddressPattern,
        Self::BadPattern,
        Self::TooManyPatterns,
        Self::BadName,
        Self::SingleLabel,
        Self::BadAddress,
        Self::MatchesAll,
        Self::PublicSuffix,
        Self::Protected,
        Self::ProtectedAddress,
        Self::Forwarding,
        Self::Unseen,
        Self::NoRule,
        Self::OutOfZone,
        Self::Malformed,
        Self::TooLong,
        Self::Control,
        Self::BadTrigger,
        Self::RelativeTarget,
    ];

    /// Its kind.
    #[must_use]
    pub fn class(self) -> Class {
        match self {
            Self::Cosmetic | Self::Url | Self::BrowserModifier | Self::NoRule => Class::Ignored,
            Self::UnknownModifier
            | Self::Rewrite
            | Self::Backtracking
            | Self::AddressPattern
            | Self::TooManyPatterns
            | Self::Forwarding
            | Self::Unseen => Class::Unsupported,
            Self::BadModifier
            | Self::BadPattern
            | Self::BadName
            | Self::SingleLabel
            | Self::BadAddress
            | Self::OutOfZone
            | Self::Malformed
            | Self::TooLong
            | Self::Control
            | Self::BadTrigger
            | Self::RelativeTarget => Class::Invalid,
            Self::MatchesAll | Self::PublicSuffix | Self::Protected | Self::ProtectedAddress => {
                Class::Refused
            }
        }
    }
}

impl fmt::Display for Fault {
    /// What follows "this line is not used: it …".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cosmetic => "changes how a page looks, which DNS cannot",
            Self::Url => "is about a part of a URL, and DNS sees host names only",
            Self::BrowserModifier => "has a modifier that only a browser can apply",
            Self::UnknownModifier => "has a modifier that is not known",
            Self::BadModifier => "has a modifier with a value that it cannot have",
            Self::Rewrite => "diverts a name to another place; a list may only stop it",
            Self::Backtracking => {
                "needs look-around or back-references, which have no bound in time"
            }
            Self::AddressPattern => "is a pattern for addresses, which are matched by prefix only",
            Self::BadPattern => "is a pattern that is not valid or too large",
            Self::TooManyPatterns => "is one pattern more than are tried for each name",
            Self::BadName => "does not name a host",
            Self::SingleLabel => "is a single word; a top-level domain is written ||word^",
            Self::BadAddress => "has an address where a name belongs, or a name for an address",
            Self::MatchesAll => "would match every name",
            Self::PublicSuffix => "names a public suffix, under which everyone has names",
            Self::Protected => "names what must stay reachable",
            Self::ProtectedAddress => "covers addresses of home networks or a large part of all",
            Self::Forwarding => "says where questions go, and stops nothing",
            Self::Unseen => "is about name servers, which optout does not see",
            Self::NoRule => "is no rule",
            Self::OutOfZone => "is outside the zone that it stands in",
            Self::Malformed => "does not fit the format of the list",
            Self::TooLong => "is longer than any rule",
            Self::Control => "has a control character in it",
            Self::BadTrigger => {
                "has an address that is not written as in 24.0.2.0.192.rpz-ip: length, then backwards"
            }
            Self::RelativeTarget => {
                "lacks the final dot of its action, as in CNAME rpz-passthru. with a dot"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_listed_once_in_order() {
        assert!(Fault::ALL.is_sorted());
        for (place, fault) in Fault::ALL.into_iter().enumerate() {
            assert_eq!(fault as usize, place);
        }
    }
}
