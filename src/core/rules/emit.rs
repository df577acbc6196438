//! From what the builder has collected to the image.

use std::collections::BTreeMap;
use std::io;

use super::builder::{Builder, Names, Summary};
use super::form::Reach;
use super::image::{Foot, Section, Writer, write_varint};
use super::names::{GOES_ON, LINE, LONG, MORE, SELF, SLOTS, UNDER, home, slot};
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
    let (homes, seed) = (tree.homes, names.seed);
    let foot = Foot { homes, seed, names: tree.names, stamp, ..Foot::default() };
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
    Ok(Summary { bytes: writer.finish(&foot)?, names, lists: tables.lists })
}

/// The lines, as they grow.
#[derive(Default)]
struct Tree {
    homes: u32,
    /// Of each line its head and its slots.
    lines: Vec<[u32; LINE / 4]>,
    /// Slots of the last line that are in use.
    used: usize,
    /// Long lengths of keys of the last line, and the keys.
    lengths: Vec<u8>,
    bodies: Vec<u8>,
    /// The keys of lines before that.
    keys: Vec<u8>,
    /// Bytes of all keys of lines before the last.
    end: u32,
    names: u64,
    evidence: Vec<Evidence>,
    key: Vec<u8>,
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

    /// Chooses how many lines there are. The hashes of the first part are a fair sample.
    fn make_room(&mut self, first: &[(u64, u32)], names: &Names) {
        let distinct = first.chunk_by(|a, b| a.0 == b.0).count();
        let all = if first.len() > FAIR { distinct * names.parts() } else { names.items };
        self.homes = u32::try_from(all.min(names.items).div_ceil(PER_LINE)).unwrap_or(u32::MAX);
        self.lines.reserve(self.homes as usize + 16);
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
                let flags = self.make_key(about, settler)?;
                if flags != 0 {
                    self.add_slot(hash, flags | more)?;
                    more = 0;
                }
            }
            if more != 0 {
                self.key.clear();
                self.add_slot(hash, more)?;
            }
        }
        Ok(())
    }

    /// Makes the key of one name. Yields the flags of its slot, none if no rule is left.
    fn make_key(&mut self, rules: &[Named<'_>], settler: &mut Settler) -> io::Result<u32> {
        self.evidence.clear();
        self.evidence.extend(rules.iter().map(|&(_, form, line)| (form, line)));
        settler.settle(&mut self.evidence);
        let (Some((codes, ..)), false) = (rules.first(), self.evidence.is_empty()) else {
            return Ok(0);
        };
        self.names += 1;
        self.key.clear();
        self.key.push(u8::try_from(codes.len()).map_err(io::Error::other)?);
        self.key.extend_from_slice(codes);
        let mut flags = 0;
        for &(form, line) in &self.evidence {
            write_varint(&mut self.key, form.into());
            write_varint(&mut self.key, line);
            flags |= match settler.forms()[usize::from(form)].reach {
                Reach::Exact => SELF,
                Reach::WithSubdomains => SELF | UNDER,
                Reach::Below => UNDER,
            };
        }
        Ok(flags)
    }

    /// Adds a slot, with the key that was made last if its flags say so.
    fn add_slot(&mut self, hash: u64, flags: u32) -> io::Result<()> {
        let home = home(hash, self.homes);
        while self.lines.len() <= home || self.used == SLOTS {
            self.begin_line()?;
        }
        let here = self.lines.len() - 1;
        // Lines between home and here are full. Where one goes on, so do all before it from
        // the home of an earlier slot on, and that is no later than this one.
        for line in self.lines.get_mut(home..here).unwrap_or_default().iter_mut().rev() {
            if line[0] & GOES_ON != 0 {
                break;
            }
            line[0] |= GOES_ON;
        }
        self.used += 1;
        self.lines[here][self.used] = slot(hash, self.key.len(), flags);
        if self.key.len() >= LONG {
            let length = u32::try_from(self.key.len()).map_err(io::Error::other)?;
            write_varint(&mut self.lengths, length);
        }
        self.bodies.extend_from_slice(&self.key);
        Ok(())
    }

    fn begin_line(&mut self) -> io::Result<()> {
        let length = self.lengths.len() + self.bodies.len();
        self.keys.append(&mut self.lengths);
        self.keys.append(&mut self.bodies);
        let end = u32::try_from(length).ok().and_then(|length| self.end.checked_add(length));
        self.end = end.filter(|end| end & GOES_ON == 0).ok_or_else(too_large)?;
        let mut line = [0; LINE / 4];
        line[0] = self.end;
        self.lines.push(line);
        self.used = 0;
        Ok(())
    }

    fn finish<W: io::Write>(mut self, writer: &mut Writer<'_, W>) -> io::Result<()> {
        // The keys of the last line come with the beginning of one more, which stays empty.
        self.begin_line()?;
        while self.lines.len() < self.homes as usize {
            self.begin_line()?;
        }
        writer.append(Section::Keys, &self.keys)?;
        writer.begin(Section::Lines)?;
        let mut bytes = Vec::new();
        for lines in self.lines.chunks(CHUNK) {
            bytes.clear();
            bytes.extend(lines.iter().flatten().flat_map(|word| word.to_le_bytes()));
            writer.append(Section::Lines, &bytes)?;
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

fn too_large() -> io::Error {
    io::Error::other("the lists have more names than a rule set can hold; leave out one")
}

const PER_LINE: usize = 12; // slots on average: more, and one line in three goes on to the next
const FAIR: usize = 1024; // items of a part from which all of them can be guessed within 5 %
const CHUNK: usize = 256; // lines that are turned into bytes at once
