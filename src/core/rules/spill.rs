//! Where names wait until all lists have been read.

use std::io;

/// Keeps the names of lists that are being compiled, in parts that are taken back one by
/// one. So only a part has to be in memory: the shell keeps them in a file.
pub trait Spill {
    /// Appends `bytes` to a part; parts are numbered from 0 to 255.
    ///
    /// # Errors
    ///
    /// What keeps it from doing so. The compilation fails with it.
    fn append(&mut self, part: usize, bytes: &[u8]) -> io::Result<()>;

    /// Appends all that is in a part to `into`, in the order in which it came. Nothing is
    /// asked of that part again.
    ///
    /// # Errors
    ///
    /// What keeps it from doing so. The compilation fails with it.
    fn take(&mut self, part: usize, into: &mut Vec<u8>) -> io::Result<()>;
}

/// Keeps them in memory.
#[derive(Debug, Default)]
pub struct Memory(Vec<Vec<u8>>);

impl Spill for Memory {
    fn append(&mut self, part: usize, bytes: &[u8]) -> io::Result<()> {
        if self.0.len() <= part {
            self.0.resize_with(part + 1, Vec::new);
        }
        if let Some(kept) = self.0.get_mut(part) {
            kept.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn take(&mut self, part: usize, into: &mut Vec<u8>) -> io::Result<()> {
        let kept = self.0.get_mut(part).map(std::mem::take).unwrap_or_default();
        if into.is_empty() {
            *into = kept;
        } else {
            into.extend(kept);
        }
        Ok(())
    }
}

/// What is spilled: each name with one rule, and each parent of one.
pub(super) enum Item<'a> {
    /// There are names below the name of this hash.
    Parent,
    /// A rule about the name of these codes.
    Rule {
        /// The name.
        codes: &'a [u8],
        /// Number of the form.
        form: u16,
        /// Its line.
        line: u32,
    },
}

impl<'a> Item<'a> {
    pub(super) fn write(&self, hash: u64, out: &mut Vec<u8>) {
        out.extend(hash.to_le_bytes());
        match self {
            Self::Parent => out.extend([0, 0]),
            Self::Rule { codes, form, line } => {
                // A name has at most 255 bytes, and each at most two of code.
                let len = u16::try_from(codes.len()).unwrap_or(0);
                out.extend(len.to_le_bytes());
                out.extend_from_slice(codes);
                out.extend(form.to_le_bytes());
                out.extend(line.to_le_bytes());
            }
        }
    }

    /// Takes the next one from the front, with its hash.
    pub(super) fn read(bytes: &mut &'a [u8]) -> Option<(u64, Self)> {
        let (hash, rest) = bytes.split_first_chunk()?;
        let (len, rest) = rest.split_first_chunk()?;
        let len = usize::from(u16::from_le_bytes(*len));
        let (item, rest) = if len == 0 {
            (Self::Parent, rest)
        } else {
            let (codes, rest) = rest.split_at_checked(len)?;
            let (form, rest) = rest.split_first_chunk()?;
            let (line, rest) = rest.split_first_chunk()?;
            let (form, line) = (u16::from_le_bytes(*form), u32::from_le_bytes(*line));
            (Self::Rule { codes, form, line }, rest)
        };
        *bytes = rest;
        Some((u64::from_le_bytes(*hash), item))
    }
}
