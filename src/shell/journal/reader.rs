//! Reading the journal, on a thread that may wait.
//!
//! Every request opens a connection of its own, which only reads and is stopped
//! after ten seconds. The database is in WAL mode: the writer does not wait for
//! readers, nor they for it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use rusqlite::types::FromSql;
use rusqlite::{Connection, Result, Row, named_params};
use serde::Deserialize;
use serde::de::IntoDeserializer;

use super::report::{self, Known};
use super::schema::{self, JournalError, PATIENCE};
use super::writer::Shared;
use crate::core::event::{Learnt, Outcome};
use crate::core::flow::Protocol;
use crate::core::host::HostName;
use crate::core::sniff::Cause;
use crate::core::verdict::{RuleText, Via};
use crate::request::{ClientLine, LogLine, LogQuery, Report};

/// The reading end. What was recorded before it was made is in what it reads.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    shared: Arc<Shared>,
    /// Speaks, or hangs up, when all that was recorded is written.
    settled: Option<Receiver<()>>,
    pub(super) patience: Duration,
}

impl Reader {
    pub(super) fn new(path: &Path, shared: Arc<Shared>, settled: Option<Receiver<()>>) -> Self {
        Self { path: path.into(), shared, settled, patience: PATIENCE }
    }

    /// Gives the lines that `query` asks for to `each`, oldest first, until it
    /// has enough. A slow `each` holds up nobody.
    ///
    /// # Errors
    ///
    /// Any [`JournalError`] but [`JournalError::Make`].
    pub fn log(
        &mut self,
        query: &LogQuery,
        mut each: impl FnMut(LogLine) -> ControlFlow<()>,
    ) -> Result<(), JournalError> {
        let filter = Filter::new(query);
        let Some((mut after, upto)) = self.read(|db| filter.range(db, query.last))? else {
            return Ok(());
        };
        // Page by page, each read at once: an open read keeps the -wal file from shrinking.
        while after < upto {
            let page = self.read(|db| filter.page(db, after, upto))?.unwrap_or_default();
            let Some(&(last, _)) = page.last() else { break };
            after = last;
            for line in page.into_iter().filter_map(|(_, line)| line) {
                if each(line).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// What was stopped from `since` to `until`, in seconds since 1970 (UTC). The
    /// report's own `since` is earlier, the begin of that day (UTC), if the
    /// lines of the day are no longer whole.
    ///
    /// # Errors
    ///
    /// Any [`JournalError`] but [`JournalError::Make`].
    pub fn report(
        &mut self,
        since: i64,
        until: i64,
        known: &Known<'_>,
    ) -> Result<Report, JournalError> {
        let report = self.read(|db| report::report(db, since, until, known))?;
        Ok(report.unwrap_or_else(|| Report { since, until, ..Report::default() }))
    }

    /// How often each vendor was stopped, ever.
    ///
    /// # Errors
    ///
    /// Any [`JournalError`] but [`JournalError::Make`].
    pub fn blocked_by_vendor(&mut self) -> Result<HashMap<String, u64>, JournalError> {
        Ok(self.read(report::blocked_by_vendor)?.unwrap_or_default())
    }

    /// Has `ask` read from one state of the database; `None` if there is none.
    pub(super) fn read<T>(
        &mut self,
        ask: impl FnOnce(&Connection) -> Result<T>,
    ) -> Result<Option<T>, JournalError> {
        if let Some(settled) = self.settled.take() {
            let _ = settled.recv_timeout(SETTLE);
        }
        let answer = self.ask(ask);
        if matches!(answer, Err(JournalError::Damaged { .. })) {
            self.shared.suspect_damage();
        }
        answer
    }

    fn ask<T>(
        &self,
        ask: impl FnOnce(&Connection) -> Result<T>,
    ) -> Result<Option<T>, JournalError> {
        let fail = |source| JournalError::new(&self.path, source);
        let Some(mut db) = schema::open_to_read(&self.path)? else { return Ok(None) };
        let end = Instant::now() + self.patience;
        db.progress_handler(STEPS, Some(move || Instant::now() > end)).map_err(fail)?;
        let begin = db.unchecked_transaction().map_err(fail)?;
        ask(&begin).map(Some).map_err(fail)
    }
}

/// Whether `query` asks for this line; for lines that come live. `last` and
/// `follow` are not looked at.
#[must_use]
pub fn matches(query: &LogQuery, line: &LogLine) -> bool {
    let filter = Filter::new(query);
    let name = line.host.as_ref().map(|host| host.as_str().to_owned());
    let name = name.or_else(|| line.connection.map(|(.., address)| address.to_string()));
    let alias = match &line.via {
        Some(Via::Alias(alias)) => alias.as_str(),
        _ => "",
    };
    let client = &line.client;
    let vendor = line.rule.as_ref().and_then(|rule| rule.vendor.as_deref());
    filter.since_ms.is_none_or(|since| line.last_ms >= since)
        && filter.outcome.is_none_or(|outcome| line.outcome.as_str() == outcome)
        && filter
            .name
            .as_deref()
            .is_none_or(|part| name.as_deref().unwrap_or("").contains(part) || alias.contains(part))
        && filter.app.as_deref().is_none_or(|app| {
            client.program.as_deref() == Some(app)
                || filter.uid.is_some() && client.uid == filter.uid
        })
        && filter.client.as_deref().is_none_or(|who| {
            let address = client.address.map(|address| address.to_string());
            [address.as_deref(), client.mac.as_deref(), client.name.as_deref()]
                .into_iter()
                .flatten()
                .any(|text| text.eq_ignore_ascii_case(who))
        })
        && filter.vendor.as_deref().is_none_or(|wanted| vendor == Some(wanted))
}

/// A [`LogQuery`] in the form in which lines are compared with it.
#[derive(Debug)]
struct Filter {
    since_ms: Option<i64>,
    outcome: Option<&'static str>,
    name: Option<String>,
    app: Option<String>,
    uid: Option<u32>,
    client: Option<String>,
    vendor: Option<String>,
}

impl Filter {
    fn new(query: &LogQuery) -> Self {
        let address =
            |text: &String| text.parse::<IpAddr>().map_or(text.clone(), |ip| ip.to_string());
        Self {
            since_ms: query.since.map(|since| since.saturating_mul(1_000)),
            outcome: query.outcome.map(Outcome::as_str),
            name: query.name.as_ref().map(|name| name.to_ascii_lowercase()),
            app: query.app.clone(),
            uid: query.app.as_ref().and_then(|app| app.strip_prefix("uid:")?.parse().ok()),
            client: query.client.as_ref().map(address),
            vendor: query.vendor.clone(),
        }
    }

    /// Between which ids the newest `last` lines are: after the first, up to the second.
    fn range(&self, db: &Connection, last: u64) -> Result<(i64, i64)> {
        let upto: i64 =
            db.query_row("SELECT coalesce(max(id), 0) FROM events", [], |row| row.get(0))?;
        let last = i64::try_from(last).unwrap_or(i64::MAX);
        if last == 0 {
            return Ok((i64::MIN, upto));
        }
        let first: Option<i64> = db.query_row(
            FIRST_OF_NEWEST,
            named_params! {
                ":last": last, ":after": i64::MIN, ":upto": upto,
                ":since": self.since_ms, ":outcome": self.outcome, ":name": self.name,
                ":app": self.app, ":uid": self.uid, ":client": self.client, ":vendor": self.vendor,
            },
            |row| row.get(0),
        )?;
        Ok((first.map_or(upto, |first| first - 1), upto))
    }

    fn page(&self, db: &Connection, after: i64, upto: i64) -> Result<Vec<(i64, Option<LogLine>)>> {
        db.prepare(PAGE)?
            .query_map(
                named_params! {
                    ":last": PAGE_LINES, ":after": after, ":upto": upto,
                    ":since": self.since_ms, ":outcome": self.outcome, ":name": self.name,
                    ":app": self.app, ":uid": self.uid, ":client": self.client,
                    ":vendor": self.vendor,
                },
                |row| Ok((row.get("id")?, line(row)?)),
            )?
            .collect()
    }
}

/// A row of `events`; `None` if it does not make sense, for others can write it too.
fn line(row: &Row<'_>) -> Result<Option<LogLine>> {
    let Some(outcome) = outcome(row.get_ref("outcome")?.as_str()?) else { return Ok(None) };
    let text = |column: &str| row.get::<_, Option<Arc<str>>>(column);
    let address = |column: &str| -> Result<Option<IpAddr>> {
        Ok(text(column)?.and_then(|text| text.parse().ok()))
    };
    let protocol = match text("protocol")?.as_deref() {
        Some("tcp") => Some(Protocol::Tcp),
        Some("udp") => Some(Protocol::Udp),
        _ => None,
    };
    let connection = match (protocol, row.get("port")?, address("address")?) {
        (Some(protocol), Some(port), Some(address)) => Some((protocol, port, address)),
        _ => None,
    };
    let client = ClientLine {
        address: address("client_address")?,
        mac: text("client_mac")?,
        name: text("client_name")?,
        uid: row.get("uid")?,
        pid: row.get("pid")?,
        program: text("program")?,
    };
    let alias = text("alias")?.and_then(|alias| host(&alias));
    let via = match (text("via")?.as_deref(), alias) {
        (Some("name"), _) => Some(Via::Name),
        (Some("address"), _) => Some(Via::Address),
        (Some("alias"), Some(alias)) => Some(Via::Alias(alias)),
        _ => None,
    };
    Ok(Some(LogLine {
        first_ms: row.get("first_ms")?,
        last_ms: row.get("last_ms")?,
        count: count(row.get("count")?),
        outcome,
        host: text("host")?.and_then(|text| host(&text)),
        query: row.get("query")?,
        connection,
        client,
        rule: rule(row)?,
        via,
        learnt: added::<Arc<str>>(row, "learnt")?.and_then(|word| Learnt::of(&word)),
        unnamed: added::<Arc<str>>(row, "unnamed")?.and_then(|word| cause(&word)),
        ech: added(row, "ech")?.unwrap_or(false),
        bytes_up: added(row, "bytes_up")?.map(count),
        ms: added(row, "ms")?.map(count),
    }))
}

/// A column that journals of earlier versions do not have: one that could not be
/// carried on, with a full disk, is read all the same.
fn added<T: FromSql>(row: &Row<'_>, column: &str) -> Result<Option<T>> {
    match row.get(column) {
        Err(rusqlite::Error::InvalidColumnName(_)) => Ok(None),
        value => value,
    }
}

/// The rule in a row with its four columns; `None` if there is none.
pub(super) fn rule(row: &Row<'_>) -> Result<Option<RuleText>> {
    let (list, text): (Option<Arc<str>>, Option<Arc<str>>) = (row.get("list")?, row.get("rule")?);
    let (Some(list), Some(text)) = (list, text) else { return Ok(None) };
    let line = row.get::<_, Option<u32>>("line")?.unwrap_or(0);
    Ok(Some(RuleText { list, line, text, vendor: row.get("vendor")? }))
}

/// Reads the word in the column `outcome`.
pub(super) fn outcome(word: &str) -> Option<Outcome> {
    [Outcome::Blocked, Outcome::Watched, Outcome::Passed]
        .into_iter()
        .find(|outcome| outcome.as_str() == word)
}

/// A number that the database has as a signed one.
pub(super) fn count(number: i64) -> u64 {
    number.try_into().unwrap_or(0)
}

/// The cause that is called so in JSON.
fn cause(word: &str) -> Option<Cause> {
    Cause::deserialize(IntoDeserializer::<serde::de::value::Error>::into_deserializer(word)).ok()
}

/// A name as it was written, escapes included.
fn host(text: &str) -> Option<HostName> {
    HostName::try_from(text.to_owned()).ok()
}

/// The conditions of both queries; their parameters are [`Filter`]'s fields.
macro_rules! filtered {
    ($select:literal, $order:literal) => {
        concat!(
            $select,
            " FROM events WHERE id > :after AND id <= :upto
            AND (:since IS NULL OR last_ms >= :since)
            AND (:outcome IS NULL OR outcome = :outcome)
            AND (:name IS NULL OR instr(coalesce(host, address, ''), :name) > 0
                OR instr(coalesce(alias, ''), :name) > 0)
            AND (:app IS NULL OR program = :app OR uid = :uid)
            AND (:client IS NULL OR :client COLLATE NOCASE
                IN (client_address, client_mac, client_name))
            AND (:vendor IS NULL OR vendor = :vendor)
            ORDER BY id ",
            $order,
            " LIMIT :last"
        )
    };
}

const FIRST_OF_NEWEST: &str = concat!("SELECT min(id) FROM (", filtered!("SELECT id", "DESC"), ")");
const PAGE: &str = filtered!("SELECT *", "ASC");
const PAGE_LINES: i64 = 512; // some 0.25 MiB
const STEPS: i32 = 10_000; // of SQLite's machine between two looks at the clock: well under 10 ms
/// A disk that takes longer is in trouble, or without optimisation, as in tests.
const SETTLE: Duration = Duration::from_secs(if cfg!(test) { 60 } else { 2 });
