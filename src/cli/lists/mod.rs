//! `optout lists`

mod add;
mod change;
mod lint;
mod show;

use crate::cli::page::Page;
use crate::shell::control::client::Daemon;

/// List the blocklists in use, or add, change, update and check them
///
/// A list is a file on disk or has an https address; then it is fetched anew once
/// a day or as told, and a version that looks wrong never takes the place of a
/// good one. The built-in catalogue is a list for each vendor: see `optout vendors`.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[command(after_help = EXAMPLES)]
pub(super) struct Lists {
    #[command(subcommand)]
    action: Option<Action>,
    /// Print JSON (docs/control.md describes it)
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Add(add::Add),
    Remove(change::Remove),
    Update(change::Update),
    Rollback(change::Rollback),
    Accept(change::Accept),
    Mode(change::SetMode),
    Show(show::Show),
    Lint(lint::Lint),
}

impl Lists {
    pub(super) fn run(&self, daemon: &mut dyn Daemon, page: &mut Page<'_>) -> anyhow::Result<()> {
        match &self.action {
            None => show::all(daemon, self.json, page),
            Some(Action::Show(show)) => show.run(daemon, page),
            Some(Action::Add(add)) => add.run(daemon, page),
            Some(Action::Remove(change)) => change.run(daemon, page),
            Some(Action::Update(change)) => change.run(daemon, page),
            Some(Action::Rollback(change)) => change.run(daemon, page),
            Some(Action::Accept(change)) => change.run(daemon, page),
            Some(Action::Mode(change)) => change.run(daemon, page),
            Some(Action::Lint(lint)) => lint.run(page),
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  optout lists                                   all of them
  optout lists add https://lists.example/a.txt   fetch it, and again every day
  optout lists add /etc/optout/mine.txt          use a file
  optout lists add URL --watch                   only record for a week, then decide
  optout lists update                            look for new versions now
  optout lists rollback NAME                     back to the version before
  optout lists lint FILE                         what would be made of it, line by line";
