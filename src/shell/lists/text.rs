//! The text of a list, line by line, from wherever it lies.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use crate::core::list::MAX_LINE;

/// A list as text. At most a line and its first 64 KiB are in memory.
pub struct Text {
    head: Vec<u8>,
    from: Box<dyn BufRead + Send>,
    left: u64,
}

impl Text {
    /// Opens a file; one whose name ends in `.gz` is unpacked on the way.
    ///
    /// # Errors
    ///
    /// If it is not a file (to open a pipe would wait for its writer), is larger
    /// than [`MAX_BYTES`], or cannot be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        let meta = path.metadata()?;
        if !meta.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
        }
        if meta.len() > MAX_BYTES {
            return Err(too_large());
        }
        let file = File::open(path)?;
        if path.extension().is_some_and(|end| end == "gz") {
            Self::new(flate2::read::MultiGzDecoder::new(BufReader::new(file)))
        } else {
            Self::new(file)
        }
    }

    /// Reads from anything.
    ///
    /// # Errors
    ///
    /// If its beginning cannot be read.
    pub fn new(mut from: impl Read + Send + 'static) -> io::Result<Self> {
        let mut head = Vec::new();
        from.by_ref().take(HEAD).read_to_end(&mut head)?;
        let from = Cursor::new(head.clone()).chain(from);
        Ok(Self { head, from: Box::new(BufReader::with_capacity(BUFFER, from)), left: MAX_BYTES })
    }

    /// Its first bytes: enough to find out what it is.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Reads the next line into `line`, its end included, and no more of it than a
    /// reader of lists wants to see. False at the end.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is larger than [`MAX_BYTES`]: a file may grow
    /// while it is read, and a packed one may hold any amount.
    pub fn next_line(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        line.clear();
        let mut read = self.read_piece(line)?;
        let any = read > 0;
        while read > 0 && line.len() > MAX_LINE && line.last() != Some(&b'\n') {
            // What is left of a line that is too long is passed over in pieces.
            let mut rest = Vec::new();
            read = self.read_piece(&mut rest)?;
            if rest.last() == Some(&b'\n') {
                break;
            }
        }
        Ok(any)
    }

    fn read_piece(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        let most = (MAX_LINE as u64 + 1).min(self.left);
        let read = self.from.by_ref().take(most).read_until(b'\n', into)?;
        self.left -= read as u64;
        if self.left == 0 { Err(too_large()) } else { Ok(read) }
    }
}

fn too_large() -> io::Error {
    let text = format!("it is larger than {} MiB", MAX_BYTES >> 20);
    io::Error::new(io::ErrorKind::FileTooLarge, text)
}

/// Largest list that is read, in bytes of text: the largest public ones are near 40 MiB.
pub const MAX_BYTES: u64 = 64 << 20;
const HEAD: u64 = 64 * 1024; // bytes that a format is found out from
const BUFFER: usize = 64 * 1024; // bytes a read

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn lines(text: Vec<u8>) -> io::Result<Vec<Vec<u8>>> {
        let mut text = Text::new(Cursor::new(text))?;
        let (mut all, mut line) = (Vec::new(), Vec::new());
        while text.next_line(&mut line)? {
            all.push(line.clone());
        }
        Ok(all)
    }

    #[test]
    fn lines_come_one_by_one_and_the_last_needs_no_end() {
        assert_eq!(lines(b"a\n\nb".to_vec()).unwrap(), [&b"a\n"[..], b"\n", b"b"]);
        assert!(lines(Vec::new()).unwrap().is_empty());
    }

    #[test]
    fn a_line_that_is_too_long_is_one_line() {
        let mut text = vec![b'x'; 3 * MAX_LINE];
        text.extend(b"\nb\n");
        let lines = lines(text).unwrap();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].len(), MAX_LINE + 1);
        assert_eq!(lines[1], b"b\n");
    }

    #[test]
    fn what_never_ends_is_too_large() {
        let mut text = Text::new(io::repeat(b'x')).unwrap();
        let error = text.next_line(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        let mut text = Text::new(io::repeat(b'\n')).unwrap();
        let mut line = Vec::new();
        let error = loop {
            match text.next_line(&mut line) {
                Ok(more) => assert!(more),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_packed_file_is_unpacked() {
        let path = std::env::temp_dir().join(format!("optout-text-{}.gz", std::process::id()));
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(b"a.example\nb.example\n").unwrap();
        std::fs::write(&path, packed.finish().unwrap()).unwrap();
        let mut text = Text::open(&path).unwrap();
        assert_eq!(text.head(), b"a.example\nb.example\n");
        let mut line = Vec::new();
        assert!(text.next_line(&mut line).unwrap());
        assert_eq!(line, b"a.example\n");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_folder_or_a_pipe_is_no_list() {
        let error = Text::open(Path::new("/")).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let error = Text::open(Path::new("/dev/zero")).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
