//! A verdict about a name or an address, with its evidence.
//!
//! One function for both sides: the daemon answers
//! [`Request::Explain`](crate::request::Request::Explain) with it, and the
//! command line calls it when there is no daemon to ask.

use std::net::IpAddr;

use thiserror::Error;

use crate::core::event::Outcome;
use crate::core::flow::{Client, Owner};
use crate::core::host::{HostName, HostNameError};
use crate::core::policy::Policy;
use crate::core::time::Instant;
use crate::core::verdict::{RuleText, Verdict, Via, Why};
use crate::request::{EntryLine, ExplainedRule, Explanation};

/// What a verdict can be about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Subject {
    /// A host name.
    Host(HostName),
    /// An address.
    Address(IpAddr),
}

/// Why something cannot be explained.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ExplainError {
    /// Neither a name nor an address.
    #[error("{text:?} is neither a host name nor an address: {source}")]
    Subject {
        /// What it is.
        text: String,
        /// Why it is no name.
        source: HostNameError,
    },
    /// The client is not an address.
    #[error("{0:?} is not a client's address; see `optout log`")]
    Client(String),
}

impl std::str::FromStr for Subject {
    type Err = ExplainError;

    fn from_str(text: &str) -> Result<Self, ExplainError> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        text.parse().map(Self::Host).map_err(|source| {
            let text = text.chars().take(SHOWN).collect();
            ExplainError::Subject { text, source }
        })
    }
}

/// As whom to judge: a client's address, a program's name (or `uid:1000`), or this host.
///
/// # Errors
///
/// [`ExplainError::Client`].
pub fn client_of(app: Option<&str>, client: Option<&str>) -> Result<Client, ExplainError> {
    if let Some(text) = client {
        return text.parse().map(Client::Device).map_err(|_| ExplainError::Client(text.into()));
    }
    Ok(Client::Host(app.map(|app| match app.strip_prefix("uid:").map(str::parse) {
        Some(Ok(uid)) => Owner { uid: Some(uid), ..Owner::default() },
        _ => Owner { program: Some(app.into()), ..Owner::default() },
    })))
}

/// Judges `subject` by `policy` and says why.
#[must_use]
pub fn explain(policy: &Policy, now: Instant, subject: &Subject, client: &Client) -> Explanation {
    let (text, verdict, via) = match subject {
        Subject::Host(host) => {
            (host.to_string(), policy.judge(now, host.as_str(), client), Via::Name)
        }
        Subject::Address(address) => {
            (address.to_string(), policy.judge_address(now, *address, client), Via::Address)
        }
    };
    let rule = verdict.rule().map(|rule| policy.rule_text(rule));
    let evidence = Evidence::gather(policy, verdict, rule.as_deref(), via);
    Explanation {
        subject: text,
        outcome: outcome(verdict),
        because: because(verdict, rule.as_deref()),
        rules: evidence.rules,
        entry: evidence.entry,
    }
}

/// What the policy knows besides the verdict.
struct Evidence {
    rules: Vec<ExplainedRule>,
    entry: Option<EntryLine>,
}

impl Evidence {
    /// TO WIRE with the policy room (`Policy::evidence`): every rule that names
    /// the subject, the deciding one first, and the catalogue's entry. Until
    /// then the deciding rule alone is known.
    fn gather(_policy: &Policy, verdict: Verdict, rule: Option<&RuleText>, via: Via) -> Self {
        let rules = rule.map(|rule| ExplainedRule {
            rule: rule.clone(),
            action: action(verdict).into(),
            via,
        });
        Self { rules: rules.into_iter().collect(), entry: None }
    }
}

fn outcome(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Block(_) => Outcome::Blocked,
        Verdict::Watch(_) => Outcome::Watched,
        Verdict::Pass(_) => Outcome::Passed,
    }
}

fn action(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Block(_) => "block",
        Verdict::Watch(_) => "watch",
        Verdict::Pass(Why::NeverBlock(_)) => "never-block",
        Verdict::Pass(_) => "allow",
    }
}

/// The one sentence.
fn because(verdict: Verdict, rule: Option<&RuleText>) -> String {
    let Some(rule) = rule else { return "No rule names it.".into() };
    let RuleText { text, list, .. } = rule;
    match verdict {
        Verdict::Block(_) => format!("The rule {text} of {list} stops it."),
        Verdict::Watch(_) => {
            format!("The rule {text} of {list} would stop it, but is only watched.")
        }
        Verdict::Pass(Why::NeverBlock(_)) => {
            format!("The rule {text} of {list} keeps it reachable, whatever other lists say.")
        }
        Verdict::Pass(_) => format!("The rule {text} of {list} allows it."),
    }
}

/// Characters of a wrong subject that an error repeats.
const SHOWN: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(subject: &str) -> Explanation {
        let policy = Policy::blocking(&["vendor.example"]);
        let client = client_of(None, None).unwrap();
        explain(&policy, Instant::ZERO, &subject.parse().unwrap(), &client)
    }

    #[test]
    fn a_blocked_name_comes_with_its_rule() {
        let explanation = ask("T.vendor.example.");
        assert_eq!(explanation.subject, "t.vendor.example");
        assert_eq!(explanation.outcome, Outcome::Blocked);
        assert_eq!(explanation.rules.len(), 1);
        assert_eq!(explanation.rules[0].action, "block");
    }

    #[test]
    fn what_no_rule_names_passes_for_that_reason() {
        for subject in ["other.example", "192.0.2.1", "2001:db8::1"] {
            let explanation = ask(subject);
            assert_eq!(explanation.outcome, Outcome::Passed);
            assert_eq!(explanation.because, "No rule names it.");
        }
    }

    #[test]
    fn hostile_subjects_are_refused_in_one_short_safe_line() {
        for text in ["", "a b", "\x1b[2J", &"\u{202e}".repeat(10_000), "a..b"] {
            let said = text.parse::<Subject>().unwrap_err().to_string();
            assert!(said.len() < 1000 && !said.contains(char::is_control), "{said}");
        }
    }

    #[test]
    fn clients_are_addresses_and_apps_names_or_numbers() {
        let uid = Owner { uid: Some(1000), ..Owner::default() };
        assert_eq!(client_of(Some("uid:1000"), None), Ok(Client::Host(Some(uid))));
        let device = Client::Device("192.0.2.7".parse().unwrap());
        assert_eq!(client_of(Some("curl"), Some("192.0.2.7")), Ok(device));
        assert_eq!(client_of(None, Some("tv")), Err(ExplainError::Client("tv".into())));
    }
}
