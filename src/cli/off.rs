//! `optout off`

use crate::cli::page::Page;
use crate::request::Request;
use crate::shell::control::client::Daemon;

/// Switch optout off, for good
///
/// Kept over restarts. The daemon stays, but no traffic goes its way: nothing
/// is stopped and nothing recorded until `optout on`. For a while only, use
/// `optout pause`.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Off {}

impl Off {
    pub(super) fn run(daemon: &mut dyn Daemon, page: &mut Page<'_>) -> anyhow::Result<()> {
        let done = "optout is off. Nothing is stopped or recorded until `optout on`.";
        super::order(daemon, &Request::Off, page, done)
    }
}
