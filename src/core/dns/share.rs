//! Room for questions under way, and each client's share of it.
//!
//! At the limit new questions are refused and old ones kept, so that a flood
//! hurts the one who makes it.

use std::collections::HashMap;

use super::random::HashKey;
use crate::core::flow::Member;

/// What is taken.
#[derive(Debug)]
pub(super) struct Shares {
    by_member: HashMap<Member, Share, HashKey>,
    all: Share,
}

/// There is no room for another question.
#[derive(Debug)]
pub(super) struct Full;

/// Questions to upstreams under way, and clients that wait for them.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    flights: usize,
    places: usize,
}

/// The most that a client may take. Behind this host's own resolver there may be a
/// whole home.
fn limit(member: Member) -> Share {
    match member {
        Member::Host => Share { flights: MAX.flights / 4 * 3, places: MAX.places / 4 * 3 },
        Member::Device(_) => Share { flights: MAX.flights / 4, places: MAX.places / 2 },
    }
}

impl Share {
    fn has_room(self, limit: Self, for_flight: bool) -> bool {
        self.places < limit.places && (!for_flight || self.flights < limit.flights)
    }

    fn take(&mut self, with_flight: bool) {
        self.places += 1;
        self.flights += usize::from(with_flight);
    }
}

impl Shares {
    pub(super) fn new(key: HashKey) -> Self {
        Self { by_member: HashMap::with_hasher(key), all: Share::default() }
    }

    /// Takes a place to wait, and one for a flight if it needs one.
    ///
    /// # Errors
    ///
    /// [`Full`] if there is none left, in all or for this client.
    pub(super) fn take(&mut self, member: Member, with_flight: bool) -> Result<(), Full> {
        let share = self.by_member.get(&member).copied().unwrap_or_default();
        if !self.all.has_room(MAX, with_flight) || !share.has_room(limit(member), with_flight) {
            return Err(Full);
        }
        self.all.take(with_flight);
        self.by_member.entry(member).or_default().take(with_flight);
        Ok(())
    }

    pub(super) fn give_back_flight(&mut self, member: Member) {
        self.all.flights -= 1;
        self.give_back(member, |share| share.flights -= 1);
    }

    pub(super) fn give_back_place(&mut self, member: Member) {
        self.all.places -= 1;
        self.give_back(member, |share| share.places -= 1);
    }

    /// INVARIANT: only what was taken is given back, so nothing wraps.
    fn give_back(&mut self, member: Member, part: impl FnOnce(&mut Share)) {
        if let Some(share) = self.by_member.get_mut(&member) {
            part(share);
            if share.flights == 0 && share.places == 0 {
                self.by_member.remove(&member);
            }
        }
    }
}

/// The most of all clients together. A flight has up to a dozen sockets, mostly
/// one; who waits costs some 200 bytes.
const MAX: Share = Share { flights: 4096, places: 32_768 };
