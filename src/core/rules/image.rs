//! The image: how a rule set lies in bytes.
//!
//! ```text
//! head     what it is, version
//! keys     of each name: its letters, and where it stands. Read only to confirm a hit
//! slots    one of four bytes for each name and each parent of one, in the order of hashes
//! index    of each bucket of slots: its first slot, and where its keys begin
//! v4, v6   prefixes, by length and address
//! forms    what rules say, but for subject and line
//! tables   lists, limits, patterns: JSON
//! foot     where each section lies, seed, stamp; last the checksum of all before it
//! ```
//!
//! All numbers are little-endian. What is large is never touched at the start,
//! except for the checksum: it is checked where it is used.

use std::io;
use std::ops::Range;

use thiserror::Error;

/// Why bytes are not a rule set of ours. It must be made anew from the lists.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ImageError {
    /// They do not begin and end as one does: it is another file, or cut off.
    #[error("this is not a compiled rule set, or not all of one")]
    Foreign,
    /// Another version of the program made it.
    #[error("the rule set was compiled by another version (format {0}, not {VERSION})")]
    Version(u32),
    /// The checksum is wrong.
    #[error("the rule set is damaged: its checksum does not fit")]
    Damaged,
    /// The checksum is right and this part still makes no sense.
    #[error("the rule set contradicts itself in its {0}")]
    Inconsistent(&'static str),
}

/// A part of an image.
#[derive(Clone, Copy)]
pub(super) enum Section {
    Keys,
    Slots,
    Index,
    V4,
    V6,
    Forms,
    Tables,
}

/// What the foot says.
#[derive(Clone, Default)]
pub(super) struct Foot {
    /// How many bits of a hash say its bucket.
    pub(super) bits: u32,
    pub(super) seed: u64,
    /// How many names there are.
    pub(super) names: u64,
    pub(super) stamp: [u8; 32],
    pub(super) sections: [Range<usize>; SECTIONS],
}

impl Foot {
    /// Reads it from the end of an image, and compares the checksum.
    pub(super) fn read(image: &[u8]) -> Result<Self, ImageError> {
        let head = image.strip_prefix(MAGIC).ok_or(ImageError::Foreign)?;
        let version = head.first_chunk().map(|version| u32::from_le_bytes(*version));
        match version {
            Some(VERSION) => {}
            Some(other) => return Err(ImageError::Version(other)),
            None => return Err(ImageError::Foreign),
        }
        let (rest, sum) = image.split_last_chunk().ok_or(ImageError::Foreign)?;
        let at =
            rest.len().checked_sub(FOOT).filter(|at| *at >= HEAD).ok_or(ImageError::Foreign)?;
        let foot = rest.get(at..).and_then(|foot| foot.strip_prefix(MAGIC));
        let mut foot = Fields(foot.ok_or(ImageError::Foreign)?);
        if crc32fast::hash(rest) != u32::from_le_bytes(*sum) {
            return Err(ImageError::Damaged);
        }
        let mut new = Self {
            bits: foot.word(),
            seed: foot.long(),
            names: foot.long(),
            stamp: foot.take(),
            ..Self::default()
        };
        for section in &mut new.sections {
            let (from, to) = (usize::try_from(foot.long()), usize::try_from(foot.long()));
            *section = match (from, to) {
                (Ok(from), Ok(to)) if HEAD <= from && from <= to && to <= at => from..to,
                _ => return Err(ImageError::Inconsistent("foot")),
            };
        }
        Ok(new)
    }

    /// Where this section lies.
    pub(super) fn range(&self, section: Section) -> Range<usize> {
        self.sections[section as usize].clone()
    }

    /// The bytes of this section.
    pub(super) fn section<'a>(&self, image: &'a [u8], section: Section) -> &'a [u8] {
        image.get(self.range(section)).unwrap_or_default()
    }

    fn write(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend(self.bits.to_le_bytes());
        out.extend(self.seed.to_le_bytes());
        out.extend(self.names.to_le_bytes());
        out.extend(self.stamp);
        for range in &self.sections {
            out.extend((range.start as u64).to_le_bytes());
            out.extend((range.end as u64).to_le_bytes());
        }
        out
    }
}

/// Writes an image from its beginning to its end, with the checksum.
pub(super) struct Writer<'a, W> {
    out: &'a mut W,
    sum: crc32fast::Hasher,
    at: usize,
    foot: Foot,
}

impl<'a, W: io::Write> Writer<'a, W> {
    pub(super) fn new(out: &'a mut W) -> io::Result<Self> {
        let mut new = Self { out, sum: crc32fast::Hasher::new(), at: 0, foot: Foot::default() };
        let mut head = MAGIC.to_vec();
        head.extend(VERSION.to_le_bytes());
        head.resize(HEAD, 0);
        new.write(&head)?;
        Ok(new)
    }

    /// Begins a section, where a line of the processor's cache begins.
    pub(super) fn begin(&mut self, section: Section) -> io::Result<()> {
        let gap = self.at.next_multiple_of(HEAD) - self.at;
        self.write(&[0; HEAD][..gap])?;
        self.foot.sections[section as usize] = self.at..self.at;
        Ok(())
    }

    /// Appends to the section that was begun last.
    pub(super) fn append(&mut self, section: Section, bytes: &[u8]) -> io::Result<()> {
        self.write(bytes)?;
        self.foot.sections[section as usize].end = self.at;
        Ok(())
    }

    /// Writes the foot; yields the bytes of the whole image.
    pub(super) fn finish(mut self, foot: Foot) -> io::Result<u64> {
        let foot = Foot { sections: self.foot.sections.clone(), ..foot }.write();
        self.write(&foot)?;
        let sum = self.sum.clone().finalize();
        self.write(&sum.to_le_bytes())?;
        Ok(self.at as u64)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.update(bytes);
        self.at += bytes.len();
        self.out.write_all(bytes)
    }
}

/// Numbers one after the other. What is missing reads as zero; the length has been checked.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) = self.0.split_first_chunk().unwrap_or((&[0; N], &[]));
        self.0 = rest;
        *field
    }

    fn word(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn long(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}

/// Appends a number in as few bytes as it needs, seven bits in each (LEB128).
pub(super) fn write_varint(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes such a number from the front; `None` if there is none.
#[inline]
pub(super) fn read_varint(bytes: &mut &[u8]) -> Option<u32> {
    let (&first, rest) = bytes.split_first()?;
    *bytes = rest;
    if first < 0x80 {
        return Some(first.into());
    }
    let mut number = u32::from(first & 0x7f);
    for shift in [7, 14, 21, 28] {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u32::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// Format of the image. A new one for every change of what stands where, of the hash and
/// of the pieces of names.
pub(super) const VERSION: u32 = 1;
const MAGIC: &[u8; 8] = b"OPTRULES";
const HEAD: usize = 64; // bytes: a line of the processor's cache
const SECTIONS: usize = 7;
const FOOT: usize = 8 + 4 + 8 + 8 + 32 + 16 * SECTIONS; // bytes, without the checksum
