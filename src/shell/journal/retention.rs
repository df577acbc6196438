//! What goes when: lines by age and size, hosts of old numbers, numbers of old days.
//!
//! A clock that was set must not empty the journal, so lines go in the order in
//! which they came, and a line with an impossible time goes with its neighbours.

use rusqlite::{Connection, OptionalExtension, Result, params};

use super::batch::{DAY_MS, day};

/// What is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Limits {
    /// Days for which lines are kept, and hosts in numbers. 0: as long as there is room.
    pub keep_days: u32,
    /// Size of the database in bytes at which the oldest lines go.
    pub max_bytes: i64,
}

/// Deletes the oldest lines while the database is too large. Cheap if it is not.
///
/// # Errors
///
/// What SQLite says.
pub(super) fn by_size(db: &Connection, limits: Limits) -> Result<()> {
    for _ in 0..MAX_ROUNDS {
        if used_bytes(db)? <= limits.max_bytes {
            return Ok(());
        }
        let (first, last): (Option<i64>, Option<i64>) =
            db.query_row("SELECT min(id), max(id) FROM events", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        let (Some(first), Some(last)) = (first, last) else { return Ok(()) };
        let part = first.saturating_add((last - first) / PARTS);
        db.prepare_cached("DELETE FROM events WHERE id <= ?1")?.execute([part])?;
    }
    Ok(())
}

/// The rest, which need not be done often: by age, and what bounds the numbers.
///
/// # Errors
///
/// What SQLite says.
pub(super) fn by_age(db: &Connection, limits: Limits, now_ms: i64) -> Result<()> {
    if limits.keep_days > 0 && clock_is_steady(db, now_ms)? {
        let cutoff = now_ms - i64::from(limits.keep_days) * DAY_MS;
        delete_lines_before(db, cutoff, now_ms)?;
        forget_hosts_until(db, day(cutoff) - 1)?;
    }
    bound_counters(db, limits.max_bytes / BYTES_A_COUNTER)?;
    shrink(db)
}

/// Whether the last time this was asked is at most a day ago. A clock that has
/// just jumped ahead, or a device that was off for long, waits for the next time.
fn clock_is_steady(db: &Connection, now_ms: i64) -> Result<bool> {
    let before: Option<i64> = db
        .query_row("SELECT value FROM meta WHERE key = 'maintained_ms'", [], |row| row.get(0))
        .optional()?;
    db.execute(
        "INSERT INTO meta VALUES ('maintained_ms', ?1)
         ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [now_ms],
    )?;
    Ok(before.is_some_and(|before| (before..=before + DAY_MS).contains(&now_ms)))
}

/// Deletes from the oldest line up to the last of those before the first that is
/// young enough. Only times that can be true are looked at.
fn delete_lines_before(db: &Connection, cutoff: i64, now_ms: i64) -> Result<()> {
    let young: Option<i64> = db
        .query_row(
            "SELECT id FROM events WHERE last_ms BETWEEN ?1 AND ?2 ORDER BY id LIMIT 1",
            [cutoff, now_ms + DAY_MS],
            |row| row.get(0),
        )
        .optional()?;
    db.execute(
        "DELETE FROM events WHERE id <= (
            SELECT max(id) FROM events WHERE id < ?1 AND last_ms BETWEEN ?2 AND ?3)",
        params![young.unwrap_or(i64::MAX), EARLIEST_MS, cutoff - 1],
    )?;
    Ok(())
}

/// Adds up the numbers of all hosts, up to and with this day.
fn forget_hosts_until(db: &Connection, day: i64) -> Result<()> {
    db.execute(
        "INSERT INTO counters
         SELECT day, outcome, vendor, '', kind, sum(count), min(first_ms), max(last_ms)
         FROM counters WHERE day <= ?1 AND host <> '' GROUP BY day, outcome, vendor, kind
         ON CONFLICT DO UPDATE SET count = count + excluded.count,
            first_ms = min(first_ms, excluded.first_ms), last_ms = max(last_ms, excluded.last_ms)",
        [day],
    )?;
    db.execute("DELETE FROM counters WHERE day <= ?1 AND host <> ''", [day])?;
    Ok(())
}

/// Keeps the numbers to so many rows: first the hosts of the older half go, then
/// the oldest days.
fn bound_counters(db: &Connection, most: i64) -> Result<()> {
    let rows = |db: &Connection| db.query_row("SELECT count(*) FROM counters", [], |r| r.get(0));
    let middle = "SELECT day FROM counters ORDER BY day LIMIT 1 OFFSET ?1";
    let count: i64 = rows(db)?;
    if count <= most {
        return Ok(());
    }
    forget_hosts_until(db, db.query_row(middle, [count / 2], |row| row.get(0))?)?;
    let count: i64 = rows(db)?;
    if count > most {
        let oldest: i64 = db.query_row(middle, [count - most], |row| row.get(0))?;
        db.execute("DELETE FROM counters WHERE day < ?1", [oldest])?;
    }
    Ok(())
}

/// Gives pages back to the file system once a quarter of them is free; fewer are
/// used again soon.
fn shrink(db: &Connection) -> Result<()> {
    let (pages, free) = (pragma(db, "page_count")?, pragma(db, "freelist_count")?);
    if free > pages / 4 {
        let give = free - pages / 16;
        db.execute_batch(&format!("PRAGMA incremental_vacuum({give})"))?;
    }
    Ok(())
}

/// Size of what is in use, in bytes.
fn used_bytes(db: &Connection) -> Result<i64> {
    let pages = pragma(db, "page_count")? - pragma(db, "freelist_count")?;
    Ok(pages * pragma(db, "page_size")?)
}

fn pragma(db: &Connection, name: &str) -> Result<i64> {
    db.pragma_query_value(None, name, |row| row.get(0))
}

const PARTS: i64 = 16; // at a time, a sixteenth of the lines goes
const MAX_ROUNDS: usize = 64; // leaves (15/16)^64 < 2 % of the lines
const BYTES_A_COUNTER: i64 = 640; // rows are some 80 bytes: at most an eighth of the database
const EARLIEST_MS: i64 = 1_577_836_800_000; // 2020: an earlier time is that of a device without a clock
