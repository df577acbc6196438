//! Picks a subcommand, prints one error line, sets the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    optout::cli::main()
}
