//! The first bytes of a TCP connection.

mod http;
mod tls;

use super::{Cause, Sniffed, Spoken, Unnamed};
use crate::core::wire::http::{is_blank, is_token};
use crate::core::wire::tls::{ALERT, CHANGE_CIPHER_SPEC, HANDSHAKE};

use http::Request;
use tls::Hellos;

/// Sniffs one direction of one connection. See the module's contract.
#[derive(Debug, Default)]
pub struct Stream {
    stage: Stage,
}

/// How far we are.
#[derive(Debug)]
enum Stage {
    /// The protocol is not known yet.
    Begin {
        /// The first bytes.
        held: Vec<u8>,
        /// Ends of lines before them. Servers of HTTP skip them.
        skipped: usize,
    },
    Tls(Hellos),
    Http(Request),
    /// It is another.
    Other(Unnamed),
}

impl Stream {
    /// One whose first hello is known already: only another hello is waited for, and
    /// the names of that one alone are said.
    #[must_use]
    pub fn after_hello() -> Self {
        Self { stage: Stage::Tls(Hellos::after_first()) }
    }

    /// Takes the next bytes. What is known already is said again by a push that
    /// makes sure that it was all.
    pub fn push(&mut self, bytes: &[u8]) -> Sniffed {
        match &mut self.stage {
            Stage::Begin { held, skipped } if held.is_empty() => {
                let skipped = *skipped;
                self.begin(bytes, skipped)
            }
            Stage::Begin { held, skipped } => {
                let (mut all, skipped) = (std::mem::take(held), *skipped);
                all.extend_from_slice(bytes);
                self.begin(&all, skipped)
            }
            Stage::Tls(hellos) => hellos.push(bytes),
            Stage::Http(request) => request.push(bytes),
            Stage::Other(unnamed) => Sniffed::Unnamed(*unnamed),
        }
    }

    /// What is known if nothing more comes. More may come nevertheless.
    pub fn finish(&self) -> Sniffed {
        let cause = match &self.stage {
            Stage::Begin { held, skipped: 0 } if held.is_empty() => Cause::Silent,
            Stage::Begin { .. } => Cause::Incomplete,
            Stage::Tls(hellos) => return hellos.finish(),
            Stage::Http(request) => return request.finish(),
            Stage::Other(unnamed) => return Sniffed::Unnamed(*unnamed),
        };
        Sniffed::Unnamed(Unnamed { cause, spoken: None, ech: false })
    }

    /// Whether what may still come can name no other host.
    #[must_use]
    pub fn is_over(&self) -> bool {
        match &self.stage {
            Stage::Begin { .. } => false,
            Stage::Tls(hellos) => hellos.is_over(),
            Stage::Http(request) => request.is_over(),
            Stage::Other(_) => true,
        }
    }

    /// Bytes that are kept until there is an outcome.
    #[must_use]
    pub fn held(&self) -> usize {
        match &self.stage {
            Stage::Begin { held, .. } => held.len(),
            Stage::Tls(hellos) => hellos.held(),
            Stage::Http(request) => request.held(),
            Stage::Other(_) => 0,
        }
    }

    /// Looks at the first bytes, after ends of lines that were skipped.
    fn begin(&mut self, all: &[u8], skipped: usize) -> Sniffed {
        let start = all.iter().take_while(|byte| b"\r\n".contains(byte)).count();
        let (start, skipped) = (all.get(start..).unwrap_or_default(), skipped + start);
        let spoken = match first_of(start, skipped) {
            First::Unclear => {
                self.stage = Stage::Begin { held: start.to_vec(), skipped };
                return Sniffed::NeedMore;
            }
            First::Tls => {
                self.stage = Stage::Tls(Hellos::default());
                return self.push(start);
            }
            First::Http => {
                self.stage = Stage::Http(Request::default());
                return self.push(start);
            }
            First::Ssh => Some(Spoken::Ssh),
            First::Other => None,
        };
        let unnamed = Unnamed { cause: Cause::OtherProtocol, spoken, ech: false };
        self.stage = Stage::Other(unnamed);
        Sniffed::Unnamed(unnamed)
    }
}

impl Default for Stage {
    fn default() -> Self {
        Self::Begin { held: Vec::new(), skipped: 0 }
    }
}

/// What a stream begins with.
enum First {
    Unclear,
    Tls,
    Http,
    Ssh,
    Other,
}

fn first_of(start: &[u8], skipped: usize) -> First {
    match start {
        _ if skipped > MAX_SKIPPED => First::Other,
        [HANDSHAKE | CHANGE_CIPHER_SPEC | ALERT, ..] if skipped > 0 => First::Other,
        [] | [HANDSHAKE | CHANGE_CIPHER_SPEC | ALERT] => First::Unclear,
        // Some servers hardly mind the version of the first record.
        [HANDSHAKE, 0..=0x0f, ..] | [CHANGE_CIPHER_SPEC | ALERT, 3, ..] => First::Tls,
        [b'S', b'S', b'H', b'-', ..] if skipped == 0 => First::Ssh,
        _ => first_of_text(start),
    }
}

fn first_of_text(start: &[u8]) -> First {
    let method = start.iter().take_while(|byte| is_token(**byte)).count();
    match start.get(method) {
        _ if method == 0 || method > MAX_METHOD => First::Other,
        None => First::Unclear,
        Some(byte) if is_blank(*byte) => First::Http,
        Some(_) => First::Other,
    }
}

/// Longest method of HTTP that we know for one.
const MAX_METHOD: usize = 64;

/// Most ends of lines before a request.
const MAX_SKIPPED: usize = 16 * 1024;

#[cfg(test)]
mod tests;
