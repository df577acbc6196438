use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};

use super::monitor::Monitor;
use super::*;
use crate::shell::netns_test::{Beside, isolated, sh, taken};
use crate::shell::tun::OffloadTun;

/// Everything that a stop must leave as it was.
fn state() -> String {
    sh("ip rule; ip -6 rule; ip route show table all; ip -6 route show table all; \
        nft list ruleset; ip link show | sed 's/state [A-Z]*//'")
}

/// Only what is ours in the kernel.
fn rules() -> String {
    sh("ip rule; ip -6 rule")
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

/// A host with one way out, `wan`, and the Internet beside it with a resolver's addresses.
fn host() -> Beside {
    let internet = Beside::new();
    sh(&format!(
        "sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1
         ip link add wan address 02:00:00:00:00:02 type veth peer name host address 02:00:00:00:00:01 netns {}
         ip link set wan addrgenmode none; ip link set wan mtu 1400 up
         ip addr add 192.0.2.2/24 dev wan; ip addr add 2001:db8::2/64 dev wan nodad",
        internet.pid()
    ));
    internet.sh("ip link set host up; ip addr add 192.0.2.1/24 dev host
         ip addr add 198.51.100.53/32 dev lo
         ip addr add 2001:db8::1/64 dev host nodad; ip addr add 2001:db8:53::53/128 dev lo nodad");
    // The kernel takes a link into use some time after it came up.
    sh("until ip -6 route get 2001:db8::1 | grep -q 'src 2001:db8::2'; do sleep 0.01; done
        until ip link show wan | grep -q 'state UP'; do sleep 0.01; done");
    // Fixed, so that no address resolution falls into a test.
    sh("ip route add default via 192.0.2.1; ip -6 route add default via 2001:db8::1
        ip neigh add 192.0.2.1 lladdr 02:00:00:00:00:01 dev wan
        ip neigh add 2001:db8::1 lladdr 02:00:00:00:00:01 dev wan");
    internet
}

const FOREIGN: [&str; 2] = ["198.51.100.53:53", "[2001:db8:53::53]:53"];

/// Sends a datagram as a program would; with our mark if `ours`.
fn send(to: &str, text: &[u8], ours: bool) -> io::Result<()> {
    let to: SocketAddr = to.parse().unwrap();
    let socket = UdpSocket::bind(if to.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" })?;
    if ours {
        setsockopt(&socket, sockopt::Mark, &Plan::default().mark)?;
    }
    socket.send_to(text, to).map(drop)
}

/// Sends a datagram by a socket bound to `wan` as systemd-resolved binds its own.
fn send_bound(to: &str) -> io::Result<()> {
    let to: SocketAddr = to.parse().unwrap();
    let script = format!(
        "import socket,struct,sys
s=socket.socket({family},socket.SOCK_DGRAM)
s.setsockopt({level},{option},struct.pack('!I',socket.if_nametoindex('wan')))
try: s.sendto(b'resolved',('{}',53))
except OSError as e: sys.exit(e.errno)",
        to.ip(),
        family = if to.is_ipv4() { 2 } else { 10 },
        level = if to.is_ipv4() { 0 } else { 41 },
        option = if to.is_ipv4() { 50 } else { 76 }, // IP_UNICAST_IF, IPV6_UNICAST_IF
    );
    match Command::new("python3").args(["-c", &script]).status()?.code() {
        Some(0) => Ok(()),
        code => Err(io::Error::from_raw_os_error(code.unwrap_or_default())),
    }
}

macro_rules! name {
    ($name:literal) => {
        concat!("shell::route::tests::", $name)
    };
}

#[test]
fn questions_and_sinkhole_come_and_nothing_else_does() {
    isolated(name!("questions_and_sinkhole_come_and_nothing_else_does"), || {
        let _internet = host();
        let before = state();
        block_on(async {
            let tun = Tun::open("optout0").unwrap();
            let mut routes = Routes::set_up(Plan::default(), &tun).unwrap();
            for to in FOREIGN {
                send(to, b"off", false).unwrap();
            }
            assert_eq!(taken(&tun, b"off"), 0, "set up, but not on");
            routes.capture_on().unwrap();
            assert_eq!(routes.problems(), Vec::<String>::new());
            for to in FOREIGN.into_iter().chain(["198.19.0.7:443", "[fd6f:7074:6f75:7400::7]:443"])
            {
                send(to, b"come", false).unwrap();
                assert_eq!(taken(&tun, b"come"), 1, "{to}");
                if to.ends_with(":53") {
                    send(to, b"ours", true).unwrap();
                    assert_eq!(taken(&tun, b"ours"), 0, "{to}");
                }
            }
            for to in ["198.51.100.53:123", "192.0.2.1:5353", "[2001:db8:53::53]:853"] {
                send(to, b"other", false).unwrap();
                assert_eq!(taken(&tun, b"other"), 0, "{to}");
            }
            drop(routes);
        });
        assert_eq!(state(), before);
    });
}

#[test]
fn the_device_has_the_path_mtu_and_no_address_that_anyone_would_use() {
    isolated(name!("the_device_has_the_path_mtu_and_no_address_that_anyone_would_use"), || {
        let _internet = host();
        block_on(async {
            let tun = Tun::open("optout0").unwrap();
            let routes = Routes::set_up(Plan::default(), &tun).unwrap();
            assert_eq!(routes.surroundings().mtu, 1400);
            assert!(sh("ip link show optout0").contains("mtu 1400"));
            let addresses = sh("ip addr show optout0 | grep inet");
            assert_eq!(addresses.trim(), "inet 198.18.0.1/32 scope host optout0");
            assert!(
                sh("ip route show table 5353")
                    .contains("default dev optout0 proto 235 scope link src 192.0.2.2")
            );
            assert!(
                sh("ip -6 route show table 5354")
                    .contains("fd6f:7074:6f75:7400::/64 dev optout0 proto 235 src 2001:db8::2")
            );
        });
    });
}

#[test]
fn a_socket_bound_to_a_link_is_covered_too() {
    isolated(name!("a_socket_bound_to_a_link_is_covered_too"), || {
        let _internet = host();
        for fail in [Fail::Open, Fail::Closed] {
            block_on(async {
                let tun = Tun::open("optout0").unwrap();
                let mut routes = Routes::set_up(Plan { fail, ..Plan::default() }, &tun).unwrap();
                routes.capture_on().unwrap();
                for to in FOREIGN {
                    send_bound(to).unwrap();
                    assert_eq!(taken(&tun, b"resolved"), 1, "{to} {fail:?}");
                }
            });
        }
    });
}

#[test]
fn two_hundred_times_on_and_off_leave_nothing() {
    isolated(name!("two_hundred_times_on_and_off_leave_nothing"), || {
        let _internet = host();
        block_on(async {
            let tun = Tun::open("optout0").unwrap();
            let mut routes = Routes::set_up(Plan::default(), &tun).unwrap();
            routes.capture_off();
            let before = state();
            for _ in 0..200 {
                routes.capture_on().unwrap();
                routes.capture_on().unwrap();
                assert!(rules().contains("5353"));
                routes.capture_off();
                routes.capture_off();
                assert_eq!(rules().matches("535").count(), 0);
            }
            assert_eq!(state(), before);
        });
    });
}

#[test]
fn a_killed_run_falls_through_when_open_and_refuses_when_closed() {
    isolated(name!("a_killed_run_falls_through_when_open_and_refuses_when_closed"), || {
        let internet = host();
        let before = state();
        for fail in [Fail::Open, Fail::Closed] {
            block_on(async {
                let tun = Tun::open("optout0").unwrap();
                let mut routes = Routes::set_up(Plan { fail, ..Plan::default() }, &tun).unwrap();
                routes.capture_on().unwrap();
                routes.die();
                drop(tun);
            });
            assert!(rules().contains("lookup 5353"), "the rules are left");
            let counted = || internet.sh("nft list counters | grep packets || true");
            internet.sh("nft add table inet t; nft add counter inet t q
                 nft 'add chain inet t c { type filter hook prerouting priority 0; }'
                 nft add rule inet t c udp dport 53 counter name q");
            for to in FOREIGN {
                let outcome = send(to, b"after", false);
                match fail {
                    Fail::Open => {
                        outcome.unwrap();
                        send_bound(to).unwrap();
                    }
                    Fail::Closed => {
                        send_bound(to).unwrap_err();
                        let error = outcome.unwrap_err();
                        assert!(
                            matches!(
                                error.raw_os_error(),
                                Some(libc::EHOSTUNREACH | libc::EACCES | libc::EPERM)
                            ),
                            "{error}"
                        );
                    }
                }
            }
            std::thread::sleep(Duration::from_millis(50));
            let want = if fail == Fail::Open { "packets 4 " } else { "packets 0 " };
            assert!(counted().contains(want), "{fail:?}: {}", counted());
            internet.sh("nft delete table inet t");
            if fail == Fail::Closed {
                assert!(send("198.18.0.1:443", b"x", false).is_err());
                assert!(sh("ip route show table 5354").contains("prohibit 198.18.0.0/15"));
            }
            // The next start sweeps.
            block_on(async {
                let tun = Tun::open("optout0").unwrap();
                drop(Routes::set_up(Plan::default(), &tun).unwrap());
            });
            assert_eq!(state(), before);
        }
    });
}

#[test]
fn what_another_program_uses_is_left_alone_and_named() {
    isolated(name!("what_another_program_uses_is_left_alone_and_named"), || {
        let _internet = host();
        for (make, unmake, want) in [
            (
                "ip route add 203.0.113.0/24 dev wan table 5353",
                "ip route flush table 5353",
                "cannot use routing table 5353",
            ),
            (
                "ip -6 route add 2001:db8:9::/64 dev wan table 5354",
                "ip -6 route flush table 5354",
                "cannot use routing table 5354",
            ),
            (
                "ip rule add pref 5301 from 203.0.113.7 lookup main",
                "ip rule del pref 5301",
                "cannot use rule priority 5301",
            ),
            (
                "ip rule add pref 99 from 203.0.113.7 lookup 5354",
                "ip rule del pref 99",
                "cannot use routing table 5354",
            ),
        ] {
            sh(make);
            let before = state();
            block_on(async {
                let tun = Tun::open("optout0").unwrap();
                let error = Routes::set_up(Plan::default(), &tun).err().unwrap().to_string();
                assert!(error.starts_with(want), "{error}");
            });
            assert_eq!(state(), before);
            sh(unmake);
        }
        block_on(async {
            sh("ip link add optout0 type veth");
            let error = Tun::open("optout0").err().unwrap().to_string();
            assert!(error.contains("there is a network device of that name"), "{error}");
        });
    });
}

#[test]
fn without_ipv6_or_a_default_route_it_works_with_what_is_there() {
    isolated(name!("without_ipv6_or_a_default_route_it_works_with_what_is_there"), || {
        sh("sysctl -qw net.ipv6.conf.all.disable_ipv6=1
            ip link add wan type veth peer name host; ip link set wan up; ip link set host up
            ip addr add 192.0.2.2/24 dev wan");
        let before = state();
        block_on(async {
            let tun = Tun::open("optout0").unwrap();
            let mut routes = Routes::set_up(Plan::default(), &tun).unwrap();
            routes.capture_on().unwrap();
            assert_eq!(routes.surroundings().source_v4, None);
            assert_eq!(routes.surroundings().mtu, 1500);
            assert_eq!(sh("ip -6 rule").matches("5353").count(), 0);
            assert!(send(FOREIGN[0], b"x", false).is_err(), "as without us");
            send("192.0.2.1:53", b"come", false).unwrap();
            assert_eq!(taken(&tun, b"come"), 1);
        });
        assert_eq!(state(), before);
    });
}

#[test]
fn prefixes_come_and_go() {
    isolated(name!("prefixes_come_and_go"), || {
        let _internet = host();
        block_on(async {
            let tun = Tun::open("optout0").unwrap();
            let mut routes = Routes::set_up(Plan::default(), &tun).unwrap();
            routes.capture_on().unwrap();
            let prefix = |text: &str| text.parse::<Prefix>().unwrap();
            let both = vec![prefix("203.0.113.0/24"), prefix("2001:db8:7::/48")];
            routes.set_prefixes(both, Vec::new()).unwrap();
            send("203.0.113.9:443", b"a", false).unwrap();
            send("[2001:db8:7::1]:443", b"a", false).unwrap();
            assert_eq!(taken(&tun, b"a"), 2);
            routes.set_prefixes(vec![prefix("203.0.113.9")], Vec::new()).unwrap();
            send("203.0.113.8:443", b"b", false).unwrap();
            send("[2001:db8:7::1]:443", b"b", false).unwrap();
            assert_eq!(taken(&tun, b"b"), 0);
            send("203.0.113.9:443", b"c", false).unwrap();
            assert_eq!(taken(&tun, b"c"), 1);
        });
    });
}

#[test]
fn holes_in_routed_prefixes_go_their_usual_way() {
    isolated(name!("holes_in_routed_prefixes_go_their_usual_way"), || {
        let _internet = host();
        for fail in [Fail::Open, Fail::Closed] {
            let before = state();
            block_on(async {
                let tun = Tun::open("optout0").unwrap();
                let mut routes = Routes::set_up(Plan { fail, ..Plan::default() }, &tun).unwrap();
                routes.capture_on().unwrap();
                let prefixes = |texts: &[&str]| -> Vec<Prefix> {
                    texts.iter().map(|text| text.parse().unwrap()).collect()
                };
                let stopped = prefixes(&["203.0.113.0/24", "2001:db8:7::/48"]);
                // The last is a mistake that must not take our sinkhole away.
                let spared = prefixes(&["203.0.113.8/31", "2001:db8:7::8/127", "198.18.0.0/16"]);
                let holes = ["203.0.113.9:443", "[2001:db8:7::9]:443"];
                let others = ["203.0.113.10:443", "[2001:db8:7::a]:443", "198.18.1.1:443"];
                for _ in 0..2 {
                    routes.set_prefixes(stopped.clone(), spared.clone()).unwrap();
                    assert_eq!(routes.refresh().unwrap(), Changes::default(), "{fail:?}");
                }
                for (to, want) in
                    holes.map(|to| (to, 0)).into_iter().chain(others.map(|to| (to, 1)))
                {
                    send(to, b"hole", false).unwrap();
                    assert_eq!(taken(&tun, b"hole"), want, "{to} {fail:?}");
                }
                routes.set_prefixes(stopped, Vec::new()).unwrap();
                for to in holes {
                    send(to, b"closed", false).unwrap();
                    assert_eq!(taken(&tun, b"closed"), 1, "{to} {fail:?}");
                }
                routes.set_prefixes(Vec::new(), spared).unwrap();
            });
            assert_eq!(state(), before);
        }
    });
}

#[test]
fn what_others_flush_comes_back_and_quiet_is_quiet() {
    isolated(name!("what_others_flush_comes_back_and_quiet_is_quiet"), || {
        let _internet = host();
        block_on(async {
            let tun = Tun::open("optout0").unwrap();
            let mut routes = Routes::set_up(Plan::default(), &tun).unwrap();
            routes.capture_on().unwrap();
            let mut monitor = Monitor::open().unwrap();
            let want = state();
            for flush in [
                "ip rule flush; ip rule add pref 32766 lookup main; ip rule add pref 32767 lookup default; ip rule add pref 0 lookup local 2>/dev/null || true",
                "ip -6 rule flush; ip -6 rule add pref 32766 lookup main",
                "ip route flush table 5353",
                "ip -6 route flush table 5354",
                "ip link set optout0 down",
            ] {
                sh(flush);
                let noticed = tokio::time::timeout(Duration::from_secs(3), monitor.changed()).await;
                noticed.expect(flush).unwrap();
                let changes = routes.refresh().unwrap();
                assert!(changes.restored, "{flush}");
                let (now, want): (BTreeSet<_>, BTreeSet<_>) = (lines(&state()), lines(&want));
                assert!(want.is_subset(&now), "{flush}: lost {:?}", want.difference(&now));
            }
            // Our own repairs are seen once more at most, and change nothing.
            if tokio::time::timeout(Duration::from_secs(3), monitor.changed()).await.is_ok() {
                assert_eq!(routes.refresh().unwrap(), Changes::default());
            }
            let quiet = tokio::time::timeout(Duration::from_secs(3), monitor.changed()).await;
            assert!(quiet.is_err(), "nothing changed");
            sh("nft flush ruleset");
            assert!(sh("nft list ruleset").contains("table inet optout"), "ours alone");
        });
    });
}

#[test]
fn a_vpn_that_only_rules_tell_of_is_noticed() {
    isolated(name!("a_vpn_that_only_rules_tell_of_is_noticed"), || {
        let _internet = host();
        sh("ip rule add pref 16000 fwmark 0x10064/0x1ffff iif lo lookup 1002
            ip rule add pref 31000 fwmark 0/0xffff iif lo lookup 1002");
        block_on(async {
            let tun = Tun::open("optout0").unwrap();
            let mut routes = Routes::set_up(Plan::default(), &tun).unwrap();
            routes.capture_on().unwrap();
            let mut monitor = Monitor::open().unwrap();
            let ours =
                |network: &str| rules().contains(&format!("fwmark 0x20000{network}/0x300ffff"));
            assert!(ours("64") && !ours("66"), "{}", rules());
            for (change, number, before) in [("add", "66", "64"), ("del", "64", "66")] {
                sh(&format!(
                    "ip rule {change} pref 16000 fwmark 0x10066/0x1ffff iif lo lookup 1040
                     ip rule {change} pref 13000 fwmark 0/0x20000 iif lo uidrange 0-0 lookup 1040"
                ));
                let noticed = tokio::time::timeout(Duration::from_secs(3), monitor.changed()).await;
                noticed.expect(change).unwrap();
                routes.refresh().unwrap();
                assert!(ours(number) && !ours(before), "{change}: {}", rules());
            }
        });
    });
}

#[test]
fn the_kernel_says_nothing_by_our_device() {
    isolated(name!("the_kernel_says_nothing_by_our_device"), || {
        let _internet = host();
        // A router announces that it listens to what routers are told.
        sh("sysctl -qw net.ipv6.conf.all.forwarding=1");
        block_on(async {
            let tun = Tun::open("optout0").unwrap();
            let mut routes = Routes::set_up(Plan::default(), &tun).unwrap();
            routes.capture_on().unwrap();
            // Both announcements come within a second (RFC 3810 §9.11).
            tokio::time::sleep(Duration::from_millis(1500)).await;
            assert_eq!(taken(&tun, b""), 0);
            assert_eq!(sh("ip -6 maddr show dev optout0 | grep ff02::2 || true"), "");
        });
    });
}

/// Waits for a change, or gives up after a while.
async fn settled(monitor: &mut Monitor) {
    if let Ok(outcome) = tokio::time::timeout(Duration::from_secs(3), monitor.changed()).await {
        outcome.unwrap();
    }
}

fn lines(text: &str) -> BTreeSet<String> {
    text.lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn a_new_address_becomes_the_source() {
    isolated(name!("a_new_address_becomes_the_source"), || {
        let _internet = host();
        block_on(async {
            let tun = Tun::open("optout0").unwrap();
            let mut routes = Routes::set_up(Plan::default(), &tun).unwrap();
            routes.capture_on().unwrap();
            let mut monitor = Monitor::open().unwrap();
            let start = Instant::now();
            sh("ip addr flush dev wan scope global
                ip addr add 192.0.2.9/24 dev wan; ip route add default via 192.0.2.1
                ip addr add 2001:db8::9/64 dev wan nodad; ip -6 route replace default via 2001:db8::1");
            let mut changes = Changes::default();
            while routes.surroundings().source_v4 != Some("192.0.2.9".parse().unwrap())
                || routes.surroundings().source_v6 != Some("2001:db8::9".parse().unwrap())
            {
                assert!(start.elapsed() < Duration::from_secs(4), "{:?}", routes.surroundings());
                settled(&mut monitor).await;
                let more = routes.refresh().unwrap();
                changes.own_addresses |= more.own_addresses;
                changes.source |= more.source;
                assert!(!more.restored);
            }
            assert!(changes.own_addresses && changes.source, "{changes:?}");
            assert!(sh("ip route show table 5353").contains("src 192.0.2.9"));
            assert!(sh("ip -6 route show table 5353").contains("src 2001:db8::9"));
            // A LAN appears: its clients are covered from then on.
            sh("ip link add lan type veth peer name client; ip link set lan up; ip link set client up
                ip addr add 2001:db8:77::1/64 dev lan nodad");
            while !routes
                .surroundings()
                .client_prefixes
                .iter()
                .any(|p| p.to_string().starts_with("2001:db8:77:"))
            {
                settled(&mut monitor).await;
                routes.refresh().unwrap();
                assert!(start.elapsed() < Duration::from_secs(8), "{:?}", routes.surroundings());
            }
            assert!(sh("ip -6 rule").contains("from 2001:db8:77::/64"));
            assert!(sh("nft list ruleset").contains("2001:db8:77::/64"));
        });
    });
}

#[test]
fn our_own_question_that_would_come_back_is_found() {
    isolated(name!("our_own_question_that_would_come_back_is_found"), || {
        let _internet = host();
        block_on(async {
            let tun = Tun::open("optout0").unwrap();
            let plan = Plan::default();
            let mut routes = Routes::set_up(plan.clone(), &tun).unwrap();
            routes.capture_on().unwrap();
            let upstreams: Vec<SocketAddr> = FOREIGN.iter().map(|to| to.parse().unwrap()).collect();
            let by =
                |ours: bool| move |to: SocketAddr, bytes: &[u8]| send(&to.to_string(), bytes, ours);
            self_test(&tun, &plan, &upstreams, by(true)).await.unwrap();
            let error =
                self_test(&tun, &plan, &upstreams, by(false)).await.unwrap_err().to_string();
            assert!(error.contains("198.51.100.53:53 came back"), "{error}");
            assert!(error.contains("with our mark the kernel sends it to wan by table 254, a program's the kernel sends it to optout0 by table 5353"), "{error}");
            // Somebody's filter takes the mark off.
            sh("nft add table inet evil
                nft 'add chain inet evil c { type route hook output priority -1; }'
                nft add rule inet evil c udp dport 53 meta mark set 0x2000000");
            let error = self_test(&tun, &plan, &upstreams, by(true)).await.unwrap_err();
            assert!(matches!(error, LoopError::Loops { .. }), "{error}");
        });
    });
}

#[test]
fn flows_are_led_round_by_rules_and_all_of_them_are_known_again() {
    isolated(name!("flows_are_led_round_by_rules_and_all_of_them_are_known_again"), || {
        let _internet = host();
        sh(
            "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding",
        );
        let before = state();
        block_on(async {
            let tun = Tun::open("optout0").unwrap();
            let mut routes = Routes::set_up(Plan::default(), &tun).unwrap();
            routes.capture_on().unwrap();
            let without = rules();
            let device = OffloadTun::open("optout1").unwrap();
            routes.add_device_of_flows(device.index(), device.name()).unwrap();
            let flows = FlowPlan {
                scope: Scope::All,
                ports: vec![(22, 22), (8000, 8080)],
                clients: vec![prefix(Ipv4Addr::new(10, 0, 0, 9), 32)],
                addresses: vec![prefix(Ipv4Addr::new(203, 0, 113, 0), 24)],
                ..FlowPlan::default()
            };
            for families in [[true, false], [false, true], [true, true]] {
                routes.set_flows_by_rules(&flows, families).unwrap();
                assert!(routes.leads_by_rules() && routes.flows() == Some(&flows));
                for (v6, command) in [(false, "ip rule"), (true, "ip -6 rule")] {
                    let led = sh(command).matches("lookup 5355").count();
                    assert_eq!(led > 0, families[usize::from(v6)], "{command}: {led}");
                }
                for lost in [false, true] {
                    if lost {
                        sh("ip rule del priority 5307; ip route flush table 5355");
                    }
                    let (before, changes) = (rules(), routes.refresh().unwrap());
                    assert_eq!(changes.restored, lost, "{families:?}:\n{before}\n{}", rules());
                }
            }
            assert_eq!(route("203.0.113.9"), "wan");
            assert_eq!(route("198.51.100.9"), "optout1");
            assert_eq!(route("192.168.7.7"), "wan");
            routes.lead_tests_round(true).unwrap();
            routes.lead_tests_round(false).unwrap();
            routes.drop_flows().unwrap();
            let left = rules();
            for line in left.lines().filter(|line| !without.contains(line)) {
                let end = line.contains("optout1") || line.contains("nop");
                assert!(end, "what comes back by the device is known: {line}");
            }
            drop(routes);
        });
        assert_eq!(state(), before);
    });
}

/// By which link a segment of a client would leave that came from the home.
fn route(to: &str) -> String {
    let asked = sh(&format!("ip route get {to} from 10.0.0.7 iif wan ipproto 6 dport 443"));
    asked.split_whitespace().skip_while(|word| *word != "dev").nth(1).unwrap_or_default().to_owned()
}

/// The two kinds of iptables that there are: over nftables, and with tables of its own.
const IPTABLES: [iptables::Programs; 2] = [
    iptables::Programs { v4: "iptables-nft", v6: "ip6tables-nft" },
    iptables::Programs { v4: "iptables-legacy", v6: "ip6tables-legacy" },
];

/// Those that this kernel has; the older kind is going away.
fn kinds_of_iptables() -> Vec<iptables::Programs> {
    let works = |programs: &iptables::Programs| {
        let both = [programs.v4, programs.v6];
        let there = both.iter().all(|program| {
            let listed = Command::new(program).args(["-w", "-t", "mangle", "-S"]).output();
            listed.is_ok_and(|listed| listed.status.success())
        });
        if !there {
            println!("SKIPPED for {}: it is not installed, or this kernel has it not", programs.v4);
        }
        there
    };
    let kinds: Vec<_> = IPTABLES.into_iter().filter(works).collect();
    assert!(!kinds.is_empty(), "no iptables at all: apt-get install iptables");
    kinds
}

/// What the tables of a kind hold, with the chains that they are made of from the start.
fn chains(programs: iptables::Programs) -> String {
    let both = [programs.v4, programs.v6];
    let said = both.map(|program| sh(&format!("{program} -w -t mangle -S")));
    said.concat()
}

/// Routes on a host where nftables refuses us and, as before Linux 4.17, rules know no
/// ports. Neither can be had here, so the table's name is taken, and the rest is said.
fn old_kernel(tun: &Tun, programs: iptables::Programs) -> Routes {
    let mut routes = Routes::set_up(Plan::default(), tun).unwrap();
    sh("nft add table inet optout");
    (routes.know_ports, routes.programs) = (false, programs);
    routes
}

#[test]
fn this_kernel_knows_ports_in_rules_and_trying_leaves_nothing() {
    isolated(name!("this_kernel_knows_ports_in_rules_and_trying_leaves_nothing"), || {
        let before = rules();
        let mut netlink = Netlink::route().unwrap();
        assert!(rules::know_ports(&mut netlink, &Plan::default()).unwrap());
        assert_eq!(rules(), before);
    });
}

#[test]
fn where_rules_know_no_ports_iptables_marks_what_comes_to_us() {
    isolated(name!("where_rules_know_no_ports_iptables_marks_what_comes_to_us"), || {
        let _internet = host();
        for programs in kinds_of_iptables() {
            // The tables themselves, and the chains that they come with, stay.
            sh(&format!(
                "for p in {} {}; do $p -t mangle -I OUTPUT -j RETURN; $p -t mangle -D OUTPUT 1; done",
                programs.v4, programs.v6
            ));
            let before = (state(), chains(programs));
            block_on(async {
                let tun = Tun::open("optout0").unwrap();
                let mut routes = old_kernel(&tun, programs);
                routes.capture_on().unwrap();
                assert!(!rules().contains("dport"), "{}", rules());
                let problem = routes.problems().join(", ");
                assert!(problem.contains("questions of clients"), "{problem}");
                for to in FOREIGN.into_iter().chain(["198.19.0.7:443"]) {
                    send(to, b"come", false).unwrap();
                    assert_eq!(taken(&tun, b"come"), 1, "{to} by {}", programs.v4);
                    if to.ends_with(":53") {
                        send(to, b"ours", true).unwrap();
                        assert_eq!(taken(&tun, b"ours"), 0, "{to} by {}", programs.v4);
                        send_bound(to).unwrap();
                        assert_eq!(taken(&tun, b"resolved"), 1, "{to} by {}", programs.v4);
                    }
                }
                for to in ["198.51.100.53:123", "[2001:db8:53::53]:853"] {
                    send(to, b"other", false).unwrap();
                    assert_eq!(taken(&tun, b"other"), 0, "{to}");
                }
                routes.capture_off();
                assert_eq!(chains(programs), before.1);
                routes.capture_on().unwrap();
                drop(routes); // takes the table of our name along
            });
            assert_eq!((state(), chains(programs)), before);
        }
    });
}

#[test]
fn chains_that_a_crash_leaves_stop_nothing_and_go_with_the_next_start() {
    isolated(name!("chains_that_a_crash_leaves_stop_nothing_and_go_with_the_next_start"), || {
        let internet = host();
        for programs in kinds_of_iptables() {
            chains(programs);
            let before = chains(programs);
            block_on(async {
                let tun = Tun::open("optout0").unwrap();
                let mut routes = old_kernel(&tun, programs);
                routes.capture_on().unwrap();
                routes.die();
                drop(tun);
            });
            sh("nft delete table inet optout");
            assert!(chains(programs).contains("-N OPTOUT"), "{}", chains(programs));
            // The question is marked, and goes its way all the same.
            let asked = "cat /proc/net/snmp | awk '/^Udp: [0-9]/ { print $3 }'";
            let seen: u64 = internet.sh(asked).trim().parse().unwrap();
            send(FOREIGN[0], b"goes", false).unwrap();
            sh("sleep 0.1");
            let now: u64 = internet.sh(asked).trim().parse().unwrap();
            assert_eq!(now, seen + 1, "nobody listens there, so it counts as to no port");
            block_on(async {
                let tun = Tun::open("optout0").unwrap();
                let mut routes = old_kernel(&tun, programs);
                routes.capture_on().unwrap();
                assert_eq!(chains(programs).matches("-j OPTOUT").count(), 2, "once a family");
            });
            assert_eq!(chains(programs), before);
        }
    });
}

#[test]
fn a_strict_reverse_path_filter_is_a_reason_for_marks_too() {
    isolated(name!("a_strict_reverse_path_filter_is_a_reason_for_marks_too"), || {
        let _internet = host();
        block_on(async {
            let tun = Tun::open("optout0").unwrap();
            let mut routes = old_kernel(&tun, kinds_of_iptables()[0]);
            routes.know_ports = true;
            routes.capture_on().unwrap();
            assert!(routes.marking.is_some());
            routes.capture_off();
            sh("sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.wan.rp_filter=0");
            routes.capture_on().unwrap();
            assert!(routes.marking.is_none());
            assert!(rules().contains("dport 53"), "{}", rules());
        });
    });
}

#[test]
fn without_ports_and_without_iptables_nothing_is_diverted_and_it_is_said_why() {
    isolated(
        name!("without_ports_and_without_iptables_nothing_is_diverted_and_it_is_said_why"),
        || {
            let _internet = host();
            block_on(async {
                let tun = Tun::open("optout0").unwrap();
                let none = iptables::Programs { v4: "/nonexistent", v6: "/nonexistent" };
                let mut routes = old_kernel(&tun, none);
                let before = rules();
                let error = routes.capture_on().unwrap_err().to_string();
                assert!(
                    error.contains("know no ports") && error.contains("/nonexistent"),
                    "{error}"
                );
                assert_eq!(error.lines().count(), 1);
                assert_eq!(rules(), before);
            });
        },
    );
}
