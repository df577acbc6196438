//! Hashes of a name and of all its parents, in one walk.
//!
//! The hash of a name is that of its first label, seeded with the hash of its
//! parent. The seed of the whole is drawn for each set, so that nobody can write
//! a list of names that collide.

use rapidhash::v3::{RapidSecrets, rapidhash_v3_inline};

/// Hashes names.
#[derive(Clone, Copy)]
pub(super) struct Hasher(RapidSecrets);

/// Goes through a name from its last label to the whole.
pub(super) struct Walk<'a> {
    hasher: &'a Hasher,
    name: &'a [u8],
    /// Where the next label ends; `None` after the first one.
    end: Option<usize>,
    state: u64,
}

impl Hasher {
    pub(super) fn new(seed: u64) -> Self {
        Self(RapidSecrets::seed(seed))
    }

    /// Where each suffix of `name` begins, the shortest first, with its hash. There is at
    /// least one.
    pub(super) fn walk<'a>(&'a self, name: &'a [u8]) -> Walk<'a> {
        Walk { hasher: self, name, end: Some(name.len()), state: self.0.seed }
    }
}

impl Iterator for Walk<'_> {
    type Item = (usize, u64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let before = self.name.get(..self.end?)?;
        let dot = before.iter().rposition(|&byte| byte == b'.');
        let start = dot.map_or(0, |dot| dot + 1);
        let mut secrets = self.hasher.0;
        secrets.seed = self.state;
        self.state = rapidhash_v3_inline::<true, true, false>(before.get(start..)?, &secrets);
        self.end = dot;
        Some((start, self.state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_suffix_is_that_of_the_name_it_is() {
        let hasher = Hasher::new(7);
        let of = |name: &str| hasher.walk(name.as_bytes()).last().unwrap().1;
        let name = "www.a-b.example";
        let walked: Vec<_> =
            hasher.walk(name.as_bytes()).map(|(at, hash)| (&name[at..], hash)).collect();
        let want = ["example", "a-b.example", "www.a-b.example"].map(|name| (name, of(name)));
        assert_eq!(walked, want);
        for (one, other) in [("a.b", "b.a"), ("a", "a."), ("", "."), ("ab", "a.b"), ("a", ".a")] {
            assert_ne!(of(one), of(other), "{one} {other}");
        }
        assert_ne!(of("a"), Hasher::new(8).walk(b"a").last().unwrap().1);
    }

    /// A change of the hash must come with a new version of the format.
    #[test]
    fn the_hash_stays_what_it_is() {
        let hash = Hasher::new(1).walk(b"open.example").last().unwrap().1;
        assert_eq!(hash, 0x9eb5_78db_7cc8_5489);
    }
}
