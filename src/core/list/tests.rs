//! What the tests of all formats share: a list goes in, its rules come out as text.

use std::fmt::Write as _;
use std::sync::Arc;

use super::{Counts, Fault, Format, Guard, Options, Reader};
use crate::core::rule::{Answer, Rule, Scope, Subject};

/// What each line of `text` gives, in this form:
///
/// ```text
/// fault <name of the fault>
/// <action> <subject>[ important][ cancels][ answer=<answer>][ limits=<json>]
/// ```
///
/// A subject is `=name` for a name alone, `*.name` with what is below it, `<.name` for
/// only what is below, `/regex/`, an address or prefix, or `everything`.
pub(super) fn read(format: Format, text: &str) -> Vec<(u32, String)> {
    read_with(&Options::of(format), &Guard::default(), text.as_bytes()).0
}

/// As [`read`], with options and a guard, and with the counts.
pub(super) fn read_with(
    options: &Options,
    guard: &Guard,
    text: &[u8],
) -> (Vec<(u32, String)>, Counts) {
    let mut reader = Reader::new(options.clone(), Arc::new(guard.clone()));
    let mut all = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        reader.line(line, |number, found| all.push((number, describe(found))));
    }
    reader.end(|number, found| all.push((number, describe(found))));
    (all, reader.counts().clone())
}

/// [`read`] without the numbers of the lines.
pub(super) fn rules(format: Format, text: &str) -> Vec<String> {
    read(format, text).into_iter().map(|(_, rule)| rule).collect()
}

/// One line of a list and what it gives, as a test of its own:
/// `case!(name_of_the_test, Hosts, "0.0.0.0 a.example", ["block =a.example"]);`
macro_rules! case {
    ($name:ident, $format:ident, $text:expr, [$($want:expr),* $(,)?]) => {
        #[test]
        fn $name() {
            let want: &[&str] = &[$($want),*];
            let got = $crate::core::list::tests::rules($crate::core::list::Format::$format, $text);
            assert_eq!(got, want, "{:?}", $text);
        }
    };
}
pub(super) use case;

fn describe(found: Result<&Rule<'_>, Fault>) -> String {
    let rule = match found {
        Ok(rule) => rule,
        Err(fault) => return format!("fault {}", word(fault)),
    };
    let subject = match rule.subject {
        Subject::Host(name, Scope::Exact) => format!("={name}"),
        Subject::Host(name, Scope::WithSubdomains) => format!("*.{name}"),
        Subject::Host(name, Scope::Below) => format!("<.{name}"),
        Subject::Pattern(regex) => format!("/{regex}/"),
        Subject::Prefix(prefix) => prefix.to_string(),
        Subject::Everything => "everything".to_owned(),
    };
    let mut text = format!("{} {subject}", word(rule.action));
    for (is, flag) in [(rule.important, " important"), (rule.cancels, " cancels")] {
        text.push_str(if is { flag } else { "" });
    }
    if rule.answer != Answer::Usual {
        let _ = write!(text, " answer={}", word(rule.answer));
    }
    if let Some(limits) = &rule.limits {
        let _ = write!(text, " limits={}", serde_json::to_string(limits).unwrap());
    }
    text
}

/// `BadName` as `bad-name`, which is what serde makes of it.
fn word(value: impl std::fmt::Debug) -> String {
    let mut word = String::new();
    for c in format!("{value:?}").chars() {
        if c.is_ascii_uppercase() && !word.is_empty() {
            word.push('-');
        }
        word.push(c.to_ascii_lowercase());
    }
    word
}

/// A folder of data that is not ours to ship. Where it lies is in `OPTOUT_SHARED`; without
/// that a test has nothing to do, and says so, or fails if `OPTOUT_REQUIRE_SHARED` is set.
pub(super) fn shared(folder: &str) -> Option<std::path::PathBuf> {
    let Some(root) = std::env::var_os("OPTOUT_SHARED") else {
        let required = std::env::var_os("OPTOUT_REQUIRE_SHARED").is_some();
        assert!(!required, "OPTOUT_SHARED is not set");
        eprintln!("SKIPPED: set OPTOUT_SHARED to the folder of shared data ({folder})");
        return None;
    };
    Some(std::path::Path::new(&root).join(folder))
}
