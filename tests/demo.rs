//! `optout demo` for real: what it prints is what happened, and it leaves nothing.

use std::env;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

#[test]
fn the_numbers_are_those_of_the_servers_and_nothing_is_left_behind() {
    let Some(before) = possible("the_numbers_are_those_of_the_servers") else { return };
    let said = demo(&["--json", "--evidence"]);
    assert!(said["payload_bytes_off"].as_u64() > Some(0), "{said}");
    assert_eq!(said["payload_bytes_on"], 0, "{said}");
    assert_eq!(said["failed_ordinary"], 0, "{said}");

    let (mut blocked, mut passed) = (0, 0);
    let report = &said["evidence"]["report"];
    for (host, seen) in said["evidence"]["hosts"].as_object().expect("what was seen") {
        let number = |key: &str| seen[key].as_u64().expect("a number");
        let line = report["hosts"].as_array().expect("a report's hosts");
        let line = line.iter().find(|line| line["host"] == host.as_str());
        if number("requests_arrived") > 0 {
            assert_eq!(number("requests_arrived"), number("connections"), "{host}: {said}");
            assert!(number("questions_arrived") > 0, "{host}: {said}");
            assert!(line.is_none(), "{host} got through and is reported: {said}");
            passed += number("questions");
        } else if number("questions") > 0 {
            let line = line.unwrap_or_else(|| panic!("{host} is not reported: {said}"));
            assert_eq!(line["outcome"], "blocked", "{host}");
            assert_eq!(line["queries"], seen["questions"], "{host}: {said}");
            assert_eq!(line["connections"], seen["connections"], "{host}: {said}");
            blocked += number("questions") + number("connections");
        }
    }
    assert!(blocked > 0 && passed > 0, "{said}");
    assert_eq!((&said["blocked"], &said["passed"]), (&blocked.into(), &passed.into()), "{said}");
    assert_eq!((&report["blocked"], &report["passed"]), (&said["blocked"], &said["passed"]));
    assert_eq!(host(), before);
}

#[test]
fn one_object_with_these_keys_is_all_it_prints() {
    if possible("one_object_with_these_keys").is_none() {
        return;
    }
    let said = demo(&["--json"]);
    let mut keys: Vec<_> = said.as_object().expect("an object").keys().collect();
    keys.sort();
    let want = ["blocked", "failed_ordinary", "passed", "payload_bytes_off", "payload_bytes_on"];
    assert_eq!(keys, [&want[..], &["seconds"]].concat());
}

#[test]
fn killed_at_any_moment_it_leaves_nothing() {
    let Some(before) = possible("killed_at_any_moment") else { return };
    for lines in [0, 1, 5, 15, 27, 28, 29, 35, 45] {
        let mark = lines.to_string();
        let mut demo = optout(&[]);
        demo.env(MARK, &mark).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut demo = demo.spawn().expect("optout starts");
        // Held until the end: a demo whose pipe is closed ends by itself.
        let mut shown = BufReader::new(demo.stdout.take().expect("a pipe"));
        assert_eq!(shown.by_ref().lines().take(lines).count(), lines, "it ended by itself");
        // A process that has only just begun shows no environment yet.
        assert!(lines == 0 || lives(&mark), "the mark is not seen");
        demo.kill().expect("it runs");
        demo.wait().expect("it ends");
        let start = Instant::now();
        while lives(&mark) && start.elapsed() < Duration::from_secs(3) {
            thread::sleep(Duration::from_millis(10));
        }
        assert!(!lives(&mark), "its daemon lives, after {lines} lines");
        assert_eq!(host(), before, "after {lines} lines");
    }
}

fn optout(arguments: &[&str]) -> Command {
    let mut optout = Command::new(env!("CARGO_BIN_EXE_optout"));
    optout.arg("demo").args(arguments);
    optout
}

fn demo(arguments: &[&str]) -> Value {
    let Output { status, stdout, stderr } = optout(arguments).output().expect("optout starts");
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{status}: {stderr}");
    assert_eq!(stderr, "", "nothing to complain about");
    let text = String::from_utf8(stdout).expect("UTF-8");
    assert_eq!(text.lines().count(), 1, "one line: {text}");
    serde_json::from_str(&text).expect("JSON")
}

/// What the host has before; `None`, loudly, where no demo can run.
fn possible(name: &str) -> Option<Vec<String>> {
    let mut unshare = Command::new("unshare");
    if !nix::unistd::Uid::effective().is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    let tried = unshare.args(["--net", "--mount", "--", "sh", "-c", "exec 3<>/dev/net/tun"]);
    let tried = tried.output().expect("unshare(1) starts");
    if tried.status.success() {
        return Some(host());
    }
    let why = String::from_utf8_lossy(&tried.stderr).trim().to_string();
    let required = env::var_os("OPTOUT_REQUIRE_NETNS").is_some_and(|v| v != "0");
    assert!(!required, "{name} must run here and cannot: {why}");
    let _ = writeln!(std::io::stderr(), "SKIPPED {name}: {why}");
    None
}

/// What a demo might leave on a host.
fn host() -> Vec<String> {
    let said = |command: &str| {
        let out = Command::new("sh").args(["-c", command]).output().expect("sh starts");
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    [
        "ip -o link | cut -d: -f2",
        "ip rule; ip -6 rule",
        "ip route show table all; ip -6 route show table all | grep -v expires",
        "ip netns",
        "nft list ruleset",
        "grep optout /proc/self/mounts",
        "ls -d /run/*optout* /tmp/*optout* /var/lib/*optout* /var/lib/optout/* 2>&1",
    ]
    .map(said)
    .into()
}

/// Whether a process lives that the demo with this mark started.
fn lives(mark: &str) -> bool {
    let mark = format!("{MARK}={mark}\0");
    let processes = std::fs::read_dir("/proc").expect("/proc");
    processes.flatten().any(|entry| {
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        environment.windows(mark.len()).any(|part| part == mark.as_bytes())
    })
}

/// Marks the environment of a demo, and so all processes that it starts.
const MARK: &str = "OPTOUT_TEST_OF_THE_DEMO";
