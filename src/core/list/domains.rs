//! Plain domain lists: one name a line.

use super::{Line, host};

/// Reads a line without its comment and the space around it.
pub(super) fn read(text: &str) -> Line<'_> {
    if host(text).is_some() { Line::Names(text) } else { Line::Odd }
}
