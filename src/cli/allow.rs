//! `optout allow`

use crate::cli::page::Page;
use crate::cli::rule::Rule;
use crate::request::Action;
use crate::shell::control::client::Daemon;

/// Let a name through, whatever lists say
///
/// Takes effect on the very next question and connection. The most specific of
/// your own rules decides, allow before block at the same name; all other lists
/// come after. Without a name, your rules are listed.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[command(after_help = EXAMPLES)]
pub(super) struct Allow {
    #[command(flatten)]
    rule: Rule,
}

impl Allow {
    pub(super) fn run(&self, daemon: &mut dyn Daemon, page: &mut Page<'_>) -> anyhow::Result<()> {
        self.rule.run(Action::Allow, daemon, page)
    }
}

const EXAMPLES: &str = "\
Examples:
  optout allow example.com --for 1h         until an hour from now
  optout allow example.com --app firefox    for one program only
  optout allow example.com --remove         take it back
  optout allow                              list your rules";
