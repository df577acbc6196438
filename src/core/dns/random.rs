//! Random numbers from a seed that is handed in.

use std::hash::{BuildHasher, DefaultHasher, Hasher};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A generator that nobody can foretell who does not know the seed.
#[derive(Debug)]
pub(super) struct Random(StdRng);

impl Random {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self(StdRng::from_seed(seed))
    }

    /// An id for a message to an upstream (RFC 5452 §9.2).
    pub(super) fn id(&mut self) -> u16 {
        let [a, b, ..] = self.0.next_u32().to_be_bytes();
        u16::from_be_bytes([a, b])
    }

    /// A key for hash tables.
    pub(super) fn hash_key(&mut self) -> HashKey {
        HashKey(self.0.next_u64())
    }

    /// Gives each letter of a name a random case: so many more bits that a
    /// forger must guess (draft-vixie-dnsext-dns0x20).
    pub(super) fn mix_case(&mut self, name: &mut [u8]) {
        for chunk in name.chunks_mut(64) {
            let mut bits = self.0.next_u64();
            for byte in chunk {
                // Length bytes are below b'A', so they stay.
                if byte.is_ascii_alphabetic() && bits & 1 == 1 {
                    *byte ^= 0x20;
                }
                bits >>= 1;
            }
        }
    }
}

/// Hashes names under a secret, so that clients cannot make them collide.
#[derive(Clone, Copy, Debug)]
pub(super) struct HashKey(u64);

impl BuildHasher for HashKey {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        let mut hasher = DefaultHasher::new(); // SipHash: from here on its state is secret
        hasher.write_u64(self.0);
        hasher
    }
}
