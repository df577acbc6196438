//! Patterns: what matches more names than can be written down.

use super::Fault;

/// Whether this regular expression, in the syntax of the crate `regex`, is within
/// our bounds.
///
/// # Errors
///
/// [`Fault::Backtracking`], [`Fault::BadPattern`] or [`Fault::MatchesAll`].
pub(super) fn check(_regex: &str) -> Result<(), Fault> {
    Err(Fault::BadPattern)
}
