//! Full capture on a kernel without nftables: rules of routing lead all that clients
//! send by optout, with segments that nobody has cut yet.

use std::io::ErrorKind;
use std::net::{IpAddr, UdpSocket};
use std::time::Duration;
use std::{fs, thread};

use nix::sys::socket::{setsockopt, sockopt};
use serde_json::Value;

use crate::lab::transfer::{self, Way};
use crate::lab::{Daemon, Lab, Node, ORDINARY, Snapshot, VENDOR, hello, isolated, tell};
use crate::ways::{COLLECTOR, PATIENCE, SOON};

#[test]
fn what_is_blocked_is_stopped_and_the_rest_passes_whole() {
    isolated(|| {
        let lab = lab();
        transfer::serve(lab.internet().node(), &ORDINARY, PORT);
        serve_datagrams(lab.internet().node());
        let before = Snapshot::of(lab.router());
        let daemon = lab.router().optout_without_nftables(&full(""));
        let problems = status(&daemon)["problems"].to_string();
        assert!(problems.contains("of this machine's own programs"), "{problems}");
        for (v6, family) in [(false, "-4"), (true, "-6")] {
            let address = VENDOR[usize::from(v6)];
            let https = |host, to: IpAddr| {
                let script =
                    format!("curl -ksS {family} -m 5 --connect-to ::[{to}]: https://{host}/");
                lab.phone().run(&script)
            };
            let blocked = https(COLLECTOR, address);
            assert!(blocked.err.contains("reset") || blocked.err.contains("refused"), "{blocked}");
            let passed = https("www.ordinary.example", ORDINARY[usize::from(v6)]);
            assert!(passed.status.success(), "{passed}\n{}", daemon.diagnostics());
            // To whom it goes, its Initial says and nothing else.
            let server = (ORDINARY[usize::from(v6)], PORT);
            assert!(is_refused(lab.phone(), server, &initial(COLLECTOR)), "{family}");
            assert!(!is_refused(lab.phone(), server, &initial("www.ordinary.example")), "{family}");
        }
        assert_transfers(&lab, 10_000_000);
        for length in [1, 200, 1400, 4000, 60_000] {
            assert_datagrams_return(&lab, length);
        }
        for address in ORDINARY {
            let refused = is_refused(lab.phone(), (address, PORT + 1), b"is anybody there?");
            assert!(refused, "what a server says of its port {address}");
        }
        let flows = &status(&daemon)["flows"];
        assert!(flows["put_back"].as_u64() > Some(500) && flows["over_bound"] == 0, "{flows}");
        assert_eq!(status(&daemon)["counters"]["malformed"], 0, "{}", status(&daemon));
        tell(&format!("{flows}"));
        daemon.stop();
        before.assert_same(&Snapshot::of(lab.router()), "after the end");
    });
}

#[test]
fn segments_come_uncut() {
    isolated(|| {
        let lab = lab();
        transfer::serve(lab.internet().node(), &ORDINARY, PORT);
        let daemon = lab.router().optout_without_nftables(&full(""));
        for address in ORDINARY {
            let before = packets(&daemon);
            let to = (address, PORT).into();
            let name = "www.ordinary.example";
            let sent = lab.phone().enter(|| transfer::transfer(to, name, Way::Up, 10_000_000));
            sent.expect("a transfer");
            let came = packets(&daemon) - before;
            tell(&format!("{came} packets of a transfer of 10 MB to {address}"));
            // Each by itself they are 6900.
            assert!(came < 3000, "{address}: {came}");
        }
        daemon.stop();
    });
}

#[test]
fn datagrams_come_uncut_once_their_flow_passed_and_arrive_as_datagrams() {
    isolated(|| {
        let lab = lab();
        serve_datagrams(lab.internet().node());
        let daemon = lab.router().optout_without_nftables(&full(""));
        let said = initial("www.ordinary.example");
        for address in ORDINARY {
            let before = packets(&daemon);
            lab.phone().enter(|| {
                let socket = socket(address);
                socket.connect((address, PORT)).expect("a route");
                // Its kernel hands them over as one, to be cut into what was said.
                let size = i32::try_from(said.len()).expect("a datagram");
                setsockopt(&socket, sockopt::UdpGsoSegment, &size).expect("Linux 4.18");
                for round in 0..20 {
                    socket.send(&said.repeat(20)).expect("datagrams");
                    for n in 0..20 {
                        let mut room = [0; 3000];
                        let len = socket.recv(&mut room).unwrap_or_else(|error| {
                            panic!("datagram {n} of round {round} to {address}: {error}")
                        });
                        assert_eq!(room[..len], said, "{n} of round {round}");
                    }
                }
            });
            let came = packets(&daemon) - before;
            tell(&format!("{came} packets of 400 datagrams to {address}"));
            let known = fs::read_to_string("/proc/sys/kernel/osrelease").expect("a kernel");
            let (major, minor) = version(&known);
            assert!((major, minor) < (6, 2) || came < 100, "{address}: {came}");
        }
        // One in the middle that must not be.
        let blocked = [said.repeat(3), initial(COLLECTOR), said.repeat(3)].concat();
        for address in ORDINARY {
            let refused = lab.phone().enter(|| {
                let socket = socket(address);
                socket.connect((address, PORT)).expect("a route");
                let size = i32::try_from(said.len()).expect("a datagram");
                setsockopt(&socket, sockopt::UdpGsoSegment, &size).expect("Linux 4.18");
                socket.send(&blocked).expect("datagrams");
                (0..7).any(|_| {
                    socket
                        .recv(&mut [0; 3000])
                        .is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
                })
            });
            assert!(refused, "{address}");
        }
        daemon.stop();
    });
}

/// The first two numbers of a kernel.
fn version(release: &str) -> (u32, u32) {
    let mut numbers = release.split(['.', '-']).map_while(|number| number.trim().parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[test]
fn switching_and_killing_leave_traffic_and_nothing_else() {
    isolated(|| {
        let lab = lab();
        transfer::serve(lab.internet().node(), &ORDINARY, PORT);
        let before = Snapshot::of(lab.router());
        let daemon = lab.router().optout_without_nftables(&full(""));
        let living: Vec<_> = ORDINARY
            .map(|address| {
                let to = (address, PORT).into();
                lab.phone().enter(|| transfer::Living::open(to, "www.ordinary.example"))
            })
            .into_iter()
            .map(|living| living.expect("a connection"))
            .collect();
        let mut living = living;
        let mut goes_on = |when: &str| {
            for living in &mut living {
                for _ in 0..20 {
                    living.round().unwrap_or_else(|error| panic!("{when}: {error}"));
                }
            }
        };
        goes_on("at first");
        for words in [&["off"][..], &["on"], &["capture", "selective"], &["capture", "full"]] {
            daemon.ok(words);
            goes_on(words[words.len() - 1]);
        }
        for _ in 0..20 {
            daemon.ok(&["off"]);
            daemon.ok(&["on"]);
        }
        goes_on("many times off and on");
        let before_it = packets(&daemon);
        goes_on("on");
        assert!(packets(&daemon) > before_it, "it still comes by");
        daemon.kill9();
        goes_on("killed");
        let left = lab.router().ok("ip link; ip route show table all; ip -6 route show table all");
        assert!(!left.contains("optout"), "{left}");
        // Rules of a crash lead nowhere, and the next start takes them away.
        lab.router().optout_without_nftables(&full("")).stop();
        before.assert_same(&Snapshot::of(lab.router()), "after a crash and another run");
        goes_on("stopped");
    });
}

#[test]
fn where_connections_are_tracked_or_nothing_is_forwarded_flows_go_their_way() {
    isolated(|| {
        let lab = lab();
        transfer::serve(lab.internet().node(), &ORDINARY, PORT);
        for (script, said) in [
            (
                "nft 'table ip nat { chain out { type nat hook postrouting priority 100; \
              oifname wan0 masquerade; }; }'",
                "tracks connections",
            ),
            (
                "nft delete table ip nat; nft 'table inet fw { chain through { type filter hook \
              forward priority 0; policy drop; iifname br0 oifname wan0 accept; \
              iifname wan0 accept; }; }'",
                "the firewall does not forward",
            ),
        ] {
            lab.router().ok(script);
            // Tracked connections are remembered for a while.
            let _ = lab.router().run("conntrack -F; sleep 0.2");
            let daemon = lab.router().optout_without_nftables(&full(""));
            let problems = status(&daemon)["problems"].to_string();
            if said != "tracks connections" && problems.contains("tracks connections") {
                return; // without conntrack(8) there is no second round
            }
            assert!(problems.contains(said), "{said}: {problems}");
            assert_transfers(&lab, 100_000);
            assert_eq!(status(&daemon)["flows"]["put_back"], 0, "{said}");
            daemon.stop();
        }
    });
}

#[test]
fn what_is_excluded_does_not_come_by() {
    isolated(|| {
        let lab = lab();
        transfer::serve(lab.internet().node(), &ORDINARY, PORT);
        for excluded in [
            "[full]\nexclude_ports = [4434]\n",
            "[full]\nexclude_clients = [\"192.0.2.10\", \"2001:db8:1::10\"]\n",
            "[full]\nexclude_addresses = [\"203.0.113.0/24\", \"2001:db8:8::/48\"]\n",
        ] {
            let daemon = lab.router().optout_without_nftables(&full(excluded));
            assert_transfers(&lab, 1_000_000);
            assert_eq!(status(&daemon)["flows"]["put_back"], 0, "{excluded}: {}", status(&daemon));
            daemon.stop();
        }
    });
}

#[test]
fn a_strict_reverse_path_filter_is_noticed_and_nobody_is_cut_off() {
    isolated(|| {
        let lab = Lab::start(); // it has one
        transfer::serve(lab.internet().node(), &ORDINARY, PORT);
        let daemon = lab.router().optout_without_nftables(&full(""));
        let problems = status(&daemon)["problems"].to_string();
        assert!(problems.contains("over IPv4: a strict reverse path filter"), "{problems}");
        assert_transfers(&lab, 1_000_000);
        // Those over IPv6.
        assert_eq!(status(&daemon)["flows"]["seen"], 2, "{}", status(&daemon));
        daemon.stop();
    });
}

/// A lab whose router has no strict reverse path filter.
fn lab() -> Lab {
    let lab = Lab::start();
    lab.router().ok("echo 2 > /proc/sys/net/ipv4/conf/all/rp_filter");
    lab
}

/// Transfers both ways over both families.
#[track_caller]
fn assert_transfers(lab: &Lab, length: usize) {
    for address in ORDINARY {
        for way in [Way::Up, Way::Down] {
            let to = (address, PORT).into();
            let name = "www.ordinary.example";
            let done = lab.phone().enter(|| transfer::transfer(to, name, way, length));
            done.unwrap_or_else(|error| panic!("{way:?} {to}: {error}"));
        }
    }
}

/// Sends datagrams of that length, which come back as they went.
#[track_caller]
fn assert_datagrams_return(lab: &Lab, length: usize) {
    let payload: Vec<u8> = (0..=u8::MAX).cycle().take(length).collect();
    for address in ORDINARY {
        let came = lab.phone().enter(|| {
            let socket = socket(address);
            socket.connect((address, PORT)).expect("a route");
            (0..20).all(|_| {
                let mut room = vec![0; 65_536];
                socket.send(&payload).expect("a datagram");
                socket.recv(&mut room).is_ok_and(|len| room[..len] == payload)
            })
        });
        assert!(came, "{length} bytes to {address}");
    }
}

/// Sends every datagram back to whom it came from.
fn serve_datagrams(node: &Node) {
    for address in ORDINARY {
        let socket = node.enter(|| UdpSocket::bind((address, PORT))).expect("a free port");
        thread::spawn(move || {
            let mut room = vec![0; 65_536];
            while let Ok((len, from)) = socket.recv_from(&mut room) {
                let _ = socket.send_to(&room[..len], from);
            }
        });
    }
}

/// Whether the port is said to be closed when these datagrams go there, one at a time.
fn is_refused(node: &Node, to: (IpAddr, u16), datagram: &[u8]) -> bool {
    node.enter(|| {
        let socket = socket(to.0);
        socket.connect(to).expect("a route");
        socket.set_read_timeout(Some(Duration::from_millis(700))).expect("above zero");
        let said = socket.send(datagram).and_then(|_| socket.recv(&mut [0; 2000]));
        said.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    })
}

fn socket(to: IpAddr) -> UdpSocket {
    let any: IpAddr = if to.is_ipv4() { [0; 4].into() } else { [0_u16; 8].into() };
    let socket = UdpSocket::bind((any, 0)).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("above zero");
    socket
}

fn initial(host: &str) -> Vec<u8> {
    hello::initial(&[7; 8], 0, &[(0, &hello::quic(host))], 1200)
}

fn full(more: &str) -> String {
    format!("capture = \"full\"\n{SOON}{more}")
}

fn status(daemon: &Daemon<'_>) -> Value {
    daemon.json(&["status", "--json"])
}

fn packets(daemon: &Daemon<'_>) -> u64 {
    status(daemon)["counters"]["packets"].as_u64().expect("a number")
}

const PORT: u16 = 4434;
