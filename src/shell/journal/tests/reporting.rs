//! Numbers: the report, and what a notification shows.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};

use super::*;
use crate::core::event::Outcome::{Blocked, Passed, Watched};
use crate::request::{Report, ReportClient};

fn report(journal: &mut Journal, since: i64) -> Report {
    report_with(journal, since, &[])
}

fn report_with(journal: &mut Journal, since: i64, opted_out: &[(&str, &str)]) -> Report {
    let opted_out =
        opted_out.iter().map(|(vendor, date)| ((*vendor).into(), (*date).into())).collect();
    let known = Known {
        vendor_name: &|key| Some(key.to_uppercase()),
        opted_out: &opted_out,
        collects: &|host| host.starts_with('a').then(|| "everything".into()),
    };
    journal.reader().report(since, NOON / 1_000 + 999_999, &known).unwrap()
}

/// The vendors `acme` and `bcme`, one without a pack, two clients, three days.
fn an_event() -> impl Strategy<Value = (i64, Event, bool)> {
    (0..3 * DAY_MS, 0..4_usize, 0..3_usize, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(ms, host, outcome, connects, phone, flush)| {
            let outcome = [Blocked, Watched, Passed][outcome];
            let (name, vendor) = [
                ("a.acme.example", "acme"),
                ("b.acme.example", "acme"),
                ("c.bcme.example", "bcme"),
                ("d.example", ""),
            ][host];
            let mut event =
                if connects { connection(name, outcome) } else { query(name, 1, outcome) };
            if !vendor.is_empty() {
                event = with_rule(event, "rule", vendor);
            }
            event.client = device(if phone { "192.0.2.7" } else { "192.0.2.8" });
            // Seldom at the same moment, so that the beginning falls between them.
            (NOON - 2 * DAY_MS + ms / 3_600_000 * 3_600_000, event, flush)
        },
    )
}

/// Equal events between two flushes on one day are a line, and count as one from its last moment.
fn naive_lines(events: &[(i64, Event, bool)]) -> Vec<(i64, u64, &Event)> {
    let mut lines: Vec<(i64, u64, &Event)> = Vec::new();
    let (mut begin, mut today) = (0, i64::MIN);
    for (ms, event, flush) in events {
        if day(*ms) != today {
            (begin, today) = (lines.len(), day(*ms));
        }
        match lines[begin..].iter_mut().find(|(.., other)| *other == event) {
            Some((last, count, _)) => (*last, *count) = ((*last).max(*ms), *count + 1),
            None => lines.push((*ms, 1, event)),
        }
        if *flush {
            begin = lines.len();
        }
    }
    lines
}

fn sum<'a>(
    lines: &[(i64, u64, &'a Event)],
    outcome: Outcome,
    keep: impl Fn(&'a Event) -> bool,
) -> u64 {
    lines
        .iter()
        .filter(|(.., event)| event.outcome == outcome && keep(event))
        .map(|(_, count, _)| count)
        .sum()
}

fn vendor(event: &Event) -> &str {
    event.evidence.as_ref().and_then(|(rule, _)| rule.vendor.as_deref()).unwrap_or("")
}

type Lines<'a> = [(i64, u64, &'a Event)];

#[test]
fn a_report_is_what_one_gets_by_counting() {
    let dir = Dir::new();
    let journal = RefCell::new(dir.journal(Settings::default()));
    let cases = (vec(an_event(), 0..40), NOON / 1_000 - 3 * 86_400..NOON / 1_000 + 2 * 86_400);
    let check = |(events, since): (Vec<(i64, Event, bool)>, i64)| {
        let journal = &mut *journal.borrow_mut();
        prop_assert!(journal.wipe());
        for (ms, event, flush) in &events {
            record(journal, *ms, event);
            if *flush {
                drop(read_all(journal));
            }
        }
        let got = report_with(journal, since, &[("acme", "2026-02-28"), ("dcme", "2026-01-01")]);
        let all = naive_lines(&events);
        let from = |ms| all.iter().copied().filter(|(last, ..)| *last >= ms).collect::<Vec<_>>();
        let lines = from(since * 1_000);

        prop_assert_eq!(got.since, since);
        let totals = [Blocked, Watched, Passed].map(|outcome| sum(&lines, outcome, |_| true));
        prop_assert_eq!([got.blocked, got.watched, got.passed], totals);
        check_vendors(&got, &lines, &from(DAY_MS * 20_512))?;
        check_hosts(&got, &lines)?;
        check_clients(&got, &lines)
    };
    TestRunner::new(Config::with_cases(64)).run(&cases, check).unwrap();
}

fn check_vendors(got: &Report, lines: &Lines<'_>, opted_out: &Lines<'_>) -> TestCaseResult {
    let stopped = |lines: &Lines<'_>, key: &str| {
        [Blocked, Watched].map(|outcome| sum(lines, outcome, |event| vendor(event) == key))
    };
    let names = |key: &str| -> BTreeSet<_> {
        lines
            .iter()
            .filter(|(.., event)| event.outcome != Passed && vendor(event) == key)
            .map(|(.., event)| event.host.clone())
            .collect()
    };
    for line in &got.vendors {
        let key = &*line.vendor;
        prop_assert_eq!([line.blocked, line.watched], stopped(lines, key));
        prop_assert_eq!(line.hosts, names(key).len() as u64);
        let want = match key {
            "acme" => Some(stopped(opted_out, key).iter().sum()),
            "dcme" => Some(0),
            _ => None,
        };
        prop_assert_eq!(line.since_opt_out, want);
    }
    for key in ["acme", "bcme", "dcme", ""] {
        let listed = got.vendors.iter().any(|line| line.vendor == key);
        prop_assert_eq!(listed, ["acme", "dcme"].contains(&key) || !names(key).is_empty());
    }
    prop_assert!(got.vendors.is_sorted_by_key(|line| Reverse(line.blocked)));
    Ok(())
}

fn check_hosts(got: &Report, lines: &Lines<'_>) -> TestCaseResult {
    let mut hosts = BTreeMap::new();
    for (_, count, event) in lines.iter().filter(|(.., event)| event.outcome != Passed) {
        let key = (event.outcome, event.host.clone().unwrap().to_string());
        let (queries, connections) = hosts.entry(key).or_insert((0, 0));
        *(if matches!(event.kind, Kind::Query { .. }) { queries } else { connections }) += count;
    }
    let listed: BTreeMap<_, _> = got
        .hosts
        .iter()
        .map(|line| ((line.outcome, line.host.clone()), (line.queries, line.connections)))
        .collect();
    prop_assert_eq!(listed, hosts);
    prop_assert!(
        got.hosts.iter().all(|line| line.collects.is_some() == line.host.starts_with('a'))
    );
    Ok(())
}

fn check_clients(got: &Report, lines: &Lines<'_>) -> TestCaseResult {
    for ReportClient { client, blocked, watched, passed } in &got.clients {
        let who = Client::Device(client.address.unwrap());
        let counts = [Blocked, Watched, Passed]
            .map(|outcome| sum(lines, outcome, |event| event.client == who));
        prop_assert_eq!([*blocked, *watched, *passed], counts);
    }
    let of_all: u64 = got.clients.iter().map(|line| line.blocked + line.passed).sum();
    prop_assert_eq!(of_all, got.blocked + got.passed);
    Ok(())
}

#[test]
fn a_report_shows_the_rule_the_source_and_who_it_was() {
    let dir = Dir::new();
    let mut journal = dir.journal(Settings::default());
    let event = with_rule(query("a.acme.example", 1, Blocked), "*.acme.example", "acme");
    for (address, ms) in [("2001:db8::1", 0), ("2001:db8::2", 60_000)] {
        let client = ClientLine {
            address: Some(address.parse().unwrap()),
            mac: Some("02:00:5e:10:00:01".into()),
            name: Some("phone".into()),
            ..ClientLine::default()
        };
        let event = Event { client: device(address), ..event.clone() };
        journal.record(NOON + ms, &event, None, || client);
    }
    let by_address = Event {
        host: None,
        evidence: None,
        ..with_rule(connection("x", Blocked), "198.18.0.0/15", "bcme")
    };
    record(&mut journal, NOON + 1, &by_address);
    let got = report(&mut journal, 0);
    assert_eq!(got.blocked, 3);
    assert_eq!(got.vendors.len(), 2);
    assert_eq!(got.vendors[0].name, "ACME");
    assert_eq!(got.vendors[0].first, NOON / 1_000);
    assert_eq!(got.vendors[0].last, NOON / 1_000 + 60);
    assert_eq!((&*got.hosts[0].host, got.hosts[0].queries), ("a.acme.example", 2));
    assert_eq!(got.hosts[0].collects.as_deref(), Some("everything"));
    let rule = got.hosts[0].rule.as_ref().unwrap();
    assert_eq!((&*rule.list, rule.line, &*rule.text), ("pack", 17, "*.acme.example"));
    assert_eq!((&*got.hosts[1].host, got.hosts[1].connections), ("198.18.1.1", 1));
    // One device, though it used two addresses.
    assert_eq!(got.clients.len(), 2);
    assert_eq!((got.clients[0].blocked, got.clients[0].client.name.as_deref()), (2, Some("phone")));
}

#[test]
fn the_attempts_since_an_opt_out_outlive_the_lines() {
    let dir = Dir::new();
    let mut journal = dir.journal(Settings::default());
    let event = with_rule(query("a.acme.example", 1, Blocked), "*", "acme");
    for _ in 0..7 {
        record(&mut journal, NOON, &event);
    }
    read_all(&mut journal);
    dir.sql().execute("DELETE FROM events", []).unwrap();
    let got = report_with(&mut journal, NOON / 1_000 - 60, &[("acme", "2026-03-01")]);
    assert_eq!(got.vendors[0].since_opt_out, Some(7));
    assert_eq!((got.blocked, got.hosts[0].queries), (7, 7));
    assert_eq!(got.since, 20_513 * 86_400, "without lines, a day is whole or not at all");
    let later = report_with(&mut journal, NOON / 1_000 + 86_400, &[("acme", "2026-03-02")]);
    assert_eq!((later.blocked, later.vendors[0].since_opt_out), (0, Some(0)));
    let odd = report_with(&mut journal, 0, &[("acme", "soon")]);
    assert_eq!(odd.vendors[0].since_opt_out, None);
}

#[test]
fn with_numbers_alone_there_is_still_a_report() {
    for (privacy, passed) in [(Privacy::Blocked, 1), (Privacy::Counters, 1), (Privacy::Nothing, 0)]
    {
        let dir = Dir::new();
        let mut journal = dir.journal(Settings { privacy, ..Settings::default() });
        let blocked = with_rule(query("a.acme.example", 1, Blocked), "*", "acme");
        record(&mut journal, NOON, &blocked);
        record(&mut journal, NOON, &query("secret.example", 1, Passed));
        let got = report(&mut journal, NOON / 1_000 - 60);
        assert_eq!((got.blocked, got.passed), (u64::from(privacy != Privacy::Nothing), passed));
        assert_eq!(got.vendors.len(), usize::from(privacy != Privacy::Nothing));
        assert_eq!(got.hosts.len(), usize::from(privacy == Privacy::Blocked));
        assert_eq!(journal.counters(NOON).today.passed, passed);
        journal.close();
        for name in ["journal.db", "journal.db-wal"] {
            let bytes = std::fs::read(dir.0.join(name)).unwrap_or_default();
            let holds = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
            assert!(!holds("secret"), "{privacy:?} {name}");
            assert!(privacy == Privacy::Blocked || !holds("example"), "{privacy:?} {name}");
            assert!(privacy == Privacy::Blocked || !holds("192.0.2"), "{privacy:?} {name}");
        }
        assert_eq!(dir.file().exists(), privacy != Privacy::Nothing);
    }
}

#[test]
fn the_totals_go_on_where_they_were() {
    let dir = Dir::new();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_millis()).unwrap();
    let event = with_rule(query("a.acme.example", 1, Blocked), "*", "acme");
    for start in 0..3 {
        let mut journal = dir.journal(Settings::default());
        record(&mut journal, now - 2 * DAY_MS, &event);
        record(&mut journal, now, &event);
        let totals = journal.counters(now);
        assert_eq!(totals.ever.blocked, 2 * (start + 1));
        assert_eq!(totals.today.blocked, 1, "a stop of the clock begins the day anew");
        assert_eq!(journal.counters(now + DAY_MS).today, Numbers::default());
        assert_eq!(journal.counters(now + DAY_MS).ever, totals.ever);
        journal.close();
    }
    let mut journal = dir.journal(Settings::default());
    assert_eq!(journal.counters(now).today.blocked, 3);
    let by_vendor = journal.reader().blocked_by_vendor().unwrap();
    assert_eq!(by_vendor.into_iter().collect::<Vec<_>>(), [("acme".to_owned(), 6)]);
}
