//! `optout lists remove`, `update`, `rollback`, `accept`, `mode`

use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;

use crate::cli::mode::Setting;
use crate::cli::page::{Ink, Page, count, ink, number, plain};
use crate::cli::time;
use crate::core::verdict::Mode;
use crate::request::{ListChange, ListProgress, ListSummary, Request, Response};
use crate::shell::control::client::Daemon;

/// Use a list no longer, and forget its text
#[derive(Debug, clap::Args)]
pub(super) struct Remove {
    /// Its name or id
    list: String,
}

/// Look for new versions now: of these lists, or of all
#[derive(Debug, clap::Args)]
pub(super) struct Update {
    /// Names or ids
    lists: Vec<String>,
}

/// Go back to the version of a list before this one; up to three are kept
#[derive(Debug, clap::Args)]
pub(super) struct Rollback {
    /// Its name or id
    list: String,
}

/// Use a version that was held back because it looks wrong
#[derive(Debug, clap::Args)]
pub(super) struct Accept {
    /// Its name or id
    list: String,
}

/// Say what is done with what a list names: block, watch (record only) or off
#[derive(Debug, clap::Args)]
#[command(name = "mode")]
pub(super) struct SetMode {
    /// Its name or id
    list: String,
    /// The new mode
    mode: Setting,
    /// For so long; then as before
    #[arg(long = "for", value_name = "TIME", value_parser = time::parse_duration)]
    seconds: Option<u64>,
}

impl Remove {
    pub(super) fn run(&self, daemon: &mut dyn Daemon, page: &mut Page<'_>) -> anyhow::Result<()> {
        let change = ListChange::Remove { list: self.list.clone() };
        ask(daemon, change, &format!("Removed: {}", self.list), page)
    }
}

impl Update {
    pub(super) fn run(&self, daemon: &mut dyn Daemon, page: &mut Page<'_>) -> anyhow::Result<()> {
        let change = ListChange::Update { lists: self.lists.clone() };
        ask(daemon, change, "Done", page)
    }
}

impl Rollback {
    pub(super) fn run(&self, daemon: &mut dyn Daemon, page: &mut Page<'_>) -> anyhow::Result<()> {
        let change = ListChange::Rollback { list: self.list.clone() };
        ask(daemon, change, &format!("Back to the version before: {}", self.list), page)
    }
}

impl Accept {
    pub(super) fn run(&self, daemon: &mut dyn Daemon, page: &mut Page<'_>) -> anyhow::Result<()> {
        let change = ListChange::Accept { list: self.list.clone() };
        ask(daemon, change, &format!("Accepted: {}", self.list), page)
    }
}

impl SetMode {
    pub(super) fn run(&self, daemon: &mut dyn Daemon, page: &mut Page<'_>) -> anyhow::Result<()> {
        let (list, mode) = (self.list.clone(), Mode::from(self.mode));
        let change = ListChange::Mode { list, mode, seconds: self.seconds };
        ask(daemon, change, &format!("Set: {}", self.list), page)
    }
}

/// Asks for a change, shows how it goes, and says what the daemon says or else `done`.
pub(super) fn ask(
    daemon: &mut dyn Daemon,
    change: ListChange,
    done: &str,
    page: &mut Page<'_>,
) -> anyhow::Result<()> {
    let mut last = Ok(None);
    let mut shown = Ok(());
    let mut meter = Meter::default();
    daemon.ask_each(&Request::ChangeLists(change), &mut |response| {
        match response {
            Response::Progress(progress) => {
                meter.show(&progress);
                shown = step(&progress, page).and_then(|()| page.flush());
                return match &shown {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                };
            }
            Response::Done(said) => last = Ok(said),
            _ => last = Err(crate::cli::unexpected()),
        }
        ControlFlow::Break(())
    })?;
    meter.clear();
    shown?;
    page.say(last?.as_deref().unwrap_or(done))?;
    Ok(())
}

/// What stays on the page of a step.
fn step(progress: &ListProgress, page: &mut Page<'_>) -> io::Result<()> {
    match progress {
        ListProgress::Fetching { .. } | ListProgress::Compiling => Ok(()),
        ListProgress::Looked { list, outcome, detail } => {
            let colour = match outcome.as_str() {
                "updated" => Ink::Green,
                "unchanged" => Ink::Faint,
                "failed" => Ink::Red,
                _ => Ink::Yellow,
            };
            let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
            page.line(&[ink(list, Ink::Strong), plain(" "), ink(outcome, colour), plain(detail)])
        }
        ListProgress::Compiled { list, summary } => {
            page.line(&[ink(list, Ink::Strong), plain(" "), plain(counts(summary))])
        }
    }
}

/// `57,781 rules kept, 12 duplicates, …`, without what is none.
pub(super) fn counts(summary: &ListSummary) -> String {
    let mut parts = vec![format!("{} kept", count(summary.kept, "rule"))];
    let rest = [
        (summary.duplicates, "duplicates"),
        (summary.also_elsewhere, "in another list too"),
        (summary.ignored, "not for DNS"),
        (summary.unsupported, "unsupported"),
        (summary.invalid, "invalid"),
        (summary.refused, "refused"),
    ];
    parts.extend(
        rest.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", number(*n))),
    );
    parts.join(", ")
}

/// A line on the terminal that is written over while a person waits.
#[derive(Default)]
struct Meter {
    width: usize,
}

impl Meter {
    fn show(&mut self, progress: &ListProgress) {
        let text = match progress {
            ListProgress::Fetching { list, bytes, total } => {
                let of = total.map(|total| format!(" of {}", kib(total))).unwrap_or_default();
                format!("{list}: {}{of}", kib(*bytes))
            }
            ListProgress::Compiling => "putting all lists together".into(),
            ListProgress::Looked { .. } | ListProgress::Compiled { .. } => String::new(),
        };
        if !io::stderr().is_terminal() {
            return;
        }
        self.clear();
        let text: String = crate::cli::escape::terminal(&text).chars().take(WIDTH).collect();
        self.width = text.chars().count();
        let _ = write!(io::stderr(), "{text}"); // a meter that cannot be seen is no loss
    }

    fn clear(&mut self) {
        if self.width > 0 {
            let _ = write!(io::stderr(), "\r{:1$}\r", "", self.width);
            self.width = 0;
        }
    }
}

fn kib(bytes: u64) -> String {
    format!("{} KiB", number(bytes.div_ceil(1024)))
}

const WIDTH: usize = 79; // characters of the meter: one line of any terminal

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::escape::HOSTILE;
    use crate::cli::page::tests::{assert_harmless, printed};

    #[test]
    fn what_a_list_came_to_is_said_without_what_is_none() {
        let summary =
            ListSummary { kept: 57_781, duplicates: 12, unsupported: 1, ..ListSummary::default() };
        assert_eq!(counts(&summary), "57,781 rules kept, 12 duplicates, 1 unsupported");
        let one = ListSummary { kept: 1, ..ListSummary::default() };
        assert_eq!(counts(&one), "1 rule kept");
    }

    #[test]
    fn steps_that_matter_later_stay_on_the_page() {
        let looked = |outcome: &str, detail: &str| ListProgress::Looked {
            list: "acme".into(),
            outcome: outcome.into(),
            detail: detail.into(),
        };
        let said = printed(|page| {
            step(&ListProgress::Compiling, page)?;
            step(&looked("unchanged", ""), page)?;
            step(&looked("held back", "it shrank"), page)
        });
        assert_eq!(said, "acme unchanged\nacme held back: it shrank\n");
    }

    #[test]
    fn a_hostile_name_is_harmless() {
        let progress = ListProgress::Looked {
            list: HOSTILE.into(),
            outcome: HOSTILE.into(),
            detail: HOSTILE.into(),
        };
        assert_harmless(&printed(|page| step(&progress, page)));
    }
}
