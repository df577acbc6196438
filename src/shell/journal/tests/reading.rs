//! What is recorded is read back.

use std::cell::RefCell;
use std::os::unix::fs::PermissionsExt;

use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::core::event::Learnt;
use crate::core::sniff::Cause;

/// Events with values of every kind.
fn odd_events(address: IpAddr) -> Vec<Event> {
    let odd = HostName::from_labels([&b"Dot.in\xff"[..], b"example"]);
    let owner = Owner { uid: Some(1000), pid: Some(4242), program: Some("firefox".into()) };
    let rule = Arc::new(RuleText {
        list: "it's; a \"list\" --".into(),
        line: 3,
        text: "*.t.example".into(),
        vendor: None,
    });
    vec![
        Event {
            evidence: Some((Arc::clone(&rule), Via::Alias(odd.clone()))),
            client: Client::Host(Some(owner)),
            ..query("t.example", 65, Outcome::Watched)
        },
        Event { host: Some(odd), client: Client::Host(None), ..query("x", 4711, Outcome::Passed) },
        Event { host: Some(HostName::from_labels([])), ..query("x", 2, Outcome::Passed) },
        Event {
            kind: Kind::Connection { protocol: Protocol::Udp, port: 65_535, address },
            host: None,
            evidence: Some((rule, Via::Address)),
            learnt: Some(Learnt::Address),
            ..query("x", 1, Outcome::Blocked)
        },
        Event { learnt: Some(Learnt::Quic), ech: true, ..connection("x", Outcome::Passed) },
        Event { unnamed: Some(Cause::UnknownVersion), ..connection("x", Outcome::Passed) },
    ]
}

#[test]
fn every_field_comes_back_as_it_was_recorded() {
    let dir = Dir::new();
    let mut journal = dir.journal(Settings::default());
    let address: IpAddr = "2001:db8::7".parse().unwrap();
    let events = odd_events(address);
    let told = ClientLine {
        address: Some(address),
        mac: Some("02:00:5e:10:00:01".into()),
        name: Some("Ann's phone \u{1f4f1}".into()),
        uid: Some(u32::MAX),
        pid: Some(u32::MAX),
        program: Some("\0'".into()),
    };
    let mut live = journal.subscribe();
    let traffic = Some(Traffic { bytes_up: 1234, lasted: Duration::from_millis(56) });
    for event in &events {
        let traffic = traffic.filter(|_| matches!(event.kind, Kind::Connection { .. }));
        journal.record(NOON, event, traffic, || told.clone());
    }
    let lines = read_all(&mut journal);
    assert_eq!(lines.len(), events.len());
    for (line, event) in lines.iter().zip(&events) {
        assert_eq!(live.try_next().as_ref(), Some(line));
        assert_eq!((line.first_ms, line.last_ms, line.count), (NOON, NOON, 1));
        assert_eq!((&line.host, line.outcome), (&event.host, event.outcome));
        assert_eq!(line.client, told);
        let evidence = line.rule.clone().map(Arc::new).zip(line.via.clone());
        assert_eq!(evidence, event.evidence);
        assert_eq!((line.learnt, line.unnamed, line.ech), (event.learnt, event.unnamed, event.ech));
        let looked_into = line.connection.is_some();
        assert_eq!(line.bytes_up, looked_into.then_some(1234));
        assert_eq!(line.ms, looked_into.then_some(56));
        let json = serde_json::to_string(line).unwrap();
        assert_eq!(serde_json::from_str::<LogLine>(&json).unwrap(), *line);
    }
    assert_eq!(lines[0].query.as_deref(), Some("HTTPS"));
    assert_eq!(lines[1].query.as_deref(), Some("TYPE4711"));
    assert_eq!(lines[3].query, None);
    assert_eq!(lines[3].connection, Some((Protocol::Udp, 65_535, address)));
}

#[test]
fn nothing_is_written_and_nobody_is_woken_when_nothing_happens() {
    let dir = Dir::new();
    let mut journal = dir.journal(Settings::default());
    assert_eq!(journal.next_flush(), None);
    journal.flush();
    assert_eq!(read_all(&mut journal), []);
    assert_eq!(journal.health(), Health::default());

    let begin = Instant::now();
    let event = query("t.example", 1, Outcome::Blocked);
    record(&mut journal, NOON, &event);
    let due = journal.next_flush().unwrap();
    assert!(due - begin > Duration::from_millis(4_900));
    assert!(due - begin < Duration::from_millis(5_900));
    record(&mut journal, NOON + 1, &event);
    assert_eq!(journal.next_flush(), Some(due), "a later event must not put it off");
    journal.flush();
    assert_eq!(journal.next_flush(), None);
    assert_eq!(read_all(&mut journal)[0].count, 2);
    assert_eq!(journal.health().writes, 1);
}

#[test]
fn only_the_owner_may_read_the_files() {
    let dir = Dir::new();
    let mut journal = dir.journal(Settings::default());
    record(&mut journal, NOON, &query("t.example", 1, Outcome::Blocked));
    read_all(&mut journal);
    let mode = |path: PathBuf| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(dir.0.clone()) & 0o027, 0);
    for name in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        assert_eq!(mode(dir.0.join(name)), 0o600, "{name}");
    }
}

#[test]
fn the_newest_are_shown_oldest_first_however_the_clock_was_set() {
    let dir = Dir::new();
    let mut journal = dir.journal(Settings::default());
    let times = [NOON, NOON + 5, 0, 1, NOON - 900, NOON + 365 * DAY_MS, NOON + 6];
    for (n, ms) in (0..).zip(times) {
        record(&mut journal, ms, &query(&format!("n{n}.example"), 1, Outcome::Passed));
    }
    let all = ["n0", "n1", "n2", "n3", "n4", "n5", "n6"].map(|name| format!("{name}.example"));
    assert_eq!(hosts(&read_all(&mut journal)), all);
    for last in [1, 3, 7, 100, u64::MAX] {
        let lines = read(&mut journal.reader(), &LogQuery { last, ..LogQuery::default() });
        let from = all.len().saturating_sub(usize::try_from(last).unwrap());
        assert_eq!(hosts(&lines), all[from..], "last {last}");
    }
}

#[test]
fn many_lines_come_page_by_page_and_one_can_stop() {
    let dir = Dir::new();
    let mut journal = dir.journal(Settings::default());
    for n in 0..2_000 {
        record(&mut journal, NOON, &query(&format!("n{n}.example"), 1, Outcome::Passed));
    }
    let lines = read_all(&mut journal);
    assert_eq!(lines.len(), 2_000);
    assert_eq!(hosts(&lines)[1_999], "n1999.example");
    let mut seen = 0;
    let stop = |_| {
        seen += 1;
        if seen == 700 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    journal.reader().log(&LogQuery::default(), stop).unwrap();
    assert_eq!(seen, 700);
}

fn some_events() -> Vec<(i64, Event, ClientLine)> {
    let named = ClientLine {
        address: Some("192.0.2.7".parse().unwrap()),
        mac: Some("02:00:5e:10:00:01".into()),
        name: Some("Phone".into()),
        ..ClientLine::default()
    };
    let app = ClientLine { uid: Some(1000), program: Some("curl".into()), ..ClientLine::default() };
    let v6 = ClientLine { address: Some("2001:db8::1".parse().unwrap()), ..ClientLine::default() };
    let alias = Via::Alias("edge.tracker.example".parse().unwrap());
    let mut cloaked = with_rule(query("shop.example", 1, Outcome::Blocked), "*", "acme");
    cloaked.evidence.as_mut().unwrap().1 = alias;
    let unnamed = Event { host: None, ..connection("x", Outcome::Blocked) };
    vec![
        (NOON, with_rule(query("a.acme.example", 1, Outcome::Blocked), "*", "acme"), named.clone()),
        (NOON + 1_000, query("www.example", 28, Outcome::Passed), app.clone()),
        (NOON + 2_000, cloaked, v6.clone()),
        (NOON + 3_000, unnamed, app),
        (NOON + 4_000, with_rule(connection("b.bcme.example", Outcome::Watched), "*", "bcme"), v6),
        (
            NOON + 5_000,
            query("100%_odd.example".replace('%', "-").as_str(), 1, Outcome::Passed),
            named,
        ),
    ]
}

#[test]
fn every_filter_is_honoured() {
    let dir = Dir::new();
    let mut journal = dir.journal(Settings::default());
    for (ms, event, client) in some_events() {
        journal.record(ms, &event, None, || client);
    }
    let text = |text: &str| Some(text.to_owned());
    let all = LogQuery::default;
    for (query, want) in [
        (all(), "012345"),
        (LogQuery { since: Some(NOON / 1_000 + 3), ..all() }, "345"),
        (LogQuery { since: Some(i64::MIN), ..all() }, "012345"),
        (LogQuery { since: Some(i64::MAX), ..all() }, ""),
        (LogQuery { outcome: Some(Outcome::Blocked), ..all() }, "023"),
        (LogQuery { name: text("ACME"), ..all() }, "0"),
        (LogQuery { name: text("cme."), ..all() }, "04"),
        (LogQuery { name: text("tracker"), ..all() }, "2"),
        (LogQuery { name: text("198.18"), ..all() }, "3"),
        (LogQuery { name: text("%"), ..all() }, ""),
        (LogQuery { name: text("_"), ..all() }, "5"),
        (LogQuery { name: text("' OR 1=1 --"), ..all() }, ""),
        (LogQuery { name: text(""), ..all() }, "012345"),
        (LogQuery { app: text("curl"), ..all() }, "13"),
        (LogQuery { app: text("uid:1000"), ..all() }, "13"),
        (LogQuery { app: text("cur"), ..all() }, ""),
        (LogQuery { client: text("192.0.2.7"), ..all() }, "05"),
        (LogQuery { client: text("2001:DB8:0::1"), ..all() }, "24"),
        (LogQuery { client: text("phone"), ..all() }, "05"),
        (LogQuery { client: text("02:00:5E:10:00:01"), ..all() }, "05"),
        (LogQuery { vendor: text("acme"), ..all() }, "02"),
        (LogQuery { vendor: text("acme"), outcome: Some(Outcome::Watched), ..all() }, ""),
        (LogQuery { last: 1, vendor: text("acme"), ..all() }, "2"),
        (LogQuery { last: 2, outcome: Some(Outcome::Blocked), ..all() }, "23"),
    ] {
        let lines = read(&mut journal.reader(), &query);
        let got: String =
            lines.iter().map(|line| ((line.first_ms - NOON) / 1_000).to_string()).collect();
        assert_eq!(got, want, "{query:?}");
    }
}

#[test]
fn what_is_filtered_live_is_what_is_filtered_from_the_file() {
    let dir = Dir::new();
    let mut journal = dir.journal(Settings::default());
    for (ms, event, client) in some_events() {
        journal.record(ms, &event, None, || client);
    }
    let all = read_all(&mut journal);
    let reader = RefCell::new(journal.reader());
    let outcomes = [Outcome::Blocked, Outcome::Watched, Outcome::Passed];
    let queries = (
        option::of(0..7_i64),
        option::of(0..3_usize),
        option::of("[a-c_.]{0,3}|example|ACME|18"),
        option::of("curl|uid:1000|uid:x|"),
        option::of("192.0.2.7|PHONE|2001:db8::1|x"),
        option::of("acme|bcme|"),
    );
    let queries = queries.prop_map(|(since, outcome, name, app, client, vendor)| LogQuery {
        since: since.map(|since| NOON / 1_000 + since),
        outcome: outcome.map(|at| outcomes[at]),
        name,
        app,
        client,
        vendor,
        ..LogQuery::default()
    });
    let agree = |query: LogQuery| {
        let live: Vec<_> = all.iter().filter(|line| matches(&query, line)).cloned().collect();
        prop_assert_eq!(read(&mut reader.borrow_mut(), &query), live);
        Ok(())
    };
    TestRunner::new(Config::with_cases(256)).run(&queries, agree).unwrap();
}

#[test]
fn a_follower_misses_nothing_and_sees_nothing_twice() {
    let dir = Dir::new();
    let mut journal = dir.journal(Settings::default());
    let event = query("t.example", 1, Outcome::Blocked);
    record(&mut journal, NOON, &event);
    let mut live = journal.subscribe();
    assert_eq!(read_all(&mut journal)[0].count, 1);
    assert_eq!(live.try_next(), None, "it was recorded before");
    for n in 1..=5 {
        record(&mut journal, NOON + n, &event);
    }
    assert_eq!(live.try_next().unwrap().count, 1, "the first is told at once");
    assert_eq!(live.try_next(), None);
    journal.flush();
    assert_eq!(live.try_next().unwrap().count, 4);
    assert_eq!(live.try_next(), None);
}

#[test]
fn a_follower_that_does_not_read_is_dropped() {
    let dir = Dir::new();
    let mut journal = dir.journal(Settings::default());
    let mut slow = journal.subscribe();
    for n in 0..3_000 {
        record(&mut journal, NOON, &query(&format!("n{n}.example"), 1, Outcome::Passed));
    }
    assert!(journal.followers.is_empty());
    assert_eq!(std::iter::from_fn(|| slow.try_next()).count(), 1_024);
    assert_eq!(read_all(&mut journal).len(), 3_000);
}

#[test]
fn an_open_read_does_not_hold_up_the_writer() {
    let dir = Dir::new();
    let mut journal = dir.journal(Settings::default());
    record(&mut journal, NOON, &query("a.example", 1, Outcome::Blocked));
    read_all(&mut journal);
    let sql = dir.sql();
    sql.execute_batch("BEGIN").unwrap();
    let count = || sql.query_row("SELECT count(*) FROM events", [], |row| row.get::<_, i64>(0));
    assert_eq!(count(), Ok(1));
    record(&mut journal, NOON, &query("b.example", 1, Outcome::Blocked));
    assert_eq!(read_all(&mut journal).len(), 2);
    assert_eq!(journal.health().writes, 2);
    assert_eq!(count(), Ok(1));
}

#[test]
fn a_read_that_takes_too_long_is_stopped() {
    let dir = Dir::new();
    let mut journal = dir.journal(Settings::default());
    let mut reader = journal.reader();
    reader.patience = Duration::from_millis(50);
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
        SELECT count(*) FROM n";
    let result = reader.read(|db| db.query_row(endless, [], |row| row.get::<_, i64>(0)));
    assert!(matches!(result, Err(JournalError::TooSlow)), "{result:?}");
}

#[test]
fn the_command_line_tool_of_sqlite_can_read_it() {
    let dir = Dir::new();
    let mut journal = dir.journal(Settings::default());
    let event = with_rule(query("t.example", 28, Outcome::Blocked), "*.example", "acme");
    record(&mut journal, NOON, &event);
    read_all(&mut journal);
    let sql = "SELECT outcome, host, query, rule, vendor FROM events; PRAGMA integrity_check";
    let Ok(out) = std::process::Command::new("sqlite3").arg(dir.file()).arg(sql).output() else {
        eprintln!("SKIPPED: sqlite3 is not installed");
        return;
    };
    let text = String::from_utf8_lossy(&out.stdout);
    assert_eq!(text, "blocked|t.example|AAAA|*.example|acme\nok\n", "{out:?}");
}
