//! What each line means: one line, one test.

use super::*;
use crate::core::rule::{Answer, Device, Limits};

/// A test for each line: its name, the line, and what is read from it in the words of
/// [`read`].
macro_rules! lines {
    ($($name:ident: $line:expr => $want:expr;)*) => {$(
        #[test]
        fn $name() {
            assert_eq!($crate::core::list::adblock::tests::read($line), $want, "{}", $line);
        }
    )*};
}

/// A test for each pattern: names that it matches, and names that it does not.
macro_rules! matching {
    ($($name:ident: $line:expr => [$($yes:expr),*] not [$($no:expr),*];)*) => {$(
        #[test]
        fn $name() {
            let matches = $crate::core::list::adblock::tests::matches;
            $(assert!(matches($line, $yes), "{} should match {}", $line, $yes);)*
            $(assert!(!matches($line, $no), "{} should not match {}", $line, $no);)*
        }
    )*};
}

/// A test for each pair of lines: whether the second cancels the first.
macro_rules! cancelling {
    ($($name:ident: $rule:expr, $bad:expr => $want:expr;)*) => {$(
        #[test]
        fn $name() {
            let (rule, bad) = ($rule, $bad);
            let cancels = $crate::core::list::adblock::tests::cancels(bad, rule);
            assert_eq!(cancels, $want, "{bad} and {rule}");
        }
    )*};
}

// After the macros, which they use.
mod bounds;
mod lines;
mod modifiers;
mod patterns;
mod shared;

/// Keeps what is found in words.
#[derive(Default)]
struct Words(Vec<String>);

impl Sink for Words {
    fn rule(&mut self, rule: &Rule<'_>) {
        self.0.push(words(rule));
    }

    fn fault(&mut self, fault: Fault) {
        self.0.push(format!("{fault:?}"));
    }
}

/// Calls this with each rule.
struct Each<F>(F);

impl<F: FnMut(&Rule<'_>)> Sink for Each<F> {
    fn rule(&mut self, rule: &Rule<'_>) {
        (self.0)(rule);
    }

    fn fault(&mut self, _: Fault) {}
}

/// What a line means, in words; empty for a comment.
fn read(line: &str) -> String {
    let mut found = Words::default();
    Adblock::default().line(line, &mut found);
    found.0.join("; ")
}

fn words(rule: &Rule<'_>) -> String {
    let mut text = if rule.action == Action::Allow { "allow " } else { "block " }.to_owned();
    text += &match rule.subject {
        Subject::Host(name, Scope::Exact) => format!("={name}"),
        Subject::Host(name, Scope::WithSubdomains) => format!("+{name}"),
        Subject::Host(name, Scope::Below) => format!(".{name}"),
        Subject::Pattern(regex) => format!("/{regex}/"),
        Subject::Prefix(prefix) => prefix.to_string(),
        Subject::Everything => "everything".into(),
    };
    for (holds, word) in [(rule.important, " important"), (rule.cancels, " cancels")] {
        text += if holds { word } else { "" };
    }
    if rule.answer != Answer::Usual {
        text += &format!(" {:?}", rule.answer);
    }
    if let Some(limits) = &rule.limits {
        assert!(**limits != Limits::default(), "limits that limit nothing");
        text += &limited(limits);
    }
    text
}

fn limited(limits: &Limits) -> String {
    let device = |device: &Device| match device {
        Device::Address(prefix) => prefix.to_string(),
        Device::Name(name) => format!("'{name}'"),
    };
    let mut text = String::new();
    for (word, values) in [
        ("except", limits.not_below.iter().map(ToString::to_string).collect::<Vec<_>>()),
        ("types", limits.types.iter().map(ToString::to_string).collect()),
        ("not-types", limits.not_types.iter().map(ToString::to_string).collect()),
        ("for", limits.clients.iter().map(device).collect()),
        ("not-for", limits.not_clients.iter().map(device).collect()),
        ("tags", limits.tags.clone()),
        ("not-tags", limits.not_tags.clone()),
    ] {
        if !values.is_empty() {
            text += &format!(" {word}={}", values.join("|"));
        }
    }
    text
}

/// Whether the rule in `line` is about `name`.
fn matches(line: &str, name: &str) -> bool {
    let mut found = None;
    let mut each = Each(|rule: &Rule<'_>| {
        found = Some(match rule.subject {
            Subject::Host(host, Scope::Exact) => host == name,
            Subject::Host(host, scope) => match name.strip_suffix(host) {
                Some("") => scope == Scope::WithSubdomains,
                Some(head) => head.ends_with('.'),
                None => false,
            },
            Subject::Pattern(regex) => {
                super::patterns::compile(regex).unwrap().is_match(name.as_bytes())
            }
            Subject::Prefix(prefix) => name.parse().is_ok_and(|address| prefix.contains(address)),
            Subject::Everything => true,
        });
    });
    Adblock::default().line(line, &mut each);
    found.unwrap_or_else(|| panic!("{line} is no rule: {}", read(line)))
}

/// Whether `bad` removes `rule`: equal in all but that it cancels.
fn cancels(bad: &str, rule: &str) -> bool {
    let mut equal = None;
    Adblock::default().line(
        rule,
        &mut Each(|rule: &Rule<'_>| {
            assert!(!rule.cancels);
            let cancelling = Rule { cancels: true, ..rule.clone() };
            Adblock::default()
                .line(bad, &mut Each(|bad: &Rule<'_>| equal = Some(*bad == cancelling)));
        }),
    );
    equal.unwrap_or_else(|| panic!("{} and {} are not two rules", read(bad), read(rule)))
}
