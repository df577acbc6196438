//! Rules by name.
//!
//! A name and each of its parents has a slot: some bits of its hash, and whether
//! there are rules for it and names below it. So a walk from the last label on
//! ends at the first one that no rule knows. Where a slot says that there is a
//! rule, the name itself is compared with the key that belongs to the slot: a
//! hash is only a hint.

use std::ops::Range;

use super::hash::Hasher;
use super::image::{Foot, Section, read_varint};
use super::pack;

/// Where names lie in an image.
pub(super) struct Names {
    hasher: Hasher,
    bits: u32,
    keys: Range<usize>,
    slots: Range<usize>,
    index: Range<usize>,
}

/// The slots of one bucket, and their keys.
struct Bucket<'a> {
    slots: &'a [[u8; 4]],
    keys: &'a [u8],
}

impl Names {
    /// `None` if the index does not fit what it leads to.
    pub(super) fn new(foot: &Foot, image: &[u8]) -> Option<Self> {
        let new = Self {
            hasher: Hasher::new(foot.seed),
            bits: foot.bits,
            keys: foot.range(Section::Keys),
            slots: foot.range(Section::Slots),
            index: foot.range(Section::Index),
        };
        let index = foot.section(image, Section::Index);
        if index.is_empty() && new.slots.is_empty() {
            return Some(new);
        }
        let buckets = 1_usize.checked_shl(foot.bits).filter(|_| foot.bits <= MAX_BITS)?;
        let (entries, []) = index.as_chunks::<ENTRY>() else { return None };
        let entry = |bytes: [u8; ENTRY]| bounds(bytes);
        let fits = entries.len() == buckets + 1
            && new.slots.len().is_multiple_of(4)
            && entries.windows(2).all(|pair| {
                let (a, b) = (entry(pair[0]), entry(pair[1]));
                a.0 <= b.0 && a.1 <= b.1
            })
            && entries.last().map(|last| bounds(*last))
                == Some((new.slots.len() / 4, new.keys.len()));
        fits.then_some(new)
    }

    /// Tells `found` the place of the form and the line of each rule about `host`, from the
    /// widest name to the nearest, with where that name begins. Allocates nothing.
    #[inline]
    pub(super) fn visit(&self, image: &[u8], host: &[u8], mut found: impl FnMut(usize, u32, u32)) {
        if self.index.is_empty() {
            return;
        }
        for (start, hash) in self.hasher.walk(host) {
            let Some(bucket) = self.bucket(image, hash) else { return };
            let flags = bucket.flags(hash);
            let relevant = if start == 0 { SELF } else { UNDER };
            if flags & relevant != 0 {
                let name = host.get(start..).unwrap_or_default();
                bucket.confirm(hash, relevant, name, |form, line| found(start, form, line));
            }
            if flags & MORE == 0 {
                return;
            }
        }
    }

    /// Every name with form and line of each of its rules. Unpacks them all.
    pub(super) fn all<'a>(
        &self,
        image: &'a [u8],
    ) -> impl Iterator<Item = (Vec<u8>, u32, u32)> + use<'a> {
        let mut keys = image.get(self.keys.clone()).unwrap_or_default();
        std::iter::from_fn(move || next_key(&mut keys)).flat_map(|mut key| {
            let name = take_codes(&mut key).map(pack::unpack).unwrap_or_default();
            std::iter::from_fn(move || next_rule(&mut key))
                .map(move |(form, line)| (name.clone(), form, line))
        })
    }

    #[inline]
    fn bucket<'a>(&self, image: &'a [u8], hash: u64) -> Option<Bucket<'a>> {
        let at = self.index.start + bucket_of(hash, self.bits) * ENTRY;
        let (from, to) = image.get(at..at + 2 * ENTRY)?.split_at(ENTRY);
        let (from, to) = (bounds(from.try_into().ok()?), bounds(to.try_into().ok()?));
        let slots = image.get(self.slots.start + from.0 * 4..self.slots.start + to.0 * 4)?;
        let keys = image.get(self.keys.start + from.1..self.keys.start + to.1)?;
        Some(Bucket { slots: slots.as_chunks().0, keys })
    }
}

impl Bucket<'_> {
    /// The flags of all slots that may be this name's.
    #[inline]
    fn flags(&self, hash: u64) -> u32 {
        let print = slot(hash, 0);
        self.slots.iter().fold(0, |flags, slot| {
            let slot = u32::from_le_bytes(*slot) ^ print;
            if slot & !FLAGS == 0 { flags | slot } else { flags }
        })
    }

    /// Tells `found` the rules of this name, if it is really there.
    #[inline]
    fn confirm(&self, hash: u64, relevant: u32, name: &[u8], mut found: impl FnMut(u32, u32)) {
        let print = slot(hash, 0);
        let mut keys = self.keys;
        for slot in self.slots.iter().map(|slot| u32::from_le_bytes(*slot)) {
            if slot & (SELF | UNDER) == 0 {
                continue;
            }
            let Some(mut key) = next_key(&mut keys) else { return };
            if (slot ^ print) & !FLAGS != 0 || slot & relevant == 0 {
                continue;
            }
            let Some(codes) = take_codes(&mut key) else { return };
            if pack::is_packed(codes, name) {
                while let Some((form, line)) = next_rule(&mut key) {
                    found(form, line);
                }
            }
        }
    }
}

/// Takes the next key: what follows is its length.
#[inline]
fn next_key<'a>(keys: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = read_varint(keys)?;
    let (key, rest) = keys.split_at_checked(len as usize)?;
    *keys = rest;
    Some(key)
}

/// Takes the codes of the name from the front of a key.
#[inline]
fn take_codes<'a>(key: &mut &'a [u8]) -> Option<&'a [u8]> {
    next_key(key)
}

/// Takes the next rule of a key: the place of its form, and its line.
#[inline]
fn next_rule(key: &mut &[u8]) -> Option<(u32, u32)> {
    Some((read_varint(key)?, read_varint(key)?))
}

#[inline]
fn bounds(entry: [u8; ENTRY]) -> (usize, usize) {
    let [a, b, c, d, e, f, g, h] = entry;
    (u32::from_le_bytes([a, b, c, d]) as usize, u32::from_le_bytes([e, f, g, h]) as usize)
}

/// The bucket of a hash: its first bits, so that buckets lie in the order of hashes.
#[inline]
pub(super) fn bucket_of(hash: u64, bits: u32) -> usize {
    hash.checked_shr(64 - bits).unwrap_or(0) as usize
}

/// A slot: the last bits of the hash, which no bucket is made of, and the flags.
#[inline]
pub(super) fn slot(hash: u64, flags: u32) -> u32 {
    (hash as u32) << FLAGS.count_ones() | flags
}

pub(super) const SELF: u32 = 1; // there is a rule that holds for the name itself
pub(super) const UNDER: u32 = 2; // there is a rule that holds for what is below it
pub(super) const MORE: u32 = 4; // there are names below it
const FLAGS: u32 = SELF | UNDER | MORE;
const ENTRY: usize = 8; // bytes of the index for each bucket: first slot, where its keys begin
pub(super) const MAX_BITS: u32 = 24; // 16 million buckets: more names than a set may have
