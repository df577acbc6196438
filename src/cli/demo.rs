//! `optout demo`: a stub that holds the place; the demo comes with its room.

use std::process::ExitCode;

/// Show what optout does, on a phone that calls home in private namespaces
///
/// Touches nothing of this machine and needs no network. Takes under a minute.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Demo {
    /// Print one JSON object at the end and nothing else
    #[arg(long)]
    json: bool,
}

impl Demo {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Self { json: _ } = self;
        anyhow::bail!("`demo` is not part of this build")
    }
}
