//! Reading DNS messages: a cursor that owns its bounds (RFC 1035 §4.1).

/// A place in a message. Every read moves it forward or fails; nothing is read
/// twice, except where a compression pointer says so, and those are counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte of a message.
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self { message, at: 0 }
    }

    /// Bytes read so far.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Whether every byte was read.
    pub(super) fn is_empty(&self) -> bool {
        self.at >= self.message.len()
    }

    /// The next `len` bytes.
    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(len)?;
        let bytes = self.message.get(self.at..end)?;
        self.at = end;
        Some(bytes)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// The bytes that follow a length of two bytes.
    pub(super) fn vec16(&mut self) -> Option<&'a [u8]> {
        let len = self.u16()?;
        self.take(len.into())
    }

    /// A name with no pointer in it, its root byte included. What is asked for
    /// cannot be compressed: only the header comes before it.
    pub(super) fn plain_name(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        loop {
            let len = self.u8()?;
            if len > MAX_LABEL {
                return None; // a pointer, or a reserved type (RFC 6891 §5)
            }
            if len == 0 {
                let name = self.message.get(start..self.at)?;
                return (name.len() <= MAX_NAME).then_some(name);
            }
            self.take(len.into())?;
        }
    }

    /// Steps over a name, and follows its pointers to see that they end, point
    /// backwards only, and make no name that is too long.
    pub(super) fn skip_name(&mut self) -> Option<()> {
        let mut walk = *self;
        let mut chunk = self.at;
        let mut after = None;
        let (mut len, mut hops) = (0, 0);
        loop {
            let head = walk.u8()?;
            match head {
                0 => break,
                1..=MAX_LABEL => {
                    walk.take(head.into())?;
                    len += 1 + usize::from(head);
                    if len >= MAX_NAME {
                        return None;
                    }
                }
                POINTER.. => {
                    let target = usize::from(head & !POINTER) << 8 | usize::from(walk.u8()?);
                    after.get_or_insert(walk.at);
                    hops += 1;
                    if target >= chunk || hops > MAX_HOPS {
                        return None;
                    }
                    chunk = target;
                    walk.at = target;
                }
                _ => return None,
            }
        }
        self.at = after.unwrap_or(walk.at);
        Some(())
    }
}

/// The labels of an uncompressed name, most specific first.
pub(super) fn labels(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let (&len, tail) = rest.split_first()?;
        let (label, tail) = tail.split_at_checked(len.into())?;
        rest = tail;
        (len > 0).then_some(label)
    })
}

const MAX_LABEL: u8 = 63; // RFC 1035 §2.3.4
const MAX_NAME: usize = 255; // bytes on the wire, root included; RFC 1035 §2.3.4
const POINTER: u8 = 0xc0; // RFC 1035 §4.1.4

/// Most pointers in one name. Servers use one or two; a ladder of thousands
/// costs us the time of thousands of names (CVE-2024-8508).
const MAX_HOPS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ladder_of_pointers_ends() {
        let rungs =
            (0..100_u16).map(|rung| 0xc000 | (rung.saturating_sub(1) * 2 + u16::from(rung > 0)));
        let message: Vec<u8> = [0].into_iter().chain(rungs.flat_map(u16::to_be_bytes)).collect();
        let skip = |rung: usize| {
            let mut r = Reader::new(&message);
            r.take(1 + rung * 2)?;
            r.skip_name()
        };
        assert_eq!(skip(MAX_HOPS - 1), Some(()));
        assert_eq!(skip(MAX_HOPS), None);
    }

    #[test]
    fn a_pointer_points_backwards() {
        for (message, at, sound) in [
            (&b"\x00\xc0\x00"[..], 1, true),
            (b"\x00\xc0\x01", 1, false),     // to itself
            (b"\x00\xc0\x03\x00", 1, false), // ahead
            (b"\x00\xc0", 1, false),         // cut
            (b"\x01a\xc0\x00", 0, false),    // into the name that it ends
            (b"\x40a\x00", 0, false),        // reserved
        ] {
            let mut r = Reader::new(message);
            r.take(at);
            assert_eq!(r.skip_name().is_some(), sound, "{message:?}");
        }
    }

    #[test]
    fn labels_are_told_apart_by_length_and_not_by_dots() {
        let name = b"\x03a.b\x01c\x00";
        assert_eq!(labels(name).collect::<Vec<_>>(), [&b"a.b"[..], b"c"]);
        assert_eq!(labels(b"").count(), 0);
        assert_eq!(labels(b"\x09short").count(), 0);
    }
}
