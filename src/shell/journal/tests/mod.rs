//! Tests of the journal as a whole, on real files.

mod carrying_on;
mod keeping;
mod reading;
mod reporting;
mod trouble;

use std::net::IpAddr;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::batch::DAY_MS;
use super::*;
use crate::core::event::Kind;
use crate::core::flow::{Client, Owner, Protocol};
use crate::core::host::HostName;
use crate::core::verdict::{RuleText, Via};
use crate::request::{LogLine, LogQuery};

/// 2026-03-01 12:00 UTC.
const NOON: i64 = 20_513 * DAY_MS + DAY_MS / 2;

/// A directory of its own that goes with the test.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        // In memory where it can be: the tests are about files, not about disks.
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.into() } else { std::env::temp_dir() };
        Self(base.join(format!("optout-journal-{}-{n}", std::process::id())))
    }

    fn file(&self) -> PathBuf {
        self.0.join(FILE)
    }

    /// A journal that must open without a problem.
    #[track_caller]
    fn journal(&self, settings: Settings) -> Journal {
        let (journal, problem) = Journal::open(&self.0, settings);
        assert_eq!(problem, None);
        journal
    }

    /// For looking and meddling from outside.
    fn sql(&self) -> Connection {
        Connection::open(self.file()).unwrap()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) fn device(address: &str) -> Client {
    Client::Device(address.parse().unwrap())
}

pub(super) fn query(host: &str, qtype: u16, outcome: Outcome) -> Event {
    Event {
        kind: Kind::Query { qtype },
        outcome,
        host: Some(host.parse().unwrap()),
        client: device("192.0.2.7"),
        evidence: None,
        learnt: None,
        unnamed: None,
        ech: false,
    }
}

pub(super) fn connection(host: &str, outcome: Outcome) -> Event {
    let address = "198.18.1.1".parse().unwrap();
    let kind = Kind::Connection { protocol: Protocol::Tcp, port: 443, address };
    Event { kind, ..query(host, 1, outcome) }
}

pub(super) fn with_rule(event: Event, text: &str, vendor: &str) -> Event {
    let vendor = Some(vendor.into());
    let rule = RuleText { list: "pack".into(), line: 17, text: text.into(), vendor };
    Event { evidence: Some((Arc::new(rule), Via::Name)), ..event }
}

fn record(journal: &mut Journal, ms: i64, event: &Event) {
    journal.record(ms, event, None, || client_line(&event.client));
}

fn read_all(journal: &mut Journal) -> Vec<LogLine> {
    read(&mut journal.reader(), &LogQuery::default())
}

fn read(reader: &mut Reader, query: &LogQuery) -> Vec<LogLine> {
    let mut lines = Vec::new();
    reader
        .log(query, |line| {
            lines.push(line);
            ControlFlow::Continue(())
        })
        .unwrap();
    lines
}

fn hosts(lines: &[LogLine]) -> Vec<&str> {
    lines.iter().map(|line| line.host.as_ref().map_or("-", HostName::as_str)).collect()
}
