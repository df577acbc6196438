//! A link between the router and the Internet that does what netem(8) does where
//! there is one: it loses, swaps and delays, is narrower than its neighbours, and
//! counts as a hop.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};

use super::packet::{icmp, seal_v4};
use super::tap::{self, HEAD, Tap};

/// How a link behaves. The default is one that does nothing.
#[derive(Clone, Copy, Default)]
pub(crate) struct Link {
    /// Of a thousand packets so many are lost, each way.
    pub(crate) loss: u32,
    /// Of a thousand packets so many come later than up to seven that follow them.
    pub(crate) swapped: u32,
    /// Longest packet that goes through; zero is any. Others are answered by ICMP.
    pub(crate) mtu: usize,
    /// It is a router: it counts hops down, and says so where they end.
    pub(crate) hop: bool,
    /// What chance begins with.
    pub(crate) seed: u64,
}

/// A link that carries packets until the value goes.
pub(crate) struct Carried {
    stop: Arc<AtomicBool>,
    told: Arc<Told>,
}

/// What a link did.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) carried: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) swapped: AtomicU64,
    pub(crate) narrow: AtomicU64,
}

impl Link {
    /// Carries packets between two cards.
    pub(super) fn carry(self, home: Tap, world: Tap) -> Carried {
        let (home, world) = (Arc::new(home), Arc::new(world));
        let (stop, told) = (Arc::new(AtomicBool::new(false)), Arc::new(Told::default()));
        for (seed, from, to) in [(0, &home, &world), (1, &world, &home)] {
            let way = Way {
                link: self,
                from: from.clone(),
                to: to.clone(),
                chance: rand::rngs::StdRng::seed_from_u64(self.seed * 2 + seed),
                late: Vec::new(),
                told: told.clone(),
            };
            let stop = stop.clone();
            thread::spawn(move || way.run(&stop));
        }
        Carried { stop, told }
    }
}

impl Carried {
    /// What it did so far.
    pub(crate) fn told(&self) -> &Told {
        &self.told
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// One direction of a link.
struct Way {
    link: Link,
    from: Arc<Tap>,
    to: Arc<Tap>,
    chance: rand::rngs::StdRng,
    /// Frames that come late, and after how many others.
    late: Vec<(u32, Vec<u8>)>,
    told: Arc<Told>,
}

impl Way {
    fn run(mut self, stop: &AtomicBool) {
        let mut frame = vec![0; 2048];
        while !stop.load(Ordering::Relaxed) {
            let wait = if self.late.is_empty() { IDLE } else { LATE };
            match self.from.receive_into(&mut frame, wait) {
                Some(length) => self.pass(&mut frame[..length]),
                None => self.release(u32::MAX),
            }
        }
    }

    fn pass(&mut self, frame: &mut [u8]) {
        // Whom neighbours look for is not what a link is judged by (RFC 4861 §3.1: 255).
        if tap::packet(frame).is_none_or(|packet| packet[0] >> 4 == 6 && packet[7] == 255) {
            return self.to.send(frame);
        }
        if let Some(answer) = self.refusal(frame) {
            self.told.narrow.fetch_add(1, Ordering::Relaxed);
            return self.from.send(&answer);
        }
        if self.chance.random_range(0..1000) < self.link.loss {
            self.told.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if self.chance.random_range(0..1000) < self.link.swapped {
            self.told.swapped.fetch_add(1, Ordering::Relaxed);
            let after = self.chance.random_range(1..8);
            return self.late.push((after, frame.to_vec()));
        }
        self.to.send(frame);
        self.told.carried.fetch_add(1, Ordering::Relaxed);
        self.release(1);
    }

    /// So many frames went by: sends what waited for them.
    fn release(&mut self, by: u32) {
        for (left, _) in &mut self.late {
            *left = left.saturating_sub(by);
        }
        for (_, frame) in self.late.extract_if(.., |(left, _)| *left == 0) {
            self.to.send(&frame);
            self.told.carried.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The frame that goes back instead, if the packet cannot go on.
    fn refusal(&self, frame: &mut [u8]) -> Option<Vec<u8>> {
        let (head, packet) = frame.split_at_mut(HEAD);
        let v4 = packet[0] >> 4 == 4;
        let router: IpAddr = if v4 { HOP_V4.into() } else { HOP_V6.into() };
        let ttl = if v4 { 8 } else { 7 };
        let message = if self.link.hop && packet[ttl] == 1 {
            icmp(router, packet, if v4 { (11, 0) } else { (3, 0) }, 0)?
        } else if self.link.mtu != 0 && packet.len() > self.link.mtu {
            let mtu = u32::try_from(self.link.mtu).expect("at most 64 KiB");
            icmp(router, packet, if v4 { (3, 4) } else { (2, 0) }, mtu)?
        } else {
            if self.link.hop {
                packet[ttl] -= 1;
                if v4 {
                    let length = usize::from(packet[0] & 15) * 4;
                    seal_v4(&mut packet[..length]);
                }
            }
            return None;
        };
        let (to, from) = (head[..6].try_into().ok()?, head[6..12].try_into().ok()?);
        Some(tap::frame(from, to, &message))
    }
}

/// The link, where it is a router.
pub(crate) const HOP_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 254);
pub(crate) const HOP_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 0xfe);

/// How often to see whether the link is still wanted.
const IDLE: Duration = Duration::from_millis(100);

/// Longest that a late frame waits for others.
const LATE: Duration = Duration::from_millis(2);
