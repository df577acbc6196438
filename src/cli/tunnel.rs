//! `optout tunnel`

use std::path::PathBuf;

use crate::cli::page::{Page, Side, plain};
use crate::request::{Request, Response, TunnelPlan};
use crate::shell::control::client::{ClientError, Daemon};
use crate::shell::daemon;

/// Show what to lead to a TUN that is handed to optout
///
/// Who starts `optout run --tun-fd` or `--tun-socket` gives the device these addresses
/// and routes, and has programs ask these resolvers. Nothing else need come there: what
/// does is refused. The routes follow the rules; ask again after a change.
///
/// Works without the daemon too, before it is started.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[command(after_help = EXAMPLES)]
pub(super) struct Tunnel {
    /// The configuration file, for when the daemon does not run
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON object (docs/control.md describes it)
    #[arg(long)]
    json: bool,
}

impl Tunnel {
    pub(super) fn run(&self, daemon: &mut dyn Daemon, page: &mut Page<'_>) -> anyhow::Result<()> {
        let plan = match daemon.ask(&Request::Tunnel) {
            Ok(Response::Tunnel(plan)) => plan,
            Ok(_) => return Err(super::unexpected().into()),
            Err(ClientError::NotRunning(_)) => daemon::plan_of_file(self.config.clone())?,
            Err(error) => return Err(error.into()),
        };
        if self.json {
            page.json(&plan)?;
        } else {
            show(&plan, page)?;
        }
        Ok(())
    }
}

fn show(plan: &TunnelPlan, page: &mut Page<'_>) -> std::io::Result<()> {
    let column = |all: Vec<String>| all.into_iter().map(|it| vec![plain(it)]).collect::<Vec<_>>();
    for (heading, all) in [
        ("Addresses of the device", plan.addresses.iter().map(ToString::to_string).collect()),
        ("Routes to the device", plan.routes.iter().map(ToString::to_string).collect()),
        ("Resolvers for programs", plan.resolvers.iter().map(ToString::to_string).collect()),
        ("MTU", vec![plan.mtu.to_string()]),
    ] {
        page.heading(heading)?;
        page.table(&[Side::Left], &column(all))?;
    }
    Ok(())
}

const EXAMPLES: &str = "\
Examples:
  optout tunnel --json
  optout run --tun-fd 3 --protect device:eth0";
