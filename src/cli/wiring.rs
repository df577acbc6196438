//! TO WIRE when the rooms are merged: what the command line needs from the
//! configuration, the policy and the catalogue, one small function each.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::request::Explanation;
use crate::shell::control::SOCKET;

/// Where the configuration is unless told otherwise.
pub(super) const CONFIG: &str = "/etc/optout/optout.toml";

/// TO WIRE with the configuration: its control socket, if [`CONFIG`] can be read.
pub(super) fn socket_path() -> PathBuf {
    SOCKET.into()
}

/// TO WIRE with the configuration: reads it and every list file it names.
/// `Ok` has one line a list; `Err` the one line with file, line and remedy.
pub(super) fn check_config(_path: &Path) -> Result<Vec<String>, String> {
    Err("`config check` is not part of this build".into())
}

/// TO WIRE with the policy: builds it from the embedded catalogue, the
/// configuration at `config`, its list files and the user's own rules in the
/// state file where readable, then calls
/// [`explain`](crate::shell::control::explain::explain) with
/// [`client_of`](crate::shell::control::explain::client_of).
pub(super) fn explain_offline(
    _config: &Path,
    _subject: &str,
    _app: Option<&str>,
    _client: Option<&str>,
) -> anyhow::Result<Explanation> {
    anyhow::bail!("optout is not running, and judging without it is not part of this build")
}

/// TO WIRE with the catalogue: the addresses of the `bypass` pack, where known
/// encrypted resolvers are.
pub(super) fn bypass_addresses() -> BTreeSet<IpAddr> {
    BTreeSet::new()
}
