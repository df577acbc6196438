//! Takes a list line by line.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Fault, Guard, MAX_LINE, Options, Sink, Syntax};
use crate::core::rule::{Action, Answer, Rule};

/// Reads a list, line by line.
#[derive(Debug)]
pub struct Reader {
    syntax: Box<dyn Syntax>,
    options: Options,
    guard: Arc<Guard>,
    counts: Counts,
}

/// What a reader has seen.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Counts {
    /// All lines.
    pub lines: u32,
    /// Rules found, repeated ones included.
    pub rules: u32,
    /// Lines that are comments, empty, or mean nothing on purpose.
    pub comments: u32,
    /// Of each [`Fault`], in the order of [`Fault::ALL`], how often it occurred.
    pub faults: [u32; Fault::ALL.len()],
}

impl Counts {
    /// How often this fault occurred.
    #[must_use]
    pub fn of(&self, fault: Fault) -> u32 {
        self.faults[fault as usize]
    }
}

impl Reader {
    /// A reader for a list of this kind; `guard` knows what no list may name.
    #[must_use]
    pub fn new(options: Options, guard: Arc<Guard>) -> Self {
        let syntax = options.format.syntax(&options);
        Self { syntax, options, guard, counts: Counts::default() }
    }

    /// Takes the next line, with or without its end, and tells `found` its number
    /// (from 1) with each rule in it and each reason why something is none.
    ///
    /// A line ends at `\n`, and at one `\r` before it. Whoever reads a file need not
    /// keep more of a line than [`MAX_LINE`] bytes and one.
    pub fn line(&mut self, bytes: &[u8], mut found: impl FnMut(u32, Result<&Rule<'_>, Fault>)) {
        self.counts.lines = self.counts.lines.saturating_add(1);
        let before = (self.counts.rules, self.counts.faults);
        let mut judge = Judge {
            options: &self.options,
            guard: &self.guard,
            counts: &mut self.counts,
            found: &mut found,
        };
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        if bytes.len() > MAX_LINE {
            judge.fault(Fault::TooLong);
        } else {
            let text = String::from_utf8_lossy(bytes);
            let text = text.trim_start_matches(BOM);
            if has_control(text) {
                judge.fault(Fault::Control);
            } else {
                self.syntax.line(text, &mut judge);
            }
        }
        if before == (self.counts.rules, self.counts.faults) {
            self.counts.comments = self.counts.comments.saturating_add(1);
        }
    }

    /// Takes the end of the list.
    pub fn end(&mut self, mut found: impl FnMut(u32, Result<&Rule<'_>, Fault>)) {
        let mut judge = Judge {
            options: &self.options,
            guard: &self.guard,
            counts: &mut self.counts,
            found: &mut found,
        };
        self.syntax.end(&mut judge);
    }

    /// What has been seen so far.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How the list is read.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }
}

/// Lets through what a list may say, and counts.
struct Judge<'a> {
    options: &'a Options,
    guard: &'a Guard,
    counts: &'a mut Counts,
    found: &'a mut dyn FnMut(u32, Result<&Rule<'_>, Fault>),
}

impl Judge<'_> {
    fn judge(&mut self, rule: &Rule<'_>) {
        if let Some(fault) = self.guard.objection(rule, self.options) {
            return self.fault(fault);
        }
        self.counts.rules = self.counts.rules.saturating_add(1);
        (self.found)(self.counts.lines, Ok(rule));
    }
}

impl Sink for Judge<'_> {
    fn rule(&mut self, rule: &Rule<'_>) {
        if self.options.allow && rule.action == Action::Block {
            // An exception has no answer of its own.
            let (action, answer) = (Action::Allow, Answer::Usual);
            self.judge(&Rule { action, answer, ..rule.clone() });
        } else {
            self.judge(rule);
        }
    }

    fn fault(&mut self, fault: Fault) {
        let count = &mut self.counts.faults[fault as usize];
        *count = count.saturating_add(1);
        (self.found)(self.counts.lines, Err(fault));
    }
}

/// Whether there is a control character in a line that is not plainly a comment. What
/// some programs take for an end of line is one too (a lone `\r`, NEL, U+2028): such a
/// line would be two rules for them, or a rule after a comment.
fn has_control(text: &str) -> bool {
    let odd = |byte: u8| (byte < b' ' && byte != b'\t') || byte == DEL;
    let suspect = if text.is_ascii() {
        text.bytes().any(odd)
    } else {
        text.chars().any(|c| (c.is_control() && c != '\t') || matches!(c, LINE | PARAGRAPH))
    };
    suspect && !text.trim_ascii_start().starts_with(['#', '!', ';'])
}

const BOM: char = '\u{feff}'; // some editors begin a file with it, and files get joined
const DEL: u8 = 0x7f;
const LINE: char = '\u{2028}';
const PARAGRAPH: char = '\u{2029}';

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::super::tests::{case, read, read_with};
    use super::*;

    const A: &str = "block =a.example";

    case!(a_mark_of_byte_order_is_nothing, Domains, "\u{feff}a.example\n", [A]);
    case!(
        it_may_stand_at_any_line,
        Domains,
        "a.example\n\u{feff}b.example\n",
        [A, "block =b.example"]
    );
    case!(it_may_stand_before_a_comment, Domains, "\u{feff}# a.example\n", []);
    case!(the_end_of_line_of_windows, Domains, "a.example\r\n", [A]);
    case!(
        mixed_ends_of_line,
        Domains,
        "a.example\r\nb.example\nc.example",
        [A, "block =b.example", "block =c.example"]
    );
    case!(a_last_line_without_an_end, Domains, "# c\na.example", [A]);
    case!(a_lone_carriage_return, Domains, "a.example\rb.example\n", ["fault control"]);
    case!(two_carriage_returns, Domains, "a.example\r\r\n", ["fault control"]);
    case!(a_next_line_of_ebcdic, Domains, "a.example\u{85}b.example\n", ["fault control"]);
    case!(a_line_separator, Domains, "a.example\u{2028}b.example\n", ["fault control"]);
    case!(a_line_separator_hides_no_rule, Domains, "# c\u{2028}b.example\n", []);
    case!(a_nul, Domains, "a.example\0\n", ["fault control"]);
    case!(a_delete, Domains, "a.example\u{7f}\n", ["fault control"]);
    case!(a_form_feed, Hosts, "0.0.0.0\u{c}a.example\n", ["fault control"]);
    case!(a_zero_width_joiner_in_a_comment, Domains, "# a\u{200d}b\n", []);
    case!(a_zero_width_joiner_in_a_name, Domains, "a\u{200d}b.example\n", ["fault control"]);

    #[test]
    fn a_line_has_at_most_64_kib_and_the_next_is_read() {
        let comment = format!("#{}", "x".repeat(MAX_LINE - 1));
        let text = format!("{comment}\r\n{comment}x\na.example\n");
        let want = [(2, "fault too-long".to_owned()), (3, A.to_owned())];
        assert_eq!(read(Format::Domains, &text), want);
    }

    #[test]
    fn bytes_that_are_not_utf_8_spoil_only_their_line() {
        let options = Options::of(Format::Domains);
        let text = b"# caf\xe9\nb\xfccher.example\na.example\n";
        let (rules, _) = read_with(&options, &Guard::default(), text);
        assert_eq!(rules, [(2, "fault bad-name".to_owned()), (3, A.to_owned())]);
    }

    #[test]
    fn all_is_counted() {
        let text = b"# c\n\na.example\na.example\nb_\nco.uk\nc.example/x\nd.example/x\n";
        let options = Options::of(Format::Domains);
        let (rules, counts) = read_with(&options, &Guard::default(), text);
        assert_eq!(rules.len(), 6);
        assert_eq!((counts.lines, counts.rules, counts.comments), (8, 2, 2));
        assert_eq!(counts.of(Fault::Url), 2);
        assert_eq!(counts.of(Fault::BadName), 1);
        assert_eq!(counts.of(Fault::PublicSuffix), 1);
        assert_eq!(counts.faults.iter().sum::<u32>(), 4);
    }

    #[test]
    fn a_name_a_million_times_is_a_million_rules_here() {
        let mut reader = Reader::new(Options::of(Format::Domains), Arc::default());
        for _ in 0..1_000_000 {
            reader.line(b"a.example", |_, _| {});
        }
        assert_eq!(reader.counts().rules, 1_000_000);
    }
}
