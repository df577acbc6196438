//! A file as memory.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use memmap2::{Advice, Mmap, UncheckedAdvice};

/// A file, mapped read-only. The kernel brings in what is touched. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Mapping(Arc<Mmap>);

impl Mapping {
    /// Maps this file. It must never be written to again: whoever has a newer one
    /// puts it in its place by renaming.
    ///
    /// # Errors
    ///
    /// What the system said.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        #[expect(unsafe_code, reason = "a mapping is memory that a file can change")]
        // SAFETY: the file is ours, in a directory that only we write to, and is
        // never changed in place: a new version is a new file that is renamed to
        // this name. What a disk fault does to it cannot be excluded; it ends us
        // with SIGBUS, and the fail policy holds.
        let map = unsafe { Mmap::map(&file)? };
        let _ = map.advise(Advice::Random); // names are looked up in no order
        Ok(Self(Arc::new(map)))
    }

    /// Lets go of the pages in this range that are in memory. They come back from
    /// the file when they are touched.
    pub fn let_go(&self, range: &Range<usize>) {
        let start = range.start.next_multiple_of(PAGE).min(range.end);
        #[expect(unsafe_code, reason = "the crate asks for it, as for memory that is not a file's")]
        // SAFETY: the mapping is read-only and shared with the file, so a page that
        // is dropped has the same bytes when it comes back.
        let _ = unsafe {
            self.0.unchecked_advise_range(
                UncheckedAdvice::DontNeed,
                start,
                range.end.saturating_sub(start),
            )
        };
    }
}

impl AsRef<[u8]> for Mapping {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

const PAGE: usize = 64 * 1024; // bytes: the largest page that Linux machines of today have

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_let_go_comes_back() {
        let path = std::env::temp_dir().join(format!("optout-mapping-{}", std::process::id()));
        let bytes: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
        std::fs::write(&path, &bytes).unwrap();
        let mapping = Mapping::open(&path).unwrap();
        assert_eq!(mapping.as_ref(), bytes);
        mapping.let_go(&(0..1 << 20));
        mapping.let_go(&(100..101));
        mapping.let_go(&(5..5));
        // Replaced by renaming, the old one stays what it was.
        let newer = path.with_extension("newer");
        std::fs::write(&newer, b"x").unwrap();
        std::fs::rename(&newer, &path).unwrap();
        assert_eq!(mapping.as_ref(), bytes);
        std::fs::remove_file(&path).unwrap();
    }
}
