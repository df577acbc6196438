//! Rules by name.
//!
//! A name and each of its parents has a slot: some bits of its hash, and whether
//! there are rules for it and names below it. So a walk from the last label on
//! ends at the first one that no rule knows. Where a slot says that there is a
//! rule, the name itself is compared with the key that belongs to the slot: a
//! hash is only a hint.
//!
//! Slots lie in lines, each as long as a line of the processor's cache: where the
//! keys of the line begin, then fifteen slots. The first bits of a hash say its
//! home line. All slots are in the order of their hashes; what does not fit
//! into its home goes on to the next line, and the home says so. So most steps
//! of the walk cost one access to memory.

use std::ops::Range;

use super::hash::Hasher;
use super::image::{Foot, Section, read_varint};
use super::pack;

/// Where names lie in an image.
pub(super) struct Names {
    hasher: Hasher,
    homes: u32,
    keys: Range<usize>,
    lines: Range<usize>,
}

/// A suffix of what is looked up.
#[derive(Clone, Copy, Default)]
struct Step<'a> {
    start: usize,
    hash: u64,
    flags: u32,
    key: &'a [u8],
    /// The first byte of the key, here so that it is on its way while others are.
    codes: u8,
}

/// Some slots and where their keys are.
#[derive(Clone, Copy)]
struct Line {
    head: u32,
    slots: [u32; SLOTS],
}

impl Names {
    /// `None` if the lines do not end, or not soon.
    pub(super) fn new(foot: &Foot, image: &[u8]) -> Option<Self> {
        let (keys, lines) = (foot.range(Section::Keys), foot.range(Section::Lines));
        let new = Self { hasher: Hasher::new(foot.seed), homes: foot.homes, keys, lines };
        let (all, []) = foot.section(image, Section::Lines).as_chunks::<LINE>() else {
            return None;
        };
        let mut run = 0;
        for line in all {
            run = if Line::of(line).goes_on() { run + 1 } else { 0 };
            if run > MAX_RUN {
                return None;
            }
        }
        (run == 0 && foot.homes as usize <= all.len()).then_some(new)
    }

    /// Tells `found` the place of the form and the line of each rule about `host`, from the
    /// widest name to the nearest, with where that name begins. Allocates nothing.
    #[inline]
    pub(super) fn visit(&self, image: &[u8], host: &[u8], mut found: impl FnMut(usize, u32, u32)) {
        if self.homes == 0 {
            return;
        }
        let lines = image.get(self.lines.clone()).unwrap_or_default().as_chunks::<LINE>().0;
        let keys = image.get(self.keys.clone()).unwrap_or_default();
        let from = |hash| lines.get(home(hash, self.homes)..).unwrap_or_default();
        let mut walk = self.hasher.walk(host);
        loop {
            // Some steps at once, as memory answers several questions in the time of one.
            let mut steps = [Step::default(); AHEAD];
            let mut count = 0;
            for (step, (start, hash)) in steps.iter_mut().zip(&mut walk) {
                *step = Step { start, hash, ..Step::default() };
                count += 1;
            }
            let steps = steps.get_mut(..count).unwrap_or_default();
            for step in &mut *steps {
                step.flags = flags(from(step.hash), step.hash);
            }
            let mut known = 0;
            for step in &mut *steps {
                known += 1;
                if step.flags & if step.start == 0 { SELF } else { UNDER } != 0 {
                    (step.key, step.codes) = likely_key(from(step.hash), keys, step.hash);
                }
                if step.flags & MORE == 0 {
                    break;
                }
            }
            for step in steps.iter().take(known) {
                if step.flags & if step.start == 0 { SELF } else { UNDER } != 0 {
                    let name = host.get(step.start..).unwrap_or_default();
                    let mut found = |form, line| found(step.start, form, line);
                    if !tell(step.codes, step.key, name, &mut found) {
                        search(from(step.hash), keys, step.hash, name, &mut found);
                    }
                }
                if step.flags & MORE == 0 {
                    return;
                }
            }
            if count < AHEAD {
                return;
            }
        }
    }

    /// Every name with form and line of each of its rules. Unpacks them all.
    pub(super) fn all<'a>(
        &self,
        image: &'a [u8],
    ) -> impl Iterator<Item = (Vec<u8>, u32, u32)> + use<'a> {
        let keys = image.get(self.keys.clone()).unwrap_or_default();
        let lines = image.get(self.lines.clone()).unwrap_or_default().as_chunks::<LINE>().0;
        let all = lines.iter().flat_map(move |line| {
            let line = Line::of(line);
            let keyed = line.bits(|slot| slot & (SELF | UNDER) != 0);
            (0..u32::BITS)
                .filter(move |at| keyed >> at & 1 != 0)
                .filter_map(move |at| line.key(keys, at))
        });
        all.flat_map(|key| {
            let (&codes, key) = key.split_first().unwrap_or((&0, &[]));
            let (codes, mut key) = key.split_at_checked(codes.into()).unwrap_or_default();
            let name = pack::unpack(codes);
            std::iter::from_fn(move || next_rule(&mut key))
                .map(move |(form, line)| (name.clone(), form, line))
        })
    }
}

/// The flags of all slots that may be of this hash, from its home on.
#[inline]
fn flags(lines: &[[u8; LINE]], hash: u64) -> u32 {
    let mut flags = 0;
    for line in lines {
        let line = Line::of(line);
        flags |= line.flags(hash);
        if !line.goes_on() {
            break;
        }
    }
    flags
}

/// The first key that may be of this hash, and the length of its codes: most likely it is
/// the one that is sought.
#[inline]
fn likely_key<'k>(lines: &[[u8; LINE]], keys: &'k [u8], hash: u64) -> (&'k [u8], u8) {
    let Some(line) = lines.first().map(Line::of) else { return (&[], 0) };
    let key = line.key(keys, line.first(hash)).unwrap_or_default();
    (key, key.first().copied().unwrap_or(0))
}

/// Tells `found` the rules of this key, if it is that of `name`.
#[inline]
fn tell(codes: u8, key: &[u8], name: &[u8], found: &mut impl FnMut(u32, u32)) -> bool {
    let Some((codes, mut rules)) =
        key.split_first().and_then(|(_, key)| key.split_at_checked(codes.into()))
    else {
        return false;
    };
    let is = pack::is_packed(codes, name);
    if is {
        while let Some((form, line)) = next_rule(&mut rules) {
            found(form, line);
        }
    }
    is
}

/// Tells `found` the rules of the name of this hash, if it is anywhere.
#[cold]
fn search(
    lines: &[[u8; LINE]],
    keys: &[u8],
    hash: u64,
    name: &[u8],
    found: &mut impl FnMut(u32, u32),
) {
    for line in lines {
        let line = Line::of(line);
        let mut maybe = line.places(hash);
        while maybe != 0 {
            let key = line.key(keys, maybe.trailing_zeros()).unwrap_or_default();
            maybe &= maybe - 1;
            if tell(key.first().copied().unwrap_or(0), key, name, found) {
                return;
            }
        }
        if !line.goes_on() {
            return;
        }
    }
}

impl Line {
    #[inline]
    fn of(line: &[u8; LINE]) -> Self {
        let mut words = line.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word));
        let head = words.next().unwrap_or(0);
        Self { head, slots: std::array::from_fn(|_| words.next().unwrap_or(0)) }
    }

    /// Whether slots that belong here or before lie after it.
    #[inline]
    fn goes_on(&self) -> bool {
        self.head & GOES_ON != 0
    }

    /// The flags of all slots that may be of this hash.
    // What looks at all slots has no branch for one: which is met cannot be foreseen, and to
    // guess wrongly costs more than to look at them all.
    #[inline]
    fn flags(&self, hash: u64) -> u32 {
        let print = slot(hash, 0, 0);
        self.slots.iter().fold(0, |flags, slot| {
            let slot = slot ^ print;
            flags | if slot >> PRINT == 0 { slot & FLAGS } else { 0 }
        })
    }

    /// The place of the first slot that may be of this hash and has a key; past all of them
    /// if there is none.
    #[inline]
    fn first(&self, hash: u64) -> u32 {
        let print = slot(hash, 0, 0);
        (0..).zip(self.slots).fold(u32::MAX, |first, (place, slot)| {
            let is = (slot ^ print) >> PRINT == 0 && slot & (SELF | UNDER) != 0;
            first.min(if is { place } else { u32::MAX })
        })
    }

    /// The places of slots that may be of this hash and have a key, as bits.
    #[inline]
    fn places(&self, hash: u64) -> u32 {
        let print = slot(hash, 0, 0);
        self.bits(|slot| (slot ^ print) >> PRINT == 0 && slot & (SELF | UNDER) != 0)
    }

    #[inline]
    fn bits(&self, is: impl Fn(u32) -> bool) -> u32 {
        self.slots.iter().rev().fold(0, |bits, slot| bits << 1 | u32::from(is(*slot)))
    }

    /// The key of the slot at this place.
    #[inline]
    fn key<'k>(&self, keys: &'k [u8], at: u32) -> Option<&'k [u8]> {
        let keys = keys.get((self.head & !GOES_ON) as usize..)?;
        let (mut start, mut length, mut long) = (0, 0, false);
        for (place, slot) in (0..).zip(self.slots) {
            let next = key_length(slot);
            start += if place < at { next } else { 0 };
            length += if place == at { next } else { 0 };
            long |= next == LONG;
        }
        if long {
            return self.long_key(keys, at);
        }
        keys.get(start..start + length)
    }

    /// The same where a slot has no room for the length of its key: such lengths stand
    /// before the keys of the line.
    #[cold]
    fn long_key<'k>(&self, mut keys: &'k [u8], at: u32) -> Option<&'k [u8]> {
        let (mut start, mut length) = (0_usize, 0);
        for (place, slot) in (0..).zip(self.slots) {
            let mut next = key_length(slot);
            if next == LONG {
                next = read_varint(&mut keys)? as usize;
            }
            if place < at {
                start = start.checked_add(next)?;
            } else if place == at {
                length = next;
            }
        }
        keys.get(start..start.checked_add(length)?)
    }
}

/// Takes the next rule of a key: the place of its form, and its line.
#[inline]
fn next_rule(key: &mut &[u8]) -> Option<(u32, u32)> {
    Some((read_varint(key)?, read_varint(key)?))
}

/// The home line of a hash: its first bits, so that lines lie in the order of hashes.
#[inline]
pub(super) fn home(hash: u64, homes: u32) -> usize {
    (((hash >> 32) * u64::from(homes)) >> 32) as usize
}

/// A slot: the last bits of the hash, which say nothing of its home, the length of the key,
/// and the flags.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "only the last bits are wanted")]
pub(super) fn slot(hash: u64, key: usize, flags: u32) -> u32 {
    (hash as u32) << PRINT | (key.min(LONG) as u32) << FLAGS.count_ones() | flags
}

fn key_length(slot: u32) -> usize {
    (slot >> FLAGS.count_ones()) as usize & LONG
}

pub(super) const SELF: u32 = 1; // there is a rule that holds for the name itself
pub(super) const UNDER: u32 = 2; // there is a rule that holds for what is below it
pub(super) const MORE: u32 = 4; // there are names below it
const PRINT: u32 = 3 + 7; // bits of a slot for flags and length; the others are of the hash
pub(super) const LONG: usize = (1 << 7) - 1; // bytes of a key whose length stands elsewhere
const FLAGS: u32 = SELF | UNDER | MORE;
const AHEAD: usize = 4; // labels: as many as nearly all names have
pub(super) const GOES_ON: u32 = 1 << 31; // of the head of a line; the rest says where its keys begin
pub(super) const LINE: usize = 64; // bytes: a line of the cache of nearly every processor
pub(super) const SLOTS: usize = LINE / 4 - 1; // of a line
pub(super) const MAX_RUN: usize = 256; // lines; in a million names a run of twenty is long
