//! `optout block`

use crate::cli::page::Page;
use crate::cli::rule::Rule;
use crate::request::Action;
use crate::shell::control::client::Daemon;

/// Stop a name
///
/// Takes effect on the very next question and connection, even for names that
/// no list may block. The most specific of your own rules decides, allow before
/// block at the same name. Without a name, your rules are listed.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[command(after_help = EXAMPLES)]
pub(super) struct Block {
    #[command(flatten)]
    rule: Rule,
}

impl Block {
    pub(super) fn run(&self, daemon: &mut dyn Daemon, page: &mut Page<'_>) -> anyhow::Result<()> {
        self.rule.run(Action::Block, daemon, page)
    }
}

const EXAMPLES: &str = "\
Examples:
  optout block ads.example.com              this name and all below it
  optout block \"*.example.com\"              only what is below it
  optout block 192.0.2.0/24                 addresses
  optout block ads.example.com --remove     take it back";
