//! Not written yet.

use super::{Fault, Sink, Syntax};

#[derive(Debug, Default)]
pub(super) struct Ips;

impl Syntax for Ips {
    fn line(&mut self, _text: &str, sink: &mut dyn Sink) {
        sink.fault(Fault::Malformed);
    }
}
