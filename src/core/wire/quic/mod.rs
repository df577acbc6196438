//! QUIC, as far as the first words of a client: RFC 9000, RFC 9001, RFC 9369,
//! and the drafts before them.
//!
//! [`packet`] parts a datagram into packets, [`keys`] opens those that are
//! sealed with keys that everyone can derive, [`frames`] reads what is in them.
//! None of them remembers anything.

pub mod frames;
pub mod keys;
pub mod packet;
pub mod version;
pub mod write;

use crate::core::wire::reader::{Reader, Short};

/// Reads an integer of variable length (RFC 9000 §16): at most 2^62 - 1.
///
/// # Errors
///
/// [`Short`]; then as much as was there has been read.
pub fn varint(r: &mut Reader<'_>) -> Result<u64, Short> {
    let first = r.u8()?;
    let mut value = u64::from(first & 0x3f);
    for _ in 1..1 << (first >> 6) {
        value = value << 8 | u64::from(r.u8()?);
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 9000 §A.1.
    #[test]
    fn an_integer_has_the_length_that_its_first_bits_say() {
        for (bytes, value) in [
            (&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c][..], 151_288_809_941_952_652),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x25], 37),
            (&[0x40, 0x25], 37),
            (&[0xff; 8], (1 << 62) - 1),
        ] {
            let mut r = Reader::new(bytes);
            assert_eq!(varint(&mut r), Ok(value));
            assert!(r.is_empty());
            assert_eq!(varint(&mut Reader::new(&bytes[..bytes.len() - 1])), Err(Short));
        }
    }
}
