//! TLS, as far as the host name.
//!
//! Reads the first handshake message of a client and nothing else. Layouts are
//! from RFC 8446 (§4 handshake, §4.1.2 ClientHello, §5.1 records), RFC 6066 (§3
//! `server_name`) and RFC 9849 (§5 `encrypted_client_hello`).

mod records;

use std::iter;

use crate::core::wire::Malformed;
use crate::core::wire::reader::{Reader, Short};

pub use records::{ALERT, CHANGE_CIPHER_SPEC, Fragment, HANDSHAKE, Records};

/// The parts of a ClientHello that a verdict may rest on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClientHello<'a> {
    /// The client sent `encrypted_client_hello`, or what it was before it was a
    /// standard. Then [`ClientHello::names`] are the outer names.
    pub ech: bool,
    /// The highest version that is offered: 0x0304 is TLS 1.3.
    pub version: u16,
    extensions: &'a [u8],
}

impl<'a> ClientHello<'a> {
    /// Parses a whole handshake message, header included.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if it is no ClientHello, if a length in it points past its
    /// end, or if bytes are left over. Never for its being cut short: the
    /// message is whole.
    pub fn parse(message: &'a [u8]) -> Result<Self, Malformed> {
        if message_len(message)? != Some(message.len()) {
            return Err(Malformed("not the length that its header says"));
        }
        let mut r = Reader::new(message);
        let legacy_version = before_extensions(&mut r)?;
        // TLS 1.2 may omit the whole block.
        let extensions = if r.is_empty() { &[] } else { vec16(&mut r)? };
        if !r.is_empty() {
            return Err(Malformed("more after the extensions"));
        }
        let mut hello = Self { ech: false, version: legacy_version, extensions };
        let mut rest = Reader::new(extensions);
        while !rest.is_empty() {
            let (kind, body) = extension(&mut rest)?;
            if kind == SERVER_NAME {
                check_server_names(body)?;
            }
            hello.note(kind, body);
        }
        Ok(hello)
    }

    /// Reads as much of a message as has come, of one whose end has not. What
    /// is not whole is not there; `None` if that holds for all extensions.
    #[must_use]
    pub fn parse_cut(message: &'a [u8]) -> Option<Self> {
        let mut r = Reader::new(message);
        let legacy_version = before_extensions(&mut r).ok()?;
        let len = usize::from(r.u16().ok()?);
        let extensions = r.rest().get(..len).unwrap_or(r.rest());
        let mut hello = Self { ech: false, version: legacy_version, extensions };
        each_extension(extensions).for_each(|(kind, body)| hello.note(kind, body));
        Some(hello)
    }

    /// Every `host_name` that the client asks for, as it was sent, in order. One
    /// is allowed (RFC 6066 §3); whoever sends more has a server that reads
    /// one of them, and we cannot know which.
    pub fn names(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        each_extension(self.extensions)
            .filter(|(kind, _)| *kind == SERVER_NAME)
            .flat_map(|(_, body)| each_server_name(body))
            .filter_map(|(kind, name)| (kind == HOST_NAME).then_some(name))
    }

    fn note(&mut self, kind: u16, body: &[u8]) {
        match kind {
            ENCRYPTED_CLIENT_HELLO | ENCRYPTED_SERVER_NAME => self.ech = true,
            SUPPORTED_VERSIONS => {
                // Those that begin with 3 are versions; the rest is GREASE and drafts.
                let offered = body.get(1..).unwrap_or_default().chunks_exact(2);
                let highest = offered
                    .filter_map(|two| Some(u16::from_be_bytes(two.try_into().ok()?)))
                    .filter(|version| version >> 8 == 3)
                    .max();
                self.version = highest.unwrap_or(self.version);
            }
            _ => {}
        }
    }
}

/// Whether a segment begins with the record of a hello, as the packet filter knows one in
/// a flow that passed (RFC 8446 §5.1).
#[must_use]
pub fn begins_hello(payload: &[u8]) -> bool {
    matches!(payload, [HANDSHAKE, 3, _, _, _, CLIENT_HELLO, ..])
}

/// Length of the ClientHello that begins like this, its header included;
/// `None` as long as that cannot be known.
///
/// # Errors
///
/// [`Malformed`] as soon as it can be no ClientHello.
pub fn message_len(start: &[u8]) -> Result<Option<usize>, Malformed> {
    match *start {
        [CLIENT_HELLO, a, b, c, ..] => {
            let body = u32::from_be_bytes([0, a, b, c]) as usize;
            Ok(Some(MESSAGE_HEADER + body))
        }
        [] | [CLIENT_HELLO, ..] => Ok(None),
        _ => Err(Malformed("not a ClientHello")),
    }
}

/// Reads up to where the extensions begin. The version is the one from before
/// there were extensions for it.
fn before_extensions(r: &mut Reader<'_>) -> Result<u16, Malformed> {
    r.take(MESSAGE_HEADER)?;
    let version = r.u16()?;
    r.take(RANDOM)?;
    if vec8(r)?.len() > MAX_SESSION_ID {
        return Err(Malformed("session id too long"));
    }
    if vec16(r)?.len() % 2 != 0 {
        return Err(Malformed("half a cipher suite"));
    }
    vec8(r)?; // legacy_compression_methods
    Ok(version)
}

fn check_server_names(body: &[u8]) -> Result<(), Malformed> {
    if body.is_empty() {
        return Ok(()); // as in a ServerHello: it names nobody
    }
    let mut r = Reader::new(body);
    let mut list = Reader::new(vec16(&mut r)?);
    if !r.is_empty() || list.is_empty() {
        return Err(Malformed("server_name list"));
    }
    while !list.is_empty() {
        server_name(&mut list)?;
    }
    Ok(())
}

/// Those that are whole.
fn each_extension(block: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut r = Reader::new(block);
    iter::from_fn(move || extension(&mut r).ok())
}

/// Those that are whole. All types are read alike, as servers do.
fn each_server_name(body: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut r = Reader::new(vec16(&mut Reader::new(body)).unwrap_or_default());
    iter::from_fn(move || server_name(&mut r).ok())
}

fn extension<'a>(r: &mut Reader<'a>) -> Result<(u16, &'a [u8]), Short> {
    Ok((r.u16()?, vec16(r)?))
}

fn server_name<'a>(r: &mut Reader<'a>) -> Result<(u8, &'a [u8]), Short> {
    Ok((r.u8()?, vec16(r)?))
}

fn vec8<'a>(r: &mut Reader<'a>) -> Result<&'a [u8], Short> {
    let len = r.u8()?;
    r.take(len.into())
}

fn vec16<'a>(r: &mut Reader<'a>) -> Result<&'a [u8], Short> {
    let len = r.u16()?;
    r.take(len.into())
}

const MESSAGE_HEADER: usize = 4; // type, length; RFC 8446 §4
const RANDOM: usize = 32; // RFC 8446 §4.1.2
const MAX_SESSION_ID: usize = 32; // RFC 8446 §4.1.2
const CLIENT_HELLO: u8 = 1; // HandshakeType, RFC 8446 §4
const HOST_NAME: u8 = 0; // NameType, RFC 6066 §3

// ExtensionType
const SERVER_NAME: u16 = 0; // RFC 6066 §3
const SUPPORTED_VERSIONS: u16 = 43; // RFC 8446 §4.2.1
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d; // RFC 9849 §5
const ENCRYPTED_SERVER_NAME: u16 = 0xffce; // the drafts before it

#[cfg(test)]
mod tests;
