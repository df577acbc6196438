//! Private namespaces for one test, that leave nothing behind.

use std::env;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// Runs `test` alone in new network, mount and process namespaces.
///
/// A thread cannot enter a user namespace while it has siblings, and the test
/// harness has many; so the test runs itself again under unshare(1), and the
/// second run, finding the mark, does the work. It is process 1 of its
/// namespace: the kernel kills everything it started when it ends. It ends when
/// the first run does, even by `kill -9`, because their pipe then breaks.
///
/// Skips, loudly, where the kernel forbids it or a tool is missing, unless
/// `OPTOUT_REQUIRE_NETNS` is set, as it is in CI: a skipped test must never look
/// like a passed one there.
pub(crate) fn isolated<F: FnOnce()>(test: F) {
    isolated_with(&[], test);
}

/// The same for a test that needs these programs besides.
pub(crate) fn isolated_with<F: FnOnce()>(tools: &[&str], test: F) {
    if env::var_os(INSIDE).is_some() {
        watch_the_outer_run();
        return test();
    }
    let name = name_of::<F>();
    if let Some(reason) = missing(tools).or_else(isolated_or_skip_reason) {
        let required = env::var_os("OPTOUT_REQUIRE_NETNS").is_some_and(|v| v != "0");
        assert!(!required, "{name} must run here and cannot: {reason}");
        let _ = writeln!(std::io::stderr(), "SKIPPED {name}: {reason}");
        return;
    }
    let mut inner = unshare();
    inner.arg(env::current_exe().expect("path of this test"));
    inner.args(["--exact", name, "--nocapture", "--test-threads=1"]);
    inner.env(INSIDE, "1").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut inner = inner.spawn().expect("unshare(1) starts");
    let pipe = inner.stdin.take();
    let inner = inner.wait_with_output().expect("the inner run ends");
    drop(pipe);
    let out = String::from_utf8_lossy(&inner.stdout);
    let err = String::from_utf8_lossy(&inner.stderr);
    // A mistyped name would run no test at all and succeed.
    let ran = inner.status.success() && out.contains("1 passed");
    // Indented, so that nobody takes what the inner run counts for the outer one's.
    let said: Vec<String> = out.lines().chain(err.lines()).map(|l| format!("    {l}")).collect();
    assert!(ran, "{name}, inside ({}):\n{}", inner.status, said.join("\n"));
    for line in err.lines().filter(|line| line.starts_with("measured: ")) {
        let _ = writeln!(std::io::stderr(), "{name}: {line}");
    }
}

/// Why no lab can run here; `None` if one can.
pub(crate) fn isolated_or_skip_reason() -> Option<String> {
    if let Some(missing) = missing(TOOLS) {
        return Some(missing);
    }
    let tried = unshare().args(["sh", "-c", "ip link set lo up && nft list ruleset"]).output();
    match tried {
        Ok(tried) if tried.status.success() => None,
        Ok(tried) => Some(format!(
            "no private namespaces here: {}",
            String::from_utf8_lossy(&tried.stderr).trim()
        )),
        Err(error) => Some(format!("unshare(1) does not start: {error}")),
    }
}

/// unshare(1) with every namespace a lab needs; as root in a user namespace
/// where the caller is not root.
fn unshare() -> Command {
    let mut command = Command::new("unshare");
    if !nix::unistd::Uid::effective().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--net", "--mount", "--uts", "--pid", "--fork", "--kill-child"]);
    command.args(["--mount-proc", "--"]);
    command
}

/// The test's name as the harness knows it: the path of the closure's type,
/// without the crate and without what stands for the closure.
fn name_of<F>() -> &'static str {
    let path = std::any::type_name::<F>();
    let path = path.split_once("::").map_or(path, |(_, rest)| rest);
    path.split("::{{closure}}").next().unwrap_or(path)
}

/// Ends this process, and with it the namespaces, when the outer run is gone or
/// the test hangs.
fn watch_the_outer_run() {
    thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(1);
    });
    thread::spawn(|| {
        thread::sleep(LIMIT);
        let _ = writeln!(std::io::stderr(), "still running after {LIMIT:?}: ended");
        std::process::exit(1);
    });
}

fn missing(tools: &[&str]) -> Option<String> {
    let missing: Vec<&str> = tools.iter().copied().filter(|tool| !installed(tool)).collect();
    (!missing.is_empty())
        .then(|| format!("not installed: {} (./dev test installs them)", missing.join(", ")))
}

fn installed(tool: &str) -> bool {
    let dirs = env::var_os("PATH").unwrap_or_default();
    // Debian keeps some of them out of the PATH of ordinary users.
    let more = ["/usr/sbin", "/sbin"].map(Into::into);
    env::split_paths(&dirs).chain(more).any(|dir| dir.join(tool).is_file())
}

/// Set in the inner run.
pub(crate) const INSIDE: &str = "OPTOUT_INSIDE_LAB";

/// What a lab is made of.
const TOOLS: &[&str] = &[
    "unshare",
    "nsenter",
    "setpriv",
    "mount",
    "ip",
    "nft",
    "dig",
    "curl",
    "python3",
    "openssl",
    "unbound",
    "nginx",
    "dnsmasq",
    "sha256sum",
];

/// Longest run of one test. The longest takes a third of it on two slow cores.
const LIMIT: Duration = Duration::from_mins(5);
