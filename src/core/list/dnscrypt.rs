//! Not written yet.

use super::{Fault, Sink, Syntax};

#[derive(Debug, Default)]
pub(super) struct Dnscrypt;

impl Syntax for Dnscrypt {
    fn line(&mut self, _text: &str, sink: &mut dyn Sink) {
        sink.fault(Fault::Malformed);
    }
}
