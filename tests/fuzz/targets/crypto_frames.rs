//! Any bytes as the frames of Initial packets, which are sealed as a client would:
//! each step is a packet of one of a few connections.
#![no_main]

use libfuzzer_sys::fuzz_target;
use optout::core::sniff::{Datagrams, MAX_HELD, Sniffed};
use optout::core::wire::quic::frames::{Frame, Frames};
use optout::core::wire::quic::version::Version;
use optout::core::wire::quic::write::Initial;
use optout::core::wire::reader::{Reader, Short};
use optout_fuzz::look_at_named;

fuzz_target!(|bytes: &[u8]| {
    let mut script = Reader::new(bytes);
    let mut datagrams = Vec::new();
    while datagrams.len() < 50
        && let Ok(datagram) = step(&mut script, datagrams.len())
    {
        datagrams.push(datagram);
    }
    let (mut flow, mut twice) = (Datagrams::default(), Datagrams::default());
    for datagram in &datagrams {
        let outcome = flow.push(datagram);
        look_at_named(&outcome);
        // Until the end it may differ: what cannot be read is not awaited for ever.
        let _ = (twice.push(datagram), twice.push(datagram));
        // Four connections, each in two readings.
        assert!(flow.held() <= 8 * MAX_HELD);
    }
    let outcome = flow.finish();
    assert_ne!(outcome, Sniffed::NeedMore);
    look_at_named(&outcome);
    assert_eq!(twice.finish(), outcome, "the same again says the same");
});

fn step(script: &mut Reader<'_>, number: usize) -> Result<Vec<u8>, Short> {
    let how = script.u8()?;
    let len = usize::from(script.u16()?).min(script.rest().len());
    let frames = script.take(len)?;
    look_at_frames(frames);
    let ids = [&b"first id"[..], b"second id", b"", b"twenty bytes of an id"];
    let versions = [1, 0x6b33_43cf, 0xff00_001d, 0xface_b002];
    let version = Version::known(versions[usize::from(how >> 2 & 3)]).expect("a known version");
    let chosen = &ids[usize::from(how & 3)][..ids[usize::from(how & 3)].len().min(20)];
    let destination = if how & 16 == 0 { chosen } else { b"of server" };
    let number = number as u32;
    let initial = Initial { version, chosen, destination, token: &[], number };
    let mut datagram = initial.seal(frames).expect("it can be sealed");
    if how & 32 != 0 {
        *datagram.last_mut().expect("not empty") ^= 1;
    }
    Ok(datagram)
}

fn look_at_frames(payload: &[u8]) {
    let (mut seen, mut ended) = (0, false);
    for frame in Frames::new(payload) {
        assert!(!ended, "a frame after the fault");
        ended = frame.is_err();
        if let Ok(Frame::Crypto { offset, bytes }) = frame {
            assert!(offset + (bytes.len() as u64) < 1 << 62);
            seen += bytes.len();
        }
    }
    assert!(seen <= payload.len());
}
