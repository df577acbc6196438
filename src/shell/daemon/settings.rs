//! The configuration, as the parts of the daemon take it.

use super::DaemonError;
use super::network::{Network, Way};
use crate::config::Config;
use crate::core::flows::inline;
use crate::core::{dns, engine};
use crate::shell::journal;
use crate::shell::tunnel::{v4, v6};

/// Those of the engine, with fresh random numbers.
pub(super) fn of_engine(
    config: &Config,
    network: &Network,
) -> Result<engine::Settings, DaemonError> {
    let mut seed = [0; 32];
    let mut stream_seed = [0; 8];
    let mut flow_seed = [0; 8];
    getrandom::fill(&mut seed)
        .and_then(|()| getrandom::fill(&mut stream_seed))
        .and_then(|()| getrandom::fill(&mut flow_seed))
        .map_err(|error| DaemonError::system("get random numbers")(error.into()))?;
    let (v4, v6) = (v4(config.sinkhole_v4), v6(config.sinkhole_v6));
    let dns = dns::Settings {
        sinkhole_v4: (v4, config.sinkhole_v4.length()),
        sinkhole_v6: (v6, config.sinkhole_v6.length()),
        seed,
        case_randomization: config.case_randomization,
    };
    Ok(engine::Settings {
        dns,
        mtu: network.mtu(),
        puts_back: matches!(network.way, Way::Led(_)),
        stream_seed: u64::from_ne_bytes(stream_seed),
        inline: of_flows(config, u64::from_ne_bytes(flow_seed)),
    })
}

/// Those of the flows that are looked into.
pub(super) fn of_flows(config: &Config, seed: u64) -> inline::Settings {
    inline::Settings {
        held: config.full.held,
        refuse_nameless_dot: config.refuse_opportunistic_dot,
        exempt: config.full.exclude_programs.clone(),
        seed,
        ..inline::Settings::default()
    }
}

/// Those of the journal.
pub(super) fn of_journal(config: &Config) -> journal::Settings {
    let kept = &config.journal;
    journal::Settings {
        privacy: kept.privacy,
        keep_days: u32::try_from(kept.keep.as_secs() / DAY).unwrap_or(u32::MAX),
        max_mb: u32::try_from(kept.max_bytes >> 20).unwrap_or(u32::MAX).max(1),
        flush: kept.flush,
    }
}

const DAY: u64 = 24 * 60 * 60; // seconds
