//! Rows L16 to L18: what is on the disk after whatever happens.

use std::collections::HashSet;
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::server::{End, Server, bytes, head, plain};
use super::{NOW, Scratch, World, bounds, domains, fetcher, names, source, text};
use crate::shell::netns_test::{isolated, sh};
use crate::shell::subscriptions::{Bounds, ListId, Outcome, Store, StoreError, Updater};

/// Updates this list again and again, and never ends.
fn update_for_ever(state: &Path) {
    let store = Store::at(state);
    // Every version is another one, also than those of the process before.
    let known = store.record(&source("a").id).unwrap();
    let first = known.map_or(0, |record| record.last_number as usize);
    let server = Server::new(move |asked, wire| plain(wire, &version(first + asked.before)));
    let (fetcher, look) = (fetcher(&server, bounds()), domains());
    let updater = Updater { store: &store, fetcher: &fetcher, survey: &look };
    loop {
        let outcome = updater.update(&source("a"), NOW, &mut |_, _| {});
        assert!(matches!(outcome, Outcome::Updated { .. }), "{outcome:?}");
    }
}

/// Version `n` of a list: its number stands at both ends.
fn version(n: usize) -> String {
    format!("# {n}\n{}# {n}\n", names(2000))
}

#[test]
fn l16_after_kill_9_at_any_moment_a_whole_version_is_in_force() {
    const INSIDE: &str = "OPTOUT_TEST_UPDATES_IN";
    if let Some(state) = std::env::var_os(INSIDE) {
        update_for_ever(Path::new(&state));
    }
    let scratch = Scratch::new();
    let (store, id) = (Store::at(&scratch.0), source("a").id);
    let test = "l16_after_kill_9_at_any_moment_a_whole_version_is_in_force";
    let mut seen = HashSet::new();
    for round in 0..25_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("shell::subscriptions::tests::keeping::{test}")])
            .env(INSIDE, &scratch.0)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let before = store.record(&id).ok().flatten().map(|record| record.last_number);
        while store.record(&id).unwrap().map(|record| record.last_number) == before {
            thread::sleep(Duration::from_millis(1));
            assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        }
        thread::sleep(Duration::from_micros(round * 1777));
        child.kill().unwrap();
        child.wait().unwrap();

        let whole = text(&store, &id);
        let (first, last) = (whole.lines().next().unwrap(), whole.lines().last().unwrap());
        assert_eq!(first, last);
        assert_eq!(whole, version(first[2..].parse().unwrap()));
        for version in &store.record(&id).unwrap().unwrap().good {
            assert!(store.is_whole(&id, version), "{version:?}");
        }
        seen.insert(super::files(&scratch.0.join("lists/a")));
        // What the crash left is swept, and does not get in the way.
        drop(store.begin(&id).unwrap());
        let left = super::files(&scratch.0.join("lists/a"));
        assert!(left.len() <= 5, "{left:?}");
    }
    assert!(seen.len() > 5, "it was killed at the same moment each time");
}

#[test]
fn l16_of_two_updaters_at_once_one_is_told_to_wait() {
    let (asked, go) = (Arc::new(std::sync::Barrier::new(2)), Arc::new(std::sync::Barrier::new(2)));
    let (asked_, go_) = (asked.clone(), go.clone());
    let server = Server::new(move |_, wire| {
        asked_.wait();
        go_.wait();
        plain(wire, "a.example\n")
    });
    let mut world = World::new(&server);
    let (store, fetcher) = (world.store.clone(), world.fetcher.clone());
    thread::scope(|scope| {
        let first = scope.spawn(|| world.update());
        asked.wait();
        let look = domains();
        let updater = Updater { store: &store, fetcher: &fetcher, survey: &look };
        let outcome = updater.update(&source("a"), NOW, &mut |_, _| {});
        let why = "list \"a\" is being updated already; try again in a minute".into();
        assert_eq!(outcome, Outcome::Failed { why });
        assert!(matches!(store.remove(&source("a").id), Err(StoreError::Busy { .. })));
        go.wait();
        assert!(matches!(first.join().unwrap(), Outcome::Updated { .. }));
    });
    let record = store.record(&source("a").id).unwrap().unwrap();
    assert_eq!((record.failures, record.good.len()), (0, 1));
}

#[test]
fn l16_a_second_process_is_told_to_wait_as_well() {
    let scratch = Scratch::new();
    let store = Store::at(&scratch.0);
    let id: ListId = "a".parse().unwrap();
    drop(store.begin(&id).unwrap());
    let folder = scratch.0.join("lists/a");
    // flock(1) is a process of its own.
    let mut child = Command::new("flock")
        .arg("--no-fork")
        .arg(&folder)
        .args(["sh", "-c", "echo; exec sleep 60"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("flock(1) starts");
    child.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
    assert!(matches!(store.begin(&id), Err(StoreError::Busy { .. })));
    child.kill().unwrap();
    child.wait().unwrap();
    drop(store.begin(&id).unwrap());
}

#[test]
fn l16_many_changes_at_once_lose_none() {
    let scratch = Scratch::new();
    let store = Store::at(&scratch.0);
    store.add(&source("a"), None).unwrap();
    let id = source("a").id;
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    let change = store.change(&id, None, |record| {
                        record.failures += 1;
                        Ok(())
                    });
                    change.unwrap();
                }
            });
        }
    });
    assert_eq!(store.record(&id).unwrap().unwrap().failures, 100);
}

#[test]
fn l17_on_a_full_disk_the_old_version_stays_whole_and_a_sentence_says_so() {
    let name = "shell::subscriptions::tests::keeping::\
                l17_on_a_full_disk_the_old_version_stays_whole_and_a_sentence_says_so";
    isolated(name, || {
        let scratch = Scratch::new();
        let state = scratch.0.display();
        sh(&format!("mount -t tmpfs -o size=96k tmpfs {state}"));
        // Too random to be packed well.
        let line = |n: u64| format!("{:016x}.example\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (small, big) = (names(100), (0..14_000).map(line).collect::<Vec<_>>().concat());
        let server = Server::new(move |asked, wire| match asked.before {
            0 => plain(wire, &small),
            _ => plain(wire, &big),
        });
        let store = Store::at(&scratch.0);
        let (fetcher, look) = (fetcher(&server, bounds()), domains());
        let updater = Updater { store: &store, fetcher: &fetcher, survey: &look };
        let id = source("a").id;
        let first = updater.update(&source("a"), NOW, &mut |_, _| {});
        assert!(matches!(first, Outcome::Updated { .. }), "{first:?}");
        let second = updater.update(&source("a"), NOW, &mut |_, _| {});
        let Outcome::Failed { why } = second else { panic!("{second:?}") };
        assert!(
            why.contains("No space left on device") && why.contains("free some space"),
            "{why}"
        );
        assert_eq!(text(&store, &id), names(100));
        assert_eq!(super::files(&scratch.0.join("lists/a")), ["1.txt.gz", "list.json"]);

        // And with no room at all, not even for a word about it.
        sh(&format!("dd if=/dev/zero of={state}/filler bs=4k 2>/dev/null || true"));
        let third = updater.update(&source("a"), NOW, &mut |_, _| {});
        assert!(matches!(third, Outcome::Failed { .. }), "{third:?}");
        let error = store.add(&source("a"), Some(NOW)).unwrap_err().to_string();
        assert!(error.contains("what was there before stays in force"), "{error}");
        assert_eq!(text(&store, &id), names(100));
        sh(&format!("umount {state}"));
    });
}

#[test]
fn l18_a_damaged_text_is_noticed_wherever_it_is_damaged() {
    let mut world = World::new(&Server::giving(&names(50)));
    world.takes();
    let path = world.folder().join("1.txt.gz");
    let whole = fs::read(&path).unwrap();
    let id = world.source.id.clone();
    let read = || {
        let mut text = String::new();
        world.store.open_text(&id).unwrap().read_to_string(&mut text).map(|_| text)
    };
    assert_eq!(read().unwrap(), names(50));
    // Ten bytes of head say nothing about the text: its name, its time, its system.
    for place in 10..whole.len() {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x10;
        fs::write(&path, &damaged).unwrap();
        if let Ok(text) = read() {
            panic!("byte {place}: {} bytes were taken", text.len());
        }
    }
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        assert_eq!(read().unwrap_err().kind(), ErrorKind::InvalidData, "{length} bytes");
    }
}

#[test]
fn l18_a_sound_file_with_another_text_is_noticed() {
    let server =
        Server::new(|asked, wire| plain(wire, ["a.example\n", "b.example\n"][asked.before]));
    let mut world = World::new(&server);
    world.takes();
    world.takes();
    fs::copy(world.folder().join("1.txt.gz"), world.folder().join("2.txt.gz")).unwrap();
    let mut open = world.store.open_text(&world.source.id).unwrap();
    let error = open.read_to_string(&mut String::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(world.store.heal(&world.source.id, NOW).unwrap().is_some());
    assert_eq!(world.text(), "a.example\n");
}

#[test]
fn l18_where_the_text_in_force_is_damaged_the_one_before_is_put_in_force() {
    let server = Server::new(|asked, wire| plain(wire, &names(asked.before + 1)));
    let mut world = World::new(&server);
    for _ in 0..3 {
        world.takes();
    }
    let id = world.source.id.clone();
    assert_eq!(world.store.heal(&id, NOW).unwrap(), None);
    fs::write(world.folder().join("3.txt.gz"), b"rubbish").unwrap();
    fs::remove_file(world.folder().join("2.txt.gz")).unwrap();
    let said = world.store.heal(&id, NOW).unwrap().unwrap();
    assert!(said.contains("was damaged on the disk; the version before it is in force"), "{said}");
    assert_eq!(world.text(), names(1));
    fs::write(world.folder().join("1.txt.gz"), b"").unwrap();
    let said = world.store.heal(&id, NOW).unwrap().unwrap();
    assert!(said.contains("there is no other"), "{said}");
    world.takes();
    assert_eq!(world.text(), names(4));
}

#[test]
fn l18_a_record_that_makes_no_sense_is_set_aside_by_the_next_update() {
    let server = Server::giving("a.example\n");
    let mut world = World::new(&server);
    world.takes();
    let record = world.folder().join("list.json");
    for bytes in [b"".as_slice(), b"{", b"\0\0\0", b"{\"source\": 7}"] {
        fs::write(&record, bytes).unwrap();
        let error = world.store.open_text(&world.source.id).unwrap_err().to_string();
        assert!(error.contains("is damaged") && error.contains("update the list"), "{error}");
        world.takes();
        assert_eq!(world.text(), "a.example\n");
    }
}

/// In a process of its own, because memory is everybody's.
#[test]
fn a_large_list_is_never_whole_in_memory() {
    const INSIDE: &str = "OPTOUT_TEST_MEMORY";
    if std::env::var_os(INSIDE).is_none() {
        let run = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("shell::subscriptions::tests::keeping::a_large_list_is_never_whole_in_memory")
            .env(INSIDE, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stdout);
        let why = String::from_utf8_lossy(&run.stderr);
        return assert!(run.status.success() && said.contains("1 passed"), "{said}{why}");
    }
    let server = Server::new(|_, wire| {
        head(wire, 200, &["Transfer-Encoding: chunked"])?;
        let piece = names(40_000);
        for _ in 0..50 {
            let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
            std::io::Write::write_all(wire, chunk.as_bytes())?;
        }
        std::io::Write::write_all(wire, b"0\r\n\r\n")?;
        Ok(End::Word)
    });
    let scratch = Scratch::new();
    let (store, look) = (Store::at(&scratch.0), domains());
    let bounds = Bounds { total: Duration::from_mins(2), bytes: 64 << 20, ..bounds() };
    let fetcher = fetcher(&server, bounds);
    let updater = Updater { store: &store, fetcher: &fetcher, survey: &look };
    let before = most_memory();
    let outcome = updater.update(&source("a"), NOW, &mut |_, _| {});
    let Outcome::Updated { bytes, .. } = outcome else { panic!("{outcome:?}") };
    let grown = most_memory() - before;
    // Some 13 million, of which much are pages of this program, and they are as the kernel likes.
    assert!(bytes > 28_000_000 && grown < 20_000_000, "{grown} bytes for a list of {bytes}");
}

/// The most memory that this process ever had, in bytes (proc(5)).
fn most_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn a_list_that_is_not_known_is_said_so_and_not_made() {
    let scratch = Scratch::new();
    let store = Store::at(&scratch.0);
    let id: ListId = "a".parse().unwrap();
    assert!(matches!(store.rollback(&id, NOW), Err(StoreError::Unknown { .. })));
    assert!(matches!(store.accept(&id, NOW), Err(StoreError::Unknown { .. })));
    assert!(matches!(store.heal(&id, NOW), Err(StoreError::Unknown { .. })));
    assert!(matches!(store.line(&id, 1), Err(StoreError::Unknown { .. })));
    assert_eq!(store.record(&id).unwrap(), None);
    assert_eq!(super::files(&scratch.0), [""; 0]);
}

#[test]
fn what_a_newer_version_wrote_is_kept() {
    let server = Server::giving("a.example\n");
    let mut world = World::new(&server);
    world.takes();
    let record = world.folder().join("list.json");
    let text = fs::read_to_string(&record).unwrap();
    fs::write(&record, text.replacen('{', "{\"of_the_future\": [1, 2],", 1)).unwrap();
    assert_eq!(world.update(), Outcome::Unchanged);
    assert!(fs::read_to_string(&record).unwrap().contains("of_the_future"));
}

#[test]
fn a_link_in_the_place_of_a_text_is_not_followed() {
    let mut world = World::new(&Server::giving("a.example\n"));
    world.takes();
    let path = world.folder().join("1.txt.gz");
    let aside = world.scratch.0.join("aside");
    fs::rename(&path, &aside).unwrap();
    std::os::unix::fs::symlink(&aside, &path).unwrap();
    assert!(matches!(world.store.open_text(&world.source.id), Err(StoreError::Read { .. })));
}

#[test]
fn while_a_list_is_updated_the_version_in_force_is_read_and_can_be_gone_back_from() {
    let server = Server::new(|asked, wire| {
        if asked.before < 2 {
            return plain(wire, &names(asked.before + 1));
        }
        head(wire, 200, &["Content-Length: 10"])?;
        thread::sleep(Duration::from_millis(300));
        std::io::Write::write_all(wire, b"z.example\n")?;
        Ok(End::Word)
    });
    let mut world = World::new(&server);
    world.takes();
    world.takes();
    let (store, id) = (world.store.clone(), world.source.id.clone());
    thread::scope(|scope| {
        let update = scope.spawn(|| world.update());
        while server.heads().len() < 3 {
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(text(&store, &id), names(2));
        store.rollback(&id, NOW).unwrap();
        assert_eq!(text(&store, &id), names(1));
        assert!(matches!(update.join().unwrap(), Outcome::Updated { .. }));
    });
    assert_eq!(text(&store, &id), "z.example\n");
}

#[test]
fn a_text_is_read_while_the_next_one_takes_its_place() {
    let server = Server::new(|asked, wire| plain(wire, &names(9000 + asked.before)));
    let mut world = World::new(&server);
    world.takes();
    let mut open = world.store.open_text(&world.source.id).unwrap();
    for _ in 0..4 {
        world.takes();
    }
    let mut text = String::new();
    open.read_to_string(&mut text).unwrap();
    assert_eq!(text, names(9000));
}

#[test]
fn a_packed_list_is_kept_as_its_plain_text() {
    let server = Server::new(|_, wire| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut packed, b"a.example\n")?;
        bytes(wire, &["Content-Encoding: gzip"], &packed.finish()?)
    });
    let mut world = World::new(&server);
    assert_eq!(world.update(), Outcome::Updated { bytes: 10, lines: 1 });
    assert_eq!(world.text(), "a.example\n");
}
