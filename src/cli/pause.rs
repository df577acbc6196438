//! `optout pause`

use crate::cli::page::Page;
use crate::cli::time;
use crate::request::Request;
use crate::shell::control::client::Daemon;

/// Let everything through for a while
///
/// Blocking resumes by itself when the time is up, and at once with `optout
/// resume`. During the pause no traffic comes our way, so nothing is recorded
/// either. Programs may keep answers that they got before or during the pause
/// for as long as those answers say.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[command(after_help = EXAMPLES)]
pub(super) struct Pause {
    /// How long: 30s, 15m, 1h30m; a plain number is minutes; at most 24h
    #[arg(default_value = "15m", value_parser = parse_pause)]
    duration: u64,
}

impl Pause {
    pub(super) fn run(&self, daemon: &mut dyn Daemon, page: &mut Page<'_>) -> anyhow::Result<()> {
        let seconds = self.duration;
        let until = page.look.now.as_second().saturating_add_unsigned(seconds);
        let until = time::show_second(until, &page.look.zone);
        let long = time::show_duration(seconds);
        let done = format!("Paused for {long}. Blocking resumes at {until}.");
        super::order(daemon, &Request::Pause { seconds }, page, &done)
    }
}

fn parse_pause(text: &str) -> Result<u64, String> {
    match time::parse_duration(text)? {
        long if long > LONGEST => Err("a pause lasts at most 24h; use `optout off`".into()),
        seconds => Ok(seconds),
    }
}

/// Seconds. Who wants longer wants it off.
const LONGEST: u64 = 24 * 3600;

const EXAMPLES: &str = "\
Examples:
  optout pause          let everything through for 15 minutes
  optout pause 5m       for 5 minutes
  optout pause 1h30m    for an hour and a half";
