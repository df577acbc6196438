//! The hellos of a TLS client.

use std::mem;

use super::super::{Cause, MAX_HELD, Sniffed, Spoken, Unnamed};
use crate::core::wire::reader::Reader;
use crate::core::wire::tls::{
    ALERT, CHANGE_CIPHER_SPEC, ClientHello, Fragment, HANDSHAKE, Records, message_len,
};

/// Joins the records of a client to its first hello and, after a
/// `HelloRetryRequest`, its second (RFC 8446 §4.1.4).
#[derive(Debug, Default)]
pub(super) struct Hellos {
    records: Records,
    /// What has come of a hello that is not whole.
    message: Vec<u8>,
    /// Bytes of the stream so far.
    read: usize,
    /// Records without content, one after the other.
    empty: u8,
    /// Hellos that were whole.
    whole: u8,
    /// What all of them come to.
    said: Option<Sniffed>,
    over: bool,
}

impl Hellos {
    /// Those of a client whose first hello was whole, and named nobody.
    pub(super) fn after_first() -> Self {
        let said = Unnamed { cause: Cause::NoName, spoken: None, ech: false };
        Self { whole: 1, said: Some(Sniffed::Unnamed(said)), ..Self::default() }
    }

    /// Takes the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Sniffed {
        let before = self.whole;
        let mut rest = bytes;
        while !self.over && !rest.is_empty() {
            // Cut at the limit, so that how the stream is cut changes nothing.
            let limit = if self.said.is_none() { MAX_HELD } else { 2 * MAX_HELD };
            let room = limit.saturating_sub(self.read);
            let (now, later) = rest.split_at_checked(room).unwrap_or((rest, &[]));
            if now.is_empty() {
                self.end(Cause::TooLong);
            }
            self.read += now.len();
            self.feed(now);
            rest = later;
        }
        match &self.said {
            Some(said) if self.over || self.whole > before => said.clone(),
            _ => Sniffed::NeedMore,
        }
    }

    /// What is known if nothing more comes. A name that is whole counts, though
    /// the hello is not: who lets the rest come late has said it nevertheless.
    pub(super) fn finish(&self) -> Sniffed {
        let cut = ClientHello::parse_cut(&self.message).map(|hello| sniffed(&hello));
        match (&self.said, cut) {
            (Some(said), Some(cut)) => said.clone().and(cut),
            (Some(said), None) => said.clone(),
            (None, Some(named @ Sniffed::Named(_))) => named,
            (None, Some(Sniffed::Unnamed(Unnamed { ech, .. }))) => {
                self.unnamed(Cause::Incomplete, ech)
            }
            (None, _) => self.unnamed(Cause::Incomplete, false),
        }
    }

    /// Whether no hello can follow.
    pub(super) const fn is_over(&self) -> bool {
        self.over
    }

    /// Bytes that are kept.
    pub(super) fn held(&self) -> usize {
        self.message.len()
    }

    fn feed(&mut self, bytes: &[u8]) {
        let mut r = Reader::new(bytes);
        while !self.over {
            match self.records.read(&mut r) {
                Ok(Some(fragment)) => self.take(fragment),
                Ok(None) => break,
                Err(_) => self.end(Cause::Malformed),
            }
        }
    }

    fn take(&mut self, fragment: Fragment<'_>) {
        match (fragment.kind, fragment.bytes) {
            (HANDSHAKE, []) => {
                self.empty += 1;
                if self.empty > MAX_EMPTY {
                    self.end(Cause::Malformed);
                }
            }
            (HANDSHAKE, bytes) => {
                self.empty = 0;
                self.join(bytes);
            }
            (ALERT, [FATAL, ..]) if fragment.begins => self.end(Cause::NoName),
            // Servers read on after a warning.
            (ALERT, _) => {}
            // For middleboxes, before the second hello (RFC 8446 §D.4).
            (CHANGE_CIPHER_SPEC, _) if self.said.is_some() => {}
            _ => self.end(Cause::Malformed),
        }
    }

    /// Takes what records carry of handshake messages.
    fn join(&mut self, mut bytes: &[u8]) {
        while !self.over && !bytes.is_empty() {
            if self.message.is_empty()
                && let Some((whole, rest)) = whole(bytes)
            {
                self.hello(whole);
                bytes = rest;
                continue;
            }
            let wanted = missing(&self.message).unwrap_or(0);
            let (now, later) = bytes.split_at_checked(wanted).unwrap_or((bytes, &[]));
            self.message.extend_from_slice(now);
            bytes = later;
            match missing(&self.message) {
                Ok(0) => {
                    let message = mem::take(&mut self.message);
                    self.hello(&message);
                }
                Ok(_) => {}
                Err(cause) => self.end(cause),
            }
        }
    }

    fn hello(&mut self, message: &[u8]) {
        let Ok(hello) = ClientHello::parse(message) else { return self.end(Cause::Malformed) };
        let found = sniffed(&hello);
        let said = match self.said.take() {
            Some(said) => said.and(found),
            None => found,
        };
        self.whole += 1;
        // Only a server that speaks 1.3 asks for another, and only once.
        self.over = self.whole > 1 || hello.version < TLS_1_3;
        self.said = Some(said);
    }

    /// Nothing more can be learnt, and if nothing is known yet, for this reason.
    fn end(&mut self, cause: Cause) {
        if self.said.is_none() {
            self.said = Some(self.unnamed(cause, false));
        }
        self.message = Vec::new();
        self.over = true;
    }

    fn unnamed(&self, cause: Cause, ech: bool) -> Sniffed {
        let spoken = self.records.version().map(Spoken::Tls);
        Sniffed::Unnamed(Unnamed { cause, spoken, ech })
    }
}

fn sniffed(hello: &ClientHello<'_>) -> Sniffed {
    Sniffed::from_hosts(hello.names(), Spoken::Tls(hello.version), hello.ech)
}

/// The hello that these bytes begin with, if they hold all of it.
fn whole(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = message_len(bytes).ok().flatten()?;
    bytes.split_at_checked(len)
}

/// How many bytes there must be beside these before more can be said.
fn missing(message: &[u8]) -> Result<usize, Cause> {
    match message_len(message) {
        Ok(None) => Ok(MESSAGE_HEADER.saturating_sub(message.len())),
        Ok(Some(len)) if len > MAX_HELD => Err(Cause::TooLong),
        Ok(Some(len)) => Ok(len.saturating_sub(message.len())),
        Err(_) => Err(Cause::Malformed),
    }
}

const MESSAGE_HEADER: usize = 4; // type, length; RFC 8446 §4
const FATAL: u8 = 2; // AlertLevel, RFC 5246 §7.2
const TLS_1_3: u16 = 0x0304;

/// Most records without content that servers put up with, one after the other.
const MAX_EMPTY: u8 = 32;
