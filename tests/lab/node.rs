//! One machine of the lab: a network, mount and host-name namespace.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::thread;

use nix::sched::{CloneFlags, setns};

/// A machine. It has its own /etc (so that resolv.conf can be replaced as real
/// systems do), /run/optout and /var/lib/optout; the rest it shares.
pub(crate) struct Node {
    name: &'static str,
    dir: PathBuf,
    /// Keeps the namespaces; its process id names them.
    holder: Child,
    says: Mutex<Option<ChildStdout>>,
}

impl Node {
    pub(super) fn start(name: &'static str, lab: &Path) -> Self {
        let dir = lab.join(name);
        let mut holder = Command::new("unshare")
            .args(["--net", "--mount", "--uts", "--", "sh", "-ec", HOLDER, "sh", name])
            .arg(&dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare(1) starts");
        let says = Mutex::new(holder.stdout.take());
        Self { name, dir, holder, says }
    }

    /// Waits until the machine is there; its process id.
    pub(super) fn ready(&self) -> u32 {
        let mut says = self.says.lock().expect("no panic before");
        if let Some(pipe) = says.take() {
            let mut line = String::new();
            BufReader::new(pipe).read_line(&mut line).expect("the holder speaks");
            assert_eq!(line, "ready\n", "{} did not come up", self.name);
        }
        self.holder.id()
    }

    pub(super) fn ip(&self, batch: &str) {
        ip_batch(self.command("ip"), batch);
    }

    /// Its own directory in the lab.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A file of its /etc.
    pub(crate) fn etc(&self, file: &str) -> PathBuf {
        self.dir.join("etc").join(file)
    }

    /// A program that will run on this machine.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        let holder = self.holder.id().to_string();
        command.args(["--net", "--mount", "--uts", "--target", &holder, "--"]).arg(program);
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("LC_ALL", "C").env("HOME", "/run/lab").stdin(Stdio::null());
        command
    }

    /// Runs a shell command here, to its end.
    pub(crate) fn run(&self, script: &str) -> Ran {
        let output = self.command("sh").args(["-c", script]).output().expect("nsenter(1) starts");
        Ran {
            script: script.to_owned(),
            status: output.status,
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a shell command here and insists on success; what it printed.
    #[track_caller]
    pub(crate) fn ok(&self, script: &str) -> String {
        let ran = self.run(script);
        assert!(ran.status.success(), "on {}: {ran}", self.name);
        ran.out.trim_end().to_owned()
    }

    /// Runs a closure on a thread that sees this machine's network.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let network = File::open(format!("/proc/{}/ns/net", self.holder.id()));
        let network = network.expect("the machine is up");
        thread::scope(|scope| {
            let inside = scope.spawn(move || {
                setns(network, CloneFlags::CLONE_NEWNET).expect("root in the lab");
                work()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Runs the app that has its own resolver: it asks `server` for `name` and
    /// connects to `port`.
    pub(crate) fn static_app(&self, server: &str, name: &str, port: u16) -> serde_json::Value {
        let app = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/static_app.py");
        let out = self.ok(&format!("exec python3 {app} {server} {name} {port}"));
        serde_json::from_str(&out).expect("the app prints JSON")
    }

    /// Replaces resolv.conf the way resolvconf and NetworkManager do: by rename.
    pub(crate) fn write_resolv_conf(&self, servers: &[IpAddr]) {
        let lines: Vec<String> = servers.iter().map(|s| format!("nameserver {s}\n")).collect();
        let text = lines.concat();
        let fresh = self.etc("resolv.conf.fresh");
        fs::write(&fresh, text).expect("the lab's tmpfs is writable");
        fs::rename(&fresh, self.etc("resolv.conf")).expect("same directory");
    }

    /// Packets and bytes that a device took from (`tx`) and gave to (`rx`) the kernel.
    pub(crate) fn device(&self, device: &str) -> Option<(u64, u64)> {
        let devices = self.run("cat /proc/net/dev").out;
        let line = devices.lines().find_map(|l| l.trim().strip_prefix(&format!("{device}:")))?;
        let field = |n| line.split_whitespace().nth(n)?.parse().ok();
        Some((field(1)?, field(9)?))
    }
}

/// What a command did.
pub(crate) struct Ran {
    script: String,
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` → {}\n{}{}", self.script, self.status, self.out, self.err)
    }
}

/// Feeds ip(8) a list of commands.
pub(super) fn ip_batch(mut ip: Command, batch: &str) {
    let mut ip = ip.args(["-batch", "-"]).stdin(Stdio::piped()).spawn().expect("ip(8) starts");
    ip.stdin.take().expect("piped").write_all(batch.as_bytes()).expect("ip(8) reads");
    assert!(ip.wait().expect("ip(8) ends").success(), "ip(8) refused a line of\n{batch}");
}

/// Makes a machine of a fresh namespace and stays in it. $1 name, $2 directory.
const HOLDER: &str = r#"
    mkdir -p "$2/etc" "$2/run" "$2/state"
    ln -s -t "$2/etc" /run/lab/host-etc/*
    rm -rf "$2/etc/resolv.conf" "$2/etc/hosts" "$2/etc/optout"
    mkdir "$2/etc/optout"
    echo "127.0.0.1 localhost" > "$2/etc/hosts"
    mount --bind "$2/etc" /etc
    mount --bind "$2/run" /run/optout
    mount --bind "$2/state" /var/lib/optout
    mount -t sysfs sysfs /sys 2>/dev/null || true
    hostname "$1"
    cd /proc/sys/net
    echo 0 > ipv6/conf/all/accept_dad
    echo 0 > ipv6/conf/default/accept_dad
    echo 0 > ipv6/conf/default/accept_ra
    case $1 in router)
        echo 1 > ipv4/ip_forward
        echo 1 > ipv6/conf/all/forwarding
        # As distributions ship it: answers must still be accepted.
        echo 1 > ipv4/conf/all/rp_filter
        echo 1 > ipv4/conf/default/rp_filter
    esac
    ip link set lo up
    echo ready
    exec sleep infinity"#;
