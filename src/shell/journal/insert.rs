//! What is held, into the tables.

use rusqlite::{Connection, Result, named_params, params};

use super::batch::{self, Line, Tally};
use super::held::{CounterKey, Held};
use super::qtype;
use crate::core::event::{Kind, Learnt};
use crate::core::host::HostName;
use crate::core::sniff::Cause;
use crate::core::verdict::Via;

/// Adds every line.
///
/// # Errors
///
/// What SQLite says.
pub(super) fn lines(db: &Connection, held: &Held) -> Result<()> {
    held.lines.iter().try_for_each(|line| insert_line(db, line))
}

/// Adds every number to its row.
///
/// # Errors
///
/// What SQLite says.
pub(super) fn counters(db: &Connection, held: &Held) -> Result<()> {
    let mut room = None; // of which day, and how many rows it may still get
    let mut sorted: Vec<_> = held.counters.iter().collect();
    sorted.sort_unstable_by_key(|&(key, _)| key); // neighbours share pages
    for (key, tally) in sorted {
        if add_to_row(db, key, key.host.as_deref().unwrap_or(""), *tally)? {
            continue;
        }
        let left = match room {
            Some((day, left)) if day == key.day => left,
            _ => MAX_ROWS_A_DAY - rows_of_day(db, key.day)?,
        };
        match &key.host {
            Some(host) if left > 0 => {
                insert_row(db, key, host, *tally)?;
                room = Some((key.day, left - 1));
            }
            _ if add_to_row(db, key, "", *tally)? => room = Some((key.day, left)),
            _ => {
                insert_row(db, key, "", *tally)?;
                room = Some((key.day, left - 1));
            }
        }
    }
    Ok(())
}

fn insert_line(db: &Connection, line: &Line) -> Result<()> {
    let (query, connection) = match line.event.kind {
        Kind::Query { qtype } => (Some(qtype::name(qtype)), None),
        Kind::Connection { protocol, port, address } => (None, Some((protocol, port, address))),
    };
    let (rule, via) = line.event.evidence.as_ref().map(|(rule, via)| (rule, via)).unzip();
    let (via, alias) = match via {
        Some(Via::Name) => (Some("name"), None),
        Some(Via::Alias(alias)) => (Some("alias"), Some(alias.as_str())),
        Some(Via::Address) => (Some("address"), None),
        None => (None, None),
    };
    let client = &line.client;
    db.prepare_cached(INSERT_LINE)?.execute(named_params! {
        ":first_ms": line.tally.first_ms,
        ":last_ms": line.tally.last_ms,
        ":count": number(line.tally.count),
        ":outcome": line.event.outcome.as_str(),
        ":host": line.event.host.as_ref().map(HostName::as_str),
        ":query": query,
        ":protocol": connection.map(|(protocol, ..)| protocol.to_string()),
        ":port": connection.map(|(_, port, _)| port),
        ":address": connection.map(|(.., address)| address.to_string()),
        ":client_address": client.address.map(|address| address.to_string()),
        ":client_mac": client.mac,
        ":client_name": client.name,
        ":uid": client.uid,
        ":pid": client.pid,
        ":program": client.program,
        ":list": rule.map(|rule| &rule.list),
        ":line": rule.map(|rule| rule.line),
        ":rule": rule.map(|rule| &rule.text),
        ":vendor": rule.and_then(|rule| rule.vendor.as_ref()),
        ":via": via,
        ":alias": alias,
        ":learnt": line.event.learnt.map(Learnt::as_str),
        ":unnamed": line.event.unnamed.and_then(word),
        ":ech": line.event.ech,
        ":bytes_up": line.traffic.map(|traffic| number(traffic.bytes_up)),
        ":ms": line.traffic.map(|traffic| number(batch::millis(traffic.lasted))),
    })?;
    Ok(())
}

/// Whether there was such a row.
fn add_to_row(db: &Connection, key: &CounterKey, host: &str, tally: Tally) -> Result<bool> {
    let rows = db.prepare_cached(ADD_TO_ROW)?.execute(params![
        key.day,
        key.outcome.as_str(),
        key.vendor.as_deref().unwrap_or(""),
        host,
        key.kind(),
        number(tally.count),
        tally.first_ms,
        tally.last_ms,
    ])?;
    Ok(rows > 0)
}

fn insert_row(db: &Connection, key: &CounterKey, host: &str, tally: Tally) -> Result<()> {
    db.prepare_cached("INSERT INTO counters VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?.execute(
        params![
            key.day,
            key.outcome.as_str(),
            key.vendor.as_deref().unwrap_or(""),
            host,
            key.kind(),
            number(tally.count),
            tally.first_ms,
            tally.last_ms,
        ],
    )?;
    Ok(())
}

fn rows_of_day(db: &Connection, day: i64) -> Result<i64> {
    db.prepare_cached("SELECT count(*) FROM counters WHERE day = ?1")?
        .query_row([day], |row| row.get(0))
}

/// The word for a cause, as in JSON.
fn word(cause: Cause) -> Option<String> {
    serde_json::to_value(cause).ok()?.as_str().map(Into::into)
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

const INSERT_LINE: &str = "
    INSERT INTO events (first_ms, last_ms, count, outcome, host, query, protocol, port, address,
        client_address, client_mac, client_name, uid, pid, program,
        list, line, rule, vendor, via, alias, learnt, unnamed, ech, bytes_up, ms)
    VALUES (:first_ms, :last_ms, :count, :outcome, :host, :query, :protocol, :port, :address,
        :client_address, :client_mac, :client_name, :uid, :pid, :program,
        :list, :line, :rule, :vendor, :via, :alias, :learnt, :unnamed, :ech, :bytes_up, :ms)";
const ADD_TO_ROW: &str = "
    UPDATE counters
    SET count = count + ?6, first_ms = min(first_ms, ?7), last_ms = max(last_ms, ?8)
    WHERE day = ?1 AND outcome = ?2 AND vendor = ?3 AND host = ?4 AND kind = ?5";
/// Rows of a day with a host of their own: names under a blocked one can be made up without end.
const MAX_ROWS_A_DAY: i64 = 4_096;
