//! Address prefixes: what address rules, routes and the configuration name.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

/// An address with the number of leading bits that count; the others are zero.
#[derive(
    Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

/// Why something is not a prefix. What to write instead is said with it.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum PrefixError {
    /// What stands before the `/` is not an address.
    #[error("not an address or prefix; write it like 192.0.2.0/24 or 2001:db8::/32")]
    Address,
    /// What stands after the `/` is not a number, or more than the address has bits.
    #[error("the length after / must be 0 to 32 for IPv4 and 0 to 128 for IPv6")]
    Length,
    /// Bits after the length are set. It may have been meant as this.
    #[error("has bits after its length; did you mean {0}?")]
    HostBits(Prefix),
}

impl Prefix {
    /// The first `length` bits of `address`; the rest is dropped.
    ///
    /// # Errors
    ///
    /// [`PrefixError::Length`] if the address has fewer bits.
    pub fn new(address: IpAddr, length: u8) -> Result<Self, PrefixError> {
        let address = match address {
            IpAddr::V4(v4) if length <= 32 => Ipv4Addr::from_bits(
                v4.to_bits() & !u32::MAX.checked_shr(length.into()).unwrap_or(0),
            )
            .into(),
            IpAddr::V6(v6) if length <= 128 => Ipv6Addr::from_bits(
                v6.to_bits() & !u128::MAX.checked_shr(length.into()).unwrap_or(0),
            )
            .into(),
            _ => return Err(PrefixError::Length),
        };
        Ok(Self { address, length })
    }

    /// The address, with zeros after the bits that count.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// How many bits count.
    #[must_use]
    pub fn length(self) -> u8 {
        self.length
    }

    /// Whether it is of IPv6.
    #[must_use]
    pub fn is_v6(self) -> bool {
        self.address.is_ipv6()
    }

    /// Whether `address` is in it. A v4 address is in no v6 prefix.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        Self::new(address, self.length).is_ok_and(|other| other == self)
    }

    /// Whether all of `other` is in it.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self.length <= other.length && self.contains(other.address)
    }
}

impl From<IpAddr> for Prefix {
    /// The prefix of just this address.
    fn from(address: IpAddr) -> Self {
        Self { address, length: if address.is_ipv4() { 32 } else { 128 } }
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    /// Reads `192.0.2.1`, `192.0.2.0/24` or the like of IPv6. What has bits after
    /// its length was likely meant otherwise, and is refused.
    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let (address, length) =
            text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().map_err(|_| PrefixError::Address)?;
        let Some(length) = length else { return Ok(address.into()) };
        // `parse` would take a plus sign too.
        if !length.bytes().all(|b| b.is_ascii_digit()) {
            return Err(PrefixError::Length);
        }
        let prefix = Self::new(address, length.parse().map_err(|_| PrefixError::Length)?)?;
        if prefix.address != address {
            return Err(PrefixError::HostBits(prefix));
        }
        Ok(prefix)
    }
}

impl TryFrom<String> for Prefix {
    type Error = PrefixError;

    fn try_from(text: String) -> Result<Self, PrefixError> {
        text.parse()
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> Self {
        prefix.to_string()
    }
}

impl fmt::Display for Prefix {
    /// A single address is written without its length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::from(self.address) {
            return self.address.fmt(f);
        }
        write!(f, "{}/{}", self.address, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_shown() {
        for (text, want) in [
            ("198.18.0.0/15", "198.18.0.0/15"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("192.0.2.77/32", "192.0.2.77"),
            ("192.0.2.77", "192.0.2.77"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("2001:db8::1/128", "2001:db8::1"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(text.parse::<Prefix>().unwrap().to_string(), want);
        }
    }

    #[test]
    fn bits_after_the_length_are_dropped() {
        for (address, length, want) in [
            ("192.0.2.77", 24, "192.0.2.0/24"),
            ("192.0.2.77", 0, "0.0.0.0/0"),
            ("2001:db8:1:2::3", 32, "2001:db8::/32"),
            ("2001:db8::1", 0, "::/0"),
        ] {
            let prefix = Prefix::new(address.parse().unwrap(), length).unwrap();
            assert_eq!(prefix.to_string(), want);
        }
        let address = "192.0.2.77".parse().unwrap();
        assert_eq!(Prefix::new(address, 33), Err(PrefixError::Length));
    }

    #[test]
    fn what_is_not_a_prefix_is_refused_with_its_reason() {
        for (text, want) in [
            ("192.0.2.1/33", PrefixError::Length),
            ("2001:db8::/129", PrefixError::Length),
            ("192.0.2.1/", PrefixError::Length),
            ("192.0.2.1/+8", PrefixError::Length),
            ("192.0.2.1/-1", PrefixError::Length),
            ("192.0.2/24", PrefixError::Address),
            ("a.example", PrefixError::Address),
            ("", PrefixError::Address),
            ("192.0.2.1/24", PrefixError::HostBits("192.0.2.0/24".parse().unwrap())),
        ] {
            assert_eq!(text.parse::<Prefix>(), Err(want), "{text}");
        }
    }

    #[test]
    fn contains_and_covers_keep_the_families_apart() {
        let prefix = |text: &str| text.parse::<Prefix>().unwrap();
        let (all4, all6) = (prefix("0.0.0.0/0"), prefix("::/0"));
        assert!(all4.contains("203.0.113.9".parse().unwrap()));
        assert!(!all4.contains("2001:db8::".parse().unwrap()));
        assert!(!all6.contains("203.0.113.9".parse().unwrap()));
        assert!(!all4.covers(all6) && !all6.covers(all4));
        let (wide, narrow) = (prefix("192.0.2.0/24"), prefix("192.0.2.128/25"));
        assert!(wide.covers(narrow) && wide.covers(wide) && !narrow.covers(wide));
        let sinkhole = prefix("198.18.0.0/15");
        assert!(sinkhole.contains([198, 19, 255, 255].into()));
        assert!(!sinkhole.contains([198, 20, 0, 0].into()));
        assert!(prefix("fe80::/10").contains("febf::1".parse().unwrap()));
        assert!(!prefix("fe80::/10").contains("fec0::1".parse().unwrap()));
    }
}
