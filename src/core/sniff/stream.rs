//! The first bytes of a TCP connection.

use super::{Cause, Sniffed, Unnamed};

/// Sniffs one direction of one connection. See the module's contract.
#[derive(Debug, Default)]
pub struct Stream {}

impl Stream {
    /// Takes the next bytes.
    pub fn push(&mut self, _bytes: &[u8]) -> Sniffed {
        self.finish()
    }

    /// What is known if nothing more comes.
    pub fn finish(&mut self) -> Sniffed {
        Sniffed::Unnamed(Unnamed { cause: Cause::OtherProtocol, spoken: None, ech: false })
    }

    /// Whether what may still come can name no other host.
    #[must_use]
    pub fn is_over(&self) -> bool {
        true
    }

    /// Bytes that are kept until there is an outcome.
    #[must_use]
    pub fn held(&self) -> usize {
        0
    }
}
