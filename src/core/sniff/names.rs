//! The names that one flow said, in place.

use std::fmt;
use std::net::Ipv6Addr;

/// Up to four host names in the form of [`HostName`](crate::core::host::HostName):
/// lower case, no trailing dot. Two of the longest fit.
///
/// Allocates nothing.
#[derive(Clone, Copy)]
pub struct Names {
    text: [u8; ROOM],
    ends: [u16; MAX_NAMES],
    count: u8,
}

impl Names {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { text: [0; ROOM], ends: [0; MAX_NAMES], count: 0 }
    }

    /// Adds a host as a client wrote it: any case, with or without a trailing
    /// dot. One that is there already is not added again.
    ///
    /// # Errors
    ///
    /// [`NotAdded`]; then the names are as they were.
    pub fn push(&mut self, host: &[u8]) -> Result<(), NotAdded> {
        let host = host.strip_suffix(b".").unwrap_or(host);
        let text = std::str::from_utf8(host).map_err(|_| NotAdded::Malformed)?;
        if is_address(text) {
            return Err(NotAdded::Address);
        }
        if !is_name(host) {
            return Err(NotAdded::Malformed);
        }
        if self.iter().any(|known| known.eq_ignore_ascii_case(text)) {
            return Ok(());
        }
        let start = self.end();
        let room = self.text.get_mut(start..start + host.len()).ok_or(NotAdded::TooMany)?;
        let end = self.ends.get_mut(usize::from(self.count)).ok_or(NotAdded::TooMany)?;
        room.copy_from_slice(host);
        room.make_ascii_lowercase();
        *end = u16::try_from(start + host.len()).map_err(|_| NotAdded::TooMany)?;
        self.count += 1;
        Ok(())
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Each once, in the order in which they were said.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends);
        let spans = starts.zip(self.ends).take(usize::from(self.count));
        spans.filter_map(|(start, end)| {
            let bytes = self.text.get(usize::from(start)..usize::from(end))?;
            std::str::from_utf8(bytes).ok()
        })
    }

    /// The first of them.
    #[must_use]
    pub fn first(&self) -> Option<&str> {
        self.iter().next()
    }

    /// Where the text of the last of them ends.
    fn end(&self) -> usize {
        let last = usize::from(self.count).checked_sub(1);
        last.and_then(|last| self.ends.get(last)).copied().unwrap_or(0).into()
    }
}

/// Why a host is not among the names. The last is the worst.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum NotAdded {
    /// It is an address, in one of the forms that clients read as one.
    Address,
    /// It is not a host name.
    Malformed,
    /// There are as many as there may be.
    TooMany,
}

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Names {}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Whether a client would connect to this as to an address: also where it is
/// written as one number or in hexadecimal. No top-level domain is a number
/// (RFC 3696 §2).
fn is_address(text: &str) -> bool {
    let last = text.rsplit('.').next().unwrap_or_default();
    let number = match last.strip_prefix("0x").or_else(|| last.strip_prefix("0X")) {
        Some(hex) => hex.bytes().all(|digit| digit.is_ascii_hexdigit()),
        None => !last.is_empty() && last.bytes().all(|digit| digit.is_ascii_digit()),
    };
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    (number && plain) || text.contains(':') && text.parse::<Ipv6Addr>().is_ok()
}

/// What [`HostName`](crate::core::host::HostName) reads from a text.
fn is_name(host: &[u8]) -> bool {
    let belongs = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let label = |label: &[u8]| (1..=MAX_LABEL).contains(&label.len()) && label.iter().all(belongs);
    host.len() <= MAX_NAME && host.split(|byte| *byte == b'.').all(label)
}

/// Room for the text of all names: two of the longest. One is what clients say.
const ROOM: usize = 2 * MAX_NAME;

/// Most names of one flow.
const MAX_NAMES: usize = 4;

/// Longest name as text (RFC 1035 §2.3.4).
const MAX_NAME: usize = 253;

/// Longest label (RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;
