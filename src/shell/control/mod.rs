//! The control socket: how people and programs reach the daemon.
//!
//! A connection carries one request, one line of JSON, and then its answers,
//! one line of JSON each; see [`request`](crate::request) and
//! `docs/control.md`. Who may speak is decided by the file: mode 0660, group
//! `optout`, in a directory that nobody else can write to.
//!
//! - [`door`]: the socket file, made and removed with care.
//! - [`server`]: conversations. Hands every request to the daemon's loop as an
//!   [`Asked`](server::Asked) and decides nothing.
//! - [`client`]: the other end.
//! - [`explain`]: a verdict with its evidence, for the daemon and without it.

pub mod client;
pub mod door;
pub mod explain;
pub mod server;

#[cfg(test)]
pub(crate) mod scratch;
#[cfg(test)]
mod tests;

/// Where the socket is unless the configuration says otherwise.
pub const SOCKET: &str = "/run/optout/control.sock";

/// The group whose members may speak to the daemon.
pub const GROUP: &str = "optout";
