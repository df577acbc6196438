//! A TUN whose packets come and go with virtio headers: segments of up to 64 KiB that
//! nobody has cut yet, and checksums that nobody has made.
//!
//! The device of every other way has none, and the crate that makes it can do no other.
//! It takes two ioctls more.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::net::if_::if_nametoindex;

use super::{DRIVER, Tun, TunError, check, explain};
use crate::shell::ready::watch;

/// An open TUN device, down and without addresses. What goes in and out are frames: a
/// header as of [`virtio`](crate::core::wire::virtio), and a packet.
pub struct OffloadTun(Tun);

impl OffloadTun {
    /// Makes the device `name`, down and without addresses.
    ///
    /// Must be called on a tokio runtime with I/O.
    ///
    /// # Errors
    ///
    /// [`TunError`]: one line with the remedy.
    pub fn open(name: &str) -> Result<Self, TunError> {
        check(name)?;
        let other = |source| TunError::Other { name: name.to_owned(), source };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(DRIVER)
            .map_err(|error| explain(name, error))?;
        let device = OwnedFd::from(file);
        attach(&device, name).map_err(|error| explain(name, error))?;
        if let Err(error) = offload(&device) {
            log::debug!("{name}: every segment comes by itself: {error}");
        }
        let index = if_nametoindex(name).map_err(|error| other(error.into()))?;
        let device = watch(device).map_err(other)?;
        Ok(Self(Tun { device, name: name.to_owned(), index }))
    }

    /// The device's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// The kernel's number for the device.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.0.index()
    }

    /// Waits until there may be a frame to take. See [`Tun::readable`].
    ///
    /// # Errors
    ///
    /// If the runtime is shutting down.
    pub async fn readable(&self) -> io::Result<()> {
        self.0.readable().await
    }

    /// Takes one frame; its length. What does not fit is cut off.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] if there is none, and whatever read(2) says.
    pub fn try_recv(&self, frame: &mut [u8]) -> io::Result<usize> {
        self.0.try_recv(frame)
    }

    /// Takes one frame without asking the runtime whether there may be one.
    pub(crate) fn recv_now(&self, frame: &mut [u8]) -> io::Result<usize> {
        self.0.recv_now(frame)
    }

    /// Hands one frame to the kernel. See [`Tun::try_send`].
    ///
    /// # Errors
    ///
    /// Whatever write(2) says: `EINVAL` for a header that is not true of its packet.
    pub fn try_send(&self, frame: &[u8]) -> io::Result<()> {
        self.0.try_send(frame)
    }
}

/// Makes the device that the file is for.
#[expect(unsafe_code, reason = "there is no other way to make a TUN")]
fn attach(device: &OwnedFd, name: &str) -> io::Result<()> {
    // SAFETY: all zeros are a value of this C struct, which has numbers and bytes alone.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // The last byte stays zero: a name is shorter.
    for (to, from) in request.ifr_name.iter_mut().zip(name.as_bytes()) {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    let flags = libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(flags).unwrap_or_default();
    // SAFETY: the file is open, and the kernel reads and writes one `ifreq`, which is ours.
    unsafe { set_device(device.as_raw_fd(), &raw const request) }?;
    Ok(())
}

/// Asks the kernel to leave undone what it can.
#[expect(unsafe_code, reason = "there is no other way to say so")]
fn offload(device: &OwnedFd) -> io::Result<()> {
    let set = |kinds: libc::c_uint| {
        let kinds = libc::c_int::try_from(kinds).unwrap_or_default();
        // SAFETY: the file is open, and the argument is a number.
        unsafe { set_offload(device.as_raw_fd(), kinds) }
    };
    let tcp = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6 | libc::TUN_F_TSO_ECN;
    // Kernels before 6.2 know no datagrams that are yet to be cut.
    set(tcp | libc::TUN_F_USO4 | libc::TUN_F_USO6).or_else(|_| set(tcp))?;
    Ok(())
}

nix::ioctl_write_ptr_bad!(set_device, libc::TUNSETIFF, libc::ifreq);
nix::ioctl_write_int_bad!(set_offload, libc::TUNSETOFFLOAD);
