//! `kill -9` at random moments under load.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::lab::{
    Counters, Daemon, FOREIGN, ISP, Lab, Node, ORDINARY, Snapshot, dns, isolated, tell, within,
};
use crate::ways::{COLLECTOR, VENDOR_V4, assert_blocked, assert_passed};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn open_ordinary_traffic_works_within_a_second_of_a_kill() {
    isolated(|| {
        let lab = Lab::start();
        let before = Snapshot::of(lab.router());
        let mut slowest = Duration::ZERO;
        under_load(lab.phone(), || {
            for n in 0..kills() {
                // Every other one dies in the middle of its start.
                let daemon = match n % 2 {
                    0 => lab.router().optout(""),
                    _ => lab.router().optout_starting(""),
                };
                kill_soon(daemon);
                let begun = Instant::now();
                for node in [lab.phone(), lab.router()] {
                    let works = within(SECOND, || works(node).then_some(()));
                    assert!(works.is_some(), "kill {n}: no ordinary traffic for a second");
                }
                slowest = slowest.max(begun.elapsed());
            }
        });
        assert_passed(lab.phone(), COLLECTOR, VENDOR_V4, "open: nobody blocks any more");
        tell(&format!("{} kills, slowest recovery {} ms", kills(), slowest.as_millis()));

        // The next run sweeps what is left; after its end nothing is.
        let daemon = lab.router().optout("");
        assert_blocked(lab.phone(), COLLECTOR, "after a sweep");
        daemon.stop();
        before.assert_same(&Snapshot::of(lab.router()), "after the last stop");
    });
}

#[test]
fn closed_no_question_leaves_after_a_kill() {
    isolated(|| {
        let lab = Lab::start();
        let before = Snapshot::of(lab.router());
        let closed = "fail_policy = \"closed\"\n";
        let mut slowest = Duration::ZERO;
        under_load(lab.phone(), || {
            for n in 0..kills() {
                kill_soon(lab.router().optout(closed));
                // What was on the wire when it died has arrived by then.
                thread::sleep(Duration::from_millis(20));
                let at_death = lab.internet().counters();
                let refused = refused_in(lab.phone());
                assert!(refused < SECOND, "kill {n}: not refused for {refused:?}");
                let host = lab.router().enter(|| dns::udp((ISP[0], 53), COLLECTOR, dns::A, SECOND));
                assert!(host.is_err(), "kill {n}: the router itself got an answer");
                let now = lab.internet().counters();
                assert_eq!(dns_packets(now), dns_packets(at_death), "kill {n}: packets got out");
                slowest = slowest.max(refused);
            }
        });
        tell(&format!("{} kills, slowest refusal {} ms", kills(), slowest.as_millis()));
        let daemon = lab.router().optout(closed);
        assert_blocked(lab.phone(), COLLECTOR, "after a sweep");
        daemon.stop();
        before.assert_same(&Snapshot::of(lab.router()), "after the last stop");
        assert!(works(lab.phone()), "after a stop everything works");
    });
}

/// How often to kill. Set `OPTOUT_KILLS` for more or fewer.
fn kills() -> u64 {
    let wanted = std::env::var("OPTOUT_KILLS").ok();
    wanted.and_then(|number| number.parse().ok()).unwrap_or(50)
}

/// Kills a daemon at a random moment of its first fifth of a second.
fn kill_soon(daemon: Daemon<'_>) {
    thread::sleep(Duration::from_micros(RandomState::new().hash_one(0) % 200_000));
    daemon.kill9();
}

/// A name resolves and its server is reached.
fn works(node: &Node) -> bool {
    node.enter(|| {
        let short = Duration::from_millis(200);
        let answer = dns::udp((ISP[0], 53), "www.ordinary.example", dns::A, short);
        let resolves = answer.is_ok_and(|answer| answer.addresses == ORDINARY[..1]);
        resolves && dns::connect((ORDINARY[0], 80)).0.is_ok()
    })
}

/// How long it takes until a connection to a resolver is refused. A datagram
/// cannot tell: UDP does not report an unreachable host to a program.
fn refused_in(node: &Node) -> Duration {
    let longest = [ISP[0], ISP[1], FOREIGN[0], FOREIGN[1]].map(|server| {
        let (ended, took) = node.enter(|| dns::connect((server, 53)));
        assert!(ended.is_err(), "{server} was reached");
        took
    });
    longest.into_iter().max().expect("four resolvers")
}

fn dns_packets(counters: Counters) -> (u64, u64) {
    (counters.dns, counters.dns_from_clients)
}

/// Runs `work` while two threads on this machine ask and connect all the time.
fn under_load(node: &Node, work: impl FnOnce()) {
    let stop = AtomicBool::new(false);
    let asked = AtomicU64::new(0);
    thread::scope(|scope| {
        for server in [ISP[0], FOREIGN[1]] {
            let (stop, asked) = (&stop, &asked);
            scope.spawn(move || {
                node.enter(|| {
                    let short = Duration::from_millis(100);
                    while !stop.load(Ordering::Relaxed) {
                        for name in [COLLECTOR, "www.ordinary.example"] {
                            let _ = dns::udp((server, 53), name, dns::A, short);
                            asked.fetch_add(1, Ordering::Relaxed);
                        }
                        let ask = [dns::question(1, COLLECTOR, dns::A)];
                        let _ = dns::tcp((server, 53), &ask, short);
                        thread::sleep(Duration::from_millis(1));
                    }
                });
            });
        }
        let _stop_also_on_panic = StopOnDrop(&stop);
        work();
    });
    assert!(asked.into_inner() > 0, "there was no load");
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
