//! Against real processes on a private network.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::*;
use crate::core::flow::Protocol;
use crate::shell::netns_test::{isolated, sh};

/// A process that opens sockets and waits; killed when dropped.
struct App {
    child: Killed,
    /// What it printed first: the source of its flow.
    source: SocketAddr,
}

impl App {
    /// Runs Python that leaves a socket `s`.
    fn start(code: &str) -> Self {
        let code = format!(
            "import socket, sys, time\nAF4, AF6 = socket.AF_INET, socket.AF_INET6\n\
             TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM\n{code}\n\
             a = s.getsockname()\n\
             print(('[%s]:%d' if ':' in a[0] else '%s:%d') % (a[0].split('%')[0], a[1]))\n\
             sys.stdout.flush()\ntime.sleep(600)"
        );
        let mut child = Command::new("/usr/bin/env")
            .args(["python3", "-c", &code])
            .stdout(Stdio::piped())
            .spawn()
            .map(Killed)
            .expect("python3 starts");
        let mut line = String::new();
        BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let source = line.trim().parse().unwrap_or_else(|_| panic!("{code}\nsaid {line:?}"));
        Self { child, source }
    }
}

/// A process that a test that panics does not leave behind.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One that finds no list of packages.
fn new_finder(proc: &str) -> Finder {
    Finder::new(Path::new(proc), Path::new("/nonexistent/packages.list"))
}

fn flow(protocol: Protocol, source: SocketAddr, destination: &str) -> FiveTuple {
    FiveTuple { protocol, source, destination: destination.parse().unwrap() }
}

/// Gives the test addresses that packets leave from and that nobody answers at.
fn network() {
    sh("ip link add name d0 type veth peer name d1; ip link set d0 up; ip link set d1 up
        ip addr add 192.0.2.1/24 dev d0; ip addr add 2001:db8::1/64 dev d0 nodad
        ip addr add fe80::1/64 dev d0 nodad");
}

fn local(source: SocketAddr, ip: &str) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), source.port())
}

#[track_caller]
fn expect_python(finder: &mut Finder, flow: &FiveTuple, app: &App) {
    let owner = finder.find(flow);
    assert_eq!(owner.uid, Some(0), "{flow:?}");
    assert_eq!(owner.pid, Some(app.child.0.id()), "{flow:?}");
    let program = owner.program.expect("a program");
    assert!(program.starts_with("python3"), "{program}");
}

/// What a program does, and what its packets look like.
const SOCKETS: &[(&str, Protocol, &str, &str)] = &[
    // Connected, as resolvers do.
    (
        "s = socket.socket(AF4, UDP); s.connect(('192.0.2.53', 53))",
        Protocol::Udp,
        "192.0.2.1",
        "192.0.2.53:53",
    ),
    (
        "s = socket.socket(AF6, UDP); s.connect(('2001:db8::53', 53))",
        Protocol::Udp,
        "2001:db8::1",
        "[2001:db8::53]:53",
    ),
    // Not connected.
    (
        "s = socket.socket(AF4, UDP); s.sendto(b'q', ('192.0.2.53', 53))",
        Protocol::Udp,
        "192.0.2.1",
        "192.0.2.53:53",
    ),
    (
        "s = socket.socket(AF6, UDP); s.sendto(b'q', ('2001:db8::53', 53))",
        Protocol::Udp,
        "2001:db8::1",
        "[2001:db8::53]:53",
    ),
    // IPv4 out of an IPv6 socket, connected and not, UDP and TCP.
    (
        "s = socket.socket(AF6, UDP); s.connect(('::ffff:192.0.2.53', 53))",
        Protocol::Udp,
        "192.0.2.1",
        "192.0.2.53:53",
    ),
    (
        "s = socket.socket(AF6, UDP); s.sendto(b'q', ('::ffff:192.0.2.53', 53))",
        Protocol::Udp,
        "192.0.2.1",
        "192.0.2.53:53",
    ),
    (
        "s = socket.socket(AF6, TCP); s.setblocking(False); s.connect_ex(('::ffff:192.0.2.53', 443))",
        Protocol::Tcp,
        "192.0.2.1",
        "192.0.2.53:443",
    ),
    // Connecting, as at the moment when its SYN is seen.
    (
        "s = socket.socket(AF4, TCP); s.setblocking(False); s.connect_ex(('192.0.2.53', 443))",
        Protocol::Tcp,
        "192.0.2.1",
        "192.0.2.53:443",
    ),
    (
        "s = socket.socket(AF6, TCP); s.setblocking(False); s.connect_ex(('2001:db8::53', 443))",
        Protocol::Tcp,
        "2001:db8::1",
        "[2001:db8::53]:443",
    ),
    // Bound to a device, which the exact look-up misses.
    (
        "s = socket.socket(AF4, UDP); s.setsockopt(1, 25, b'd0'); s.sendto(b'q', ('192.0.2.53', 53))",
        Protocol::Udp,
        "192.0.2.1",
        "192.0.2.53:53",
    ),
    (
        "s = socket.socket(AF4, TCP); s.setsockopt(1, 25, b'd0'); s.setblocking(False); s.connect_ex(('192.0.2.53', 443))",
        Protocol::Tcp,
        "192.0.2.1",
        "192.0.2.53:443",
    ),
    // To the link-local address of a router; the packet names no scope.
    (
        "s = socket.socket(AF6, UDP); s.connect(('fe80::53', 53, 0, socket.if_nametoindex('d0')))",
        Protocol::Udp,
        "fe80::1",
        "[fe80::53]:53",
    ),
];

#[test]
fn every_kind_of_socket_has_its_owner() {
    isolated("shell::owner::tests::every_kind_of_socket_has_its_owner", || {
        network();
        let mut finder = new_finder("/proc");
        for (code, protocol, local_ip, destination) in SOCKETS {
            let app = App::start(code);
            let flow = flow(*protocol, local(app.source, local_ip), destination);
            expect_python(&mut finder, &flow, &app);
            expect_python(&mut new_finder("/proc"), &flow, &app);
        }
    });
}

#[test]
fn the_tables_under_proc_tell_the_same_where_sock_diag_is_missing() {
    isolated(
        "shell::owner::tests::the_tables_under_proc_tell_the_same_where_sock_diag_is_missing",
        || {
            network();
            let until = Instant::now() + RETRY;
            for (code, protocol, local_ip, destination) in SOCKETS {
                let app = App::start(code);
                let flow = flow(*protocol, local(app.source, local_ip), destination);
                let mut finder = new_finder("/proc");
                finder.sockets = Sockets::Tables { until };
                expect_python(&mut finder, &flow, &app);
                assert!(matches!(finder.sockets, Sockets::Tables { .. }), "not asked before");
                let other = FiveTuple { destination: "192.0.2.99:9".parse().unwrap(), ..flow };
                let wildcard = finder.find(&other) != Owner::default();
                assert_eq!(wildcard, code.contains("sendto"), "{code}");
                // When it is time the kernel is asked again, and answers.
                finder.sockets = Sockets::Tables { until: Instant::now() };
                expect_python(&mut finder, &flow, &app);
                assert!(matches!(finder.sockets, Sockets::Diag(_)));
            }
        },
    );
}

#[test]
fn what_refuses_for_good_is_told_from_what_went_wrong() {
    for code in [libc::EPERM, libc::EACCES, libc::ENOENT, libc::EPROTONOSUPPORT] {
        assert!(is_refusal(&io::Error::from_raw_os_error(code)), "{code}");
    }
    for code in [libc::ENOBUFS, libc::EINTR, libc::EAGAIN, libc::EINVAL] {
        assert!(!is_refusal(&io::Error::from_raw_os_error(code)), "{code}");
    }
}

#[test]
fn where_there_is_a_list_of_packages_the_app_is_named() {
    isolated("shell::owner::tests::where_there_is_a_list_of_packages_the_app_is_named", || {
        network();
        let list = std::env::temp_dir().join(format!("optout-list-{}", std::process::id()));
        std::fs::write(&list, "com.example.shop 10123 0 /data\n").unwrap();
        let app = App::start("s = socket.socket(AF4, UDP); s.connect(('192.0.2.53', 53))");
        let flow = flow(Protocol::Udp, local(app.source, "192.0.2.1"), "192.0.2.53:53");
        let mut finder = Finder::new(Path::new("/proc"), &list);
        // In this namespace there is no user but root, whose programs keep their names.
        expect_python(&mut finder, &flow, &app);
        let owner = Finder::new(Path::new("/nonexistent"), &list).find(&flow);
        assert_eq!(owner.program.as_deref(), Some("android:root"));
        std::fs::remove_file(&list).unwrap();
    });
}

#[test]
fn what_is_not_the_flow_has_not_its_owner() {
    isolated("shell::owner::tests::what_is_not_the_flow_has_not_its_owner", || {
        network();
        let mut finder = new_finder("/proc");
        let app = App::start("s = socket.socket(AF4, UDP); s.connect(('192.0.2.53', 53))");
        let source = local(app.source, "192.0.2.1");
        for (protocol, destination) in [
            (Protocol::Udp, "192.0.2.54:53"),
            (Protocol::Udp, "192.0.2.53:54"),
            (Protocol::Tcp, "192.0.2.53:53"),
        ] {
            assert_eq!(finder.find(&flow(protocol, source, destination)), Owner::default());
        }
        // Who listens on a port did not send from it.
        let app = App::start("s = socket.socket(AF4, TCP); s.bind(('192.0.2.1', 0)); s.listen()");
        assert_eq!(
            finder.find(&flow(Protocol::Tcp, app.source, "192.0.2.53:53")),
            Owner::default()
        );
        // The more exact of two sockets on one port.
        let app = App::start(
            "import socket as S\nt = S.socket(AF4, UDP); t.setsockopt(1, 2, 1); t.bind(('', 5000))\n\
             s = S.socket(AF4, UDP); s.setsockopt(1, 2, 1); s.bind(('', 5000))\n\
             s.connect(('192.0.2.53', 53))",
        );
        expect_python(&mut finder, &flow(Protocol::Udp, app.source, "192.0.2.53:53"), &app);
    });
}

#[test]
fn without_proc_the_user_is_still_known() {
    isolated("shell::owner::tests::without_proc_the_user_is_still_known", || {
        network();
        let app = App::start("s = socket.socket(AF4, UDP); s.connect(('192.0.2.53', 53))");
        let owner =
            new_finder("/nonexistent").find(&flow(Protocol::Udp, app.source, "192.0.2.53:53"));
        assert_eq!(owner, Owner { uid: Some(0), pid: None, program: None });
    });
}

#[test]
fn a_process_cannot_send_escape_sequences_by_its_name() {
    let dir = std::env::temp_dir().join(format!("optout-proc-{}", std::process::id()));
    let process = dir.join("7");
    std::fs::create_dir_all(process.join("fd")).unwrap();
    std::os::unix::fs::symlink("socket:[99]", process.join("fd/3")).unwrap();
    std::fs::write(process.join("comm"), "\x1b[31mevil\n").unwrap();
    let holder = |inode| Processes::new(&dir).holder(inode, 0);
    assert_eq!(holder(99), Some((7, Some("?[31mevil".into()))));
    assert_eq!(holder(9), None);
    std::os::unix::fs::symlink("/opt/app/phone home (deleted)", process.join("exe")).unwrap();
    assert_eq!(holder(99), Some((7, Some("phone home".into()))));
    std::fs::remove_file(process.join("exe")).unwrap();
    std::os::unix::fs::symlink("/bin/busybox", process.join("exe")).unwrap();
    std::fs::write(process.join("comm"), "wget\n").unwrap();
    assert_eq!(holder(99), Some((7, Some("wget".into()))));
    std::fs::remove_dir_all(&dir).unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn every_search_ends_also_when_there_are_too_many() {
    let mut owners = Owners::of_this_system().unwrap();
    // A documentation address is no source of this host: nothing is found.
    let flow = flow(Protocol::Udp, "192.0.2.99:9".parse().unwrap(), "192.0.2.53:53");
    for n in 0..2000 {
        owners.search(SearchId(n), flow);
    }
    let mut ended = Vec::new();
    for _ in 0..2000 {
        let next = tokio::time::timeout(Duration::from_secs(10), owners.next());
        let (search, owner) = next.await.expect("an end");
        assert_eq!(owner, Owner::default());
        ended.push(search.0);
    }
    ended.sort_unstable();
    assert!(ended.into_iter().eq(0..2000));
}

#[test]
fn what_is_known_is_found_faster_among_300_processes() {
    isolated("shell::owner::tests::what_is_known_is_found_faster_among_300_processes", || {
        network();
        let app = App::start("s = socket.socket(AF4, UDP); s.connect(('192.0.2.53', 53))");
        // They are newer, so they are looked into before it.
        let crowd: Vec<_> = (0..300)
            .map(|_| Command::new("sleep").arg("600").spawn().map(Killed).expect("sleep starts"))
            .collect();
        let flow = flow(Protocol::Udp, app.source, "192.0.2.53:53");
        let time = |finder: &mut Finder| {
            let before = Instant::now();
            assert_eq!(finder.find(&flow).pid, Some(app.child.0.id()));
            before.elapsed()
        };
        let mut finder = new_finder("/proc");
        let cold = (0..20).map(|_| time(&mut new_finder("/proc"))).min().unwrap();
        time(&mut finder);
        finder.processes.forget_sockets();
        let recent = time(&mut finder);
        let known = time(&mut finder);
        println!("cold {cold:?}, process known {recent:?}, socket known {known:?}");
        drop(crowd);
        // Only the first search for a process that never spoke looks into all.
        assert!(recent < cold && known < cold, "{recent:?} and {known:?} beside {cold:?}");
    });
}
