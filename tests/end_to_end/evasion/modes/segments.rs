//! Segments cut, decoys ahead of them, false ends and odd beginnings.

use std::time::Duration;

use crate::lab::packet::{ACK, FIN, PSH, RST, SYN};
use crate::lab::sender::Say;

use super::{Mode, low_ttl, md5, reversed};

pub(super) fn modes() -> Vec<Mode> {
    [cuts(), fakes(), teardowns(), openings()].into_iter().flatten().collect()
}

/// zapret multisplit and multidisorder, geneva fragment:tcp.
fn cuts() -> Vec<Mode> {
    vec![
        Mode::segments("plain", |w| vec![w.all()]),
        Mode::segments("multisplit after one byte", |w| w.cut(&[1])),
        Mode::segments("multisplit in the name", |w| w.cut(&[w.middle])),
        Mode::segments("multisplit in many places", |w| {
            w.cut(&[1, 5, w.name.0, w.middle, w.name.1])
        }),
        Mode::segments("a byte a segment", |w| w.cut(&(1..w.end()).collect::<Vec<_>>())),
        Mode::segments("multidisorder, two", |w| reversed(w.cut(&[w.middle]))),
        Mode::segments("multidisorder, many", |w| reversed(w.cut(&[1, w.name.0, w.middle]))),
        Mode::segments("multidisorder, a byte each", |w| {
            reversed(w.cut(&(1..64).collect::<Vec<_>>()))
        }),
        Mode::segments("each segment twice", |w| {
            w.cut(&[1, w.middle]).into_iter().flat_map(|s| [s.clone(), s]).collect()
        }),
        Mode::new("the second half first, the first much later", |w| {
            let mut say = w.send(&[w.part(w.middle, w.end())]);
            say.push(Say::Wait(Duration::from_millis(400)));
            say.extend(w.send(&[w.part(0, w.middle)]));
            say
        }),
        Mode::new("a long rest between two halves", |w| {
            let mut say = w.send(&[w.part(0, w.middle)]);
            say.push(Say::Wait(Duration::from_millis(900)));
            say.extend(w.send(&[w.part(w.middle, w.end())]));
            say
        }),
        Mode::segments("parts that overlap and agree", |w| {
            vec![w.part(0, w.middle + 3), w.part(w.middle - 3, w.end())]
        }),
    ]
}

/// zapret fake, by what makes the server drop it; geneva tamper and duplicate.
fn fakes() -> Vec<Mode> {
    vec![
        Mode::fake("fake, badsum", |s| s.ip.spoilt = 1),
        Mode::fake("fake, badseq behind", |s| s.seq = s.seq.wrapping_sub(10_000)),
        Mode::fake("fake, badseq ahead", |s| s.seq = s.seq.wrapping_add(0x4000_0000)),
        Mode::fake("fake, badack ahead", |s| s.ack = s.ack.wrapping_add(70_000)),
        Mode::fake("fake, badseq and badack", |s| {
            s.seq = s.seq.wrapping_sub(10_000);
            s.ack = s.ack.wrapping_sub(66_000);
        }),
        Mode::fake("fake, md5sig", md5),
        Mode::fake("fake, timestamp of long ago", |s| {
            s.options[4..8].copy_from_slice(&4_000_000_u32.to_be_bytes());
        }),
        Mode::fake("fake, low ttl", low_ttl).believed(),
        Mode::fake("fake, datanoack", |s| s.flags = PSH),
        Mode::fake("fake, no flags", |s| s.flags = 0),
        Mode::fake("fake, SYN", |s| s.flags = SYN),
        Mode::fake("fake, SYN and ACK", |s| s.flags = SYN | ACK),
        Mode::fake("fake, header too short", |s| s.header_off = -4),
        Mode::fake("fake, header too long", |s| {
            s.payload.truncate(12);
            s.header_off = 7;
        }),
        Mode::segments("fake, three kinds at once", |w| {
            let mut fakes = [w.all_fake(), w.all_fake(), w.all_fake()];
            fakes[0].ip.spoilt = 7;
            md5(&mut fakes[1]);
            fakes[2].seq = fakes[2].seq.wrapping_sub(66_000);
            [fakes.to_vec(), vec![w.all()]].concat()
        }),
        Mode::segments("fake, all zero, badsum", |w| {
            let mut fake = w.all_fake();
            fake.payload.fill(0);
            fake.ip.spoilt = 1;
            vec![fake, w.all()]
        }),
        Mode::segments("a good decoy in the same place", |w| vec![w.all_fake(), w.all()])
            .believed()
            .in_vain(),
        Mode::segments("window of ten bytes", |w| {
            let mut all = w.all();
            all.window = 10;
            vec![all]
        }),
    ]
}

/// geneva's TCB teardown and turnaround.
fn teardowns() -> Vec<Mode> {
    vec![
        Mode::bare("RST, badsum", RST, |s| s.ip.spoilt = 1),
        Mode::bare("RST, low ttl", RST, low_ttl).believed_or_reset(),
        Mode::bare("RST and ACK, low ttl", RST | ACK, low_ttl).believed_or_reset(),
        Mode::bare("RST, badseq behind", RST, |s| s.seq = s.seq.wrapping_sub(10_000)),
        Mode::bare("RST, a little ahead", RST, |s| s.seq = s.seq.wrapping_add(9)),
        Mode::bare("FIN, badsum", FIN | ACK, |s| s.ip.spoilt = 1),
        Mode::bare("FIN, low ttl", FIN | ACK, low_ttl).believed_or_reset(),
        Mode::bare("FIN, badseq behind", FIN | ACK, |s| s.seq = s.seq.wrapping_sub(10_000)),
        Mode::bare("FIN without ACK", FIN, |_| {}),
        Mode::bare("SYN, another beginning", SYN, |s| s.seq = s.seq.wrapping_add(77_777)),
        Mode::bare("SYN and ACK, out of nowhere", SYN | ACK, |s| s.seq = s.seq.wrapping_sub(1)),
        Mode::bare("all flags, badsum", 0x3f, |s| s.ip.spoilt = 1),
    ]
}

/// The connection is opened in another way: zapret syndata, wssize, geneva.
fn openings() -> Vec<Mode> {
    let plain = |name| Mode::segments(name, |w| vec![w.all()]);
    vec![
        plain("syndata, a decoy in the SYN").opened(|syn, _, decoy| syn.payload = decoy.to_vec()),
        plain("syndata, the hello in the SYN").opened(|syn, said, _| syn.payload = said.to_vec()),
        Mode::segments("syndata and multisplit", |w| w.cut(&[w.middle]))
            .opened(|syn, _, decoy| syn.payload = decoy.to_vec()),
        Mode::segments("wssize, a small window", |w| w.cut(&[w.middle]))
            .opened(|syn, _, _| syn.window = 1),
        plain("a window scale of fourteen").opened(|syn, _, _| syn.options.extend([3, 3, 14, 1])),
        plain("SYN with ECN").opened(|syn, _, _| syn.flags |= 0xc0),
        plain("SYN with FIN, badsum, ahead").after(|w| {
            let mut fake = w.bare(SYN | FIN);
            fake.ip.spoilt = 1;
            vec![fake.packet(w.ends)]
        }),
        plain("SYN and ACK ahead of the SYN, badsum").after(|w| {
            let mut fake = w.bare(SYN | ACK);
            fake.ip.spoilt = 1;
            vec![fake.packet(w.ends)]
        }),
        plain("SYN with a decoy ahead, low ttl")
            .after(|w| {
                let mut fake = w.all_fake();
                fake.flags = SYN;
                fake.seq = w.seq.wrapping_sub(5000);
                low_ttl(&mut fake);
                vec![fake.packet(w.ends)]
            })
            .named_of_both(),
        plain("data before any SYN")
            .after(|w| {
                let mut fake = w.all_fake();
                fake.seq = w.seq.wrapping_add(1);
                low_ttl(&mut fake);
                vec![fake.packet(w.ends)]
            })
            .named_of_both(),
        plain("a SYN that is lost, and another one from the same port").after(|w| {
            let mut lost = w.bare(SYN);
            lost.seq = w.seq.wrapping_sub(10_000_000);
            low_ttl(&mut lost);
            vec![lost.packet(w.ends)]
        }),
    ]
}
