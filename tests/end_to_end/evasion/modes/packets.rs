//! Packets in fragments, and with more than one header.

use crate::lab::packet::{DESTINATION, HOP_BY_HOP, fragments};
use crate::lab::sender::Say;

use super::Mode;

/// 0 is IPv4.
pub(super) fn modes(family: usize) -> Vec<Mode> {
    let own = if family == 0 { options() } else { extensions() };
    fragmented().into_iter().chain(own).collect()
}

/// Packets in fragments: zapret ipfrag1 and ipfrag2, `GoodbyeDPI --reverse-frag`.
fn fragmented() -> Vec<Mode> {
    let cut = |name, parts: fn(usize) -> Vec<(usize, usize)>| {
        Mode::new(name, move |w| {
            let packet = w.all().packet(w.ends);
            let parts = parts(w.middle.next_multiple_of(8) + 32);
            fragments(&packet, &parts, 0x7777).into_iter().map(Say::Packet).collect()
        })
    };
    vec![
        cut("ipfrag2, in the name", |m| vec![(0, m), (m, MOST)]),
        cut("ipfrag2, after eight bytes", |_| vec![(0, 8), (8, MOST)]),
        cut("ipfrag2, after the header", |_| vec![(0, 40), (40, MOST)]),
        cut("reverse-frag", |m| vec![(m, MOST), (0, m)]),
        cut("fragments of eight bytes", |_| {
            (0..25).map(|n| (n * 8, n * 8 + 8)).chain([(200, MOST)]).collect()
        }),
        cut("a last fragment that never comes", |m| vec![(0, m)]),
        cut("fragments that overlap", |m| vec![(0, m + 16), (m, MOST)]),
        Mode::new("fragments that overlap and differ", |w| {
            let at = w.middle.next_multiple_of(8) + 32;
            let real = fragments(&w.all().packet(w.ends), &[(0, at), (at, MOST)], 0x7778);
            let fake = fragments(&w.all_fake().packet(w.ends), &[(0, at)], 0x7778);
            [&fake[0], &real[0], &real[1]].map(|p| Say::Packet(p.clone())).into()
        }),
        Mode::new("ipfrag1, one fragment that is whole", |w| {
            let packet = w.all().packet(w.ends);
            fragments(&packet, &[(0, MOST)], 0x7779).into_iter().map(Say::Packet).collect()
        }),
    ]
}

/// IPv4 alone.
fn options() -> Vec<Mode> {
    vec![
        Mode::segments("no operation in the options of IP", |w| {
            let mut all = w.all();
            all.ip.options = vec![1, 1, 1, 0];
            vec![all]
        }),
        Mode::fake("fake, a broken option of IP", |s| s.ip.options = vec![0x83, 200, 4, 0]),
    ]
}

/// IPv6 alone: zapret hopbyhop, hopbyhop2 and destopt.
fn extensions() -> Vec<Mode> {
    let ahead = |name, chain: fn() -> Vec<(u8, Vec<u8>)>| {
        Mode::segments(name, move |w| {
            let mut all = w.all();
            all.ip.ahead = chain();
            vec![all]
        })
    };
    vec![
        ahead("hopbyhop", || vec![(HOP_BY_HOP, PADDING.to_vec())]),
        ahead("destopt", || vec![(DESTINATION, PADDING.to_vec())]),
        ahead("destopt twice", || {
            vec![(DESTINATION, PADDING.to_vec()), (DESTINATION, PADDING.to_vec())]
        }),
        ahead("hopbyhop and destopt", || {
            vec![(HOP_BY_HOP, PADDING.to_vec()), (DESTINATION, PADDING.to_vec())]
        }),
        Mode::fake("fake, hopbyhop twice", |s| {
            s.ip.ahead = vec![(HOP_BY_HOP, PADDING.to_vec()), (HOP_BY_HOP, PADDING.to_vec())];
        }),
        Mode::fake("fake, destopt that is to be dropped", |s| {
            s.ip.ahead = vec![(DESTINATION, DISCARD.to_vec())];
        })
        .believed(),
        Mode::segments("destopt and multisplit", |w| {
            let mut parts = w.cut(&[w.middle]);
            for part in &mut parts {
                part.ip.ahead = vec![(DESTINATION, PADDING.to_vec())];
            }
            parts
        }),
    ]
}

/// An extension header that says nothing (RFC 8200 §4.2: `PadN`).
const PADDING: [u8; 8] = [0, 0, 1, 4, 0, 0, 0, 0];

/// One with an option that nobody knows, and that is to be dropped for it (§4.2: 01).
const DISCARD: [u8; 8] = [0, 0, 0x5e, 4, 0, 0, 0, 0];

/// To the end of the packet.
const MOST: usize = usize::MAX;
