//! Retry storms: how long a negative answer holds for a client that asks on
//! and on.
//!
//! A program that cannot reach its server often asks for its name again at
//! once, and so on until the battery is empty. Each time it does so too often
//! the answer is made to hold twice as long. When it calms down, all is as before.

use std::net::IpAddr;
use std::time::Duration;

use crate::core::flow::Client;
use crate::core::time::Instant;

/// How one client, the one that asks most, asks for one name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hammer {
    who: Who,
    /// Questions of `who` in this window.
    count: u8,
    /// How often the time to live was doubled.
    level: u8,
    /// When this window began.
    began: Instant,
    /// When `who` asked last.
    last: Instant,
}

/// A client, as far as storms are told apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Who {
    /// A program of this host, by its user.
    Host(Option<u32>),
    /// A device.
    Device(IpAddr),
}

impl From<&Client> for Who {
    fn from(client: &Client) -> Self {
        match client {
            Client::Host(owner) => Self::Host(owner.as_ref().and_then(|owner| owner.uid)),
            Client::Device(address) => Self::Device(*address),
        }
    }
}

impl Hammer {
    /// At the first question.
    pub(super) fn new(now: Instant, who: Who) -> Self {
        Self { who, count: 0, level: 0, began: now, last: now }
    }

    /// Counts a question, and tells how many seconds its answer may be kept.
    pub(super) fn strike(&mut self, now: Instant, who: Who) -> u32 {
        let kept = Duration::from_secs(self.ttl().into());
        if now.since(self.last) > kept + CALM {
            *self = Self::new(now, who);
        }
        if who != self.who && !self.give_way(now, who) {
            return TTL;
        }
        if now.since(self.began) > WINDOW {
            (self.count, self.began) = (0, now);
        }
        self.last = now;
        self.count += 1;
        if self.count > PATIENCE {
            (self.count, self.began) = (0, now);
            self.level = (self.level + 1).min(MAX_LEVEL);
        }
        self.ttl()
    }

    /// Another client asks: the one that asks most is the one to watch.
    fn give_way(&mut self, now: Instant, who: Who) -> bool {
        self.count = self.count.saturating_sub(1);
        let gives_way = self.count == 0 && self.level == 0;
        if gives_way {
            *self = Self::new(now, who);
        }
        gives_way
    }

    fn ttl(&self) -> u32 {
        (TTL << self.level).min(MAX_TTL)
    }
}

/// Seconds that an answer of ours holds: short, so that an `allow` takes effect
/// soon after it is given.
pub(super) const TTL: u32 = 10;

/// Seconds that it holds at most.
pub(super) const MAX_TTL: u32 = 300;

/// Doublings from [`TTL`] to [`MAX_TTL`].
const MAX_LEVEL: u8 = 5;

/// Questions in a [`WINDOW`] that are no storm: a browser asks three times (A,
/// AAAA, HTTPS) when it tries to connect, and keeps the answers.
const PATIENCE: u8 = 12;
const WINDOW: Duration = Duration::from_secs(30);

/// Silence, after the last answer has run out, that ends a storm.
const CALM: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    const APP: Who = Who::Host(Some(1000));

    fn second(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn a_storm_makes_answers_hold_for_300_seconds_and_calm_for_10() {
        let mut hammer = Hammer::new(second(0), APP);
        let held: Vec<u32> = (0..120).map(|at| hammer.strike(second(at), APP)).collect();
        assert_eq!(held[0], 10);
        assert!(held.is_sorted(), "{held:?}");
        assert_eq!(held[119], 300);
        assert_eq!(hammer.strike(second(120 + 300), APP), 300);
        assert_eq!(hammer.strike(second(120 + 300 + 331), APP), 10);
    }

    #[test]
    fn a_browser_that_tries_each_minute_is_no_storm() {
        let mut hammer = Hammer::new(second(0), APP);
        for minute in 0..60 {
            for _type in 0..3 {
                assert_eq!(hammer.strike(second(minute * 60), APP), 10);
            }
        }
    }

    #[test]
    fn a_thousand_calm_clients_are_no_storm() {
        let mut hammer = Hammer::new(second(0), APP);
        for client in 0..1000_u32 {
            let who = Who::Device(IpAddr::V4(client.into()));
            assert_eq!(hammer.strike(second(u64::from(client) / 100), who), 10);
        }
    }

    #[test]
    fn one_storm_among_others_is_found_and_only_it_is_slowed() {
        let mut hammer = Hammer::new(second(0), APP);
        let mut held = 0;
        for at in 0..200 {
            held = hammer.strike(second(at), APP);
            let other = Who::Device(IpAddr::from([192, 0, 2, u8::try_from(at).unwrap()]));
            if at % 3 == 0 {
                assert_eq!(hammer.strike(second(at), other), 10);
            }
        }
        assert_eq!(held, 300);
    }
}
