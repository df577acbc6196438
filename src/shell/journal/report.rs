//! What was stopped: numbers of whole days from `counters`, of the first day's
//! rest from `events`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use rusqlite::{Connection, Result, params};

use super::batch::DAY_MS;
use super::reader::{count, outcome, rule};
use crate::core::event::Outcome;
use crate::core::verdict::RuleText;
use crate::request::{ClientLine, Report, ReportClient, ReportHost, ReportVendor};

/// What a report needs to know that is not in the journal.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// Key of a vendor → its name.
    pub vendor_name: &'a dyn Fn(&str) -> Option<String>,
    /// Key of a vendor → ISO date on which the user opted out.
    pub opted_out: &'a BTreeMap<String, String>,
    /// Host → what is collected.
    pub collects: &'a dyn Fn(&str) -> Option<String>,
}

/// See [`Reader::report`](super::Reader::report).
pub(super) fn report(db: &Connection, since: i64, until: i64, known: &Known<'_>) -> Result<Report> {
    let since = since.clamp(0, MAX_SECONDS);
    let stopped = Period::of_stopped(db, since)?;
    let rows = stopped.rows(db)?;
    let total = |wanted| rows.iter().filter(|row| row.outcome == wanted).map(|row| row.count).sum();
    Ok(Report {
        since: stopped.since(since),
        until,
        blocked: total(Outcome::Blocked),
        watched: total(Outcome::Watched),
        passed: Period::of_passed(db, since)?.passed(db)?,
        vendors: vendors(db, &rows, known)?,
        hosts: hosts(db, &rows, known)?,
        clients: clients(db, stopped.since(since))?,
    })
}

/// See [`Reader::blocked_by_vendor`](super::Reader::blocked_by_vendor).
pub(super) fn blocked_by_vendor(db: &Connection) -> Result<HashMap<String, u64>> {
    db.prepare(
        "SELECT vendor, sum(count) FROM counters
         WHERE outcome = 'blocked' AND vendor <> '' GROUP BY vendor",
    )?
    .query_map([], |row| Ok((row.get(0)?, count(row.get(1)?))))?
    .collect()
}

/// From where on to count: lines of a part of a day, then whole days.
#[derive(Clone, Copy, Debug)]
struct Period {
    from_ms: i64,
    to_ms: i64,
    first_day: i64,
}

/// What happened with one host.
struct Row {
    outcome: Outcome,
    vendor: String,
    host: String,
    connection: bool,
    count: u64,
    first_ms: i64,
    last_ms: i64,
}

impl Period {
    fn of_stopped(db: &Connection, since: i64) -> Result<Self> {
        Self::new(db, since, WHOLE_STOPPED)
    }

    fn of_passed(db: &Connection, since: i64) -> Result<Self> {
        Self::new(db, since, WHOLE_PASSED)
    }

    /// Lines serve only if every event of that day has one.
    fn new(db: &Connection, since: i64, whole: &str) -> Result<Self> {
        let from_ms = since * 1_000;
        let day = from_ms.div_euclid(DAY_MS);
        let (begin, end) = (day * DAY_MS, (day + 1) * DAY_MS);
        let exact = from_ms > begin
            && db.query_row(whole, params![day, begin, end], |row| row.get::<_, bool>(0))?;
        Ok(if exact {
            Self { from_ms, to_ms: end, first_day: day + 1 }
        } else {
            Self { from_ms: begin, to_ms: begin, first_day: day }
        })
    }

    /// In seconds.
    fn since(self, asked: i64) -> i64 {
        if self.to_ms > self.from_ms { asked } else { self.from_ms / 1_000 }
    }

    fn rows(self, db: &Connection) -> Result<Vec<Row>> {
        let mut query = db.prepare(STOPPED)?;
        let mut found = query.query(params![self.first_day, self.from_ms, self.to_ms])?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            let Some(outcome) = outcome(row.get_ref(0)?.as_str()?) else { continue };
            rows.push(Row {
                outcome,
                vendor: row.get(1)?,
                host: row.get(2)?,
                connection: row.get_ref(3)?.as_str()? == "connection",
                count: count(row.get(4)?),
                first_ms: row.get(5)?,
                last_ms: row.get(6)?,
            });
        }
        Ok(rows)
    }

    fn passed(self, db: &Connection) -> Result<u64> {
        db.query_row(PASSED, params![self.first_day, self.from_ms, self.to_ms], |row| {
            Ok(count(row.get(0)?))
        })
    }
}

fn vendors(db: &Connection, rows: &[Row], known: &Known<'_>) -> Result<Vec<ReportVendor>> {
    let mut vendors: BTreeMap<&str, (ReportVendor, BTreeSet<&str>)> = BTreeMap::new();
    for row in rows {
        let (vendor, hosts) = vendors.entry(&row.vendor).or_insert_with(|| {
            (ReportVendor { first: i64::MAX, ..ReportVendor::default() }, BTreeSet::new())
        });
        match row.outcome {
            Outcome::Blocked => vendor.blocked += row.count,
            Outcome::Watched => vendor.watched += row.count,
            Outcome::Passed => {}
        }
        vendor.first = vendor.first.min(row.first_ms / 1_000);
        vendor.last = vendor.last.max(row.last_ms / 1_000);
        if !row.host.is_empty() {
            hosts.insert(&row.host);
        }
    }
    // Silence after an opt-out is worth telling too.
    for key in known.opted_out.keys() {
        vendors.entry(key).or_default();
    }
    let mut lines = Vec::new();
    for (key, (mut vendor, hosts)) in vendors {
        vendor.vendor = key.into();
        vendor.name = (known.vendor_name)(key).unwrap_or_else(|| key.into());
        vendor.hosts = hosts.len() as u64;
        vendor.opted_out = known.opted_out.get(key).cloned();
        vendor.since_opt_out = match vendor.opted_out.as_deref().and_then(day_of) {
            Some(day) => Some(attempts_from(db, key, day)?),
            None => None,
        };
        lines.push(vendor);
    }
    lines.sort_by_key(|vendor| (Reverse(vendor.blocked), Reverse(vendor.watched)));
    Ok(lines)
}

fn hosts(db: &Connection, rows: &[Row], known: &Known<'_>) -> Result<Vec<ReportHost>> {
    let mut hosts: BTreeMap<(Outcome, &str), (u64, u64)> = BTreeMap::new();
    for row in rows.iter().filter(|row| !row.host.is_empty()) {
        let (queries, connections) = hosts.entry((row.outcome, &row.host)).or_default();
        *(if row.connection { connections } else { queries }) += row.count;
    }
    let mut hosts: Vec<_> = hosts.into_iter().collect();
    hosts.sort_by_key(|&((outcome, _), (queries, connections))| {
        (outcome, Reverse(queries + connections))
    });
    hosts.truncate(MAX_HOSTS);
    let mut rules = newest_rules(db)?;
    let line = |((outcome, host), (queries, connections)): ((Outcome, &str), _)| ReportHost {
        host: host.into(),
        outcome,
        queries,
        connections,
        rule: rules.remove(&(outcome, host.into())),
        collects: (known.collects)(host),
    };
    Ok(hosts.into_iter().map(line).collect())
}

/// The rule that last decided about each host, as far as there are lines.
fn newest_rules(db: &Connection) -> Result<HashMap<(Outcome, String), RuleText>> {
    let mut query = db.prepare(NEWEST_RULES)?;
    let mut rows = query.query([])?;
    let mut rules = HashMap::new();
    while let Some(row) = rows.next()? {
        let outcome = outcome(row.get_ref("outcome")?.as_str()?);
        if let (Some(outcome), Some(rule)) = (outcome, rule(row)?) {
            rules.insert((outcome, row.get("host")?), rule);
        }
    }
    Ok(rules)
}

fn clients(db: &Connection, since: i64) -> Result<Vec<ReportClient>> {
    db.prepare(CLIENTS)?
        .query_map(params![since * 1_000, MAX_CLIENTS], |row| {
            let address: Option<String> = row.get("client_address")?;
            Ok(ReportClient {
                client: ClientLine {
                    address: address.and_then(|text| text.parse().ok()),
                    mac: row.get("client_mac")?,
                    name: row.get("client_name")?,
                    uid: row.get("uid")?,
                    pid: None,
                    program: row.get("program")?,
                },
                blocked: count(row.get("blocked")?),
                watched: count(row.get("watched")?),
                passed: count(row.get("passed")?),
            })
        })?
        .collect()
}

fn attempts_from(db: &Connection, vendor: &str, day: i64) -> Result<u64> {
    db.prepare_cached(
        "SELECT coalesce(sum(count), 0) FROM counters
         WHERE day >= ?1 AND vendor = ?2 AND outcome <> 'passed'",
    )?
    .query_row(params![day, vendor], |row| Ok(count(row.get(0)?)))
}

/// Days since 1970 of an ISO date.
fn day_of(date: &str) -> Option<i64> {
    let date: jiff::civil::Date = date.parse().ok()?;
    let begin = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(begin.timestamp().as_second().div_euclid(DAY_MS / 1_000))
}

/// Day, its begin and its end → whether each event of the day has a line.
macro_rules! whole {
    ($outcomes:literal) => {
        concat!(
            "SELECT (SELECT coalesce(sum(count), 0) FROM counters WHERE day = ?1 AND outcome ",
            $outcomes,
            ") = (SELECT coalesce(sum(count), 0) FROM events
                WHERE last_ms >= ?2 AND last_ms < ?3 AND outcome ",
            $outcomes,
            ")"
        )
    };
}

const WHOLE_STOPPED: &str = whole!("<> 'passed'");
const WHOLE_PASSED: &str = whole!("= 'passed'");

/// First whole day, begin and end of the part of a day before it.
const STOPPED: &str = "
    SELECT outcome, vendor, host, kind, sum(count), min(first_ms), max(last_ms) FROM (
        SELECT outcome, vendor, host, kind, count, first_ms, last_ms FROM counters
        WHERE day >= ?1 AND outcome <> 'passed'
        UNION ALL
        SELECT outcome, coalesce(vendor, ''), coalesce(host, address, ''),
            CASE WHEN query IS NULL THEN 'connection' ELSE 'query' END,
            count, first_ms, last_ms
        FROM events WHERE last_ms >= ?2 AND last_ms < ?3 AND outcome <> 'passed'
    ) GROUP BY outcome, vendor, host, kind";
const PASSED: &str = "
    SELECT (SELECT coalesce(sum(count), 0) FROM counters WHERE day >= ?1 AND outcome = 'passed')
        + (SELECT coalesce(sum(count), 0) FROM events
            WHERE last_ms >= ?2 AND last_ms < ?3 AND outcome = 'passed')";
/// Of a group, SQLite takes the other columns from the row with the greatest id.
const NEWEST_RULES: &str = "
    SELECT coalesce(host, address) AS host, outcome, list, line, rule, vendor, max(id)
    FROM events WHERE outcome <> 'passed' AND coalesce(host, address) IS NOT NULL
    GROUP BY 1, 2";
/// A device is one by its hardware address, however many addresses it uses.
const CLIENTS: &str = "
    SELECT client_address, client_mac, client_name, uid, program, max(id),
        sum(iif(outcome = 'blocked', count, 0)) AS blocked,
        sum(iif(outcome = 'watched', count, 0)) AS watched,
        sum(iif(outcome = 'passed', count, 0)) AS passed
    FROM events WHERE last_ms >= ?1
    GROUP BY coalesce(client_mac, client_address), uid, program
    ORDER BY blocked DESC, watched DESC, passed DESC LIMIT ?2";
const MAX_HOSTS: usize = 1_000; // more nobody reads
const MAX_CLIENTS: i64 = 1_000;
const MAX_SECONDS: i64 = 253_402_300_799; // the end of year 9999
