//! optout: makes an opt-out real.
//!
//! The map of the house. A room may use rooms on lower floors, never its own
//! floor, never above; `tests/layering.rs` holds us to it.
//!
//! - [`core`]: the pure part. Bytes and time in, verdicts and bytes out.
//! - [`config`]: what may be written in the configuration file, and what it means.
//! - [`request`]: what a person may ask the daemon, and what it answers.
//! - [`shell`]: the impure part. Does what core decided, decides nothing.
//! - [`cli`]: one subcommand a file.
//! - `jni`: the door for Java, with the feature of that name.

pub mod config;
pub mod core;
pub mod request;

#[cfg(feature = "shell")]
pub mod cli;
#[cfg(feature = "jni")]
pub mod jni;
#[cfg(feature = "shell")]
pub mod shell;
