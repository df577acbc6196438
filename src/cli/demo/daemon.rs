//! The real daemon, as a child of the demo in the router's network.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::world::PROVIDER;
use crate::request::{Report, Request, Response};
use crate::shell::control::client::{Client, Daemon as _};

/// A running `optout run`.
pub(super) struct Daemon {
    child: Child,
    socket: PathBuf,
}

impl Daemon {
    /// Starts it and waits until it protects.
    pub(super) fn start() -> Result<Self> {
        let room = private_folder()?;
        let config = room.join("optout.toml");
        let socket = room.join("control.sock");
        fs::write(&config, configuration(&room, &socket))?;
        let child = Command::new("/proc/self/exe")
            .args(["run", "--with-parent", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(room.join("log"))?)
            .spawn()
            .context("cannot start optout on the demo's router")?;
        let mut daemon = Self { child, socket };
        daemon.wait_until_on(&room)?;
        Ok(daemon)
    }

    fn wait_until_on(&mut self, room: &Path) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if self.client().ask(&Request::Status).is_ok() {
                return Ok(());
            }
            if self.child.try_wait()?.is_some() {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let said = fs::read_to_string(room.join("log")).unwrap_or_default();
        // Its one line for people is the last.
        let said =
            said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        let said = said.strip_prefix("optout: ").unwrap_or(said);
        bail!("optout did not start on the demo's router: {said}")
    }

    fn client(&self) -> Client {
        Client::new(&self.socket)
    }

    /// What it stopped from then on, seconds since 1970 (UTC).
    pub(super) fn report(&self, since: i64) -> Result<Report> {
        match self.client().ask(&Request::Report { since })? {
            Response::Report(report) => Ok(*report),
            other => bail!("the daemon answered {other:?} when asked for a report"),
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a process id fits"));
        // It may be gone already; then there is nothing to stop.
        let _ = kill(pid, Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

/// A folder in memory that only this process and its children see.
fn private_folder() -> Result<PathBuf> {
    const NONE: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS).context("cannot make a mount namespace")?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NONE, "/", NONE, private, NONE).context("cannot keep mounts private")?;
    mount(Some("optout-demo"), "/run", Some("tmpfs"), MsFlags::empty(), NONE)
        .context("cannot make a folder in memory")?;
    let room = PathBuf::from("/run/optout-demo");
    fs::create_dir(&room)?;
    Ok(room)
}

fn configuration(room: &Path, socket: &Path) -> String {
    let (room, socket) = (room.display(), socket.display());
    format!(
        "upstreams = [\"{PROVIDER}\"]\n\
         state_dir = \"{room}\"\nrun_dir = \"{room}\"\ncontrol_socket = \"{socket}\"\n\
         [journal]\nflush_seconds = 1\n"
    )
}

const PATIENCE: Duration = Duration::from_secs(10);
