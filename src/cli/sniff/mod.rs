//! `optout sniff`

mod show;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant as Clock};

use anyhow::{Context, anyhow};

use crate::cli::page::{Page, count, number};
use crate::cli::{Wrong, escape, offline};
use crate::core::capture::{Inside, Record, open, unread};
use crate::core::replay::Replay;
use crate::core::time::Instant;
use crate::shell::capture_file::{self, End};
use crate::shell::clock;

/// Say what optout would have seen of a recorded network
///
/// Reads a capture (pcap or pcapng; `-` is standard input) and shows every flow:
/// who talks to whom, the protocol, the host that the client named or why there
/// is none, and the verdict. Names come from TLS, HTTP, QUIC and DNS, by the code
/// that looks into live flows; the verdict by the built-in catalogue, the
/// configuration, the lists and your own rules as they are now. The daemon is
/// not asked.
///
/// Checksums of TCP and UDP are not compared: what a host records of itself
/// often has none. A file that was cut is read as far as it goes, and that is
/// said. At most 200,000 flows are told apart; packets of others are counted.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[command(after_help = EXAMPLES)]
pub(super) struct Sniff {
    /// The capture, or - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The configuration to judge by, if not the usual one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON object a line, for each flow (docs/control.md describes it)
    #[arg(long)]
    json: bool,
}

impl Sniff {
    pub(super) fn run(&self, page: &mut Page<'_>) -> anyhow::Result<()> {
        let (policy, missing) = offline::policy(self.config.as_deref())?;
        let taken = self.take()?;
        let counters = taken.replay.counters();
        let flows = taken.replay.finish(&policy, clock::now());
        if self.json {
            show::objects(&flows, &policy, page)?;
        } else {
            show::table(&flows, &policy, &counters, page)?;
        }
        page.flush()?; // what is said about the whole comes last
        let name = self.name();
        for line in missing.into_iter().chain(taken.notes).chain(show::notes(&counters)) {
            note(&name, &line);
        }
        match taken.end {
            End::Whole => Ok(()),
            End::Cut => {
                note(&name, "it was cut: it ends in the middle of a packet or block");
                Ok(())
            }
            End::Broken(broken) => Err(anyhow!("{name} cannot be read on: {broken}")),
            End::Failed(error) => Err(error).with_context(|| format!("cannot read {name}")),
        }
    }

    /// Reads the file. It is an error if there is nothing to show.
    fn take(&self) -> anyhow::Result<Taken> {
        let name = self.name();
        let mut file: Box<dyn Read> = if self.is_standard_input() {
            Box::new(io::stdin().lock())
        } else {
            let file = File::open(&self.file);
            Box::new(file.map_err(|error| Wrong(format!("cannot open {name}: {error}")))?)
        };
        let taken = Taken::of(&mut *file, &mut Progress::new());
        if taken.packets > 0 {
            return Ok(taken);
        }
        match taken.end {
            End::Broken(broken) => Err(anyhow!("{name} cannot be read: {broken}")),
            End::Failed(error) => Err(error).with_context(|| format!("cannot read {name}")),
            _ => match taken.notes.first() {
                Some(note) => Err(anyhow!("nothing in {name} can be read: {note}")),
                None => Ok(taken),
            },
        }
    }

    fn name(&self) -> String {
        if self.is_standard_input() {
            return "standard input".into();
        }
        self.file.display().to_string()
    }

    fn is_standard_input(&self) -> bool {
        self.file == Path::new("-")
    }
}

/// What came of reading a file.
struct Taken {
    replay: Replay,
    /// IP packets.
    packets: u64,
    end: End,
    /// What people should know of it.
    notes: Vec<String>,
}

impl Taken {
    fn of(file: &mut dyn Read, progress: &mut Progress) -> Self {
        let mut replay = Replay::default();
        let (mut packets, mut short) = (0, 0);
        let mut unknown = BTreeMap::<u16, u64>::new();
        let mut last = Instant::ZERO;
        let end = capture_file::read(file, |record: &Record<'_>, read| {
            progress.tell(read, packets);
            last = record.at.unwrap_or(last);
            if unread(record.link).is_some() {
                *unknown.entry(record.link).or_default() += 1;
                return;
            }
            match open(record.link, record.bytes) {
                Inside::Ip(packet) => {
                    packets += 1;
                    let cut = usize::try_from(record.len).unwrap_or(usize::MAX);
                    let cut = cut.saturating_sub(record.bytes.len());
                    replay.handle_packet(last, packet, packet.len().saturating_add(cut));
                }
                Inside::Short => short += 1,
                Inside::Other => {}
            }
        });
        progress.end();
        let mut notes: Vec<_> = unknown
            .iter()
            .map(|(link, frames)| {
                let why = unread(*link).unwrap_or_default();
                format!("{} of link type {link} are not read: {why}", count(*frames, "frame"))
            })
            .collect();
        if short > 0 {
            notes.push(format!("{} too short to carry anything", count(short, "frame")));
        }
        Self { replay, packets, end, notes }
    }
}

/// A line on standard error that changes, for a person who waits.
struct Progress {
    shows: bool,
    next: Clock,
    calls: u32,
    shown: bool,
}

impl Progress {
    fn new() -> Self {
        let (shows, next) = (io::stderr().is_terminal(), Clock::now() + EVERY);
        Self { shows, next, calls: 0, shown: false }
    }

    fn tell(&mut self, read: u64, packets: u64) {
        self.calls = self.calls.wrapping_add(1);
        if !self.shows || !self.calls.is_multiple_of(CALLS) || Clock::now() < self.next {
            return;
        }
        self.next = Clock::now() + EVERY;
        self.shown = true;
        let (read, packets) = (number(read >> 20), number(packets));
        let _ = write!(io::stderr(), "\r{read} MiB, {packets} packets "); // only for show
    }

    fn end(&mut self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r{:40}\r", ""); // only for show
        }
    }
}

/// One line on standard error about the file. That it cannot be said is no reason to fail.
fn note(name: &str, line: &str) {
    let _ = writeln!(io::stderr(), "optout: {}", escape::terminal(&format!("{name}: {line}")));
}

const EXAMPLES: &str = "\
Examples:
  optout sniff phone.pcapng
  optout sniff --json phone.pcapng
  sudo tcpdump -i eth0 -c 10000 -w - | optout sniff -";

/// How often the progress is told.
const EVERY: Duration = Duration::from_secs(1);

/// The clock is looked at once in so many packets.
const CALLS: u32 = 4096;

#[cfg(test)]
mod tests;
