//! A private network for one test, without root.

use std::env;
use std::process::{Child, Command, Stdio};

use crate::shell::tun::Tun;

/// Runs `test` alone in new user, network and mount namespaces.
///
/// A thread cannot enter a user namespace while it has siblings, and the test
/// harness has many; so the test runs itself again under unshare(1), and the
/// second run, finding the mark, does the work. `name` is the test's path.
///
/// Skips, loudly, where the kernel forbids it, unless `OPTOUT_REQUIRE_NETNS` is
/// set, as it is in CI: a skipped test must never look like a passed one there.
pub(crate) fn isolated(name: &str, test: impl FnOnce()) {
    if env::var_os(INSIDE).is_some() {
        // A new namespace starts with its loopback down.
        sh("ip link set lo up");
        return test();
    }
    let unshare = ["--user", "--map-root-user", "--net", "--mount", "--"];
    let possible =
        Command::new("unshare").args(unshare).arg("true").status().is_ok_and(|s| s.success());
    if !possible && env::var_os("OPTOUT_REQUIRE_NETNS").is_none() {
        eprintln!("SKIPPED {name}: no unprivileged network namespaces here");
        return;
    }
    let inner = Command::new("unshare")
        .args(unshare)
        .arg(env::current_exe().expect("path of this test"))
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare(1) starts");
    let said = String::from_utf8_lossy(&inner.stdout);
    // A mistyped name would run no test at all and succeed.
    let ran = inner.status.success() && said.contains("1 passed");
    assert!(ran, "{name}, inside:\n{said}\n{}", String::from_utf8_lossy(&inner.stderr));
}

/// Runs a shell script that must succeed; what it printed.
#[track_caller]
pub(crate) fn sh(script: &str) -> String {
    let run = Command::new("sh").args(["-ec", script]).output().expect("sh(1) starts");
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success(), "{script}:\n{said}{}", String::from_utf8_lossy(&run.stderr));
    said
}

/// How many packets in the TUN end with the text, of those that are there now.
pub(crate) fn taken(tun: &Tun, text: &[u8]) -> usize {
    let mut packet = [0; 2000];
    let mut count = 0;
    while let Ok(length) = tun.recv_now(&mut packet) {
        count += usize::from(packet[..length].ends_with(text));
    }
    count
}

/// Another network namespace beside the test's own; it ends with the value.
pub(crate) struct Beside(Child);

impl Beside {
    /// Makes one, with its loopback up.
    pub(crate) fn new() -> Self {
        let mut child = Command::new("unshare")
            .args(["--net", "--", "sh", "-c", "ip link set lo up; echo; exec sleep 600"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare(1) starts");
        let mut ready = [0; 1];
        let mut said = child.stdout.take().expect("piped");
        std::io::Read::read_exact(&mut said, &mut ready).expect("the namespace is made");
        Self(child)
    }

    /// For `ip link set … netns`.
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Runs a shell script inside that must succeed; what it printed.
    #[track_caller]
    pub(crate) fn sh(&self, script: &str) -> String {
        let script = script.replace('\'', "'\\''");
        sh(&format!("nsenter -t {} -n -- sh -ec '{script}'", self.pid()))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const INSIDE: &str = "OPTOUT_INSIDE_NETNS";
