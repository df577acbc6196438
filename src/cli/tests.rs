//! The command line as a whole: what is accepted, what is asked, what is said.
//! The daemon is a stand-in that remembers what it was asked.

use std::ops::ControlFlow;

use clap::error::ErrorKind;

use super::*;
use crate::cli::page::tests::look;
use crate::core::event::Outcome;
use crate::core::verdict::Mode;
use crate::request::{Action, LogQuery, UserRule};

/// Answers everything with one response, and remembers the request.
struct StandIn {
    answer: Result<Response, fn() -> ClientError>,
    asked: Option<Request>,
}

impl Daemon for StandIn {
    fn ask_each(
        &mut self,
        request: &Request,
        each: &mut dyn FnMut(Response) -> ControlFlow<()>,
    ) -> Result<(), ClientError> {
        self.asked = Some(request.clone());
        let answer = self.answer.clone().map_err(|error| error())?;
        let _ = each(answer);
        Ok(())
    }
}

/// Runs a command line against a daemon that answers so.
fn run(
    line: &str,
    answer: Result<Response, fn() -> ClientError>,
) -> (anyhow::Result<()>, String, Option<Request>) {
    let arguments = std::iter::once("optout").chain(line.split_whitespace());
    let cli = Cli::try_parse_from(arguments).unwrap();
    let mut daemon = StandIn { answer, asked: None };
    let mut written = Vec::new();
    let mut page = Page::new(&mut written, look());
    let done = cli.command.unwrap().ask(&mut daemon, &mut page).map(drop);
    (done, String::from_utf8(written).unwrap(), daemon.asked)
}

#[test]
fn the_arguments_fit_together() {
    Cli::command().debug_assert();
}

/// One row, one test: a command line, and what the daemon is asked.
macro_rules! asks {
    ($($name:ident: $line:literal => $want:expr;)*) => {
        $(#[test] fn $name() {
            let (_, _, asked) = run($line, Ok(Response::Done(None)));
            assert_eq!(asked, Some($want));
        })*
    };
}

asks! {
    full_capture: "capture full" => Request::Capture { capture: Some(crate::config::Capture::Full) };
    selective_capture: "capture selective" =>
        Request::Capture { capture: Some(crate::config::Capture::Selective) };
    capture_as_configured: "capture config" => Request::Capture { capture: None };
    capture_is_shown: "capture" => Request::Status;
    on: "on" => Request::On;
    enable_is_on: "enable" => Request::On;
    off: "off" => Request::Off;
    disable_is_off: "disable" => Request::Off;
    a_pause_is_15_minutes: "pause" => Request::Pause { seconds: 900 };
    a_pause_of_minutes: "pause 5m" => Request::Pause { seconds: 300 };
    a_plain_pause_is_minutes: "pause 5" => Request::Pause { seconds: 300 };
    a_pause_of_seconds: "pause 30s" => Request::Pause { seconds: 30 };
    resume: "resume" => Request::Resume;
    status: "status --json" => Request::Status;
    a_log_is_100_lines: "log" => Request::Log(LogQuery { last: 100, ..LogQuery::default() });
    a_followed_log_is_10_lines: "log -f" =>
        Request::Log(LogQuery { follow: true, last: 10, ..LogQuery::default() });
    a_log_since_is_whole: "log --since 1h" =>
        Request::Log(LogQuery { since: Some(1_795_345_200), ..LogQuery::default() });
    a_log_with_filters: "log -n 5 --blocked --name OnePlus --app curl --client tv --vendor acme" =>
        Request::Log(LogQuery {
            last: 5,
            outcome: Some(Outcome::Blocked),
            name: Some("oneplus".into()),
            app: Some("curl".into()),
            client: Some("tv".into()),
            vendor: Some("acme".into()),
            ..LogQuery::default()
        });
    explain: "explain a.example --app curl" => Request::Explain {
        subject: "a.example".into(),
        app: Some("curl".into()),
        client: None,
    };
    allow: "allow A.Example --for 1h --app curl" => Request::AddRule(UserRule {
        until: Some(1_795_352_400),
        app: Some("curl".into()),
        ..rule(Action::Allow)
    });
    block: "block a.example --exact --client 192.0.2.7" => Request::AddRule(UserRule {
        exact: true,
        client: Some("192.0.2.7".into()),
        ..rule(Action::Block)
    });
    remove: "block a.example --remove" => Request::RemoveRule { subject: "a.example".into() };
    rules_are_listed: "allow" => Request::Rules;
    vendors: "vendors" => Request::Vendors;
    one_vendor: "vendors acme" => Request::Vendors;
    a_vendor_to_block: "vendors acme block" => set(Some(Mode::Enforce), None);
    a_vendor_to_enforce: "vendors acme enforce" => set(Some(Mode::Enforce), None);
    a_vendor_to_watch: "vendors acme watch" => set(Some(Mode::Watch), None);
    a_vendor_off: "vendors acme off" => set(Some(Mode::Off), None);
    a_day_of_opt_out: "vendors acme --opted-out 2026-11-01" => set(None, Some("2026-11-01"));
    no_day_of_opt_out: "vendors acme --opted-out none" => set(None, Some(""));
    a_report_is_of_7_days: "report" => Request::Report { since: 1_794_744_000 };
    a_report_since: "report --since 2026-11-01 --csv" => Request::Report { since: 1_793_484_000 };
    a_socket_may_be_named_anywhere: "on --socket /tmp/x" => Request::On;
}

fn rule(action: Action) -> UserRule {
    let subject = "a.example".into();
    let (app, client, schedule) = (None, None, None);
    UserRule { action, subject, exact: false, until: None, app, client, schedule }
}

fn set(mode: Option<Mode>, opted_out: Option<&str>) -> Request {
    let opted_out = opted_out.map(Into::into);
    Request::SetVendor { vendor: "acme".into(), mode, opted_out }
}

#[test]
fn wrong_usage_is_refused_before_anything_is_asked() {
    for line in [
        "explode",
        "pause never",
        "pause 25h",
        "pause 0",
        "log --blocked --passed",
        "log -n -1",
        "log --since yesterday",
        "explain",
        "allow https://a.example/",
        "allow --remove",
        "allow a.example --remove --for 1h",
        "block a.example --app curl --client 192.0.2.7",
        "block a.example --client tv",
        "vendors acme loud",
        "vendors --opted-out 2026-11-01",
        "vendors acme --opted-out 1.11.",
        "report --json --csv",
        "config",
        "run --nonsense",
    ] {
        let arguments = std::iter::once("optout").chain(line.split_whitespace());
        let error = Cli::try_parse_from(arguments).expect_err(line);
        assert_eq!(error.exit_code(), 2, "{line}");
    }
    for line in ["allow --exact", "allow --for 1h", "block *.a.example --exact"] {
        let (done, _, asked) = run(line, Ok(Response::Done(None)));
        assert!(done.unwrap_err().is::<Wrong>() && asked.is_none(), "{line}");
    }
}

#[test]
fn help_is_short_with_h_and_long_with_help() {
    let help = |argument| {
        let error = Cli::try_parse_from(["optout", "pause", argument]).unwrap_err();
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::DisplayHelp, 0));
        error.to_string()
    };
    assert!(!help("-h").contains("resumes by itself"));
    assert!(help("--help").contains("resumes by itself"));
    assert!(help("-h").contains("optout pause 1h30m"));
}

#[test]
fn a_bare_optout_prints_the_help_and_is_content() {
    let mut written = Vec::new();
    let cli = Cli::try_parse_from(["optout"]).unwrap();
    let code = cli.run(&mut written).unwrap();
    assert_eq!(code, ExitCode::SUCCESS);
    let help = String::from_utf8(written).unwrap();
    for command in ["run", "on", "off", "pause", "status", "log", "explain", "doctor"] {
        assert!(help.contains(&format!("\n  {command} ")), "{command} in {help}");
    }
}

#[test]
fn what_the_daemon_says_is_said() {
    let (done, text, _) = run("on", Ok(Response::Done(None)));
    assert_eq!((done.is_ok(), text.as_str()), (true, "optout is on.\n"));
    let (_, text, _) = run("on", Ok(Response::Done(Some("On it.\x1b[2J".into()))));
    assert_eq!(text, "On it.\\u{1b}[2J\n");
    let (_, text, _) = run("pause 90s", Ok(Response::Done(None)));
    assert_eq!(text, "Paused for 1 min 30 s. Blocking resumes at 2026-11-22 14:01:30.\n");
    let (_, text, _) = run("allow a.example --for 1h", Ok(Response::Done(None)));
    assert_eq!(text, "Allowed: a.example (and all below it, until 2026-11-22 15:00:00)\n");
}

#[test]
fn a_refusal_and_a_misfit_are_errors() {
    for line in ["on", "status", "log", "explain a.example", "allow", "vendors", "report"] {
        let (done, _, _) = run(line, Err(|| ClientError::Refused("cannot: disk full".into())));
        assert_eq!(done.unwrap_err().to_string(), "cannot: disk full", "{line}");
    }
    for line in ["status", "explain a.example", "allow", "vendors", "report"] {
        let (done, _, _) = run(line, Ok(Response::Done(None)));
        assert!(done.unwrap_err().to_string().contains("another version"), "{line}");
    }
}

#[test]
fn an_unknown_vendor_is_told_with_the_known_ones() {
    let (done, _, _) = run("vendors nope", Ok(Response::Vendors(Vec::new())));
    assert!(done.unwrap_err().to_string().starts_with("there is no vendor \"nope\""));
}

#[test]
fn status_as_json_is_the_object_itself() {
    let status = status::tests::status();
    let (_, text, _) = run("status --json", Ok(Response::Status(status.clone().into())));
    assert_eq!(serde_json::from_str::<crate::request::Status>(&text).unwrap(), status);
}

#[test]
fn a_closed_pipe_is_no_error() {
    let broken = io::Error::from(io::ErrorKind::BrokenPipe);
    assert!(is_closed_pipe(&anyhow::Error::from(broken).context("cannot write")));
    assert!(!is_closed_pipe(&anyhow::anyhow!("another")));
}
