//! The frames of Initial packets (RFC 9000 §12.4, §19).

use super::varint;
use crate::core::wire::Malformed;
use crate::core::wire::reader::{Reader, Short};

/// A frame that may stand in an Initial packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Frame<'a> {
    /// PADDING, PING or ACK: it carries nothing.
    Empty,
    /// CRYPTO: a piece of the handshake.
    Crypto {
        /// Where it belongs. Its end is less than 2^62.
        offset: u64,
        /// What it says.
        bytes: &'a [u8],
    },
    /// `CONNECTION_CLOSE`: nothing more will come.
    Close,
}

/// The frames of an opened packet, in order. Ends after the first
/// [`Malformed`], which a frame of another type is as well.
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    rest: Reader<'a>,
}

impl<'a> Frames<'a> {
    /// Of the payload of an Initial packet.
    #[must_use]
    pub const fn new(payload: &'a [u8]) -> Self {
        Self { rest: Reader::new(payload) }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let frame = frame(&mut self.rest);
        if frame.is_err() {
            self.rest = Reader::new(&[]);
        }
        Some(frame)
    }
}

fn frame<'a>(r: &mut Reader<'a>) -> Result<Frame<'a>, Malformed> {
    match varint(r)? {
        PADDING => {
            let zeros = r.rest().iter().take_while(|&&byte| byte == 0).count();
            r.take(zeros)?;
            Ok(Frame::Empty)
        }
        PING => Ok(Frame::Empty),
        ACK => ack(r).map(|()| Frame::Empty).map_err(Into::into),
        ACK_ECN => {
            ack(r)?;
            (0..3).try_for_each(|_| varint(r).map(drop))?; // the counts
            Ok(Frame::Empty)
        }
        CRYPTO => {
            let offset = varint(r)?;
            let bytes = long(r)?;
            if offset + bytes.len() as u64 >= 1 << 62 {
                return Err(Malformed("CRYPTO past the end of numbers"));
            }
            Ok(Frame::Crypto { offset, bytes })
        }
        CONNECTION_CLOSE => {
            varint(r)?; // why
            varint(r)?; // for which frame
            long(r)?; // why, in words
            Ok(Frame::Close)
        }
        _ => Err(Malformed("a frame that does not belong in an Initial packet")),
    }
}

fn ack(r: &mut Reader<'_>) -> Result<(), Short> {
    varint(r)?; // the highest
    varint(r)?; // how late
    let ranges = varint(r)?;
    varint(r)?; // the first range
    (0..ranges).try_for_each(|_| {
        varint(r)?; // gap
        varint(r)?; // range
        Ok(())
    })
}

fn long<'a>(r: &mut Reader<'a>) -> Result<&'a [u8], Short> {
    let len = varint(r)?;
    r.take(usize::try_from(len).map_err(|_| Short)?)
}

// RFC 9000 §19
const PADDING: u64 = 0x00;
const PING: u64 = 0x01;
const ACK: u64 = 0x02;
const ACK_ECN: u64 = 0x03;
const CRYPTO: u64 = 0x06;
const CONNECTION_CLOSE: u64 = 0x1c;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frames_of_an_initial_packet_are_read() {
        let mut payload = vec![0, 0, 0, 1];
        payload.extend([2, 7, 0, 2, 1, 1, 1, 1, 1]); // ACK of three ranges
        payload.extend([3, 7, 0, 0, 1, 9, 9, 9]); // the same with counts
        payload.extend([6, 0x40, 5, 2, b'h', b'i']);
        payload.extend([0x40, 6, 0, 1, b'!']); // the type in two bytes
        payload.extend([0x1c, 0, 6, 3, b'b', b'y', b'e', 0]);
        let frames: Vec<_> = Frames::new(&payload).collect();
        let crypto = |offset, bytes| Ok(Frame::Crypto { offset, bytes });
        let empty = Ok(Frame::Empty);
        let want = [empty, empty, empty, empty, crypto(5, b"hi"), crypto(0, b"!")];
        assert_eq!(frames[..6], want);
        assert_eq!(frames[6..], [Ok(Frame::Close), empty]);
    }

    #[test]
    fn frames_that_are_cut_or_do_not_belong_end_it() {
        for bad in [
            &[6, 0, 5, 1][..],
            &[6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1],
            &[6, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            &[2, 7, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            &[3, 7, 0, 0, 1],
            &[0x1c, 0, 0, 9],
            &[8, 1, 2, 3],
            &[0x1d, 0, 0],
            &[0x40],
        ] {
            let payload = [&[1], bad, &[1, 1]].concat();
            let frames: Vec<_> = Frames::new(&payload).collect();
            let cut: Vec<_> = Frames::new(&payload[..=bad.len()]).collect();
            assert!(frames.iter().rev().skip(1).all(Result::is_ok), "{bad:?}");
            assert!(matches!(cut[..], [Ok(Frame::Empty), Err(_)]), "{bad:?} {cut:?}");
        }
    }
}
