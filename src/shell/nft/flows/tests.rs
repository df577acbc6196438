use std::net::{IpAddr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::*;
use crate::core::flow::{FiveTuple, Protocol};
use crate::core::flows::refuse::refuse;
use crate::core::wire::ip::{self, Packet};
use crate::core::wire::tcp::Segment;
use crate::shell::netns_test::{isolated, sh};
use crate::shell::nft::tests::{Home, block_on, tracked};
use crate::shell::put_back::{PutBack, Sent};
use crate::shell::route::{Routes, Scope};
use crate::shell::tun::Tun;

macro_rules! name {
    ($name:literal) => {
        concat!("shell::nft::flows::tests::", $name)
    };
}

/// All that the daemon does about flows, without deciding anything: what opens a TCP
/// flow goes on undecided, everything else decided. Or it refuses everything.
struct Passer {
    end: Arc<AtomicBool>,
    refuses: Arc<AtomicBool>,
    seen: Arc<AtomicU64>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Passer {
    fn start(plan: &Plan, devices: [Tun; 2]) -> Self {
        let refuses = Arc::new(AtomicBool::new(false));
        let (end, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut put_back = PutBack::new(plan);
        assert!(put_back.can_send(true));
        let (ended, counted, refusing) =
            (Arc::clone(&end), Arc::clone(&seen), Arc::clone(&refuses));
        let own: Vec<IpAddr> =
            ["192.0.2.2", "2001:db8::2"].map(|text| text.parse().unwrap()).into();
        let thread = thread::spawn(move || {
            let (mut room, mut back) = ([0; 16_000], Vec::new());
            while !ended.load(Ordering::Relaxed) {
                let Ok(length) = devices[0].recv_now(&mut room) else {
                    thread::sleep(Duration::from_micros(200));
                    continue;
                };
                counted.fetch_add(1, Ordering::Relaxed);
                let packet = Packet::parse(&room[..length]).unwrap();
                let opens = packet.protocol == ip::TCP && Segment::parse(&packet).unwrap().opens();
                if refusing.load(Ordering::Relaxed) {
                    if refuse(&packet, &mut back) {
                        assert!(put_back.send_back(&back));
                    }
                } else if own.contains(&packet.source) {
                    let sent = if opens { Sent::Undecided } else { Sent::Decided };
                    put_back.send(packet.bytes, sent);
                } else {
                    put_back.forward(packet.bytes, &devices[usize::from(!opens)]);
                }
            }
        });
        Self { end, refuses, seen, thread: Some(thread) }
    }

    fn seen(&self) -> u64 {
        self.seen.swap(0, Ordering::Relaxed)
    }
}

impl Drop for Passer {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

/// A home in which flows are captured.
struct Captured {
    passer: Passer,
    routes: Routes,
    flows: FlowPlan,
    ends: Ends,
    _server: Server,
    home: Home,
}

impl Captured {
    fn new(home: Home) -> Self {
        let server = Server::start(home.internet.pid());
        let devices = ["optout0", "optout1"].map(|name| Tun::open(name).unwrap());
        let plan = Plan { listener: Some(9), ..Plan::default() };
        let mut routes = Routes::set_up(plan.clone(), &devices[0]).unwrap();
        routes.capture_on().unwrap();
        routes.add_passing(devices[1].index()).unwrap();
        let ends = Ends {
            device: devices[0].index(),
            passing: devices[1].index(),
            host: true,
            forwards_v4: true,
            forwards_v6: true,
        };
        let flows = FlowPlan { scope: Scope::All, ..FlowPlan::default() };
        routes.set_flows(&flows, &ends).unwrap();
        assert_eq!(routes.problems(), Vec::<String>::new());
        let passer = Passer::start(&plan, devices);
        Self { passer, routes, flows, ends, _server: server, home }
    }

    /// How many flows each set has: TCP and UDP of IPv4, then of IPv6.
    fn used(&mut self) -> Vec<u64> {
        let mut fill = self.routes.flows_fill();
        fill.sort_by_key(|fill| (fill.name.ends_with('6'), fill.name.contains("udp")));
        fill.into_iter().map(|fill| fill.used.unwrap()).collect()
    }
}

/// Sends back what it gets by UDP, and by TCP as many bytes as are asked for.
struct Server(Child);

impl Server {
    fn start(pid: u32) -> Self {
        let mut child = Command::new("nsenter")
            .args(["-t", &pid.to_string(), "-n", "--", "python3", "-c", SERVER])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0; 1];
        io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
        Self(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const SERVER: &str = r"
import socket, threading
def serve(c):
    n = int(c.recv(100))
    c.sendall(b'x' * n)
    c.shutdown(1)
    while c.recv(100): pass
    c.close()
def tcp():
    s = socket.create_server(('::', 443), family=socket.AF_INET6, dualstack_ipv6=True)
    print('.', end='', flush=True)
    while True: threading.Thread(target=serve, args=(s.accept()[0],)).start()
def udp(family, address):
    u = socket.socket(family, socket.SOCK_DGRAM); u.bind((address, 443))
    while True: data, who = u.recvfrom(9000); u.sendto(data, who)
threading.Thread(target=udp, args=(socket.AF_INET, '198.51.100.53')).start()
threading.Thread(target=udp, args=(socket.AF_INET6, '2001:db8:53::53')).start()
tcp()
";

/// Asks for so many bytes by TCP, or sends so many by UDP four times; how many came.
const FETCH: &str = r"
import socket, sys
way, to, n, how = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
family = socket.AF_INET6 if ':' in to else socket.AF_INET
k = socket.socket(family, socket.SOCK_STREAM if way == 'tcp' else socket.SOCK_DGRAM)
k.settimeout(3); got = 0
if 'bind' in how: k.setsockopt(socket.SOL_SOCKET, 25, b'wan')
if 'mark' in how: k.setsockopt(socket.SOL_SOCKET, 36, 7)
if 'port' in how: k.bind(('', 5555))
k.connect((to, 443))
if way == 'tcp':
    k.sendall(str(n).encode())
    while got < n: got += len(k.recv(65536))
    k.recv(1) # the server is the first to close, so that the port is free at once
    if 'reset' in how: k.setsockopt(socket.SOL_SOCKET, 13, b'\1\0\0\0\0\0\0\0')
else:
    for _ in range(4): k.send(b'y' * n); got += len(k.recv(9000))
print(got); k.close()
";

/// Whether everything that is tried is refused, and at once.
const TRY: &str = r"
import socket, sys
for to in sys.argv[1:]:
    family = socket.AF_INET6 if ':' in to else socket.AF_INET
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        k = socket.socket(family, kind); k.settimeout(2)
        try: k.connect((to, 443)); k.send(b'x'); k.recv(9); print('answered')
        except OSError as error: print(type(error).__name__)
";

#[track_caller]
fn fetch(at: Option<&Home>, way: &str, to: &str, n: u32, how: &str) {
    let pid = at.map_or_else(std::process::id, |home| home.client.pid());
    let said = sh(&format!(
        "nsenter -t {pid} -n -- python3 -c '{}' {way} {to} {n} {how}",
        FETCH.replace('\'', "\"")
    ));
    let want = if way == "tcp" { n } else { 4 * n };
    assert_eq!(said.trim(), want.to_string(), "{way} {to} {how}");
}

const FAR: [&str; 2] = ["198.51.100.53", "2001:db8:53::53"];
const MUCH: u32 = 20_000_000;

/// Everyone reaches everything; the first packets come by us, and the rest does not.
fn all_come_by(it: &mut Captured) {
    for at in [None, Some(())] {
        for to in FAR {
            let home = at.map(|()| &it.home);
            it.passer.seen();
            fetch(home, "tcp", to, MUCH, "");
            let seen = it.passer.seen();
            assert!((2..=12).contains(&seen), "{seen} of tcp to {to}, client: {at:?}");
            fetch(home, "udp", to, 1200, "");
            let seen = it.passer.seen();
            assert!((1..=2).contains(&seen), "{seen} of udp to {to}, client: {at:?}");
            // In parts, which are joined before they come to us or by us.
            fetch(home, "udp", to, 4000, "");
            assert!(it.passer.seen() > 0, "parts to {to}");
        }
    }
    assert_eq!(it.used(), [2, 4, 2, 4]);
}

#[test]
fn flows_come_by_once_where_nothing_is_tracked() {
    isolated(name!("flows_come_by_once_where_nothing_is_tracked"), || {
        block_on(async {
            let mut it = Captured::new(Home::plain());
            all_come_by(&mut it);
            assert_eq!(tracked(), 0);
        });
    });
}

#[test]
fn flows_come_by_once_where_they_are_tracked_and_translated() {
    isolated(name!("flows_come_by_once_where_they_are_tracked_and_translated"), || {
        block_on(async {
            let home = strict();
            home.internet.sh("ip route del 192.168.7.0/24; ip -6 route del 2001:db8:77::/64");
            let mut it = Captured::new(home);
            all_come_by(&mut it);
            assert!(tracked() > 0);
        });
    });
}

/// The firewall lets through what is put back, and what it does not know it drops.
fn strict() -> Home {
    let home = Home::new();
    sh("nft add rule inet fw through iifname '\"optout*\"' oifname wan accept
        nft 'add chain inet fw out { type filter hook output priority 0; }'
        nft add rule inet fw out ct state invalid drop");
    home
}

#[test]
fn what_is_refused_is_told_at_once_behind_any_firewall() {
    isolated(name!("what_is_refused_is_told_at_once_behind_any_firewall"), || {
        block_on(async {
            let it = Captured::new(strict());
            it.passer.refuses.store(true, Ordering::Relaxed);
            for pid in [std::process::id(), it.home.client.pid()] {
                let [v4, v6] = FAR;
                let said = sh(&format!("nsenter -t {pid} -n -- python3 -c \"{TRY}\" {v4} {v6}"));
                assert_eq!(said, "ConnectionRefusedError\n".repeat(4));
            }
            assert!(it.passer.seen() >= 8);
        });
    });
}

#[test]
fn a_flow_that_ends_leaves_its_set_soon_and_one_that_is_reset_at_once() {
    isolated(name!("a_flow_that_ends_leaves_its_set_soon_and_one_that_is_reset_at_once"), || {
        block_on(async {
            let mut it = Captured::new(Home::plain());
            for at in [None, Some(())] {
                let home = at.map(|()| &it.home);
                fetch(home, "tcp", FAR[0], 1000, "reset");
                assert_eq!(it.used(), [0, 0, 0, 0], "client: {at:?}");
                let home = at.map(|()| &it.home);
                fetch(home, "tcp", FAR[0], 1000, "port");
                assert_eq!(it.used(), [1, 0, 0, 0], "client: {at:?}");
                let left = sh(
                    "nft list set inet optout_flows passed_tcp4 | grep -o 'expires [0-9]*[hms]'",
                );
                assert!(["expires 59s", "expires 58s"].contains(&left.trim()), "{left}");
                it.passer.seen();
                // The same ports, and another flow: it is judged anew.
                let home = at.map(|()| &it.home);
                fetch(home, "tcp", FAR[0], 1000, "port reset");
                assert!(it.passer.seen() >= 2, "client: {at:?}");
                assert_eq!(it.used(), [0, 0, 0, 0], "client: {at:?}");
            }
        });
    });
}

#[test]
fn a_flow_that_is_recalled_comes_by_us_again() {
    isolated(name!("a_flow_that_is_recalled_comes_by_us_again"), || {
        block_on(async {
            let mut it = Captured::new(Home::plain());
            let own = [["192.0.2.2", "2001:db8::2"], ["192.168.7.2", "2001:db8:77::2"]];
            for (at, own) in [None, Some(())].into_iter().zip(own) {
                for (to, own) in FAR.into_iter().zip(own) {
                    let source = SocketAddr::new(own.parse().unwrap(), 5555);
                    let destination = SocketAddr::new(to.parse().unwrap(), 443);
                    let seen = || {
                        let home = at.map(|()| &it.home);
                        fetch(home, "udp", to, 100, "port");
                        it.passer.seen()
                    };
                    assert_ne!(seen(), 0, "{own}");
                    assert_eq!(seen(), 0, "{own}");
                    let flow = FiveTuple { protocol: Protocol::Udp, source, destination };
                    it.routes.recall(&flow).unwrap();
                    it.routes.recall(&flow).unwrap(); // it is gone already
                    let home = at.map(|()| &it.home);
                    fetch(home, "udp", to, 100, "port");
                    assert_ne!(it.passer.seen(), 0, "{own}");
                }
            }
        });
    });
}

/// Fetches a byte, says each of these in a segment of its own, and then something else.
const SAY: &str = r"
import socket, sys, time
to, *words = sys.argv[1:]
family = socket.AF_INET6 if ':' in to else socket.AF_INET
k = socket.socket(family, socket.SOCK_STREAM); k.settimeout(3)
k.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
k.connect((to, 443)); time.sleep(.05)
k.sendall(b'1'); k.recv(9); time.sleep(.05)
for word in [*words, '2e2e2e']: k.sendall(bytes.fromhex(word)); time.sleep(.05)
k.setsockopt(socket.SOL_SOCKET, 13, b'\1\0\0\0\0\0\0\0')
";

#[test]
fn a_hello_of_a_flow_that_passed_comes_by_us() {
    isolated(name!("a_hello_of_a_flow_that_passed_comes_by_us"), || {
        block_on(async {
            let it = Captured::new(Home::plain());
            assert!(it.routes.brings_hellos());
            let change = "140303000101";
            for (word, comes) in [
                ("160301020001aabb", 1),
                ("16030102000101000301", 1),
                (&format!("{change}160303020001aabb"), 1),
                // Its own keys, an alert, application data, half of a hello.
                ("160303020010aabb", 0),
                (&format!("{change}17030300350145"), 0),
                ("1503030002022801aa", 0),
                ("170303000501aa", 0),
                ("1603010200", 0),
            ] {
                for (at, to) in [(None, 0), (None, 1), (Some(()), 0), (Some(()), 1)] {
                    let pid = at.map_or_else(std::process::id, |()| it.home.client.pid());
                    it.passer.seen();
                    let to = FAR[to];
                    sh(&format!("nsenter -t {pid} -n -- python3 -c \"{SAY}\" {to} {word} {word}"));
                    // SYN, the first ACK, and each hello.
                    assert_eq!(it.passer.seen(), 2 + 2 * comes, "{word} to {to}, client: {at:?}");
                }
            }
        });
    });
}

#[test]
fn flows_that_find_no_room_go_on_by_us() {
    isolated(name!("flows_that_find_no_room_go_on_by_us"), || {
        block_on(async {
            let mut it = Captured::new(Home::plain());
            let few = FlowPlan { size: 2, ..it.flows.clone() };
            it.routes.set_flows(&few, &it.ends).unwrap();
            for _ in 0..4 {
                fetch(Some(&it.home), "udp", FAR[0], 100, "");
                fetch(None, "udp", FAR[1], 100, "");
            }
            assert_eq!(it.used(), [0, 2, 0, 2]);
            let seen = it.passer.seen();
            assert!(seen >= 2 * (2 + 2 * 4), "{seen}");
        });
    });
}

#[test]
fn what_is_excepted_never_comes_by_us() {
    isolated(name!("what_is_excepted_never_comes_by_us"), || {
        block_on(async {
            let mut it = Captured::new(strict());
            let prefixes = |texts: &[&str]| -> Vec<Prefix> {
                texts.iter().map(|text| text.parse().unwrap()).collect()
            };
            let all = it.flows.clone();
            let plans = [
                FlowPlan { ports: vec![(400, 500)], ..all.clone() },
                FlowPlan {
                    addresses: prefixes(&["198.51.100.0/24", "2001:db8:53::/48"]),
                    ..all.clone()
                },
                FlowPlan {
                    clients: prefixes(&["192.168.7.2", "2001:db8:77::/64"]),
                    users: vec![0],
                    ..all.clone()
                },
                FlowPlan { scope: Scope::Dot, ..all.clone() },
                FlowPlan { scope: Scope::Nothing, ..all.clone() },
            ];
            for plan in plans {
                it.routes.set_flows(&plan, &it.ends).unwrap();
                for to in FAR {
                    fetch(None, "tcp", to, 1000, "");
                    fetch(None, "udp", to, 1000, "");
                    fetch(Some(&it.home), "tcp", to, 1000, "");
                    fetch(Some(&it.home), "udp", to, 1000, "");
                }
                assert_eq!(it.passer.seen(), 0, "{plan:?}");
            }
            it.routes.set_flows(&all, &it.ends).unwrap();
            // These go their own way, and are tracked as ever.
            for how in ["bind", "mark"] {
                for to in FAR {
                    fetch(None, "tcp", to, 1000, how);
                    fetch(None, "udp", to, 1000, how);
                }
                assert_eq!(it.passer.seen(), 0, "{how}");
            }
            fetch(None, "tcp", FAR[0], 1000, "");
            assert_ne!(it.passer.seen(), 0);
        });
    });
}

#[test]
fn nobody_sees_by_the_hop_limit_that_we_are_here() {
    isolated(name!("nobody_sees_by_the_hop_limit_that_we_are_here"), || {
        block_on(async {
            let it = Captured::new(Home::plain());
            it.home.internet.sh("nft -f - <<'END'
                table inet hops {
                    chain come { type filter hook prerouting priority raw;
                        meta l4proto { tcp, udp } ip saddr . ip ttl { 192.168.7.2 . 63, 192.0.2.2 . 64 } counter name good
                        meta l4proto { tcp, udp } ip6 saddr . ip6 hoplimit { 2001:db8:77::2 . 63, 2001:db8::2 . 64 } counter name good
                        meta l4proto { tcp, udp } th dport 443 counter name each
                    }
                    counter good { }
                    counter each { }
                }\nEND");
            for to in FAR {
                for home in [None, Some(&it.home)] {
                    fetch(home, "tcp", to, 1000, "");
                    fetch(home, "udp", to, 1000, "");
                }
            }
            assert!(it.passer.seen() >= 12);
            let count = |name| {
                it.home
                    .internet
                    .sh(&format!("nft list counter inet hops {name} | grep -o 'packets [0-9]*'"))
            };
            assert_eq!(count("good"), count("each"));
            assert_ne!(count("each").trim(), "packets 0");
        });
    });
}
