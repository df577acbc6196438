//! The text of a version: packed on disk, and never whole in memory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use super::record::Version;

/// The text of a version, unpacked while it is read. Its end is an error of kind
/// [`ErrorKind::InvalidData`] if it is not the text that was once kept.
#[derive(Debug)]
pub struct Text(BufReader<Checked>);

impl Text {
    pub(super) fn open(path: &Path, version: &Version) -> io::Result<Self> {
        Self::checked(path, version.bytes, version.sha256.clone())
    }

    fn checked(path: &Path, bytes: u64, sha256: String) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path)?;
        let unpacked = GzDecoder::new(BufReader::new(file));
        let checked = Checked { unpacked, hash: Some(Sha256::new()), left: bytes, sha256 };
        Ok(Self(BufReader::with_capacity(BUFFER, checked)))
    }

    /// Reads it to its end, which proves it whole.
    pub(super) fn prove(&mut self) -> io::Result<()> {
        loop {
            let count = self.fill_buf()?.len();
            if count == 0 {
                return Ok(());
            }
            self.consume(count);
        }
    }
}

impl Read for Text {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl BufRead for Text {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.0.consume(amount);
    }
}

/// Hashes what is read.
#[derive(Debug)]
struct Checked {
    unpacked: GzDecoder<BufReader<File>>,
    /// Until the end has been seen.
    hash: Option<Sha256>,
    left: u64,
    sha256: String,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wrong = || io::Error::new(ErrorKind::InvalidData, "it is not the text that was kept");
        let count = self.unpacked.read(buffer).map_err(|error| match error.kind() {
            ErrorKind::InvalidInput | ErrorKind::UnexpectedEof => wrong(),
            _ => error,
        })?;
        let piece = buffer.get(..count).unwrap_or_default();
        self.left = self.left.checked_sub(count as u64).ok_or_else(wrong)?;
        if !piece.is_empty() {
            if let Some(hash) = &mut self.hash {
                hash.update(piece);
            }
        } else if !buffer.is_empty()
            && let Some(hash) = self.hash.take()
            && hex(&hash.finalize()) != self.sha256
        {
            return Err(wrong());
        }
        Ok(count)
    }
}

/// A text that is coming in. Unless it is kept its file goes with it.
#[derive(Debug)]
pub(super) struct Incoming {
    path: PathBuf,
    to: Option<GzEncoder<BufWriter<File>>>,
    hash: Sha256,
    bytes: u64,
}

/// A text that has come, and is on the disk.
#[derive(Debug)]
pub(super) struct Arrived {
    path: PathBuf,
    pub(super) sha256: String,
    pub(super) bytes: u64,
}

impl Incoming {
    /// A new file in this folder, where one of this name may lie from a crash.
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        let path = folder.join(INCOMING);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o640).open(&path)?;
        // Half the work of the usual level, for a fifth more room: routers are slow.
        let to = GzEncoder::new(BufWriter::with_capacity(BUFFER, file), Compression::fast());
        Ok(Self { path, to: Some(to), hash: Sha256::new(), bytes: 0 })
    }

    /// Waits until the disk has it.
    pub(super) fn finish(mut self) -> io::Result<Arrived> {
        if let Some(to) = self.to.take() {
            let file = to.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.sync_all()?;
        }
        let hash = std::mem::take(&mut self.hash);
        let path = std::mem::take(&mut self.path);
        Ok(Arrived { path, sha256: hex(&hash.finalize()), bytes: self.bytes })
    }
}

impl Write for Incoming {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(to) = &mut self.to else { return Ok(0) };
        let count = to.write(bytes)?;
        self.hash.update(bytes.get(..count).unwrap_or_default());
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Arrived {
    /// Reads it again.
    pub(super) fn open(&self) -> io::Result<Text> {
        Text::checked(&self.path, self.bytes, self.sha256.clone())
    }

    /// Gives it its place.
    pub(super) fn keep(mut self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path)?;
        self.path = PathBuf::new();
        Ok(())
    }
}

impl Drop for Arrived {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Reads the next line into `line`, without its end and at most `most` bytes of
/// it. False at the end.
pub(super) fn read_line(
    from: &mut (impl BufRead + ?Sized),
    line: &mut Vec<u8>,
    most: usize,
) -> io::Result<bool> {
    line.clear();
    let mut any = false;
    loop {
        let piece = from.fill_buf()?;
        if piece.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = piece.iter().position(|byte| *byte == b'\n');
        let text = piece.get(..end.unwrap_or(piece.len())).unwrap_or_default();
        let room = most.saturating_sub(line.len()).min(text.len());
        line.extend_from_slice(text.get(..room).unwrap_or_default());
        let used = text.len() + usize::from(end.is_some());
        from.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// In hexadecimal.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A text that is coming in, in the folder of its list.
pub(super) const INCOMING: &str = "incoming.txt.gz.new";
const BUFFER: usize = 64 * 1024; // bytes

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_where_they_should_and_are_no_longer_than_allowed() {
        let text = b"one\n\nthree is long\r\nlast";
        for capacity in 1..30 {
            let mut from = BufReader::with_capacity(capacity, &text[..]);
            let (mut lines, mut line) = (Vec::new(), Vec::new());
            while read_line(&mut from, &mut line, 5).unwrap() {
                lines.push(String::from_utf8(line.clone()).unwrap());
            }
            assert_eq!(lines, ["one", "", "three", "last"], "{capacity}");
        }
    }
}
