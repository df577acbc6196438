//! `optout resume`

use crate::cli::page::Page;
use crate::request::Request;
use crate::shell::control::client::Daemon;

/// End a pause
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Resume {}

impl Resume {
    pub(super) fn run(daemon: &mut dyn Daemon, page: &mut Page<'_>) -> anyhow::Result<()> {
        super::order(daemon, &Request::Resume, page, "The pause is over.")
    }
}
