//! `optout on`

use crate::cli::page::Page;
use crate::request::Request;
use crate::shell::control::client::Daemon;

/// Switch optout on, for good
///
/// Kept over restarts. Ends a pause.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct On {}

impl On {
    pub(super) fn run(daemon: &mut dyn Daemon, page: &mut Page<'_>) -> anyhow::Result<()> {
        super::order(daemon, &Request::On, page, "optout is on.")
    }
}
