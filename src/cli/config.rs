//! `optout config`

use std::path::PathBuf;

use crate::cli::offline;
use crate::cli::page::Page;

/// Work on the configuration
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Config {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Read a configuration and its lists, and say what is wrong with them
    ///
    /// Exit code 0: sound. 2: not, with one line that names file, line and remedy.
    Check {
        /// The file, if not /etc/optout/optout.toml
        file: Option<PathBuf>,
        /// Print one JSON object: `ok`, `lists`, `error`
        #[arg(long)]
        json: bool,
    },
}

impl Config {
    pub(super) fn run(&self, page: &mut Page<'_>) -> anyhow::Result<()> {
        let Action::Check { file, json } = &self.action;
        let found = offline::check_config(file.as_deref());
        if *json {
            let (lists, error) = (found.as_ref().ok(), found.as_ref().err());
            page.json(
                &serde_json::json!({ "ok": error.is_none(), "lists": lists, "error": error }),
            )?;
        }
        match found {
            Ok(lists) if !json => {
                for list in lists {
                    page.say(list)?;
                }
                page.say(offline::what_was_read(file.as_deref()))?;
            }
            Ok(_) => {}
            Err(error) => return Err(super::Wrong(error).into()),
        }
        Ok(())
    }
}
