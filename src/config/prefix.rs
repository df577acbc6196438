//! Address prefixes as people write them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

/// An address prefix: `198.18.0.0/15`. All bits after the length are zero.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

/// Why a text is not a prefix.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum PrefixError {
    /// What stands before the slash is not an address.
    #[error("not an address or prefix; write it like 192.0.2.0/24 or 2001:db8::/32")]
    NotAnAddress,
    /// What stands after the slash is not a length.
    #[error("the length must be a number from 0 to {0}")]
    Length(u8),
    /// Bits after the length are set. It may have been meant as this.
    #[error("has bits after its length; did you mean {0}?")]
    HostBits(Prefix),
}

impl Prefix {
    /// The prefix of this length that holds `address`; bits after the length
    /// are dropped. `None` if no address of the family is that long.
    #[must_use]
    pub fn holding(address: IpAddr, length: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(v4) if length <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
                Ipv4Addr::from_bits(v4.to_bits() & mask).into()
            }
            IpAddr::V6(v6) if length <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
                Ipv6Addr::from_bits(v6.to_bits() & mask).into()
            }
            IpAddr::V4(_) | IpAddr::V6(_) => return None,
        };
        Some(Self { address, length })
    }

    /// Its first address.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// Its length in bits.
    #[must_use]
    pub fn length(self) -> u8 {
        self.length
    }

    /// Whether `address` is in it. An address of the other family never is.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4()
            && Self::holding(address, self.length) == Some(self)
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    /// Reads `ADDRESS/LENGTH`, or an address alone as the prefix of only it.
    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| PrefixError::NotAnAddress)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        // `parse` would take a plus sign too.
        let digits = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
        let length = match length {
            None => Some(longest),
            Some(text) => Some(text).filter(digits).and_then(|text| text.parse().ok()),
        };
        let prefix = length
            .and_then(|length| Self::holding(address, length))
            .ok_or(PrefixError::Length(longest))?;
        if prefix.address != address {
            return Err(PrefixError::HostBits(prefix));
        }
        Ok(prefix)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_shown() {
        for text in ["198.18.0.0/15", "0.0.0.0/0", "::/0", "2001:db8::/32", "192.0.2.1/32"] {
            assert_eq!(text.parse::<Prefix>().unwrap().to_string(), text);
        }
        assert_eq!("192.0.2.1".parse::<Prefix>().unwrap().to_string(), "192.0.2.1/32");
        assert_eq!("2001:db8::1".parse::<Prefix>().unwrap().to_string(), "2001:db8::1/128");
    }

    #[test]
    fn what_is_not_a_prefix_is_refused_with_its_reason() {
        for (text, want) in [
            ("", PrefixError::NotAnAddress),
            ("a.example", PrefixError::NotAnAddress),
            ("192.0.2.0/33", PrefixError::Length(32)),
            ("192.0.2.0/", PrefixError::Length(32)),
            ("192.0.2.0/+8", PrefixError::Length(32)),
            ("192.0.2.0/-1", PrefixError::Length(32)),
            ("2001:db8::/129", PrefixError::Length(128)),
            ("192.0.2.1/24", PrefixError::HostBits("192.0.2.0/24".parse().unwrap())),
        ] {
            assert_eq!(text.parse::<Prefix>(), Err(want), "{text}");
        }
    }

    #[test]
    fn families_are_kept_apart() {
        let all4: Prefix = "0.0.0.0/0".parse().unwrap();
        assert!(all4.contains([192, 0, 2, 1].into()));
        assert!(!all4.contains("::1".parse().unwrap()));
        let sinkhole: Prefix = "198.18.0.0/15".parse().unwrap();
        assert!(sinkhole.contains([198, 19, 255, 255].into()));
        assert!(!sinkhole.contains([198, 20, 0, 0].into()));
    }
}
