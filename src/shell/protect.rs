//! How our own sockets get past what leads everybody's packets to us.
//!
//! A question that we pass on must not come back to us. Who leads packets to us
//! decides how our sockets are told apart: our own routing rules by a mark; those of
//! somebody else by whatever he looks at.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::num::NonZeroU32;
use std::os::fd::{AsFd, BorrowedFd};
use std::str::FromStr;
use std::sync::Arc;

use nix::sys::socket::{setsockopt, sockopt};
use nix::unistd::{Uid, fchown};
use socket2::SockRef;

/// Makes a socket one whose packets do not come to us.
pub trait Protect: fmt::Debug + Send + Sync {
    /// Called once for each socket, before it is bound, connected or sent from.
    ///
    /// # Errors
    ///
    /// Why it could not. Such a socket must not be used.
    fn protect(&self, socket: BorrowedFd<'_>) -> io::Result<()>;
}

/// A way to protect sockets that all who make them share.
pub type Protector = Arc<dyn Protect>;

/// The ways that need nobody's help.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Way {
    /// Nothing need be done.
    #[default]
    None,
    /// A mark that the rules look for (`SO_MARK`). Needs `CAP_NET_ADMIN` or, since
    /// Linux 5.17, `CAP_NET_RAW`.
    Mark(NonZeroU32),
    /// A device that the socket is bound to (`SO_BINDTODEVICE`).
    Device(String),
    /// A user whose socket it becomes, by whom the rules tell it (`ip rule … uidrange`).
    /// Needs `CAP_CHOWN`. It works where marks do not.
    User(u32),
}

impl Protect for Way {
    fn protect(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        match self {
            Self::None => {}
            Self::Mark(mark) => SockRef::from(&socket).set_mark(mark.get())?,
            Self::Device(name) => setsockopt(&socket, sockopt::BindToDevice, &name.into())?,
            // The kernel routes a socket for the user that its file belongs to.
            Self::User(uid) => fchown(socket, Some(Uid::from_raw(*uid)), None)?,
        }
        Ok(())
    }
}

/// The way past routing rules of our own: the mark, or where sockets cannot have one,
/// as under qemu-user, the user [`OWN_USER`].
#[must_use]
pub fn for_rules(mark: NonZeroU32) -> Way {
    let tried = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))
        .and_then(|socket| Way::Mark(mark).protect(socket.as_fd()));
    match tried {
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => Way::User(OWN_USER),
        // What else is wrong is told when the sockets are made that are needed.
        _ => Way::Mark(mark),
    }
}

impl Way {
    /// The user by whom routing rules tell our sockets, if they do.
    #[must_use]
    pub fn user(&self) -> Option<u32> {
        match self {
            Self::User(uid) => Some(*uid),
            _ => None,
        }
    }
}

/// What is not covered where our sockets are that user's for want of marks, in one line.
pub(crate) fn markless(user: u32) -> String {
    format!(
        "sockets cannot have a mark here (SO_MARK is refused), so routing rules know optout's own \
         as those of user {user}: what that user sends is not covered, and no flows are looked \
         into; run optout on a system with marks for that"
    )
}

/// Protects a socket before it is used.
pub(crate) fn protected<S: AsFd>(protector: &Protector, socket: S) -> io::Result<S> {
    protector.protect(socket.as_fd())?;
    Ok(socket)
}

impl FromStr for Way {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| match text.strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => text.parse().ok(),
        };
        let way = match text.split_once(':') {
            None if text == "none" => Some(Self::None),
            Some(("mark", mark)) => number(mark).and_then(NonZeroU32::new).map(Self::Mark),
            Some(("user", uid)) => number(uid).map(Self::User),
            Some(("device", name)) if !name.is_empty() && name.len() < libc::IFNAMSIZ => {
                Some(Self::Device(name.into()))
            }
            _ => None,
        };
        way.ok_or_else(|| {
            format!("{text:?} is none of \"none\", \"mark:0x1\", \"device:eth0\" and \"user:1000\"")
        })
    }
}

/// A user that nobody is: between those that Debian and systemd give out.
pub const OWN_USER: u32 = 61_053;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_are_written_as_they_are_called() {
        for (text, want) in [
            ("none", Way::None),
            ("mark:0x10", Way::Mark(NonZeroU32::new(16).unwrap())),
            ("mark:7", Way::Mark(NonZeroU32::new(7).unwrap())),
            ("device:eth0", Way::Device("eth0".into())),
            ("user:5300", Way::User(5300)),
        ] {
            assert_eq!(text.parse::<Way>().unwrap(), want, "{text}");
        }
    }

    #[test]
    fn where_marks_work_or_are_not_permitted_it_is_the_mark() {
        let mark = NonZeroU32::new(16).unwrap();
        assert_eq!(for_rules(mark), Way::Mark(mark));
    }

    #[test]
    fn what_is_no_way_is_said_in_one_line() {
        for text in ["", "mark", "mark:", "mark:0", "mark:x", "device:", "user:-1", "eth0"] {
            let said = text.parse::<Way>().unwrap_err();
            assert!(said.contains("device:eth0") && said.lines().count() == 1, "{text}: {said}");
        }
    }
}
