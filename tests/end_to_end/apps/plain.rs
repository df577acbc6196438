//! What is none of our business goes on as if we were not there.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::evasion::FULL;
use crate::lab::packet::{self, Ends, Ip, SYN};
use crate::lab::recorder::Recorder;
use crate::lab::transfer::{self, Way};
use crate::lab::{HOP_V4, HOP_V6, Lab, Link, Node, ORDINARY, VENDOR, dns, hello, isolated, tell};
use crate::ways::PATIENCE;

#[test]
fn a_server_that_speaks_first_is_heard_at_once() {
    isolated(|| {
        let lab = Lab::start();
        let servers = ORDINARY.map(|address| {
            let at = SocketAddr::from((address, 22));
            (at, Recorder::tcp_that_says(lab.internet().node(), at, BANNER))
        });
        for place in lab.places() {
            let daemon = place.home.optout(FULL);
            for (at, server) in &servers {
                let begun = Instant::now();
                let (from, took) = place.client.enter(|| {
                    let mut stream = connect(*at);
                    let mut banner = [0; BANNER.len()];
                    stream.read_exact(&mut banner).expect("the banner");
                    assert_eq!(banner, BANNER);
                    let took = begun.elapsed();
                    stream.write_all(b"SSH-2.0-lab\r\n").expect("still open");
                    let from = stream.local_addr().expect("bound");
                    server.wait_for(from, 13);
                    (from, took)
                });
                assert_eq!(server.bytes(from), b"SSH-2.0-lab\r\n", "{}", place.name);
                // Well below the patience for a hello, which would be waited for in vain.
                assert!(took < Duration::from_secs(1), "{}: after {took:?}", place.name);
                tell(&format!("{}: a banner of {at} after {} µs", place.name, took.as_micros()));
            }
            daemon.stop();
        }
    });
}

#[test]
fn a_closed_port_refuses_as_it_always_did() {
    isolated(|| {
        let lab = Lab::start();
        for place in lab.places() {
            let daemon = place.home.optout(FULL);
            for address in ORDINARY.into_iter().chain(VENDOR) {
                let (ended, took) = place.client.enter(|| dns::connect((address, 4999)));
                let kind = ended.map(drop).map_err(|error| error.kind());
                assert_eq!(kind, Err(ErrorKind::ConnectionRefused), "{} {address}", place.name);
                tell(&format!("{}: {address} refused in {} µs", place.name, took.as_micros()));
            }
            daemon.stop();
        }
    });
}

#[test]
fn after_half_a_close_the_other_half_carries_ten_megabytes() {
    isolated(|| {
        let lab = Lab::start();
        transfer::serve(lab.internet().node(), &ORDINARY, PORT);
        for place in lab.places() {
            let daemon = place.home.optout(FULL);
            for address in ORDINARY {
                for way in [Way::Down, Way::Up] {
                    let to = (address, PORT).into();
                    let done = place.client.enter(|| transfer::transfer(to, NAME, way, TEN));
                    done.unwrap_or_else(|e| panic!("{} {way:?} {address}: {e}", place.name));
                }
            }
            daemon.stop();
        }
    });
}

#[test]
fn a_reset_arrives_whoever_sends_it() {
    isolated(|| {
        let lab = Lab::start();
        for place in lab.places() {
            let daemon = place.home.optout(FULL);
            for address in ORDINARY {
                for by_server in [false, true] {
                    let seen = reset(&lab, place.client, (address, PORT).into(), by_server);
                    assert_eq!(seen, ErrorKind::ConnectionReset, "{} {address}", place.name);
                }
            }
            daemon.stop();
        }
    });
}

#[test]
fn a_narrow_link_behind_us_is_found_out() {
    isolated(|| {
        let lab = Lab::start_over(Link { mtu: 1400, ..Link::default() });
        transfer::serve(lab.internet().node(), &ORDINARY, PORT);
        for place in lab.places() {
            let daemon = place.home.optout(FULL);
            for address in ORDINARY {
                for way in [Way::Down, Way::Up] {
                    let to = (address, PORT).into();
                    let done = place.client.enter(|| transfer::transfer(to, NAME, way, TEN));
                    done.unwrap_or_else(|e| panic!("{} {way:?} {address}: {e}", place.name));
                }
                // So that the next place learns it anew.
                place.client.ok("ip route flush cache; ip -6 route flush cache");
            }
            daemon.stop();
        }
        let narrow = lab
            .link()
            .expect("a link of ours")
            .told()
            .narrow
            .load(std::sync::atomic::Ordering::Relaxed);
        assert!(narrow > 0, "nothing was too long");
        tell(&format!("{narrow} packets were too long and answered by ICMP"));
    });
}

#[test]
fn hops_are_counted_as_if_we_were_not_there() {
    isolated(|| {
        let lab = Lab::start_over(Link { hop: true, ..Link::default() });
        let sender = lab.sender();
        let trace = || {
            let mut seen = Vec::new();
            for address in ORDINARY {
                for ttl in [1, 2, 3] {
                    let ends = sender.ends((address, 4433).into());
                    seen.push((ttl, hop(&sender, &syn(ends, ttl), ends)));
                    let ends = sender.ends((address, 33_434).into());
                    seen.push((ttl, hop(&sender, &probe(ends, ttl, b"traceroute"), ends)));
                    let ends = sender.ends((address, 443).into());
                    let crypto = hello::quic("www.ordinary.example");
                    let initial = hello::initial(&[7; 8], 0, &[(0, &crypto)], 1200);
                    seen.push((ttl, hop(&sender, &probe(ends, ttl, &initial), ends)));
                }
            }
            seen
        };
        let without = trace();
        let daemon = lab.router().optout(FULL);
        let with = trace();
        assert_eq!(with, without);
        let [v4, v6] = [HOP_V4.into(), HOP_V6.into()].map(Some);
        for hop in [v4, v6] {
            assert!(without.iter().any(|(ttl, by)| *ttl == 2 && *by == hop), "{without:?}");
        }
        daemon.stop();
    });
}

fn syn(ends: Ends, ttl: u8) -> Vec<u8> {
    let mut ip = Ip::new(4);
    ip.ttl = ttl;
    let syn = packet::Segment {
        ip,
        flags: SYN,
        seq: 1000,
        ack: 0,
        window: 64_000,
        urgent: 0,
        options: vec![2, 4, 5, 0xb4],
        header_off: 0,
        payload: Vec::new(),
    };
    syn.packet(ends)
}

fn probe(ends: Ends, ttl: u8, payload: &[u8]) -> Vec<u8> {
    let mut ip = Ip::new(4);
    ip.ttl = ttl;
    packet::datagram(ends, &ip, payload)
}

/// Who answers this packet, in whatever way; `None` if nobody does.
fn hop(sender: &crate::lab::sender::Sender, packet: &[u8], ends: Ends) -> Option<std::net::IpAddr> {
    sender.send(packet);
    let port = ends.from.port().to_be_bytes();
    sender.wait_for(Duration::from_millis(1500), |answer| {
        let (_, body) = packet::body(answer)?;
        let about_us = body[2..4] == port || body.get(8..)?.windows(2).any(|two| two == port);
        about_us.then(|| packet::source(answer)).flatten()
    })
}

/// One side resets a connection after the hello; what the other side sees.
fn reset(lab: &Lab, client: &Node, at: SocketAddr, by_server: bool) -> ErrorKind {
    let listener = lab.internet().node().enter(|| TcpListener::bind(at)).expect("a free port");
    let (tell, told) = mpsc::channel();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        stream.read_exact(&mut [0; 50]).expect("a hello");
        tell.send(()).expect("the client waits");
        if by_server { end(&stream) } else { error_of(&mut stream) }
    });
    let seen = client.enter(move || {
        let mut stream = connect(at);
        stream.write_all(&hello::tls(NAME)).expect("open");
        told.recv_timeout(PATIENCE).expect("the hello arrives");
        if by_server { error_of(&mut stream) } else { end(&stream) }
    });
    let at_server = server.join().expect("no panic");
    if by_server { seen } else { at_server }
}

/// Resets a connection: nothing is left to be sent, and nothing is waited for.
fn end(stream: &TcpStream) -> ErrorKind {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).expect("a socket");
    // Closed for good when it is dropped.
    let _ = stream.shutdown(Shutdown::Read);
    ErrorKind::Other
}

/// How a stream ends.
fn error_of(stream: &mut TcpStream) -> ErrorKind {
    let mut bytes = [0; 4096];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return ErrorKind::UnexpectedEof,
            Ok(_) => {}
            Err(error) => return error.kind(),
        }
    }
}

fn connect(at: SocketAddr) -> TcpStream {
    let stream = dns::connect(at).0.expect("reachable");
    stream.set_read_timeout(Some(PATIENCE)).expect("above zero");
    stream
}

const BANNER: &[u8] = b"SSH-2.0-lab_9.9 banner\r\n";
const NAME: &str = "www.ordinary.example";
const PORT: u16 = 4434;
const TEN: usize = 10_000_000;
