//! More flows than there is room for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::lab::packet::{self, Ends, Ip, SYN, Segment};
use crate::lab::sender::HERE;
use crate::lab::transfer::{self, Living, Way};
use crate::lab::{Daemon, Lab, ORDINARY, VENDOR, hello, isolated, tell, within};
use crate::ways::COLLECTOR;

#[test]
fn one_device_that_floods_with_beginnings_costs_nobody_else_anything() {
    isolated(|| {
        let lab = Lab::start();
        let sender = lab.sender();
        let daemon = lab.router().optout(NARROW);
        let flood = |n: u32| {
            let ends = one_device(n, 81);
            sender.send(&syn(ends, n));
        };
        let flows = under_flood(&lab, &daemon, true, flood);
        assert_bound_reached(&flows);
        daemon.stop();
    });
}

#[test]
fn one_device_with_hellos_that_never_end_costs_nobody_else_anything() {
    isolated(|| {
        let lab = Lab::start();
        let sender = lab.sender();
        let daemon = lab.router().optout(NARROW);
        let hello = hello::tls(COLLECTOR);
        let flood = |n: u32| {
            let ends = one_device(n, 443);
            sender.send(&syn(ends, n));
            let mut part = plain(n.wrapping_add(1), packet::ACK);
            part.payload = hello[..hello.len() / 2].to_vec();
            sender.send(&part.packet(ends));
        };
        let flows = under_flood(&lab, &daemon, true, flood);
        assert!(flows["held_bytes"].as_u64() > Some(0), "nothing was held: {flows}");
        assert_bound_reached(&flows);
        daemon.stop();
    });
}

#[test]
fn one_device_with_random_initials_costs_nobody_else_anything() {
    isolated(|| {
        let lab = Lab::start();
        let sender = lab.sender();
        let daemon = lab.router().optout(NARROW);
        let initials = halves();
        let flood = |n: u32| {
            let initial = &initials[usize::try_from(n % 64).expect("small")];
            sender.send(&packet::datagram(one_device(n, 443), &Ip::new(n), initial));
        };
        let flows = under_flood(&lab, &daemon, true, flood);
        assert!(flows["held_bytes"].as_u64() > Some(0), "nothing was held: {flows}");
        daemon.stop();
    });
}

#[test]
fn a_whole_net_that_floods_stops_nobody_and_all_is_well_when_it_ends() {
    isolated(|| {
        let lab = Lab::start();
        let sender = lab.sender();
        let daemon = lab.router().optout(NARROW);
        let flood = |n: u32| sender.send(&syn(somebody(n, 81), n));
        // Nobody can tell who of them is honest: what has no room passes unseen.
        let flows = under_flood(&lab, &daemon, false, flood);
        assert_bound_reached(&flows);
        let begun = Instant::now();
        let again = within(Duration::from_secs(100), || is_stopped(&lab).then_some(()));
        assert!(again.is_some(), "nothing is stopped after the flood: {}", self::flows(&daemon));
        tell(&format!("{} s after the flood all is as before it", begun.elapsed().as_secs()));
        daemon.stop();
    });
}

#[test]
fn with_full_sets_flows_pass_and_are_stopped_as_before() {
    isolated(|| {
        let lab = Lab::start();
        transfer::serve(lab.internet().node(), &ORDINARY, PORT);
        let daemon = lab.router().optout(NARROW);
        more_files();
        // Each stays, and has its place in a set of the kernel.
        let open = || {
            let to = |n: usize| SocketAddr::from((ORDINARY[n % 2], PORT));
            lab.phone().enter(|| (0..FULL).map(|n| Living::open(to(n), NAME)).collect::<Vec<_>>())
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
        tell(&format!("{FULL} flows that stay: {flows}"));
        assert_within_caps(&flows);
        let sets = flows["sets"].as_array().expect("a list");
        let full = sets.iter().any(|set| set["used"].as_u64() >= set["size"].as_u64());
        assert!(full, "no set is full: {flows}");
        honest(&lab).expect("others pass");
        assert!(is_stopped(&lab), "a blocked name got through");
        daemon.stop();
    });
}

/// More comes than the daemon can take, so that there is always something to take.
#[test]
fn a_flood_that_never_lets_up_keeps_nobody_from_switching_optout_off() {
    isolated(|| {
        let lab = Lab::start();
        let sender = lab.sender();
        let daemon = lab.router().optout(NARROW);
        lab.router().ok(&format!("renice -n 10 -p {}", daemon.process()));
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                for n in (0..).take_while(|_| !stop.load(Ordering::Relaxed)) {
                    sender.send(&syn(one_device(n, 81), n));
                }
            });
            let _stop_also_on_panic = StopAtEnd(&stop);
            let full = || (flows(&daemon)["over_bound"].as_u64() > Some(10_000)).then_some(());
            within(Duration::from_mins(1), full).expect("a flood");
            for word in ["off", "on", "pause", "resume"] {
                daemon.ok(&[word]);
            }
        });
        let lost = dropped(&lab);
        assert!(lost > 10_000, "the daemon took all but {lost}");
        daemon.stop();
    });
}

/// Packets that found no room in the daemon's device.
fn dropped(lab: &Lab) -> u64 {
    let said = lab.router().ok("cat /sys/class/net/optout0/statistics/tx_dropped");
    said.trim().parse().expect("a number")
}

/// Floods for some seconds, and uses the network meanwhile; what the status said then.
/// `guarded`: what is blocked is stopped all the while.
fn under_flood(lab: &Lab, daemon: &Daemon<'_>, guarded: bool, flood: impl Fn(u32) + Sync) -> Value {
    transfer::serve(lab.internet().node(), &ORDINARY, PORT);
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut seen = Value::Null;
    thread::scope(|scope| {
        scope.spawn(|| {
            let begun = Instant::now();
            for n in 0.. {
                // A link that is full starves whoever comes by it; that is not meant here.
                while u128::from(n) * 1000 > begun.elapsed().as_millis() * RATE {
                    thread::sleep(Duration::from_millis(1));
                }
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                flood(n);
                sent.fetch_add(1, Ordering::Relaxed);
            }
        });
        let _stop_also_on_panic = StopAtEnd(&stop);
        // Until more came than there is room for.
        let room = || (sent.load(Ordering::Relaxed) > 20_000).then_some(());
        within(Duration::from_mins(1), room).expect("a flood");
        let mut slowest = Duration::ZERO;
        for n in 0..20 {
            let begun = Instant::now();
            honest(lab).unwrap_or_else(|e| panic!("flow {n}: {e}\n{}", daemon.diagnostics()));
            slowest = slowest.max(begun.elapsed());
        }
        assert!(!guarded || is_stopped(lab), "a blocked name got through");
        seen = flows(daemon);
        tell(&format!("slowest honest transfer {} ms", slowest.as_millis()));
    });
    tell(&format!("{} beginnings: {seen}", sent.into_inner()));
    assert_within_caps(&seen);
    seen
}

/// Opens as many files as the system lets this test.
fn more_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("known");
    setrlimit(Resource::RLIMIT_NOFILE, most, most).expect("allowed");
}

#[track_caller]
fn assert_bound_reached(flows: &Value) {
    assert!(flows["over_bound"].as_u64() > Some(0), "no bound was reached: {flows}");
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

/// A transfer that says a blocked name comes to nothing, over both families.
fn is_stopped(lab: &Lab) -> bool {
    ORDINARY.into_iter().all(|address| {
        let to = (address, PORT).into();
        lab.phone().enter(|| transfer::transfer(to, COLLECTOR, Way::Down, 1000)).is_err()
    })
}

/// Halves of hellos in Initials: nobody can tell yet whom they are for.
fn halves() -> Vec<Vec<u8>> {
    let crypto = hello::quic(COLLECTOR);
    let half = &crypto[..crypto.len() / 2];
    (0..64_u8).map(|n| hello::initial(&[n; 8], 0, &[(0, half)], 1200)).collect()
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

/// A flow of the one device to the vendor; another one for each number.
fn one_device(n: u32, port: u16) -> Ends {
    let family = usize::from(!n.is_multiple_of(2));
    let from_port = u16::try_from(1024 + n / 2 % 60_000).expect("16 bits");
    Ends { from: (HERE[family], from_port).into(), to: (VENDOR[family], port).into() }
}

/// A flow of somebody at home.
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

/// Flows that fill a set of each family, and more.
const FULL: usize = 560;

/// Packets a second: as many as a build without optimisation bears on two busy cores.
const RATE: u128 = 2000;

const NAME: &str = "www.ordinary.example";
const PORT: u16 = 4434;
