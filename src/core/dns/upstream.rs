//! Upstreams: which there are, which answer, and whom to ask.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::Asker;
use crate::core::flow::Client;
use crate::core::time::Instant;

/// Whom a question may be put to.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Route {
    /// Any upstream.
    Any,
    /// Any that is not on this host. What a resolver on this host asks comes
    /// back to us; if we put it to that same resolver it would go round for ever.
    Away,
    /// The resolver that the client meant to ask.
    Asked(SocketAddr),
}

/// The upstreams, best first.
#[derive(Debug, Default)]
pub(super) struct Upstreams {
    list: Vec<Upstream>,
    own: Vec<IpAddr>,
}

#[derive(Debug)]
struct Upstream {
    address: SocketAddr,
    is_own: bool,
    /// Times in a row that it was waited for in vain.
    missed: u8,
    /// While it is down: when to try it again, and how long to wait after that.
    down: Option<(Instant, Duration)>,
    /// Whether it knows EDNS, as far as it showed.
    edns: bool,
    /// Answers that were right but for the case of their letters.
    mangled: u8,
}

impl Upstreams {
    /// Replaces the list. What was known of an upstream's ways stays, but each
    /// is taken to answer: the list is set when the network changes.
    pub(super) fn set(&mut self, addresses: &[SocketAddr]) {
        let mut list: Vec<Upstream> = Vec::with_capacity(addresses.len());
        for &address in addresses {
            if list.len() < MAX_UPSTREAMS && list.iter().all(|known| known.address != address) {
                let old = self.list.iter().find(|old| old.address == address);
                list.push(Upstream {
                    address,
                    is_own: is_own(&self.own, address.ip()),
                    missed: 0,
                    down: None,
                    edns: old.is_none_or(|old| old.edns),
                    mangled: old.map_or(0, |old| old.mangled),
                });
            }
        }
        self.list = list;
    }

    /// Sets the addresses of this host.
    pub(super) fn set_own(&mut self, addresses: &[IpAddr]) {
        self.own = addresses.to_vec();
        for upstream in &mut self.list {
            upstream.is_own = is_own(&self.own, upstream.address.ip());
        }
    }

    /// Finds whom to put a client's question to; `None` if there is nobody.
    /// `is_ours` tells which addresses are answered by us.
    pub(super) fn route(&self, asker: &Asker, is_ours: impl Fn(IpAddr) -> bool) -> Option<Route> {
        let from_here = matches!(asker.client, Client::Host(_));
        let any_own = self.list.iter().any(|upstream| upstream.is_own);
        let any_away = self.list.iter().any(|upstream| !upstream.is_own);
        match (from_here && any_own, any_away) {
            (false, _) if any_own || any_away => Some(Route::Any),
            (true, true) => Some(Route::Away),
            _ => self.step(asker, is_ours),
        }
    }

    /// Whom the client meant to ask, unless that is us: where one that resolves
    /// by itself wants its question to go.
    pub(super) fn step(&self, asker: &Asker, is_ours: impl Fn(IpAddr) -> bool) -> Option<Route> {
        let resolver = asker.resolver;
        let may_ask = !is_ours(resolver.ip()) && !is_own(&self.own, resolver.ip());
        may_ask.then_some(Route::Asked(resolver))
    }

    /// The next upstream for a question that was put to those of `tried`
    /// already: the best of those asked least.
    pub(super) fn next(&self, route: Route, tried: &[SocketAddr]) -> Option<SocketAddr> {
        let times = |address: SocketAddr| tried.iter().filter(|tried| **tried == address).count();
        if let Route::Asked(address) = route {
            return Some(address);
        }
        let usable = self.list.iter().filter(|one| route == Route::Any || !one.is_own);
        let best = usable.min_by_key(|one| (times(one.address), one.down.is_some()))?;
        Some(best.address)
    }

    /// An upstream that is down and whose time has come to be tried again,
    /// beside the one that is asked.
    pub(super) fn probe(&mut self, now: Instant, route: Route) -> Option<SocketAddr> {
        let usable = self.list.iter_mut().filter(|one| match route {
            Route::Any => true,
            Route::Away => !one.is_own,
            Route::Asked(_) => false,
        });
        for upstream in usable {
            if let Some((again, pause)) = &mut upstream.down
                && *again <= now
            {
                *pause = (*pause * 2).min(MAX_PAUSE);
                *again = now + *pause;
                return Some(upstream.address);
            }
        }
        None
    }

    /// It answered, whatever it said.
    pub(super) fn answered(&mut self, address: SocketAddr) {
        if let Some(upstream) = self.find(address) {
            (upstream.missed, upstream.down) = (0, None);
        }
    }

    /// It was waited for in vain.
    pub(super) fn missed(&mut self, now: Instant, address: SocketAddr) {
        if let Some(upstream) = self.find(address) {
            upstream.missed = upstream.missed.saturating_add(1);
            if upstream.missed >= MAX_MISSED {
                upstream.down.get_or_insert((now + MIN_PAUSE, MIN_PAUSE));
            }
        }
    }

    /// It cannot be reached.
    pub(super) fn failed(&mut self, now: Instant, address: SocketAddr) {
        if let Some(upstream) = self.find(address) {
            upstream.down.get_or_insert((now + MIN_PAUSE, MIN_PAUSE));
        }
    }

    /// It does not know EDNS.
    pub(super) fn without_edns(&mut self, address: SocketAddr) {
        if let Some(upstream) = self.find(address) {
            upstream.edns = false;
        }
    }

    /// It does not keep the case of letters.
    pub(super) fn mangled(&mut self, address: SocketAddr) {
        if let Some(upstream) = self.find(address) {
            upstream.mangled = upstream.mangled.saturating_add(1);
        }
    }

    /// Whether to send it an OPT record.
    pub(super) fn knows_edns(&self, address: SocketAddr) -> bool {
        self.list.iter().find(|one| one.address == address).is_none_or(|one| one.edns)
    }

    /// Whether it can be trusted to keep the case of letters.
    pub(super) fn keeps_case(&self, address: SocketAddr) -> bool {
        let known = self.list.iter().find(|one| one.address == address);
        known.is_none_or(|one| one.mangled < MAX_MANGLED)
    }

    /// Whether it is on the list.
    pub(super) fn contains(&self, address: SocketAddr) -> bool {
        self.list.iter().any(|one| one.address == address)
    }

    /// Each with whether it answers.
    pub(super) fn health(&self) -> Vec<(SocketAddr, bool)> {
        self.list.iter().map(|one| (one.address, one.down.is_none())).collect()
    }

    fn find(&mut self, address: SocketAddr) -> Option<&mut Upstream> {
        self.list.iter_mut().find(|one| one.address == address)
    }
}

fn is_own(own: &[IpAddr], address: IpAddr) -> bool {
    address.is_loopback() || address.is_unspecified() || own.contains(&address)
}

/// Most upstreams to keep: no system has more, and each question looks at all.
const MAX_UPSTREAMS: usize = 16;

/// Answers missed in a row that make an upstream one to ask last. One or two
/// are lost on a bad link.
const MAX_MISSED: u8 = 3;

/// Pauses before an upstream that is down is tried again, beside another.
const MIN_PAUSE: Duration = Duration::from_secs(5);
const MAX_PAUSE: Duration = Duration::from_mins(1);

/// Answers in the wrong case after which an upstream is asked in lower case. A
/// forger who can make these has guessed port and id and needs no more.
const MAX_MANGLED: u8 = 3;
