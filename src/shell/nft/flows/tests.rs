use std::net::IpAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::*;
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
/// flow goes on undecided, everything else decided.
struct Passer {
    devices: Arc<[Tun; 2]>,
    end: Arc<AtomicBool>,
    seen: Arc<AtomicU64>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Passer {
    fn start(plan: &Plan, devices: [Tun; 2]) -> Self {
        let devices = Arc::new(devices);
        let (end, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut put_back = PutBack::new(plan);
        assert!(put_back.can_send(true));
        let (all, ended, counted) = (Arc::clone(&devices), Arc::clone(&end), Arc::clone(&seen));
        let own: Vec<IpAddr> =
            ["192.0.2.2", "2001:db8::2"].map(|text| text.parse().unwrap()).into();
        let thread = thread::spawn(move || {
            let mut room = [0; 65_535];
            while !ended.load(Ordering::Relaxed) {
                let Ok(length) = all[0].recv_now(&mut room) else {
                    thread::sleep(Duration::from_micros(200));
                    continue;
                };
                counted.fetch_add(1, Ordering::Relaxed);
                let packet = Packet::parse(&room[..length]).unwrap();
                let opens = packet.protocol == ip::TCP && Segment::parse(&packet).unwrap().opens();
                if own.contains(&packet.source) {
                    let sent = if opens { Sent::Undecided } else { Sent::Decided };
                    put_back.send(packet.bytes, sent, 1500);
                } else {
                    put_back.forward(packet.bytes, &all[usize::from(!opens)], 1500);
                }
            }
        });
        Self { devices, end, seen, thread: Some(thread) }
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
        routes.add_passing(&devices[1]).unwrap();
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
k.connect((to, 443))
if way == 'tcp':
    k.sendall(str(n).encode())
    while got < n: got += len(k.recv(65536))
    if 'reset' in how: k.setsockopt(socket.SOL_SOCKET, 13, b'\1\0\0\0\0\0\0\0')
else:
    for _ in range(4): k.send(b'y' * n); got += len(k.recv(9000))
print(got); k.close()
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
            println!("{}", sh("nft list table inet optout_flows"));
        });
    });
}

#[test]
fn flows_come_by_once_where_they_are_tracked_and_translated() {
    isolated(name!("flows_come_by_once_where_they_are_tracked_and_translated"), || {
        block_on(async {
            let home = Home::new();
            // What optout puts back is forwarded, too.
            sh("nft add rule inet fw through iifname optout1 oifname wan accept
                nft add rule inet fw through iifname optout0 oifname wan accept
                nft 'add chain inet fw out { type filter hook output priority 0; }'
                nft add rule inet fw out ct state invalid drop");
            home.internet.sh("ip route del 192.168.7.0/24; ip -6 route del 2001:db8:77::/64");
            let mut it = Captured::new(home);
            all_come_by(&mut it);
            assert!(tracked() > 0);
        });
    });
}
