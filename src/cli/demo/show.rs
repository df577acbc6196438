//! What a person sees of the demo.

use std::io;
use std::thread;
use std::time::Duration;

use super::Scene;
use super::phone::{Act, Deed, End, PAYLOAD, Way};
use crate::cli::page::{Ink, Page, Side, Span, count, ink, number, plain};
use crate::cli::report;
use crate::request::Report;

/// Where the demo is shown: on a page, or nowhere.
pub(super) struct Show<'p, 'w> {
    page: Option<&'p mut Page<'w>>,
    /// Whether somebody watches: then it takes its time.
    live: bool,
    told: Told,
}

/// What is told once.
#[derive(Default)]
struct Told {
    payload: bool,
    sinkhole: bool,
}

impl<'p, 'w> Show<'p, 'w> {
    /// Shows on this page, or nothing at all.
    pub(super) fn new(page: Option<&'p mut Page<'w>>, live: bool) -> Self {
        Self { live: live && page.is_some(), page, told: Told::default() }
    }

    /// The picture of the home.
    pub(super) fn picture(&mut self) -> io::Result<()> {
        let Some(page) = &mut self.page else { return Ok(()) };
        page.heading("A home in private namespaces")?;
        page.say("Nothing of this machine's network is touched, nothing leaves it.")?;
        for line in PICTURE.lines() {
            let line = if page.look.unicode { line.into() } else { ascii(line) };
            page.line(&[ink(line, Ink::Faint)])?;
        }
        page.flush()
    }

    /// The beginning of a scene.
    pub(super) fn scene(&mut self, title: &str) -> io::Result<()> {
        self.pause(PAUSE_BEFORE_SCENE);
        let Some(page) = &mut self.page else { return Ok(()) };
        page.heading(title)?;
        page.flush()
    }

    /// An act and what came of it.
    pub(super) fn deed(&mut self, deed: &Deed) -> io::Result<()> {
        self.pause(if deed.act.posts { PAUSE_AFTER_POST } else { PAUSE_AFTER_PAGE });
        let Some(page) = &mut self.page else { return Ok(()) };
        page.line(&line(deed))?;
        if let Some(note) = note(deed.act) {
            aside(page, note)?;
        }
        if let End::Refused { address, .. } = deed.end
            && !std::mem::replace(&mut self.told.sinkhole, true)
        {
            aside(page, &format!("the name led to {address}; optout refuses it"))?;
        }
        page.flush()?;
        if matches!(deed.end, End::Done { sent: 1.. })
            && !std::mem::replace(&mut self.told.payload, true)
        {
            self.payload()?;
        }
        Ok(())
    }

    /// The first lines of what left the phone.
    fn payload(&mut self) -> io::Result<()> {
        for part in shown(PAYLOAD) {
            self.pause(PAUSE_IN_PAYLOAD);
            let Some(page) = &mut self.page else { return Ok(()) };
            let bar = if page.look.unicode { "│" } else { "|" };
            page.line(&[ink(format_args!("      {bar} {part}"), Ink::Yellow)])?;
            page.flush()?;
        }
        Ok(())
    }

    /// The two scenes side by side, what optout recorded, and what to do next.
    pub(super) fn end(&mut self, off: &Scene, on: &Scene, report: &Report) -> io::Result<()> {
        self.pause(PAUSE_BEFORE_SCENE);
        let Some(page) = &mut self.page else { return Ok(()) };
        page.heading("What the vendors' servers received")?;
        let most = off.payload.max(on.payload).max(1);
        let bar = if page.look.unicode { "█" } else { "#" };
        let rows = [("without optout", off), ("with optout", on)].map(|(title, scene)| {
            let bytes = u64::try_from(scene.payload).unwrap_or(u64::MAX);
            vec![
                plain(title),
                ink(bar.repeat(scene.payload * LONGEST_BAR / most), Ink::Yellow),
                plain(number(bytes)),
                plain(format_args!("bytes in {}", count(scene.posts_arrived, "post"))),
            ]
        });
        page.table(&[Side::Left, Side::Left, Side::Right, Side::Left], &rows)?;
        page.say("")?;
        page.say(format_args!(
            "Ordinary requests that failed: {} without optout, {} with it.",
            off.failed_ordinary, on.failed_ordinary
        ))?;
        page.flush()?;
        self.pause(PAUSE_BEFORE_SCENE);
        let Some(page) = &mut self.page else { return Ok(()) };
        page.heading("What `optout report` says on that router")?;
        page.say("")?;
        report::show(report, page)?;
        page.heading("And now")?;
        let rows = NEXT.map(|(command, what)| vec![ink(command, Ink::Strong), plain(what)]);
        page.table(&[Side::Left, Side::Left], &rows)?;
        page.flush()
    }

    fn pause(&self, time: Duration) {
        if self.live {
            thread::sleep(time);
        }
    }
}

/// Who, what came of it, to whom. The address comes last: it has no fixed length.
fn line(Deed { act, end, .. }: &Deed) -> [Span; 4] {
    let (word, color, detail) = match end {
        End::Done { sent: 0 } => ("loaded", Ink::Plain, String::new()),
        End::Done { sent } => ("SENT", Ink::Yellow, format!("{sent} bytes")),
        End::Refused { after, .. } => {
            ("blocked", Ink::Red, format!("in {:.1} ms", after.as_secs_f64() * 1000.0))
        }
        End::Failed(why) => ("FAILED", Ink::Red, why.clone()),
    };
    let url = format!("{}{}", act.host, act.path);
    let scheme = format!("{:<7}", act.scheme);
    let pad = if detail.is_empty() { String::new() } else { blanks(LONGEST_URL, &url) };
    [
        plain(format_args!("  {:<APP$}", act.app)),
        ink(format_args!("{word:<9}"), color),
        plain(format_args!("{scheme}{url}{pad}")),
        ink(detail, Ink::Faint),
    ]
}

fn blanks(width: usize, after: &str) -> String {
    " ".repeat(width.saturating_sub(after.len()) + 2)
}

/// What is special about it.
fn note(act: Act) -> Option<&'static str> {
    match act.by {
        Way::Usual => None,
        Way::OwnResolver => Some("asked 203.0.113.88, a resolver of its own choice"),
        Way::V6 => Some("all over IPv6"),
    }
}

fn aside(page: &mut Page<'_>, text: &str) -> io::Result<()> {
    page.line(&[ink(format_args!("  {:APP$}{text}", ""), Ink::Faint)])
}

/// The beginning of a payload in a few lines, broken after commas.
fn shown(payload: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for part in payload.split_inclusive(',') {
        let Some(line) = lines.last_mut() else { break };
        if !line.is_empty() && line.len() + part.len() > PAYLOAD_WIDTH {
            if lines.len() == PAYLOAD_LINES {
                lines.push("...".into());
                break;
            }
            lines.push(part.into());
        } else {
            line.push_str(part);
        }
    }
    lines
}

fn ascii(line: &str) -> String {
    let plain = |c| match c {
        '─' => '-',
        '│' => '|',
        '…' => '.',
        c if c.is_ascii() => c,
        _ => '+',
    };
    line.chars().map(plain).collect()
}

const PICTURE: &str = "
    ┌────────────┐      ┌──────────────────┐      ┌──────────────────────────┐
    │ phone      │      │ router           │      │ Internet                 │
    │ 192.0.2.10 ├──────┤ optout runs here ├──────┤ news.example, …          │
    └────────────┘      └──────────────────┘      │ open.oneplus.net, …      │
                                                  └──────────────────────────┘";

const NEXT: [(&str, &str); 3] = [
    ("sudo optout run", "protect this machine"),
    ("optout explain open.oneplus.net", "why it is blocked, and what it collects"),
    ("optout doctor", "what may be in the way here"),
];

const APP: usize = 17; // columns of the longest app name, and a gap
const LONGEST_URL: usize = 32; // columns, without scheme, of what is posted to
const LONGEST_BAR: usize = 30; // columns
const PAYLOAD_WIDTH: usize = 70; // columns
const PAYLOAD_LINES: usize = 3;

const PAUSE_BEFORE_SCENE: Duration = Duration::from_millis(900);
const PAUSE_AFTER_POST: Duration = Duration::from_millis(600);
const PAUSE_AFTER_PAGE: Duration = Duration::from_millis(300);
const PAUSE_IN_PAYLOAD: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::phone::ACTS;
    use crate::cli::page::tests::printed;

    #[test]
    fn every_line_fits_into_eighty_columns() {
        let ends = [
            End::Done { sent: 0 },
            End::Done { sent: PAYLOAD.len() },
            End::Refused {
                address: "fd6f:7074:6f75:7400::100".parse().unwrap(),
                after: Duration::from_micros(99_900),
            },
        ];
        let text = printed(|page| {
            let mut show = Show::new(Some(page), false);
            show.picture()?;
            for &act in ACTS {
                let sent = |end: &&End| matches!(end, End::Done { sent: 0 }) != act.posts;
                for end in ends.iter().filter(sent) {
                    let end = end.clone();
                    show.deed(&Deed { act, end, questions: 1, connections: 1 })?;
                }
            }
            show.end(&Scene::default(), &Scene::default(), &Report::default())
        });
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        assert!(text.contains("490154203237518"), "the payload is shown: {text}");
    }

    #[test]
    fn a_terminal_of_ascii_gets_ascii() {
        assert!(PICTURE.lines().all(|line| ascii(line).is_ascii()));
        assert_eq!(ascii("┌─┐│a"), "+-+|a");
    }
}
