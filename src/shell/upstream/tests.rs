//! Against real servers on a private loopback.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::num::NonZeroU32;
use std::thread;
use std::time::Duration;

use super::*;
use crate::shell::protect::Way;
use futures_util::FutureExt;

use crate::shell::netns_test::{isolated, sh};
use crate::shell::privileges::unprivileged;

fn marked() -> Protector {
    std::sync::Arc::new(Way::Mark(NonZeroU32::new(0x0100_0000).unwrap()))
}

/// Runs `test` in a private network with upstreams made inside a runtime.
fn with_upstreams(name: &str, test: impl AsyncFnOnce(Upstreams)) {
    isolated(&format!("shell::upstream::tests::{name}"), || {
        runtime().block_on(async {
            test(Upstreams::new(marked()).expect("upstreams")).await;
        });
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime")
}

/// What comes next, in words; `silence` after 300 ms.
async fn said(upstreams: &mut Upstreams) -> String {
    match tokio::time::timeout(Duration::from_millis(300), upstreams.next()).await {
        Ok(Reply::Answer { ask, message }) => {
            format!("{} {}", ask.0, String::from_utf8_lossy(message))
        }
        Ok(Reply::Failed { ask, error }) => format!("{} {error}", ask.0),
        Err(_) => "silence".into(),
    }
}

/// A UDP server that gives back what it gets, a little later; its address.
fn echo(address: &str) -> SocketAddr {
    let socket = UdpSocket::bind(address).expect("server");
    let at = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((len, from)) = socket.recv_from(&mut buffer) {
            thread::sleep(Duration::from_millis(1));
            socket.send_to(&buffer[..len], from).unwrap();
        }
    });
    at
}

/// A TCP server that does `serve` with the one connection it takes.
fn tcp(address: &str, serve: impl FnOnce(std::net::TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind(address).expect("server");
    let at = listener.local_addr().unwrap();
    thread::spawn(move || serve(listener.accept().unwrap().0));
    at
}

#[test]
fn datagrams_go_out_and_answers_come_until_forgotten() {
    with_upstreams("datagrams_go_out_and_answers_come_until_forgotten", async |mut upstreams| {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let server = UdpSocket::bind(address).unwrap();
            upstreams.ask(AskId(7), server.local_addr().unwrap(), Transport::Udp, b"question");
            let mut buffer = [0; 100];
            let (len, from) = server.recv_from(&mut buffer).unwrap();
            assert_eq!(&buffer[..len], b"question");
            assert!(from.port() >= 1024);
            server.send_to(b"wrong", from).unwrap();
            server.send_to(b"right", from).unwrap();
            assert_eq!(said(&mut upstreams).await, "7 wrong");
            assert_eq!(said(&mut upstreams).await, "7 right");
            upstreams.forget(AskId(7));
            assert_eq!(upstreams.under_way(), 0);
            assert_eq!(said(&mut upstreams).await, "silence");
        }
    });
}

#[test]
fn ports_are_all_over_the_range_and_sockets_carry_the_mark() {
    let name = "ports_are_all_over_the_range_and_sockets_carry_the_mark";
    with_upstreams(name, async |mut upstreams| {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = server.local_addr().unwrap();
        for n in 0..200 {
            upstreams.ask(AskId(n), at, Transport::Udp, b"question");
        }
        let mut buffer = [0; 100];
        let mut ports: Vec<u16> =
            (0..200).map(|_| server.recv_from(&mut buffer).unwrap().1.port()).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 200);
        // The kernel's own range is 32768 to 60999.
        assert!(ports[0] < 10_000 && ports[199] > 61_000, "{} {}", ports[0], ports[199]);
        let socket = upstreams.exchanges[&AskId(0)].socket();
        assert_eq!(socket2::SockRef::from(&socket).mark().unwrap(), 0x0100_0000);
        drop(upstreams);
        assert_eq!(sh("ss -Hnu | wc -l").trim(), "0", "sockets outlive their owner");
    });
}

#[test]
fn a_refused_datagram_fails_at_once() {
    with_upstreams("a_refused_datagram_fails_at_once", async |mut upstreams| {
        for address in ["127.0.0.1:9", "[::1]:9"] {
            upstreams.ask(AskId(1), address.parse().unwrap(), Transport::Udp, b"question");
            let want = "1 the upstream cannot be reached: Connection refused (os error 111)";
            assert_eq!(said(&mut upstreams).await, want);
            assert_eq!(upstreams.under_way(), 0);
        }
    });
}

#[test]
fn no_route_and_unreachable_hosts_fail_at_once() {
    with_upstreams("no_route_and_unreachable_hosts_fail_at_once", async |mut upstreams| {
        for upstream in ["192.0.2.1:53", "[2001:db8::1]:53"] {
            for transport in [Transport::Udp, Transport::Tcp] {
                upstreams.ask(AskId(1), upstream.parse().unwrap(), transport, b"question");
                let want =
                    "1 the upstream cannot be reached: Network is unreachable (os error 101)";
                assert_eq!(said(&mut upstreams).await, want);
            }
        }
        // A router that answers "host unreachable", which UDP sockets are not
        // told of by default.
        let beside = crate::shell::netns_test::Beside::new();
        sh(&format!(
            "ip link add name v0 type veth peer name v1 netns {}
             ip addr add 198.51.100.1/24 dev v0; ip link set v0 up
             ip route add default via 198.51.100.2",
            beside.pid()
        ));
        beside.sh("ip addr add 198.51.100.2/24 dev v1; ip link set v1 up
             echo 1 > /proc/sys/net/ipv4/ip_forward; ip route add unreachable default");
        upstreams.ask(AskId(2), "192.0.2.1:53".parse().unwrap(), Transport::Udp, b"question");
        let want = "2 the upstream cannot be reached: No route to host (os error 113)";
        assert_eq!(said(&mut upstreams).await, want);
    });
}

#[test]
fn messages_come_over_tcp_however_they_are_cut() {
    with_upstreams("messages_come_over_tcp_however_they_are_cut", async |mut upstreams| {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let server = tcp(address, |mut stream| {
                let mut question = [0; 10];
                stream.read_exact(&mut question).unwrap();
                assert_eq!(&question, b"\0\x08question");
                stream.set_nodelay(true).unwrap();
                for byte in b"\0\x06answer\0\x04more" {
                    stream.write_all(&[*byte]).unwrap();
                    thread::sleep(Duration::from_millis(2));
                }
            });
            upstreams.ask(AskId(3), server, Transport::Tcp, b"question");
            assert_eq!(said(&mut upstreams).await, "3 answer");
            assert_eq!(said(&mut upstreams).await, "3 more");
            assert_eq!(said(&mut upstreams).await, "3 the upstream hung up");
            assert_eq!(upstreams.under_way(), 0);
        }
    });
}

#[test]
fn the_longest_message_comes_over_tcp_whole() {
    with_upstreams("the_longest_message_comes_over_tcp_whole", async |mut upstreams| {
        let server = tcp("127.0.0.1:0", |mut stream| {
            let mut question = vec![0; 65_537];
            stream.read_exact(&mut question).unwrap();
            stream.write_all(&question).unwrap();
        });
        let question: Vec<u8> = (0..65_535_u32).map(|n| (n % 251) as u8).collect();
        upstreams.ask(AskId(3), server, Transport::Tcp, &question);
        let Reply::Answer { message, .. } = upstreams.next().await else { panic!("no answer") };
        assert_eq!(message, question);
    });
}

#[test]
fn a_refused_or_broken_connection_fails_at_once() {
    with_upstreams("a_refused_or_broken_connection_fails_at_once", async |mut upstreams| {
        upstreams.ask(AskId(1), "127.0.0.1:9".parse().unwrap(), Transport::Tcp, b"question");
        let want = "1 the upstream cannot be reached: Connection refused (os error 111)";
        assert_eq!(said(&mut upstreams).await, want);

        let server = tcp("127.0.0.1:0", |mut stream| {
            stream.read_exact(&mut [0; 10]).unwrap();
            stream.write_all(b"\xff\xffshort").unwrap();
        });
        upstreams.ask(AskId(2), server, Transport::Tcp, b"question");
        assert_eq!(said(&mut upstreams).await, "2 the upstream hung up");

        let server = tcp("127.0.0.1:0", drop);
        upstreams.ask(AskId(3), server, Transport::Tcp, b"question");
        let said = said(&mut upstreams).await;
        // Whatever comes first: its end, its reset, or our own writing into it.
        let ways = ["hung up", "reset", "Broken pipe"];
        assert!(ways.iter().any(|way| said.contains(way)), "{said}");
    });
}

#[test]
fn an_upstream_that_never_stops_is_hung_up_on() {
    with_upstreams("an_upstream_that_never_stops_is_hung_up_on", async |mut upstreams| {
        let server = tcp("127.0.0.1:0", |mut stream| while stream.write_all(&[0; 4096]).is_ok() {});
        upstreams.ask(AskId(1), server, Transport::Tcp, b"question");
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        upstreams.ask(AskId(2), udp.local_addr().unwrap(), Transport::Udp, b"question");
        let (_, from) = udp.recv_from(&mut [0; 100]).unwrap();
        thread::spawn(move || while udp.send_to(b"guess", from).is_ok() {});
        let mut floods = 0;
        for _ in 0..1000 {
            if said(&mut upstreams).await.contains("more than 128 messages") {
                floods += 1;
            }
            if upstreams.under_way() == 0 {
                break;
            }
        }
        assert_eq!(floods, 2);
    });
}

#[test]
fn nobody_but_the_upstream_answers() {
    with_upstreams("nobody_but_the_upstream_answers", async |mut upstreams| {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        upstreams.ask(AskId(1), server.local_addr().unwrap(), Transport::Udp, b"question");
        let (_, from) = server.recv_from(&mut [0; 100]).unwrap();
        let other = UdpSocket::bind("127.0.0.1:0").unwrap();
        let other_host = UdpSocket::bind("127.0.0.2:0").unwrap();
        other.send_to(b"forged", from).unwrap();
        other_host.send_to(b"forged", from).unwrap();
        assert_eq!(said(&mut upstreams).await, "silence");
    });
}

#[test]
fn what_is_waited_for_is_not_lost_when_the_wait_is_cancelled() {
    let name = "what_is_waited_for_is_not_lost_when_the_wait_is_cancelled";
    with_upstreams(name, async |mut upstreams| {
        let at = echo("127.0.0.1:0");
        let mut cancelled = 0;
        for n in 0..100 {
            upstreams.ask(AskId(n), at, Transport::Udp, b"question");
            // Polled once and dropped, again and again.
            while upstreams.next().now_or_never().is_none() {
                cancelled += 1;
                assert!(cancelled < 10_000, "the answer to {n} never came");
                tokio::time::sleep(Duration::from_micros(100)).await;
            }
        }
        assert!(cancelled > 10);
    });
}

#[test]
fn too_many_questions_and_too_few_files_fail_one_by_one() {
    let name = "too_many_questions_and_too_few_files_fail_one_by_one";
    with_upstreams(name, async |mut upstreams| {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = server.local_addr().unwrap();
        for n in 0..=512 {
            upstreams.ask(AskId(n), at, Transport::Udp, b"question");
        }
        let want = "512 512 questions are under way, which is the limit; try again later";
        assert_eq!(said(&mut upstreams).await, want);
        assert_eq!(said(&mut upstreams).await, "silence");
        drop(upstreams);

        nix::sys::resource::setrlimit(Resource::RLIMIT_NOFILE, 64, 64).unwrap();
        let mut upstreams = Upstreams::new(marked()).unwrap();
        assert_eq!(upstreams.most, 16);
        nix::sys::resource::setrlimit(Resource::RLIMIT_NOFILE, 10, 64).unwrap();
        for n in 0..12 {
            upstreams.ask(AskId(n), at, Transport::Udp, b"question");
        }
        let said = said(&mut upstreams).await;
        assert!(said.contains("cannot have a socket: Too many open files"), "{said}");
    });
}

#[test]
fn a_refused_mark_is_told_with_its_remedy_and_no_mark_needs_no_privilege() {
    let name = "a_refused_mark_is_told_with_its_remedy_and_no_mark_needs_no_privilege";
    unprivileged(&format!("shell::upstream::tests::{name}"), || {
        let runtime = runtime();
        let _inside = runtime.enter();
        let want = "cannot mark our own sockets: Operation not permitted (os error 1); \
            run optout as root, or give it CAP_NET_ADMIN (systemd: AmbientCapabilities=CAP_NET_ADMIN)";
        assert_eq!(Upstreams::new(marked()).unwrap_err().to_string(), want);
        assert!(Upstreams::new(std::sync::Arc::new(Way::None)).is_ok());
    });
}
