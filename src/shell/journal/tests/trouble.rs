//! Disks that fill, files that rot, processes that are killed.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use super::*;

/// Runs `test` where `dir` is a file system of its own of 1 MiB, seen by nobody else.
fn on_a_small_disk(test: impl FnOnce(&Dir) + Send + 'static) {
    let run = || {
        let dir = Dir::new();
        std::fs::create_dir_all(&dir.0).unwrap();
        if let Err(error) = unshare(CloneFlags::CLONE_NEWNS) {
            eprintln!("SKIPPED: cannot make a mount namespace: {error}");
            assert!(std::env::var_os("CI").is_none(), "must not be skipped in CI");
            return;
        }
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        mount(Some("tmpfs"), &dir.0, Some("tmpfs"), MsFlags::empty(), Some("size=1m")).unwrap();
        test(&dir);
        nix::mount::umount2(&dir.0, nix::mount::MntFlags::MNT_DETACH).unwrap();
    };
    // Only this thread, and the writer that it starts, move to the namespace.
    std::thread::spawn(run).join().unwrap();
}

fn remount(dir: &Dir, flags: MsFlags) {
    let none = None::<&str>;
    mount(none, &dir.0, none, flags | MsFlags::MS_REMOUNT, Some("size=1m")).unwrap();
}

/// `number` lines that no other call makes.
fn record_many(journal: &mut Journal, from: i64, number: i64) {
    for n in from..from + number {
        let event = query(&format!("a-rather-long-name-number-{n}.example"), 1, Outcome::Blocked);
        record(journal, NOON + n, &event);
    }
}

#[test]
fn a_full_disk_is_told_and_forgotten_once_there_is_space() {
    on_a_small_disk(|dir| {
        let (mut journal, problem) = Journal::open(&dir.0, Settings::default());
        assert_eq!(problem, None);
        let ballast = dir.0.join("ballast");
        std::fs::write(&ballast, vec![1; 600_000]).unwrap();
        for from in (0..8_000).step_by(1_000) {
            record_many(&mut journal, from, 1_000);
            read(&mut journal.reader(), &LogQuery { last: 1, ..LogQuery::default() });
        }
        let health = journal.health();
        let problem = health.problem.expect("1.5 MB do not fit into 1 MiB");
        assert!(
            problem.contains("free some space") || problem.contains("space on it"),
            "{problem}"
        );
        assert_eq!(problem.lines().count(), 1);
        assert_eq!(health.lost, 0, "it is held for now");
        let before = read_all(&mut journal).len();
        assert!(before < 8_000);

        // More comes than can be held: it is counted, and memory is bounded.
        for from in (8_000..48_000).step_by(8_000) {
            record_many(&mut journal, from, 8_000);
            read(&mut journal.reader(), &LogQuery { last: 1, ..LogQuery::default() });
            journal.batch.take(Duration::MAX);
        }
        assert!(journal.health().lost >= 10_000, "{:?}", journal.health());

        std::fs::remove_file(&ballast).unwrap();
        remount_larger(dir);
        record_many(&mut journal, 48_000, 1);
        let begin = Instant::now();
        while journal.health().problem.is_some() && begin.elapsed() < Duration::from_secs(40) {
            read(&mut journal.reader(), &LogQuery { last: 1, ..LogQuery::default() });
        }
        let lines = read_all(&mut journal);
        assert_eq!(journal.health().problem, None);
        assert!(lines.len() > 32_000, "{}", lines.len());
        assert_eq!(lines.last().unwrap().first_ms, NOON + 48_000);
        let ids: Vec<_> = lines.iter().map(|line| line.first_ms).collect();
        assert!(ids.is_sorted());
        let blocked = report_blocked(&mut journal);
        assert_eq!(blocked, 48_001, "what has no line is counted all the same");
    });
}

fn remount_larger(dir: &Dir) {
    let none = None::<&str>;
    mount(none, &dir.0, none, MsFlags::MS_REMOUNT, Some("size=64m")).unwrap();
}

fn report_blocked(journal: &mut Journal) -> u64 {
    let opted_out = std::collections::BTreeMap::new();
    let known = Known { vendor_name: &|_| None, opted_out: &opted_out, collects: &|_| None };
    journal.reader().report(0, NOON / 1_000, &known).unwrap().blocked
}

#[test]
fn a_disk_that_turns_read_only_is_told_and_forgotten() {
    on_a_small_disk(|dir| {
        let (mut journal, _) = Journal::open(&dir.0, Settings::default());
        record_many(&mut journal, 0, 1);
        read_all(&mut journal);
        // The files are open for writing: let go of them first, as after a reboot.
        journal.close();
        remount(dir, MsFlags::MS_RDONLY);
        let (mut journal, problem) = Journal::open(&dir.0, Settings::default());
        let problem = problem.expect("it cannot be written");
        assert!(problem.contains("ead-only") || problem.contains("readonly"), "{problem}");
        record_many(&mut journal, 1, 1);
        journal.flush();
        let _ = journal.reader().log(&LogQuery::default(), |_| ControlFlow::Continue(()));
        assert!(journal.health().problem.is_some());
        remount(dir, MsFlags::empty());
        record_many(&mut journal, 2, 1);
        assert_eq!(read_all(&mut journal).len(), 3);
        assert_eq!(journal.health().problem, None);
    });
}

#[test]
fn a_place_where_nothing_can_be_made_is_a_problem_and_no_more() {
    let (mut journal, problem) = Journal::open(Path::new("/proc/optout"), Settings::default());
    let problem = problem.expect("/proc takes no directories");
    assert!(problem.starts_with("cannot make the journal /proc/optout/journal.db: "), "{problem}");
    record_many(&mut journal, 0, 10);
    assert_eq!(read_all(&mut journal), []);
    assert_eq!(journal.counters(NOON).ever.blocked, 10);
    assert_eq!(journal.health().problem, Some(problem));
}

/// Not a test: what `a_killed_writer_leaves_a_readable_journal` kills.
#[test]
fn writes_until_it_is_killed() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let (mut journal, _) = Journal::open(Path::new(&dir), Settings::default());
    let mut out = std::io::stdout();
    for n in 0.. {
        record_many(&mut journal, n * 50, 50);
        drop(read(&mut journal.reader(), &LogQuery { last: 1, ..LogQuery::default() }));
        // Of what is written, this much is surely there.
        writeln!(out, "\nwritten {}", (n + 1) * 50).unwrap();
    }
}

#[test]
fn a_killed_writer_leaves_a_readable_journal() {
    let dir = Dir::new();
    let mut promised = 0;
    for round in 0..8_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--nocapture",
                "shell::journal::tests::trouble::writes_until_it_is_killed",
            ])
            .env(CHILD, &dir.0)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut written = 0;
        while written < 150 {
            let line = lines.next().unwrap().unwrap();
            written = line.strip_prefix("written ").map_or(written, |n| n.parse().unwrap());
        }
        std::thread::sleep(Duration::from_millis(round * 7));
        child.kill().unwrap();
        child.wait().unwrap();
        promised += written;
        let mut journal = dir.journal(Settings::default());
        let there = read_all(&mut journal).len();
        assert!(there >= promised, "round {round}: {there} of {promised}");
        promised = there;
        let check = "PRAGMA integrity_check";
        let said: String = dir.sql().query_row(check, [], |row| row.get(0)).unwrap();
        assert_eq!(said, "ok");
    }
}

#[test]
fn a_damaged_journal_is_set_aside_and_its_numbers_are_taken_over() {
    let dir = Dir::new();
    let mut journal = dir.journal(Settings::default());
    record_many(&mut journal, 0, 2_000);
    journal.close();
    let leaf =
        "SELECT pageno FROM dbstat WHERE name = 'events' AND pagetype = 'leaf' LIMIT 1 OFFSET 9";
    let leaf: u32 = dir.sql().query_row(leaf, [], |row| row.get(0)).unwrap();
    let mut bytes = std::fs::read(dir.file()).unwrap();
    let leaf = leaf as usize;
    bytes[(leaf - 1) * 4_096..leaf * 4_096].fill(0xa5);
    std::fs::write(dir.file(), &bytes).unwrap();

    let mut journal = Journal::open(&dir.0, Settings::default()).0;
    let mut reader = journal.reader();
    let error = reader.log(&LogQuery::default(), |_| ControlFlow::Continue(())).unwrap_err();
    assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
    record_many(&mut journal, 5_000, 1);
    assert_eq!(read_all(&mut journal).len(), 1);
    let problem = journal.health().problem.expect("a person should know");
    assert!(problem.contains("journal.db.damaged-1"), "{problem}");
    assert_eq!(problem.lines().count(), 1);
    assert!(dir.0.join("journal.db.damaged-1").exists());
    assert_eq!(report_blocked(&mut journal), 2_001, "the numbers are taken over");
}

#[test]
fn whatever_bytes_are_flipped_it_goes_on() {
    let dir = Dir::new();
    let mut journal = dir.journal(Settings::default());
    record_many(&mut journal, 0, 200);
    journal.close();
    let whole = std::fs::read(dir.file()).unwrap();
    // The header and the schema byte by byte, then pages here and there.
    let places = (0..100).chain((100..whole.len()).step_by(whole.len() / 100));
    for at in places {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        let dir = Dir::new();
        std::fs::create_dir_all(&dir.0).unwrap();
        std::fs::write(dir.file(), &bytes).unwrap();
        let (mut journal, _) = Journal::open(&dir.0, Settings::default());
        for n in 0..2 {
            record_many(&mut journal, 9_000 + n, 1);
            let _ = journal.reader().log(&LogQuery::default(), |_| ControlFlow::Continue(()));
        }
        let health = journal.health();
        assert_eq!((health.writes, health.lost), (2, 0), "byte {at}: {health:?}");
    }
}

#[test]
fn something_else_under_its_name_is_set_aside() {
    for content in [&b"SQLite format 3\0 but not really"[..], &[7; 5_000]] {
        let dir = Dir::new();
        for n in 1..=5 {
            std::fs::create_dir_all(&dir.0).unwrap();
            std::fs::write(dir.file(), content).unwrap();
            let (mut journal, problem) = Journal::open(&dir.0, Settings::default());
            let name = format!("journal.db.damaged-{}", n.min(3));
            assert!(problem.is_some_and(|text| text.contains(&name)));
            record_many(&mut journal, 0, 1);
            assert_eq!(read_all(&mut journal).len(), 1);
            assert_eq!(std::fs::read(dir.0.join(name)).unwrap(), content);
        }
        assert!(!dir.0.join("journal.db.damaged-4").exists());
    }
}

#[test]
fn a_journal_of_a_newer_optout_is_left_alone() {
    let dir = Dir::new();
    drop(dir.journal(Settings::default()));
    dir.sql().pragma_update(None, "user_version", 3).unwrap();
    let (mut journal, problem) = Journal::open(&dir.0, Settings::default());
    assert!(problem.unwrap().contains("newer optout"));
    record_many(&mut journal, 0, 1);
    let error = journal.reader().log(&LogQuery::default(), |_| ControlFlow::Continue(()));
    assert!(matches!(error, Err(JournalError::Newer { version: 3, .. })));
    assert!(dir.file().exists());
}

#[test]
fn a_removed_file_is_made_anew() {
    let dir = Dir::new();
    let mut journal = dir.journal(Settings::default());
    record_many(&mut journal, 0, 1);
    read_all(&mut journal);
    std::fs::remove_dir_all(&dir.0).unwrap();
    record_many(&mut journal, 1, 1);
    assert_eq!(read_all(&mut journal).len(), 1);
    assert_eq!(journal.health().problem, None);
}

#[test]
fn a_locked_database_delays_and_loses_nothing() {
    let dir = Dir::new();
    let mut journal = dir.journal(Settings::default());
    let sql = dir.sql();
    sql.execute_batch("BEGIN IMMEDIATE").unwrap();
    record_many(&mut journal, 0, 3);
    assert_eq!(read_all(&mut journal), []);
    let problem = journal.health().problem.expect("it is locked");
    assert!(problem.contains("close the program that holds it"), "{problem}");
    sql.execute_batch("ROLLBACK").unwrap();
    record_many(&mut journal, 3, 1);
    assert_eq!(read_all(&mut journal).len(), 4);
    assert_eq!(journal.health().problem, None);
}

#[test]
fn closing_writes_what_is_left_within_a_second() {
    let dir = Dir::new();
    let mut journal = dir.journal(Settings::default());
    record_many(&mut journal, 0, 1_000);
    let begin = Instant::now();
    journal.close();
    assert!(begin.elapsed() < PROMPT, "{:?}", begin.elapsed());
    let mut journal = dir.journal(Settings::default());
    assert_eq!(read_all(&mut journal).len(), 1_000);
}

#[test]
fn a_disk_that_hangs_holds_up_the_stop_for_a_second_only() {
    let dir = Dir::new();
    let mut journal = dir.journal(Settings::default());
    let sql = dir.sql();
    sql.execute_batch("BEGIN IMMEDIATE").unwrap();
    record_many(&mut journal, 0, 1);
    let begin = Instant::now();
    journal.close();
    assert!(begin.elapsed() < PROMPT, "{:?}", begin.elapsed());
}

const CHILD: &str = "OPTOUT_TEST_JOURNAL";

/// Far from the second that is promised, for the sake of loaded machines, and far
/// from the ten that a locked database would take.
const PROMPT: Duration = Duration::from_secs(5);
