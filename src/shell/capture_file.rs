//! Capture files, read as a stream: a file may be larger than memory, and a pipe
//! has no end to look at.

use std::io::{self, Read};

use crate::core::capture::{Broken, Format, Record, Step};

/// How a capture ended.
#[derive(Debug)]
pub enum End {
    /// As it should.
    Whole,
    /// In the middle of a packet or block.
    Cut,
    /// It cannot be read on.
    Broken(Broken),
    /// It could not be read on.
    Failed(io::Error),
}

/// Says every frame in `file`, in its order, and how the file ended. `each` also
/// gets how many bytes of the file have been read.
pub fn read(file: impl Read, mut each: impl FnMut(&Record<'_>, u64)) -> End {
    let mut window = Window { file, bytes: Vec::new(), start: 0, read: 0 };
    let mut format = Format::default();
    loop {
        let read = window.read;
        let (used, step) = match format.step(window.rest()) {
            Ok(done) => done,
            Err(broken) => return End::Broken(broken),
        };
        let needs = matches!(step, Step::Need(_));
        let done = match step {
            Step::Record(record) => {
                each(&record, read);
                window.skip(used as u64)
            }
            Step::Skip(more) => window.skip(used as u64 + more),
            Step::Need(len) => window.fill(len),
        };
        match done {
            Ok(true) => {}
            // An empty file does not even say that it is a capture.
            Ok(false) if window.read == 0 => return End::Broken(Broken::NotACapture),
            Ok(false) if needs && window.rest().is_empty() => return End::Whole,
            Ok(false) => return End::Cut,
            Err(error) => return End::Failed(error),
        }
    }
}

/// The part of a file that is in memory.
struct Window<R> {
    file: R,
    bytes: Vec<u8>,
    /// What is before this was consumed.
    start: usize,
    read: u64,
}

impl<R: Read> Window<R> {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// Reads on until there are `len` bytes. Returns false if the file has fewer.
    fn fill(&mut self, len: usize) -> io::Result<bool> {
        self.bytes.drain(..self.start);
        self.start = 0;
        while self.bytes.len() < len {
            let wanted = (len - self.bytes.len()).max(AT_ONCE) as u64;
            let read = self.file.by_ref().take(wanted).read_to_end(&mut self.bytes)?;
            self.read += read as u64;
            if read == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Goes on behind so many bytes. Returns false if the file has fewer.
    fn skip(&mut self, len: u64) -> io::Result<bool> {
        let here = self.rest().len() as u64;
        if len <= here {
            self.start += usize::try_from(len).unwrap_or_default();
            return Ok(true);
        }
        self.bytes.clear();
        self.start = 0;
        let gone = io::copy(&mut self.file.by_ref().take(len - here), &mut io::sink())?;
        self.read += gone;
        Ok(gone == len - here)
    }
}

/// Bytes that are read at once.
const AT_ONCE: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// A pcap file with these frames.
    fn pcap(frames: &[&[u8]]) -> Vec<u8> {
        let mut file = b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\x04\0\x65\0\0\0".to_vec();
        for frame in frames {
            let len = u32::try_from(frame.len()).unwrap().to_le_bytes();
            file.extend([[1, 0, 0, 0], [2, 0, 0, 0], len, len].concat());
            file.extend(*frame);
        }
        file
    }

    /// The frames in a file, joined, and how it ended.
    fn frames(file: impl Read) -> (Vec<u8>, End) {
        let mut all = Vec::new();
        let end = read(file, |record, _| all.extend_from_slice(record.bytes));
        (all, end)
    }

    #[test]
    fn a_file_is_read_however_its_bytes_come() {
        struct Drip<'a>(&'a [u8]);
        impl Read for Drip<'_> {
            fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
                let len = to.len().min(1);
                self.0.read(&mut to[..len])
            }
        }
        let file = pcap(&[b"one", b"", b"three"]);
        for (all, end) in [frames(&file[..]), frames(Drip(&file))] {
            assert_eq!(all, b"onethree");
            assert!(matches!(end, End::Whole), "{end:?}");
        }
    }

    #[test]
    fn every_cut_is_told() {
        let file = pcap(&[b"one", b"two"]);
        for cut in 1..file.len() {
            let (all, end) = frames(&file[..cut]);
            match cut {
                24 => assert!(all.is_empty() && matches!(end, End::Whole), "{end:?}"),
                43 => assert!(all == b"one" && matches!(end, End::Whole), "{end:?}"),
                _ => assert!(matches!(end, End::Cut), "cut at {cut}: {end:?}"),
            }
        }
        assert!(matches!(frames(&b""[..]).1, End::Broken(Broken::NotACapture)));
    }

    #[test]
    fn what_the_file_lacks_is_not_waited_for_in_memory() {
        // A block of 4 GB that is not there: only what is there is read.
        let section = b"\x0a\x0d\x0d\x0a\xfc\xff\xff\xff\x4d\x3c\x2b\x1a";
        let (all, end) = frames(&section[..]);
        assert!(all.is_empty() && matches!(end, End::Cut), "{end:?}");
    }

    #[test]
    fn an_error_of_the_file_is_told() {
        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::IsADirectory.into())
            }
        }
        assert!(matches!(frames(Fails).1, End::Failed(_)));
    }
}
