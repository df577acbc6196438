//! An address prefix, as routes and rules have them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv4 or IPv6 prefix. No bit behind its length is set.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

impl Prefix {
    /// The prefix of `length` bits that `address` lies in. A length that the
    /// family does not have becomes the longest.
    #[must_use]
    pub fn new(address: IpAddr, length: u8) -> Self {
        match address {
            IpAddr::V4(v4) => {
                let length = length.min(32);
                let mask = u32::MAX.checked_shl(u32::from(32 - length)).unwrap_or(0);
                Self { address: Ipv4Addr::from_bits(v4.to_bits() & mask).into(), length }
            }
            IpAddr::V6(v6) => {
                let length = length.min(128);
                let mask = u128::MAX.checked_shl(u32::from(128 - length)).unwrap_or(0);
                Self { address: Ipv6Addr::from_bits(v6.to_bits() & mask).into(), length }
            }
        }
    }

    /// Its first address.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// How many bits all its addresses share.
    #[must_use]
    pub fn length(self) -> u8 {
        self.length
    }

    /// Whether it is of IPv6.
    #[must_use]
    pub fn is_v6(self) -> bool {
        self.address.is_ipv6()
    }

    /// Whether every address of `other` is in here.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self.is_v6() == other.is_v6()
            && self.length <= other.length
            && Self::new(other.address, self.length) == self
    }

    /// Whether the address is in here.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        self.covers(Self::new(address, u8::MAX))
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

    #[track_caller]
    fn prefix(text: &str) -> Prefix {
        let (address, length) = text.split_once('/').unwrap();
        Prefix::new(address.parse().unwrap(), length.parse().unwrap())
    }

    #[test]
    fn bits_behind_the_length_are_cleared() {
        assert_eq!(prefix("192.0.2.77/24").to_string(), "192.0.2.0/24");
        assert_eq!(prefix("192.0.2.77/0").to_string(), "0.0.0.0/0");
        assert_eq!(prefix("192.0.2.77/99").to_string(), "192.0.2.77/32");
        assert_eq!(prefix("2001:db8::77/32").to_string(), "2001:db8::/32");
        assert_eq!(prefix("2001:db8::77/0").to_string(), "::/0");
    }

    #[test]
    fn a_prefix_covers_what_lies_in_it_and_nothing_of_the_other_family() {
        assert!(prefix("192.0.0.0/8").covers(prefix("192.0.2.0/24")));
        assert!(!prefix("192.0.2.0/24").covers(prefix("192.0.0.0/8")));
        assert!(!prefix("0.0.0.0/0").covers(prefix("::/0")));
        assert!(prefix("fe80::/10").contains("febf::1".parse().unwrap()));
        assert!(!prefix("fe80::/10").contains("fec0::1".parse().unwrap()));
    }
}
