//! A thousand starts and stops leave nothing behind.

use crate::lab::{Lab, tell};
use crate::phone::{Phone, with_java};
use crate::ways::SOON;

#[test]
fn a_thousand_starts_and_stops_leave_no_thread_no_file_and_no_memory() {
    with_java(|| {
        let lab = Lab::start();
        let mut phone = Phone::boot(&lab, SOON);
        let [config, data] = phone.folders();
        let first = phone.ok(&["descriptor", "3"]);
        let said = phone.ok(&["cycles", &first, "1000", &config, &data]);
        let after: Vec<Vec<i64>> = said
            .split('\t')
            .filter(|part| !part.is_empty())
            .map(|part| part.split(' ').map(|n| n.parse().expect("a number")).collect())
            .collect();
        let [early, late] = &after[..] else { panic!("{said}") };
        tell(&format!("threads, files and KiB after 101 cycles {early:?}, after 1,000 {late:?}"));
        // The last one's threads may still be on their way out.
        assert!(late[0] <= early[0] + 2, "threads: {early:?} {late:?}");
        // Each cycle uses up one descriptor that was handed over.
        assert!(late[1] <= early[1] - 899 + 2, "files: {early:?} {late:?}");
        assert!(late[2] <= early[2] + MOST_GROWTH, "memory: {early:?} {late:?}");
        phone.shut_down();
    });
}

/// In KiB. A Java machine grows by some 3,400 in its first thousand cycles and by 100 to
/// 1,600 in each thousand after; a leak of 10 KiB in each of 899 cycles would be 8,990 more.
const MOST_GROWTH: i64 = 8192;
