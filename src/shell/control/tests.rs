//! Server and client against each other. The daemon's loop behind them is a
//! stand-in: it answers by hand what the real one takes from the engine.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::client::{Client, ClientError, Daemon};
use super::door::Door;
use super::scratch::Scratch;
use super::server::{Asked, Taken, serve};
use crate::core::event::Outcome;
use crate::request::{ClientLine, LogLine, LogQuery, Request, Response};

/// Starts a server with a stand-in for the daemon's loop, and gives its directory.
fn start() -> Scratch {
    start_with(stand_in)
}

fn start_with(daemon: fn(Asked)) -> Scratch {
    let scratch = Scratch::new();
    let door = Door::open(&scratch.path("control.sock"), "optout-no-such-group").unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (sender, mut asked) = mpsc::channel(16);
        runtime.block_on(async {
            tokio::spawn(serve(door, sender));
            while let Some(asked) = asked.recv().await {
                daemon(asked);
            }
        });
    });
    scratch
}

fn stand_in(asked: Asked) {
    let Asked { request, reply, .. } = asked;
    match request {
        Request::Pause { seconds } => reply.give(Response::Done(Some(format!("{seconds} s")))),
        Request::Resume => reply.give(Response::Failed("not paused".into())),
        Request::Off => drop(reply),
        Request::Log(query) => drop(std::thread::spawn(move || {
            for number in 0..query.last {
                if reply.give_blocking(Response::Log(line(number).into())) == Taken::Gone {
                    return;
                }
            }
            while query.follow && !reply.is_gone() {
                std::thread::sleep(Duration::from_millis(5));
            }
            let _ = reply.give_blocking(Response::Done(None));
        })),
        _ => reply.give(Response::Done(None)),
    }
}

fn line(number: u64) -> LogLine {
    LogLine {
        first_ms: 0,
        last_ms: 0,
        count: number,
        outcome: Outcome::Blocked,
        host: Some("t.vendor.example".parse().unwrap()),
        query: Some("A".into()),
        connection: None,
        client: ClientLine::default(),
        rule: None,
        via: None,
        learnt: None,
        unnamed: None,
        ech: false,
        bytes_up: None,
        ms: None,
    }
}

fn client(scratch: &Scratch) -> Client {
    Client::new(scratch.path("control.sock"))
}

fn connect(scratch: &Scratch) -> UnixStream {
    let stream = UnixStream::connect(scratch.path("control.sock")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Sends raw bytes, ends our side, and reads all that comes back.
fn raw(scratch: &Scratch, bytes: &[u8]) -> String {
    let mut stream = connect(scratch);
    let _ = stream.write_all(bytes); // it may be cut off half-way
    let _ = stream.shutdown(Shutdown::Write);
    let mut line = String::new();
    let _ = BufReader::new(stream).read_line(&mut line);
    line
}

#[test]
fn a_request_gets_its_answer() {
    let scratch = start();
    let answer = client(&scratch).ask(&Request::Pause { seconds: 7 }).unwrap();
    assert_eq!(answer, Response::Done(Some("7 s".into())));
}

#[test]
fn a_refusal_is_the_daemons_own_word() {
    let scratch = start();
    let error = client(&scratch).ask(&Request::Resume).unwrap_err();
    assert_eq!(error.to_string(), "not paused");
}

#[test]
fn a_request_that_the_daemon_drops_is_answered_too() {
    let scratch = start();
    let error = client(&scratch).ask(&Request::Off).unwrap_err();
    assert_eq!(error.to_string(), "the daemon is stopping; try again");
}

#[test]
fn a_long_log_arrives_whole_and_in_order() {
    let scratch = start();
    let request = Request::Log(LogQuery { last: 10_000, ..LogQuery::default() });
    let mut count = 0;
    client(&scratch)
        .ask_each(&request, &mut |response| {
            if let Response::Log(line) = response {
                assert_eq!(line.count, count);
                count += 1;
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(count, 10_000);
}

#[test]
fn a_follower_that_leaves_frees_its_place() {
    let scratch = start();
    let request = Request::Log(LogQuery { follow: true, last: 1, ..LogQuery::default() });
    for _ in 0..100 {
        client(&scratch).ask_each(&request, &mut |_| ControlFlow::Break(())).unwrap();
    }
    client(&scratch).ask(&Request::Status).unwrap();
}

#[test]
fn what_is_no_request_is_told_so_in_one_line() {
    let scratch = start();
    let deep = "[".repeat(60_000);
    for (bytes, want) in [
        (&b"\n"[..], "cannot read the request"),
        (b"hello\n", "cannot read the request"),
        (b"{\"do\":\"explode\"}\n", "unknown variant"),
        (b"{\"do\":\"pause\"}\n", "missing field"),
        (b"{\"do\":\"pause\",\"seconds\":-1}\n", "invalid value"),
        (b"[1,2]\n", "cannot read the request"),
        (b"\xff\xfe\x00\n", "cannot read the request"),
        (deep.as_bytes(), "recursion limit"),
        (b"{\"do\":\"status\",\"v\":2}\n", "\"version\":{\"daemon\":"),
        (b"{\"do\":\"status\",\"v\":1}\n", "\"done\":null"),
        (b"{\"do\":\"status\"}", "\"done\":null"), // no line end, but an end
    ] {
        let line = raw(&scratch, bytes);
        let sent = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]);
        assert!(line.contains(want) && line.ends_with('\n'), "{sent}: {line}");
    }
    assert_eq!(raw(&scratch, b""), "");
}

#[test]
fn a_request_may_be_64_kib_long_and_no_longer() {
    let scratch = start();
    let padded = |length: usize| {
        let bare = "{\"do\":\"status\"}\n".len();
        format!("{{\"do\":\"status\"{}}}\n", " ".repeat(length - bare))
    };
    assert_eq!(raw(&scratch, padded(64 * 1024).as_bytes()), "{\"done\":null}\n");
    for length in [64 * 1024 + 1, 4 * 1024 * 1024] {
        assert!(raw(&scratch, padded(length).as_bytes()).contains("longer than 64 KiB"));
    }
}

#[test]
fn slow_clients_hold_up_nobody_and_are_sent_away_in_5_s() {
    let scratch = start();
    let mut idle = connect(&scratch);
    let mut dripping = connect(&scratch);
    let started = Instant::now();
    client(&scratch).ask(&Request::Status).unwrap();
    assert!(started.elapsed() < Duration::from_secs(4));
    while started.elapsed() < Duration::from_secs(15) && dripping.write_all(b" ").is_ok() {
        std::thread::sleep(Duration::from_millis(100));
    }
    let mut said = String::new();
    idle.read_to_string(&mut said).unwrap();
    assert!(said.contains("no request came in 5 s"), "{said}");
    assert!(started.elapsed() < Duration::from_secs(15));
}

#[test]
fn a_client_that_takes_no_answers_is_let_go() {
    let scratch = start();
    let mut stream = connect(&scratch);
    stream.write_all(b"{\"do\":\"log\",\"last\":100000}\n").unwrap();
    std::thread::sleep(Duration::from_secs(6)); // takes nothing meanwhile
    let mut got = Vec::new();
    let _ = stream.read_to_end(&mut got);
    let lines = String::from_utf8_lossy(&got).lines().count();
    assert!(lines < 100_000, "{lines} lines were kept for it");
}

#[test]
fn a_thousand_connections_are_outlived() {
    let scratch = start();
    let path = scratch.path("control.sock");
    let mut held = Vec::new();
    for _ in 0..1000 {
        held.push(UnixStream::connect(&path).unwrap());
    }
    // All places are taken by connections that say nothing: told at once.
    let started = Instant::now();
    let error = client(&scratch).ask(&Request::Status).unwrap_err();
    assert!(error.to_string().contains("too many control connections"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(4));
    drop(held);
    std::thread::sleep(Duration::from_millis(300));
    let answers = (0..1000).filter(|_| client(&scratch).ask(&Request::Status).is_ok()).count();
    assert_eq!(answers, 1000);
}

#[test]
fn a_missing_or_dead_daemon_is_told_at_once() {
    let scratch = Scratch::new();
    let dead = scratch.path("dead.sock");
    drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
    for path in [scratch.path("none.sock"), dead] {
        let started = Instant::now();
        let error = Client::new(path).ask(&Request::Status).unwrap_err();
        assert!(matches!(error, ClientError::NotRunning(_)), "{error}");
        assert!(error.to_string().contains("sudo optout run"));
        assert!(!error.to_string().contains('\n'));
        assert!(started.elapsed() < Duration::from_secs(4));
    }
}

#[test]
fn a_daemon_that_hangs_is_given_up() {
    let scratch = start_with(|asked| std::mem::forget(asked.reply));
    let mut client = client(&scratch).with_patience(Duration::from_millis(200));
    let error = client.ask(&Request::Status).unwrap_err();
    assert!(matches!(error, ClientError::Silent(_)), "{error}");
}

#[test]
fn an_answer_we_cannot_read_is_another_version() {
    let scratch = Scratch::new();
    for (answer, want) in [
        (&b"{\"version\":{\"daemon\":\"7.0.0\",\"speaks\":9}}\n"[..], "the daemon is optout 7.0.0"),
        (b"{\"status\":{}}\n", "another version"),
        (b"{\"done\":null}", "without an answer"), // no line end: not whole
        (b"", "without an answer"),
    ] {
        let path = scratch.path("old.sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let answering = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut line = String::new();
            BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
            stream.write_all(answer).unwrap();
        });
        let error = Client::new(&path).ask(&Request::Status).unwrap_err();
        assert!(error.to_string().contains(want), "{error}");
        answering.join().unwrap();
        std::fs::remove_file(path).unwrap();
    }
}

/// Run again by the test below as another user.
#[test]
fn asks_as_another_user_when_told() {
    let Some(path) = std::env::var_os(ASK_AT) else { return };
    match Client::new(path).ask(&Request::Status) {
        Ok(answer) => println!("SAID {answer:?}"),
        Err(error) => println!("SAID {error}"),
    }
}

#[test]
fn another_user_is_kept_out_by_the_file_and_by_the_peer_check() {
    if !nix::unistd::Uid::effective().is_root() {
        eprintln!("SKIPPED another_user_is_kept_out: needs root");
        return;
    }
    let scratch = start();
    let path = scratch.path("control.sock");
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let said = ask_as_nobody(&path);
    assert!(said.contains("no permission to speak to the daemon"), "{said}");
    // Even where somebody loosened the modes, the peer's user id is looked at.
    mode(scratch.root(), 0o755);
    mode(&path, 0o666);
    let said = ask_as_nobody(&path);
    assert!(said.contains("only root may ask this daemon"), "{said}");
}

fn ask_as_nobody(path: &Path) -> String {
    // A copy, because others may not go where this program is (/root, say).
    let copies = Scratch::new();
    let copy = copies.path("test");
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    for (path, mode) in [(copies.root(), 0o755), (&copy, 0o755)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let output = Command::new(copy)
        .args(["--exact", "shell::control::tests::asks_as_another_user_when_told", "--nocapture"])
        .env(ASK_AT, path)
        .uid(65534)
        .gid(65534)
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const ASK_AT: &str = "OPTOUT_TEST_ASK_AT";
