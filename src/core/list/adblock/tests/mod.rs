//! What each line means: one line, one test.

use super::*;
use crate::core::list::Format;
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

/// A reader with the usual options.
fn reader() -> Adblock {
    Adblock::new(&Options::of(Format::Adblock))
}

/// What a line means, in words; empty for a comment.
fn read(line: &str) -> String {
    let mut found = Words::default();
    reader().line(line, &mut found);
    found.0.join("; ")
}

fn words(rule: &Rule<'_>) -> String {
    let subject = match rule.subject {
        Subject::Host(name, Scope::Exact) => format!("={name}"),
        Subject::Host(name, Scope::WithSubdomains) => format!("+{name}"),
        Subject::Host(name, Scope::Below) => format!(".{name}"),
        Subject::Pattern(regex) => format!("/{regex}/"),
        Subject::Prefix(prefix) => prefix.to_string(),
        Subject::Everything => "everything".into(),
    };
    let action = if rule.action == Action::Allow { "allow" } else { "block" };
    let mut words = vec![action.into(), subject];
    words.extend(rule.important.then(|| "important".into()));
    words.extend(rule.cancels.then(|| "cancels".into()));
    words.extend((rule.answer != Answer::Usual).then(|| format!("{:?}", rule.answer)));
    if let Some(limits) = &rule.limits {
        assert!(**limits != Limits::default(), "limits that limit nothing");
        words.extend(limited(limits));
    }
    words.join(" ")
}

fn limited(limits: &Limits) -> impl Iterator<Item = String> {
    let device = |device: &Device| match device {
        Device::Address(prefix) => prefix.to_string(),
        Device::Name(name) => format!("'{name}'"),
    };
    [
        ("except", limits.not_below.iter().map(ToString::to_string).collect::<Vec<_>>()),
        ("types", limits.types.iter().map(ToString::to_string).collect()),
        ("not-types", limits.not_types.iter().map(ToString::to_string).collect()),
        ("for", limits.clients.iter().map(device).collect()),
        ("not-for", limits.not_clients.iter().map(device).collect()),
        ("tags", limits.tags.clone()),
        ("not-tags", limits.not_tags.clone()),
    ]
    .into_iter()
    .filter(|(_, values)| !values.is_empty())
    .map(|(word, values)| format!("{word}={}", values.join("|")))
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
    reader().line(line, &mut each);
    found.unwrap_or_else(|| panic!("{line} is no rule: {}", read(line)))
}

/// Whether `bad` removes `rule`: equal in all but that it cancels.
fn cancels(bad: &str, rule: &str) -> bool {
    let mut equal = None;
    reader().line(
        rule,
        &mut Each(|rule: &Rule<'_>| {
            assert!(!rule.cancels);
            let cancelling = Rule { cancels: true, ..rule.clone() };
            reader().line(bad, &mut Each(|bad: &Rule<'_>| equal = Some(*bad == cancelling)));
        }),
    );
    equal.unwrap_or_else(|| panic!("{} and {} are not two rules", read(bad), read(rule)))
}
