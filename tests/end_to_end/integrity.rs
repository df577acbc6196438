//! No byte is lost, added or changed, whatever the link does.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use crate::evasion::FULL;
use crate::lab::transfer::{self, Way};
use crate::lab::{Lab, Link, Node, ORDINARY, isolated, tell};

#[test]
fn a_hundred_transfers_over_a_link_that_loses_and_swaps_arrive_whole() {
    isolated(|| {
        let lab = Lab::start_over(LOSSY);
        transfer::serve(lab.internet().node(), &ORDINARY, PORT);
        let daemon = lab.router().optout(FULL);
        let begun = Instant::now();
        let faults = transfers(lab.phone(), 80);
        assert!(faults.is_empty(), "forwarded: {}", faults.join("\n"));
        daemon.stop();
        let daemon = lab.laptop().optout(FULL);
        let faults = transfers(lab.laptop(), 20);
        assert!(faults.is_empty(), "local: {}", faults.join("\n"));
        let took = begun.elapsed().as_secs_f64();
        let told = lab.link().expect("a link of ours").told();
        let [carried, lost, swapped] =
            [&told.carried, &told.lost, &told.swapped].map(|n| n.load(Ordering::Relaxed));
        let all = carried + lost;
        assert!(lost * 1000 > all * 40, "only {lost} of {all} packets were lost");
        assert!(swapped * 1000 > all * 10, "only {swapped} of {all} packets were late");
        tell(&format!(
            "100 transfers of 10 MB in {took:.1} s; of {all} packets {lost} lost, {swapped} late"
        ));
        daemon.stop();
    });
}

/// So many transfers, some at a time, both ways and over both families; what went wrong.
fn transfers(node: &Node, count: usize) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let faults = Mutex::new(Vec::new());
    let work = || {
        node.enter(|| {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= count {
                    return;
                }
                let way = if n.is_multiple_of(2) { Way::Down } else { Way::Up };
                let to = (ORDINARY[n / 2 % 2], PORT).into();
                if let Err(error) = transfer::transfer(to, NAME, way, TEN) {
                    faults.lock().expect("no panic").push(format!("{n} {way:?} {to}: {error}"));
                }
            }
        });
    };
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(work);
        }
    });
    faults.into_inner().expect("no panic")
}

/// A link that loses one packet in twenty, and lets one in fifty come late.
const LOSSY: Link = Link { loss: 50, swapped: 20, mtu: 0, hop: false, seed: 4 };

const NAME: &str = "www.ordinary.example";
const PORT: u16 = 4434;
const TEN: usize = 10_000_000;
const AT_A_TIME: usize = 10;
