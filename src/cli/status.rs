//! `optout status`

use std::io;

use crate::cli::page::{Ink, Page, Side, Span, count, ink, number, plain};
use crate::cli::{flows, time};
use crate::core::verdict::Mode;
use crate::request::{Counters, ListLine, Request, Response, Status, UpstreamLine};
use crate::shell::control::client::Daemon;

/// Show how things are
///
/// On or off, what is done with blocked names, where passed questions go, which
/// lists are in use and how old they are, counters since the start, and
/// problems with their remedies, if there are any.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Show {
    /// Print one JSON object (docs/control.md describes it)
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) fn run(&self, daemon: &mut dyn Daemon, page: &mut Page<'_>) -> anyhow::Result<()> {
        let Response::Status(status) = daemon.ask(&Request::Status)? else {
            return Err(super::unexpected().into());
        };
        if self.json {
            page.json(&status)?;
        } else {
            show(&status, page)?;
        }
        Ok(())
    }
}

fn show(status: &Status, page: &mut Page<'_>) -> io::Result<()> {
    page.line(&headline(status, page))?;
    if !status.problems.is_empty() {
        page.heading(&count(status.problems.len() as u64, "problem"))?;
        for problem in &status.problems {
            page.line(&[ink("  ! ", Ink::Red), plain(problem)])?;
        }
    }
    page.heading("Now")?;
    page.field("Capture", format_args!("{} by {}", status.capture, status.device))?;
    page.field("If it dies", fail_policy(&status.fail_policy))?;
    page.field("Answers", format_args!("blocked names with {}", status.block_answer))?;
    let up = page.look.now.as_second().saturating_sub(status.started);
    let up = time::show_duration(u64::try_from(up).unwrap_or(0));
    page.field("Running", format_args!("for {up}, version {}", status.version))?;
    show_counters(&status.counters, page)?;
    flows::show(&status.flows, page)?;
    show_upstreams(&status.upstreams, page)?;
    show_lists(&status.lists, page)
}

fn headline(status: &Status, page: &Page<'_>) -> Vec<Span> {
    let state = match (status.state.as_str(), status.mode) {
        ("on", Mode::Enforce) => ink("optout is on", Ink::Green),
        ("on", Mode::Watch) => {
            ink("optout is on and only watches: nothing is stopped", Ink::Yellow)
        }
        ("on", Mode::Off) => {
            ink("optout is on, but its mode is off: lists have no say", Ink::Yellow)
        }
        ("off", _) => ink("optout is off: nothing is stopped or recorded", Ink::Red),
        (state, _) => ink(format_args!("optout is {state}"), Ink::Yellow),
    };
    let until = status
        .paused_until
        .map(|until| plain(format_args!(" until {}", time::show_second(until, &page.look.zone))));
    [Some(state), until].into_iter().flatten().collect()
}

fn fail_policy(policy: &str) -> String {
    match policy {
        "open" => "traffic goes on without it (open)".into(),
        "closed" => "questions go nowhere (closed)".into(),
        other => other.into(),
    }
}

fn show_counters(counters: &Counters, page: &mut Page<'_>) -> io::Result<()> {
    page.heading("Since the start")?;
    let share = |part: u64| {
        // Shown with one decimal; a counter that needs more than 52 bits is far off.
        #[expect(clippy::cast_precision_loss, reason = "a percentage for people")]
        let share = part as f64 * 100.0 / counters.queries.max(1) as f64;
        format!("{share:.1} %")
    };
    let row = |name: &str, n: u64, color: Ink, note: String| {
        vec![plain(name), ink(number(n), color), ink(note, Ink::Faint)]
    };
    let mut rows = vec![
        row("questions", counters.queries, Ink::Plain, String::new()),
        row("blocked", counters.blocked, Ink::Red, share(counters.blocked)),
        row("watched", counters.watched, Ink::Yellow, share(counters.watched)),
        row("passed", counters.passed, Ink::Plain, share(counters.passed)),
        row("connections", counters.connections, Ink::Red, "to blocked hosts, refused".into()),
    ];
    for (name, n, note) in [
        ("unanswered", counters.unanswered, "no upstream answered"),
        ("malformed", counters.malformed, "packets and messages that made no sense"),
        ("events lost", counters.events_lost, "could not be stored"),
    ] {
        if n > 0 {
            rows.push(row(name, n, Ink::Yellow, note.into()));
        }
    }
    page.table(&[Side::Left, Side::Right, Side::Left], &rows)
}

fn show_upstreams(upstreams: &[UpstreamLine], page: &mut Page<'_>) -> io::Result<()> {
    page.heading("Passed questions go to")?;
    let rows: Vec<_> = upstreams
        .iter()
        .map(|upstream| {
            let state = if upstream.answering {
                ink("answers", Ink::Green)
            } else {
                ink("does not answer", Ink::Red)
            };
            vec![plain(&upstream.address), state, ink(&upstream.source, Ink::Faint)]
        })
        .collect();
    if rows.is_empty() {
        return page.line(&[ink("  nowhere: no upstream is known", Ink::Red)]);
    }
    page.table(&[Side::Left; 3], &rows)
}

fn show_lists(lists: &[ListLine], page: &mut Page<'_>) -> io::Result<()> {
    page.heading("Lists")?;
    let now = page.look.now.as_second();
    // There are dozens of packs; only one in another mode than usual is worth a line.
    let is_usual = |list: &&ListLine| list.format == "pack" && list.mode == Mode::Enforce;
    let (packs, others): (Vec<_>, Vec<_>) = lists.iter().partition(is_usual);
    let catalogue = ListLine {
        name: "the catalogue".into(),
        format: count(packs.len() as u64, "pack"),
        rules: packs.iter().map(|pack| pack.rules).sum(),
        ignored: 0,
        changed: None,
        mode: Mode::Enforce,
        more: None,
    };
    let catalogue = (!packs.is_empty()).then_some(&catalogue);
    let rows: Vec<_> = catalogue.into_iter().chain(others).map(|l| list_row(l, now)).collect();
    if rows.is_empty() {
        return page.line(&[ink("  none: nothing can be blocked", Ink::Red)]);
    }
    page.table(&SIDES, &rows)
}

fn list_row(list: &ListLine, now: i64) -> Vec<Span> {
    let age = match list.changed {
        None if list.more.is_some() => "not read".into(),
        None => "built in".into(),
        Some(changed) => {
            let seconds = u64::try_from(now.saturating_sub(changed)).unwrap_or(0);
            format!("{} old", time::show_duration(seconds))
        }
    };
    let mode = match list.mode {
        Mode::Enforce => plain(""),
        mode => ink(mode, Ink::Yellow),
    };
    let ignored = match list.ignored {
        0 => plain(""),
        n => ink(format_args!("{} not used", count(n, "line")), Ink::Faint),
    };
    vec![
        plain(&list.name),
        ink(&list.format, Ink::Faint),
        plain(count(list.rules, "rule")),
        ink(age, Ink::Faint),
        mode,
        ignored,
    ]
}

/// Columns of the lists.
const SIDES: [Side; 6] = [Side::Left, Side::Left, Side::Right, Side::Left, Side::Left, Side::Left];

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::cli::escape::HOSTILE;
    use crate::cli::page::tests::{assert_harmless, printed};
    use crate::request::FlowsLine;

    pub(in crate::cli) fn status() -> Status {
        Status {
            version: "0.1.0".into(),
            state: "on".into(),
            paused_until: None,
            capture: "selective".into(),
            fail_policy: "open".into(),
            mode: Mode::Enforce,
            block_answer: "sinkhole".into(),
            device: "optout0".into(),
            started: 1_795_337_100, // 2026-11-22 08:45 UTC
            upstreams: vec![UpstreamLine {
                address: "192.0.2.53:53".into(),
                source: "/etc/resolv.conf".into(),
                answering: true,
            }],
            lists: vec![
                ListLine {
                    name: "oneplus".into(),
                    format: "pack".into(),
                    rules: 120,
                    ignored: 0,
                    changed: None,
                    mode: Mode::Enforce,
                    more: None,
                },
                ListLine {
                    name: "/etc/optout/hosts".into(),
                    format: "hosts".into(),
                    rules: 1,
                    ignored: 2,
                    changed: Some(1_795_000_000),
                    mode: Mode::Watch,
                    more: None,
                },
            ],
            counters: Counters {
                queries: 1234,
                blocked: 12,
                watched: 3,
                passed: 1219,
                connections: 7,
                ..Counters::default()
            },
            flows: FlowsLine::default(),
            problems: Vec::new(),
        }
    }

    #[test]
    fn a_good_state_reads_so() {
        let text = printed(|page| show(&status(), page));
        assert_eq!(text, GOOD);
    }

    const GOOD: &str = "\
optout is on

Now
  Capture      selective by optout0
  If it dies   traffic goes on without it (open)
  Answers      blocked names with sinkhole
  Running      for 3 h 15 min, version 0.1.0

Since the start
  questions    1,234
  blocked         12  1.0 %
  watched          3  0.2 %
  passed       1,219  98.8 %
  connections      7  to blocked hosts, refused

Passed questions go to
  192.0.2.53:53  answers  /etc/resolv.conf

Lists
  the catalogue      1 pack  120 rules  built in
  /etc/optout/hosts  hosts      1 rule  4 d old   watch  2 lines not used
";

    #[test]
    fn problems_stand_out() {
        let mut status = status();
        status.state = "paused".into();
        status.paused_until = Some(1_795_349_700);
        status.problems = vec!["the disk is full; free some space".into()];
        status.upstreams.clear();
        status.lists.clear();
        let text = printed(|page| show(&status, page));
        assert!(text.starts_with("optout is paused until 2026-11-22 14:15:00\n\n1 problem\n"));
        assert!(text.contains("  ! the disk is full; free some space\n"));
        assert!(text.contains("nowhere: no upstream is known"));
        assert!(text.contains("none: nothing can be blocked"));
    }

    #[test]
    fn a_hostile_status_is_harmless() {
        let mut status = status();
        for text in [
            &mut status.state,
            &mut status.capture,
            &mut status.device,
            &mut status.fail_policy,
            &mut status.upstreams[0].source,
            &mut status.lists[0].name,
        ] {
            *text = HOSTILE.into();
        }
        status.problems = vec![HOSTILE.into()];
        assert_harmless(&printed(|page| show(&status, page)));
        assert_harmless(&printed(|page| page.json(&status)));
    }
}
