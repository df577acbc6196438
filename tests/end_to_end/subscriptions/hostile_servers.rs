//! What a server of lists can do to us, row by row of one table: the new version is
//! refused in one line, the old one stays in force, and questions are answered.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Home, LISTED, URL, names, refused, shown, update_fails};
use crate::lab::list_server::{End, Shown, Wire, body, head, redirect, status};
use crate::lab::{Daemon, isolated, tell};

/// What is wrong, how the server does it, and what the one line must say.
type Row = (&'static str, fn(&mut Wire) -> io::Result<End>, &'static str);

const ROWS: &[Row] = &[
    ("L4 nothing", |wire| body(wire, &[], b""), "is empty"),
    ("L4 space alone", |wire| body(wire, &[], b" \n\t\r\n \n"), "is empty"),
    ("L4 comments alone", |wire| body(wire, &[], b"# a\n# b\n"), "in no format of lists"),
    ("L4 a page that is not there", |wire| status(wire, 404), "answers 404"),
    ("L4 a server in trouble", |wire| status(wire, 500), "answers 500"),
    ("L4 a web page", |wire| body(wire, &[], b"<!DOCTYPE html>\n<p>a.example\n"), "web page"),
    ("L4 a hotspot's login", |wire| body(wire, &[], b"\n <HTML><form action=/login>"), "web page"),
    ("L4 JSON", |wire| body(wire, &[], b"{\"error\": \"listed.example\"}\n"), "JSON"),
    ("L4 a packed file", |wire| body(wire, &[], &gzip(LISTED.as_bytes())), "compressed"),
    ("L4 zstd", |wire| body(wire, &[], b"\x28\xb5\x2f\xfd\x04\x00listed"), "compressed"),
    ("L4 UTF-16", |wire| body(wire, &[], b"\xff\xfea\0.\0e\0x\0\n\0"), "UTF-16"),
    ("L4 a program", |wire| body(wire, &[], b"\x7fELF\0\0\0\0\0\0\0"), "is a program"),
    ("L4 prose", |wire| body(wire, &[], PROSE.as_bytes()), "in no format of lists"),
    ("L5 shorter than its length", short, "cut off"),
    ("L5 a reset", |wire| short(wire).map(|_| End::Reset), "cut off"),
    ("L5 its last chunk is missing", no_last_chunk, "cut off"),
    ("L5 its last line is cut", |wire| unbounded(wire, b"a.example\nb.exa", End::Word), "cut off"),
    ("L5 cut without a word", |wire| unbounded(wire, b"a.example\n", End::Cut), "cut off"),
    ("L5 packed and cut", cut_gzip, "cut off"),
    (
        "L6 10 GB",
        |wire| {
            head(wire, 200, &["Content-Length: 10000000000"])?;
            Ok(End::Word)
        },
        "larger than 64 MiB",
    ),
    ("L6 a bomb, one line long", bomb, "larger than 64 MiB"),
    ("L6 a head without end", endless_head, "does not speak HTTP"),
    ("L7 a redirect without end", |wire| redirect(wire, URL), "redirects more than 5 times"),
    ("L7 to http", |wire| redirect(wire, "http://lists.example:8443/"), "not https"),
    ("L7 to a file", |wire| redirect(wire, "file:///etc/passwd"), "redirects to"),
    ("L7 to loopback", |wire| redirect(wire, "https://127.0.0.1:8443/"), "127.0.0.1"),
    ("L7 to loopback of IPv6", |wire| redirect(wire, "https://[::1]:8443/"), "::1"),
    ("L7 to what clouds tell", |wire| redirect(wire, "https://169.254.169.254/"), "169.254"),
    ("L7 to a name at home", |wire| redirect(wire, AT_HOME), "10.9.8.7"),
    ("L7 to a name that is loopback", |wire| redirect(wire, TO_SELF), "127.0.0.1"),
    ("L7 to nowhere", |wire| redirect(wire, "https://no.such.example/"), "not found"),
    ("L9 unchanged since never", |wire| status(wire, 304), "no copy of it is here"),
    ("no HTTP at all", |wire| wire.write_all(b"SSH-2.0-x\r\n").map(|()| End::Word), "HTTP"),
    ("silence", |_| Ok(End::Word), "cut off"),
];

#[test]
fn what_a_server_does_wrong_is_one_line_and_the_old_list_stays() {
    isolated(|| {
        let home = Home::start();
        let daemon = home.with_list();
        let before = shown(&daemon, "l");
        let mut otherwise = Vec::new();
        for (row, answer, word) in ROWS {
            home.lists.answers(move |_, wire| answer(wire));
            let begun = Instant::now();
            let why = update_fails(&daemon);
            if !why.contains(word) {
                otherwise.push(format!("{row}: no {word:?} in {why}"));
            }
            assert_old_stays(&home, &daemon, &before, row);
            let problem = shown(&daemon, "l")["more"]["problem"].clone();
            assert!(problem.as_str().is_some_and(|p| why.contains(p)), "{row}: {problem}");
            if begun.elapsed() > Duration::from_secs(2) {
                tell(&format!("{row}: refused in {} ms", begun.elapsed().as_millis()));
            }
        }
        assert!(otherwise.is_empty(), "{}", otherwise.join("\n"));
        // And what is right again is taken, and the problem gone.
        home.lists.gives(LISTED.to_owned() + "tracker.listed.example\n");
        daemon.ok(&["lists", "update", "l"]);
        home.blocks(&["tracker.listed.example"], "right again");
        assert!(shown(&daemon, "l")["more"]["problem"].is_null(), "the problem stays");
        daemon.stop();
    });
}

#[test]
fn the_same_server_gives_nothing_that_is_added() {
    isolated(|| {
        let home = Home::start();
        let daemon = home.lab.router().optout("");
        let mut otherwise = Vec::new();
        for (row, answer, word) in ROWS {
            if row.contains("bomb") {
                continue; // seen above, and slow
            }
            home.lists.answers(move |_, wire| answer(wire));
            let (_, why) = refused(&daemon, &["lists", "add", URL, "--name", "l"]);
            assert!(why.contains("not added: "), "{row}: {why}");
            if !why.contains(word) {
                otherwise.push(format!("{row}: no {word:?} in {why}"));
            }
            let lists = daemon.ok(&["lists"]);
            assert!(lists.contains("No list besides"), "{row}: {lists}");
        }
        assert!(otherwise.is_empty(), "{}", otherwise.join("\n"));
        home.passes(&["listed.example"], "nothing was added");
        home.lists.gives(LISTED);
        daemon.ok(&["lists", "add", URL, "--name", "l"]);
        home.blocks(&["listed.example"], "the failures left nothing in the way");
        daemon.stop();
    });
}

#[test]
fn a_certificate_must_be_good_and_the_old_list_stays() {
    isolated(|| {
        let home = Home::start();
        let daemon = home.with_list();
        let before = shown(&daemon, "l");
        home.lists.gives("tracker.listed.example\n");
        for (shown, word) in [
            (Shown::Expired, "has expired"),
            (Shown::OfTheFuture, "is not valid yet"),
            (Shown::ForAnotherName, "is for another name"),
            (Shown::SelfSigned, "certificate"),
        ] {
            home.lists.shows(shown);
            let why = update_fails(&daemon);
            assert!(why.contains(word), "{shown:?}: {why}");
            assert_old_stays(&home, &daemon, &before, &format!("{shown:?}"));
            if matches!(shown, Shown::Expired | Shown::OfTheFuture) {
                assert!(why.contains("clock"), "{shown:?}: {why}");
            }
        }
        assert!(home.lists.heads().is_empty(), "nothing was asked of them");
        home.lists.shows(Shown::Good);
        daemon.ok(&["lists", "update", "l"]);
        home.blocks(&["tracker.listed.example"], "a good certificate");
        daemon.stop();
    });
}

#[test]
fn a_private_address_is_refused_unless_it_is_allowed() {
    isolated(|| {
        let home = Home::start();
        let daemon = home.lab.router().optout("");
        home.lists.gives(LISTED);
        for (url, word) in [
            (AT_HOME, "10.9.8.7"),
            (TO_SELF, "127.0.0.1"),
            ("https://10.9.8.7:8443/", "10.9.8.7"),
            ("https://[::ffff:127.0.0.1]:8443/", "127.0.0.1"),
            // What a name that is blocked resolves to for everyone else.
            ("https://198.18.0.1/", "198.18.0.1"),
        ] {
            let (_, why) = refused(&daemon, &["lists", "add", url, "--name", "l"]);
            assert!(why.contains("not added: ") && why.contains(word), "{url}: {why}");
        }
        assert!(home.lists.heads().is_empty(), "nobody was asked");
        home.passes(&["listed.example"], "refused");
        daemon.ok(&["lists", "add", AT_HOME, "--name", "l", "--private"]);
        home.blocks(&["listed.example"], "allowed");
        home.lists.gives("ads.listed.example\n");
        daemon.ok(&["lists", "update", "l"]);
        home.blocks(&["ads.listed.example"], "allowed for good");
        for wrong in ["http://lists.example:8443/l.txt", "file:///etc/passwd"] {
            let ran = daemon.cli(&["lists", "add", wrong]);
            assert_eq!(ran.status.code(), Some(2), "{wrong}: {ran:?}");
        }
        daemon.stop();
    });
}

#[test]
fn a_server_that_lies_about_its_versions_costs_no_more_than_a_fetch() {
    isolated(|| {
        let home = Home::start();
        let daemon = home.lab.router().optout("");
        // 304 to who has nothing.
        home.lists.answers(|_, wire| status(wire, 304));
        let (_, why) = refused(&daemon, &["lists", "add", URL, "--name", "l"]);
        assert!(why.contains("no copy of it is here"), "{why}");
        // Another tag each time, and the same body.
        let n = AtomicUsize::new(0);
        home.lists.answers(move |_, wire| {
            let tag = format!("ETag: \"{}\"", n.fetch_add(1, Ordering::SeqCst));
            body(wire, &[&tag], LISTED.as_bytes())
        });
        daemon.ok(&["lists", "add", URL, "--name", "l"]);
        let before = shown(&daemon, "l");
        for _ in 0..3 {
            assert_eq!(daemon.ok(&["lists", "update", "l"]), "l unchanged\nNothing new.\n");
        }
        assert_eq!(shown(&daemon, "l")["more"]["versions"], before["more"]["versions"]);
        // One tag for all time, and yet another body: it is believed, and nothing breaks.
        home.lists.answers(|asked, wire| {
            if asked.head.contains("if-none-match") {
                status(wire, 304)
            } else {
                body(wire, &["ETag: \"x\""], b"tracker.listed.example\n")
            }
        });
        assert_eq!(daemon.ok(&["lists", "update", "l"]), "l unchanged\nNothing new.\n");
        home.blocks(&["listed.example"], "believed");
        daemon.stop();
    });
}

/// The text in force, its rules and the answers are those of before, and others pass.
#[track_caller]
fn assert_old_stays(home: &Home, daemon: &Daemon<'_>, before: &serde_json::Value, row: &str) {
    home.blocks(&["listed.example", "ads.listed.example"], row);
    home.passes(&["tracker.listed.example"], row);
    let now = shown(daemon, "l");
    assert_eq!(now["more"]["versions"], before["more"]["versions"], "{row}");
    assert_eq!(now["rules"], before["rules"], "{row}");
    let state = home.lab.router().dir().join("state/lists/l");
    let files = std::fs::read_dir(state).expect("its folder");
    let files: Vec<_> = files.map(|entry| entry.expect("a file").file_name()).collect();
    assert_eq!(files.len(), 2, "{row}: one text and what is known of it: {files:?}");
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text).expect("a Vec takes everything");
    packed.finish().expect("a Vec takes everything")
}

fn short(wire: &mut Wire) -> io::Result<End> {
    head(wire, 200, &["Content-Length: 1000"])?;
    wire.write_all(b"tracker.listed.example\n")?;
    Ok(End::Word)
}

fn no_last_chunk(wire: &mut Wire) -> io::Result<End> {
    head(wire, 200, &["Transfer-Encoding: chunked"])?;
    wire.write_all(b"17\r\ntracker.listed.example\n\r\n")?;
    Ok(End::Word)
}

/// A body whose end only the end of the connection tells.
fn unbounded(wire: &mut Wire, text: &[u8], end: End) -> io::Result<End> {
    head(wire, 200, &["Connection: close"])?;
    wire.write_all(text)?;
    Ok(end)
}

fn cut_gzip(wire: &mut Wire) -> io::Result<End> {
    let packed = gzip(names(500).as_bytes());
    body(wire, &["Content-Encoding: gzip"], &packed[..packed.len() / 2])
}

/// 80 MiB without an end of a line, in 80 KiB.
fn bomb(wire: &mut Wire) -> io::Result<End> {
    // Members of gzip may follow one another.
    let bomb = gzip(&vec![b'x'; 1 << 20]).repeat(80);
    body(wire, &["Content-Encoding: gzip"], &bomb)
}

fn endless_head(wire: &mut Wire) -> io::Result<End> {
    wire.write_all(b"HTTP/1.1 200 OK\r\n")?;
    let mut line = String::new();
    for n in 0..100_000 {
        line.clear();
        let _ = write!(line, "X-{n}: filler filler filler filler\r\n");
        wire.write_all(line.as_bytes())?;
    }
    thread::sleep(Duration::from_millis(1));
    Ok(End::Word)
}

const AT_HOME: &str = "https://home.lists.example:8443/";
const TO_SELF: &str = "https://self.lists.example:8443/";
const PROSE: &str = "The list has moved.\nPlease see our new home page.\n";
