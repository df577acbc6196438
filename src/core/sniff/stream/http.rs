//! The head of the first request of an HTTP client. Of what is pipelined behind
//! it nothing is read: the host of the first is what a connection is for.

use super::super::{Cause, Sniffed, Spoken, Unnamed};
use crate::core::wire::http::{Head, RequestLine, Scanner, is_blank};

/// Holds a head until it is whole.
#[derive(Debug, Default)]
pub(super) struct Request {
    scanner: Scanner,
    /// The first line is here, and is one of HTTP.
    begun: bool,
    /// The head so far.
    held: Vec<u8>,
    said: Option<Sniffed>,
}

impl Request {
    /// Takes the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Sniffed {
        if self.said.is_none() {
            self.said = self.read(bytes);
        }
        self.said.clone().unwrap_or(Sniffed::NeedMore)
    }

    /// What is known if nothing more comes.
    pub(super) fn finish(&self) -> Sniffed {
        match &self.said {
            Some(said) => said.clone(),
            None => so_far(&self.held, Cause::Incomplete),
        }
    }

    /// Whether there is an outcome.
    pub(super) const fn is_over(&self) -> bool {
        self.said.is_some()
    }

    /// Bytes that are kept.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    fn read(&mut self, bytes: &[u8]) -> Option<Sniffed> {
        // Cut at the limit, so that how the stream is cut changes nothing.
        let room = MAX_HEAD - self.held.len();
        let (new, beyond) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        if self.held.is_empty() {
            let said = self.look(new, new, beyond);
            if said.is_none() {
                self.held = new.to_vec();
            }
            return said;
        }
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(new);
        let said = self.look(&all, new, beyond);
        if said.is_none() {
            self.held = all;
        }
        said
    }

    /// Looks at the head so far, of which `new` is what was not seen yet and
    /// `beyond` is what there is no room for.
    fn look(&mut self, all: &[u8], new: &[u8], beyond: &[u8]) -> Option<Sniffed> {
        if !self.begun {
            let end = new.iter().position(|byte| *byte == b'\n');
            let of_line = new.get(..end.unwrap_or(new.len())).unwrap_or_default();
            let is_odd = |byte: u8| byte.is_ascii_control() && !is_blank(byte) && byte != b'\r';
            if of_line.iter().any(|byte| is_odd(*byte)) {
                return Some(other_protocol());
            }
            if end.is_some() {
                let line = all.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
                let bare = line.strip_suffix(b"\n").unwrap_or(line);
                let Some(request) = RequestLine::parse(bare) else { return Some(other_protocol()) };
                if request.version == (0, 9) || request.is_http2() {
                    return Some(so_far(line, Cause::NoName)); // nothing behind it is of a head
                }
                self.begun = true;
            }
        }
        if self.scanner.ends_in(new) {
            return Some(so_far(all, Cause::NoName));
        }
        (!beyond.is_empty()).then(|| so_far(all, Cause::TooLong))
    }
}

/// What the whole lines of a head come to; `without` is why there is no name
/// if they have none.
fn so_far(head: &[u8], without: Cause) -> Sniffed {
    let Some(head) = Head::parse(head) else {
        return Sniffed::Unnamed(Unnamed { cause: without, spoken: None, ech: false });
    };
    let (major, minor) = head.request.version;
    let spoken = if head.request.is_http2() { Spoken::Http2 } else { Spoken::Http(major, minor) };
    let simple = head.request.version == (0, 9);
    let hosts = head.request.host().into_iter().filter(|_| simple);
    let hosts = hosts.chain(head.hosts().filter(|_| !simple));
    match Sniffed::from_hosts(hosts, spoken, false) {
        Sniffed::Unnamed(Unnamed { cause: Cause::NoName, spoken, ech }) => {
            Sniffed::Unnamed(Unnamed { cause: without, spoken, ech })
        }
        said => said,
    }
}

fn other_protocol() -> Sniffed {
    Sniffed::Unnamed(Unnamed { cause: Cause::OtherProtocol, spoken: None, ech: false })
}

/// Most bytes of a head that are looked into. A host comes near its start.
const MAX_HEAD: usize = 16 * 1024;
