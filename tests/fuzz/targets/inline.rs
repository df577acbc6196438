//! Clients of flows on their way that follow no rule: each step is a segment, a
//! datagram, the passing of time or a change of rules. Numbers are often near the
//! right ones, so that the fuzzer gets past the first check.
#![no_main]

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use optout::core::flow::{Client, FiveTuple, Owner, Protocol};
use optout::core::flows::inline::{Inline, Judge, Out, Settings};
use optout::core::host::HostName;
use optout::core::rule::Answer;
use optout::core::time::Instant;
use optout::core::verdict::{RuleRef, Stop, Verdict, Why};
use optout::core::wire::checksum::Sum;
use optout::core::wire::ip::{self, Packet};
use optout::core::wire::reader::{Reader, Short};
use optout::core::wire::tcp::{Flags, Segment};
use optout::core::wire::udp;

fuzz_target!(|bytes: &[u8]| {
    let mut world = World::new();
    let mut script = Reader::new(bytes);
    while world.step(&mut script).is_ok() {}
    // Whatever happened, it ends by itself.
    for _ in 0..10_000 {
        let Some(next) = world.inline.poll_timeout() else { break };
        world.now = world.now.max(next);
        world.inline.handle_timeout(world.now, &world.rules);
        world.drain();
    }
    assert_eq!(world.inline.poll_timeout(), None, "flows never end");
    assert_eq!(world.inline.fill().held, 0);
});

struct World {
    inline: Inline,
    rules: Rules,
    now: Instant,
    /// What went on of each flow until something was decided about it, by number.
    /// No other byte may ever take its place.
    judged: HashMap<FiveTuple, (u32, Vec<u8>, bool)>,
    /// Flows of which something went on.
    met: HashSet<FiveTuple>,
    /// Everything goes, as it came.
    released: bool,
}

struct Rules(u8);

impl Judge for Rules {
    fn host(&self, host: &str, _client: &Client) -> Verdict {
        let blocks = host.starts_with('b') == (self.0 & 1 == 0);
        if blocks { BLOCK } else { Verdict::Pass(Why::NoMatch) }
    }

    fn address(&self, _address: IpAddr, _client: &Client) -> Verdict {
        if self.0 & 2 == 2 { BLOCK } else { Verdict::Pass(Why::NoMatch) }
    }

    fn answered(&self, _client: &Client, _address: IpAddr, found: &mut dyn FnMut(&HostName)) {
        if self.0 & 4 == 4 {
            found(&HostName::from_labels([&b"a"[..], b"example"]));
        }
    }

    fn depends_on_program(&self) -> bool {
        self.0 & 8 == 8
    }
}

fn settings() -> Settings {
    Settings { flows: 6, flows_of_client: 5, held: 100_000, ..Settings::default() }
}

impl World {
    fn new() -> Self {
        let now = Instant::from_micros(1_000_000);
        Self {
            inline: Inline::new(settings()),
            rules: Rules(0),
            now,
            judged: HashMap::new(),
            met: HashSet::new(),
            released: false,
        }
    }

    fn step(&mut self, script: &mut Reader<'_>) -> Result<(), Short> {
        match script.u8()? {
            0..=179 => self.segment(script)?,
            180..=209 => self.datagram(script)?,
            210..=239 => {
                self.now = self.now + Duration::from_millis(u64::from(script.u16()?));
                self.inline.handle_timeout(self.now, &self.rules);
            }
            240..=244 => {
                let which = script.u8()?;
                let program = (which & 4 == 4).then(|| "curl".into());
                let owner = Owner { program, ..Owner::default() };
                let tuple = tuple(which & 3, Protocol::Tcp);
                self.inline.handle_owner(self.now, &self.rules, tuple, owner);
            }
            245 => {
                let [come, exempt] = script.array()?;
                self.inline.hellos_come_back(come & 1 == 1);
                let exempt = if exempt & 1 == 1 { vec!["curl".into()] } else { Vec::new() };
                self.inline.set(Settings { exempt, ..settings() });
            }
            246..=252 => {
                self.rules.0 = script.u8()?;
                self.inline.rejudge(self.now, &self.rules);
            }
            _ => {
                self.inline.release(self.now);
                (self.released, self.judged) = (true, HashMap::new());
            }
        }
        self.drain();
        self.released = false;
        let fill = self.inline.fill();
        assert!(fill.undecided + fill.refused + fill.passed <= 6, "{fill:?}");
        // Beside what waits, what was just taken to be looked at.
        assert!(fill.held <= 100_000 + 4 * 100_000, "{fill:?}");
        Ok(())
    }

    fn segment(&mut self, script: &mut Reader<'_>) -> Result<(), Short> {
        let [which, flags, at, ack, hop_limit, len] = script.array()?;
        let options = script.take(usize::from(which >> 4).min(10) * 4)?;
        let payload = match flags >> 6 {
            0 => script.take(usize::from(len))?.to_vec(),
            n => hello(b"?ab?"[usize::from(n)]).split_off(usize::from(at).min(60)),
        };
        let tuple = tuple(which & 3, Protocol::Tcp);
        let sequence = match at {
            0..=199 => ISN.wrapping_add(1 + u32::from(at)),
            200..=219 => ISN.wrapping_sub(u32::from(at) - 200),
            _ => u32::from(at) << 24,
        };
        let sequence = if flags & 2 == 2 { ISN.wrapping_add(u32::from(at >> 6)) } else { sequence };
        let mut tcp = Vec::new();
        tcp.extend(tuple.source.port().to_be_bytes());
        tcp.extend(tuple.destination.port().to_be_bytes());
        tcp.extend(sequence.to_be_bytes());
        tcp.extend((u32::from(ack) << (ack & 7)).to_be_bytes());
        tcp.extend([(5 + options.len() as u8 / 4) << 4, flags & 0x3f]);
        tcp.extend([9, 9, 0, 0, 0, len]);
        tcp.extend(options);
        tcp.extend(payload);
        let ends = (tuple.source.ip(), tuple.destination.ip());
        let sum = Sum::pseudo_header(ends.0, ends.1, ip::TCP, tcp.len()).with(&tcp).checksum();
        tcp[16..18].copy_from_slice(&sum.to_be_bytes());
        let mut packet = Vec::new();
        ip::write_header(&mut packet, ends.0, ends.1, ip::TCP, tcp.len()).expect("one family");
        ip::set_hop_limit(&mut packet, 64 + hop_limit % 3);
        packet.extend(tcp);
        self.take(&packet, which);
        Ok(())
    }

    fn datagram(&mut self, script: &mut Reader<'_>) -> Result<(), Short> {
        let [which, len] = script.array()?;
        let payload = script.take(usize::from(len))?;
        let tuple = tuple(which & 3, Protocol::Udp);
        let mut packet = Vec::new();
        udp::write(&mut packet, tuple.source, tuple.destination, payload).expect("it fits");
        self.take(&packet, which);
        Ok(())
    }

    fn take(&mut self, bytes: &[u8], which: u8) {
        let Ok(packet) = Packet::parse(bytes) else { return };
        let client = match which >> 2 & 1 {
            0 => Client::Device(packet.source),
            _ => Client::Host(None),
        };
        self.inline.handle_packet(self.now, &self.rules, &client, &packet);
    }

    fn drain(&mut self) {
        let mut count = 0;
        while let Some(out) = self.inline.poll() {
            count += 1;
            assert!(count < 2000, "one step makes no end of packets");
            match out {
                Out::Onward { packet, decided, .. } => self.goes_on(&packet, decided),
                Out::Back(packet) => {
                    Packet::parse(&packet).expect("what we send is sound");
                }
                Out::Seen(seen) => {
                    if let Some((_, _, decided)) = self.judged.get_mut(&seen.tuple) {
                        *decided = true;
                    }
                }
                // What is seen of it may be said later than it is decided.
                Out::WhoOwns(tuple) => {
                    self.met.insert(tuple);
                    self.judged.remove(&tuple);
                }
                Out::Recall(_) => {}
            }
        }
    }

    fn goes_on(&mut self, bytes: &[u8], decided: bool) {
        let packet = Packet::parse(bytes).expect("what we send is sound");
        let Ok(segment) = Segment::parse(&packet) else { return };
        let source = SocketAddr::new(packet.source, segment.source_port);
        let destination = SocketAddr::new(packet.destination, segment.destination_port);
        let tuple = FiveTuple { protocol: Protocol::Tcp, source, destination };
        if segment.opens() {
            let bare = segment.payload.is_empty() && !decided;
            let exempt = !self.inline.settings().exempt.is_empty();
            assert!(bare || self.released || exempt, "a SYN carries nothing");
            let first = segment.sequence.wrapping_add(1);
            // Of two connections at once we do not know here which one lives.
            match self.judged.get(&tuple) {
                Some((known, ..)) if *known == first => {}
                Some(_) => drop(self.judged.remove(&tuple)),
                None if self.met.insert(tuple) => {
                    self.judged.insert(tuple, (first, Vec::new(), false));
                }
                None => {}
            }
            return;
        }
        self.met.insert(tuple);
        if decided || segment.flags.has(Flags::RST) {
            self.judged.remove(&tuple);
            return;
        }
        let Some((first, kept, seen)) = self.judged.get_mut(&tuple) else { return };
        let at = segment.sequence.wrapping_sub(*first) as usize;
        for (n, byte) in segment.payload.iter().enumerate().filter(|(n, _)| at + n < 4096) {
            match kept.get(at + n) {
                Some(before) => assert_eq!(before, byte, "other bytes than were judged"),
                // What lies ahead of a gap was not judged.
                None if kept.len() == at + n && !*seen => kept.push(*byte),
                None => {}
            }
        }
    }
}

fn tuple(which: u8, protocol: Protocol) -> FiveTuple {
    let (source, destination): (IpAddr, IpAddr) = if which & 1 == 0 {
        (IpAddr::from([192, 0, 2, 7]), IpAddr::from([203, 0, 113, 8]))
    } else {
        ("2001:db8::7".parse().expect("v6"), "2001:db8::8".parse().expect("v6"))
    };
    let port = if which & 2 == 0 { 443 } else { 853 };
    let source = SocketAddr::new(source, 40_000 + u16::from(which >> 1));
    FiveTuple { protocol, source, destination: SocketAddr::new(destination, port) }
}

/// A ClientHello for a host whose name begins with this letter.
fn hello(letter: u8) -> Vec<u8> {
    let mut hello = vec![22, 3, 1, 0, 0, 1, 0, 0, 0, 3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0x13, 1, 1, 0, 0, 21, 0, 0, 0, 10, 0, 8, 0, 0, 5]);
    hello.extend([letter, b'.', b't', b'e', b's']);
    hello.extend([0, 43, 0, 3, 2, 3, 4]);
    let len = u16::try_from(hello.len()).expect("short");
    hello[3..5].copy_from_slice(&(len - 5).to_be_bytes());
    hello[7..9].copy_from_slice(&(len - 9).to_be_bytes());
    hello
}

const ISN: u32 = u32::MAX - 30;
const BLOCK: Verdict =
    Verdict::Block(Stop { rule: RuleRef { list: 0, line: 1 }, answer: Answer::Usual });
