//! The pure part: bytes and time in, verdicts and bytes out.
//!
//! Nothing below this module opens a socket, reads a clock, starts a thread,
//! takes a lock or touches a file. Clippy holds us to that (the two lints
//! below, configured in `clippy.toml`), and so does the test command, which
//! builds this module with no I/O crate in the graph.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
#![forbid(unsafe_code)]

pub mod capture;
pub mod catalog;
pub mod dns;
pub mod engine;
pub mod event;
pub mod flow;
pub mod flows;
pub mod host;
pub mod list;
pub mod policy;
pub mod prefix;
pub mod replay;
pub mod rule;
pub mod rules;
pub mod sniff;
pub mod time;
pub mod upstream;
pub mod verdict;
pub mod wire;
