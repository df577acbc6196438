//! The flows there are, by tuple, each with a deadline; and each client's share.
//!
//! At a bound what is there is kept and what comes is not taken, so that a flood
//! hurts the one who makes it. Only flows that need us no more make room: those that
//! passed, and are remembered only so that they can be recalled, and those whose
//! ends know that they were refused.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, DefaultHasher, Hasher};

use crate::core::flow::{FiveTuple, Member};
use crate::core::time::Instant;

/// Values by tuple.
#[derive(Debug)]
pub(super) struct Table<T> {
    slots: HashMap<FiveTuple, Slot<T>, Key>,
    deadlines: BTreeMap<(Instant, u64), FiveTuple>,
    /// Those that may be forgotten, in the order in which they became so.
    spare: BTreeMap<u64, FiveTuple>,
    /// The same, of each client.
    spare_of: BTreeMap<(Member, u64), FiveTuple>,
    shares: HashMap<Member, Share, Key>,
    bounds: Bounds,
    held: usize,
    next: u64,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Slot<T> {
    /// What it is.
    pub value: T,
    member: Member,
    deadline: Instant,
    id: u64,
    /// Its place among those that may be forgotten.
    spare: Option<u64>,
    /// It was used since it got that place.
    used: bool,
    held: usize,
}

/// How much there may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub slots: usize,
    pub slots_of_member: usize,
    pub held: usize,
    pub held_of_member: usize,
}

/// There is no room.
#[derive(Debug)]
pub(super) struct Full;

#[derive(Clone, Copy, Debug, Default)]
struct Share {
    slots: usize,
    held: usize,
}

impl<T> Table<T> {
    pub(super) fn new(bounds: Bounds, seed: u64) -> Self {
        Self {
            slots: HashMap::with_hasher(Key(seed)),
            deadlines: BTreeMap::new(),
            spare: BTreeMap::new(),
            spare_of: BTreeMap::new(),
            shares: HashMap::with_hasher(Key(seed.rotate_left(32))),
            bounds,
            held: 0,
            next: 0,
        }
    }

    /// The one with this tuple.
    pub(super) fn find(&mut self, tuple: &FiveTuple) -> Option<&mut T> {
        self.slots.get_mut(tuple).map(|slot| &mut slot.value)
    }

    /// The one with this tuple, if it may be forgotten: now it is less so.
    pub(super) fn find_spare(&mut self, tuple: &FiveTuple) -> Option<&mut T> {
        let slot = self.slots.get_mut(tuple).filter(|slot| slot.spare.is_some())?;
        slot.used = true;
        Some(&mut slot.value)
    }

    /// All of them.
    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.slots.values().map(|slot| &slot.value)
    }

    /// The tuples of all, in the order in which they came.
    pub(super) fn tuples(&self) -> Vec<FiveTuple> {
        let mut all: Vec<_> = self.slots.iter().map(|(tuple, slot)| (slot.id, *tuple)).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all.into_iter().map(|(_, tuple)| tuple).collect()
    }

    /// Bytes that are held, of all.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// From now on there may be so much. What is there already stays.
    pub(super) fn set_bounds(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }

    /// Adds one; if its tuple is there already, that one goes.
    ///
    /// # Errors
    ///
    /// [`Full`] if there is no room and nothing of this client's can be forgotten.
    pub(super) fn insert(
        &mut self,
        tuple: FiveTuple,
        member: Member,
        value: T,
        deadline: Instant,
    ) -> Result<(), Full> {
        self.remove(&tuple);
        self.make_room(member)?;
        self.next += 1;
        let id = self.next;
        self.deadlines.insert((deadline, id), tuple);
        self.shares.entry(member).or_default().slots += 1;
        self.slots
            .insert(tuple, Slot { value, member, deadline, id, spare: None, used: false, held: 0 });
        Ok(())
    }

    pub(super) fn remove(&mut self, tuple: &FiveTuple) -> Option<T> {
        let slot = self.slots.remove(tuple)?;
        self.deadlines.remove(&(slot.deadline, slot.id));
        if let Some(place) = slot.spare {
            self.spare.remove(&place);
            self.spare_of.remove(&(slot.member, place));
        }
        self.held -= slot.held;
        // INVARIANT: only what was taken is given back, so nothing wraps.
        if let Some(share) = self.shares.get_mut(&slot.member) {
            share.slots -= 1;
            share.held -= slot.held;
            if share.slots == 0 {
                self.shares.remove(&slot.member);
            }
        }
        Some(slot.value)
    }

    /// When it is to be looked at next.
    pub(super) fn set_deadline(&mut self, tuple: &FiveTuple, deadline: Instant) {
        let Some(slot) = self.slots.get_mut(tuple) else { return };
        self.deadlines.remove(&(slot.deadline, slot.id));
        slot.deadline = deadline;
        self.deadlines.insert((deadline, slot.id), *tuple);
    }

    /// How many bytes it holds now, and when it is to be looked at next, unless that is
    /// sooner anyway. So one that is busy costs nothing: who looks too early sees
    /// that it is too early.
    pub(super) fn settle(&mut self, tuple: &FiveTuple, held: usize, deadline: Instant) {
        let Some(slot) = self.slots.get(tuple) else { return };
        let (sooner, as_before) = (deadline < slot.deadline, held == slot.held);
        if !as_before {
            self.weigh(tuple, held);
        }
        if sooner {
            self.set_deadline(tuple, deadline);
        }
    }

    /// It may be forgotten when there is need of room.
    pub(super) fn spare_it(&mut self, tuple: &FiveTuple) {
        if self.slots.get(tuple).is_some_and(|slot| slot.spare.is_none()) {
            self.place(tuple, LATER);
        }
    }

    /// It has ended, and is forgotten before all that may yet live.
    pub(super) fn spare_it_first(&mut self, tuple: &FiveTuple) {
        self.place(tuple, 0);
    }

    /// Gives it the last place of these among those that may be forgotten.
    fn place(&mut self, tuple: &FiveTuple, these: u64) {
        self.need_it(tuple);
        let Some(slot) = self.slots.get_mut(tuple) else { return };
        self.next += 1;
        let place = these | self.next;
        (slot.spare, slot.used) = (Some(place), false);
        self.spare.insert(place, *tuple);
        self.spare_of.insert((slot.member, place), *tuple);
    }

    /// It is needed again.
    pub(super) fn need_it(&mut self, tuple: &FiveTuple) {
        let Some(slot) = self.slots.get_mut(tuple) else { return };
        if let Some(place) = slot.spare.take() {
            self.spare.remove(&place);
            self.spare_of.remove(&(slot.member, place));
        }
    }

    /// How many bytes it holds now.
    pub(super) fn weigh(&mut self, tuple: &FiveTuple, held: usize) {
        let Some(slot) = self.slots.get_mut(tuple) else { return };
        let share = self.shares.entry(slot.member).or_default();
        share.held = share.held + held - slot.held;
        self.held = self.held + held - slot.held;
        slot.held = held;
    }

    /// How many bytes more this client may have held.
    pub(super) fn room(&self, member: Member) -> usize {
        let own = self.shares.get(&member).map_or(0, |share| share.held);
        let left = self.bounds.held.saturating_sub(self.held);
        self.bounds.held_of_member.saturating_sub(own).min(left)
    }

    /// The first whose deadline has come.
    pub(super) fn due(&self, now: Instant) -> Option<FiveTuple> {
        let ((deadline, _), tuple) = self.deadlines.first_key_value()?;
        (*deadline <= now).then_some(*tuple)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first_key_value().map(|((deadline, _), _)| *deadline)
    }

    fn make_room(&mut self, member: Member) -> Result<(), Full> {
        let own = self.shares.get(&member).map_or(0, |share| share.slots);
        let share = own >= self.bounds.slots_of_member;
        if !share && self.slots.len() < self.bounds.slots {
            return Ok(());
        }
        for _ in 0..CHANCES {
            let range = (member, 0)..=(member, u64::MAX);
            let oldest = if share {
                self.spare_of.range(range).next().map(|(_, tuple)| *tuple)
            } else {
                self.spare.first_key_value().map(|(_, tuple)| *tuple)
            };
            let oldest = oldest.ok_or(Full)?;
            if self.slots.get(&oldest).is_none_or(|slot| !slot.used) {
                self.remove(&oldest);
                return Ok(());
            }
            // It lives: only if it is not used until its turn comes again.
            self.place(&oldest, LATER);
        }
        Err(Full)
    }
}

/// Hashes under a secret, so that clients cannot make their flows collide.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key(pub(super) u64);

impl BuildHasher for Key {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        let mut hasher = DefaultHasher::new(); // SipHash: from here on its state is secret
        hasher.write_u64(self.0);
        hasher
    }
}

/// Places of those that may yet live, after all others.
const LATER: u64 = 1 << 63;

/// So many that live are passed over for one that needs room.
const CHANCES: usize = 16;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use std::net::IpAddr;

    use super::*;
    use crate::core::flow::Protocol;

    #[test]
    fn at_its_share_a_client_loses_its_own_and_no_others() {
        let mut table = table(4, 2);
        for (member, port) in [(1, 1), (2, 2), (1, 3)] {
            add(&mut table, member, port).unwrap();
        }
        add(&mut table, 1, 4).unwrap_err();
        table.spare_it(&tuple(2));
        add(&mut table, 1, 4).unwrap_err();
        table.spare_it(&tuple(3));
        add(&mut table, 1, 4).unwrap();
        assert_eq!(table.tuples(), [1, 2, 4].map(tuple));
    }

    #[test]
    fn at_the_bound_the_oldest_that_passed_makes_room_and_nothing_else() {
        let mut table = table(3, 3);
        for (member, port) in [(1, 1), (2, 2), (3, 3)] {
            add(&mut table, member, port).unwrap();
        }
        add(&mut table, 4, 4).unwrap_err();
        for port in [3, 2] {
            table.spare_it(&tuple(port));
        }
        add(&mut table, 4, 4).unwrap();
        assert_eq!(table.tuples(), [1, 2, 4].map(tuple));
        table.need_it(&tuple(2));
        add(&mut table, 4, 5).unwrap_err();
    }

    #[test]
    fn what_lives_stays_and_what_ended_goes_first() {
        let mut table = table(4, 4);
        for (member, port) in [(1, 1), (2, 2), (3, 3), (4, 4)] {
            add(&mut table, member, port).unwrap();
            table.spare_it(&tuple(port));
        }
        table.spare_it_first(&tuple(4));
        for port in [1, 2] {
            table.find_spare(&tuple(port)).unwrap();
        }
        add(&mut table, 5, 5).unwrap();
        assert_eq!(table.tuples(), [1, 2, 3, 5].map(tuple));
        add(&mut table, 5, 6).unwrap();
        assert_eq!(table.tuples(), [1, 2, 5, 6].map(tuple));
        // Nobody used the first since it was passed over.
        table.find_spare(&tuple(2)).unwrap();
        add(&mut table, 5, 7).unwrap();
        assert_eq!(table.tuples(), [2, 5, 6, 7].map(tuple));
        assert!(table.find_spare(&tuple(5)).is_none());
    }

    #[test]
    fn where_all_live_there_is_no_room_and_no_long_search() {
        let mut table = table(100, 100);
        for port in 0..100 {
            add(&mut table, 1, port).unwrap();
            table.spare_it(&tuple(port));
            table.find_spare(&tuple(port)).unwrap();
        }
        add(&mut table, 2, 100).unwrap_err();
        assert_eq!(table.tuples().len(), 100);
        // Those that were passed over are no longer held to live, but come last.
        for _ in 0..100 / CHANCES {
            let _ = add(&mut table, 2, 100);
        }
        assert_eq!(table.tuples().last(), Some(&tuple(100)));
    }

    #[test]
    fn what_is_held_is_given_back_with_its_flow() {
        let mut table = table(3, 3);
        add(&mut table, 1, 1).unwrap();
        add(&mut table, 2, 2).unwrap();
        table.weigh(&tuple(1), 40);
        table.weigh(&tuple(1), 30);
        table.weigh(&tuple(2), 50);
        assert_eq!((table.held(), table.room(member(1)), table.room(member(3))), (80, 20, 20));
        table.remove(&tuple(2));
        assert_eq!((table.held(), table.room(member(1)), table.room(member(3))), (30, 30, 60));
        table.remove(&tuple(1));
        assert_eq!((table.held(), table.shares.len()), (0, 0));
    }

    #[test]
    fn deadlines_come_in_order_and_are_moved() {
        let mut table = table(3, 3);
        for port in [1, 2] {
            add(&mut table, 1, port).unwrap();
        }
        table.set_deadline(&tuple(1), at(9));
        table.settle(&tuple(2), 0, at(12));
        assert_eq!((table.due(at(8)), table.due(at(9))), (None, Some(tuple(1))));
        table.settle(&tuple(2), 0, at(3));
        assert_eq!((table.due(at(9)), table.next_deadline()), (Some(tuple(2)), Some(at(3))));
        for port in [1, 2] {
            table.remove(&tuple(port));
        }
        assert_eq!(table.next_deadline(), None);
    }

    fn table(slots: usize, slots_of_member: usize) -> Table<()> {
        Table::new(Bounds { slots, slots_of_member, held: 100, held_of_member: 60 }, 7)
    }

    fn add(table: &mut Table<()>, of: u8, port: u16) -> Result<(), Full> {
        table.insert(tuple(port), member(of), (), at(10))
    }

    fn member(number: u8) -> Member {
        Member::Device(IpAddr::from([192, 0, 2, number]))
    }

    fn tuple(port: u16) -> FiveTuple {
        let [source, destination] = [([192, 0, 2, 1], port).into(), ([203, 0, 113, 1], 443).into()];
        FiveTuple { protocol: Protocol::Tcp, source, destination }
    }

    fn at(second: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(second)
    }
}
