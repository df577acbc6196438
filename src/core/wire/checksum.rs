//! The Internet checksum (RFC 1071).

use std::net::IpAddr;

/// A running one's complement sum.
///
/// ```
/// use optout::core::wire::checksum::Sum;
///
/// let sum = Sum::default().with(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
/// assert_eq!(sum.checksum(), 0x220d);
/// assert!(sum.with(&[0x22, 0x0d]).is_valid());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum(u64);

impl Sum {
    /// The sum of the pseudo header that the checksums of TCP, UDP and `ICMPv6` cover
    /// (RFC 9293 §3.1, RFC 8200 §8.1). `len` is that of header and payload.
    #[must_use]
    pub fn pseudo_header(source: IpAddr, destination: IpAddr, protocol: u8, len: usize) -> Self {
        let ends = Self::default().with_address(source).with_address(destination);
        Self(ends.0 + u64::from(protocol) + (len as u64 & 0xffff) + (len as u64 >> 16))
    }

    /// The sum with `bytes` added. Only the last call may have an odd number of them.
    #[must_use]
    pub fn with(self, bytes: &[u8]) -> Self {
        // A packet has 64 KiB at most, so 2^14 words: the sum cannot overflow.
        let (words, rest) = bytes.as_chunks::<4>();
        let mut sum =
            words.iter().fold(self.0, |sum, word| sum + u64::from(u32::from_be_bytes(*word)));
        let mut last = [0; 4];
        last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        sum += u64::from(u32::from_be_bytes(last));
        Self(sum)
    }

    /// The value for a checksum field that was zero while it was summed.
    #[must_use]
    pub fn checksum(self) -> u16 {
        !self.folded()
    }

    /// Whether bytes that hold their own checksum are intact.
    #[must_use]
    pub fn is_valid(self) -> bool {
        self.folded() == u16::MAX
    }

    fn with_address(self, address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => self.with(&address.octets()),
            IpAddr::V6(address) => self.with(&address.octets()),
        }
    }

    fn folded(self) -> u16 {
        let mut sum = self.0;
        while let high @ 1.. = sum >> 16 {
            sum = (sum & 0xffff) + high;
        }
        u16::try_from(sum).expect("folded until nothing is left above 16 bits")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_summing_word_by_word(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let mut plain = 0u32;
            for pair in bytes.chunks(2) {
                plain += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
                plain = (plain & 0xffff) + (plain >> 16);
            }
            prop_assert_eq!(u32::from(Sum::default().with(&bytes).folded()), plain);
        }
    }
}
