//! `optout run`: the daemon, in the foreground.

use std::io::{self, Write};
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::escape;
use crate::shell::daemon::{self, Handed, Handover, Options};
use crate::shell::protect;

/// Run the daemon, in the foreground
///
/// Without a configuration it protects this machine: the built-in catalogue,
/// the system's own resolvers as upstreams. Stop it with Ctrl-C.
///
/// Exit codes: 0 stopped, 1 could not, 2 wrong configuration, 3 another
/// instance is running.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Run {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Say more; twice for every flow, three times for every packet
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Stop when the process that started this one ends
    #[arg(long, hide = true)]
    with_parent: bool,
    /// Take packets from a TUN that is open as this descriptor, with addresses and
    /// routes as `optout tunnel` says; no privilege is needed
    #[arg(long, value_name = "NUMBER", conflicts_with = "tun_socket")]
    tun_fd: Option<RawFd>,
    /// The same for a TUN that comes from whoever listens at this unix socket
    #[arg(long, value_name = "PATH")]
    tun_socket: Option<PathBuf>,
    /// How optout's own sockets stay out of that TUN: "none", "mark:0x1",
    /// "device:eth0" or "user:1000"
    #[arg(long, value_name = "HOW", default_value = "none")]
    protect: protect::Way,
}

impl Run {
    pub(super) fn run(self) -> ExitCode {
        let Self { config, verbose, with_parent, tun_fd, tun_socket, protect } = self;
        start_log(verbose);
        let tun = tun_fd.map(Handed::Descriptor).or(tun_socket.map(Handed::Socket));
        let handover = tun.map(|tun| Handover { tun, protect });
        match daemon::run(&Options { config, with_parent, handover }) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let line = escape::terminal(&error.to_string());
                // Nowhere left to complain.
                let _ = writeln!(io::stderr(), "optout: {line}");
                ExitCode::from(error.exit_code())
            }
        }
    }
}

/// Everything is let through to the `log` facade's own level, which the
/// configuration may change while we run.
fn start_log(verbose: u8) {
    let level = match verbose {
        0 => log::LevelFilter::Info,
        1 => log::LevelFilter::Debug,
        2.. => log::LevelFilter::Trace,
    };
    env_logger::Builder::new()
        .filter_level(log::LevelFilter::Trace)
        .format_target(false)
        .format_timestamp(
            std::env::var_os("JOURNAL_STREAM")
                .is_none()
                .then_some(env_logger::TimestampPrecision::Seconds),
        )
        .init();
    log::set_max_level(level);
}
