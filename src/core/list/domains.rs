//! Plain names, one a line.

use super::{Fault, Format, Options, Sink, Syntax, names};
use crate::core::rule::{Rule, Scope};

#[derive(Debug)]
pub(super) struct Domains {
    bare: Scope,
    buffer: String,
}

impl Domains {
    pub(super) fn new(options: &Options) -> Self {
        let wide = options.subdomains || options.format == Format::Wildcard;
        let bare = if wide { Scope::WithSubdomains } else { Scope::Exact };
        Self { bare, buffer: String::new() }
    }
}

impl Syntax for Domains {
    fn line(&mut self, text: &str, sink: &mut dyn Sink) {
        let word = text.split('#').next().unwrap_or_default().trim_ascii();
        if word.is_empty() {
            return;
        }
        match names::read(word, &mut self.buffer) {
            Ok(name) if name.contains('.') => sink.rule(&Rule::block(name, self.bare)),
            Ok(_) => sink.fault(Fault::SingleLabel),
            Err(fault) => sink.fault(fault),
        }
    }
}
