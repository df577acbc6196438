//! Which flows are looked into, and whether this host lets us put them back.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::led::Led;
use super::{Daemon, clock};
use crate::config::Capture;
use crate::core::engine::Input;
use crate::core::flow::{FiveTuple, Protocol};
use crate::core::wire::udp;
use crate::request::SetLine;
use crate::shell::nft::flows::{FAR_V4, FAR_V6, Fill, TEST_PORT};
use crate::shell::nft::{self, offload};
use crate::shell::put_back::Sent;
use crate::shell::route::{FlowPlan, Scope, Surroundings};
use crate::shell::tun::{Tun, second};

impl Daemon {
    /// Which flows are to be looked into, by the user's last word.
    pub(super) fn capture(&self) -> Capture {
        self.state.capture.unwrap_or(self.config.capture)
    }

    /// Changes which flows are looked into; `None`: as the configuration says. A
    /// word for the user.
    pub(super) fn set_capture(&mut self, capture: Option<Capture>) -> String {
        self.change_state(|state| state.capture = capture);
        let now = self.capture();
        if !self.wants_capture() {
            let word = self.state_word();
            return format!("Capture will be {now}; optout is {word} just now.");
        }
        let problems = self.follow_capture();
        let what = match now {
            Capture::Full => "Capture is full: every flow is looked into until its host is known.",
            Capture::Selective => "Capture is selective: questions and blocked addresses alone.",
        };
        let said: Vec<_> = std::iter::once(what.to_owned()).chain(problems).collect();
        said.join(" But ")
    }

    /// Makes the kernel lead those flows to us that are wanted now. What passed goes
    /// on; what is not wanted any more is let go. What is not as it should be.
    pub(super) fn follow_capture(&mut self) -> Vec<String> {
        if !self.wants_capture() {
            self.problems.set("flows", None);
            return Vec::new();
        }
        let flows = self.flow_plan();
        let Some(led) = self.network.led() else { return self.no_flows() };
        let less = led.scope() == Scope::All && flows.scope != Scope::All;
        if less {
            self.release();
        }
        let Some(led) = self.network.led() else { return Vec::new() };
        let mut problems = led.capture_flows(&flows);
        let come = led.routes.brings_hellos();
        self.engine.handle(clock::now(), Input::HellosComeBack(come));
        if less {
            self.release();
        }
        if let (Scope::All, Some(what)) = (flows.scope, offload::offloads()) {
            problems.push(format!(
                "flows go past optout before their host is known: this machine offloads them \
                 ({what}); switch flow offloading off (OpenWrt: Network, Firewall), or use \
                 `optout capture selective`"
            ));
        }
        if flows.scope != Scope::All {
            // Nobody asked for it by name.
            problems.drain(..).for_each(|why| log::info!("DNS over TLS is not refused: {why}"));
        }
        self.problems.set("flows", problems.clone());
        problems
    }

    /// Lets everything go that is held or waits in the device.
    pub(super) fn release(&mut self) {
        for _ in 0..MOST_BURSTS {
            let more = self.take_packets() | self.take_flows();
            self.engine.handle(clock::now(), Input::Release);
            self.perform();
            if !more {
                return;
            }
        }
    }

    /// Which of the kernel's sets are full.
    pub(super) fn full_sets(sets: &[SetLine]) -> impl Iterator<Item = String> {
        let full = sets.iter().filter(|set| set.used.is_some_and(|used| used >= set.size));
        full.map(|set| {
            format!(
                "{} holds its {} flows that passed and no more, so the rest are slower; set \
                 `flows` in [full] higher",
                set.name, set.size
            )
        })
    }

    /// The kernel's sets of flows that passed.
    pub(super) fn set_lines(&mut self) -> Vec<SetLine> {
        let fill = self.network.led().map(|led| led.routes.flows_fill()).unwrap_or_default();
        let line = |fill: Fill| SetLine {
            name: fill.name.into(),
            used: fill.used,
            size: fill.size.into(),
        };
        fill.into_iter().map(line).collect()
    }

    fn flow_plan(&self) -> FlowPlan {
        let full = &self.config.full;
        let size = full.flows;
        let (v4, v6) = (self.config.sinkhole_v4, self.config.sinkhole_v6);
        // What goes to a sinkhole comes to us by its address.
        let of = |addresses: &[_]| addresses.iter().copied().chain([v4, v6]).collect();
        match self.capture() {
            Capture::Full => FlowPlan {
                scope: Scope::All,
                size,
                ports: full.exclude_ports.clone(),
                clients: full.exclude_clients.clone(),
                addresses: of(&full.exclude_addresses),
                users: full.exclude_users.clone(),
            },
            Capture::Selective => {
                let refuse = self.config.refuse_opportunistic_dot;
                let scope = if refuse { Scope::Dot } else { Scope::Nothing };
                FlowPlan { scope, size, addresses: of(&[]), ..FlowPlan::default() }
            }
        }
    }
}

impl Led {
    /// Which flows are led to us.
    fn scope(&self) -> Scope {
        self.routes.flows().map_or(Scope::Nothing, |flows| flows.scope)
    }

    /// Leads these flows to us, as far as what we put back goes on; why not, with
    /// the remedy, where it does not.
    fn capture_flows(&mut self, flows: &FlowPlan) -> Vec<String> {
        if flows.scope == Scope::All && !nft::is_there() {
            return self.capture_by_rules(flows);
        }
        self.by_rules_around = None;
        match self.try_capture_flows(flows) {
            Ok(problems) => problems,
            Err(error) => vec![format!(
                "flows are not looked into: {error}; nftables and Linux 5.12 or newer are needed"
            )],
        }
    }

    fn try_capture_flows(&mut self, flows: &FlowPlan) -> Result<Vec<String>, String> {
        let said = |error: &dyn std::fmt::Display| error.to_string();
        if flows.scope == Scope::Nothing {
            return self.routes.drop_flows().map(|()| Vec::new()).map_err(|error| said(&error));
        }
        if self.passing.is_none() && self.offload.is_none() {
            let passing = Tun::open(&second(self.tun.name())).map_err(|error| said(&error))?;
            self.routes.add_passing(passing.index()).map_err(|error| said(&error))?;
            (self.ends.device, self.ends.passing) = (self.tun.index(), passing.index());
            self.passing = Some(passing);
        }
        if self.scope() == Scope::Nothing {
            // The ways must be there before anything is led to them.
            let none = FlowPlan { scope: Scope::Nothing, ..flows.clone() };
            self.routes.set_flows(&none, &self.ends).map_err(|error| said(&error))?;
        }
        let problems = self.test_ways();
        self.routes.set_flows(flows, &self.ends).map_err(|error| said(&error))?;
        self.tested = self.state_of_filter();
        Ok(problems)
    }

    /// Whether what a test found may not hold any more.
    pub(super) fn is_test_stale(&mut self) -> bool {
        match &self.by_rules_around {
            Some(around) if around != self.routes.surroundings() => true,
            Some(_) => self.routes.leads_by_rules() && self.routes.tracks(),
            None => self.routes.flows().is_some() && self.state_of_filter() != self.tested,
        }
    }

    fn state_of_filter(&mut self) -> Option<(u32, Surroundings)> {
        let generation = self.routes.filter_generation()?;
        Some((generation, self.routes.surroundings().clone()))
    }

    /// Sends packets by every way, which go no further than this host, and looks
    /// which of them came through; what is missing.
    fn test_ways(&mut self) -> Vec<String> {
        let around = self.routes.surroundings().clone();
        let own = &around.own_addresses;
        let mut tests = Vec::new();
        for (v6, forwards) in [(false, around.forwards_v4), (true, around.forwards_v6)] {
            let Some(source) = around.source(v6) else { continue };
            tests.push((Way::Host, self.test(source, Way::Host)));
            let near = |own: &&IpAddr| {
                own.is_ipv6() == v6
                    && around.client_prefixes.iter().any(|prefix| prefix.contains(**own))
                    && !is_link_local(**own)
            };
            for own in own.iter().filter(near).take(MOST_SOURCES) {
                if forwards {
                    let way = Way::Forwarded { v6 };
                    tests.push((way, self.test(neighbour(*own), way)));
                }
            }
        }
        let lost = self.lost(&tests);
        let can_send = self.put_back.can_send(around.has_v6);
        self.ends.host = can_send && !lost.contains(&Way::Host);
        let forwards = |v6, on| on && !lost.contains(&Way::Forwarded { v6 });
        self.ends.forwards_v4 = forwards(false, around.forwards_v4);
        self.ends.forwards_v6 = forwards(true, around.forwards_v6);
        let (first, second) = (self.tun.name(), second(self.tun.name()));
        let mut problems = Vec::new();
        if !can_send {
            problems.push(NO_RAW.into());
        } else if !self.ends.host {
            problems.push(format!(
                "flows of this machine are not looked into: its firewall drops what optout sends \
                 on for programs; let packets out that bear the mark {:#x}",
                self.plan.mark
            ));
        }
        for (v6, version) in [(false, "IPv4"), (true, "IPv6")] {
            if lost.contains(&Way::Forwarded { v6 }) {
                problems.push(format!(
                    "flows of devices are not looked into over {version}: the firewall does not \
                     forward what optout puts back; let it forward from {first} and {second} to the \
                     Internet, and from the devices to {first}"
                ));
            }
        }
        problems
    }

    /// Sends a datagram from there by a way, or by both devices; their numbers.
    fn test(&mut self, source: IpAddr, way: Way) -> Vec<u16> {
        let far: IpAddr = if source.is_ipv6() { FAR_V6.into() } else { FAR_V4.into() };
        let mut number = || {
            self.tests = self.tests.checked_add(1).unwrap_or(FIRST_TEST).max(FIRST_TEST);
            self.tests
        };
        let numbers = match way {
            Way::Host => vec![number()],
            Way::Forwarded { .. } => vec![number(), number()],
        };
        let mut packet = Vec::new();
        let devices = [Some(&self.tun), self.passing.as_ref()];
        for (&number, device) in numbers.iter().zip(devices) {
            let source = SocketAddr::new(source, number);
            let destination = SocketAddr::new(far, TEST_PORT);
            if udp::write(&mut packet, source, destination, b"optout").is_err() {
                continue;
            }
            match (way, device) {
                (Way::Host, _) => self.put_back.send(&packet, Sent::Undecided),
                (_, Some(device)) => self.put_back.forward(&packet, device),
                (_, None) => {}
            }
            // What passes is noted, and this is no flow.
            let flow = FiveTuple { protocol: Protocol::Udp, source, destination };
            if let Err(error) = self.routes.recall(&flow) {
                log::debug!("cannot forget a test: {error}");
            }
        }
        numbers
    }

    /// The ways of which a test did not come through.
    fn lost(&mut self, tests: &[(Way, Vec<u16>)]) -> Vec<Way> {
        let mut lost = Vec::new();
        for _ in 0..TRIES {
            let came = self.routes.flows_tested().unwrap_or_default();
            let arrived = |numbers: &Vec<u16>| numbers.iter().all(|number| came.contains(number));
            lost = tests.iter().filter(|(_, n)| !arrived(n)).map(|&(way, _)| way).collect();
            if lost.is_empty() {
                break;
            }
            std::thread::sleep(STEP);
        }
        if let Err(error) = self.routes.forget_tested() {
            log::debug!("cannot forget the tests: {error}");
        }
        lost
    }

    /// Puts a packet of a client back on its way.
    pub(super) fn put_back(&mut self, packet: &[u8], decided: bool, host: bool) {
        if host {
            let sent = if decided { Sent::Decided } else { Sent::Undecided };
            return self.put_back.send(packet, sent);
        }
        if let Some(device) = &self.offload {
            return self.put_back.forward_whole(packet, device);
        }
        let passing = self.passing.as_ref().filter(|_| self.routes.flows().is_some());
        match passing {
            Some(passing) => {
                self.put_back.forward(packet, if decided { passing } else { &self.tun });
            }
            // The rules of ours would lead it to us again, for ever.
            None if self.routes.is_capturing() => {}
            None => self.put_back.forward(packet, &self.tun),
        }
    }

    /// Hands a packet to the kernel that is for a client, or for a program here.
    pub(super) fn send(&mut self, packet: &[u8]) {
        if self.routes.flows().is_none() || !self.put_back.send_back(packet) {
            // What the kernel does not take is lost, as on any link.
            let _ = self.tun.try_send(packet);
        }
    }
}

/// How packets are put back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    /// From a socket, as this host's.
    Host,
    /// By the devices, as a client's.
    Forwarded { v6: bool },
}

/// An address beside our own, as a client would have it.
pub(super) fn neighbour(own: IpAddr) -> IpAddr {
    match own {
        IpAddr::V4(v4) => {
            let other = |bit: u32| std::net::Ipv4Addr::from_bits(v4.to_bits() ^ bit);
            let whole = matches!(other(0x40).octets(), [_, _, _, 0 | 255]);
            other(if whole { 0x20 } else { 0x40 }).into()
        }
        IpAddr::V6(v6) => std::net::Ipv6Addr::from_bits(v6.to_bits() ^ 0x4000).into(),
    }
}

pub(super) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

const NO_RAW: &str = "flows of this machine are not looked into: optout has no raw sockets; run it \
                      as root, or give the service CAP_NET_RAW beside CAP_NET_ADMIN \
                      (AmbientCapabilities)";

/// Clients are on few links. Each has the same rules of a firewall, or others.
const MOST_SOURCES: usize = 4;

/// A test that comes through is there when it was sent; the rest is grace.
const TRIES: usize = 5;
const STEP: Duration = Duration::from_millis(2);

/// Source ports of tests.
const FIRST_TEST: u16 = 1024;

/// Bursts of packets that are let go one after the other: more than the device holds.
const MOST_BURSTS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbour_is_neither_a_network_nor_a_broadcast() {
        for (own, want) in [
            ("192.0.2.1", "192.0.2.65"),
            ("192.0.2.64", "192.0.2.96"),
            ("192.0.2.191", "192.0.2.159"),
            ("2001:db8::1", "2001:db8::4001"),
        ] {
            assert_eq!(neighbour(own.parse().unwrap()), want.parse::<IpAddr>().unwrap(), "{own}");
        }
    }
}
