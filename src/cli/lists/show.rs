//! `optout lists` and `optout lists show`

use std::io;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::change::counts;
use crate::cli::offline;
use crate::cli::page::{Ink, Page, Side, Span, count, ink, number, plain};
use crate::core::verdict::Mode;
use crate::request::{ListLine, ListMore, ListVersion, Request, Response};
use crate::shell::control::client::{ClientError, Daemon};

/// Show one list: what was read, its versions, and when it is looked after
#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// Its name or id
    list: String,
    /// Print one JSON object (docs/control.md describes it)
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) fn run(&self, daemon: &mut dyn Daemon, page: &mut Page<'_>) -> anyhow::Result<()> {
        let (lists, origin) = lists(daemon)?;
        let is_meant = |line: &&ListLine| {
            line.name == self.list || line.more.as_ref().is_some_and(|more| more.id == self.list)
        };
        let Some(line) = lists.iter().find(is_meant) else {
            anyhow::bail!("there is no list {:?}; `optout lists` shows them", self.list);
        };
        if self.json {
            page.json(line)?;
        } else {
            one(line, page)?;
            say_notes(&origin, page)?;
        }
        Ok(())
    }
}

/// Shows all lists.
pub(super) fn all(daemon: &mut dyn Daemon, json: bool, page: &mut Page<'_>) -> anyhow::Result<()> {
    let (lists, notes) = lists(daemon)?;
    if json {
        page.json(&lists)?;
    } else {
        table(&lists, page)?;
        say_notes(&notes, page)?;
    }
    Ok(())
}

/// The lists, and what to say of where that is known from, if not from the daemon.
fn lists(daemon: &mut dyn Daemon) -> anyhow::Result<(Vec<ListLine>, Vec<String>)> {
    match daemon.ask(&Request::Lists) {
        Ok(Response::Lists(lists)) => Ok((lists, Vec::new())),
        Ok(_) => Err(crate::cli::unexpected().into()),
        Err(ClientError::NotRunning(_) | ClientError::NoPermission { .. }) => {
            let (lists, missing) = offline::lists_offline()?;
            Ok((lists, std::iter::once(OFFLINE.to_owned()).chain(missing).collect()))
        }
        Err(error) => Err(error.into()),
    }
}

fn say_notes(notes: &[String], page: &mut Page<'_>) -> io::Result<()> {
    notes.iter().try_for_each(|note| page.line(&[ink(note, Ink::Yellow)]))
}

/// Lists of the user's own in a table; the packs, which `optout vendors` shows,
/// in a line; then what is wrong.
fn table(lists: &[ListLine], page: &mut Page<'_>) -> io::Result<()> {
    let (files, packs): (Vec<_>, Vec<_>) = lists.iter().partition(|line| line.more.is_some());
    if files.is_empty() {
        page.say("No list besides the built-in catalogue; `optout lists add URL|FILE` adds one.")?;
    } else {
        let head = ["LIST", "FORMAT", "BARE NAME", "MODE", "RULES", "NOT USED", "CHANGED"];
        let mut rows = vec![head.map(|head| ink(head, Ink::Faint)).to_vec()];
        rows.extend(files.iter().map(|line| row(line, page)));
        page.table(&SIDES, &rows)?;
    }
    let rules = packs.iter().map(|line| line.rules).sum();
    let packs = count(packs.len() as u64, "pack");
    page.say(format_args!("The catalogue: {packs}, {}; `optout vendors`.", count(rules, "rule")))?;
    for line in files {
        for problem in problems(line) {
            page.line(&[ink(&line.name, Ink::Strong), plain(": "), ink(problem, Ink::Yellow)])?;
        }
    }
    Ok(())
}

fn row(line: &ListLine, page: &Page<'_>) -> Vec<Span> {
    let details = line.more.as_deref();
    vec![
        ink(&line.name, Ink::Strong),
        plain(&line.format),
        plain(details.map_or("", bare)),
        mode(line.mode, details),
        plain(number(line.rules)),
        plain(number(line.ignored)),
        plain(line.changed.map_or_else(String::new, |at| day(at, &page.look.zone))),
    ]
}

/// What a bare name in it covers.
fn bare(more: &ListMore) -> &'static str {
    if more.subdomains { "and below" } else { "exact" }
}

fn mode(mode: Mode, details: Option<&ListMore>) -> Span {
    match mode {
        Mode::Enforce if details.is_some_and(|more| more.allow) => plain("allow"),
        Mode::Enforce => plain("block"),
        Mode::Watch => ink("watch", Ink::Yellow),
        Mode::Off => ink("off", Ink::Red),
    }
}

fn problems(line: &ListLine) -> Vec<String> {
    let Some(more) = &line.more else { return Vec::new() };
    let held = more.quarantined.as_ref().map(|why| {
        format!("a newer version is held back: {why}; `optout lists accept {}` takes it", more.id)
    });
    more.problem.iter().cloned().chain(held).collect()
}

fn one(line: &ListLine, page: &mut Page<'_>) -> io::Result<()> {
    let zone = page.look.zone.clone();
    let more = line.more.as_deref();
    page.line(&[ink(&line.name, Ink::Strong), plain(": "), mode(line.mode, more)])?;
    let Some(more) = more else {
        page.field("Rules", number(line.rules))?;
        return page.field("Kind", "a pack of the built-in catalogue; see `optout vendors`");
    };
    if let Some(until) = more.mode_until {
        page.field("Until", moment(until, &zone))?;
    }
    page.field("Comes from", &more.place)?;
    page.field("Id", &more.id)?;
    page.field("Format", &line.format)?;
    page.field(
        "A bare name",
        if more.subdomains { "covers what is below it" } else { "is exact" },
    )?;
    page.field("Read", counts(&more.summary))?;
    for (fault, times) in &more.summary.reasons {
        page.field("", format_args!("{} not used: it {fault}", number(*times)))?;
    }
    if let Some(checked) = more.checked {
        page.field("Looked", moment(checked, &zone))?;
    }
    if let Some(next) = more.next {
        page.field("Next look", format_args!("from {} on", moment(next, &zone)))?;
    }
    let mut name = "Versions";
    for version in &more.versions {
        page.field(name, of_version(version, &zone))?;
        name = "";
    }
    for problem in problems(line) {
        page.field("Problem", problem)?;
    }
    Ok(())
}

fn of_version(version: &ListVersion, zone: &TimeZone) -> String {
    let sum = version.sha256.get(..12).unwrap_or(&version.sha256);
    let (rules, arrived) = (count(version.rules, "rule"), moment(version.arrived, zone));
    format!("{}: {rules}, {arrived}, SHA-256 {sum}", version.number)
}

fn day(at: i64, zone: &TimeZone) -> String {
    shown(at, zone, "%Y-%m-%d")
}

fn moment(at: i64, zone: &TimeZone) -> String {
    shown(at, zone, "%Y-%m-%d %H:%M")
}

fn shown(at: i64, zone: &TimeZone, form: &str) -> String {
    let Ok(at) = Timestamp::from_second(at) else { return "?".into() };
    at.to_zoned(zone.clone()).strftime(form).to_string()
}

/// Where lists are known from when there is nobody to ask.
const OFFLINE: &str = "As the configuration and the state on disk have it: the daemon could not be \
                       asked.";

/// Columns of the table.
const SIDES: [Side; 7] =
    [Side::Left, Side::Left, Side::Left, Side::Left, Side::Right, Side::Right, Side::Left];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::escape::HOSTILE;
    use crate::cli::page::tests::{assert_harmless, printed};
    use crate::core::list::Fault;
    use crate::request::ListSummary;

    fn acme() -> ListLine {
        ListLine {
            name: "Acme".into(),
            format: "adblock".into(),
            rules: 57_781,
            ignored: 12,
            changed: Some(1_795_000_000),
            mode: Mode::Watch,
            more: Some(Box::new(ListMore {
                id: "acme".into(),
                place: "https://lists.example/acme.txt".into(),
                summary: ListSummary {
                    kept: 57_781,
                    ignored: 12,
                    reasons: [(Fault::Cosmetic, 12)].into(),
                    ..ListSummary::default()
                },
                checked: Some(1_795_000_000),
                next: Some(1_795_086_400),
                versions: vec![ListVersion {
                    number: 4,
                    arrived: 1_795_000_000,
                    sha256: "0123456789abcdef".into(),
                    rules: 57_781,
                    bytes: 1_234_567,
                }],
                quarantined: Some("it has 3 of 57,781 rules".into()),
                ..ListMore::default()
            })),
        }
    }

    fn pack() -> ListLine {
        ListLine {
            name: "oneplus".into(),
            format: "pack".into(),
            rules: 20,
            ignored: 0,
            changed: None,
            mode: Mode::Enforce,
            more: None,
        }
    }

    #[test]
    fn lists_stand_in_a_table_and_packs_in_a_line() {
        assert_eq!(printed(|page| table(&[pack(), acme()], page)), TABLE);
    }

    const TABLE: &str = "  \
  LIST  FORMAT   BARE NAME  MODE    RULES  NOT USED  CHANGED
  Acme  adblock  exact      watch  57,781        12  2026-11-18
The catalogue: 1 pack, 20 rules; `optout vendors`.
Acme: a newer version is held back: it has 3 of 57,781 rules; `optout lists accept acme` takes it
";

    #[test]
    fn one_list_is_shown_whole() {
        let text = printed(|page| one(&acme(), page));
        for part in [
            "Acme: watch\n",
            "https://lists.example/acme.txt",
            "57,781 rules kept, 12 not for DNS",
            "12 not used: it changes how a page looks",
            "4: 57,781 rules, 2026-11-18",
            "SHA-256 0123456789ab\n",
            "Problem      a newer version is held back",
        ] {
            assert!(text.contains(part), "{part:?} is not in:\n{text}");
        }
    }

    #[test]
    fn hostile_lists_are_harmless() {
        let mut hostile = acme();
        hostile.name = HOSTILE.into();
        hostile.format = HOSTILE.into();
        if let Some(more) = &mut hostile.more {
            more.place = HOSTILE.into();
            more.problem = Some(HOSTILE.into());
            more.quarantined = Some(HOSTILE.into());
        }
        assert_harmless(&printed(|page| one(&hostile, page)));
        assert_harmless(&printed(|page| table(&[hostile], page)));
    }
}
