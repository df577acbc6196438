//! Blocked names, and the addresses they are answered with.
//!
//! Each name has a slot of its own in the sinkhole ranges, the same in both
//! families. So the attempt to connect that follows tells which name it is
//! for. A slot goes to another name only when no answer with its address can
//! still be in anybody's cache.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use super::hammer::{Hammer, Who};
use super::random::HashKey;
use super::reader::labels;
use crate::core::host::HostName;
use crate::core::time::Instant;
use crate::core::verdict::{RuleRef, RuleText, Via};

/// The blocked names that were asked for.
#[derive(Debug)]
pub(super) struct Sinkhole {
    ranges: Ranges,
    /// By slot, less [`RESERVED`]. INVARIANT: `index` maps the host of each to
    /// its place.
    names: Vec<Sunk>,
    index: HashMap<HostName, u32, HashKey>,
    /// Most names to keep.
    capacity: usize,
    /// Where the search for a free slot goes on when all were handed out.
    hand: usize,
    /// Counts policies, so that a rule's words are not kept longer than itself.
    policy: u32,
}

/// A blocked name.
#[derive(Debug)]
pub(super) struct Sunk {
    /// The name.
    pub(super) host: HostName,
    /// The rule it was blocked by, in words.
    pub(super) rule: Arc<RuleText>,
    /// What that rule matched.
    pub(super) via: Via,
    reference: RuleRef,
    policy: u32,
    /// Until then an answer with this slot's address may be cached.
    expires: Instant,
    hammer: Hammer,
}

/// A name, found or entered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Slot(u32);

impl Sinkhole {
    pub(super) fn new(ranges: Ranges, key: HashKey) -> Self {
        Self {
            capacity: ranges.slots().min(MAX_NAMES),
            ranges,
            names: Vec::new(),
            index: HashMap::with_hasher(key),
            hand: 0,
            policy: 0,
        }
    }

    /// The words of all rules may have changed.
    pub(super) fn policy_changed(&mut self) {
        self.policy = self.policy.wrapping_add(1);
    }

    /// Finds or enters a blocked name, given as text and as it is on the wire,
    /// and counts the question. Returns its slot and the seconds that the
    /// answer holds; `None` if there is no room.
    pub(super) fn sink(
        &mut self,
        now: Instant,
        who: Who,
        (host, name): (&str, &[u8]),
        because: &Because<'_>,
    ) -> Option<(Slot, u32)> {
        let place = match self.index.get(host) {
            Some(&place) => place,
            None => self.enter(now, who, name, because)?,
        };
        let sunk = self.names.get_mut(place as usize)?;
        let same = sunk.reference == because.rule && sunk.policy == self.policy;
        if !same || sunk.via != *because.via.unwrap_or(&Via::Name) {
            (sunk.rule, sunk.via) = because.words();
            (sunk.reference, sunk.policy) = (because.rule, self.policy);
        }
        Some((Slot(place), sunk.hammer.strike(now, who)))
    }

    /// The name in a slot.
    pub(super) fn name(&self, slot: Slot) -> &Sunk {
        &self.names[slot.0 as usize]
    }

    /// Hands out the addresses of a slot for so many seconds.
    pub(super) fn lend(&mut self, now: Instant, slot: Slot, ttl: u32) -> (Ipv4Addr, Ipv6Addr) {
        let sunk = &mut self.names[slot.0 as usize];
        let until = now + Duration::from_secs(ttl.into()) + LATE;
        sunk.expires = sunk.expires.max(until);
        self.ranges.addresses(slot.0)
    }

    /// The name that an address of the ranges stands for.
    pub(super) fn find(&self, address: IpAddr) -> Option<&Sunk> {
        self.names.get(self.ranges.slot(address)?)
    }

    /// Whether an address is in the ranges.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        self.ranges.offset(address).is_some()
    }

    fn enter(&mut self, now: Instant, who: Who, name: &[u8], because: &Because<'_>) -> Option<u32> {
        let host = HostName::from_labels(labels(name));
        let (rule, via) = because.words();
        let sunk = Sunk {
            host: host.clone(),
            rule,
            via,
            reference: because.rule,
            policy: self.policy,
            expires: Instant::ZERO,
            hammer: Hammer::new(now, who),
        };
        let place = if self.names.len() < self.capacity {
            self.names.push(sunk);
            self.names.len() - 1
        } else {
            let place = self.free(now)?;
            let old = std::mem::replace(&mut self.names[place], sunk);
            self.index.remove(&old.host);
            place
        };
        let place = u32::try_from(place).expect("capacity fits 32 bits");
        self.index.insert(host, place);
        Some(place)
    }

    /// The next slot, going round, whose answers have run out everywhere. Gives
    /// up after a few, so that a flood of names costs each only so much.
    fn free(&mut self, now: Instant) -> Option<usize> {
        for _ in 0..MAX_SEARCH.min(self.capacity) {
            let place = self.hand;
            self.hand = (self.hand + 1) % self.capacity;
            if self.names[place].expires <= now {
                return Some(place);
            }
        }
        None
    }
}

/// Why a name is blocked. The words are made only if they are not known yet.
pub(super) struct Because<'a> {
    /// The rule.
    pub(super) rule: RuleRef,
    /// What it matched; `None` is the name itself.
    pub(super) via: Option<&'a Via>,
    /// Puts the rule in words.
    pub(super) text: &'a dyn Fn(RuleRef) -> Arc<RuleText>,
}

impl Because<'_> {
    pub(super) fn words(&self) -> (Arc<RuleText>, Via) {
        ((self.text)(self.rule), self.via.cloned().unwrap_or(Via::Name))
    }
}

/// The two ranges.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ranges {
    v4: (u32, u32),
    v6: (u128, u128),
}

impl Ranges {
    /// Of a prefix each: an address and its length in bits.
    pub(super) fn new(v4: (Ipv4Addr, u8), v6: (Ipv6Addr, u8)) -> Self {
        let mask4 = u32::MAX.checked_shr(v4.1.into()).unwrap_or(0);
        let mask6 = u128::MAX.checked_shr(v6.1.into()).unwrap_or(0);
        Self { v4: (v4.0.to_bits() & !mask4, mask4), v6: (v6.0.to_bits() & !mask6, mask6) }
    }

    /// How many names have room in both ranges. The last address of the v4
    /// range is its broadcast address and stays unused.
    fn slots(&self) -> usize {
        let v4 = u128::from(self.v4.1);
        usize::try_from(v4.min(self.v6.1)).unwrap_or(usize::MAX).saturating_sub(RESERVED as usize)
    }

    fn addresses(&self, place: u32) -> (Ipv4Addr, Ipv6Addr) {
        let slot = place + RESERVED;
        let v6 = self.v6.0 | u128::from(slot);
        (Ipv4Addr::from_bits(self.v4.0 | slot), Ipv6Addr::from_bits(v6))
    }

    fn offset(&self, address: IpAddr) -> Option<u128> {
        match address {
            IpAddr::V4(v4) => {
                let bits = v4.to_bits();
                (bits & !self.v4.1 == self.v4.0).then_some((bits & self.v4.1).into())
            }
            IpAddr::V6(v6) => {
                let bits = v6.to_bits();
                (bits & !self.v6.1 == self.v6.0).then_some(bits & self.v6.1)
            }
        }
    }

    fn slot(&self, address: IpAddr) -> Option<usize> {
        usize::try_from(self.offset(address)?).ok()?.checked_sub(RESERVED as usize)
    }
}

/// The first addresses of both ranges, which are ours: questions that clients
/// send to the router itself come to one of them.
const RESERVED: u32 = 256;

/// Most names to keep: at some 250 bytes each, 8 MiB. A client that asks for
/// ever new names below a blocked one can fill it; the rest is then answered
/// with 0.0.0.0, which blocks as well.
const MAX_NAMES: usize = 32_768;

/// Most slots to look at for a free one.
const MAX_SEARCH: usize = 32;

/// How much longer than its time to live an answer may be in use: the way to
/// the client, and caches that round up.
const LATE: Duration = Duration::from_secs(5);
