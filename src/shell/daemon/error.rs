//! Why the daemon does not run.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::shell::control::door::DoorError;
use crate::shell::lock::LockError;
use crate::shell::privileges::Missing;
use crate::shell::route::{LoopError, RouteError};
use crate::shell::rulebook::RulebookError;
use crate::shell::tun::{HandedError, TunError};
use crate::shell::upstream::UpstreamError;

/// Why the daemon does not run. Nothing of it is left behind.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DaemonError {
    /// The configuration, or a list that it names, is wrong.
    #[error(transparent)]
    Config(#[from] RulebookError),
    /// Another daemon runs here, or the lock cannot be had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A privilege or a device is missing.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// No TUN device.
    #[error(transparent)]
    Tun(#[from] TunError),
    /// What was handed over as a TUN is none.
    #[error(transparent)]
    Handed(#[from] HandedError),
    /// A thread of ours ended by a fault.
    #[error("optout ended by a fault of its own while it started; please report it")]
    Panicked,
    /// The device was taken away while we ran.
    #[error("the TUN device is gone: somebody deleted it; start optout again")]
    Gone,
    /// No routes or rules.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// Our own questions would come back to us.
    #[error(transparent)]
    Loop(#[from] LoopError),
    /// No sockets to upstreams.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// No control socket.
    #[error(transparent)]
    Control(#[from] DoorError),
    /// A folder of ours cannot be made.
    #[error("cannot make {}: {source}; make it yourself, or choose another in the configuration", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system gave us less than a daemon needs.
    #[error("cannot {what}: {source}")]
    System {
        /// What we tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl DaemonError {
    /// The exit code that users know: 2 for a wrong configuration, 3 for a
    /// second instance, 1 for all else.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => 2,
            Self::Lock(LockError::Held { .. }) => 3,
            _ => 1,
        }
    }

    /// Wraps what the system said when we tried to do `what`.
    pub(super) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what, source }
    }
}
