//! Where the compiler of rules puts what it does not hold in memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use crate::core::rules::Spill;

/// A file without a name: it is gone with this value, however we end.
#[derive(Debug)]
pub(super) struct SpillFile {
    file: File,
    end: u64,
    parts: Vec<Part>,
}

/// What belongs together: pieces in the file, and what is not written yet.
#[derive(Debug, Default)]
struct Part {
    pieces: Vec<(u64, usize)>,
    waiting: Vec<u8>,
}

impl SpillFile {
    /// Makes one in this directory.
    ///
    /// # Errors
    ///
    /// What the system said.
    pub(super) fn new(dir: &Path) -> io::Result<Self> {
        let unnamed = nix::fcntl::OFlag::O_TMPFILE.bits();
        let opened =
            File::options().read(true).write(true).custom_flags(unnamed).mode(0o600).open(dir);
        let file = if let Ok(file) = opened {
            file
        } else {
            // Some file systems (overlays of routers) cannot make one without a name.
            let path = dir.join(format!("rules.spill-{}", std::process::id()));
            let mut named = File::options();
            let named = named.read(true).write(true).create(true).truncate(true).mode(0o600);
            let file = named.open(&path)?;
            std::fs::remove_file(&path)?;
            file
        };
        Ok(Self { file, end: 0, parts: Vec::new() })
    }

    fn write_out(&mut self, part: usize) -> io::Result<()> {
        let Some(part) = self.parts.get_mut(part) else { return Ok(()) };
        self.file.write_all_at(&part.waiting, self.end)?;
        part.pieces.push((self.end, part.waiting.len()));
        self.end += part.waiting.len() as u64;
        part.waiting.clear();
        Ok(())
    }
}

impl Spill for SpillFile {
    fn append(&mut self, part: usize, bytes: &[u8]) -> io::Result<()> {
        if self.parts.len() <= part {
            self.parts.resize_with(part + 1, Part::default);
        }
        let waiting = &mut self.parts[part].waiting;
        waiting.extend_from_slice(bytes);
        if waiting.len() >= PIECE { self.write_out(part) } else { Ok(()) }
    }

    fn take(&mut self, part: usize, into: &mut Vec<u8>) -> io::Result<()> {
        let Some(part) = self.parts.get_mut(part) else { return Ok(()) };
        for (at, len) in part.pieces.drain(..) {
            let start = into.len();
            into.resize(start + len, 0);
            self.file.read_exact_at(into.get_mut(start..).unwrap_or_default(), at)?;
        }
        into.append(&mut part.waiting);
        part.waiting = Vec::new();
        Ok(())
    }
}

const PIECE: usize = 8 * 1024; // bytes a write: with 256 parts, two megabytes of memory

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_comes_out_once_part_by_part() {
        let mut spill = SpillFile::new(&std::env::temp_dir()).unwrap();
        for n in 0..60_000_u32 {
            spill.append(n as usize % 7, &n.to_le_bytes()).unwrap();
        }
        for part in 0..7_u32 {
            let mut bytes = Vec::new();
            spill.take(part as usize, &mut bytes).unwrap();
            let numbers: Vec<_> =
                bytes.chunks(4).map(|four| u32::from_le_bytes(four.try_into().unwrap())).collect();
            assert_eq!(numbers, (part..60_000).step_by(7).collect::<Vec<_>>());
        }
        let mut bytes = vec![1];
        spill.take(99, &mut bytes).unwrap();
        spill.take(0, &mut bytes).unwrap();
        assert_eq!(bytes, [1], "what was there stays, and nothing comes twice");
    }
}
