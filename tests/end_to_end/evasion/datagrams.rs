//! The ways over UDP, one row each: QUIC.

use std::time::Duration;

use crate::lab::packet::{self, Ends, Ip, datagram, fragments};
use crate::lab::recorder::Recorder;
use crate::lab::sender::Sender;
use crate::lab::{Lab, VENDOR, hello, isolated, tell};
use crate::ways::COLLECTOR;

use super::{DECOY, FULL, HOP, WIKI};

/// A way to say something in datagrams.
struct Way {
    name: &'static str,
    how: fn(&Said) -> Vec<Vec<u8>>,
    /// What the server has where the name is blocked.
    blocked: Gets,
    allowed: Gets,
}

/// What a server gets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Gets {
    /// No datagram with a packet of the hello.
    Nothing,
    /// All of them.
    Hello,
}

/// What is to be said.
struct Said {
    ends: Ends,
    /// The packets of a hello that is in one, and in two.
    whole: Vec<u8>,
    halves: [Vec<u8>; 2],
    crypto: Vec<u8>,
    decoy: Vec<u8>,
}

#[test]
fn no_way_of_cutting_and_faking_gets_a_blocked_initial_to_its_server() {
    isolated(|| {
        let lab = Lab::start_over(HOP);
        let sender = lab.sender();
        let daemon = lab.router().optout(FULL);
        let mut faults = Vec::new();
        for address in VENDOR {
            let server = Recorder::udp(lab.internet().node(), address, PORT);
            for way in ways() {
                for (host, gets) in [(COLLECTOR, way.blocked), (WIKI, way.allowed)] {
                    let said = Said::new(sender.ends((address, PORT).into()), host);
                    let told = said.say(&sender, &(way.how)(&said));
                    let got = said.parts_in(&server.datagrams(said.ends.from));
                    let fits = match gets {
                        Gets::Nothing => got == 0 && told,
                        Gets::Hello => got == said.crypto.len() && !told,
                    };
                    if !fits {
                        let fault = format!("{got} bytes of the hello, told by ICMP: {told}");
                        faults.push(format!("{} to {address}, {host}: {fault}", way.name));
                    }
                }
            }
        }
        tell(&format!("{} ways, {} faults", ways().len(), faults.len()));
        assert!(faults.is_empty(), "{}\n{}", faults.join("\n"), daemon.diagnostics());
        daemon.stop();
    });
}

#[test]
fn without_optout_every_datagram_reaches_the_server() {
    isolated(|| {
        let lab = Lab::start_over(HOP);
        let sender = lab.sender();
        for address in VENDOR {
            let server = Recorder::udp(lab.internet().node(), address, PORT);
            for way in ways() {
                let said = Said::new(sender.ends((address, PORT).into()), COLLECTOR);
                said.say(&sender, &(way.how)(&said));
                let got = said.parts_in(&server.datagrams(said.ends.from));
                assert_eq!(got, said.crypto.len(), "{} to {address}", way.name);
            }
        }
    });
}

impl Said {
    fn new(ends: Ends, host: &str) -> Self {
        let crypto = hello::quic(host);
        let (a, b) = crypto.split_at(crypto.len() / 2);
        Self {
            ends,
            whole: hello::initial(DCID, 0, &[(0, &crypto)], LENGTH),
            halves: [
                hello::initial(DCID, 0, &[(0, a)], LENGTH),
                hello::initial(DCID, 1, &[(a.len(), b)], LENGTH),
            ],
            decoy: hello::initial(OTHER, 0, &[(0, &hello::quic(DECOY))], LENGTH),
            crypto,
        }
    }

    /// A datagram as a packet.
    fn packet(&self, payload: &[u8]) -> Vec<u8> {
        datagram(self.ends, &Ip::new(9), payload)
    }

    /// The same, changed.
    fn changed(&self, payload: &[u8], change: impl Fn(&mut Ip)) -> Vec<u8> {
        let mut ip = Ip::new(9);
        change(&mut ip);
        datagram(self.ends, &ip, payload)
    }

    /// Sends all, and again as a client would that heard nothing; whether it was told
    /// that nobody is there.
    fn say(&self, sender: &Sender, packets: &[Vec<u8>]) -> bool {
        for packet in packets {
            sender.send(packet);
        }
        let port = self.ends.from.port().to_be_bytes();
        let refused = |packet: &[u8]| {
            let (protocol, message) = packet::body(packet)?;
            let quoted = message.get(8..)?;
            // Port unreachable (RFC 792, RFC 4443 §3.1) about this very flow.
            let unreachable = matches!((protocol, &message[..2]), (1, [3, 3]) | (58, [1, 4]));
            (unreachable && quoted.windows(2).any(|two| two == port)).then_some(())
        };
        let told = sender.wait_for(Duration::from_millis(250), refused).is_some();
        sender.send(&self.packet(&self.whole));
        told | sender.wait_for(Duration::from_millis(100), refused).is_some()
    }

    /// How many bytes of the hello these datagrams have, whatever else they have.
    fn parts_in(&self, datagrams: &[Vec<u8>]) -> usize {
        let has = |packet: &[u8]| datagrams.iter().any(|all| holds(all, &packet[50..LENGTH / 2]));
        if has(&self.whole) {
            return self.crypto.len();
        }
        let half = self.crypto.len() / 2;
        let [a, b] = self.halves.each_ref().map(|packet| has(packet));
        usize::from(a) * half + usize::from(b) * (self.crypto.len() - half)
    }
}

fn holds(all: &[u8], part: &[u8]) -> bool {
    all.windows(part.len()).any(|window| window == part)
}

fn ways() -> Vec<Way> {
    let way = |name, how| Way { name, how, blocked: Gets::Nothing, allowed: Gets::Hello };
    vec![
        way("plain", |s| vec![s.packet(&s.whole)]),
        way("two Initials", |s| s.halves.iter().map(|half| s.packet(half)).collect()),
        way("two Initials, reversed", |s| s.halves.iter().rev().map(|h| s.packet(h)).collect()),
        way("two Initials in one datagram", |s| vec![s.packet(&s.halves.concat()[..])]),
        way("each Initial twice", |s| [0, 0, 1, 1].map(|n: usize| s.packet(&s.halves[n])).to_vec()),
        way("a decoy with another connection id first", |s| {
            vec![s.packet(&s.decoy), s.packet(&s.whole)]
        }),
        way("a decoy first, badsum", |s| {
            vec![s.changed(&s.decoy, |ip| ip.spoilt = 1), s.packet(&s.whole)]
        }),
        way("a decoy first, low ttl", |s| {
            vec![s.changed(&s.decoy, |ip| ip.ttl = 2), s.packet(&s.whole)]
        }),
        way("an Initial that cannot be opened first", |s| {
            let mut broken = s.decoy.clone();
            broken[600] ^= 1;
            vec![s.packet(&broken), s.packet(&s.whole)]
        }),
        way("zeros first", |s| vec![s.packet(&[0; 1200]), s.packet(&s.whole)]),
        way("one byte first", |s| vec![s.packet(&[0x40]), s.packet(&s.whole)]),
        way("udplen, bytes after the packet", |s| {
            vec![s.packet(&[&s.whole[..], &[0; 20]].concat())]
        }),
        way("ipfrag2", |s| fragments(&s.packet(&s.whole), &[(0, 640), (640, 2000)], 77)),
        way("ipfrag2, reversed", |s| fragments(&s.packet(&s.whole), &[(640, 2000), (0, 640)], 78)),
        way("ipfrag2, after eight bytes", |s| {
            fragments(&s.packet(&s.whole), &[(0, 8), (8, 2000)], 79)
        }),
        way("frames of three bytes, shuffled", |s| {
            let mut parts: Vec<hello::Crypto<'_>> =
                s.crypto.chunks(3).enumerate().map(|(n, part)| (n * 3, part)).collect();
            parts.reverse();
            let (a, b) = parts.split_at(parts.len() / 2);
            let (a, b) = (hello::initial(DCID, 0, a, LENGTH), hello::initial(DCID, 1, b, LENGTH));
            vec![s.packet(&a), s.packet(&b), s.packet(&s.whole)]
        }),
    ]
}

const PORT: u16 = 443;
const LENGTH: usize = 1200; // RFC 9000 §14.1
const DCID: &[u8] = &[0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];
const OTHER: &[u8] = &[0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88];
