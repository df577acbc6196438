//! Cuts and decoys together.

use crate::lab::packet::{Segment, URG};

use super::{Mode, Wire, low_ttl, md5};

pub(super) fn modes() -> Vec<Mode> {
    [mixtures(), overlaps()].into_iter().flatten().collect()
}

/// Cuts and decoys together: zapret fakedsplit, fakeddisorder, hostfakesplit, seqovl.
fn mixtures() -> Vec<Mode> {
    vec![
        Mode::segments("fakedsplit, badsum", |w| faked(w, false, |s| s.ip.spoilt = 1)),
        Mode::segments("fakedsplit, md5sig", |w| faked(w, false, md5)),
        Mode::segments("fakeddisorder, badsum", |w| faked(w, true, |s| s.ip.spoilt = 1)),
        Mode::segments("fakeddisorder, badseq", |w| {
            faked(w, true, |s| s.seq = s.seq.wrapping_sub(10_000))
        }),
        Mode::segments("fakedsplit, low ttl", |w| faked(w, false, low_ttl)).believed(),
        Mode::segments("hostfakesplit, badsum", |w| {
            let mut fake = w.fake(w.name.0, w.name.1);
            fake.ip.spoilt = 1;
            let [a, b, c] = [(0, w.name.0), w.name, (w.name.1, w.end())].map(|(f, t)| w.part(f, t));
            vec![a, fake.clone(), b, fake, c]
        }),
        Mode::segments("hostfakesplit, low ttl", |w| {
            let mut fake = w.fake(w.name.0, w.name.1);
            low_ttl(&mut fake);
            let [a, b, c] = [(0, w.name.0), w.name, (w.name.1, w.end())].map(|(f, t)| w.part(f, t));
            vec![a, fake, b, c]
        })
        .named_of_both(),
    ]
}

/// Bytes that another reader than the server would take for others: zapret seqovl, oob.
fn overlaps() -> Vec<Mode> {
    vec![
        Mode::segments("seqovl before the connection's first byte", |w| {
            let mut first = w.part(0, w.middle);
            first.seq = first.seq.wrapping_sub(20);
            first.payload = [&w.decoy[..20], &first.payload].concat();
            vec![first, w.part(w.middle, w.end())]
        }),
        Mode::segments("seqovl, disorder", |w| {
            let mut second = w.part(w.middle, w.end());
            second.seq = w.seq;
            second.payload = [&w.decoy[..w.middle], &second.payload].concat();
            vec![second, w.part(0, w.middle)]
        })
        .misread()
        .in_vain(),
        Mode::segments("seqovl, disorder, after a gap", |w| {
            let mut second = w.part(w.middle, w.end());
            second.seq = w.seq.wrapping_add(1);
            second.payload = [&w.decoy[1..w.middle], &second.payload].concat();
            vec![second, w.part(0, w.middle)]
        })
        .named_of_both(),
        Mode::segments("oob, a byte out of band", |w| {
            let mut all = w.all();
            all.flags |= URG;
            all.payload.insert(w.middle, b'!');
            all.urgent = u16::try_from(w.middle + 1).expect("a hello");
            all.payload.pop();
            let mut rest = w.part(w.end() - 1, w.end());
            rest.seq = rest.seq.wrapping_add(1);
            vec![all, rest]
        })
        .misread()
        .in_vain(),
        Mode::segments("URG, and nothing is urgent", |w| {
            let mut all = w.all();
            all.flags |= URG;
            vec![all]
        })
        .in_vain(),
    ]
}

/// Both halves, each between two decoys of it.
fn faked(w: &Wire, backwards: bool, change: impl Fn(&mut Segment)) -> Vec<Segment> {
    let half = |from, to| {
        let mut fake = w.fake(from, to);
        change(&mut fake);
        vec![fake.clone(), w.part(from, to), fake]
    };
    let (a, b) = (half(0, w.middle), half(w.middle, w.end()));
    if backwards { [b, a].concat() } else { [a, b].concat() }
}
