//! What phone and servers saw, beside what optout reports.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use serde::Serialize;

use super::internet;
use super::phone::Deed;
use crate::core::event::Outcome;
use crate::request::Report;

/// What was seen in a scene, by host.
#[derive(Debug, Default, Serialize)]
pub(super) struct Evidence {
    hosts: BTreeMap<String, Seen>,
}

/// What was seen of a host.
#[derive(Debug, Default, Serialize)]
struct Seen {
    /// Questions that the phone sent.
    questions: u64,
    /// Connections that it tried to open.
    connections: u64,
    /// Questions that arrived at a resolver.
    questions_arrived: u64,
    /// Requests that arrived at a web server.
    requests_arrived: u64,
}

/// Everything, for `--evidence`.
#[derive(Serialize)]
pub(super) struct All<'a> {
    /// What phone and servers saw while optout ran.
    #[serde(flatten)]
    pub(super) scene: &'a Evidence,
    /// What optout says about it.
    pub(super) report: &'a Report,
}

impl Evidence {
    /// Notes what the phone did.
    pub(super) fn phone(&mut self, deed: &Deed) {
        let seen = self.hosts.entry(deed.act.host.into()).or_default();
        seen.questions += deed.questions;
        seen.connections += deed.connections;
    }

    /// Notes what arrived.
    pub(super) fn servers(&mut self, page: &internet::Page) {
        for host in &page.questions {
            self.hosts.entry(host.clone()).or_default().questions_arrived += 1;
        }
        for arrival in &page.arrivals {
            self.hosts.entry(arrival.host.clone()).or_default().requests_arrived += 1;
        }
    }

    /// Whether the report is right: what never arrived was blocked, question by
    /// question and connection by connection, and what arrived was passed.
    ///
    /// # Errors
    ///
    /// With the first number that differs.
    pub(super) fn compare(&self, report: &Report) -> Result<()> {
        let (mut blocked, mut passed) = (0, 0);
        for (host, seen) in &self.hosts {
            let line = report
                .hosts
                .iter()
                .find(|line| line.host.as_str() == host && line.outcome == Outcome::Blocked);
            let reported = line.map_or((0, 0), |line| (line.queries, line.connections));
            let happened = if seen.requests_arrived > 0 {
                passed += seen.questions;
                (0, 0)
            } else {
                blocked += seen.questions + seen.connections;
                (seen.questions, seen.connections)
            };
            ensure!(
                reported == happened,
                "of {host} optout reports {reported:?} blocked questions and connections, \
                 {happened:?} came to nothing"
            );
        }
        let reported = (report.blocked, report.passed);
        ensure!(
            reported == (blocked, passed),
            "optout reports {reported:?} blocked and passed, {:?} happened",
            (blocked, passed)
        );
        Ok(())
    }
}

/// From when on the daemon of the demo may have seen something: seconds since 1970 (UTC).
pub(super) fn since() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX).saturating_sub(LONGEST)
}

const LONGEST: i64 = 60; // seconds; the demo takes less
