//! One optout at a time.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::{fs, process};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use thiserror::Error;

/// Proof that no other instance runs. The kernel ends it with the process,
/// however that ends, so there is nothing stale to clean up.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    _file: Flock<File>,
}

/// Why there is no lock.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another instance runs: exit code 3.
    #[error(
        "another optout is running{}; stop it first (systemctl stop optout, or kill it), or talk to it with optout status",
        pid.map(|pid| format!(" as process {pid}")).unwrap_or_default()
    )]
    Held {
        /// Its process, as far as it said.
        pid: Option<u32>,
    },
    /// The lock file cannot be had.
    #[error("cannot lock {}: {source}; run optout as root, or set \"run_dir\" to a directory it may write", path.display())]
    Cannot {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Lock {
    /// Takes the lock in `run_dir`, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// [`LockError`]. Does not wait.
    pub fn take(run_dir: &Path) -> Result<Self, LockError> {
        let path = run_dir.join(NAME);
        match Self::try_take(run_dir, &path) {
            Ok(Some(file)) => Ok(Self { path, _file: file }),
            Ok(None) => Err(LockError::Held { pid: holder(&path) }),
            Err(source) => Err(LockError::Cannot { path, source }),
        }
    }

    /// `None` if another holds it.
    fn try_take(run_dir: &Path, path: &Path) -> io::Result<Option<Flock<File>>> {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(run_dir)?;
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o644)
                .custom_flags(libc::O_NOFOLLOW)
                .open(path)?;
            let mut file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(file) => file,
                Err((_, Errno::EWOULDBLOCK)) => return Ok(None),
                Err((_, error)) => return Err(error.into()),
            };
            // The holder may have removed the file between our open and our lock;
            // then what we hold has no name any more, and the next one would not see it.
            if !is_at(&file, path) {
                continue;
            }
            file.set_len(0)?;
            writeln!(file, "{}", process::id())?;
            return Ok(Some(file));
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is still locked, so that nobody's lock loses its name.
        let _ = fs::remove_file(&self.path);
    }
}

/// The process that wrote itself into the lock file.
fn holder(path: &Path) -> Option<u32> {
    let mut text = String::new();
    File::open(path).ok()?.take(20).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn is_at(file: &File, path: &Path) -> bool {
    let same = |a: &fs::Metadata, b: &fs::Metadata| a.ino() == b.ino() && a.dev() == b.dev();
    matches!((&file.metadata(), &fs::symlink_metadata(path)), (Ok(a), Ok(b)) if same(a, b))
}

const NAME: &str = "optout.lock";

#[cfg(test)]
mod tests {
    use super::*;

    fn empty_dir(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("optout-{name}-{}", process::id()));
        let _ = fs::remove_dir_all(&dir);
        dir
    }

    #[test]
    fn the_second_is_refused_and_told_who_the_first_is() {
        let dir = empty_dir("lock");
        let first = Lock::take(&dir).unwrap();
        let error = Lock::take(&dir).unwrap_err();
        assert!(matches!(error, LockError::Held { pid: Some(pid) } if pid == process::id()));
        let want = format!("another optout is running as process {}; stop it first", process::id());
        assert!(error.to_string().starts_with(&want), "{error}");
        drop(first);
        assert!(!dir.join(NAME).exists());
        drop(Lock::take(&dir).unwrap());
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn what_a_crash_left_is_no_lock() {
        let dir = empty_dir("lock-crash");
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join(NAME), "99999999999 and much more than a number").unwrap();
        let lock = Lock::take(&dir).unwrap();
        assert_eq!(holder(&dir.join(NAME)), Some(process::id()));
        drop(lock);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn of_many_that_start_at_once_one_holds_it_at_a_time() {
        let dir = empty_dir("lock-race");
        let held = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let Ok(lock) = Lock::take(&dir) else { continue };
                        assert_eq!(held.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                        held.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_link_or_a_file_in_the_way_is_an_error_with_a_remedy() {
        let dir = empty_dir("lock-link");
        fs::create_dir(&dir).unwrap();
        std::os::unix::fs::symlink("/dev/null", dir.join(NAME)).unwrap();
        let error = Lock::take(&dir).unwrap_err().to_string();
        assert!(error.contains("Too many levels of symbolic links") && error.contains("run_dir"));
        let error = Lock::take(Path::new("/dev/null")).unwrap_err().to_string();
        assert!(error.starts_with("cannot lock /dev/null/optout.lock: "), "{error}");
        fs::remove_dir_all(&dir).unwrap();
    }
}
