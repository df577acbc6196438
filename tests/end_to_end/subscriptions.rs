//! Lists by subscription: the real program, the real command line, and a server of
//! lists that behaves well, badly, and worse.

mod changes;
mod hostile_servers;
mod reach;
mod signed;
mod trouble;

use std::fmt::Write as _;
use std::process::Output;
use std::time::Duration;

use serde_json::Value;

use crate::lab::list_server::ListServer;
use crate::lab::{Daemon, ISP, Lab, Node, VENDOR, dns, within};

/// A lab with a server of lists.
struct Home {
    lab: Lab,
    lists: ListServer,
}

impl Home {
    fn start() -> Self {
        let lab = Lab::start();
        let lists = ListServer::start(lab.internet());
        Self { lab, lists }
    }

    /// What dig(1) says of a name on the phone.
    #[track_caller]
    fn dig(&self, name: &str) -> String {
        dig(self.lab.phone(), name)
    }

    /// Blocked by the next question on.
    #[track_caller]
    fn blocks(&self, names: &[&str], when: &str) {
        for name in names {
            let said = self.dig(name);
            assert!(said.parse().is_ok_and(dns::is_sinkhole), "{when}: {name} is {said:?}");
        }
    }

    /// Nobody stands in the way of these names of the vendor's server.
    #[track_caller]
    fn passes(&self, names: &[&str], when: &str) {
        for name in names {
            assert_eq!(self.dig(name), VENDOR[0].to_string(), "{when}: {name}");
        }
    }

    /// A daemon on the router that has the list `l` with the names `listed.example`
    /// and some more.
    fn with_list(&self) -> Daemon<'_> {
        let daemon = self.lab.router().optout("");
        self.lists.gives(LISTED);
        daemon.ok(&["lists", "add", URL, "--name", "l"]);
        self.blocks(&["listed.example"], "added");
        self.lists.heads();
        daemon
    }
}

fn dig(node: &Node, name: &str) -> String {
    node.ok(&format!("dig +short +tries=1 +time=4 @{} {name} A", ISP[0]))
}

/// What a command printed that must fail with 1: its page, and one line of why.
#[track_caller]
fn refused(daemon: &Daemon<'_>, args: &[&str]) -> (String, String) {
    let Output { status, stdout, stderr } = daemon.cli(args);
    let [out, err] = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert_eq!(status.code(), Some(1), "{args:?}: {out}{err}");
    assert_eq!(err.trim_end().lines().count(), 1, "{args:?} says more or less than a line: {err}");
    (out, err)
}

/// Updates the list `l`, which must fail; the one line that says why.
#[track_caller]
fn update_fails(daemon: &Daemon<'_>) -> String {
    let (out, err) = refused(daemon, &["lists", "update", "l"]);
    assert!(err.contains("1 of 1 lists could not be updated"), "{err}");
    assert_eq!(out.trim_end().lines().count(), 1, "one line: {out}");
    assert!(out.starts_with("l failed: "), "{out}");
    out
}

/// A list as `optout lists show --json` has it.
#[track_caller]
fn shown(daemon: &Daemon<'_>, list: &str) -> Value {
    daemon.json(&["lists", "show", list, "--json"])
}

#[track_caller]
fn assert_contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

/// So many names that nobody asks for.
fn names(count: usize) -> String {
    (0..count).fold(String::new(), |mut text, n| {
        let _ = writeln!(text, "h{n}.filler.example");
        text
    })
}

/// Waits for something that the daemon does by itself.
#[track_caller]
fn soon(what: &str, daemon: &Daemon<'_>, mut is: impl FnMut() -> bool) {
    let came = within(Duration::from_secs(20), || is().then_some(()));
    assert!(came.is_some(), "{what}: not in 20 s\n{}", daemon.diagnostics());
}

const URL: &str = "https://lists.example:8443/l.txt";

/// Names of the lab in a list of plain names.
const LISTED: &str = "# of a test\nlisted.example\nads.listed.example\n";
