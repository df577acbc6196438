//! Full capture as the kernel sees it: the beginning of a flow comes by optout, and
//! the rest does not; and no flow is lost by a switch, or by a kill.

use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::lab::{Daemon, Lab, Node, ORDINARY, isolated, tell, within};
use crate::ways::SOON;

/// A configuration with full capture.
fn full(more: &str) -> String {
    format!("capture = \"full\"\n{SOON}{more}")
}

/// A file on the web servers; what its hash is.
fn big_file(lab: &Lab, bytes: u32) -> String {
    let www = lab.internet().node().dir().join("www");
    lab.internet().node().ok(&format!(
        "cd {} && head -c {bytes} /dev/urandom > big.bin && sha256sum < big.bin",
        www.display()
    ))
}

/// Fetches the file by its name; the hash of what came.
fn fetch(node: &Node, v6: bool) -> String {
    let address = ORDINARY[usize::from(v6)];
    node.ok(&format!(
        "curl -ksS --max-time 20 --connect-to ::[{address}]: https://www.ordinary.example/big.bin | sha256sum"
    ))
}

/// Begins to fetch the file slowly, for some seconds.
fn slowly(node: &Node, v6: bool) -> Child {
    let address = ORDINARY[usize::from(v6)];
    let script = format!(
        "curl -ksS --limit-rate 2M --max-time 30 --connect-to ::[{address}]: https://www.ordinary.example/big.bin | sha256sum"
    );
    let mut curl = node.command("sh");
    curl.args(["-c", &script]).stdout(Stdio::piped()).stderr(Stdio::piped());
    curl.spawn().expect("sh starts")
}

/// Gives the node little room for bytes that nobody reads yet, so that its slow transfers
/// last. Else the kernel takes a whole file in the time of a breath, and nothing is left
/// of the flow but its end.
fn with_little_room(node: &Node) {
    node.ok("sysctl -q -w net.ipv4.tcp_rmem='4096 131072 131072'");
}

#[track_caller]
fn assert_whole(transfers: Vec<Child>, hash: &str, when: &str) {
    for (n, transfer) in transfers.into_iter().enumerate() {
        let done = transfer.wait_with_output().expect("curl ends");
        let said = String::from_utf8_lossy(&done.stdout).trim().to_owned();
        let errors = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(said, hash, "transfer {n}, {when}: {errors}");
    }
}

fn status(daemon: &Daemon<'_>) -> Value {
    daemon.json(&["status", "--json"])
}

fn packets(daemon: &Daemon<'_>) -> u64 {
    status(daemon)["counters"]["packets"].as_u64().expect("a number")
}

/// Flows that passed, in all sets.
fn used(daemon: &Daemon<'_>) -> u64 {
    let status = status(daemon);
    let sets = status["flows"]["sets"].as_array().expect("a list").iter();
    sets.map(|set| set["used"].as_u64().expect("a number")).sum()
}

/// Waits until so many flows passed.
#[track_caller]
fn wait_until_used(daemon: &Daemon<'_>, wanted: u64, what: &str) {
    let there = within(Duration::from_secs(8), || (used(daemon) >= wanted).then_some(()));
    assert!(there.is_some(), "{what}: {}", status(daemon));
}

#[test]
fn only_the_beginning_of_a_flow_comes_by() {
    isolated(|| {
        let lab = Lab::start();
        let hash = big_file(&lab, 20_000_000);
        let daemon = lab.router().optout(&full(""));
        assert_eq!(status(&daemon)["problems"], serde_json::json!([]), "{}", daemon.diagnostics());
        for (name, node) in [("phone", lab.phone()), ("router", lab.router())] {
            for v6 in [false, true] {
                let before = packets(&daemon);
                assert_eq!(fetch(node, v6), hash, "{name}, IPv6: {v6}");
                let came = packets(&daemon) - before;
                tell(&format!("{name}, IPv6 {v6}: {came} packets of a transfer of 20 MB came by"));
                assert!((1..=40).contains(&came), "{name}, IPv6 {v6}: {came}");
            }
        }
        assert!(used(&daemon) >= 4, "{}", status(&daemon));
        assert_eq!(status(&daemon)["capture"], "full");
        daemon.stop();
    });
}

#[test]
fn nothing_is_lost_when_capture_is_switched_during_transfers() {
    isolated(|| {
        let lab = Lab::start();
        let hash = big_file(&lab, 12_000_000);
        let daemon = lab.router().optout(SOON);
        let nodes = [lab.phone(), lab.router()];
        nodes.into_iter().for_each(with_little_room);
        let everyone = || -> Vec<Child> {
            nodes.into_iter().flat_map(|node| [false, true].map(|v6| slowly(node, v6))).collect()
        };
        let transfers = everyone();
        thread::sleep(Duration::from_secs(1));
        assert!(daemon.ok(&["capture", "full"]).starts_with("Capture is full"));
        wait_until_used(&daemon, 4, "flows that began before");
        for how in [&["capture", "selective"], &["capture", "full"]] {
            daemon.ok(how);
            assert!(used(&daemon) >= 4, "the sets stay: {}", status(&daemon));
        }
        let more = everyone();
        thread::sleep(Duration::from_secs(1));
        for word in ["off", "on"] {
            daemon.ok(&[word]);
            thread::sleep(Duration::from_millis(300));
        }
        daemon.signal(nix::sys::signal::Signal::SIGHUP);
        assert_whole(transfers, &hash, "switched");
        assert_whole(more, &hash, "off and on");
        daemon.ok(&["capture", "full"]);
        daemon.stop();
        // The word of the user is kept, until he takes it back.
        let daemon = lab.router().optout(SOON);
        assert_eq!(status(&daemon)["capture"], "full");
        daemon.ok(&["capture", "config"]);
        assert_eq!(daemon.ok(&["capture"]).trim(), "Capture is selective.");
        daemon.stop();
    });
}

#[test]
fn a_program_may_be_left_out_by_its_name() {
    isolated(|| {
        let lab = Lab::start();
        let hash = big_file(&lab, 100_000);
        let daemon = lab.router().optout(&full(""));
        daemon.ok(&["block", "www.ordinary.example"]);
        let tries = |node: &Node, v6: bool| {
            let address = ORDINARY[usize::from(v6)];
            let url = "https://www.ordinary.example/big.bin";
            let curl = format!("curl -ksS --connect-to ::[{address}]: {url} | sha256sum");
            // The same program by another name.
            let other =
                format!("cp /usr/bin/curl sneaky && ./{}", curl.replacen("curl", "sneaky", 1));
            [curl, other]
                .map(|script| node.run(&format!("cd {} && {script}", node.dir().display())))
        };
        let reached =
            |node: &Node, v6: bool| tries(node, v6).map(|ran| ran.out.contains(hash.trim()));
        for v6 in [false, true] {
            assert_eq!(reached(lab.router(), v6), [false, false], "IPv6: {v6}");
        }
        lab.router().configure(&full("[full]\nexclude_apps = [\"curl\"]\n"));
        daemon.signal(nix::sys::signal::Signal::SIGHUP);
        let taken = within(Duration::from_secs(8), || {
            (reached(lab.router(), false) == [true, false]).then_some(())
        });
        assert!(taken.is_some(), "{}", daemon.diagnostics());
        assert_eq!(reached(lab.router(), true), [true, false]);
        for v6 in [false, true] {
            assert_eq!(reached(lab.phone(), v6), [false, false], "of a device, IPv6: {v6}");
        }
        daemon.stop();
    });
}

#[test]
fn flows_go_on_when_optout_is_killed() {
    isolated(|| {
        let lab = Lab::start();
        let hash = big_file(&lab, 8_000_000);
        let daemon = lab.router().optout(&full(""));
        let transfers: Vec<_> = [lab.phone(), lab.router()]
            .into_iter()
            .flat_map(|node| [false, true].map(|v6| slowly(node, v6)))
            .collect();
        wait_until_used(&daemon, 4, "before the kill");
        daemon.kill9();
        assert_eq!(fetch(lab.phone(), false), hash, "a new flow");
        assert_whole(transfers, &hash, "killed");
        let left = lab.router().ok("nft list ruleset; ip link");
        assert!(!left.contains("optout"), "{left}");
    });
}

#[test]
fn a_firewall_that_does_not_forward_what_is_put_back_is_noticed_and_nobody_is_cut_off() {
    isolated(|| {
        let lab = Lab::start();
        let hash = big_file(&lab, 1_000_000);
        lab.router().ok(FIREWALL);
        lab.internet().node().ok("ip route del 192.0.2.0/24; ip -6 route del 2001:db8:1::/64");
        let daemon = lab.router().optout(&full(""));
        let problems = || status(&daemon)["problems"].to_string();
        for version in ["IPv4", "IPv6"] {
            let want = format!("flows of devices are not looked into over {version}");
            assert!(problems().contains(&want), "{}", problems());
        }
        for v6 in [false, true] {
            assert_eq!(fetch(lab.phone(), v6), hash, "as without optout, IPv6: {v6}");
            let before = packets(&daemon);
            assert_eq!(fetch(lab.router(), v6), hash, "of this host, IPv6: {v6}");
            assert!(packets(&daemon) > before, "of this host, IPv6: {v6}");
        }
        lab.router().ok("nft insert rule inet fw through iifname '\"optout*\"' oifname wan0 accept
            nft insert rule inet fw through iifname br0 oifname '\"optout*\"' accept");
        let good = within(Duration::from_secs(5), || (problems() == "[]").then_some(()));
        assert!(good.is_some(), "it is noticed: {}", problems());
        for v6 in [false, true] {
            let before = packets(&daemon);
            assert_eq!(fetch(lab.phone(), v6), hash, "translated, IPv6: {v6}");
            assert!(packets(&daemon) > before, "IPv6: {v6}");
        }
        daemon.stop();
    });
}

/// As home routers have it: from the LAN to the Internet, translated, and nothing else.
const FIREWALL: &str = "nft -f - <<'END'
table inet fw {
    chain through { type filter hook forward priority 0; policy drop;
        ct state established,related accept
        ct state invalid drop
        iifname br0 oifname wan0 accept
    }
    chain inside { type filter hook input priority 0; policy drop;
        ct state established,related accept
        ct state invalid drop
        iifname { br0, lo } accept
        meta l4proto 58 accept
    }
    chain outside { type filter hook output priority 0; ct state invalid drop; }
    chain hide { type nat hook postrouting priority 100; oifname wan0 masquerade; }
}
END";
