//! What is kept, and what goes.

use super::*;

fn limits(keep_days: u32) -> Settings {
    Settings { keep_days, max_mb: 1, ..Settings::default() }
}

/// Records one line named `host` at `ms`, and has the writer look at the age of lines.
fn write_and_maintain(dir: &Dir, settings: Settings, host: &str, ms: i64) {
    // A new writer looks at the first write.
    let mut journal = dir.journal(settings);
    record(&mut journal, ms, &query(host, 1, Outcome::Blocked));
    read_all(&mut journal);
}

fn kept(dir: &Dir) -> Vec<String> {
    let mut journal = dir.journal(limits(30));
    hosts(&read_all(&mut journal)).into_iter().map(str::to_owned).collect()
}

#[test]
fn lines_go_when_they_are_too_old_and_their_numbers_stay() {
    let dir = Dir::new();
    for days in [0, 1, 20, 31] {
        write_and_maintain(&dir, limits(30), &format!("day{days}.example"), NOON + days * DAY_MS);
    }
    // The clock was ahead by more than a day: that look deleted nothing.
    assert_eq!(kept(&dir).len(), 4);
    write_and_maintain(&dir, limits(30), "now.example", NOON + 31 * DAY_MS);
    assert_eq!(kept(&dir), ["day1.example", "day20.example", "day31.example", "now.example"]);
    let sql = dir.sql();
    let one = |query: &str| sql.query_row(query, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(one("SELECT sum(count) FROM counters"), 5);
    assert_eq!(one("SELECT count(*) FROM counters WHERE host = ''"), 1, "hosts go with the lines");
}

#[test]
fn a_clock_that_jumps_deletes_nothing() {
    let dir = Dir::new();
    for (host, ms) in [
        ("epoch.example", 0), // a router without a clock
        ("a.example", NOON),
        ("b.example", NOON + 1_000),
        ("year-on.example", NOON + 365 * DAY_MS),
        ("back.example", NOON + 2_000),
        ("epoch-again.example", 5_000),
        ("c.example", NOON + 3_000),
        ("c2.example", NOON + 3_500),
    ] {
        write_and_maintain(&dir, limits(30), host, ms);
    }
    assert_eq!(kept(&dir).len(), 8);
    // Time goes on, and what is old goes after all, with what is between.
    write_and_maintain(&dir, limits(30), "d.example", NOON + 40 * DAY_MS);
    write_and_maintain(&dir, limits(30), "e.example", NOON + 40 * DAY_MS + 1);
    assert_eq!(kept(&dir), ["d.example", "e.example"]);
}

#[test]
fn without_a_limit_in_days_nothing_is_too_old() {
    let dir = Dir::new();
    for days in [0, 1_000] {
        write_and_maintain(&dir, limits(0), "a.example", NOON + days * DAY_MS);
        write_and_maintain(&dir, limits(0), "a.example", NOON + days * DAY_MS + 1);
    }
    assert_eq!(kept(&dir).len(), 4);
}

#[test]
fn the_file_stays_within_its_size_and_the_newest_lines_stay() {
    let dir = Dir::new();
    let mut journal = dir.journal(limits(90));
    let total = 24_000;
    for n in 0..total {
        let event = query(&format!("a-rather-long-name-number-{n}.example"), 1, Outcome::Passed);
        record(&mut journal, NOON + n, &event);
        if n % 2_000 == 1_999 {
            read_all(&mut journal);
            journal.batch.take(Duration::MAX); // room for lines comes back
        }
    }
    let lines = read_all(&mut journal);
    assert!(lines.len() > 4_000, "{} lines", lines.len());
    assert_eq!(lines.last().unwrap().first_ms, NOON + total - 1);
    assert!(lines.windows(2).all(|two| two[0].first_ms + 1 == two[1].first_ms));
    journal.close();
    let size = dir.file().metadata().unwrap().len();
    assert!(size < 1_500_000, "{size} bytes");
    assert_eq!(Journal::open(&dir.0, limits(90)).0.counters(NOON).ever.passed, 24_000);
}

#[test]
fn names_made_up_without_end_do_not_fill_the_numbers() {
    let dir = Dir::new();
    let mut journal = dir.journal(Settings::default());
    for n in 0..10_000 {
        let event = query(&format!("x{n}.flood.example"), 1, Outcome::Blocked);
        record(&mut journal, NOON, &with_rule(event, "*.flood.example", "acme"));
    }
    read_all(&mut journal);
    let sql = dir.sql();
    let one = |query: &str| sql.query_row(query, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(one("SELECT count(*) FROM counters"), 4_097);
    assert_eq!(one("SELECT sum(count) FROM counters WHERE vendor = 'acme'"), 10_000);
}

#[test]
fn old_numbers_lose_their_hosts_before_their_days() {
    let dir = Dir::new();
    write_and_maintain(&dir, limits(0), "a.example", NOON);
    let sql = dir.sql();
    // 1 MiB has room for 1,638 rows.
    let fill = "
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
        INSERT INTO counters SELECT i / 10, 'blocked', 'acme', 'host' || i, 'query', 1, i, i FROM n";
    sql.execute(fill, []).unwrap();
    write_and_maintain(&dir, limits(0), "b.example", NOON);
    let one = |query: &str| sql.query_row(query, [], |row| row.get::<_, i64>(0)).unwrap();
    let rows = one("SELECT count(*) FROM counters");
    assert!((1_600..=1_660).contains(&rows), "{rows} rows");
    assert!(one("SELECT min(day) FROM counters") > 0);
    let sql = "SELECT count(*) FROM counters WHERE host = 'host4000'";
    assert_eq!(one(sql), 1, "the newest are as they were");
}

#[test]
fn a_wipe_leaves_nothing() {
    let dir = Dir::new();
    let mut journal = dir.journal(Settings::default());
    record(&mut journal, NOON, &query("secret-1.example", 1, Outcome::Blocked));
    read_all(&mut journal);
    std::fs::write(dir.0.join("journal.db.damaged-2"), "secret-0.example").unwrap();
    record(&mut journal, NOON, &query("secret-2.example", 1, Outcome::Blocked));
    assert!(journal.wipe());
    assert_eq!(read_all(&mut journal), []);
    assert_eq!(journal.counters(NOON), Totals::default());
    for entry in std::fs::read_dir(&dir.0).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(6).any(|part| part == b"secret"), "{}", path.display());
    }
    record(&mut journal, NOON, &query("new.example", 1, Outcome::Blocked));
    assert_eq!(hosts(&read_all(&mut journal)), ["new.example"]);
}
