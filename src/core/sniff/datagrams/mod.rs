//! The first datagrams of a UDP flow.

use super::{Cause, Sniffed, Unnamed};

/// Sniffs one direction of one flow of datagrams. See the module's contract.
#[derive(Debug, Default)]
pub struct Datagrams {}

impl Datagrams {
    /// Takes the payload of a datagram.
    pub fn push(&mut self, _payload: &[u8]) -> Sniffed {
        self.finish()
    }

    /// What is known if nothing more comes.
    pub fn finish(&mut self) -> Sniffed {
        Sniffed::Unnamed(Unnamed { cause: Cause::OtherProtocol, spoken: None, ech: false })
    }

    /// Bytes that are kept until there is an outcome.
    #[must_use]
    pub fn held(&self) -> usize {
        0
    }
}
