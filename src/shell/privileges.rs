//! What the system must let us do, and what we give up before we begin.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use nix::errno::Errno;
#[cfg(not(target_os = "android"))]
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use thiserror::Error;

/// Something that optout cannot run without. Shown in one line with its remedy.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Missing {
    /// Without it there are no routes, no TUN and no marks.
    #[error(
        "CAP_NET_ADMIN is missing; run optout as root (sudo optout run), or give the service AmbientCapabilities=CAP_NET_ADMIN"
    )]
    NetAdmin,
    /// The kernel has no TUN, or the device file was not made.
    #[error(
        "{TUN} is missing; load the module (modprobe tun), and in a container pass the device in (--device {TUN})"
    )]
    Tun,
    /// The device file is there and we may not use it.
    #[error("cannot open {TUN}: {0}; give optout read and write access to it")]
    TunDenied(#[source] io::Error),
}

/// Everything that is missing here; empty is good. Nothing is changed.
#[must_use]
pub fn missing() -> Vec<Missing> {
    let mut missing = Vec::new();
    if !has_net_admin() {
        missing.push(Missing::NetAdmin);
    }
    missing.extend(tun_missing(Path::new(TUN)));
    missing
}

/// Whether this thread has `CAP_NET_ADMIN` (capabilities(7)).
#[must_use]
pub fn has_net_admin() -> bool {
    effective_capabilities().is_ok_and(|set| set & (1 << CAP_NET_ADMIN) != 0)
}

/// Has us told to stop when the process that started us ends.
///
/// # Errors
///
/// What the kernel says.
pub fn die_with_parent() -> io::Result<()> {
    #[cfg(not(target_os = "android"))]
    return Ok(prctl::set_pdeathsig(nix::sys::signal::Signal::SIGTERM)?);
    // An app's process is the system's, and so is its end.
    #[cfg(target_os = "android")]
    Err(io::ErrorKind::Unsupported.into())
}

/// Gives up what we never need, for good: programs with more privileges than
/// ours, and core dumps, which would hold the names that people asked for.
/// Lets us open as many files as the administrator allows.
///
/// # Errors
///
/// What the system said; nothing that it refuses makes running unsafe.
pub fn harden() -> io::Result<()> {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let wanted = hard.min(WANTED_FILES);
        if soft < wanted {
            setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)?;
        }
    }
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    // In an app the system has seen to both.
    #[cfg(not(target_os = "android"))]
    {
        // A core dump that is piped to a program ignores the limit; this does not.
        prctl::set_dumpable(false)?;
        prctl::set_no_new_privs()?;
    }
    Ok(())
}

/// Opening the device file makes no device; that is a later ioctl.
fn tun_missing(path: &Path) -> Option<Missing> {
    let error = OpenOptions::new().read(true).write(true).open(path).err()?;
    // ENODEV and ENXIO: the file is there, the driver is not.
    let no_driver = matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ENXIO));
    if no_driver || error.kind() == io::ErrorKind::NotFound {
        return Some(Missing::Tun);
    }
    Some(Missing::TunDenied(error))
}

/// The lower 32 capabilities, by number. Asked of the kernel: /proc may not be there.
#[expect(unsafe_code, reason = "no crate we use wraps capget(2)")]
fn effective_capabilities() -> io::Result<u32> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    #[repr(C)]
    #[derive(Clone, Copy, Default)]
    struct Data {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    let mut header = Header { version: CAPABILITY_VERSION_3, pid: 0 };
    let mut data = [Data::default(); 2];
    // SAFETY: capget(2) reads and may write `header` and, for version 3, writes
    // two of `Data` (linux/capability.h); both live until it returns.
    let result = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) };
    Errno::result(result)?;
    Ok(data[0].effective)
}

const TUN: &str = "/dev/net/tun";

const CAP_NET_ADMIN: u32 = 12; // linux/capability.h
const CAPABILITY_VERSION_3: u32 = 0x2008_0522; // linux/capability.h

/// Open files we ask for, if the administrator allows: all questions to
/// upstreams, and as much again for the rest.
const WANTED_FILES: libc::rlim_t = 1024;

/// Runs `test` alone without any privilege: as nobody, in a user namespace that
/// owns nothing. `name` is the test's path.
#[cfg(test)]
pub(crate) fn unprivileged(name: &str, test: impl FnOnce()) {
    use std::process::Command;
    const INSIDE: &str = "OPTOUT_INSIDE_NOBODY";
    if std::env::var_os(INSIDE).is_some() {
        return test();
    }
    let possible =
        Command::new("unshare").args(["--user", "true"]).status().is_ok_and(|s| s.success());
    if !possible && std::env::var_os("OPTOUT_REQUIRE_NETNS").is_none() {
        eprintln!("SKIPPED {name}: no unprivileged user namespaces here");
        return;
    }
    let inner = Command::new("unshare")
        .args(["--user", "--"])
        .arg(std::env::current_exe().expect("path of this test"))
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare(1) starts");
    let said = String::from_utf8_lossy(&inner.stdout);
    let ran = inner.status.success() && said.contains("1 passed");
    assert!(ran, "{name}, inside:\n{said}\n{}", String::from_utf8_lossy(&inner.stderr));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::netns_test::isolated;

    #[test]
    fn the_capability_is_seen_where_it_is() {
        isolated("shell::privileges::tests::the_capability_is_seen_where_it_is", || {
            assert!(has_net_admin());
        });
    }

    #[test]
    fn its_lack_is_named_with_the_remedy() {
        unprivileged("shell::privileges::tests::its_lack_is_named_with_the_remedy", || {
            let said: Vec<_> = missing().iter().map(ToString::to_string).collect();
            assert_eq!(
                said[0],
                "CAP_NET_ADMIN is missing; run optout as root (sudo optout run), \
                 or give the service AmbientCapabilities=CAP_NET_ADMIN"
            );
        });
    }

    #[test]
    fn a_device_file_that_is_not_there_or_not_ours_is_told_apart() {
        let said = |path: &str| tun_missing(Path::new(path)).map(|it| it.to_string());
        assert!(said("/nonexistent/tun").unwrap().starts_with("/dev/net/tun is missing; load"));
        assert!(said("/proc").unwrap().starts_with("cannot open /dev/net/tun: Is a directory"));
        assert_eq!(said("/dev/null"), None);
    }

    #[test]
    fn hardening_ends_core_dumps_and_new_privileges() {
        isolated("shell::privileges::tests::hardening_ends_core_dumps_and_new_privileges", || {
            setrlimit(Resource::RLIMIT_NOFILE, 128, 512).unwrap();
            harden().unwrap();
            assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (512, 512));
            assert_eq!(getrlimit(Resource::RLIMIT_CORE).unwrap(), (0, 0));
            assert!(prctl::get_no_new_privs().unwrap());
            assert!(!prctl::get_dumpable().unwrap());
        });
    }
}
