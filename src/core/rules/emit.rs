//! From what the builder has collected to the image.

use std::collections::BTreeMap;
use std::io;

use super::builder::{Builder, Names, Summary};
use super::form::Reach;
use super::image::{Foot, Section, Writer, write_varint};
use super::names::{MAX_BITS, MORE, SELF, UNDER, bucket_of, slot};
use super::patterns::{self, Pattern};
use super::prefixes;
use super::settle::{Evidence, Settler};
use super::spill::Item;
use super::{List, Tables};
use crate::core::list::Fault;
use crate::core::prefix::Prefix;

/// Writes the image.
pub(super) fn emit(
    builder: Builder,
    stamp: [u8; 32],
    out: &mut impl io::Write,
) -> io::Result<Summary> {
    let Builder { mut names, forms, lists, refused, prefixes, keep_repeated, .. } = builder;
    let (forms, places, limits) = forms.settle();
    let mut settler = Settler::new(forms, lists, keep_repeated);
    let mut writer = Writer::new(out)?;
    let mut tree = Tree::default();
    writer.begin(Section::Keys)?;
    tree.write(&mut names, &places, &mut settler, &mut writer)?;
    let (bits, seed) = (tree.bits, names.seed);
    let foot = Foot { bits, seed, names: tree.names, stamp, ..Foot::default() };
    tree.finish(&mut writer)?;
    write_prefixes(prefixes, &places, &mut settler, &mut writer)?;
    let patterns = settle_patterns(builder.patterns, &places, &mut settler);
    let everything = settle_one(builder.everything, &places, &mut settler);
    writer.begin(Section::Forms)?;
    let mut bytes = Vec::new();
    settler.forms().iter().for_each(|form| form.write(&mut bytes));
    writer.append(Section::Forms, &bytes)?;
    let mut lists = settler.into_lists();
    count_refused(&mut lists, &refused);
    let tables = Tables { lists, limits, patterns, everything };
    writer.begin(Section::Tables)?;
    writer.append(Section::Tables, &serde_json::to_vec(&tables)?)?;
    let names = usize::try_from(foot.names).unwrap_or(usize::MAX);
    Ok(Summary { bytes: writer.finish(foot)?, names, lists: tables.lists })
}

/// The slots and the index, as they grow.
#[derive(Default)]
struct Tree {
    bits: u32,
    slots: Vec<u32>,
    /// Of each bucket, its first slot and where its keys begin.
    index: Vec<(u32, u32)>,
    keys: Vec<u8>,
    /// Bytes of all keys so far.
    end: u32,
    names: u64,
    evidence: Vec<Evidence>,
}

/// One rule of a part.
type Named<'a> = (&'a [u8], u16, u32);

impl Tree {
    /// Writes the keys of all parts, one after the other.
    fn write<W: io::Write>(
        &mut self,
        names: &mut Names,
        places: &[u16],
        settler: &mut Settler,
        writer: &mut Writer<'_, W>,
    ) -> io::Result<()> {
        let (mut part, mut items) = (Vec::new(), Vec::new());
        for number in 0..names.parts() {
            names.take(number, &mut part)?;
            sort(&part, &mut items);
            if number == 0 {
                self.make_room(&items, names);
            }
            self.add(&part, &items, places, settler)?;
            writer.append(Section::Keys, &self.keys)?;
            self.keys.clear();
        }
        Ok(())
    }

    /// Chooses how many buckets there are. The hashes of the first part are a fair sample.
    fn make_room(&mut self, first: &[(u64, u32)], names: &Names) {
        let distinct = first.chunk_by(|a, b| a.0 == b.0).count();
        let slots = (distinct * names.parts()).min(names.items);
        while slots >> self.bits > PER_BUCKET && self.bits < MAX_BITS {
            self.bits += 1;
        }
        self.slots.reserve(slots + slots / 16);
        self.index.reserve_exact((1 << self.bits) + 1);
    }

    fn add(
        &mut self,
        part: &[u8],
        items: &[(u64, u32)],
        places: &[u16],
        settler: &mut Settler,
    ) -> io::Result<()> {
        let mut rules: Vec<Named<'_>> = Vec::new();
        for same in items.chunk_by(|a, b| a.0 == b.0) {
            let hash = same.first().map_or(0, |item| item.0);
            let mut more = 0;
            rules.clear();
            for &(_, at) in same {
                match Item::read(&mut part.get(at as usize..).unwrap_or_default()) {
                    Some((_, Item::Rule { codes, form, line })) => {
                        rules.push((codes, places[usize::from(form)], line));
                    }
                    _ => more = MORE,
                }
            }
            if rules.len() > 1 {
                rules.sort_unstable();
            }
            for about in rules.chunk_by(|a, b| a.0 == b.0) {
                let flags = self.add_name(about, hash, settler)?;
                if flags != 0 {
                    self.add_slot(hash, flags | more);
                    more = 0;
                }
            }
            if more != 0 {
                self.add_slot(hash, more);
            }
        }
        Ok(())
    }

    /// Writes the key of one name. Yields the flags of its slot, none if no rule is left.
    fn add_name(
        &mut self,
        rules: &[Named<'_>],
        hash: u64,
        settler: &mut Settler,
    ) -> io::Result<u32> {
        self.evidence.clear();
        self.evidence.extend(rules.iter().map(|&(_, form, line)| (form, line)));
        settler.settle(&mut self.evidence);
        let (Some((codes, ..)), false) = (rules.first(), self.evidence.is_empty()) else {
            return Ok(0);
        };
        // The bucket begins before this key.
        self.open_bucket(hash);
        let (mut flags, mut size) = (0, varint_size(codes.len()) + codes.len());
        for &(form, line) in &self.evidence {
            size += varint_size(form.into()) + varint_size(line as usize);
            flags |= match settler.forms()[usize::from(form)].reach {
                Reach::Exact => SELF,
                Reach::WithSubdomains => SELF | UNDER,
                Reach::Below => UNDER,
            };
        }
        let before = self.keys.len();
        write_varint(&mut self.keys, u32::try_from(size).map_err(io::Error::other)?);
        write_varint(&mut self.keys, u32::try_from(codes.len()).map_err(io::Error::other)?);
        self.keys.extend_from_slice(codes);
        for &(form, line) in &self.evidence {
            write_varint(&mut self.keys, form.into());
            write_varint(&mut self.keys, line);
        }
        let written = u32::try_from(self.keys.len() - before).map_err(io::Error::other)?;
        self.end = self.end.checked_add(written).ok_or_else(too_large)?;
        self.names += 1;
        Ok(flags)
    }

    fn add_slot(&mut self, hash: u64, flags: u32) {
        self.open_bucket(hash);
        self.slots.push(slot(hash, flags));
    }

    /// Makes an entry of the index for all buckets up to the one of this hash.
    fn open_bucket(&mut self, hash: u64) {
        while self.index.len() <= bucket_of(hash, self.bits) {
            self.close_bucket();
        }
    }

    fn close_bucket(&mut self) {
        let slots = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.index.push((slots, self.end));
    }

    fn finish<W: io::Write>(mut self, writer: &mut Writer<'_, W>) -> io::Result<()> {
        while self.index.len() <= 1 << self.bits {
            self.close_bucket();
        }
        let mut bytes = Vec::new();
        writer.begin(Section::Slots)?;
        for slots in self.slots.chunks(CHUNK) {
            bytes.clear();
            bytes.extend(slots.iter().flat_map(|slot| slot.to_le_bytes()));
            writer.append(Section::Slots, &bytes)?;
        }
        writer.begin(Section::Index)?;
        for entries in self.index.chunks(CHUNK) {
            bytes.clear();
            for (slot, key) in entries {
                bytes.extend(slot.to_le_bytes());
                bytes.extend(key.to_le_bytes());
            }
            writer.append(Section::Index, &bytes)?;
        }
        Ok(())
    }
}

/// The hash of each item of a part with where it begins, in order.
fn sort(part: &[u8], items: &mut Vec<(u64, u32)>) {
    items.clear();
    let mut rest = part;
    loop {
        let at = part.len() - rest.len();
        let Some((hash, _)) = Item::read(&mut rest) else { break };
        // A part is never this long: all lists together have fewer bytes.
        items.push((hash, u32::try_from(at).unwrap_or(u32::MAX)));
    }
    items.sort_unstable();
}

fn write_prefixes<W: io::Write>(
    mut prefixes: Vec<(Prefix, Evidence)>,
    places: &[u16],
    settler: &mut Settler,
    writer: &mut Writer<'_, W>,
) -> io::Result<()> {
    prefixes.sort_unstable_by_key(|(prefix, _)| (prefix.is_v6(), prefix.length(), *prefix));
    let (mut v4, mut v6, mut evidence) = (Vec::new(), Vec::new(), Vec::new());
    for same in prefixes.chunk_by(|a, b| a.0 == b.0) {
        evidence.clear();
        evidence.extend(same.iter().map(|&(_, (form, line))| (places[usize::from(form)], line)));
        settler.settle(&mut evidence);
        for (prefix, &(form, line)) in same.iter().map(|(prefix, _)| *prefix).zip(&evidence) {
            prefixes::write(if prefix.is_v6() { &mut v6 } else { &mut v4 }, prefix, form, line);
        }
    }
    writer.begin(Section::V4)?;
    writer.append(Section::V4, &v4)?;
    writer.begin(Section::V6)?;
    writer.append(Section::V6, &v6)
}

/// What is left of all patterns, in the order of their first rules.
fn settle_patterns(
    patterns: BTreeMap<Box<str>, BTreeMap<(u16, u32), u32>>,
    places: &[u16],
    settler: &mut Settler,
) -> Vec<Pattern> {
    let list =
        |settler: &Settler, (form, line): Evidence| (settler.forms()[usize::from(form)].list, line);
    let mut all: Vec<_> = patterns
        .into_iter()
        .map(|(text, rules)| Pattern { text, rules: evidence(rules, places) })
        .collect();
    all.sort_by_key(|pattern| pattern.rules.iter().map(|&rule| list(settler, rule)).min());
    let (mut fit, unfit): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|pattern| patterns::is_pattern(&pattern.text));
    let too_many = fit.split_off(patterns::how_many_fit(&fit));
    for (faulty, fault) in [(unfit, Fault::BadPattern), (too_many, Fault::TooManyPatterns)] {
        for (form, _) in faulty.into_iter().flat_map(|pattern| pattern.rules) {
            settler.refuse(form, fault);
        }
    }
    for pattern in &mut fit {
        settler.settle(&mut pattern.rules);
    }
    fit.retain(|pattern| !pattern.rules.is_empty());
    fit
}

fn settle_one(
    rules: BTreeMap<(u16, u32), u32>,
    places: &[u16],
    settler: &mut Settler,
) -> Vec<Evidence> {
    let mut rules = evidence(rules, places);
    settler.settle(&mut rules);
    rules
}

fn evidence(rules: BTreeMap<(u16, u32), u32>, places: &[u16]) -> Vec<Evidence> {
    rules.into_iter().map(|((form, _), line)| (places[usize::from(form)], line)).collect()
}

fn count_refused(lists: &mut [List], refused: &[[u32; Fault::ALL.len()]]) {
    for (list, refused) in lists.iter_mut().zip(refused) {
        for (fault, count) in Fault::ALL.into_iter().zip(refused) {
            list.refuse(fault, *count);
        }
    }
}

fn varint_size(number: usize) -> usize {
    (number.max(1).ilog2() / 7 + 1) as usize
}

fn too_large() -> io::Error {
    io::Error::other("the lists have more names than a rule set can hold; leave out one")
}

const PER_BUCKET: usize = 12; // slots on average at most: one line of the processor's cache
const CHUNK: usize = 4096; // entries that are turned into bytes at once
