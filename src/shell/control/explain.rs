//! A verdict about a name or an address, with its evidence.
//!
//! One function for both sides: the daemon answers
//! [`Request::Explain`](crate::request::Request::Explain) with it, and the
//! command line calls it when there is no daemon to ask.

use std::net::IpAddr;
use std::sync::Arc;

use thiserror::Error;

use crate::core::catalog;
use crate::core::event::Outcome;
use crate::core::flow::{Client, Owner};
use crate::core::host::{HostName, HostNameError};
use crate::core::policy::{self, App, Asked, Effect, Policy};
use crate::core::rule::Answer;
use crate::core::time::Instant;
use crate::core::verdict::{RuleText, Verdict, Via, Why};
use crate::request::{EntryLine, ExplainedRule, Explanation};
use crate::shell::lists::original::Originals;

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
    Ok(Client::Host(app.map(|app| Owner::from(App::from(app)))))
}

/// Judges `subject` by `policy` and says why.
#[must_use]
pub fn explain(policy: &Policy, now: Instant, subject: &Subject, client: &Client) -> Explanation {
    // What is asked for most: an address of the name, or, of an address, that.
    let asked = match subject {
        Subject::Host(_) | Subject::Address(IpAddr::V4(_)) => Asked::about(A, client),
        Subject::Address(IpAddr::V6(_)) => Asked::about(AAAA, client),
    };
    let (text, verdict, all, via) = match subject {
        Subject::Host(host) => {
            let verdict = policy.judge(now, host.as_str(), asked);
            (host.to_string(), verdict, policy.evidence(now, host.as_str(), asked), Via::Name)
        }
        Subject::Address(address) => {
            let verdict = policy.judge_address(now, *address, asked);
            let all = policy.evidence_for_address(now, *address, asked);
            (address.to_string(), verdict, all, Via::Address)
        }
    };
    let rule = verdict.rule().map(|rule| policy.rule_text(rule, &text));
    let evidence = Evidence::gather(policy, &all, (&text, &via));
    Explanation {
        subject: text,
        outcome: outcome(verdict),
        because: because(verdict, rule.as_deref()),
        rules: evidence.rules,
        entry: evidence.entry,
    }
}

/// Adds to each rule its line as its author wrote it. Reads the files of lists.
pub fn quote(explanation: &mut Explanation, originals: &Originals) {
    for explained in &mut explanation.rules {
        let RuleText { list, line, .. } = &explained.rule;
        explained.original = originals.line(list, *line);
    }
}

/// What the policy knows besides the verdict.
struct Evidence {
    rules: Vec<ExplainedRule>,
    entry: Option<EntryLine>,
}

impl Evidence {
    /// Every rule, and the entry of the first that is in the catalogue: that of
    /// the deciding rule, or, where that is the user's own, the nearest.
    fn gather(policy: &Policy, all: &[policy::Evidence], (text, via): (&str, &Via)) -> Self {
        let explained = |evidence: &policy::Evidence| ExplainedRule {
            rule: (*policy.rule_text(evidence.rule, text)).clone(),
            action: evidence.effect.as_str().into(),
            via: via.clone(),
            important: evidence.important,
            answer: answer(evidence.answer).map(Into::into),
            limits: evidence.limits.clone(),
            idle: idle(evidence.effect),
            original: None,
        };
        let rules: Vec<_> = all.iter().map(explained).collect();
        let entry = rules.iter().find_map(|explained| entry(&explained.rule));
        Self { rules, entry }
    }
}

/// The word for an answer that is not the usual one.
fn answer(answer: Answer) -> Option<&'static str> {
    match answer {
        Answer::Usual => None,
        Answer::Nodata => Some("nodata"),
        Answer::Nxdomain => Some("nxdomain"),
        Answer::Refused => Some("refused"),
        Answer::Drop => Some("drop"),
    }
}

/// Why nothing comes of a rule that otherwise would do something.
fn idle(effect: Effect) -> Option<String> {
    match effect {
        Effect::Limited(limit) => Some(limit.to_string()),
        Effect::Outdone => Some("a nearer rule of its list decides".into()),
        _ => None,
    }
}

/// What the catalogue says where this rule stands.
fn entry(rule: &RuleText) -> Option<EntryLine> {
    let pack = catalog::pack(rule.vendor.as_deref()?)?;
    let about = Arc::clone(&pack.entry_at(rule.line)?.about);
    Some(EntryLine {
        vendor: pack.key.to_string(),
        vendor_name: pack.name,
        product: about.product.clone(),
        collects: about.collects.clone(),
        category: about.category.clone(),
        breaks: about.breaks.clone(),
        confidence: about.confidence.as_str().into(),
        inferred: about.inferred,
        sources: about.sources.clone(),
        opt_out: pack.opt_out,
    })
}

fn outcome(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Block(_) => Outcome::Blocked,
        Verdict::Watch(_) => Outcome::Watched,
        Verdict::Pass(_) => Outcome::Passed,
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

const A: u16 = 1; // RFC 1035 §3.2.2
const AAAA: u16 = 28; // RFC 3596 §2.1

/// Characters of a wrong subject that an error repeats.
const SHOWN: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::list::Format;
    use crate::core::policy::UserRule;
    use crate::core::rule::{Action, Limits, Rule, Scope};
    use crate::core::rules::{Builder, Kind};
    use crate::core::verdict::Mode;

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

    /// By the built-in catalogue and rules of the user's own.
    fn by_catalogue(subject: &str, own: &[(bool, &str)]) -> Explanation {
        let rules = Arc::new(crate::core::rules::RuleSet::embedded());
        let own = own.iter().map(|(allow, rule)| UserRule::new(*allow, rule, false).unwrap());
        let policy = Policy::builder(rules).user_rules(own).build();
        explain(&policy, Instant::ZERO, &subject.parse().unwrap(), &Client::Host(None))
    }

    #[test]
    fn what_the_catalogue_knows_is_told_with_its_sources() {
        let explanation = by_catalogue("open.oneplus.net", &[]);
        assert_eq!(explanation.outcome, Outcome::Blocked);
        let rule = &explanation.rules[0].rule;
        let text = include_str!("../../../blocklists/oneplus.toml");
        let line = text.lines().nth(rule.line as usize - 1).unwrap();
        assert!(&*rule.list == "oneplus" && line.contains("open.oneplus.net"), "{rule:?}");
        let entry = explanation.entry.unwrap();
        assert_eq!((&*entry.vendor, &*entry.vendor_name), ("oneplus", "OnePlus"));
        assert!(entry.collects.contains("IMEI") && !entry.sources.is_empty());
        assert!(entry.opt_out.is_some() && !entry.inferred);
    }

    #[test]
    fn every_rule_is_named_and_the_deciding_one_first() {
        let explanation = by_catalogue("open.oneplus.net", &[(true, "oneplus.net")]);
        assert_eq!(explanation.outcome, Outcome::Passed);
        let told: Vec<_> =
            explanation.rules.iter().map(|it| (&*it.rule.list, it.action.as_str())).collect();
        assert_eq!(told[..2], [("your rules", "allow"), ("oneplus", "block")]);
        assert!(explanation.entry.is_some(), "what was let through is still known");
    }

    #[test]
    fn an_address_is_told_by_the_prefix_it_is_in() {
        let own = [(false, "203.0.113.0/24"), (true, "203.0.113.9")];
        let explanation = by_catalogue("203.0.113.9", &own);
        let told: Vec<_> =
            explanation.rules.iter().map(|it| (&*it.rule.text, it.action.as_str())).collect();
        assert_eq!(told, [("203.0.113.9", "allow"), ("203.0.113.0/24", "block")]);
        assert!(explanation.rules.iter().all(|it| it.via == Via::Address));
    }

    #[test]
    fn what_a_rule_wants_and_whom_it_is_for_is_told() {
        let mut set = Builder::default();
        set.list("list", Kind::File(Format::Adblock), Mode::Enforce);
        let wide = Rule::block("example", Scope::WithSubdomains);
        let limits = Limits { types: vec![AAAA], ..Limits::default() };
        set.rule(1, &Rule { important: true, answer: Answer::Nodata, ..wide.clone() });
        set.rule(2, &Rule { limits: Some(Box::new(limits)), action: Action::Allow, ..wide });
        let policy = Policy::builder(Arc::new(set.build())).build();
        let subject = "a.example".parse().unwrap();
        let all = explain(&policy, Instant::ZERO, &subject, &Client::Host(None)).rules;
        let told = |n: usize| {
            let ExplainedRule { action, important, answer, limits, idle, .. } = all[n].clone();
            (action, important, answer, limits, idle)
        };
        assert_eq!(told(0), ("block".into(), true, Some("nodata".into()), None, None));
        let limits = Some("only for records of type AAAA".into());
        let idle = Some("is not for this record type".into());
        assert_eq!(told(1), ("limited".into(), false, None, limits, idle));
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
