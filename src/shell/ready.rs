//! Files that tokio watches for us.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A type that owns one open file and never changes it for another.
pub(crate) trait OwnsFile: AsRawFd {}

impl OwnsFile for OwnedFd {}
impl OwnsFile for netlink_sys::Socket {}
impl OwnsFile for inotify::Inotify {}

/// Has the runtime watch `file`, which must not block, for something to read.
#[expect(unsafe_code, reason = "tokio cannot see from the type that the file stays open")]
pub(crate) fn watch<T: OwnsFile>(file: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: the types above own their file, keep it open as long as they
    // live, and always name the same one.
    unsafe { AsyncFd::register_with_interest(file, Interest::READABLE) }.map_err(Into::into)
}
