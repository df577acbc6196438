//! optout itself, running on a machine of the lab.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, ExitStatus, Output};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::list_server::TRUSTED;
use super::no_nft::without_nftables;
use super::{Node, Ran, within};

/// A daemon, and everything one asks of it.
pub(crate) struct Daemon<'n> {
    node: &'n Node,
    child: Child,
    /// Where it says that it is ready.
    notified: UnixDatagram,
    begun: Instant,
    /// How long it took from the start to readiness.
    pub(crate) ready_in: Duration,
}

impl Node {
    /// Starts `optout run` here with this configuration (none if empty) and
    /// waits until it says that it is ready (`sd_notify`).
    #[track_caller]
    pub(crate) fn optout(&self, config: &str) -> Daemon<'_> {
        let mut daemon = self.optout_starting(config);
        daemon.wait_until_ready(START);
        daemon
    }

    /// Starts `optout run` here and does not wait for it.
    pub(crate) fn optout_starting(&self, config: &str) -> Daemon<'_> {
        self.start_optout(config, |_| {})
    }

    /// Starts `optout run` here, for which the kernel has no nftables, and waits until it
    /// says that it is ready.
    #[track_caller]
    pub(crate) fn optout_without_nftables(&self, config: &str) -> Daemon<'_> {
        let mut daemon = self.start_optout(config, without_nftables);
        daemon.wait_until_ready(START);
        daemon
    }

    fn start_optout(&self, config: &str, change: impl FnOnce(&mut Command)) -> Daemon<'_> {
        self.configure(config);
        let mut command = self.program(&["run"]);
        change(&mut command);
        self.begin(command)
    }

    /// Starts a command that becomes `optout run`, and waits until it says that it is
    /// ready.
    #[track_caller]
    pub(crate) fn start_command(&self, command: Command) -> Daemon<'_> {
        let mut daemon = self.begin(command);
        daemon.wait_until_ready(START);
        daemon
    }

    fn begin(&self, mut command: Command) -> Daemon<'_> {
        let ready = self.dir().join("notify.sock");
        let _ = fs::remove_file(&ready);
        let notified = UnixDatagram::bind(&ready).expect("tmpfs");
        // Who runs as nobody may say it too.
        let everyone = fs::Permissions::from_mode(0o777);
        fs::set_permissions(&ready, everyone).expect("our own socket");
        notified.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout above zero");
        let begun = Instant::now();
        let log = fs::File::create(self.dir().join("optout.log")).expect("tmpfs");
        command.stdout(log.try_clone().expect("a descriptor")).stderr(log);
        command.env("NOTIFY_SOCKET", &ready).env("SSL_CERT_FILE", TRUSTED);
        let child = command.spawn().expect("nsenter(1) starts");
        Daemon { node: self, child, notified, begun, ready_in: Duration::ZERO }
    }

    /// Runs `optout ARGUMENTS`, which is expected to end by itself, and soon.
    pub(crate) fn optout_command(&self, arguments: &str) -> Ran {
        self.run(&format!("timeout -s KILL 15 {} {arguments}", binary()))
    }

    /// Runs `optout run` by way of another program, without a configuration. It
    /// is expected to end by itself, and soon.
    pub(crate) fn optout_wrapped(&self, wrapper: &str) -> Ran {
        self.configure("");
        self.run(&format!("timeout -s KILL 15 {wrapper} {} run", binary()))
    }

    /// Writes the configuration file; removes it if `text` is empty.
    pub(crate) fn configure(&self, text: &str) {
        let path = self.etc("optout/optout.toml");
        let _ = fs::remove_file(&path);
        if !text.is_empty() {
            fs::write(path, text).expect("tmpfs");
        }
    }

    /// The optout program with these arguments, to be run here.
    pub(crate) fn program(&self, args: &[&str]) -> Command {
        let mut command = self.command(binary());
        command.args(args);
        command
    }

    /// Runs `optout` with these arguments to its end.
    pub(crate) fn cli(&self, args: &[&str]) -> Output {
        self.program(args).output().expect("nsenter(1) starts")
    }
}

impl Daemon<'_> {
    /// Waits until it says that it is ready.
    #[track_caller]
    pub(super) fn wait_until_ready(&mut self, patience: Duration) {
        let mut said = [0; 4096];
        let up = within(patience, || {
            if let Some(status) = self.exited() {
                panic!("optout ended with {status} at its start:\n{}", self.diagnostics());
            }
            let length = self.notified.recv(&mut said).ok()?;
            said[..length].windows(7).any(|w| w == b"READY=1").then_some(())
        });
        assert!(up.is_some(), "optout is not ready after {patience:?}:\n{}", self.diagnostics());
        self.notified.set_nonblocking(true).expect("a socket");
        self.ready_in = self.begun.elapsed();
    }

    /// Its process id.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Runs a command of `optout` on the same machine.
    pub(crate) fn cli(&self, args: &[&str]) -> Output {
        // As systemd does: nobody waits who says how he is.
        while self.notified.recv(&mut [0; 256]).is_ok() {}
        self.node.cli(args)
    }

    /// Runs a command that has to succeed; what it printed.
    #[track_caller]
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let output = self.cli(args);
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "optout {} → {}\n{out}{}\n{}",
            args.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr),
            self.diagnostics()
        );
        out.into_owned()
    }

    /// Runs a command that prints one JSON object.
    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let text = self.ok(args);
        serde_json::from_str(&text)
            .unwrap_or_else(|e| panic!("optout {}: {e}\n{text}", args.join(" ")))
    }

    /// Events of the journal, as `optout log --json` prints them.
    pub(crate) fn journal(&self) -> Journal {
        let text = self.ok(&["log", "--json", "--lines", "0"]);
        let values = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
        let values = values.map(|v| v.expect("optout log --json prints JSON"));
        let lines = values.flat_map(|v| match v {
            Value::Array(lines) => lines,
            line => vec![line],
        });
        Journal(lines.collect())
    }

    /// Waits until the journal has an event that fits.
    #[track_caller]
    pub(crate) fn event(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let found = within(JOURNAL, || self.journal().0.into_iter().find(|line| fits(line)));
        found.unwrap_or_else(|| panic!("no event {what} in\n{}", self.journal()))
    }

    /// What it wrote to its standard error and output.
    pub(crate) fn diagnostics(&self) -> String {
        fs::read_to_string(self.node.dir().join("optout.log")).unwrap_or_default()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        kill(Pid::from_raw(pid), signal).expect("our own child");
    }

    /// How it ended, if it did.
    pub(crate) fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("our own child")
    }

    /// Stops it in the ordinary way, insists on success, says how long it took.
    #[track_caller]
    pub(crate) fn stop(mut self) -> Duration {
        let begun = Instant::now();
        self.signal(Signal::SIGTERM);
        let ended = within(Duration::from_secs(10), || self.exited());
        let Some(status) = ended else {
            panic!("optout runs on 10 s after SIGTERM:\n{}", self.diagnostics());
        };
        assert!(status.success(), "optout ended with {status}:\n{}", self.diagnostics());
        begun.elapsed()
    }

    /// Kills it: it cannot clean up.
    pub(crate) fn kill9(mut self) {
        self.signal(Signal::SIGKILL);
        self.child.wait().expect("our own child");
    }
}

/// A test that panics must not leave it running beside the next one.
impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Events.
pub(crate) struct Journal(pub(crate) Vec<Value>);

impl std::fmt::Display for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// The program under test: what was just built, or what `OPTOUT_BIN` names, such as
/// a build with optimisation.
fn binary() -> String {
    std::env::var("OPTOUT_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_optout").to_owned())
}

/// Longest start that is not a failure. It takes a fraction of a second.
const START: Duration = Duration::from_secs(10);

/// Longest way of an event into the journal: one write transaction in 5 s.
const JOURNAL: Duration = Duration::from_secs(8);
