//! A client of TCP/53 that follows no rule: each step is a segment, an answer or
//! the passing of time. Segments carry right checksums and, often, sequence
//! numbers near the right ones, so that the fuzzer gets past the first check.
#![no_main]

use std::net::IpAddr;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use optout::core::dns::stream::{StreamId, Streams};
use optout::core::time::Instant;
use optout::core::wire::checksum::Sum;
use optout::core::wire::ip::{self, Packet};
use optout::core::wire::reader::{Reader, Short};
use optout::core::wire::tcp::{Flags, Segment};

fuzz_target!(|bytes: &[u8]| {
    let mut client = Client::default();
    let mut script = Reader::new(bytes);
    while client.step(&mut script).is_ok() {}
    // Whatever happened, it ends by itself.
    for _ in 0..1000 {
        let Some(next) = client.streams.poll_timeout() else { break };
        client.now = client.now.max(next);
        client.streams.handle_timeout(client.now);
        client.drain();
    }
    assert!(client.streams.is_empty(), "{} connections never end", client.streams.len());
});

struct Client {
    streams: Streams,
    now: Instant,
    /// What we should send and acknowledge next, on each of four ports.
    edges: [(u32, u32); 4],
    asked: Vec<StreamId>,
}

impl Default for Client {
    fn default() -> Self {
        let streams = Streams::new(1500, 1);
        let now = Instant::from_micros(1_000_000);
        Self { streams, now, edges: [(1000, 0); 4], asked: Vec::new() }
    }
}

impl Client {
    fn step(&mut self, script: &mut Reader<'_>) -> Result<(), Short> {
        match script.u8()? {
            0..=199 => self.segment(script)?,
            200..=219 => {
                let len = usize::from(script.u16()?);
                if let Some(stream) = self.asked.pop() {
                    self.streams.answer(self.now, stream, &vec![1; len]);
                }
            }
            _ => {
                self.now = self.now + Duration::from_millis(u64::from(script.u16()?));
                self.streams.handle_timeout(self.now);
            }
        }
        self.drain();
        Ok(())
    }

    fn segment(&mut self, script: &mut Reader<'_>) -> Result<(), Short> {
        let [port, flags, sequence, acknowledgment, len] = script.array()?;
        let window = script.u16()?;
        let options = script.take(usize::from(port >> 4).min(10) * 4)?;
        let payload = script.take(usize::from(len))?;
        let port = port & 3;
        let edges = &mut self.edges[usize::from(port)];
        let near = |edge: u32, by: u8| match by {
            0..=63 => edge,
            64..=127 => edge.wrapping_add((u32::from(by) - 64) * 97),
            128..=191 => edge.wrapping_sub(u32::from(by) - 128),
            _ => u32::from(by) << 24,
        };
        let sequence = near(edges.0, sequence);
        let acknowledgment = near(edges.1, acknowledgment);
        if sequence == edges.0 {
            let syn_fin = u32::from(flags & 1) + u32::from(flags >> 1 & 1);
            edges.0 = sequence.wrapping_add(u32::from(len)).wrapping_add(syn_fin);
        }

        let (from, to) = (IpAddr::from([192, 0, 2, 7]), IpAddr::from([203, 0, 113, 8]));
        let mut tcp = vec![0x9c, 0x40 + port, 0, 53];
        tcp.extend(sequence.to_be_bytes());
        tcp.extend(acknowledgment.to_be_bytes());
        tcp.extend([(5 + options.len() as u8 / 4) << 4, flags]);
        tcp.extend(window.to_be_bytes());
        tcp.extend([0; 4]);
        tcp.extend(options);
        tcp.extend(payload);
        let sum = Sum::pseudo_header(from, to, ip::TCP, tcp.len()).with(&tcp).checksum();
        tcp[16..18].copy_from_slice(&sum.to_be_bytes());
        let mut packet = Vec::new();
        ip::write_header(&mut packet, from, to, ip::TCP, tcp.len()).expect("one family");
        packet.extend(tcp);
        self.streams.handle_packet(self.now, &packet);
        Ok(())
    }

    fn drain(&mut self) {
        while let Some(query) = self.streams.next_query() {
            assert!(!query.message.is_empty());
            self.asked.push(query.stream);
        }
        let mut out = Vec::new();
        let mut packets = 0;
        while self.streams.poll_packet(&mut out) {
            packets += 1;
            assert!(packets < 1000, "one step makes no end of packets");
            let packet = Packet::parse(&out).expect("what we send is sound");
            let segment = Segment::parse(&packet).expect("what we send is sound");
            let port = usize::from(segment.destination_port & 3);
            if segment.flags.has(Flags::ACK) {
                self.edges[port].1 = segment.end();
            }
        }
    }
}
