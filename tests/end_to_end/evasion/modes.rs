//! The ways over TCP, one row each.

mod mixtures;
mod packets;
mod segments;
mod texts;

use crate::lab::packet::{Ends, Segment};
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

    /// The server may be told what was said to end the connection; then it has nothing.
    fn believed_or_reset(mut self) -> Self {
        self.allowed = Gets::Either;
        self
    }

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

/// All ways for a family: 0 is IPv4.
pub(super) fn modes(family: usize) -> Vec<Mode> {
    [segments::modes(), mixtures::modes(), texts::modes(), packets::modes(family)]
        .into_iter()
        .flatten()
        .collect()
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
