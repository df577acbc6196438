//! The socket file: made so that nobody slips in, removed only if it is ours.

use std::fs::{DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Group, Uid};
use socket2::{Domain, SockAddr, Socket, Type};
use thiserror::Error;

/// A listening control socket. Its file goes when this is dropped.
#[derive(Debug)]
pub struct Door {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of our file: what stands at the path later may be another's.
    identity: (u64, u64),
    group: Option<Gid>,
}

/// Why the control socket could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DoorError {
    /// Somebody answers there.
    #[error("another optout answers at {}; stop it first, or set another control socket", .0.display())]
    Taken(PathBuf),
    /// Something stands at the path that we did not make.
    #[error("{} is there and not a socket of ours ({what}); remove it", path.display())]
    Foreign {
        /// The path.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// The directory would let others replace the socket.
    #[error("the directory {} is unsafe for a control socket ({why}); use another", path.display())]
    Unsafe {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The system refused.
    #[error("cannot {act} {}: {source}", path.display())]
    System {
        /// What we wanted to do.
        act: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Door {
    /// Opens the socket at `path`, mode 0660, for the group of this name if
    /// there is one. A directory that is missing is made, mode 0750.
    ///
    /// # Errors
    ///
    /// [`DoorError`]. Nothing is left behind, and nothing of others is removed.
    pub fn open(path: &Path, group: &str) -> Result<Self, DoorError> {
        let group = Group::from_name(group).ok().flatten().map(|group| group.gid);
        prepare_directory(path.parent().unwrap_or(Path::new("/")), group)?;
        remove_stale(path)?;
        let socket = listen(path, group).inspect_err(|error| {
            // Before bind nothing of ours is there; "in use" means another was faster.
            if !matches!(error, DoorError::System { act: BIND, .. }) {
                let _ = std::fs::remove_file(path);
            }
        })?;
        let identity = path.symlink_metadata().map(identity).map_err(failed("look at", path))?;
        Ok(Self { listener: socket.into(), path: path.into(), identity, group })
    }

    /// The socket itself, non-blocking.
    #[must_use]
    pub fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// Whether a peer may speak. The mode of the file has let it in; this holds
    /// even if somebody loosened the mode of a file that no group was to share.
    #[must_use]
    pub fn admits(&self, peer: u32) -> bool {
        admits(peer, Uid::effective().as_raw(), self.group.is_some())
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let found = self.path.symlink_metadata();
        if found.is_ok_and(|found| identity(found) == self.identity) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn admits(peer: u32, own: u32, shared: bool) -> bool {
    peer == 0 || peer == own || shared
}

fn prepare_directory(path: &Path, group: Option<Gid>) -> Result<(), DoorError> {
    match DirBuilder::new().mode(DIRECTORY_MODE).create(path) {
        Ok(()) => give(path, group, DIRECTORY_MODE),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => inspect_directory(path),
        Err(error) => Err(failed("make the directory", path)(error)),
    }
}

fn inspect_directory(path: &Path) -> Result<(), DoorError> {
    let found = path.symlink_metadata().map_err(failed("look at", path))?;
    let refuse = |why| Err(DoorError::Unsafe { path: path.into(), why });
    if !found.is_dir() {
        return refuse("it is a link or a file");
    }
    if !is_ours(&found) {
        return refuse("another user owns it");
    }
    if found.mode() & WRITABLE_BY_OTHERS != 0 {
        return refuse("other users can write to it");
    }
    Ok(())
}

/// Removes what a killed daemon left: a socket of ours at which nobody answers.
fn remove_stale(path: &Path) -> Result<(), DoorError> {
    let found = match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.map_err(failed("look at", path))?,
    };
    let foreign = |what| Err(DoorError::Foreign { path: path.into(), what });
    if !found.file_type().is_socket() {
        return foreign("not a socket");
    }
    if !is_ours(&found) {
        return foreign("another user's");
    }
    match knock(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(failed("remove the stale socket", path))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // A full queue is an answer too.
        Ok(()) => Err(DoorError::Taken(path.into())),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(DoorError::Taken(path.into()))
        }
        Err(error) => Err(failed("connect to", path)(error)),
    }
}

fn knock(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    socket.connect(&SockAddr::unix(path)?)
}

/// The mode is set before anybody can connect: between bind and listen.
fn listen(path: &Path, group: Option<Gid>) -> Result<Socket, DoorError> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)
        .map_err(failed("make a socket for", path))?;
    let address = SockAddr::unix(path).map_err(failed(BIND, path))?;
    socket.bind(&address).map_err(failed(BIND, path))?;
    give(path, group, SOCKET_MODE)?;
    socket.listen(BACKLOG).map_err(failed("listen at", path))?;
    Ok(socket)
}

fn give(path: &Path, group: Option<Gid>, mode: u32) -> Result<(), DoorError> {
    if let Some(group) = group {
        chown(path, None, Some(group.as_raw())).map_err(failed("give the group", path))?;
    }
    let mode = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(path, mode).map_err(failed("set the mode of", path))
}

fn is_ours(found: &Metadata) -> bool {
    found.uid() == 0 || found.uid() == Uid::effective().as_raw()
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function to map with")]
fn identity(found: Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

fn failed(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DoorError {
    move |source| DoorError::System { act, path: path.into(), source }
}

const BIND: &str = "bind a socket at";

/// Owner and group may speak.
const SOCKET_MODE: u32 = 0o660;

/// The group may pass, nobody else.
const DIRECTORY_MODE: u32 = 0o750;

const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Connections that wait to be accepted. More than we serve at a time, so that
/// a burst is told "too many" and does not hang.
const BACKLOG: i32 = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::control::scratch::Scratch;

    const NO_GROUP: &str = "optout-no-such-group";

    fn mode(path: &Path) -> u32 {
        path.symlink_metadata().unwrap().mode() & 0o7777
    }

    #[test]
    fn file_and_directory_are_closed_to_others_and_go_with_the_door() {
        let scratch = Scratch::new();
        let path = scratch.path("run/control.sock");
        let door = Door::open(&path, NO_GROUP).unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o660, 0o750));
        drop(door);
        assert!(path.symlink_metadata().is_err());
    }

    #[test]
    fn the_group_gets_file_and_directory() {
        if !Uid::effective().is_root() {
            eprintln!("SKIPPED the_group_gets_file_and_directory: needs root");
            return;
        }
        let group = Group::from_name("daemon").unwrap().expect("a group that every system has");
        let scratch = Scratch::new();
        let path = scratch.path("run/control.sock");
        let door = Door::open(&path, "daemon").unwrap();
        for path in [path.as_path(), path.parent().unwrap()] {
            assert_eq!(path.symlink_metadata().unwrap().gid(), group.gid.as_raw());
        }
        assert!(door.admits(12345));
    }

    #[test]
    fn a_second_daemon_is_refused_and_the_first_lives() {
        let scratch = Scratch::new();
        let path = scratch.path("control.sock");
        let first = Door::open(&path, NO_GROUP).unwrap();
        assert!(matches!(Door::open(&path, NO_GROUP), Err(DoorError::Taken(_))));
        knock(&path).unwrap();
        drop(first);
    }

    #[test]
    fn what_a_killed_daemon_left_is_replaced() {
        let scratch = Scratch::new();
        let path = scratch.path("control.sock");
        drop(UnixListener::bind(&path).unwrap()); // std leaves the file, as kill -9 does
        assert!(path.exists());
        let _door = Door::open(&path, NO_GROUP).unwrap();
        knock(&path).unwrap();
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let scratch = Scratch::new();
        let target = scratch.path("precious");
        std::fs::write(&target, "precious").unwrap();
        let link = scratch.path("link.sock");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let stale = scratch.path("stale.sock");
        drop(UnixListener::bind(&stale).unwrap());
        let to_stale = scratch.path("to-stale.sock");
        std::os::unix::fs::symlink(&stale, &to_stale).unwrap();
        for path in [&target, &link, &to_stale] {
            let error = Door::open(path, NO_GROUP).unwrap_err();
            assert!(matches!(error, DoorError::Foreign { .. }), "{error}");
            assert!(path.symlink_metadata().is_ok());
        }
        assert_eq!(std::fs::read_to_string(target).unwrap(), "precious");
        assert!(stale.exists());
    }

    #[test]
    fn another_users_socket_is_left_alone() {
        if !Uid::effective().is_root() {
            eprintln!("SKIPPED another_users_socket_is_left_alone: needs root");
            return;
        }
        let scratch = Scratch::new();
        let path = scratch.path("control.sock");
        drop(UnixListener::bind(&path).unwrap());
        std::os::unix::fs::lchown(&path, Some(65534), None).unwrap();
        let error = Door::open(&path, NO_GROUP).unwrap_err();
        assert!(matches!(error, DoorError::Foreign { what: "another user's", .. }), "{error}");
        assert!(path.exists());
    }

    #[test]
    fn a_directory_that_others_can_write_to_is_refused() {
        let scratch = Scratch::new();
        for (mode, safe) in [(0o777, false), (0o770, false), (0o1777, false), (0o755, true)] {
            let directory = scratch.path(&format!("{mode:o}"));
            std::fs::create_dir(&directory).unwrap();
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&directory, permissions).unwrap();
            let opened = Door::open(&directory.join("control.sock"), NO_GROUP);
            assert_eq!(opened.is_ok(), safe, "{mode:o}: {:?}", opened.err());
        }
        let link = scratch.path("link");
        std::os::unix::fs::symlink(scratch.path("755"), &link).unwrap();
        let error = Door::open(&link.join("control.sock"), NO_GROUP).unwrap_err();
        assert!(matches!(error, DoorError::Unsafe { .. }), "{error}");
    }

    #[test]
    fn a_file_that_took_our_place_is_not_removed() {
        let scratch = Scratch::new();
        let path = scratch.path("control.sock");
        let door = Door::open(&path, NO_GROUP).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "another's").unwrap();
        drop(door);
        assert!(path.exists());
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_an_error_and_leaves_nothing() {
        let scratch = Scratch::new();
        let path = scratch.path(&"x".repeat(120));
        assert!(matches!(Door::open(&path, NO_GROUP), Err(DoorError::System { .. })));
        assert!(!path.exists());
    }

    #[test]
    fn only_root_and_ourselves_are_admitted_where_no_group_shares() {
        for (peer, own, shared, want) in [
            (0, 1000, false, true),
            (1000, 1000, false, true),
            (1001, 1000, false, false),
            (1001, 0, false, false),
            (1001, 0, true, true),
        ] {
            assert_eq!(admits(peer, own, shared), want, "{peer} {own} {shared}");
        }
    }
}
