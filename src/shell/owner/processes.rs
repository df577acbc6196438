//! Which process holds this socket? As /proc says (`proc_pid_fd(5)`).

use std::collections::VecDeque;
use std::ffi::CString;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::dir::Dir;
use nix::fcntl::{OFlag, readlinkat};
use nix::sys::stat::Mode;

/// The processes of this host.
///
/// Looking into all of them takes milliseconds, so those come first that are
/// likely: who held a socket lately, then the user's own, the newest first.
#[derive(Debug)]
pub(super) struct Processes {
    /// Where proc is mounted, if it is.
    proc: PathBuf,
    /// Processes that held a socket lately, the latest first.
    recent: VecDeque<u32>,
    /// Sockets found lately, the latest first. Inodes are not used twice
    /// until 2^32 of them were.
    sockets: VecDeque<(u32, u32)>,
}

impl Processes {
    pub(super) fn new(proc: &Path) -> Self {
        Self { proc: proc.into(), recent: VecDeque::new(), sockets: VecDeque::new() }
    }

    /// The process that holds the socket, and the name of its program.
    pub(super) fn holder(&mut self, inode: u32, uid: u32) -> Option<(u32, Option<Arc<str>>)> {
        let known = self.sockets.iter().find(|(known, _)| *known == inode).map(|(_, pid)| *pid);
        let pid = known
            .filter(|pid| self.proc.join(pid.to_string()).exists())
            .or_else(|| self.search(inode, uid))?;
        if known != Some(pid) {
            remember(&mut self.sockets, (inode, pid), SOCKETS);
        }
        self.recent.retain(|recent| *recent != pid);
        remember(&mut self.recent, pid, RECENT);
        Some((pid, self.program(pid)))
    }

    #[cfg(test)]
    pub(super) fn forget_sockets(&mut self) {
        self.sockets.clear();
    }

    fn search(&self, inode: u32, uid: u32) -> Option<u32> {
        let wanted = format!("socket:[{inode}]");
        let holds = |pid: &u32| self.holds(*pid, wanted.as_bytes());
        if let Some(pid) = self.recent.iter().copied().find(holds) {
            return Some(pid);
        }
        let end = Instant::now() + PATIENCE;
        let mut others = Vec::new();
        for pid in self.pids() {
            if self.recent.contains(&pid) {
                continue;
            }
            if self.uid(pid) != Some(uid) {
                others.push(pid);
            } else if holds(&pid) {
                return Some(pid);
            } else if Instant::now() > end {
                return None;
            }
        }
        others.into_iter().take_while(|_| Instant::now() <= end).find(holds)
    }

    /// All processes, the newest first.
    fn pids(&self) -> Vec<u32> {
        let Ok(entries) = fs::read_dir(&self.proc) else { return Vec::new() };
        let mut pids: Vec<u32> =
            entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
        pids.sort_unstable_by(|a, b| b.cmp(a));
        pids
    }

    fn uid(&self, pid: u32) -> Option<u32> {
        Some(fs::metadata(self.proc.join(pid.to_string())).ok()?.uid())
    }

    /// Whether one of the process's descriptors is a link to `wanted`. Read as a
    /// link and not followed: a file on a dead server would make us wait.
    fn holds(&self, pid: u32, wanted: &[u8]) -> bool {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let path = self.proc.join(pid.to_string()).join("fd");
        let Ok(mut dir) = Dir::open(&path, flags, Mode::empty()) else { return false };
        let names: Vec<CString> =
            dir.iter().filter_map(|entry| Some(entry.ok()?.file_name().to_owned())).collect();
        names.iter().any(|name| {
            readlinkat(&dir, name.as_c_str()).is_ok_and(|link| link.as_bytes() == wanted)
        })
    }

    /// What a person would call the process.
    fn program(&self, pid: u32) -> Option<Arc<str>> {
        let dir = self.proc.join(pid.to_string());
        let link = fs::read_link(dir.join("exe")).ok();
        let file = link.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy());
        let name = match file.as_deref().map(|name| name.trim_end_matches(" (deleted)")) {
            // One file that is many programs: what it runs as says more.
            Some(many) if MANY_IN_ONE.contains(&many) => called(&dir).or(Some(many.to_owned())),
            Some(name) => Some(name.to_owned()),
            None => called(&dir),
        };
        name.map(|name| printable(&name).into())
    }
}

/// What the process says it is called: `comm`, at most 15 bytes.
fn called(dir: &Path) -> Option<String> {
    let mut comm = Vec::new();
    File::open(dir.join("comm")).ok()?.take(LONGEST_NAME as u64).read_to_end(&mut comm).ok()?;
    let name = String::from_utf8_lossy(&comm).trim_end_matches('\n').to_owned();
    (!name.is_empty()).then_some(name)
}

/// A process may call itself anything, escape sequences included.
fn printable(name: &str) -> String {
    let safe = |c: char| if c.is_control() { '?' } else { c };
    name.chars().map(safe).take(LONGEST_NAME).collect()
}

fn remember<T>(memory: &mut VecDeque<T>, what: T, most: usize) {
    memory.truncate(most - 1);
    memory.push_front(what);
}

/// Programs that are many in one file.
const MANY_IN_ONE: &[&str] =
    &["busybox", "toybox", "coreutils", "app_process", "app_process32", "app_process64"];

/// Processes looked at first. Few programs speak at a time.
const RECENT: usize = 16;

/// Sockets kept in mind. A few flows of one socket follow one another.
const SOCKETS: usize = 64;

/// Longest name of a program, in characters; file names go to 255 bytes.
const LONGEST_NAME: usize = 64;

/// Longest search. With more processes than can be looked into by then, the
/// user is known and the process is not.
const PATIENCE: Duration = Duration::from_millis(100);
