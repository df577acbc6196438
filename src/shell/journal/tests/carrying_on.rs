//! Journals of earlier versions are carried on.

use super::*;
use crate::core::event::Learnt;
use crate::shell::journal::retention::Limits;

/// A journal of format 1 with one line of each kind.
fn old(dir: &Dir) {
    std::fs::create_dir_all(&dir.0).unwrap();
    let db = dir.sql();
    db.execute_batch(FIRST).unwrap();
    db.execute_batch(LINES).unwrap();
    db.pragma_update(None, "user_version", 1).unwrap();
}

#[test]
fn a_journal_of_the_first_format_is_carried_on_with_all_its_lines() {
    let dir = Dir::new();
    old(&dir);
    let mut journal = dir.journal(Settings::default());
    assert_eq!(journal.counters(NOON).ever.blocked, 5, "its numbers too");
    let event = Event {
        learnt: Some(Learnt::Tls),
        ech: true,
        ..connection("new.example", Outcome::Passed)
    };
    let traffic = Some(Traffic { bytes_up: 517, lasted: Duration::from_millis(3) });
    journal.record(NOON, &event, traffic, || client_line(&event.client));
    let lines = read_all(&mut journal);
    assert_eq!(hosts(&lines), ["old.example", "-", "new.example"]);
    for line in &lines[..2] {
        assert_eq!((line.learnt, line.unnamed, line.ech), (None, None, false));
        assert_eq!((line.bytes_up, line.ms), (None, None));
    }
    let new = &lines[2];
    assert_eq!((new.learnt, new.ech, new.bytes_up), (Some(Learnt::Tls), true, Some(517)));
    assert_eq!(journal.health().problem, None);
    drop(journal);
    let version: i64 =
        dir.sql().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 2);
    let mut again = dir.journal(Settings::default());
    assert_eq!(read_all(&mut again).len(), 3);
}

#[test]
fn one_that_could_not_be_carried_on_yet_is_read_all_the_same() {
    let dir = Dir::new();
    old(&dir);
    let shared = Arc::new(Shared::new(Limits { keep_days: 0, max_bytes: i64::MAX }));
    let lines = read(&mut Reader::new(&dir.file(), shared, None), &LogQuery::default());
    assert_eq!(hosts(&lines), ["old.example", "-"]);
}

#[test]
fn one_whose_tables_are_not_what_it_says_is_set_aside() {
    let dir = Dir::new();
    old(&dir);
    dir.sql().execute_batch("ALTER TABLE events ADD COLUMN ech TEXT").unwrap();
    let (mut journal, _) = Journal::open(&dir.0, Settings::default());
    record(&mut journal, NOON, &query("new.example", 1, Outcome::Blocked));
    assert_eq!(hosts(&read_all(&mut journal)), ["new.example"]);
    assert!(dir.0.join("journal.db.damaged-1").exists());
}

const LINES: &str = "
    INSERT INTO events (first_ms, last_ms, count, outcome, host, query, list, line, rule, via)
    VALUES (1, 2, 3, 'blocked', 'old.example', 'A', 'pack', 7, 'old.example', 'name');
    INSERT INTO events (first_ms, last_ms, count, outcome, protocol, port, address)
    VALUES (1, 2, 1, 'blocked', 'tcp', 443, '198.18.1.1');
    INSERT INTO counters VALUES (0, 'blocked', '', 'old.example', 'query', 5, 1, 2);
";

/// The tables as the first format had them. They never change.
const FIRST: &str = "
    CREATE TABLE events (
        id INTEGER PRIMARY KEY,
        first_ms INTEGER NOT NULL,
        last_ms INTEGER NOT NULL,
        count INTEGER NOT NULL CHECK (count > 0),
        outcome TEXT NOT NULL CHECK (outcome IN ('blocked', 'watched', 'passed')),
        host TEXT,
        query TEXT,
        protocol TEXT,
        port INTEGER,
        address TEXT,
        client_address TEXT,
        client_mac TEXT,
        client_name TEXT,
        uid INTEGER,
        pid INTEGER,
        program TEXT,
        list TEXT,
        line INTEGER,
        rule TEXT,
        vendor TEXT,
        via TEXT,
        alias TEXT
    ) STRICT;
    CREATE TABLE counters (
        day INTEGER NOT NULL,
        outcome TEXT NOT NULL CHECK (outcome IN ('blocked', 'watched', 'passed')),
        vendor TEXT NOT NULL,
        host TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('query', 'connection')),
        count INTEGER NOT NULL CHECK (count > 0),
        first_ms INTEGER NOT NULL,
        last_ms INTEGER NOT NULL,
        PRIMARY KEY (day, outcome, vendor, host, kind)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";
