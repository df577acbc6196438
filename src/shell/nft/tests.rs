use std::fmt::Write as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::shell::link_local::{Listener, Question};
use crate::shell::netns_test::{Beside, isolated, sh, taken};
use crate::shell::route::monitor::Monitor;
use crate::shell::route::{Plan, Routes};
use crate::shell::tun::Tun;

/// A client behind a router (us) behind which is the Internet.
pub(super) struct Home {
    pub(super) client: Beside,
    pub(super) internet: Beside,
    resolvers: Vec<Child>,
}

impl Drop for Home {
    fn drop(&mut self) {
        for resolver in &mut self.resolvers {
            let _ = resolver.kill();
            let _ = resolver.wait();
        }
    }
}

impl Home {
    /// With a firewall that lets in and through only what the LAN began, and masquerades.
    pub(super) fn new() -> Self {
        let home = Self::plain();
        sh("nft -f - <<'END'
             table inet fw {
                chain from_lan { type filter hook input priority 0; policy drop;
                    ct state established,related accept
                    ct state invalid drop
                    iifname { lan, lo } accept
                    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
                }
                chain through { type filter hook forward priority 0; policy drop;
                    ct state established,related accept
                    ct state invalid drop
                    iifname lan accept
                }
                chain hide { type nat hook postrouting priority 100; oifname wan masquerade; }
             }\nEND");
        home
    }

    /// Without any packet filter: nothing tracks connections.
    pub(super) fn plain() -> Self {
        let (client, internet) = (Beside::new(), Beside::new());
        sh(&format!(
            "sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1
             sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
             ip link add wan type veth peer name host netns {}
             ip link add lan type veth peer name eth netns {}
             ip link set wan addrgenmode none up; ip link set lan addrgenmode none up
             ip addr add 192.0.2.2/24 dev wan; ip addr add 2001:db8::2/64 dev wan nodad
             ip addr add fe80::1/64 dev wan nodad
             ip addr add 192.168.7.1/24 dev lan; ip addr add 2001:db8:77::1/64 dev lan nodad
             ip addr add fe80::1/64 dev lan nodad
             ip route add default via 192.0.2.1; ip -6 route add default via 2001:db8::1",
            internet.pid(),
            client.pid()
        ));
        internet.sh("ip link set host addrgenmode none up; ip addr add 192.0.2.1/24 dev host
             ip addr add 198.51.100.53/32 dev lo
             ip route add 192.168.7.0/24 via 192.0.2.2
             ip addr add fe80::2/64 dev host nodad
             ip addr add 2001:db8::1/64 dev host nodad; ip -6 route add 2001:db8:77::/64 via 2001:db8::2
             ip addr add 2001:db8:53::53/128 dev lo nodad");
        client.sh("ip link set eth addrgenmode none up; ip addr add 192.168.7.2/24 dev eth
             ip addr add 2001:db8:77::2/64 dev eth nodad; ip addr add fe80::2/64 dev eth nodad
             ip route add default via 192.168.7.1; ip -6 route add default via 2001:db8:77::1");
        let own = resolver(std::process::id(), "own", "192.168.7.1 2001:db8:77::1 fe80::1%lan");
        let net = resolver(internet.pid(), "net", "198.51.100.53 2001:db8:53::53");
        Self { client, internet, resolvers: vec![own, net] }
    }

    /// What is answered to each of `asked`, in a word each; always from the
    /// same source port, as a stub resolver that keeps its socket does.
    fn answers(&self, asked: &str, tcp: bool) -> String {
        self.ask(ASK, asked, tcp)
    }

    fn ask(&self, script: &str, asked: &str, tcp: bool) -> String {
        let script =
            script.replace("TCP", if tcp { "True" } else { "False" }).replace("BARE", "False");
        let pid = self.client.pid().to_string();
        let run = Command::new("nsenter")
            .args(["-t", &pid, "-n", "--", "python3", "-c", &script])
            .args(asked.split(' '))
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8_lossy(&run.stdout).trim().to_owned()
    }
}

/// Answers `name` to whatever is asked at the addresses, port 53, by UDP and TCP.
fn resolver(pid: u32, name: &str, addresses: &str) -> Child {
    let mut child = Command::new("nsenter")
        .args(["-t", &pid.to_string(), "-n", "--", "python3", "-c", RESOLVER, name])
        .args(addresses.split(' '))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = [0; 1];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
    child
}

const RESOLVER: &str = r"
import selectors, socket, sys
s = selectors.DefaultSelector()
for address in sys.argv[2:]:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        family, _, _, _, to = socket.getaddrinfo(address, 53, type=kind)[0]
        k = socket.socket(family, kind); k.setsockopt(1, 2, 1); k.bind(to)
        if kind == socket.SOCK_STREAM: k.listen()
        s.register(k, selectors.EVENT_READ, kind)
print('.', end='', flush=True)
while True:
    for key, _ in s.select():
        if key.data == socket.SOCK_DGRAM:
            _, who = key.fileobj.recvfrom(2000); key.fileobj.sendto(sys.argv[1].encode(), who)
        else:
            c, _ = key.fileobj.accept(); c.settimeout(1)
            try: c.recv(2000); c.send(b'\0\3' + sys.argv[1].encode())
            except OSError: pass
            c.close()
";

const ASK: &str = r"
import socket, sys
out = []
for n, address in enumerate(sys.argv[1:]):
    kind = socket.SOCK_STREAM if TCP else socket.SOCK_DGRAM
    family, _, _, _, to = socket.getaddrinfo(address, 53, type=kind)[0]
    k = socket.socket(family, kind); k.settimeout(0.5); k.setsockopt(1, 2, 1)
    try:
        if not TCP: k.bind(('', 4444))
        BARE and k.setsockopt(1, 11, 1)
        k.connect(to); k.send(b'\0\3tun' if TCP else b'tun')
        out.append(k.recv(2000).decode().lstrip('\0\3'))
    except OSError as error: out.append(type(error).__name__)
    k.close()
print(' '.join(out))
";

/// Switches off a link's checksum offload (`ETHTOOL_STXCSUM`, linux/ethtool.h).
const OFFLOAD_OFF: &str = r#"
import ctypes, fcntl, socket, struct, sys
value = ctypes.create_string_buffer(struct.pack("II", 0x17, 0))
request = struct.pack("16sQ8x", sys.argv[1].encode(), ctypes.addressof(value))
fcntl.ioctl(socket.socket(), 0x8946, request)
"#;

const OWN: &str = "192.168.7.1 2001:db8:77::1";
const LINK_LOCAL: &str = "fe80::1%eth";
const FOREIGN: &str = "198.51.100.53 2001:db8:53::53";

/// Answers each UDP packet in the TUN with its own content, until told to end.
fn echo(tun: &Arc<Tun>) -> (Arc<AtomicBool>, thread::JoinHandle<Vec<String>>) {
    let (tun, end) = (Arc::clone(tun), Arc::new(AtomicBool::new(false)));
    let ended = Arc::clone(&end);
    let thread = thread::spawn(move || {
        let mut seen = Vec::new();
        let mut packet = [0; 2000];
        while !ended.load(Ordering::Relaxed) {
            let Ok(length) = tun.recv_now(&mut packet) else {
                thread::sleep(Duration::from_millis(1));
                continue;
            };
            let packet = &mut packet[..length];
            // Swapping leaves every checksum as it is.
            let (addresses, size, ports) = match packet[0] >> 4 {
                4 if packet[9] == 17 => (12, 4, 20),
                6 if packet[6] == 17 => (8, 16, 40),
                _ => continue,
            };
            let mut who = String::new();
            for octet in &packet[addresses..addresses + size] {
                write!(who, "{octet:02x}").unwrap();
            }
            seen.push(who);
            let (source, rest) = packet[addresses..].split_at_mut(size);
            source.swap_with_slice(&mut rest[..size]);
            let (source, rest) = packet[ports..].split_at_mut(2);
            source.swap_with_slice(&mut rest[..2]);
            tun.try_send(packet).unwrap();
        }
        seen
    });
    (end, thread)
}

/// Answers what comes to the listener with its own content, on a thread of its own.
struct Listening {
    port: u16,
    stop: oneshot::Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl Listening {
    fn start() -> Self {
        let (stop, stopped) = oneshot::channel();
        let (ready, port) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            block_on(async {
                let listener = Listener::open(Plan::default().mark).unwrap();
                ready.send(listener.port()).unwrap();
                let (sender, mut questions) = mpsc::channel::<Question>(8);
                let answer = async {
                    while let Some(question) = questions.recv().await {
                        let client = question.client.to_string();
                        let known = ["[fe80::2%", "192.168.7.2:", "[2001:db8:77::2]"];
                        assert!(known.iter().any(|known| client.starts_with(known)), "{client}");
                        question.reply.send(&question.message);
                    }
                };
                tokio::select! {
                    outcome = listener.run(sender) => outcome.unwrap(),
                    () = answer => {}
                    _ = stopped => {}
                }
            });
        });
        Self { port: port.recv().unwrap(), stop, thread }
    }

    fn plan(&self) -> Plan {
        Plan { listener: Some(self.port), ..Plan::default() }
    }

    fn stop(self) {
        self.stop.send(()).unwrap();
        self.thread.join().unwrap();
    }
}

pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

macro_rules! name {
    ($name:literal) => {
        concat!("shell::nft::tests::", $name)
    };
}

#[test]
fn clients_that_keep_their_port_come_and_go_with_us() {
    isolated(name!("clients_that_keep_their_port_come_and_go_with_us"), || {
        come_and_go(&Home::new());
        assert!(tracked() > 0);
    });
}

#[test]
fn clients_of_a_plain_router_come_and_go_and_nothing_is_tracked() {
    isolated(name!("clients_of_a_plain_router_come_and_go_and_nothing_is_tracked"), || {
        come_and_go(&Home::plain());
        assert_eq!(tracked(), 0);
    });
}

fn come_and_go(home: &Home) {
    let ask = |asked: &str| home.answers(asked, false);
    let all = format!("{OWN} {LINK_LOCAL} {FOREIGN}");
    let (off, on) = ("own own own net net", "tun tun tun tun tun");
    assert_eq!(ask(&all), off, "before");
    block_on(async {
        let tun = Arc::new(Tun::open("optout0").unwrap());
        let listening = Listening::start();
        let mut routes = Routes::set_up(listening.plan(), &tun).unwrap();
        let (end, echoing) = echo(&tun);
        for round in 0..3 {
            routes.capture_on().unwrap();
            assert_eq!(routes.problems(), Vec::<String>::new());
            assert_eq!(ask(&all), on, "on {round}");
            routes.capture_off();
            assert_eq!(ask(&all), off, "off {round}");
        }
        routes.capture_on().unwrap();
        assert_eq!(home.answers(LINK_LOCAL, true), "tun", "by TCP");
        assert_eq!(ask(&all), on);
        // As a kill does: files are closed, nothing else happens.
        end.store(true, Ordering::Relaxed);
        let seen = echoing.join().unwrap();
        let client = ["c0a80702", "20010db8007700000000000000000002"];
        assert!(seen.iter().all(|who| client.contains(&who.as_str())), "{seen:?}");
        listening.stop();
        routes.die();
        drop(tun);
    });
    assert_eq!(sh("ip link show optout0 2>/dev/null || true"), "");
    assert_eq!(ask(&all), off, "after a kill");
}

#[test]
fn a_host_that_does_not_forward_answers_its_clients_too() {
    isolated(name!("a_host_that_does_not_forward_answers_its_clients_too"), || {
        answer_at_home(&Home::new());
    });
}

#[test]
fn a_plain_host_that_does_not_forward_answers_its_clients_too() {
    isolated(name!("a_plain_host_that_does_not_forward_answers_its_clients_too"), || {
        answer_at_home(&Home::plain());
        assert_eq!(tracked(), 0);
    });
}

fn answer_at_home(home: &Home) {
    sh("sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0");
    // Checksums are written in full, and checked, as between real machines.
    sh(&format!("python3 -c '{OFFLOAD_OFF}' lan"));
    home.client.sh(&format!("python3 -c '{OFFLOAD_OFF}' eth"));
    let all = format!("{OWN} {LINK_LOCAL}");
    block_on(async {
        let tun = Tun::open("optout0").unwrap();
        let listening = Listening::start();
        let mut routes = Routes::set_up(listening.plan(), &tun).unwrap();
        routes.capture_on().unwrap();
        for tcp in [false, true] {
            assert_eq!(home.answers(&all, tcp), "tun tun tun", "tcp: {tcp}");
        }
        let bare = home.ask(&ASK.replace("BARE", "True"), "192.168.7.1", false);
        assert_eq!(bare, "tun", "without a checksum");
        routes.capture_off();
        for tcp in [false, true] {
            assert_eq!(home.answers(&all, tcp), "own own own", "tcp: {tcp}");
        }
        listening.stop();
    });
}

#[test]
fn a_plain_router_that_begins_to_masquerade_is_followed() {
    isolated(name!("a_plain_router_that_begins_to_masquerade_is_followed"), || {
        let home = Home::plain();
        let all = format!("{OWN} {LINK_LOCAL} {FOREIGN}");
        let on = "tun tun tun tun tun";
        block_on(async {
            let tun = Arc::new(Tun::open("optout0").unwrap());
            let listening = Listening::start();
            let mut routes = Routes::set_up(listening.plan(), &tun).unwrap();
            let (end, echoing) = echo(&tun);
            routes.capture_on().unwrap();
            routes.refresh().unwrap();
            assert_eq!(home.answers(&all, false), on);
            // Our own table must not pass for somebody's who tracks.
            sh("ip addr add 10.11.12.13/24 dev lan; ip addr add 2001:db8:78::1/64 dev lan nodad");
            assert!(routes.refresh().unwrap().clients);
            let own = || sh("nft list table inet optout | grep -cE 'dnat|zone set' || true");
            assert_eq!(own(), "0\n");
            assert_eq!(tracked(), 0);
            let mut monitor = Monitor::open().unwrap();
            sh("nft 'table ip late { chain hide { type nat hook postrouting priority 100
                oifname wan masquerade; }; }'");
            assert_eq!(home.answers(&all, false), on, "even before we know of it");
            let noticed = tokio::time::timeout(Duration::from_secs(3), monitor.changed()).await;
            noticed.expect("it is told").unwrap();
            routes.refresh().unwrap();
            assert_ne!(own(), "0\n");
            end.store(true, Ordering::Relaxed);
            echoing.join().unwrap();
            listening.stop();
        });
    });
}

/// How many connections this namespace knows.
pub(super) fn tracked() -> u64 {
    sh("cat /proc/sys/net/netfilter/nf_conntrack_count").trim().parse().unwrap()
}

#[test]
fn only_what_this_host_asks_is_taken_if_that_is_wanted() {
    isolated(name!("only_what_this_host_asks_is_taken_if_that_is_wanted"), || {
        let home = Home::new();
        block_on(async {
            let tun = Tun::open("optout0").unwrap();
            let plan = Plan { forwarded: false, listener: Some(9), ..Plan::default() };
            let mut routes = Routes::set_up(plan, &tun).unwrap();
            routes.capture_on().unwrap();
            let all = format!("{OWN} {LINK_LOCAL} {FOREIGN}");
            assert_eq!(home.answers(&all, false), "own own own net net");
            assert_eq!(home.answers("198.18.0.9", false), "TimeoutError");
            // A client of the host's own resolver may have got a sinkhole address
            // from it, and must be refused rather than left to wait.
            assert_eq!(taken(&tun, b"tun"), 1, "only what went to a sinkhole comes");
            let others = "grep -E 'lookup 5353' | grep -v 'from all .* iif lo '";
            assert_eq!(sh(&format!("(ip rule; ip -6 rule) | {others} || true")), "");
            assert_eq!(sh("nft list table inet optout | grep -E 'dnat|redirect|zone' || true"), "");
            for to in ["198.51.100.53:53", "[2001:db8:53::53]:53"] {
                let socket = std::net::UdpSocket::bind("[::]:0").unwrap();
                let to = to.replace("198.51.100.53", "[::ffff:198.51.100.53]");
                socket.send_to(b"host", to).unwrap();
                assert_eq!(taken(&tun, b"host"), 1, "the host's own does come");
            }
        });
    });
}

#[test]
fn clients_from_elsewhere_are_taken_if_they_are_named() {
    isolated(name!("clients_from_elsewhere_are_taken_if_they_are_named"), || {
        let home = Home::new();
        // A client behind another router of the house, and without IPv6.
        sh("ip route add 203.0.113.2 via 192.168.7.2");
        home.client.sh("ip addr add 203.0.113.2/32 dev eth
            ip route change 192.168.7.0/24 dev eth src 203.0.113.2
            ip route change default via 192.168.7.1 src 203.0.113.2");
        let asked = "192.168.7.1 198.51.100.53";
        let extra: Vec<_> =
            ["203.0.113.0/24", "2001:db8:99::/48"].map(|text| text.parse().unwrap()).into();
        for (clients, want) in [(Vec::new(), "own net"), (extra, "tun tun")] {
            block_on(async {
                let tun = Arc::new(Tun::open("optout0").unwrap());
                let plan = Plan { clients: clients.clone(), ..Plan::default() };
                let mut routes = Routes::set_up(plan, &tun).unwrap();
                routes.capture_on().unwrap();
                let (end, echoing) = echo(&tun);
                assert_eq!(home.answers(asked, false), want);
                end.store(true, Ordering::Relaxed);
                let seen = echoing.join().unwrap();
                assert!(seen.iter().all(|who| who == "cb007102"), "{seen:?}");
                let named = sh("ip rule; ip -6 rule; nft list table inet optout");
                for client in clients.iter().map(ToString::to_string) {
                    assert!(named.matches(client.as_str()).count() >= 3, "{client}: {named}");
                }
            });
        }
    });
}

#[test]
fn what_we_ask_ourselves_by_an_own_address_is_not_translated() {
    isolated(name!("what_we_ask_ourselves_by_an_own_address_is_not_translated"), || {
        ask_ourselves(Home::new(), Plan::default());
    });
}

#[test]
fn what_we_ask_ourselves_on_a_plain_router_is_not_led_to_the_listener() {
    isolated(name!("what_we_ask_ourselves_on_a_plain_router_is_not_led_to_the_listener"), || {
        ask_ourselves(Home::plain(), Plan { listener: Some(9), ..Plan::default() });
    });
}

fn ask_ourselves(home: Home, plan: Plan) {
    block_on(async {
        let tun = Tun::open("optout0").unwrap();
        let mark = plan.mark;
        let mut routes = Routes::set_up(plan, &tun).unwrap();
        routes.capture_on().unwrap();
        for to in OWN.split(' ') {
            let to = std::net::SocketAddr::new(to.parse().unwrap(), 53);
            let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = std::net::UdpSocket::bind(any).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::Mark, &mark).unwrap();
            socket.send_to(b"ours", to).unwrap();
            let mut answer = [0; 9];
            let length = socket.recv(&mut answer).unwrap();
            assert_eq!(&answer[..length], b"own", "{to}");
        }
        assert_eq!(taken(&tun, b"ours"), 0);
        drop(home);
    });
}

#[test]
fn the_listener_is_closed_to_those_who_were_not_redirected() {
    isolated(name!("the_listener_is_closed_to_those_who_were_not_redirected"), || {
        come_by_themselves(&Home::new());
    });
}

#[test]
fn the_listener_of_a_plain_router_is_closed_to_strays_too() {
    isolated(name!("the_listener_of_a_plain_router_is_closed_to_strays_too"), || {
        come_by_themselves(&Home::plain());
    });
}

fn come_by_themselves(home: &Home) {
    block_on(async {
        let tun = Tun::open("optout0").unwrap();
        let listening = Listening::start();
        let mut routes = Routes::set_up(listening.plan(), &tun).unwrap();
        routes.capture_on().unwrap();
        let ask = ASK.replace("53, type", &format!("{}, type", listening.port));
        for tcp in ["True", "False"] {
            let script = ask.replace("TCP", tcp).replace("BARE", "False");
            let said = Command::new("nsenter")
                .args(["-t", &home.client.pid().to_string(), "-n", "--", "python3", "-c", &script])
                .args(["192.168.7.1", "fe80::1%eth"])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8_lossy(&said.stdout).trim(), "TimeoutError TimeoutError");
        }
        assert_eq!(home.answers(LINK_LOCAL, false), "tun", "it does listen");
        listening.stop();
    });
}
