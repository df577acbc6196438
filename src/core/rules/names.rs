//! Rules by name, compact: about 40 bytes a name, whatever the allocator does.
//!
//! Names lie one after the other in one arena. An index of 32-bit fingerprints,
//! sorted, finds them; a table of buckets over the first bits of the
//! fingerprint makes that one step in the usual case. A fingerprint is only a
//! hint: the name itself is always compared. Names with equal fingerprints are
//! sorted too, so that a list made of nothing but collisions costs a binary
//! search, no more.

use crate::core::catalog::Action;
use crate::core::verdict::RuleRef;

use super::Scope;

/// Names, each with the rule it stands in. Grows until [`Names::seal`].
#[derive(Default)]
pub(super) struct Names {
    arena: Vec<u8>,
    /// In the order of list and line.
    records: Vec<Record>,
    /// Sorted by fingerprint, then name, then list.
    slots: Vec<Slot>,
    /// Where the slots of each bucket begin; one more at the end.
    buckets: Vec<u32>,
}

/// One name in one rule.
#[derive(Clone, Copy)]
struct Record {
    start: u32,
    line: u32,
    list: u16,
    len: u8,
    scope: Scope,
    action: Action,
}

impl Record {
    /// What makes it another rule than one about the same name.
    fn sort(&self) -> (u16, Scope, Action) {
        (self.list, self.scope, self.action)
    }
}

#[derive(Clone, Copy)]
struct Slot {
    print: u32,
    record: u32,
}

/// A name that was found.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) rule: RuleRef,
    pub(super) scope: Scope,
    pub(super) action: Action,
}

impl Names {
    /// Adds a name. False if there is no room for it.
    pub(super) fn add(&mut self, rule: RuleRef, name: &str, scope: Scope, action: Action) -> bool {
        let (Ok(start), Ok(len)) = (u32::try_from(self.arena.len()), u8::try_from(name.len()))
        else {
            return false;
        };
        if self.records.len() >= MAX_NAMES {
            return false;
        }
        self.arena.extend_from_slice(name.as_bytes());
        self.records.push(Record { start, line: rule.line, list: rule.list, len, scope, action });
        true
    }

    /// Makes the index. With `once`, a rule that a list has twice counts once;
    /// `repeated` is told list and action of each that does not.
    pub(super) fn seal(&mut self, once: bool, mut repeated: impl FnMut(u16, Action)) {
        self.arena.shrink_to_fit();
        if !self.records.is_sorted_by_key(|r| (r.list, r.line)) {
            self.records.sort_by_key(|r| (r.list, r.line));
        }
        self.records.shrink_to_fit();
        let mut slots: Vec<Slot> = (0..)
            .zip(&self.records)
            .map(|(record, r)| Slot { print: print(self.bytes(*r)), record })
            .collect();
        slots.sort_unstable_by(|a, b| {
            let name = |slot: &Slot| self.name(slot.record);
            let sort = |slot: &Slot| self.record(slot.record).map(Record::sort);
            a.print
                .cmp(&b.print)
                .then_with(|| name(a).cmp(name(b)))
                .then_with(|| sort(a).cmp(&sort(b)))
                .then(a.record.cmp(&b.record))
        });
        if once {
            slots.dedup_by(|b, a| {
                let same = a.print == b.print && self.same_rule(a.record, b.record);
                if let Some(record) = self.record(b.record).filter(|_| same) {
                    repeated(record.list, record.action);
                }
                same
            });
            slots.shrink_to_fit();
        }
        self.slots = slots;
        self.fill_buckets();
    }

    fn same_rule(&self, a: u32, b: u32) -> bool {
        let (Some(x), Some(y)) = (self.record(a), self.record(b)) else { return false };
        x.sort() == y.sort() && self.bytes(*x) == self.bytes(*y)
    }

    fn fill_buckets(&mut self) {
        let bits = (self.slots.len() / PER_BUCKET).max(1).ilog2();
        let mut at = 0;
        self.buckets = (0..=1_usize << bits)
            .map(|bucket| {
                while self.slots.get(at).is_some_and(|slot| first_bits(slot.print, bits) < bucket) {
                    at += 1;
                }
                u32::try_from(at).unwrap_or(u32::MAX)
            })
            .collect();
    }

    /// Tells `found` each rule about `host`, from the widest name to the
    /// nearest, with the length of the name that matched. Allocates nothing.
    pub(super) fn visit(&self, host: &str, mut found: impl FnMut(usize, Found)) {
        if self.slots.is_empty() {
            return;
        }
        let host = host.as_bytes();
        let mut state = BASIS;
        for (at, &byte) in host.iter().enumerate().rev() {
            if byte == b'.' {
                self.visit_exact(host.get(at + 1..).unwrap_or_default(), state, |hit| {
                    if hit.scope != Scope::Exact {
                        found(host.len() - at - 1, hit);
                    }
                });
            }
            state = step(state, byte);
        }
        self.visit_exact(host, state, |hit| {
            if hit.scope != Scope::Below {
                found(host.len(), hit);
            }
        });
    }

    fn visit_exact(&self, name: &[u8], state: u64, mut found: impl FnMut(Found)) {
        let print = finish(state);
        let bits = (self.buckets.len() - 1).ilog2();
        let bucket = first_bits(print, bits);
        let bound = |i: usize| self.buckets.get(i).map_or(0, |&slot| slot as usize);
        let slots = self.slots.get(bound(bucket)..bound(bucket + 1)).unwrap_or_default();
        let before = |slot: &Slot| {
            slot.print < print || (slot.print == print && self.name(slot.record) < name)
        };
        let first = slots.partition_point(before);
        for slot in slots.iter().skip(first) {
            let Some(record) = self.record(slot.record) else { return };
            if slot.print != print || self.bytes(*record) != name {
                return;
            }
            let rule = RuleRef { list: record.list, line: record.line };
            found(Found { rule, scope: record.scope, action: record.action });
        }
    }

    /// The names that stand in this line of this list.
    pub(super) fn at(&self, rule: RuleRef) -> impl Iterator<Item = (&str, Scope)> {
        let key = (rule.list, rule.line);
        let first = self.records.partition_point(|r| (r.list, r.line) < key);
        self.records
            .iter()
            .skip(first)
            .take_while(move |r| (r.list, r.line) == key)
            .map(|r| (str::from_utf8(self.bytes(*r)).unwrap_or_default(), r.scope))
    }

    /// How many names there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Bytes of memory in use.
    pub(super) fn memory(&self) -> usize {
        self.arena.capacity()
            + self.records.capacity() * size_of::<Record>()
            + self.slots.capacity() * size_of::<Slot>()
            + self.buckets.capacity() * size_of::<u32>()
    }

    fn record(&self, record: u32) -> Option<&Record> {
        self.records.get(record as usize)
    }

    fn name(&self, record: u32) -> &[u8] {
        self.record(record).map(|r| self.bytes(*r)).unwrap_or_default()
    }

    fn bytes(&self, record: Record) -> &[u8] {
        let start = record.start as usize;
        self.arena.get(start..start + usize::from(record.len)).unwrap_or_default()
    }
}

fn print(name: &[u8]) -> u32 {
    finish(name.iter().rev().fold(BASIS, |state, &byte| step(state, byte)))
}

/// FNV-1a, from the last byte to the first: so one walk over a name yields the
/// fingerprints of all its parents.
fn step(state: u64, byte: u8) -> u64 {
    (state ^ u64::from(byte)).wrapping_mul(PRIME)
}

fn finish(state: u64) -> u32 {
    ((state ^ (state >> 32)).wrapping_mul(SPREAD) >> 32) as u32
}

fn first_bits(print: u32, bits: u32) -> usize {
    print.checked_shr(32 - bits).unwrap_or(0) as usize
}

/// Most names in one set: what 512 MiB can hold. The largest public lists are near 2 million.
const MAX_NAMES: usize = 12_000_000;
const PER_BUCKET: usize = 4; // slots, on average: two comparisons, one byte a name
const BASIS: u64 = 0xcbf2_9ce4_8422_2325; // FNV-1a, 64 bits
const PRIME: u64 = 0x0000_0100_0000_01b3; // FNV-1a, 64 bits
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15; // 2^64 / golden ratio: all bits reach the upper half
