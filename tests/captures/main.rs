//! `optout sniff` on captures: made here, in both formats and on every link layer; and
//! those of others, where `OPTOUT_SHARED` names the directory that has them under
//! `vectors/`. Without it these are skipped, loudly; with `OPTOUT_REQUIRE_SHARED` that
//! fails.

#![expect(clippy::print_stderr, reason = "a skip and the differences are for who runs the test")]

mod live;
mod made;
mod others;
mod recut;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use made::{Format, LINKS, capture, framed, hello, packets};

/// Runs `optout sniff` with a configuration of its own, so that nothing of this machine
/// counts. `-` is given `input`.
fn sniff(arguments: &[&str], input: &[u8]) -> Output {
    let config = Config::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_optout"))
        .args(["sniff", "--config", config.0.join("optout.toml").to_str().expect("text")])
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("optout runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&input); // who does not read it says so
    });
    let output = child.wait_with_output().expect("optout ends");
    writer.join().expect("the writer ends");
    output
}

/// A configuration in a directory of its own, which goes with the value.
struct Config(PathBuf);

impl Config {
    fn new() -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("optout-captures-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).expect("a directory");
        let text = format!("state_dir = '{}'\nblock = ['blocked.example']\n", dir.display());
        std::fs::write(dir.join("optout.toml"), text).expect("a file");
        Self(dir)
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The flows of a capture, as `--json` tells them.
fn flows(path: &Path) -> Vec<Value> {
    let output = sniff(&["--json", path.to_str().expect("text")], b"");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", path.display());
    objects(&output.stdout)
}

fn objects(text: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(text).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn hosts(output: &Output) -> Vec<String> {
    let host = |flow: &Value| flow["host"].as_str().unwrap_or("-").to_owned();
    objects(&output.stdout).iter().map(host).collect()
}

#[test]
fn every_link_layer_in_both_formats_tells_the_same() {
    let mut lines = Vec::new();
    for link in LINKS {
        for format in Format::ALL {
            let file = capture(format, link, &framed(link, &packets()));
            let output = sniff(&["--json", "-"], &file);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && said.is_empty(), "{link} {format:?}: {said}");
            lines.push((link, format, String::from_utf8(output.stdout).expect("text")));
        }
    }
    let (_, _, first) = &lines[0];
    let want = ["a.example", "blocked.example", "v6.example", "b.example"];
    let host = |flow: &Value| flow["host"].as_str().unwrap_or("-").to_owned();
    assert_eq!(objects(first.as_bytes()).iter().map(host).collect::<Vec<_>>(), want);
    for (link, format, text) in &lines {
        assert_eq!(text, first, "link {link}, {format:?}");
    }
}

#[test]
fn verdicts_are_told_with_their_rules() {
    let file = capture(Format::Micros, 1, &framed(1, &packets()));
    let output = sniff(&["--json", "-"], &file);
    let flows = objects(&output.stdout);
    let told: Vec<_> = flows.iter().map(|flow| flow["outcome"].as_str().expect("a word")).collect();
    assert_eq!(told, ["passed", "blocked", "passed", "passed"]);
    assert_eq!(flows[1]["rule"]["text"], "*.blocked.example");
    let table = sniff(&["-"], &file);
    let table = String::from_utf8(table.stdout).expect("text");
    let last = table.lines().last().expect("a line");
    assert!(last.contains("4 flows: 4 named, 0 not; 1 blocked, 0 watched, 3 passed"), "{table}");
    assert!(table.lines().count() == 5 && table.is_ascii(), "{table}");
}

#[test]
fn a_file_that_was_cut_anywhere_is_shown_as_far_as_it_goes() {
    let frames = framed(1, &packets()[..3]);
    for format in [Format::Micros, Format::NgBig] {
        let file = capture(format, 1, &frames);
        for cut in (1..30).map(|n| file.len() * n / 30) {
            let output = sniff(&["--json", "-"], &file[..cut]);
            let said = String::from_utf8_lossy(&output.stderr);
            let lines = said.lines().count();
            let whole = output.status.success() && lines <= 1;
            assert!(whole || (cut < 4 && lines == 1), "{format:?} cut at {cut}: {said}");
        }
        let output = sniff(&["--json", "-"], &file[..file.len() - 1]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.starts_with("optout: standard input: it was cut"), "{said}");
        assert_eq!(objects(&output.stdout).len(), 1);
    }
}

#[test]
fn packets_that_were_cut_are_told() {
    let frames: Vec<_> = framed(1, &packets());
    let snapped: Vec<_> =
        frames.iter().map(|frame| frame[..frame.len().min(96)].to_vec()).collect();
    let mut file = capture(Format::Micros, 1, &snapped);
    made::set_lengths(&mut file, &frames);
    let output = sniff(&["--json", "-"], &file);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("shorter in the capture"), "{said}");
    let flows = objects(&output.stdout);
    assert_eq!(flows.len(), 4);
    let incomplete = |flow: &&Value| flow["cause"] == "incomplete" && flow["missing"] != 0;
    assert!(flows.iter().filter(incomplete).count() >= 2, "{flows:?}");
}

#[test]
fn hostile_lengths_end_in_one_line() {
    let good = capture(Format::NgLittle, 1, &framed(1, &packets()));
    let section = 28;
    for (at, value) in [(section + 4, u32::MAX), (section + 4, 0), (section + 20 + 4, 0x7fff_fff0)]
    {
        let mut bad = good.clone();
        bad[at..at + 4].copy_from_slice(&value.to_le_bytes());
        let output = sniff(&["--json", "-"], &bad);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{at}: {said}");
    }
}

#[test]
fn exit_codes_are_those_of_all_commands() {
    for (arguments, input, code) in [
        (&["-"][..], capture(Format::Nanos, 101, &packets()), 0),
        (&["-"], b"no capture".to_vec(), 1),
        (&["-"], capture(Format::Nanos, 127, &packets()), 1),
        (&["/nowhere/x.pcap"], Vec::new(), 2),
        (&["--no-such-flag", "-"], Vec::new(), 2),
    ] {
        let output = sniff(arguments, &input);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    }
}

#[test]
fn a_hello_says_its_name_however_it_is_cut() {
    let flow = hello("192.0.2.7:50000", "203.0.113.5:443", "a.example");
    let mut random = recut::Random(7);
    for round in 0..1000 {
        let packets = recut::recut(&flow, &mut random);
        let names = recut::names(&packets);
        assert_eq!(names, ["50000 443 a.example"], "round {round}");
    }
    let packets = recut::recut(&flow, &mut random);
    let output = sniff(&["--json", "-"], &capture(Format::Micros, 101, &packets));
    assert_eq!(hosts(&output), ["a.example"]);
}
