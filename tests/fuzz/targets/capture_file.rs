//! Any bytes as a capture: every frame in it is opened, and every packet replayed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use optout::core::capture::{Format, Inside, Step, open, unread};
use optout::core::policy::Policy;
use optout::core::replay::Replay;
use optout::core::time::Instant;

fuzz_target!(|bytes: &[u8]| {
    let (mut format, mut rest) = (Format::default(), bytes);
    let mut replay = Replay::default();
    let mut packets = 0;
    // A step takes bytes or finds out what the file is, which happens twice at most.
    let mut idle = 0;
    while let Ok((used, step)) = format.step(rest) {
        let mut skip = used as u64;
        match step {
            Step::Need(len) => {
                assert!(len > rest.len() && len <= Format::MAX_NEED);
                break;
            }
            Step::Skip(more) => skip += more,
            Step::Record(record) => {
                assert!(record.bytes.len() <= used);
                if unread(record.link).is_none()
                    && let Inside::Ip(packet) = open(record.link, record.bytes)
                {
                    packets += 1;
                    let len = usize::try_from(record.len).expect("32 bits");
                    replay.handle_packet(record.at.unwrap_or(Instant::ZERO), packet, len);
                }
            }
        }
        idle += u32::from(skip == 0);
        assert!(idle <= 2, "no way forward");
        let Some(left) = usize::try_from(skip).ok().and_then(|skip| rest.get(skip..)) else { break };
        rest = left;
    }
    let counters = replay.counters();
    assert_eq!(counters.packets, packets);
    let flows = replay.finish(&Policy::blocking(&["a.example"]), Instant::ZERO);
    let seen: u64 = flows.iter().map(|flow| flow.packets).sum();
    assert!(seen <= packets);
    for flow in flows {
        assert!(flow.packets > 0);
        assert!(!flow.names.is_empty() || flow.cause.is_some(), "neither name nor cause");
        assert!(flow.missing <= flow.bytes);
    }
});
