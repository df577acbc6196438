//! Rules by address prefix.

use std::net::IpAddr;
use std::ops::Range;

use super::image::{Foot, Section};
use crate::core::prefix::Prefix;

/// Where prefixes lie in an image.
#[derive(Default)]
pub(super) struct Prefixes {
    v4: Family<V4>,
    v6: Family<V6>,
}

/// Prefixes of one family, `N` bytes each.
struct Family<const N: usize> {
    range: Range<usize>,
    /// Of each length that occurs, the shortest first, which entries have it.
    lengths: Vec<(u8, Range<usize>)>,
}

impl<const N: usize> Default for Family<N> {
    fn default() -> Self {
        Self { range: 0..0, lengths: Vec::new() }
    }
}

impl Prefixes {
    /// `None` if they are not in order.
    pub(super) fn new(foot: &Foot, image: &[u8]) -> Option<Self> {
        Some(Self {
            v4: Family::new(foot.range(Section::V4), image)?,
            v6: Family::new(foot.range(Section::V6), image)?,
        })
    }

    /// Tells `found` the place of the form and the line of each rule about `address`, the
    /// shortest prefix first.
    pub(super) fn visit(&self, image: &[u8], address: IpAddr, found: impl FnMut(Prefix, u32, u32)) {
        match address {
            IpAddr::V4(_) => self.v4.visit(image, address, found),
            IpAddr::V6(_) => self.v6.visit(image, address, found),
        }
    }

    /// Every prefix with form and line.
    pub(super) fn all<'a>(
        &'a self,
        image: &'a [u8],
    ) -> impl Iterator<Item = (Prefix, u32, u32)> + 'a {
        let v4 = self.v4.entries(image).iter().filter_map(|entry| read(entry));
        v4.chain(self.v6.entries(image).iter().filter_map(|entry| read(entry)))
    }
}

impl<const N: usize> Family<N> {
    fn new(range: Range<usize>, image: &[u8]) -> Option<Self> {
        let mut new = Self { range, lengths: Vec::new() };
        if !new.range.len().is_multiple_of(N) {
            return None;
        }
        let entries = new.entries(image);
        let sorted = entries.is_sorted_by(|a, b| key(a) <= key(b));
        if !sorted || entries.iter().any(|entry| read(entry).is_none()) {
            return None;
        }
        let mut at = 0;
        for same in entries.chunk_by(|a, b| a.first() == b.first()) {
            let length = same.first()?.first().copied()?;
            new.lengths.push((length, at..at + same.len()));
            at += same.len();
        }
        Some(new)
    }

    fn entries<'a>(&self, image: &'a [u8]) -> &'a [[u8; N]] {
        image.get(self.range.clone()).unwrap_or_default().as_chunks().0
    }

    fn visit(&self, image: &[u8], address: IpAddr, mut found: impl FnMut(Prefix, u32, u32)) {
        for (length, range) in &self.lengths {
            let Ok(prefix) = Prefix::new(address, *length) else { return };
            let entries = self.entries(image).get(range.clone()).unwrap_or_default();
            let wanted: [u8; 17] = sort_key(prefix);
            let wanted = wanted.get(..N - TAIL).unwrap_or_default();
            let first = entries.partition_point(|entry| key(entry) < wanted);
            for entry in entries.iter().skip(first).take_while(|entry| key(*entry) == wanted) {
                if let Some((prefix, form, line)) = read(entry) {
                    found(prefix, form, line);
                }
            }
        }
    }
}

/// Appends an entry: length, address, form, line. Entries sort as their first bytes do.
pub(super) fn write(out: &mut Vec<u8>, prefix: Prefix, form: u16, line: u32) {
    out.push(prefix.length());
    match prefix.address() {
        IpAddr::V4(address) => out.extend(address.octets()),
        IpAddr::V6(address) => out.extend(address.octets()),
    }
    out.extend(form.to_le_bytes());
    out.extend(line.to_le_bytes());
}

fn read<const N: usize>(entry: &[u8; N]) -> Option<(Prefix, u32, u32)> {
    let (&[length], rest) = entry.split_first_chunk()?;
    let (rest, line) = rest.split_last_chunk()?;
    let (address, form) = rest.split_last_chunk()?;
    let address: IpAddr = match <[u8; 4]>::try_from(address) {
        Ok(octets) => octets.into(),
        Err(_) => <[u8; 16]>::try_from(address).ok()?.into(),
    };
    let prefix = Prefix::new(address, length).ok()?;
    Some((prefix, u16::from_le_bytes(*form).into(), u32::from_le_bytes(*line)))
}

/// What entries are sorted by: length and address.
fn key<const N: usize>(entry: &[u8; N]) -> &[u8] {
    entry.get(..N - TAIL).unwrap_or_default()
}

/// The key of a prefix, with zeros after it if it is of IPv4.
fn sort_key(prefix: Prefix) -> [u8; 17] {
    let mut key = [0; 17];
    key[0] = prefix.length();
    match prefix.address() {
        IpAddr::V4(address) => key[1..5].copy_from_slice(&address.octets()),
        IpAddr::V6(address) => key[1..].copy_from_slice(&address.octets()),
    }
    key
}

const TAIL: usize = 2 + 4; // bytes of form and line
const V4: usize = 1 + 4 + TAIL; // bytes of an entry
const V6: usize = 1 + 16 + TAIL; // bytes of an entry
