//! The records of a growing stream (RFC 8446 §5.1).

use std::mem;

use crate::core::wire::Malformed;
use crate::core::wire::reader::Reader;

/// Takes a stream apart into its records, as it grows.
///
/// Keeps five bytes at most: what a record carries is handed on where it lies.
#[derive(Debug, Default)]
pub struct Records {
    /// What has come of the header, the last byte lowest.
    header: u64,
    /// How many bytes of it.
    got: usize,
    /// How much of the record is still to come, once its header is here.
    left: Option<usize>,
    /// Something of it has been handed on.
    begun: bool,
}

/// A piece of a record: all of it, or what has come by now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fragment<'a> {
    /// What the record carries: [`HANDSHAKE`], [`ALERT`] …
    pub kind: u8,
    /// The record begins here.
    pub begins: bool,
    /// It ends here.
    pub ends: bool,
    /// What it carries: never nothing, unless that is all of it.
    pub bytes: &'a [u8],
}

impl Records {
    /// Reads on, up to the end of a record or of what has come. `None` if
    /// there is nothing new to tell.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if a record is longer than records may be.
    pub fn read<'a>(&mut self, r: &mut Reader<'a>) -> Result<Option<Fragment<'a>>, Malformed> {
        let left = match self.left {
            Some(left) => left,
            None => match self.header(r)? {
                Some(len) => len,
                None => return Ok(None),
            },
        };
        self.left = Some(left);
        if left > 0 && r.is_empty() {
            return Ok(None);
        }
        let bytes = r.take(left.min(r.rest().len()))?;
        let begins = !mem::replace(&mut self.begun, true);
        let ends = bytes.len() == left;
        if ends {
            self.left = None;
            self.begun = false;
        } else {
            self.left = Some(left - bytes.len());
        }
        Ok(Some(Fragment { kind: self.kind(), begins, ends, bytes }))
    }

    /// The version in the last header, which means nothing (RFC 8446 §5.1);
    /// `None` before the first.
    #[must_use]
    pub fn version(&self) -> Option<u16> {
        let [.., high, low, _, _] = self.header.to_be_bytes();
        (self.got == HEADER).then_some(u16::from_be_bytes([high, low]))
    }

    /// The length in the header, once all of it is here.
    fn header(&mut self, r: &mut Reader<'_>) -> Result<Option<usize>, Malformed> {
        if self.got == HEADER {
            self.got = 0; // of the record before
        }
        while self.got < HEADER {
            let Ok(byte) = r.u8() else { return Ok(None) };
            self.header = self.header << 8 | u64::from(byte);
            self.got += 1;
        }
        let [.., high, low] = self.header.to_be_bytes();
        let len = usize::from(u16::from_be_bytes([high, low]));
        if len > MAX_FRAGMENT {
            return Err(Malformed("record too long"));
        }
        Ok(Some(len))
    }

    const fn kind(&self) -> u8 {
        let [_, _, _, kind, ..] = self.header.to_be_bytes();
        kind
    }
}

/// `ContentType` of a record: the client or the server speaks in clear that
/// keys are in use now, which has no meaning since TLS 1.3.
pub const CHANGE_CIPHER_SPEC: u8 = 20;
/// `ContentType` of a record: something is wrong.
pub const ALERT: u8 = 21;
/// `ContentType` of a record: parts of a handshake.
pub const HANDSHAKE: u8 = 22;

const HEADER: usize = 5; // type, version, length; RFC 8446 §5.1
const MAX_FRAGMENT: usize = 1 << 14; // RFC 8446 §5.1, for what is not encrypted
