//! Messages in a byte stream: two bytes of length before each (RFC 1035 §4.2.2).

/// Reads one message after the other, however the stream is cut.
#[derive(Debug, Default)]
pub(in crate::core::dns) struct Frames {
    /// First byte of a length whose second one has not come.
    half: Option<u8>,
    /// Bytes that the present message still lacks.
    missing: usize,
    /// The present message, so far. Grows as bytes come, not as they are promised.
    message: Vec<u8>,
}

/// What came of some bytes.
#[derive(Debug, Eq, PartialEq)]
pub(in crate::core::dns) enum Step {
    /// All bytes are read, and there is no whole message.
    More,
    /// A whole message. There may be bytes left.
    Whole(Vec<u8>),
    /// A message of no bytes: this is not DNS.
    Empty,
}

impl Frames {
    /// Reads on, up to the end of one message, and says how many bytes that took.
    pub(in crate::core::dns) fn read(&mut self, bytes: &[u8]) -> (usize, Step) {
        let mut rest = bytes;
        while self.missing == 0 {
            let Some((&byte, after)) = rest.split_first() else { return (bytes.len(), Step::More) };
            rest = after;
            match self.half.take() {
                None => self.half = Some(byte),
                Some(high) => match u16::from_be_bytes([high, byte]) {
                    0 => return (bytes.len() - rest.len(), Step::Empty),
                    len => self.missing = len.into(),
                },
            }
        }
        let (now, after) = rest.split_at_checked(self.missing).unwrap_or((rest, &[]));
        self.message.extend_from_slice(now);
        self.missing -= now.len();
        let step = match self.missing {
            0 => Step::Whole(std::mem::take(&mut self.message)),
            _ => Step::More,
        };
        (bytes.len() - after.len(), step)
    }

    /// Whether a message has begun and not ended.
    pub(in crate::core::dns) fn is_midway(&self) -> bool {
        self.half.is_some() || self.missing > 0
    }

    /// Bytes held of the present message.
    pub(in crate::core::dns) fn held(&self) -> usize {
        self.message.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_stream_is_cut_changes_nothing() {
        let stream = [0, 3, 1, 2, 3, 0, 1, 9, 0, 2];
        for cut in 0..stream.len() {
            let mut frames = Frames::default();
            let mut whole = Vec::new();
            for mut part in [&stream[..cut], &stream[cut..]] {
                while !part.is_empty() {
                    let (used, step) = frames.read(part);
                    part = &part[used..];
                    if let Step::Whole(message) = step {
                        whole.push(message);
                    }
                }
            }
            assert_eq!(whole, [vec![1, 2, 3], vec![9]], "cut at {cut}");
            assert!(frames.is_midway());
        }
    }

    #[test]
    fn a_length_of_zero_is_told() {
        let mut frames = Frames::default();
        assert_eq!(frames.read(&[0, 1, 7, 0, 0, 5]), (3, Step::Whole(vec![7])));
        assert!(!frames.is_midway());
        assert_eq!(frames.read(&[0, 0, 5]), (2, Step::Empty));
    }

    #[test]
    fn a_promised_length_costs_nothing_until_it_comes() {
        let mut frames = Frames::default();
        assert_eq!(frames.read(&[255, 255, 1]), (3, Step::More));
        assert_eq!(frames.held(), 1);
        assert!(frames.message.capacity() < 64);
    }
}
