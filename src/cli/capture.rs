//! `optout capture`

use crate::cli::page::Page;
use crate::config;
use crate::request::{Request, Response};
use crate::shell::control::client::Daemon;

/// Show or choose which flows are looked into
///
/// Selective is the default: questions, and flows to blocked addresses. Everything
/// else never comes near optout. Full looks into every TCP and UDP flow besides, until
/// its host is known by the name that the program says; so it stops what is blocked
/// even if the program found the address without asking us. What may pass goes on in
/// the kernel, without optout.
///
/// Kept over restarts. No connection is lost by the change.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[command(after_help = EXAMPLES)]
pub(super) struct Capture {
    /// Which flows
    capture: Option<Setting>,
}

/// Which flows are looked into.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum Setting {
    /// Every flow, until its host is known
    Full,
    /// Questions and blocked addresses
    Selective,
    /// As the configuration says
    Config,
}

impl Capture {
    pub(super) fn run(&self, daemon: &mut dyn Daemon, page: &mut Page<'_>) -> anyhow::Result<()> {
        let capture = match self.capture {
            None => return show(daemon, page),
            Some(Setting::Full) => Some(config::Capture::Full),
            Some(Setting::Selective) => Some(config::Capture::Selective),
            Some(Setting::Config) => None,
        };
        super::order(daemon, &Request::Capture { capture }, page, "Done.")
    }
}

fn show(daemon: &mut dyn Daemon, page: &mut Page<'_>) -> anyhow::Result<()> {
    let Response::Status(status) = daemon.ask(&Request::Status)? else {
        return Err(super::unexpected().into());
    };
    page.say(format!("Capture is {}.", status.capture))?;
    Ok(())
}

const EXAMPLES: &str = "\
Examples:
  optout capture             show which flows are looked into
  optout capture full        look into every flow
  optout capture config      forget that, and do as the configuration says";
