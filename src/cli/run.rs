//! `optout run`: a stub that holds the place; the daemon comes with its room.

use std::path::PathBuf;
use std::process::ExitCode;

/// Run the daemon, in the foreground
///
/// Without a configuration it protects this machine: the built-in catalogue,
/// the system's own resolvers as upstreams. Stop it with Ctrl-C.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Run {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Say more; twice for every flow, three times for every packet
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

impl Run {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Self { config: _, verbose: _ } = self;
        anyhow::bail!("`run` is not part of this build")
    }
}
