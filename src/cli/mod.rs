//! The command line: one subcommand a file.

use std::process::ExitCode;

#[cfg(feature = "demo")]
pub mod demo;

/// Runs the command that the arguments name.
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
