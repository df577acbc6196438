//! Not written yet.

use super::{Fault, Sink, Syntax};

#[derive(Debug, Default)]
pub(super) struct Unbound;

impl Syntax for Unbound {
    fn line(&mut self, _text: &str, sink: &mut dyn Sink) {
        sink.fault(Fault::Malformed);
    }
}
