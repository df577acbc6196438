//! What is missing or wrong around optout: a clear message, nothing half set up.

use std::fs;
use std::time::Duration;

use crate::lab::{Lab, ORDINARY, Ran, Snapshot, dns, isolated, within};
use crate::ways::{COLLECTOR, Over, SOON, ask, assert_blocked, assert_passed};

/// Configurations that are wrong, the line, and a word that the message must have.
const WRONG: &[(&str, &str, &str)] = &[
    ("strict = true\nmodee = \"watch\"\n", ":2", "mode"),
    ("block_answer = 5\n", ":1", "block_answer"),
    ("\nfail_policy = \"ajar\"\n", ":2", "ajar"),
    ("upstreams = [\"not an address\"]\n", ":1", "not an address"),
    ("[journal]\nflush_seconds = 0\n", ":2", "flush_seconds"),
    ("[vendors]\noneplsu = \"off\"\n", ":2", "oneplus"),
    ("device = \"a-name-far-too-long-for-a-device\"\n", ":1", "device"),
    ("[[lists]]\npath = \"/nowhere/hosts\"\n", ":2", "/nowhere/hosts"),
    ("mode = \n", ":1", ""),
    ("block = [\"not a name!\"]\n", ":1", "not a name!"),
];

#[test]
fn a_wrong_configuration_is_one_line_with_its_place() {
    isolated(|| {
        let lab = Lab::start();
        let router = lab.router();
        let before = Snapshot::of(router);
        let path = router.dir().join("wrong.toml");
        let path = path.to_str().expect("UTF-8");
        for (text, line, word) in WRONG {
            fs::write(path, text).expect("tmpfs");
            for command in ["run --config", "config check"] {
                let ran = router.optout_command(&format!("{command} {path}"));
                assert_eq!(ran.status.code(), Some(2), "{text:?}: {ran}");
                assert_eq!(ran.err.trim().lines().count(), 1, "{text:?}: {ran}");
                assert!(ran.err.contains(&format!("{path}{line}")), "{text:?}: {ran}");
                assert!(ran.err.contains(word), "{text:?}: no {word:?} in {ran}");
            }
        }
        let ran = router.optout_command("run --config /nowhere/optout.toml");
        assert_eq!(ran.status.code(), Some(2), "{ran}");
        assert!(ran.err.contains("/nowhere/optout.toml"), "{ran}");
        let ran = router.optout_command("run --no-such-option");
        assert_eq!(ran.status.code(), Some(2), "{ran}");
        before.assert_same(&Snapshot::of(router), "after configurations that are wrong");

        fs::write(path, "strict = true\n").expect("tmpfs");
        let ran = router.optout_command(&format!("config check {path}"));
        assert!(ran.status.success(), "{ran}");
        // Whoever may write it could switch optout off.
        router.ok(&format!("chmod 666 {path}"));
        let ran = router.optout_command(&format!("run --config {path}"));
        assert_eq!(ran.status.code(), Some(2), "{ran}");
        assert!(ran.err.contains(path), "{ran}");
    });
}

#[test]
fn what_the_system_lacks_is_said_and_nothing_is_half_set_up() {
    isolated(|| {
        let lab = Lab::start();
        let router = lab.router();
        let before = Snapshot::of(router);
        let could_not = |ran: &Ran, word: &str| {
            assert_eq!(ran.status.code(), Some(1), "{ran}");
            assert!(ran.err.contains(word), "no {word:?} in {ran}");
            assert!(!ran.err.contains("panicked"), "{ran}");
            before.assert_same(&Snapshot::of(router), &format!("after a start that lacks {word}"));
        };

        let no_tun = router.optout_wrapped(
            "unshare --mount sh -c 'mount -t tmpfs none /dev/net && exec \"$@\"' sh",
        );
        could_not(&no_tun, "/dev/net/tun");
        let no_capability =
            router.optout_wrapped("setpriv --bounding-set=-net_admin --inh-caps=-net_admin");
        could_not(&no_capability, "CAP_NET_ADMIN");

        router.ok("ip link add optout0 type bridge");
        let before = Snapshot::of(router);
        let ran = router.optout_wrapped("");
        assert_eq!(ran.status.code(), Some(1), "{ran}");
        assert!(ran.err.contains("optout0"), "{ran}");
        before.assert_same(&Snapshot::of(router), "after a start whose device name is taken");
        router.ok("ip link del optout0");

        // Somebody else's routes in our table.
        router.ok("ip route add 203.0.113.128/25 via 198.51.100.1 table 5353");
        let before = Snapshot::of(router);
        let ran = router.optout_wrapped("");
        assert_eq!(ran.status.code(), Some(1), "{ran}");
        assert!(ran.err.contains("5353"), "{ran}");
        before.assert_same(&Snapshot::of(router), "after a start whose table is taken");
        router.ok("ip route flush table 5353");
        router.optout("").stop();
    });
}

#[test]
fn without_ipv6_the_rest_works() {
    isolated(|| {
        let lab = Lab::start();
        let router = lab.router();
        router.ok("cd /proc/sys/net/ipv6/conf && echo 1 > all/disable_ipv6 && echo 1 > default/disable_ipv6");
        let before = Snapshot::of(router);
        let daemon = router.optout("");
        assert_blocked(lab.phone(), COLLECTOR, "over IPv4");
        assert_passed(lab.phone(), "www.ordinary.example", ORDINARY[0], "over IPv4");
        let said = daemon.diagnostics() + &daemon.ok(&["status"]);
        assert!(said.contains("IPv6"), "not a word about IPv6:\n{said}");
        daemon.stop();
        before.assert_same(&Snapshot::of(router), "after a stop without IPv6");
    });
}

#[test]
fn a_full_disk_stops_the_journal_and_not_the_blocking() {
    isolated(|| {
        let lab = Lab::start();
        let router = lab.router();
        router.ok("mount -t tmpfs -o size=1m,mode=700 small /var/lib/optout");
        let daemon = router.optout(SOON);
        assert_blocked(lab.phone(), COLLECTOR, "before");
        router.run("cat /dev/zero > /var/lib/optout/filler");
        let problem = within(Duration::from_secs(10), || {
            for n in 0..20 {
                ask(lab.phone(), ISP_V4, Over::Udp, &format!("n{n}.tracker.{COLLECTOR}"), dns::A);
            }
            let status = daemon.json(&["status", "--json"]);
            let problems = status["problems"].to_string();
            problems.contains("ournal").then_some(problems)
        });
        assert!(problem.is_some(), "status has no problem: {}", daemon.ok(&["status"]));
        assert_blocked(lab.phone(), COLLECTOR, "with a full disk");
        assert_passed(lab.phone(), "www.ordinary.example", ORDINARY[0], "with a full disk");
        daemon.ok(&["allow", "never.ordinary.example", "--for", "5s"]);
        router.ok("rm /var/lib/optout/filler");
        let healed = within(Duration::from_secs(20), || {
            assert_blocked(lab.phone(), COLLECTOR, "with space again");
            let status = daemon.json(&["status", "--json"]);
            (!status["problems"].to_string().contains("ournal")).then_some(())
        });
        assert!(healed.is_some(), "the problem stays: {}", daemon.ok(&["status"]));
        daemon.stop();
    });
}

#[test]
fn a_damaged_journal_does_not_stop_the_blocking() {
    isolated(|| {
        let lab = Lab::start();
        let state = lab.router().dir().join("state");
        fs::write(state.join("journal.db"), vec![0x5a; 20_000]).expect("tmpfs");
        let daemon = lab.router().optout(SOON);
        assert_blocked(lab.phone(), COLLECTOR, "with a damaged journal");
        let status = daemon.ok(&["status"]);
        assert!(status.contains("ournal"), "status does not say so: {status}");
        daemon.stop();
    });
}

const ISP_V4: std::net::IpAddr = crate::lab::ISP[0];
