//! `optout doctor`

use std::io;
use std::ops::ControlFlow;
use std::process::ExitCode;

use crate::cli::offline;
use crate::cli::page::{Ink, Page, ink, plain};
use crate::request::{Request, Response};
use crate::shell::control::client::{ClientError, Daemon};
use crate::shell::doctor::{self, Check, Reached, ResolverUse, State};

/// Find what keeps optout from doing its job here
///
/// Every finding comes with its fix. Run it with sudo: without, some of it
/// cannot be seen. Asks each upstream one question (for the root of the DNS).
/// Exit code 1 if there is a problem.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Doctor {
    /// Print one JSON object (docs/control.md describes it)
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(super) fn run(
        &self,
        daemon: &mut dyn Daemon,
        page: &mut Page<'_>,
    ) -> anyhow::Result<ExitCode> {
        let resolvers = offline::encrypted_resolvers();
        let now = page.look.now.as_second();
        let mut facts = doctor::gather(reach(daemon), offline::ours(), &resolvers, now);
        facts.resolver_use = resolver_use(daemon, now);
        let checks = doctor::examine(&facts);
        let problems = checks.iter().any(|check| check.state == State::Problem);
        if self.json {
            page.json(&serde_json::json!({ "ok": !problems, "checks": checks }))?;
        } else {
            show(&checks, page)?;
        }
        Ok(if problems { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn reach(daemon: &mut dyn Daemon) -> Reached {
    match daemon.ask(&Request::Status) {
        Ok(Response::Status(status)) => Reached::Running(status),
        Ok(_) => Reached::Unasked(super::unexpected().to_string()),
        Err(ClientError::NotRunning(_)) => Reached::NotRunning,
        Err(error) => Reached::Unasked(error.to_string()),
    }
}

/// `None` if the journal cannot be asked: what is wrong then is told elsewhere.
fn resolver_use(daemon: &mut dyn Daemon, now: i64) -> Option<ResolverUse> {
    let mut found = ResolverUse::default();
    let request = Request::Log(ResolverUse::query(now));
    let answered = daemon.ask_each(&request, &mut |response| {
        if let Response::Log(line) = response {
            found.add(&line);
        }
        ControlFlow::Continue(())
    });
    answered.ok().map(|()| found)
}

fn show(checks: &[Check], page: &mut Page<'_>) -> io::Result<()> {
    for check in checks {
        let (word, color) = match check.state {
            State::Ok => ("ok     ", Ink::Green),
            State::Warning => ("warning", Ink::Yellow),
            State::Problem => ("PROBLEM", Ink::Red),
        };
        page.line(&[ink(word, color), plain("  "), plain(&check.said)])?;
        if let Some(fix) = &check.fix {
            page.line(&[ink("         fix: ", Ink::Faint), plain(fix)])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::escape::HOSTILE;
    use crate::cli::page::tests::{assert_harmless, printed};

    #[test]
    fn findings_come_with_their_fix() {
        let checks = [
            Check { name: "tun", state: State::Ok, said: "fine".into(), fix: None },
            Check {
                name: "clock",
                state: State::Problem,
                said: "the clock is wrong".into(),
                fix: Some("set it".into()),
            },
        ];
        assert_eq!(printed(|page| show(&checks, page)), SHOWN);
    }

    const SHOWN: &str = "\
ok       fine
PROBLEM  the clock is wrong
         fix: set it
";

    #[test]
    fn hostile_findings_are_harmless() {
        let said = || String::from(HOSTILE);
        let check = Check { name: "x", state: State::Warning, said: said(), fix: Some(said()) };
        assert_harmless(&printed(|page| show(&[check], page)));
    }
}
