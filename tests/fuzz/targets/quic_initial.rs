//! Any bytes as the datagrams of a flow.
#![no_main]

use libfuzzer_sys::fuzz_target;
use optout::core::sniff::{Datagrams, MAX_HELD, Sniffed};
use optout::core::wire::quic::keys::Keys;
use optout::core::wire::quic::packet::Start;
use optout::core::wire::reader::Reader;
use optout_fuzz::look_at_named;

fuzz_target!(|bytes: &[u8]| {
    whole(bytes);
    let (mut flow, mut again) = (Datagrams::default(), Datagrams::default());
    let mut script = Reader::new(bytes);
    while let Ok(len) = script.u16() {
        let datagram = script.take(len.into()).unwrap_or(script.rest());
        let outcome = flow.push(datagram);
        assert_eq!(again.push(datagram), outcome, "the same twice");
        // Four connections, each in two readings.
        assert!(flow.held() <= 8 * MAX_HELD);
        look_at_named(&outcome);
        if datagram.len() < usize::from(len) {
            break;
        }
    }
    assert_ne!(flow.finish(), Sniffed::NeedMore);
});

/// Parts a datagram into packets, and tries each of them.
fn whole(datagram: &[u8]) {
    let mut seen = 0;
    let mut start = Start::parse(datagram);
    while let Start::Packet(packet, rest) = start {
        assert_eq!(packet.bytes, &datagram[seen..seen + packet.bytes.len()]);
        assert!(packet.bytes.ends_with(packet.sealed) && packet.destination.len() <= 20);
        seen += packet.bytes.len();
        assert_eq!(rest, &datagram[seen..]);
        let keys = Keys::of_client(&packet.version, packet.destination).expect("keys");
        let _ = keys.open(&packet, &mut Vec::new());
        start = Start::parse(rest);
    }
    let _ = Datagrams::default().push(datagram);
}
