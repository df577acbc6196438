//! Start, reload, stop: what is set up, what is followed, what is left.

use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::lab::{FOREIGN, ISP, Lab, ORDINARY, Snapshot, dns, isolated, tell, within};
use crate::ways::{COLLECTOR, Over, ask, assert_blocked, assert_passed, look_up};

#[test]
fn after_a_stop_the_machine_is_as_it_was() {
    isolated(|| {
        let lab = Lab::start();
        for node in [lab.router(), lab.laptop()] {
            for config in ["", "fail_policy = \"closed\"\nblock = [\"203.0.113.64/30\"]\n"] {
                let before = Snapshot::of(node);
                let daemon = node.optout(config);
                assert_blocked(node, COLLECTOR, "while it runs");
                assert!(node.run("ip link show optout0").status.success());
                let took = daemon.stop();
                assert!(took < Duration::from_secs(3), "it took {took:?} to stop");
                tell(&format!("stopped in {} ms", took.as_millis()));
                before.assert_same(&Snapshot::of(node), "after a stop");
            }
        }
        // Also when it is stopped in the middle of its start, by either signal.
        let before = Snapshot::of(lab.router());
        for (n, signal) in [Signal::SIGTERM, Signal::SIGINT].into_iter().cycle().take(8).enumerate()
        {
            let mut daemon = lab.router().optout_starting("");
            std::thread::sleep(Duration::from_millis(15 * n as u64));
            daemon.signal(signal);
            let ended = within(Duration::from_secs(3), || daemon.exited());
            assert!(ended.is_some(), "{signal} after {} ms is not heard", 15 * n);
        }
        before.assert_same(&Snapshot::of(lab.router()), "after stops while starting");
    });
}

#[test]
fn a_stop_under_questions_that_wait_takes_no_longer() {
    isolated(|| {
        let lab = Lab::start();
        // Nobody there: every question waits for its upstream.
        let daemon = lab.router().optout("upstreams = [\"203.0.113.250\"]\n");
        lab.phone().enter(|| {
            for _ in 0..20 {
                let short = Duration::from_millis(1);
                let _ = dns::udp((ISP[0], 53), "www.ordinary.example", dns::A, short);
            }
        });
        let took = daemon.stop();
        assert!(took < Duration::from_secs(3), "{took:?}");
    });
}

#[test]
fn a_second_instance_says_so_and_harms_nothing() {
    isolated(|| {
        let lab = Lab::start();
        let daemon = lab.router().optout("");
        let running = Snapshot::of(lab.router());
        let second = lab.router().cli(&["run"]);
        assert_eq!(second.status.code(), Some(3), "{second:?}");
        assert_eq!(String::from_utf8_lossy(&second.stderr).trim().lines().count(), 1, "{second:?}");
        running.assert_same(&Snapshot::of(lab.router()), "after a second instance");
        assert_blocked(lab.phone(), COLLECTOR, "the first goes on");
        daemon.ok(&["status"]);
        daemon.stop();
    });
}

#[test]
fn a_reload_takes_what_is_right_and_refuses_what_is_wrong() {
    isolated(|| {
        let lab = Lab::start();
        let daemon = lab.router().optout("");
        assert_passed(lab.phone(), "news.ordinary.example", ORDINARY[0], "before");

        lab.router().configure("block = [\"news.ordinary.example\"]\n");
        daemon.signal(Signal::SIGHUP);
        let taken = within(Duration::from_secs(3), || {
            look_up(lab.phone(), "news.ordinary.example").is_sinkholed().then_some(())
        });
        assert!(taken.is_some(), "a reload is not taken:\n{}", daemon.diagnostics());

        lab.router().configure("block = []\n\nblock_answer = \"sinkhoel\"\n");
        daemon.signal(Signal::SIGHUP);
        let said = within(Duration::from_secs(3), || {
            daemon.diagnostics().contains("optout.toml:3").then_some(())
        });
        assert!(said.is_some(), "no word of what is wrong:\n{}", daemon.diagnostics());
        assert_blocked(lab.phone(), "news.ordinary.example", "the old configuration stays");
        assert_blocked(lab.phone(), COLLECTOR, "the old configuration stays");
        daemon.stop();
    });
}

#[test]
fn the_systems_resolvers_are_followed_when_they_change() {
    isolated(|| {
        let lab = Lab::start();
        let daemon = lab.router().optout("");
        let who = || {
            let answer = ask(lab.phone(), ISP[0], Over::Udp, "whoami.lab.example", dns::TXT);
            String::from_utf8_lossy(&answer.message).into_owned()
        };
        let becomes = |name: &str| {
            let found = within(Duration::from_secs(5), || who().contains(name).then_some(()));
            assert!(found.is_some(), "{name} is not asked:\n{}", daemon.diagnostics());
        };
        becomes("isp");
        lab.router().write_resolv_conf(&FOREIGN); // by rename
        becomes("foreign");
        let conf = lab.router().etc("resolv.conf");
        fs::write(conf, "search example\nnameserver 198.51.100.53\n").expect("tmpfs"); // in place
        becomes("isp");

        // An upstream that does not answer is passed over.
        lab.router().write_resolv_conf(&[[203, 0, 113, 250].into(), FOREIGN[0]]);
        becomes("foreign");
        let status = daemon.json(&["status", "--json"]);
        assert_eq!(status["upstreams"].as_array().map(Vec::len), Some(2), "{status}");
        daemon.stop();
    });
}
