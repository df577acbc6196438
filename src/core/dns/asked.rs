//! What recorded DNS messages ask for.

use super::reader::{Reader, labels};
use super::stream::frames::{Frames, Step};
use crate::core::host::HostName;

/// The name and the type that `message` asks for. `None` if it is an answer, or
/// not DNS.
///
/// More is forgiven than where a question is answered: nothing follows from it
/// but what people see.
#[must_use]
pub fn asked(message: &[u8]) -> Option<(HostName, u16)> {
    let mut r = Reader::new(message);
    r.u16()?;
    let flags = r.u16()?;
    let questions = r.u16()?;
    if flags & IS_NO_QUERY != 0 || questions == 0 {
        return None;
    }
    r.take(6)?; // how many records follow
    let name = r.plain_name()?;
    Some((HostName::from_labels(labels(name)), r.u16()?))
}

/// The messages in the bytes of a TCP connection (RFC 1035 §4.2.2).
#[derive(Debug, Default)]
pub struct Messages {
    frames: Frames,
    broken: bool,
}

impl Messages {
    /// Takes the next bytes, and says each message that is whole now.
    pub fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(&[u8])) {
        while !bytes.is_empty() && !self.broken {
            let (used, step) = self.frames.read(bytes);
            bytes = bytes.get(used..).unwrap_or_default();
            match step {
                Step::More => {}
                Step::Whole(message) => each(&message),
                Step::Empty => self.broken = true,
            }
        }
    }
}

const IS_NO_QUERY: u16 = 0xf800; // QR, and any opcode but QUERY; RFC 1035 §4.1.1

#[cfg(test)]
mod tests {
    use super::*;

    const QUESTION: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01A\x04test\0\0\x1c\0\x01";

    #[test]
    fn a_question_is_read() {
        let (host, qtype) = asked(QUESTION).unwrap();
        assert_eq!((host.as_str(), qtype), ("a.test", 28));
    }

    #[test]
    fn answers_updates_and_cuts_ask_for_nothing() {
        for (at, byte) in [(2, 0x81), (2, 0x29), (5, 0), (12, 0xc0)] {
            let mut message = QUESTION.to_vec();
            message[at] = byte;
            assert_eq!(asked(&message), None, "byte {at} = {byte:#x}");
        }
        for cut in 0..QUESTION.len() - 2 {
            assert_eq!(asked(&QUESTION[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn messages_are_found_however_the_stream_is_cut() {
        let stream = [&[0, 24], QUESTION, &[0, 24], QUESTION, &[0, 0, 0, 24], QUESTION].concat();
        for cut in 0..stream.len() {
            let mut messages = Messages::default();
            let mut count = 0;
            for part in [&stream[..cut], &stream[cut..]] {
                messages.push(part, |message| count += usize::from(asked(message).is_some()));
            }
            assert_eq!(count, 2, "cut at {cut}");
        }
    }
}
