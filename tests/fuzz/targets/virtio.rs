//! Any bytes as a frame out of a TUN with virtio headers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use optout::core::wire::ip::Packet;
use optout::core::wire::tcp::Segment;
use optout::core::wire::udp::Datagram;
use optout::core::wire::virtio::{HEADER, Undone};

fuzz_target!(|bytes: &[u8]| {
    frame(bytes);
    // Behind a header that fits, which is seldom hit upon.
    let Ok(packet) = Packet::parse(bytes) else { return };
    let start = u16::try_from(packet.bytes.len() - packet.payload.len()).unwrap_or_default();
    let (kind, field) = match (packet.protocol, packet.source.is_ipv4()) {
        (6, true) => (1, 16),
        (6, false) => (4, 16),
        _ => (5, 6_u16),
    };
    let size = bytes.last().copied().map_or(1, u16::from);
    let mut whole = vec![1, kind];
    whole.extend([0, size, start, field].into_iter().flat_map(u16::to_ne_bytes));
    whole.extend(bytes);
    frame(&whole);
});

fn frame(bytes: &[u8]) {
    let Ok((undone, packet)) = Undone::parse(bytes) else { return };
    assert_eq!(packet, &bytes[HEADER..]);
    match undone.cut(packet) {
        Ok(Some(mut cut)) => {
            let (mut out, mut payload, mut count) = (Vec::new(), 0, 0);
            while cut.next(&mut out) {
                count += 1;
                let read = Packet::parse(&out).expect("a piece is a sound packet");
                payload += match read.protocol {
                    6 => Segment::parse(&read).map(|segment| segment.payload.len()),
                    _ => Datagram::parse(&read).map(|datagram| datagram.payload.len()),
                }
                .unwrap_or_default(); // of port 0, or the like
            }
            assert!(payload <= packet.len() && count <= packet.len());
        }
        Ok(None) => {
            let mut made = packet.to_vec();
            let _ = undone.finish(&mut made);
            assert_eq!(made.len(), packet.len());
        }
        Err(_) => {}
    }
}
