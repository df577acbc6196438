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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::host::HostName;

    #[test]
    fn a_name_is_what_a_host_name_is_unless_it_is_an_address() {
        let (label, long) = ("a".repeat(63), "a.".repeat(126) + "a");
        let (too_long, name_too_long) = (label.clone() + "a", long.clone() + "a");
        for text in [
            "a",
            "a.b",
            "A.b.",
            "-a_.b",
            &label,
            &long,
            "",
            ".",
            "a..b",
            ".a",
            "a.b..",
            "a b",
            "a\0",
            "\u{e9}.b",
            "a\\046b",
            "a:1",
            "[a]",
            "*.a",
            &too_long,
            &name_too_long,
        ] {
            let mut names = Names::new();
            let added = names.push(text.as_bytes());
            let host = text.parse::<HostName>().map(String::from);
            assert_eq!(added.is_ok(), host.is_ok(), "{text:?}");
            assert_eq!(names.first(), host.ok().as_deref(), "{text:?}");
        }
        assert_eq!(Names::new().push(b"\xff.example"), Err(NotAdded::Malformed));
    }

    #[test]
    fn each_name_is_there_once_and_in_order() {
        let mut names = Names::new();
        for name in ["b.example", "a.example", "B.EXAMPLE."] {
            names.push(name.as_bytes()).unwrap();
        }
        assert_eq!(names.iter().collect::<Vec<_>>(), ["b.example", "a.example"]);
        assert_eq!(format!("{names:?}"), r#"["b.example", "a.example"]"#);
        assert_ne!(names, Names::new());
    }

    #[test]
    fn two_of_the_longest_fit_and_four_of_others() {
        let long = |first: &str| first.to_owned() + &".a".repeat(126);
        let mut names = Names::new();
        assert!(names.is_empty());
        names.push(long("a").as_bytes()).unwrap();
        names.push(long("b").as_bytes()).unwrap();
        assert_eq!(names.push(b"c"), Err(NotAdded::TooMany));
        assert_eq!(names.push(long("a").as_bytes()), Ok(()), "it is there");
        assert_eq!(names.iter().count(), 2);

        let mut names = Names::new();
        for name in [b"a", b"b", b"c", b"d"] {
            names.push(name).unwrap();
        }
        assert_eq!(names.push(b"e"), Err(NotAdded::TooMany));
        assert_eq!(names.iter().collect::<String>(), "abcd");
    }
}
