//! What a person sees of the demo.

use std::io::{IsTerminal, Write, stdout};
use std::thread;
use std::time::Duration;

use super::Scene;
use super::phone::{Act, End, PAYLOAD};
use crate::request::Report;

/// Where the demo is shown: a terminal, or nowhere.
pub(super) struct Show {
    visible: bool,
    colour: bool,
    live: bool,
    payload_shown: bool,
}

#[derive(Clone, Copy)]
enum Ink {
    Red,
    Green,
    Dim,
    Bold,
}

impl Show {
    /// Shows on the standard output, or nothing at all.
    pub(super) fn new(visible: bool) -> Self {
        let terminal = stdout().is_terminal();
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
        Self { visible, colour, live: visible && terminal, payload_shown: false }
    }

    /// The picture of the home.
    pub(super) fn picture(&self) {
        self.line("");
        self.line(&format!("  {}", self.paint(Ink::Bold, "A home in private namespaces.")));
        self.line("  Nothing of this machine is touched, nothing leaves it.");
        self.line("");
        for line in PICTURE.lines() {
            self.line(&self.paint(Ink::Dim, line));
        }
    }

    /// The beginning of a scene.
    pub(super) fn scene(&self, title: &str) {
        self.line("");
        self.line(&format!("  {}", self.paint(Ink::Bold, title)));
        self.line("");
    }

    /// An act and its end.
    pub(super) fn act(&mut self, act: Act, end: &End) {
        self.pause(if act.posts { 450 } else { 200 });
        let url = format!("{}://{}{}", act.scheme, act.host, act.path);
        let (word, ink, detail) = match end {
            End::Done { sent: 0 } => ("loaded", Ink::Dim, String::new()),
            End::Done { sent } => ("SENT", Ink::Red, format!("{sent} bytes left the phone")),
            End::Refused { address, after } => {
                let millis = after.as_secs_f64() * 1000.0;
                ("blocked", Ink::Green, format!("refused at {address} in {millis:.1} ms"))
            }
            End::Failed(why) => ("FAILED", Ink::Red, why.clone()),
        };
        let word = self.paint(ink, &format!("{word:<8}"));
        self.line(&format!("    {:<16} {url:<46} {word} {detail}", act.app));
        if act.own_resolver {
            let note = "(asked 203.0.113.88, a resolver of its own choice)";
            self.line(&format!("    {:<16} {}", "", self.paint(Ink::Dim, note)));
        }
        if matches!(end, End::Done { sent: 1.. }) && !self.payload_shown {
            self.payload_shown = true;
            self.payload();
        }
    }

    fn payload(&self) {
        let mut rest = PAYLOAD;
        while !rest.is_empty() {
            let (line, more) = rest.split_at(rest.len().min(84));
            self.line(&self.paint(Ink::Red, &format!("      │ {line}")));
            rest = more;
            self.pause(60);
        }
    }

    /// The two scenes side by side, and what optout recorded.
    pub(super) fn end(&self, off: &Scene, on: &Scene, report: &Report) {
        self.scene("What the vendors' servers received");
        let most = off.payload.max(on.payload).max(1);
        for (title, scene) in [("without optout", off), ("with optout", on)] {
            let bar = "█".repeat(scene.payload * 40 / most);
            let bar = self.paint(Ink::Red, &format!("{bar:<40}"));
            let (bytes, count) = (scene.payload, scene.posts_arrived);
            self.line(&format!("    {title:<16} {bar} {bytes} bytes in {count} posts"));
        }
        self.scene("What optout recorded");
        for host in &report.hosts {
            let outcome = self.paint(Ink::Green, host.outcome.as_str());
            let asked = format!("asked {}×, tried to connect {}×", host.queries, host.connections);
            self.line(&format!("    {outcome} {:<30} {asked}", host.host));
            if let Some(rule) = &host.rule {
                let rule = format!("rule {}, {} line {}", rule.text, rule.list, rule.line);
                self.line(&format!("            {}", self.paint(Ink::Dim, &rule)));
            }
        }
        self.line("");
        self.line(&format!(
            "    Ordinary requests that failed: {} without optout, {} with it.",
            off.failed_ordinary, on.failed_ordinary
        ));
        self.line("");
    }

    fn pause(&self, millis: u64) {
        if self.live {
            thread::sleep(Duration::from_millis(millis));
        }
    }

    fn line(&self, text: &str) {
        if self.visible {
            let mut out = stdout().lock();
            // A closed pipe must not stop the demo half way with a panic.
            let _ = writeln!(out, "{text}");
            let _ = out.flush();
        }
    }

    fn paint(&self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Red => 31,
            Ink::Green => 32,
            Ink::Dim => 2,
            Ink::Bold => 1,
        };
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.into() }
    }
}

const PICTURE: &str = "
    ┌────────────┐      ┌──────────────────┐      ┌──────────────────────────┐
    │ phone      │      │ router           │      │ Internet                 │
    │ 192.0.2.10 ├──────┤ optout runs here ├──────┤ news.example, …          │
    └────────────┘      └──────────────────┘      │ open.oneplus.net, …      │
                                                  └──────────────────────────┘";
