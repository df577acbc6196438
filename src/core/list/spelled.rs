//! What a format makes of a text, written so that it fits on the line of a test.

use super::{Fault, Sink, Syntax};
use crate::core::rule::{Action, Answer, Device, Rule, Scope, Subject};

/// What `syntax` makes of all of `text`: `block a.example`, or the name of a fault.
///
/// `+` after a name is for what is below it too, `*.` before it for only that; an
/// answer other than the usual and limits come last.
pub(super) fn spelled(syntax: &mut dyn Syntax, text: &str) -> Vec<String> {
    let mut spelled = Spelled::default();
    for line in text.split('\n') {
        syntax.line(line, &mut spelled);
    }
    syntax.end(&mut spelled);
    spelled.0
}

/// One test for each text, named, with what is made of it.
macro_rules! spells {
    ($syntax:expr; $($(#[$meta:meta])* $name:ident: $text:expr => [$($want:expr),* $(,)?];)*) => {
        $(
            $(#[$meta])*
            #[test]
            fn $name() {
                let want: &[&str] = &[$($want),*];
                assert_eq!($crate::core::list::spelled::spelled(&mut $syntax, $text), want);
            }
        )*
    };
}
pub(super) use spells;

#[derive(Debug, Default)]
struct Spelled(Vec<String>);

impl Sink for Spelled {
    fn rule(&mut self, rule: &Rule<'_>) {
        assert!(!rule.important && !rule.cancels, "no such rule in these formats");
        let verb = match rule.action {
            Action::Block => "block",
            Action::Allow => "allow",
            other => panic!("{other:?} in a list"),
        };
        let subject = match rule.subject {
            Subject::Host(name, Scope::Exact) => name.to_owned(),
            Subject::Host(name, Scope::WithSubdomains) => format!("{name}+"),
            Subject::Host(name, Scope::Below) => format!("*.{name}"),
            Subject::Pattern(regex) => format!("/{regex}/"),
            Subject::Prefix(prefix) => prefix.to_string(),
            Subject::Everything => "everything".to_owned(),
        };
        let mut words = vec![verb.to_owned(), subject];
        if rule.answer != Answer::Usual {
            words.push(format!("{:?}", rule.answer).to_lowercase());
        }
        if let Some(limits) = &rule.limits {
            words.extend(limits.types.iter().map(|kind| format!("type {kind}")));
            words.extend(limits.clients.iter().map(|client| match client {
                Device::Address(prefix) => format!("for {prefix}"),
                Device::Name(name) => format!("for {name}"),
            }));
        }
        self.0.push(words.join(" "));
    }

    fn fault(&mut self, fault: Fault) {
        self.0.push(format!("{fault:?}"));
    }
}
