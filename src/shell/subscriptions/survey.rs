//! A first look at a text that came: is it a list, and how much is in it?

use std::io::{self, BufRead, Read};
use std::sync::Arc;

use super::source::Source;
use super::text::read_line;
use crate::core::list::vet::{NotText, Size, not_text};
use crate::core::list::{Guard, MAX_LINE, Options, Reader};

/// Looks at the text of a list.
pub type Survey<'a> = dyn Fn(&Source, &mut dyn BufRead) -> io::Result<Found> + 'a;

/// What a text is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Found {
    /// It may be a list, with so much in it.
    List(Size),
    /// It cannot be one.
    NotAList(NotText),
    /// It is text in no format that is known.
    NoFormat,
}

/// A look by the reader of lists. `options` is asked how a list is read, and is
/// shown its first 64 KiB; `None` is for a text in no format that is known.
pub fn survey(
    options: impl Fn(&Source, &[u8]) -> Option<Options>,
    guard: Arc<Guard>,
) -> impl Fn(&Source, &mut dyn BufRead) -> io::Result<Found> {
    move |source, text| {
        let mut head = Vec::new();
        text.take(HEAD).read_to_end(&mut head)?;
        if let Some(what) = not_text(&head) {
            return Ok(Found::NotAList(what));
        }
        let Some(options) = options(source, &head) else {
            return Ok(Found::NoFormat);
        };
        let mut reader = Reader::new(options, guard.clone());
        let mut whole = head.as_slice().chain(text);
        let mut line = Vec::new();
        // One byte more than is read, so that the reader sees that it is too much.
        while read_line(&mut whole, &mut line, MAX_LINE + 1)? {
            reader.line(&line, |_, _| {});
        }
        reader.end(|_, _| {});
        Ok(Found::List(reader.counts().into()))
    }
}

const HEAD: u64 = 64 * 1024; // bytes
