//! The command line: one subcommand a file.
//!
//! The doc comment of a command is its help. A command asks the daemon through
//! the trait [`Daemon`] and writes to a [`Page`], so a test needs neither a
//! daemon nor a terminal.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};
use thiserror::Error;

use crate::cli::page::{Look, Page};
use crate::request::{Request, Response};
use crate::shell::control::client::{Client, ClientError, Daemon};

mod allow;
mod block;
mod capture;
mod config;
#[cfg(feature = "demo")]
mod demo;
mod doctor;
pub mod escape;
mod explain;
mod flows;
mod lists;
mod log;
mod mode;
mod off;
mod offline;
mod on;
pub mod page;
mod pause;
pub(crate) mod report;
mod resume;
mod rule;
mod run;
mod sniff;
mod status;
pub mod time;
mod tunnel;
mod vendors;
mod who;

/// Makes an opt-out real: stops and records telemetry before it leaves the device
#[derive(Debug, Parser)]
#[command(name = "optout", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// The daemon's control socket, if it is not where the configuration says
    #[arg(long, global = true, value_name = "PATH", hide_short_help = true)]
    socket: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    #[cfg(feature = "demo")]
    Demo(demo::Demo),
    #[command(alias = "enable")]
    On(on::On),
    #[command(alias = "disable")]
    Off(off::Off),
    Pause(pause::Pause),
    Resume(resume::Resume),
    Status(status::Show),
    Capture(capture::Capture),
    Log(log::Log),
    Explain(explain::Explain),
    Sniff(sniff::Sniff),
    Allow(allow::Allow),
    Block(block::Block),
    Vendors(vendors::Vendors),
    Lists(lists::Lists),
    Report(report::Show),
    Doctor(doctor::Doctor),
    Tunnel(tunnel::Tunnel),
    Config(config::Config),
}

/// What was written cannot be meant: exit code 2, as for wrong arguments.
#[derive(Debug, Error)]
#[error("{0}")]
struct Wrong(String);

/// Runs the command that the arguments name.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // Not locked: a command may have threads that write.
    let mut out = BufWriter::new(io::stdout());
    let done = cli.run(&mut out);
    let done = done.and_then(|code| out.flush().map(|()| code).context("cannot write"));
    match done {
        Ok(code) => code,
        Err(error) => complain(&error, &mut out),
    }
}

impl Cli {
    fn run(self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let Some(command) = self.command else {
            write!(out, "{}", Self::command().render_help())?;
            return Ok(ExitCode::SUCCESS);
        };
        let mut page = Page::new(out, Look::from_environment());
        let socket = self.socket.unwrap_or_else(offline::socket_path);
        command.ask(&mut Client::new(socket), &mut page)
    }
}

impl Command {
    fn ask(self, daemon: &mut dyn Daemon, page: &mut Page<'_>) -> anyhow::Result<ExitCode> {
        match self {
            // These speak for themselves and have exit codes of their own.
            Self::Run(run) => return Ok(run.run()),
            #[cfg(feature = "demo")]
            Self::Demo(demo) => return demo.run(page),
            Self::Doctor(doctor) => return doctor.run(daemon, page),
            Self::On(on::On {}) => on::On::run(daemon, page),
            Self::Off(off::Off {}) => off::Off::run(daemon, page),
            Self::Pause(pause) => pause.run(daemon, page),
            Self::Resume(resume::Resume {}) => resume::Resume::run(daemon, page),
            Self::Status(status) => status.run(daemon, page),
            Self::Capture(capture) => capture.run(daemon, page),
            Self::Log(log) => log.run(daemon, page),
            Self::Explain(explain) => explain.run(daemon, page),
            Self::Sniff(sniff) => sniff.run(page),
            Self::Allow(allow) => allow.run(daemon, page),
            Self::Block(block) => block.run(daemon, page),
            Self::Vendors(vendors) => vendors.run(daemon, page),
            Self::Lists(lists) => lists.run(daemon, page),
            Self::Report(report) => report.run(daemon, page),
            Self::Tunnel(tunnel) => tunnel.run(daemon, page),
            Self::Config(config) => config.run(page),
        }?;
        Ok(ExitCode::SUCCESS)
    }
}

/// One line on standard error, and the exit code.
fn complain(error: &anyhow::Error, out: &mut impl Write) -> ExitCode {
    if is_closed_pipe(error) {
        return ExitCode::SUCCESS; // `optout log | head` is content
    }
    let _ = out.flush(); // what was said before the error comes before it
    let line = escape::terminal(&format!("{error:#}"));
    let _ = writeln!(io::stderr(), "optout: {line}"); // nowhere left to complain
    ExitCode::from(if error.is::<Wrong>() { 2 } else { 1 })
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let kinds = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    kinds.map(io::Error::kind).any(|kind| kind == io::ErrorKind::BrokenPipe)
}

/// Asks for something to be done, and says what the daemon says, or else `done`.
fn order(
    daemon: &mut dyn Daemon,
    request: &Request,
    page: &mut Page<'_>,
    done: &str,
) -> anyhow::Result<()> {
    match daemon.ask(request)? {
        Response::Done(said) => page.say(said.as_deref().unwrap_or(done))?,
        _ => return Err(unexpected().into()),
    }
    Ok(())
}

/// The error for an answer that does not fit the request.
fn unexpected() -> ClientError {
    ClientError::OtherVersion { daemon: "of another version".into() }
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 could not, 2 wrong usage or configuration
Start with `optout demo`, then `sudo optout run` and `optout status`.";

#[cfg(test)]
mod tests;
