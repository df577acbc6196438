//! What becomes of datagrams on their way.

use super::*;
use crate::core::sniff::Spoken;
use crate::core::wire::quic::version::Version;
use crate::core::wire::quic::write::{Initial, put_crypto};

/// Both families, and from where to where.
const ENDS: [(&str, &str); 2] =
    [("192.0.2.7:50000", "203.0.113.4:443"), ("[2001:db8:7::7]:50000", "[2001:db8::4]:443")];

#[test]
fn an_allowed_hello_goes_on_as_it_came_and_is_watched_for_a_while() {
    for (from, to) in ENDS {
        let mut world = World::new();
        let first = datagram(from, to, &initial("open.example", b"chosen-1"));
        world.send(&first);
        assert_eq!(world.onward, [(first, false)]);
        for n in 0..20 {
            world.send(&datagram(from, to, &[0x40, n]));
        }
        assert_eq!((world.visits, world.server.datagrams.len()), (7, 21));
        let decided: Vec<_> = world.onward.iter().map(|(_, decided)| *decided).collect();
        assert_eq!(decided, [false, false, false, false, false, false, true]);
        let seen = world.last_seen();
        assert_eq!((seen.learnt, seen.spoken), (Learnt::Said, Some(Spoken::Quic(1))));
        assert_eq!((world.seen.len(), world.inline.fill().passed), (1, 1));
    }
}

#[test]
fn a_blocked_hello_is_answered_that_nobody_is_there() {
    for (from, to) in ENDS {
        let mut world = World::new();
        let first = datagram(from, to, &initial("blocked.example", b"chosen-1"));
        for _ in 0..10 {
            world.send(&first);
        }
        assert_eq!((world.onward.len(), world.back.len(), world.seen.len()), (0, 1, 1));
        let header = if from.starts_with('[') { 40 } else { 20 };
        let port = if from.starts_with('[') { [1, 4] } else { [3, 3] };
        assert_eq!(world.back[0][header..header + 2], port);
        assert_eq!(world.back[0][header + 8..header + 28], first[..20], "it quotes the hello");
        world.pass_time(Duration::from_millis(100));
        world.send(&first);
        assert_eq!(world.back.len(), 2);
        world.pass_time(Duration::from_secs(61));
        assert_eq!(world.inline.fill(), Fill::default());
    }
}

#[test]
fn a_hello_in_two_datagrams_waits_for_both_in_any_order() {
    for (from, to) in ENDS {
        for (name, passes) in [("open.example", true), ("blocked.example", false)] {
            for order in [[0, 1], [1, 0]] {
                let mut world = World::new();
                let parts = in_two(name).map(|part| datagram(from, to, &part));
                world.send(&parts[order[0]]);
                assert_eq!((world.onward.len(), world.back.len()), (0, 0));
                assert!(world.inline.fill().held > 1000);
                world.send(&parts[order[1]]);
                assert_eq!((world.onward.len() == 2, world.back.is_empty()), (passes, passes));
                assert!(world.inline.fill().held < 4000);
            }
        }
    }
}

#[test]
fn half_a_hello_goes_on_after_its_patience_and_the_rest_is_still_judged() {
    for (from, to) in ENDS {
        let mut world = World::new();
        let [first, second] = in_two("blocked.example").map(|part| datagram(from, to, &part));
        world.send(&first);
        world.pass_time(Duration::from_millis(501));
        assert_eq!(world.onward.len(), 1);
        assert_eq!(world.last_seen().learnt, Learnt::Not(Cause::Incomplete));
        world.send(&second);
        assert_eq!((world.onward.len(), world.back.len(), world.seen.len()), (1, 1, 2));
    }
}

#[test]
fn what_zapret_sends_ahead_of_a_hello_does_not_hide_it() {
    let decoys: [Vec<u8>; 4] =
        [vec![0; 620], vec![0xff; 64], initial("fake.example", b"a-decoy!"), vec![0x40; 1200]];
    for (from, to) in ENDS {
        for decoy in &decoys {
            for times in [1, 3, 6] {
                let mut world = World::new();
                for _ in 0..times {
                    world.send(&datagram(from, to, decoy));
                }
                world.send(&datagram(from, to, &initial("blocked.example", b"chosen-1")));
                let named = |datagram: &Vec<u8>| datagram != decoy;
                assert!(!world.server.datagrams.iter().any(named), "{times} times");
                assert_eq!(world.back.len(), 1);
            }
        }
    }
}

#[test]
fn a_version_that_nobody_speaks_opens_no_way_at_any_port() {
    for (from, to) in
        [("192.0.2.7:50000", "203.0.113.4:8443"), ("[2001:db8:7::7]:50000", "[2001:db8::4]:8443")]
    {
        let mut world = World::new();
        let hello = initial("blocked.example", b"chosen-1");
        let mut greased = hello.clone();
        greased[1..5].copy_from_slice(&[0xba; 4]);
        world.send(&datagram(from, to, &greased));
        assert_eq!(world.last_seen().learnt, Learnt::Not(Cause::UnknownVersion));
        assert!(!world.onward[0].1);
        world.send(&datagram(from, to, &hello));
        assert_eq!((world.onward.len(), world.back.len()), (1, 1));
        assert_eq!(world.last_seen().learnt, Learnt::Said);
    }
}

#[test]
fn datagrams_that_cannot_be_read_are_held_up_to_a_bound() {
    let mut world = World::new();
    let (from, to) = ENDS[0];
    let mut zero_rtt = vec![0xd0, 0, 0, 0, 1, 8];
    zero_rtt.extend(b"chosen-1");
    zero_rtt.extend([0, 0x44, 0x00]);
    zero_rtt.resize(1250, 7);
    for n in 0..20 {
        world.send(&datagram(from, to, &zero_rtt));
        assert!(world.inline.fill().held <= 12 * 1024, "{n}");
    }
    assert_eq!(world.server.datagrams.len(), 20);
}

#[test]
fn halves_of_hellos_are_held_up_to_the_bound_of_all_flows() {
    let mut world = World::with(Settings { held: 8192, ..Settings::default() });
    let half = in_two("blocked.example");
    for port in 0..2000 {
        let from = format!("192.0.2.7:{}", 1000 + port);
        for part in [&half[0], &half[0]] {
            world.send(&datagram(&from, "203.0.113.4:443", part));
            let held = world.inline.fill().held;
            assert!(held <= 8192, "{held} bytes at {port}");
        }
    }
    assert!(world.inline.counters().over_bound > 1900);
}

#[test]
fn release_lets_datagrams_go() {
    let mut world = World::new();
    let (from, to) = ENDS[1];
    world.send(&datagram(from, to, &in_two("blocked.example")[0]));
    world.release();
    assert_eq!((world.onward.len(), world.onward[0].1), (1, true));
    assert_eq!(world.inline.fill(), Fill::default());
}

#[test]
fn a_flow_that_passed_is_recalled_when_its_host_is_blocked() {
    let mut world = World::new();
    world.rules.lax = true;
    let (from, to) = ENDS[0];
    world.send(&datagram(from, to, &initial("blocked.example", b"chosen-1")));
    for _ in 0..6 {
        world.send(&datagram(from, to, b"\x40 more"));
    }
    assert_eq!(world.passed.len(), 1);
    world.rules.lax = false;
    world.rejudge();
    assert_eq!((world.recalled, world.passed.len()), (1, 0));
    let before = world.server.datagrams.len();
    world.send(&datagram(from, to, b"\x40 more"));
    assert_eq!((world.server.datagrams.len(), world.back.len()), (before, 1));
}

fn initial(name: &str, chosen: &[u8]) -> Vec<u8> {
    let mut frames = Vec::new();
    put_crypto(&mut frames, 0, &handshake(name, 200));
    seal(frames, chosen, 0)
}

fn in_two(name: &str) -> [Vec<u8>; 2] {
    let hello = handshake(name, 1500);
    let [mut one, mut two] = [Vec::new(), Vec::new()];
    put_crypto(&mut one, 0, &hello[..55]);
    put_crypto(&mut two, 55, &hello[55..1100]);
    put_crypto(&mut one, 1100, &hello[1100..]);
    [seal(one, b"chosen-1", 0), seal(two, b"chosen-1", 1)]
}

fn seal(mut frames: Vec<u8>, chosen: &[u8], number: u32) -> Vec<u8> {
    frames.resize(1162, 0);
    let version = Version::known(1).unwrap();
    Initial { number, ..Initial::first(version, chosen) }.seal(&frames).unwrap()
}
