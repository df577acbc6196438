//! The TUN device: whole IP packets in and out, without waiting.
//!
//! The device is not persistent: it lives as long as its file descriptor, and
//! takes its routes with it when we die, in whatever way.

mod handed;
mod offload;

use std::fs;
use std::io;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::path::Path;

use thiserror::Error;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tun::{AbstractDevice, Configuration};

pub use self::handed::{HandedError, from_socket, take};
pub use self::offload::OffloadTun;
use crate::shell::ready::watch;

/// An open TUN device. It is down and has no addresses; `route` sees to that.
pub struct Tun {
    device: AsyncFd<OwnedFd>,
    name: String,
    index: u32,
}

/// Why the device could not be opened. Nothing was set up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TunError {
    /// The kernel has no TUN driver, or it is hidden from us.
    #[error(
        "cannot open a TUN device: there is no /dev/net/tun; \
         load the driver (modprobe tun) or give the container --device /dev/net/tun"
    )]
    NoDriver,
    /// We lack the privilege.
    #[error(
        "cannot make the TUN device {name}: not permitted; \
         run as root or with the capability CAP_NET_ADMIN"
    )]
    NotPermitted {
        /// The device's name.
        name: String,
    },
    /// There is a device of that name.
    #[error(
        "cannot make the TUN device {name}: there is a network device of that name; \
         stop the program that made it, or set another name (device = \"…\")"
    )]
    NameTaken {
        /// The device's name.
        name: String,
    },
    /// Not a name for a network device.
    #[error(
        "cannot make the TUN device {name:?}: a device's name has 1 to 15 characters, \
         none of them a space, a slash, a colon or a percent sign"
    )]
    BadName {
        /// The name.
        name: String,
    },
    /// Something else.
    #[error("cannot make the TUN device {name}: {source}")]
    Other {
        /// The device's name.
        name: String,
        /// What the system said.
        source: io::Error,
    },
}

impl Tun {
    /// Makes the device `name`, down and without addresses.
    ///
    /// Must be called on a tokio runtime with I/O.
    ///
    /// # Errors
    ///
    /// [`TunError`]: one line with the remedy.
    pub fn open(name: &str) -> Result<Self, TunError> {
        check(name)?;
        let named = || name.to_owned();
        let other = |source| TunError::Other { name: named(), source };
        let mut config = Configuration::default();
        config.tun_name(name);
        // The crate would set an address and bring the device up.
        #[cfg(not(target_os = "android"))] // where the crate never looks
        config.platform_config(|linux| {
            linux.ensure_root_privileges(false);
        });
        let device = tun::create(&config).map_err(|error| explain(name, error.into()))?;
        device.set_nonblock().map_err(other)?;
        let index = device.tun_index().map_err(|error| other(error.into()))?;
        let index = u32::try_from(index).map_err(|_| other(io::ErrorKind::InvalidData.into()))?;
        let device = into_file(device);
        let device = watch(device).map_err(other)?;
        Ok(Self { device, name: named(), index })
    }

    /// The device's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kernel's number for the device.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Waits until there may be a packet to take, or the device is gone. Take until
    /// [`io::ErrorKind::WouldBlock`], or this returns at once again.
    ///
    /// # Errors
    ///
    /// If the runtime is shutting down.
    pub async fn readable(&self) -> io::Result<()> {
        let either = Interest::READABLE | Interest::ERROR;
        self.device.ready(either).await.map(|mut ready| ready.retain_ready())
    }

    /// Takes one packet; its length. What does not fit is cut off.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] if there is none, and whatever read(2) says.
    pub fn try_recv(&self, packet: &mut [u8]) -> io::Result<usize> {
        let mut read = |device: &OwnedFd| Ok(nix::unistd::read(device, packet)?);
        match self.device.try_io(Interest::READABLE, &mut read) {
            // The runtime knows no reading for either reason.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.device.try_io(Interest::ERROR, read)
            }
            taken => taken,
        }
    }

    /// Takes one packet without asking the runtime whether there may be one.
    pub(crate) fn recv_now(&self, packet: &mut [u8]) -> io::Result<usize> {
        Ok(nix::unistd::read(self.device.get_ref(), packet)?)
    }

    /// Whether what [`Tun::try_recv`] said means that the device is gone for good.
    #[must_use]
    pub fn is_gone(error: &io::Error) -> bool {
        let gone = [libc::EBADFD, libc::EBADF, libc::EFAULT, libc::ENODEV, libc::ENXIO];
        error.raw_os_error().is_some_and(|code| gone.contains(&code))
    }

    /// Hands one packet to the kernel. A TUN takes it or drops it, and never
    /// makes us wait.
    ///
    /// # Errors
    ///
    /// Whatever write(2) says: `EIO` while the device is down, `EINVAL` for
    /// what is not an IP packet.
    pub fn try_send(&self, packet: &[u8]) -> io::Result<()> {
        nix::unistd::write(self.device.get_ref(), packet)?;
        Ok(())
    }
}

/// The device's file alone: the crate's type keeps a second socket open, and
/// clears a buffer of its own for each packet that it reads.
#[expect(unsafe_code, reason = "the crate hands out its file as a number only")]
fn into_file(device: tun::Device) -> OwnedFd {
    // SAFETY: `into_raw_fd` gives up the descriptor, so that it is ours alone.
    unsafe { OwnedFd::from_raw_fd(device.into_raw_fd()) }
}

/// Whether a device can have this name, and none has it.
fn check(name: &str) -> Result<(), TunError> {
    let odd = |c: char| c.is_whitespace() || matches!(c, '/' | ':' | '%') || !c.is_ascii_graphic();
    if name.is_empty() || name.len() > MAX_NAME || name == "." || name == ".." || name.contains(odd)
    {
        return Err(TunError::BadName { name: name.to_owned() });
    }
    // Asked first, because the driver would hand us a persistent TUN of
    // another program, which would outlive us.
    if nix::net::if_::if_nametoindex(name).is_ok() {
        return Err(TunError::NameTaken { name: name.to_owned() });
    }
    Ok(())
}

/// Says what the driver's error means.
fn explain(name: &str, source: io::Error) -> TunError {
    let name = name.to_owned();
    // The crate reports open(2) and ioctl(2) alike.
    if !Path::new(DRIVER).exists() {
        return TunError::NoDriver;
    }
    match source.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => TunError::NotPermitted { name },
        Some(libc::EBUSY) => TunError::NameTaken { name },
        Some(libc::ENODEV | libc::ENXIO | libc::ENOENT) => TunError::NoDriver,
        _ if fs::File::open(DRIVER).is_err_and(|e| e.kind() == io::ErrorKind::PermissionDenied) => {
            TunError::NotPermitted { name }
        }
        _ => TunError::Other { name, source },
    }
}

/// The name of our second device, after that of the first.
pub(crate) fn second(first: &str) -> String {
    let stem = first.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = first.get(stem.len()..).and_then(|number| number.parse::<u64>().ok());
    let name = format!("{stem}{}", number.map_or(1, |number| number.saturating_add(1)));
    // Too long by one at most; then what comes first gives way.
    name.get(name.len().saturating_sub(MAX_NAME)..).unwrap_or(&name).to_owned()
}

const DRIVER: &str = "/dev/net/tun";
const MAX_NAME: usize = 15; // IFNAMSIZ less its zero byte

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::netns_test::{isolated, sh};

    fn error(name: &str) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { Tun::open(name).err().expect("an error").to_string() })
    }

    #[test]
    fn the_second_device_is_called_after_the_first() {
        for (first, want) in [
            ("optout0", "optout1"),
            ("tun9", "tun10"),
            ("oo", "oo1"),
            ("a23456789abcde9", "23456789abcde10"),
        ] {
            assert_eq!(second(first), want);
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        isolated("shell::tun::tests::what_is_missing_is_named", || {
            for name in ["", "a name", "a/b", "..", "%d", "sixteen-letters-", "new\nline"] {
                assert!(error(name).contains("1 to 15 characters"), "{name}");
            }
            sh("mount -t tmpfs none /dev/net");
            assert!(error("optout0").contains("there is no /dev/net/tun"));
        });
    }

    #[test]
    fn the_kernels_refusals_are_told_apart() {
        for (code, want) in [
            (libc::EPERM, "CAP_NET_ADMIN"),
            (libc::EACCES, "CAP_NET_ADMIN"),
            (libc::EBUSY, "of that name"),
            (libc::EIO, "cannot make the TUN device optout0: "),
        ] {
            let error = io::Error::from_raw_os_error(code);
            let said = explain("optout0", error).to_string();
            // Without the driver every refusal means the same.
            let want = if Path::new(DRIVER).exists() { want } else { "no /dev/net/tun" };
            assert!(said.contains(want), "{code}: {said}");
            assert_eq!(said.lines().count(), 1);
        }
    }

    #[test]
    fn a_persistent_device_of_another_program_is_not_taken_over() {
        isolated(
            "shell::tun::tests::a_persistent_device_of_another_program_is_not_taken_over",
            || {
                sh("ip tuntap add optout0 mode tun");
                assert!(error("optout0").contains("there is a network device of that name"));
            },
        );
    }
}
