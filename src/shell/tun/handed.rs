//! A TUN that somebody else has opened: Android's VpnService, or whoever started us.
//!
//! Addresses, routes and the device itself are his. We take packets out of the
//! descriptor and write packets into it.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use socket2::{Domain, Socket, Type};
use thiserror::Error;

use super::Tun;
use crate::shell::ready::watch;

/// Why a descriptor cannot be the TUN.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HandedError {
    /// No such descriptor is open.
    #[error("cannot use descriptor {0} as the TUN: it is not open; hand over one that is")]
    Closed(RawFd),
    /// It is something else.
    #[error("cannot use what was handed over as the TUN: it is {0}; open /dev/net/tun with {KIND}")]
    Other(&'static str),
    /// The socket brought none.
    #[error(
        "cannot take a TUN from {path}: {source}; whoever listens there has to send one \
         descriptor with one byte (SCM_RIGHTS)"
    )]
    Socket {
        /// The socket's path.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The system did not let us use it.
    #[error("cannot use the TUN that was handed over: {0}")]
    System(#[from] io::Error),
}

impl Tun {
    /// Goes on with a TUN that is open, up, and has its addresses and routes.
    ///
    /// Must be called on a tokio runtime with I/O.
    ///
    /// # Errors
    ///
    /// [`HandedError`]: one line with the remedy.
    pub fn handed(device: OwnedFd) -> Result<Self, HandedError> {
        let name = check(device.as_fd())?;
        let flags = fcntl(&device, FcntlArg::F_GETFL).map_err(io::Error::from)?;
        let flags = OFlag::from_bits_retain(flags) | OFlag::O_NONBLOCK;
        fcntl(&device, FcntlArg::F_SETFL(flags)).map_err(io::Error::from)?;
        let index = if_nametoindex(name.as_str()).unwrap_or_default();
        Ok(Self { device: watch(device)?, name, index })
    }

    /// The device's MTU in bytes, if the system tells.
    #[must_use]
    pub fn mtu(&self) -> Option<usize> {
        let mut request = named(&self.name);
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).ok()?;
        let mtu = mtu(&socket, &mut request).ok()?;
        usize::try_from(mtu).ok().filter(|mtu| *mtu > 0)
    }
}

/// The descriptor of that number, as ours alone. The number itself is closed: whoever
/// closes it later by mistake closes nothing of ours.
///
/// # Errors
///
/// [`HandedError::Closed`].
#[expect(unsafe_code, reason = "a descriptor that is handed over is a number")]
pub fn take(number: RawFd) -> Result<OwnedFd, HandedError> {
    if number < 0 {
        return Err(HandedError::Closed(number));
    }
    // SAFETY: it is looked at only within this call, by fcntl(2), which may be given any
    // number and says EBADF for one that is not open.
    let lent = unsafe { BorrowedFd::borrow_raw(number) };
    let own = match fcntl(lent, FcntlArg::F_DUPFD_CLOEXEC(0)) {
        Ok(own) => own,
        Err(Errno::EBADF) => return Err(HandedError::Closed(number)),
        Err(error) => return Err(HandedError::System(error.into())),
    };
    // SAFETY: who calls us gives the descriptor away, and the copy was made just now, so
    // both are ours alone.
    let (own, given) = unsafe { (OwnedFd::from_raw_fd(own), OwnedFd::from_raw_fd(number)) };
    drop(given);
    Ok(own)
}

/// Takes a descriptor from whoever listens at a unix socket: one message with
/// `SCM_RIGHTS` (unix(7)).
///
/// # Errors
///
/// [`HandedError::Socket`].
pub fn from_socket(path: &Path) -> Result<OwnedFd, HandedError> {
    receive(path).map_err(|source| HandedError::Socket { path: path.display().to_string(), source })
}

#[expect(unsafe_code, reason = "nix gives received descriptors as numbers")]
fn receive(path: &Path) -> io::Result<OwnedFd> {
    let socket = UnixStream::connect(path)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut byte = [0];
    let mut room = nix::cmsg_space!([RawFd; MOST_SENT]);
    let mut into = [IoSliceMut::new(&mut byte)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut into, Some(&mut room), flags)?;
    let mut came = Vec::new();
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(numbers) = part {
            // SAFETY: the kernel made these descriptors for us in this very call.
            came.extend(numbers.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    match came.len() {
        1 => Ok(came.remove(0)),
        0 => Err(io::Error::other("no descriptor came")),
        _ => Err(io::Error::other("more than one descriptor came")),
    }
}

/// Whether it is a TUN as we want it; its name.
fn check(device: BorrowedFd<'_>) -> Result<String, HandedError> {
    let request = match of_device(device) {
        Ok(request) => request,
        // Not every app may ask; then reading will tell.
        Err(Errno::EACCES | Errno::EPERM) => return Ok(UNKNOWN.into()),
        Err(Errno::EBADFD) => return Err(HandedError::Other("not tied to a device")),
        Err(_) => return Err(HandedError::Other("no TUN")),
    };
    let flags = libc::c_int::from(flags_of(&request));
    if flags & libc::IFF_TUN == 0 {
        return Err(HandedError::Other("a TAP, which carries frames"));
    }
    // Whether there is a header before each packet (IFF_NO_PI) is not told: the bit says
    // something else here (IFF_NOFILTER, linux/if_tun.h).
    if flags & libc::IFF_VNET_HDR != 0 {
        return Err(HandedError::Other("a TUN with virtio headers"));
    }
    let letters = request.ifr_name.iter().take_while(|letter| **letter != 0);
    let letters: Vec<_> = letters.map(|letter| letter.to_ne_bytes()[0]).collect();
    Ok(String::from_utf8_lossy(&letters).into_owned())
}

/// What the kernel says of the descriptor's device.
#[expect(unsafe_code, reason = "nothing else tells what a descriptor is")]
fn of_device(device: BorrowedFd<'_>) -> nix::Result<libc::ifreq> {
    let mut request = MaybeUninit::<libc::ifreq>::zeroed();
    // SAFETY: the descriptor is open, and the kernel writes at most one `ifreq`, which
    // is ours. All zeros are a value of this C struct.
    unsafe {
        look(device.as_raw_fd(), request.as_mut_ptr())?;
        Ok(request.assume_init())
    }
}

#[expect(unsafe_code, reason = "the C struct has a union")]
fn flags_of(request: &libc::ifreq) -> libc::c_short {
    // SAFETY: the kernel filled it in for TUNGETIFF, which says the flags.
    unsafe { request.ifr_ifru.ifru_flags }
}

#[expect(unsafe_code, reason = "there is no other way that needs no privilege")]
fn mtu(socket: &Socket, request: &mut libc::ifreq) -> nix::Result<libc::c_int> {
    // SAFETY: the socket is open; the kernel reads the name and writes the MTU.
    unsafe {
        look_at_mtu(socket.as_raw_fd(), request)?;
        Ok(request.ifr_ifru.ifru_mtu)
    }
}

#[expect(unsafe_code, reason = "the C struct has no other beginning")]
fn named(name: &str) -> libc::ifreq {
    // SAFETY: all zeros are a value of this C struct, which has numbers and bytes alone.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let room = request.ifr_name.len() - 1;
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes().take(room)) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    request
}

nix::ioctl_read_bad!(look, libc::TUNGETIFF, libc::ifreq);
nix::ioctl_read_bad!(look_at_mtu, libc::SIOCGIFMTU, libc::ifreq);

const KIND: &str = "IFF_TUN | IFF_NO_PI";

/// What a device is called whose name we may not ask for.
const UNKNOWN: &str = "tun";

/// How long to wait for the descriptor.
const PATIENCE: Duration = Duration::from_secs(10);

/// Descriptors that there is room for: more than are wanted, so that too many are seen.
const MOST_SENT: usize = 4;
