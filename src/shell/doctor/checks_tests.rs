//! Every judgement by table: one fact changed in a system that is in order.

use std::time::Duration;

use super::*;
use crate::core::flow::Protocol;
use crate::request::{Counters, FlowsLine, ListLine, UpstreamLine};
use crate::shell::doctor::facts::{Clock, Link, Probe};
use crate::shell::doctor::sockets::Flow;

const NOW: i64 = BUILT + 40 * DAY;

fn status() -> Status {
    Status {
        version: "0.1.0".into(),
        state: "on".into(),
        paused_until: None,
        capture: "selective".into(),
        fail_policy: "open".into(),
        mode: Mode::Enforce,
        block_answer: "sinkhole".into(),
        device: "optout0".into(),
        started: NOW,
        upstreams: vec![UpstreamLine {
            address: "192.0.2.53:53".into(),
            source: "/etc/resolv.conf".into(),
            answering: true,
        }],
        lists: vec![ListLine {
            name: "hosts".into(),
            format: "hosts".into(),
            rules: 5,
            ignored: 0,
            changed: Some(NOW - DAY),
            mode: Mode::Enforce,
            more: None,
        }],
        counters: Counters::default(),
        flows: FlowsLine::default(),
        problems: Vec::new(),
    }
}

fn rule(family: Family, priority: u32) -> PolicyRule {
    PolicyRule {
        family,
        priority,
        table: Some(52),
        mark: None,
        inverted: false,
        protocol: None,
        ports: None,
        from: None,
        to: None,
        iif: None,
        oif: None,
        users: false,
        suppress: None,
        origin: 4, // RTPROT_STATIC
    }
}

fn ours(family: Family) -> PolicyRule {
    let (mark, ports) = (Some((0, Ours::default().mark)), Some((53, 53)));
    PolicyRule { origin: ORIGIN, mark, ports, protocol: Some(UDP), ..rule(family, 5300) }
}

/// A system in order.
fn sound() -> Facts {
    let (v4, v6) = (Family::V4, Family::V6);
    let local = PolicyRule { table: Some(LOCAL), ..rule(v4, 0) };
    let main = PolicyRule { table: Some(MAIN), ..rule(v4, 32766) };
    Facts {
        tun: Tun::Usable,
        net_admin: true,
        daemon: Reached::Running(status().into()),
        ours: Ours::default(),
        rules: Some(vec![local, ours(v4), ours(v6), main]),
        default_routes: vec![(v4, MAIN), (v6, MAIN)],
        uplinks: vec!["eth0".into()],
        tunnels: vec![Link { name: "optout0".into(), kind: "tun".into() }],
        probes: vec![Probe {
            address: "192.0.2.53:53".into(),
            answer: Ok(Duration::from_millis(7)),
        }],
        flows: Vec::new(),
        resolver_use: Some(ResolverUse::default()),
        android: None,
        clock: Clock { now: NOW, synchronised: Some(true) },
    }
}

/// The findings that are not in order.
fn findings(facts: &Facts) -> Vec<Check> {
    examine(facts).into_iter().filter(|check| check.state != State::Ok).collect()
}

#[test]
fn a_sound_system_has_no_findings() {
    assert_eq!(findings(&sound()), []);
    assert!(examine(&sound()).len() >= 10);
}

/// One row, one test: what is changed, and the one finding of it.
macro_rules! finds {
    ($($name:ident: $change:expr => $check:literal $state:ident $said:literal;)*) => {
        $(#[test] fn $name() {
            let mut facts = sound();
            let change: fn(&mut Facts) = $change;
            change(&mut facts);
            let found = findings(&facts);
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!((found[0].name, found[0].state), ($check, State::$state), "{found:?}");
            assert!(found[0].said.contains($said), "{found:?}");
            let fix = found[0].fix.as_deref().unwrap_or("");
            assert!(!fix.is_empty() && !fix.contains('\n') && !fix.contains("  "), "{fix:?}");
        })*
    };
}

fn with_status(facts: &mut Facts, change: fn(&mut Status)) {
    if let Reached::Running(status) = &mut facts.daemon {
        change(status);
    }
}

fn with_rule(facts: &mut Facts, rule: PolicyRule) {
    facts.default_routes.extend([(Family::V4, 52), (Family::V6, 52)]);
    facts.rules.as_mut().expect("sound").push(rule);
}

fn stop(facts: &mut Facts) {
    facts.daemon = Reached::NotRunning;
    facts.rules.as_mut().expect("sound").retain(|rule| rule.origin != ORIGIN);
}

finds! {
    switched_off: |it| with_status(it, |status| status.state = "off".into())
        => "switch" Warning "is off";
    paused: |it| with_status(it, |status| status.state = "paused".into())
        => "switch" Warning "paused";
    only_watching: |it| with_status(it, |status| status.mode = Mode::Watch)
        => "switch" Warning "mode is watch";
    not_running: stop => "daemon" Problem "not running";
    not_to_be_asked: |it| it.daemon = Reached::Unasked("no permission".into())
        => "daemon" Problem "no permission";
    the_daemons_own_problem: |it| with_status(it, |status| status.problems = vec!["disk full; free some".into()])
        => "status" Problem "disk full";
    no_rules_though_on: |it| it.rules.as_mut().expect("sound").retain(|rule| rule.priority != 5300 || rule.family == Family::V6)
        => "capture" Problem "no rule sends";
    ipv6_uncovered: |it| it.rules.as_mut().expect("sound").retain(|rule| rule.family == Family::V4)
        => "ipv6" Problem "IPv6 leads out";
    rules_unreadable: |it| it.rules = None => "capture" Warning "cannot be read";
    a_rule_that_takes_all: |it| with_rule(it, rule(Family::V4, 100))
        => "routing rules" Problem "rule 100 comes before optout's and takes all";
    a_rule_that_takes_all_of_ipv6: |it| with_rule(it, rule(Family::V6, 100))
        => "routing rules" Problem "takes all";
    a_rule_that_takes_port_53: |it| with_rule(it, PolicyRule { ports: Some((50, 60)), protocol: Some(UDP), ..rule(Family::V4, 100) })
        => "routing rules" Problem "takes all";
    a_vpn_that_takes_all_but_its_own: |it| with_rule(it, PolicyRule { mark: Some((0xca6c, u32::MAX)), inverted: true, ..rule(Family::V4, 100) })
        => "routing rules" Problem "takes all";
    a_rule_for_one_network: |it| with_rule(it, PolicyRule { from: Some("192.0.2.0/24".into()), ..rule(Family::V4, 100) })
        => "routing rules" Warning "from 192.0.2.0/24";
    mwan3: |it| with_rule(it, PolicyRule { mark: Some((0x100, 0x3f00)), ..rule(Family::V4, 2001) })
        => "routing rules" Warning "marked 0x100/0x3f00";
    tailscale: |it| { with_rule(it, rule(Family::V4, 5270)); it.default_routes.retain(|route| route.1 == MAIN); }
        => "routing rules" Warning "to what is in table 52";
    a_mark_like_ours: |it| with_rule(it, PolicyRule { mark: Some((0x0300_0000, 0x0f00_0000)), ..rule(Family::V4, 9000) })
        => "marks" Problem "0x3000000/0xf000000";
    a_rule_to_our_table: |it| with_rule(it, PolicyRule { table: Some(5354), ..rule(Family::V4, 9000) })
        => "routing tables" Problem "rule 9000 of another program leads to table 5354";
    no_upstream: |it| it.probes.clear() => "upstreams" Problem "no upstream";
    a_silent_upstream: |it| it.probes[0].answer = Err("no answer in 2 s".into())
        => "upstreams" Problem "192.0.2.53:53: no answer";
    one_silent_upstream_of_two: |it| it.probes.push(Probe { address: "192.0.2.54:53".into(), answer: Err("no answer".into()) })
        => "upstreams" Warning "192.0.2.54:53";
    an_upstream_deaf_to_the_daemon: |it| with_status(it, |status| status.upstreams[0].answering = false)
        => "upstreams" Warning "not the daemon";
    a_bypass: |it| it.flows = (0..5).map(flow).collect()
        => "bypass" Warning "uid 0 to 192.0.2.1:853, uid 1 to 192.0.2.1:853, uid 2 to 192.0.2.1:853 and 2 more";
    a_stale_list: |it| with_status(it, |status| status.lists[0].changed = Some(NOW - 15 * DAY))
        => "lists" Warning "15 days old";
    no_rules_at_all: |it| with_status(it, |status| status.lists.clear())
        => "lists" Problem "not one rule";
    a_clock_of_1970: |it| { it.clock.now = 86_400; with_status(it, |status| status.lists[0].changed = None); }
        => "clock" Problem "before the day";
    a_clock_that_drifts: |it| it.clock.synchronised = Some(false)
        => "clock" Warning "not synchronised";
}

fn flow(uid: u32) -> Flow {
    let resolver = "192.0.2.1:853".parse().unwrap();
    Flow { protocol: Protocol::Tcp, resolver, who: format!("uid {uid}") }
}

/// One row, one test: a change that is no finding.
macro_rules! finds_nothing {
    ($($name:ident: $change:expr;)*) => {
        $(#[test] fn $name() {
            let mut facts = sound();
            let change: fn(&mut Facts) = $change;
            change(&mut facts);
            assert_eq!(findings(&facts), []);
        })*
    };
}

finds_nothing! {
    a_vpn_behind_us: |it| with_rule(it, rule(Family::V4, 32765));
    wg_quick_before_us: |it| with_rule(it, PolicyRule { table: Some(MAIN), suppress: Some(0), ..rule(Family::V4, 100) });
    a_rule_for_another_port: |it| with_rule(it, PolicyRule { ports: Some((443, 443)), ..rule(Family::V4, 100) });
    a_rule_for_another_protocol: |it| with_rule(it, PolicyRule { protocol: Some(47), ..rule(Family::V4, 100) });
    a_rule_for_one_destination: |it| with_rule(it, PolicyRule { to: Some("192.0.2.0/24".into()), ..rule(Family::V4, 100) });
    a_rule_for_what_comes_from_outside: |it| with_rule(it, PolicyRule { iif: Some("eth0".into()), ..rule(Family::V4, 100) });
    tailscales_own_traffic: |it| { with_rule(it, PolicyRule { mark: Some((0x80000, 0xff_0000)), table: Some(253), ..rule(Family::V4, 5230) }); };
    another_tunnel_that_is_up: |it| it.tunnels.push(Link { name: "wg0".into(), kind: "wireguard".into() });
    no_ipv6_at_all: |it| { it.rules.as_mut().expect("sound").retain(|rule| rule.family == Family::V4); it.default_routes.truncate(1); };
    no_rights_but_a_daemon: |it| { it.net_admin = false; it.tun = Tun::Denied; };
    a_list_without_a_date: |it| with_status(it, |status| status.lists[0].changed = None);
    dot_to_our_own_upstream: |it| { it.flows = vec![flow(0)]; it.probes[0].address = "192.0.2.1:853".into(); };
}

#[test]
fn our_mark_is_that_in_force_or_else_that_of_the_configuration() {
    let told = Ours { mark: 0x40, ..Ours::default() };
    assert_eq!(our_mark(&[], &told), 0x40);
    let steers = PolicyRule { mark: Some((0x20, 0x30)), ..ours(Family::V4) };
    let excepts = PolicyRule { mark: Some((0, 0x10)), ..ours(Family::V4) };
    assert_eq!(our_mark(&[steers, excepts], &told), 0x10);
}

#[test]
fn without_a_daemon_missing_rights_and_drivers_are_findings() {
    for (tun, net_admin, want) in [
        (Tun::Usable, true, vec!["daemon"]),
        (Tun::Missing, true, vec!["tun", "daemon"]),
        (Tun::Denied, false, vec!["tun", "capability", "daemon"]),
        (Tun::Failed("odd".into()), true, vec!["tun", "daemon"]),
    ] {
        let mut facts = sound();
        stop(&mut facts);
        (facts.tun, facts.net_admin) = (tun, net_admin);
        let names: Vec<_> = findings(&facts).iter().map(|check| check.name).collect();
        assert_eq!(names, want);
    }
}

#[test]
fn rules_that_a_dead_daemon_left_are_a_finding() {
    let mut facts = sound();
    facts.daemon = Reached::NotRunning;
    let found = findings(&facts);
    assert!(found.iter().any(|check| check.said.contains("questions go nowhere")), "{found:?}");
}
