//! Any bytes as a packet out of the TUN: read, and refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use optout::core::flows::refuse::refuse;
use optout::core::wire::ip::Packet;
use optout::core::wire::tcp::Segment;
use optout::core::wire::udp::Datagram;

fuzz_target!(|bytes: &[u8]| {
    let Ok(packet) = Packet::parse(bytes) else { return };
    assert!(packet.payload.len() <= packet.bytes.len());
    assert_eq!(packet.bytes[packet.protocol_at], packet.protocol);
    let _ = Segment::parse(&packet);
    let _ = Datagram::parse(&packet);
    let mut out = Vec::new();
    if refuse(&packet, &mut out) {
        let answer = Packet::parse(&out).expect("a refusal is a sound packet");
        assert!(answer.is_answerable());
        assert_eq!((answer.source, answer.destination), (packet.destination, packet.source));
        assert!(!refuse(&answer, &mut Vec::new()), "a refusal of a refusal is a loop");
    }
});
