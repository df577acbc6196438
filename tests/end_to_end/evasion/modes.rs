//! The ways over TCP, one row each.

use std::time::Duration;

use crate::lab::packet::{
    ACK, DESTINATION, Ends, FIN, HOP_BY_HOP, PSH, RST, SYN, Segment, URG, fragments,
};
use crate::lab::sender::Say;

/// A way to say something.
pub(super) struct Mode {
    pub(super) name: &'static str,
    pub(super) speaks: Speaks,
    pub(super) how: How,
    /// What is done to the first segment of the connection, given what will be said,
    /// and the decoy.
    pub(super) opening: fn(&mut Segment, &[u8], &[u8]),
    /// What is sent ahead of it.
    pub(super) before: fn(&Wire) -> Vec<Vec<u8>>,
    /// What the server has where the name is blocked.
    pub(super) blocked: Gets,
    /// What it has where it is not.
    pub(super) allowed: Gets,
    /// A server of Linux reads what was said, where nobody stands in between.
    pub(super) works: bool,
}

pub(super) type How = Box<dyn Fn(&Wire) -> Vec<Say>>;

/// What a server gets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Gets {
    /// Nothing at all.
    Nothing,
    /// All that was said, exactly.
    Hello,
    /// Nothing but a beginning of the decoy, if anything. Whether the server would
    /// have believed it depends on what an observer cannot know, as how far the server
    /// is; so what was judged goes there, and what was not does not.
    Decoy,
    /// All that was said, or nothing of it, or what was judged in its place.
    Either,
    /// What was judged, in which the server reads another name.
    Other,
}

/// What is said.
#[derive(Clone, Copy)]
pub(super) enum Speaks {
    /// TLS, the hello in one record.
    Tls,
    /// TLS, in records of these lengths.
    Records(&'static [usize]),
    /// HTTP, with this head for a host.
    Http(fn(&str) -> Vec<u8>),
}

/// A connection on which something is to be said.
pub(super) struct Wire {
    pub(super) ends: Ends,
    pub(super) said: Vec<u8>,
    /// As long, and for a host that nobody blocks.
    pub(super) decoy: Vec<u8>,
    /// Where the name is, and the middle of it.
    pub(super) name: (usize, usize),
    pub(super) middle: usize,
    pub(super) seq: u32,
    /// An ordinary segment, to be changed.
    pub(super) plain: Segment,
}

impl Wire {
    fn at(&self, bytes: &[u8], from: usize, to: usize) -> Segment {
        let mut segment = self.plain.clone();
        segment.seq = self.seq.wrapping_add(u32::try_from(from).expect("a hello"));
        segment.payload = bytes[from..to.min(bytes.len())].to_vec();
        segment
    }

    /// Bytes of what is said, where they belong.
    fn part(&self, from: usize, to: usize) -> Segment {
        self.at(&self.said, from, to)
    }

    /// Bytes of the decoy, in the same place.
    fn fake(&self, from: usize, to: usize) -> Segment {
        self.at(&self.decoy, from, to)
    }

    fn all(&self) -> Segment {
        self.part(0, self.end())
    }

    fn all_fake(&self) -> Segment {
        self.fake(0, self.decoy.len())
    }

    fn end(&self) -> usize {
        self.said.len()
    }

    /// An empty segment with these flags.
    fn bare(&self, flags: u8) -> Segment {
        let mut segment = self.plain.clone();
        segment.payload.clear();
        segment.flags = flags;
        segment
    }

    /// The segments as packets.
    fn send(&self, segments: &[Segment]) -> Vec<Say> {
        segments.iter().map(|segment| Say::Packet(segment.packet(self.ends))).collect()
    }

    /// What is said, cut at these places.
    fn cut(&self, cuts: &[usize]) -> Vec<Segment> {
        let from = std::iter::once(0).chain(cuts.iter().copied());
        let to = cuts.iter().copied().chain([self.end()]);
        from.zip(to).filter(|(from, to)| from < to).map(|(from, to)| self.part(from, to)).collect()
    }
}

impl Mode {
    fn new(name: &'static str, how: impl Fn(&Wire) -> Vec<Say> + 'static) -> Self {
        Self {
            name,
            speaks: Speaks::Tls,
            how: Box::new(how),
            opening: |_, _, _| {},
            before: |_| Vec::new(),
            blocked: Gets::Nothing,
            allowed: Gets::Hello,
            works: true,
        }
    }

    /// What is said, in these segments.
    fn segments(name: &'static str, how: impl Fn(&Wire) -> Vec<Segment> + 'static) -> Self {
        Self::new(name, move |w| w.send(&how(w)))
    }

    /// A whole decoy that was changed like this, and then what is said.
    fn fake(name: &'static str, change: impl Fn(&mut Segment) + 'static) -> Self {
        Self::segments(name, move |w| {
            let mut fake = w.all_fake();
            change(&mut fake);
            vec![fake, w.all()]
        })
    }

    /// An empty segment with these flags, changed, and then what is said.
    fn bare(name: &'static str, flags: u8, change: impl Fn(&mut Segment) + 'static) -> Self {
        Self::segments(name, move |w| {
            let mut fake = w.bare(flags);
            change(&mut fake);
            vec![fake, w.all()]
        })
    }

    fn speaking(mut self, speaks: Speaks) -> Self {
        self.speaks = speaks;
        self
    }

    fn http(name: &'static str, head: fn(&str) -> Vec<u8>) -> Self {
        Self::segments(name, |w| vec![w.all()]).speaking(Speaks::Http(head))
    }

    fn opened(mut self, opening: fn(&mut Segment, &[u8], &[u8])) -> Self {
        self.opening = opening;
        self
    }

    fn after(mut self, before: fn(&Wire) -> Vec<Vec<u8>>) -> Self {
        self.before = before;
        self
    }

    /// An observer cannot know whether the server believes the decoy.
    fn believed(mut self) -> Self {
        (self.blocked, self.allowed) = (Gets::Decoy, Gets::Either);
        self
    }

    /// No server reads what was said.
    fn in_vain(mut self) -> Self {
        self.works = false;
        self
    }
}

/// All ways for a family: 0 is IPv4.
pub(super) fn modes(family: usize) -> Vec<Mode> {
    let mut all = cuts();
    all.extend(fakes());
    all.extend(teardowns());
    all.extend(mixtures());
    all.extend(openings());
    all.extend(records());
    all.extend(heads());
    all.extend(fragmented());
    all.extend(if family == 0 { options() } else { extensions() });
    all
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

impl Mode {
    /// The server may be told what was said to end the connection; then it has nothing.
    fn believed_or_reset(mut self) -> Self {
        self.allowed = Gets::Either;
        self
    }
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

impl Mode {
    /// The name can be read in two ways, and whose is right depends on the server: as
    /// both count, a blocked one gets nothing through. What is not blocked may pass as
    /// it was judged, or be dropped.
    fn named_of_both(mut self) -> Self {
        self.allowed = Gets::Either;
        self
    }

    /// Another name stands there for whoever reads it as the server will: what makes a
    /// byte urgent is taken away, and what came first stays.
    fn misread(mut self) -> Self {
        (self.blocked, self.allowed) = (Gets::Other, Gets::Other);
        self
    }
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
        plain("SYN with a decoy ahead, low ttl").after(|w| {
            let mut fake = w.all_fake();
            fake.flags = SYN;
            fake.seq = w.seq.wrapping_sub(5000);
            low_ttl(&mut fake);
            vec![fake.packet(w.ends)]
        }),
        plain("data before any SYN").after(|w| {
            let mut fake = w.all_fake();
            fake.seq = w.seq.wrapping_add(1);
            low_ttl(&mut fake);
            vec![fake.packet(w.ends)]
        }),
    ]
}

/// TLS records cut: zapret tlsrec, geneva's application layer.
fn records() -> Vec<Mode> {
    let plain =
        |name, cuts| Mode::segments(name, |w| vec![w.all()]).speaking(Speaks::Records(cuts));
    vec![
        plain("tlsrec, two records", &[60, 16_384]),
        plain("tlsrec, records of seven bytes", &[7]),
        plain("tlsrec, records of one byte", &[1]),
        plain("tlsrec, the head of the message apart", &[4, 16_384]),
        Mode::segments("tlsrec and multisplit", |w| w.cut(&[3, 64, 70, w.middle]))
            .speaking(Speaks::Records(&[60, 16_384])),
        Mode::segments("tlsrec and multidisorder", |w| reversed(w.cut(&[3, 64, 70])))
            .speaking(Speaks::Records(&[60, 16_384])),
    ]
}

/// HTTP heads written oddly: `GoodbyeDPI` and zapret of old.
fn heads() -> Vec<Mode> {
    vec![
        Mode::http("http", |h| get(&format!("GET / HTTP/1.1\r\nHost: {h}\r\n\r\n"))),
        Mode::http("hostcase", |h| get(&format!("GET / HTTP/1.1\r\nhoSt: {h}\r\n\r\n"))),
        Mode::http("hostspell", |h| get(&format!("GET / HTTP/1.1\r\nhOSt: {h}\r\n\r\n"))),
        Mode::http("hostnospace", |h| get(&format!("GET / HTTP/1.1\r\nHost:{h}\r\n\r\n"))),
        Mode::http("hosttab", |h| get(&format!("GET / HTTP/1.1\r\nHost: {h}\t\r\n\r\n"))),
        Mode::http("hostdot", |h| get(&format!("GET / HTTP/1.1\r\nHost: {h}.\r\n\r\n"))),
        Mode::http("hostport", |h| get(&format!("GET / HTTP/1.1\r\nHost: {h}:80\r\n\r\n"))),
        Mode::http("domcase", |h| {
            let odd =
                h.char_indices().map(|(n, c)| if n % 2 == 0 { c.to_ascii_uppercase() } else { c });
            get(&format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", odd.collect::<String>()))
        }),
        Mode::http("methodeol", |h| get(&format!("\r\nGET / HTTP/1.1\r\nHost: {h}\r\n\r\n"))),
        Mode::http("methodspace", |h| get(&format!("GET  / HTTP/1.1\r\nHost: {h}\r\n\r\n"))),
        Mode::http("unixeol", |h| get(&format!("GET / HTTP/1.1\nUser-Agent: x\nHost: {h}\n\n"))),
        Mode::http("a space before the colon", |h| {
            get(&format!("GET / HTTP/1.1\r\nHost : {h}\r\n\r\n"))
        }),
        Mode::http("the whole address in the request line", |h| {
            get(&format!("GET http://{h}/ HTTP/1.1\r\nHost: shop.lab.example\r\n\r\n"))
        }),
        Mode::http("two hosts, the decoy first", |h| {
            get(&format!("GET / HTTP/1.1\r\nHost: shop.lab.example\r\nHost: {h}\r\n\r\n"))
        }),
        Mode::segments("hostpad, four thousand bytes ahead", |w| {
            w.cut(&(1..=w.end() / 1000).map(|n| n * 1000).collect::<Vec<_>>())
        })
        .speaking(Speaks::Http(|h| {
            let pad = "X-Pad: 0123456789012345678901234567890123456789\r\n".repeat(80);
            get(&format!("GET / HTTP/1.1\r\n{pad}Host: {h}\r\n\r\n"))
        })),
        Mode::segments("http, multisplit in the name", |w| w.cut(&[w.middle]))
            .speaking(Speaks::Http(|h| get(&format!("GET / HTTP/1.1\r\nHost: {h}\r\n\r\n")))),
        Mode::segments("http, multisplit in the method", |w| w.cut(&[2]))
            .speaking(Speaks::Http(|h| get(&format!("GET / HTTP/1.1\r\nHost: {h}\r\n\r\n")))),
        Mode::segments("http, a byte a segment, reversed", |w| {
            reversed(w.cut(&(1..w.end()).collect::<Vec<_>>()))
        })
        .speaking(Speaks::Http(|h| get(&format!("GET / HTTP/1.1\r\nHost: {h}\r\n\r\n")))),
        Mode::fake("http, fake, badsum", |s| s.ip.spoilt = 1)
            .speaking(Speaks::Http(|h| get(&format!("GET / HTTP/1.1\r\nHost: {h}\r\n\r\n")))),
    ]
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

fn reversed(mut segments: Vec<Segment>) -> Vec<Segment> {
    segments.reverse();
    segments
}

/// An option that a server without a key drops (RFC 2385).
fn md5(segment: &mut Segment) {
    segment.options.extend([19, 18]);
    segment.options.extend([0xa5; 16]);
}

/// Enough for the router, and too little for the server.
fn low_ttl(segment: &mut Segment) {
    segment.ip.ttl = 2;
}

fn get(head: &str) -> Vec<u8> {
    head.as_bytes().to_vec()
}

/// An extension header that says nothing (RFC 8200 §4.2: `PadN`).
const PADDING: [u8; 8] = [0, 0, 1, 4, 0, 0, 0, 0];

/// One with an option that nobody knows, and that is to be dropped for it (§4.2: 01).
const DISCARD: [u8; 8] = [0, 0, 0x5e, 4, 0, 0, 0, 0];

/// To the end of the packet.
const MOST: usize = usize::MAX;
