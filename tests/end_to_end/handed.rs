//! A TUN that somebody else has opened and leads packets to. optout has no privilege.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::lab::{
    BIG_TXT, Daemon, ISP, Lab, NEVER_BLOCK, Node, ORDINARY, VENDOR, dns, isolated, within,
};
use crate::ways::{
    COLLECTOR, Over, ask, assert_catalogue_evidence, assert_curl_is_refused,
    assert_nothing_reached_the_vendor, assert_pages_load, assert_refused, is_connection, is_query,
};

#[test]
fn whoever_calls_home_is_stopped_and_named_and_the_rest_goes_past_us() {
    isolated(|| {
        let lab = Lab::start();
        let laptop = lab.laptop();
        let daemon = hand_over(laptop, "tun", &["--tun-fd", "TUN"], CONFIG);

        let address = assert_blocked(laptop, COLLECTOR, "by its name");
        assert_refused(laptop, address);
        laptop.run("setpriv --reuid 10123 --clear-groups curl -s -m 5 http://open.oneplus.net/");
        assert_curl_is_refused(laptop, "https://open.oneplus.net/cloud/pushdata");
        assert_passed(laptop, "www.ordinary.example", ORDINARY[0], "by its name");
        assert_passed(laptop, "connectivitycheck.gstatic.com", NEVER_BLOCK[0], "never-block");
        assert_pages_load(laptop);
        assert_nothing_reached_the_vendor(&lab);

        let query = daemon.event("of the question", |event| is_query(event, COLLECTOR));
        assert_catalogue_evidence(&query, "name");
        let caller = daemon.event("of the app's connection", |event| {
            is_connection(event, COLLECTOR, 80) && event["client"]["uid"] == 10123
        });
        assert_catalogue_evidence(&caller, "name");
        // What need not have come is refused, and nobody waits.
        laptop.ok(&format!("ip route replace 203.0.113.10 dev {TUN}"));
        let stray = laptop.run("curl -s -m 5 http://203.0.113.10/");
        assert_eq!(stray.status.code(), Some(7), "{stray}");
        laptop.ok(&format!("ip route del 203.0.113.10 dev {TUN}"));
        let status = daemon.json(&["status", "--json"]);
        assert_eq!(status["counters"]["strays"], 1, "{status}");
        assert_eq!(status["device"], TUN, "{status}");
        assert_eq!(status["problems"], Value::Array(Vec::new()), "{status}");
        daemon.stop();
        assert_passed_without_us(laptop);
    });
}

#[test]
fn it_comes_over_a_socket_too() {
    isolated(|| {
        let lab = Lab::start();
        let laptop = lab.laptop();
        let daemon = hand_over(laptop, "tun", &["--tun-socket", "SOCKET"], CONFIG);
        assert_blocked(laptop, COLLECTOR, "over a socket");
        assert_passed(laptop, "www.ordinary.example", ORDINARY[0], "over a socket");
        daemon.stop();
    });
}

#[test]
fn small_and_large_packets_fit() {
    isolated(|| {
        let lab = Lab::start();
        for kind in ["tun:1280", "tun:9000"] {
            let laptop = lab.laptop();
            let daemon = hand_over(laptop, kind, &["--tun-fd", "TUN"], CONFIG);
            assert_blocked(laptop, COLLECTOR, kind);
            for flag in ["+notcp", "+tcp"] {
                let asked = format!(
                    "dig +short {flag} +bufsize=4096 @198.18.0.53 txt big.ordinary.example"
                );
                let strings = laptop.ok(&asked).matches('"').count() / 2;
                assert_eq!(strings, BIG_TXT, "{asked} with {kind}");
            }
            daemon.stop();
        }
    });
}

#[test]
fn off_and_pause_let_everything_pass() {
    isolated(|| {
        let lab = Lab::start();
        let laptop = lab.laptop();
        let config = format!("block = [\"203.0.113.67\"]\n{CONFIG}");
        let daemon = hand_over(laptop, "tun", &["--tun-fd", "TUN"], &config);
        assert_blocked(laptop, COLLECTOR, "while on");
        let routes = |daemon: &Daemon<'_>| daemon.json(&["tunnel", "--json"])["routes"].clone();
        assert!(routes(&daemon).to_string().contains("203.0.113.67"), "{}", routes(&daemon));
        for command in [&["off"][..], &["pause", "1h"]] {
            daemon.ok(command);
            assert_passed(laptop, COLLECTOR, VENDOR[0], "while off");
            assert!(!routes(&daemon).to_string().contains("203.0.113.67"), "{}", routes(&daemon));
            daemon.ok(&["on"]);
            assert_blocked(laptop, COLLECTOR, "while on again");
        }
        let said = daemon.ok(&["capture", "full"]);
        assert!(
            said.contains("handed over") && said.contains("optout capture selective"),
            "{said}"
        );
        daemon.ok(&["capture", "config"]);
        assert_eq!(daemon.json(&["status", "--json"])["problems"], Value::Array(Vec::new()));
        daemon.stop();
    });
}

#[test]
fn what_is_no_tun_is_refused_in_one_line() {
    isolated(|| {
        let lab = Lab::start();
        let laptop = lab.laptop();
        for (kind, word) in [
            ("closed", "is not open"),
            ("file", "it is no TUN"),
            ("tap", "a TAP"),
            ("headers", "virtio headers"),
        ] {
            laptop.configure("");
            laptop.ok("chown -R nobody /run/optout /var/lib/optout");
            let mut ended = command(laptop, kind, &["--tun-fd", "TUN"]);
            let out = ended.output().expect("it starts");
            let said = String::from_utf8_lossy(&out.stderr);
            let last = said.lines().last().unwrap_or_default();
            assert_eq!(out.status.code(), Some(1), "{kind}: {said}");
            assert!(last.starts_with("optout: cannot use ") && last.contains(word), "{said}");
            assert!(!said.contains("panicked"), "{said}");
        }
        for (socket, word) in [("/run/nobody.sock", "No such file"), ("/dev/null", "refused")] {
            let out = laptop.program(&["run", "--tun-socket", socket]).output().expect("it starts");
            let said = String::from_utf8_lossy(&out.stderr);
            assert!(said.contains(word) && said.contains("SCM_RIGHTS"), "{socket}: {said}");
        }
    });
}

#[test]
fn a_device_that_is_deleted_ends_us_and_says_so() {
    isolated(|| {
        let lab = Lab::start();
        let laptop = lab.laptop();
        let mut daemon = hand_over(laptop, "tun", &["--tun-fd", "TUN"], CONFIG);
        laptop.ok("ip link del tun7");
        let ended = within(Duration::from_secs(10), || daemon.exited());
        assert_eq!(ended.and_then(|status| status.code()), Some(1), "{}", daemon.diagnostics());
        assert!(
            daemon.diagnostics().contains("the TUN device is gone"),
            "{}",
            daemon.diagnostics()
        );
        assert_passed_without_us(laptop);

        // One of our own, on a router.
        let mut daemon = lab.router().optout(CONFIG);
        lab.router().ok("ip link del optout0");
        let ended = within(Duration::from_secs(10), || daemon.exited());
        assert_eq!(ended.and_then(|status| status.code()), Some(1), "{}", daemon.diagnostics());
        let after = ask(lab.phone(), ISP[0], Over::Udp, COLLECTOR, dns::A);
        assert_eq!(after.addresses, [VENDOR[0]], "after it is gone");
    });
}

/// Starts optout as nobody, without a capability, on a TUN that root has opened.
fn hand_over<'n>(node: &'n Node, kind: &str, how: &[&str], config: &str) -> Daemon<'n> {
    node.configure(config);
    node.ok("chown -R nobody /run/optout /var/lib/optout");
    let daemon = node.start_command(command(node, kind, how));
    node.write_resolv_conf(&RESOLVERS);
    daemon
}

fn command(node: &Node, kind: &str, how: &[&str]) -> Command {
    // As whoever opens it would ask.
    let plan = node.ok(&format!("{} tunnel --json", env!("CARGO_BIN_EXE_optout")));
    let plan: Value = serde_json::from_str(&plan).expect("optout tunnel --json prints JSON");
    let list = |name: &str| {
        let all = plan[name].as_array().expect("a list").iter();
        all.map(|it| it.as_str().expect("text")).collect::<Vec<_>>().join(",")
    };
    let opener = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/hand_over.py");
    let mut command = node.command("python3");
    command.args([opener, TUN, &list("addresses"), &list("routes"), kind]);
    command.args(["setpriv", "--reuid", "nobody", "--clear-groups", "--bounding-set", "-all"]);
    command.args(["--inh-caps", "-all", env!("CARGO_BIN_EXE_optout"), "run"]).args(how);
    command
}

/// Asked of the resolver in the tunnel.
#[track_caller]
fn assert_blocked(node: &Node, name: &str, when: &str) -> IpAddr {
    let mut last = None;
    for (server, over) in RESOLVERS.into_iter().zip([Over::Udp, Over::Tcp]) {
        for kind in [dns::AAAA, dns::A] {
            let answer = ask(node, server, over, name, kind);
            assert!(answer.is_sinkholed(), "{when}: {name} is {:?}", answer.addresses);
            last = answer.addresses.first().copied();
        }
    }
    last.expect("an address")
}

#[track_caller]
fn assert_passed(node: &Node, name: &str, to: IpAddr, when: &str) {
    for (server, over) in RESOLVERS.into_iter().zip([Over::Udp, Over::Tcp]) {
        let answer = ask(node, server, over, name, dns::A);
        assert_eq!(answer.addresses, [to], "{when}: {name}");
    }
}

/// Without the device the route to our resolver is gone: who asks another one is served.
fn assert_passed_without_us(node: &Node) {
    node.write_resolv_conf(&ISP);
    let answer = ask(node, ISP[0], Over::Udp, COLLECTOR, dns::A);
    assert_eq!(answer.addresses, [VENDOR[0]]);
}

const TUN: &str = "tun7";

/// Those of the tunnel, by the plan of the defaults.
const RESOLVERS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(198, 18, 0, 53)),
    IpAddr::V6(Ipv6Addr::new(0xfd6f, 0x7074, 0x6f75, 0x7400, 0, 0, 0, 0x35)),
];

/// Upstreams of the lab's provider: the system is told to ask the tunnel.
const CONFIG: &str =
    "upstreams = [\"198.51.100.53\", \"2001:db8:2::53\"]\n[journal]\nflush_seconds = 1\n";
