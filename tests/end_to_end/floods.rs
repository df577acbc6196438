//! More flows than there is room for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::lab::packet::{self, Ends, Ip, SYN, Segment};
use crate::lab::transfer::{self, Living, Way};
use crate::lab::{Daemon, Lab, ORDINARY, VENDOR, hello, isolated, tell};
use crate::ways::COLLECTOR;

#[test]
fn a_flood_of_beginnings_leaves_honest_flows_alone() {
    isolated(|| {
        let lab = Lab::start();
        let sender = lab.sender();
        let daemon = lab.router().optout(NARROW);
        let flood = |n: u32| {
            let ends = somebody(n, 81);
            sender.send(&syn(ends, n));
        };
        under_flood(&lab, &daemon, flood);
        daemon.stop();
    });
}

#[test]
fn a_flood_of_hellos_that_never_end_leaves_honest_flows_alone() {
    isolated(|| {
        let lab = Lab::start();
        let sender = lab.sender();
        let daemon = lab.router().optout(NARROW);
        let hello = hello::tls(COLLECTOR);
        let flood = |n: u32| {
            let ends = somebody(n, 443);
            sender.send(&syn(ends, n));
            let mut part = plain(n.wrapping_add(1), packet::ACK);
            part.payload = hello[..hello.len() / 2].to_vec();
            sender.send(&part.packet(ends));
        };
        under_flood(&lab, &daemon, flood);
        daemon.stop();
    });
}

#[test]
fn a_flood_of_random_initials_leaves_honest_flows_alone() {
    isolated(|| {
        let lab = Lab::start();
        let sender = lab.sender();
        let daemon = lab.router().optout(NARROW);
        let crypto = hello::quic(COLLECTOR);
        // Half of a hello each: nobody can tell yet whom it is for.
        let initials: Vec<Vec<u8>> = (0..64_u8)
            .map(|n| hello::initial(&[n; 8], 0, &[(0, &crypto[..crypto.len() / 2])], 1200))
            .collect();
        let flood = |n: u32| {
            let initial = &initials[usize::try_from(n % 64).expect("small")];
            sender.send(&packet::datagram(somebody(n, 443), &Ip::new(n), initial));
        };
        under_flood(&lab, &daemon, flood);
        daemon.stop();
    });
}

#[test]
fn with_full_sets_flows_pass_and_are_stopped_as_before() {
    isolated(|| {
        let lab = Lab::start();
        transfer::serve(lab.internet().node(), &ORDINARY, PORT);
        let daemon = lab.router().optout(NARROW);
        // Each stays, and has its place in a set of the kernel.
        let open = || {
            let to = |n: usize| SocketAddr::from((ORDINARY[n % 2], PORT));
            lab.phone().enter(|| (0..200).map(|n| Living::open(to(n), NAME)).collect::<Vec<_>>())
        };
        let mut living: Vec<Living> = Vec::new();
        for (n, flow) in open().into_iter().enumerate() {
            living.push(flow.unwrap_or_else(|error| panic!("flow {n}: {error}")));
        }
        for round in 0..3 {
            for (n, flow) in living.iter_mut().enumerate() {
                flow.round().unwrap_or_else(|error| panic!("flow {n}, round {round}: {error}"));
            }
        }
        let flows = flows(&daemon);
        tell(&format!("200 flows that stay: {flows}"));
        assert_within_caps(&flows);
        let sets = flows["sets"].as_array().expect("a list");
        let full = sets.iter().any(|set| set["used"].as_u64() >= set["size"].as_u64());
        assert!(full, "no set is full: {flows}");
        honest(&lab).expect("others pass");
        assert_blocked_name_is_stopped(&lab);
        daemon.stop();
    });
}

/// Floods for some seconds, and uses the network meanwhile.
fn under_flood(lab: &Lab, daemon: &Daemon<'_>, flood: impl Fn(u32) + Sync) {
    transfer::serve(lab.internet().node(), &ORDINARY, PORT);
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut seen = Value::Null;
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                flood(n);
                sent.fetch_add(1, Ordering::Relaxed);
            }
        });
        let _stop_also_on_panic = StopAtEnd(&stop);
        thread::sleep(Duration::from_millis(500));
        let mut slowest = Duration::ZERO;
        for n in 0..20 {
            let begun = Instant::now();
            honest(lab).unwrap_or_else(|e| panic!("flow {n}: {e}\n{}", daemon.diagnostics()));
            slowest = slowest.max(begun.elapsed());
        }
        assert_blocked_name_is_stopped(lab);
        seen = flows(daemon);
        tell(&format!("slowest honest transfer {} ms", slowest.as_millis()));
    });
    tell(&format!("{} packets: {seen}", sent.into_inner()));
    assert_within_caps(&seen);
    let over = seen["over_bound"].as_u64().expect("a number");
    assert!(over > 0, "no bound was reached: {seen}");
}

/// A few transfers of the phone; all must arrive.
fn honest(lab: &Lab) -> std::io::Result<()> {
    lab.phone().enter(|| {
        for (address, way) in ORDINARY.into_iter().zip([Way::Down, Way::Up]) {
            transfer::transfer((address, PORT).into(), NAME, way, 50_000)?;
        }
        Ok(())
    })
}

#[track_caller]
fn assert_blocked_name_is_stopped(lab: &Lab) {
    for address in ORDINARY {
        let to = (address, PORT).into();
        let ended = lab.phone().enter(|| transfer::transfer(to, COLLECTOR, Way::Down, 1000));
        assert!(ended.is_err(), "{address}: a blocked name got through");
    }
}

fn flows(daemon: &Daemon<'_>) -> Value {
    daemon.json(&["status", "--json"])["flows"].clone()
}

#[track_caller]
fn assert_within_caps(flows: &Value) {
    let count = |name: &str| flows[name].as_u64().unwrap_or_else(|| panic!("no {name}: {flows}"));
    let now = count("undecided") + count("refused") + count("passed");
    assert!(now <= FLOWS, "more flows than there is room for: {flows}");
    assert!(count("held_bytes") <= count("held_cap"), "more is held than may be: {flows}");
}

/// A flow of somebody at home to the vendor; another one for each number.
fn somebody(n: u32, port: u16) -> Ends {
    let host = u8::try_from(100 + n % 100).expect("at most 199");
    let from: IpAddr = if n.is_multiple_of(2) {
        Ipv4Addr::new(192, 0, 2, host).into()
    } else {
        Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, u16::from(host)).into()
    };
    let from_port = u16::try_from(1024 + n / 100 % 60_000).expect("16 bits");
    let to = VENDOR[usize::from(from.is_ipv6())];
    Ends { from: (from, from_port).into(), to: (to, port).into() }
}

fn syn(ends: Ends, seq: u32) -> Vec<u8> {
    let mut syn = plain(seq, SYN);
    syn.options = vec![2, 4, 5, 0xb4];
    syn.packet(ends)
}

fn plain(seq: u32, flags: u8) -> Segment {
    Segment {
        ip: Ip::new(seq),
        flags,
        seq,
        ack: 1,
        window: 64_000,
        urgent: 0,
        options: Vec::new(),
        header_off: 0,
        payload: Vec::new(),
    }
}

struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Room for few, in the kernel's sets and for what is held.
const NARROW: &str = "capture = \"full\"\n[full]\nflows = 256\nheld_kb = 64\n";

/// Most flows that are remembered, `Settings::flows`.
const FLOWS: u64 = 16_384;

const NAME: &str = "www.ordinary.example";
const PORT: u16 = 4434;
