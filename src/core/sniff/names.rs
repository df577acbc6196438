//! The names that one flow said, in place.

use std::fmt;

/// Up to [`MAX_NAMES`] host names in the form of
/// [`HostName`](crate::core::host::HostName): lower case, no trailing dot.
///
/// Allocates nothing.
#[derive(Clone, Copy)]
pub struct Names {
    text: [u8; MAX_NAME * MAX_NAMES],
    ends: [u16; MAX_NAMES],
    count: u8,
}

impl Names {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { text: [0; MAX_NAME * MAX_NAMES], ends: [0; MAX_NAMES], count: 0 }
    }

    /// Each once, in the order in which they were said.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends);
        let spans = starts.zip(self.ends).take(usize::from(self.count));
        spans.filter_map(|(start, end)| {
            let bytes = self.text.get(usize::from(start)..usize::from(end))?;
            std::str::from_utf8(bytes).ok()
        })
    }

    /// The first of them.
    #[must_use]
    pub fn first(&self) -> Option<&str> {
        self.iter().next()
    }
}

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Names {}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Most names of one flow. Who says more than these says nothing.
const MAX_NAMES: usize = 4;

/// Longest name as text (RFC 1035 §2.3.4).
const MAX_NAME: usize = 253;
