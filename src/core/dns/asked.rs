//! What recorded DNS messages ask for, and what they answer.

use std::net::IpAddr;

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

/// Says each address that `message` answers with, and returns the name that was
/// asked for. `None` if it is no answer, or not DNS.
pub fn answered(message: &[u8], mut each: impl FnMut(IpAddr)) -> Option<HostName> {
    let mut r = Reader::new(message);
    r.u16()?;
    let flags = r.u16()?;
    let (questions, answers) = (r.u16()?, r.u16()?);
    if flags & IS_NO_QUERY != IS_RESPONSE || questions != 1 {
        return None;
    }
    r.take(4)?; // how many records of other sections follow
    let host = HostName::from_labels(labels(r.plain_name()?));
    r.take(4)?; // type and class
    // Each record takes bytes, so a count that lies ends with them.
    for _ in 0..answers {
        let Some(record) = record(&mut r) else { break };
        match record {
            (A, data) => data.first_chunk::<4>().iter().for_each(|v4| each((**v4).into())),
            (AAAA, data) => data.first_chunk::<16>().iter().for_each(|v6| each((**v6).into())),
            _ => {}
        }
    }
    Some(host)
}

/// Type and data of the next record (RFC 1035 §3.2.1).
fn record<'a>(r: &mut Reader<'a>) -> Option<(u16, &'a [u8])> {
    r.skip_name()?;
    let kind = r.u16()?;
    r.take(6)?; // class and time to live
    Some((kind, r.vec16()?))
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

const A: u16 = 1; // RFC 1035 §3.2.2
const AAAA: u16 = 28; // RFC 3596 §2.1
const IS_RESPONSE: u16 = 0x8000; // QR; RFC 1035 §4.1.1
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

    /// An answer to [`QUESTION`]: an alias, an IPv4 and an IPv6 address.
    fn answer() -> Vec<u8> {
        let mut message = QUESTION.to_vec();
        (message[2], message[7]) = (0x81, 3);
        message.extend(b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x04\x01b\xc0\x0e");
        message.extend(b"\xc0\x24\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x05");
        message.extend(b"\xc0\x24\0\x1c\0\x01\0\0\0\x3c\0\x10\x20\x01\x0d\xb8");
        message.extend([&[0; 11][..], &[5]].concat());
        message
    }

    fn heard(message: &[u8]) -> (Option<HostName>, Vec<String>) {
        let mut all = Vec::new();
        let host = answered(message, |address| all.push(address.to_string()));
        (host, all)
    }

    #[test]
    fn the_addresses_of_an_answer_are_read() {
        let (host, all) = heard(&answer());
        assert_eq!(host.unwrap().as_str(), "a.test");
        assert_eq!(all, ["192.0.2.5", "2001:db8::5"]);
        assert_eq!(heard(QUESTION), (None, vec![]));
    }

    #[test]
    fn an_answer_that_is_cut_or_counts_wrong_says_what_is_there() {
        let whole = answer();
        for cut in 0..whole.len() {
            assert!(heard(&whole[..cut]).1.len() < 2, "cut at {cut}");
        }
        let mut more = whole.clone();
        more[6..8].fill(0xff);
        assert_eq!(heard(&more).1.len(), 2);
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
