//! What one end of a flow was heard to say.

use super::ordered::Ordered;
use crate::core::dns::{Messages, asked};
use crate::core::host::HostName;
use crate::core::sniff::{Cause, Datagrams, Named, Sniffed, Spoken, Stream, Unnamed};

/// What was said, as far as it names a host or tells why not.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    /// Each once, in the order in which they were said.
    pub(super) names: Vec<HostName>,
    /// The types of the questions, if it is DNS.
    pub(super) qtypes: Vec<u16>,
    pub(super) spoken: Option<Spoken>,
    /// Versions that were tried before, and that nobody knows.
    pub(super) before: Vec<Spoken>,
    pub(super) ech: bool,
    pub(super) doubtful: bool,
    pub(super) cause: Option<Cause>,
}

/// Listens to one end of a flow.
#[derive(Debug)]
pub(super) struct Ear {
    pub(super) heard: Heard,
    hears: Hears,
    over: bool,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "most ears are of the largest kind")]
enum Hears {
    Stream(Ordered, Stream),
    Datagrams(Datagrams),
    QuestionStream(Ordered, Messages),
    Questions,
}

impl Ear {
    /// For what is sent to a port.
    pub(super) fn new(tcp: bool, dns: bool) -> Self {
        let hears = match (tcp, dns) {
            (true, false) => Hears::Stream(Ordered::default(), Stream::default()),
            (false, false) => Hears::Datagrams(Datagrams::default()),
            (true, true) => Hears::QuestionStream(Ordered::default(), Messages::default()),
            (false, true) => Hears::Questions,
        };
        Self { heard: Heard::default(), hears, over: false }
    }

    /// Takes a segment's bytes. `first` is the number of the first byte of all,
    /// where it is known.
    pub(super) fn hear_segment(&mut self, first: Option<u32>, sequence: u32, bytes: &[u8]) {
        let Self { heard, hears, over } = self;
        match hears {
            Hears::Stream(ordered, stream) => {
                begin(ordered, first);
                ordered.push(sequence, bytes, |bytes| {
                    if !*over {
                        *over = heard.take(&stream.push(bytes)) && stream.is_over();
                    }
                });
            }
            Hears::QuestionStream(ordered, messages) => {
                begin(ordered, first);
                ordered.push(sequence, bytes, |bytes| {
                    messages.push(bytes, |message| heard.ask(message));
                });
            }
            Hears::Datagrams(_) | Hears::Questions => {}
        }
    }

    /// Takes a datagram's payload.
    pub(super) fn hear_datagram(&mut self, payload: &[u8]) {
        let Self { heard, hears, over } = self;
        match hears {
            Hears::Datagrams(datagrams) => {
                *over = heard.take(&datagrams.push(payload));
                if let (Some(Cause::UnknownVersion), Some(spoken)) = (heard.cause, heard.spoken)
                    && heard.before.len() < MAX_VERSIONS
                {
                    // The server may ask for another (RFC 9000 §6).
                    if !heard.before.contains(&spoken) {
                        heard.before.push(spoken);
                    }
                    *datagrams = Datagrams::default();
                    *over = false;
                }
            }
            Hears::Questions => heard.ask(payload),
            Hears::Stream(..) | Hears::QuestionStream(..) => {}
        }
    }

    /// Whether what may still be said changes nothing.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Bytes that are held until more is heard.
    pub(super) fn held(&self) -> usize {
        match &self.hears {
            Hears::Stream(ordered, stream) => ordered.held() + stream.held(),
            Hears::Datagrams(datagrams) => datagrams.held(),
            Hears::QuestionStream(ordered, _) => ordered.held(),
            Hears::Questions => 0,
        }
    }

    /// What was heard, if nothing more comes.
    pub(super) fn finish(self) -> Heard {
        let Self { mut heard, hears, over } = self;
        let left = match hears {
            _ if over => return heard,
            Hears::Stream(ordered, _) if !ordered.has_passed() => Sniffed::NeedMore,
            Hears::Stream(_, stream) => stream.finish(),
            Hears::Datagrams(mut datagrams) if heard.before.is_empty() => datagrams.finish(),
            Hears::Datagrams(mut datagrams) => match datagrams.finish() {
                named @ Sniffed::Named(_) => named,
                _ => return heard,
            },
            Hears::QuestionStream(..) | Hears::Questions => Sniffed::NeedMore,
        };
        if heard.names.is_empty() {
            let _ = heard.take(&left);
        }
        if heard.names.is_empty() {
            heard.cause.get_or_insert(Cause::Incomplete);
        }
        heard
    }
}

fn begin(ordered: &mut Ordered, first: Option<u32>) {
    if let Some(first) = first
        && !ordered.has_begun()
    {
        ordered.begin(first);
    }
}

impl Heard {
    /// Whether there is an outcome.
    fn take(&mut self, sniffed: &Sniffed) -> bool {
        match sniffed {
            Sniffed::NeedMore => return false,
            Sniffed::Named(Named { names, spoken, ech, doubtful }) => {
                names.iter().for_each(|name| self.add(name));
                self.spoken = Some(*spoken);
                self.ech |= ech;
                self.doubtful |= doubtful;
                self.cause = None;
            }
            Sniffed::Unnamed(Unnamed { cause, spoken, ech }) => {
                if self.names.is_empty() {
                    self.cause = Some(*cause);
                    self.spoken = spoken.or(self.spoken);
                }
                self.ech |= ech;
            }
        }
        true
    }

    fn add(&mut self, name: &str) {
        let Ok(name) = HostName::try_from(name.to_owned()) else { return };
        if self.names.len() < MAX_NAMES && !self.names.contains(&name) {
            self.names.push(name);
        }
    }

    fn ask(&mut self, message: &[u8]) {
        match asked(message) {
            Some((name, qtype)) => {
                let known = self.names.iter().zip(&self.qtypes).any(|it| it == (&name, &qtype));
                if self.names.len() < MAX_NAMES && !known {
                    self.names.push(name);
                    self.qtypes.push(qtype);
                }
                self.cause = None;
            }
            None if self.names.is_empty() => self.cause = Some(Cause::Malformed),
            None => {}
        }
    }

    /// Whether it was what a client says: who answers names no host.
    pub(super) fn is_of_client(&self) -> bool {
        let asks = matches!(self.cause, Some(Cause::NoName | Cause::Address));
        !self.names.is_empty() || (asks && self.spoken.is_some())
    }
}

/// Most names of one flow: a resolver's socket asks for many.
const MAX_NAMES: usize = 64;

/// Most versions that are tried in one flow.
const MAX_VERSIONS: usize = 8;
