//! What `optout allow` and `optout block` share: the user's own rules.

use std::io;
use std::net::IpAddr;

use crate::cli::page::{Ink, Page, Side, Span, ink, plain};
use crate::cli::time;
use crate::core::policy::{UserRuleError, UserSubject};
use crate::core::prefix::PrefixError;
use crate::request::{Action, Request, Response, UserRule};
use crate::shell::control::client::Daemon;

/// The arguments of both.
#[derive(Debug, clap::Args)]
pub(super) struct Rule {
    /// A host name, an address or a prefix; without it, your rules are listed
    ///
    /// A host name stands for itself and all below it; with `*.` before it only
    /// for what is below it; with --exact only for itself.
    #[arg(value_parser = parse_subject, verbatim_doc_comment)]
    name: Option<String>,
    /// Only for so long: 30s, 15m, 1h30m, 7d
    #[arg(long = "for", value_name = "DURATION", value_parser = time::parse_duration)]
    duration: Option<u64>,
    /// Only for this program: its file name, or uid:1000
    #[arg(long, value_name = "PROGRAM")]
    app: Option<String>,
    /// Only for this client, by its address
    #[arg(long, value_name = "ADDRESS", conflicts_with = "app")]
    client: Option<IpAddr>,
    /// Exactly this name, nothing below it
    #[arg(long)]
    exact: bool,
    /// Remove your rules that name exactly this
    #[arg(
        long,
        requires = "name",
        conflicts_with_all = ["duration", "app", "client", "exact"]
    )]
    remove: bool,
    /// Print your rules as JSON (docs/control.md describes it)
    #[arg(long, conflicts_with_all = ["name", "duration", "app", "client", "exact"])]
    json: bool,
}

impl Rule {
    pub(super) fn run(
        &self,
        action: Action,
        daemon: &mut dyn Daemon,
        page: &mut Page<'_>,
    ) -> anyhow::Result<()> {
        let Some(subject) = &self.name else { return self.list(daemon, page) };
        if self.remove {
            let request = Request::RemoveRule { subject: subject.clone() };
            return super::order(
                daemon,
                &request,
                page,
                &format!("No rule of yours names {subject}."),
            );
        }
        if self.exact && (subject.starts_with("*.") || subject.contains('/')) {
            let text = format!("{subject} names more than one thing; leave out --exact");
            return Err(super::Wrong(text).into());
        }
        let until =
            self.duration.map(|seconds| page.look.now.as_second().saturating_add_unsigned(seconds));
        let rule = UserRule {
            action,
            subject: subject.clone(),
            exact: self.exact,
            until,
            app: self.app.clone(),
            client: self.client.map(|client| client.to_string()),
            schedule: None,
        };
        let done = sentence(&rule, page);
        super::order(daemon, &Request::AddRule(rule), page, &done)
    }

    fn list(&self, daemon: &mut dyn Daemon, page: &mut Page<'_>) -> anyhow::Result<()> {
        if self.duration.is_some() || self.app.is_some() || self.client.is_some() || self.exact {
            return Err(super::Wrong("which name? give it first".into()).into());
        }
        let Response::Rules(rules) = daemon.ask(&Request::Rules)? else {
            return Err(super::unexpected().into());
        };
        if self.json {
            page.json(&rules)?;
        } else {
            show(&rules, page)?;
        }
        Ok(())
    }
}

/// Reads what a rule may name.
fn parse_subject(text: &str) -> Result<String, String> {
    let subject: UserSubject = text.parse().map_err(|error| match error {
        UserRuleError::Prefix { why: PrefixError::Address, .. } => {
            "give the host name alone, without https://, port or path".into()
        }
        UserRuleError::Prefix { why, .. } => why.to_string(),
        UserRuleError::Subject { why, .. } => format!("not a host name: {why}"),
        other => other.to_string(),
    })?;
    Ok(subject.to_string())
}

/// What a new rule does, for a daemon that says nothing itself.
fn sentence(rule: &UserRule, page: &Page<'_>) -> String {
    let verb = match rule.action {
        Action::Allow => "Allowed",
        Action::Block => "Blocked",
    };
    let [reach, whom, until] = details(rule, page);
    let extras: Vec<_> = [reach, whom, until].into_iter().filter(|text| !text.is_empty()).collect();
    let extras =
        if extras.is_empty() { String::new() } else { format!(" ({})", extras.join(", ")) };
    format!("{verb}: {}{extras}", rule.subject)
}

/// How far, for whom, how long.
fn details(rule: &UserRule, page: &Page<'_>) -> [String; 3] {
    let name = !rule.subject.starts_with("*.") && !rule.subject.contains(['/', ':']);
    let name = name && rule.subject.parse::<IpAddr>().is_err();
    let reach = match (name, rule.exact) {
        (true, true) => "exactly",
        (true, false) => "and all below it",
        (false, _) => "",
    };
    let whom = match (&rule.app, &rule.client) {
        (Some(app), _) => format!("for {app}"),
        (None, Some(client)) => format!("for {client}"),
        (None, None) => String::new(),
    };
    let until =
        rule.until.map(|until| format!("until {}", time::show_second(until, &page.look.zone)));
    [reach.into(), whom, until.unwrap_or_default()]
}

fn show(rules: &[UserRule], page: &mut Page<'_>) -> io::Result<()> {
    if rules.is_empty() {
        return page.say("You have no rules of your own. Try `optout allow --help`.");
    }
    let rows: Vec<_> = rules.iter().map(|rule| row(rule, page)).collect();
    page.table(&[Side::Left; 5], &rows)
}

fn row(rule: &UserRule, page: &Page<'_>) -> Vec<Span> {
    let action = match rule.action {
        Action::Allow => ink("allow", Ink::Green),
        Action::Block => ink("block", Ink::Red),
    };
    let [reach, whom, until] = details(rule, page);
    vec![action, plain(&rule.subject), ink(reach, Ink::Faint), plain(whom), plain(until)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::escape::HOSTILE;
    use crate::cli::page::tests::{assert_harmless, printed};

    #[test]
    fn subjects_are_names_addresses_and_prefixes() {
        for (text, want) in [
            ("T.Vendor.example.", Some("t.vendor.example")),
            ("*.vendor.example", Some("*.vendor.example")),
            ("192.0.2.1", Some("192.0.2.1")),
            ("2001:DB8::1", Some("2001:db8::1")),
            ("192.0.2.0/24", Some("192.0.2.0/24")),
            ("2001:db8::/32", Some("2001:db8::/32")),
            ("192.0.2.0/33", None),
            ("192.0.2.1/24", None),
            ("https://vendor.example/x", None),
            ("vendor.example:443", None),
            ("*", None),
            ("*.*.example", None),
            ("a b", None),
            ("", None),
            ("\x1b[2J", None),
        ] {
            assert_eq!(parse_subject(text).ok().as_deref(), want, "{text:?}");
        }
    }

    fn rules() -> Vec<UserRule> {
        let rule = |action, subject: &str| UserRule {
            action,
            subject: subject.into(),
            exact: false,
            until: None,
            app: None,
            client: None,
            schedule: None,
        };
        vec![
            UserRule {
                until: Some(1_795_352_400),
                app: Some("curl".into()),
                ..rule(Action::Allow, "t.vendor.example")
            },
            UserRule { exact: true, ..rule(Action::Block, "a.example") },
            UserRule { client: Some("192.0.2.7".into()), ..rule(Action::Block, "192.0.2.0/24") },
        ]
    }

    #[test]
    fn rules_are_listed_with_their_reach() {
        let text = printed(|page| show(&rules(), page));
        assert_eq!(text, LISTED);
        assert!(printed(|page| show(&[], page)).starts_with("You have no rules"));
    }

    const LISTED: &str = "  \
  allow  t.vendor.example  and all below it  for curl       until 2026-11-22 15:00:00
  block  a.example         exactly
  block  192.0.2.0/24                        for 192.0.2.7
";

    #[test]
    fn hostile_rules_are_harmless() {
        let mut rules = rules();
        rules[0].subject = HOSTILE.into();
        rules[0].app = Some(HOSTILE.into());
        assert_harmless(&printed(|page| show(&rules, page)));
        assert_harmless(&printed(|page| page.say(sentence(&rules[0], page))));
    }
}
