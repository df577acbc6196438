//! What is kept from one run to the next.

use std::path::Path;

use super::origin::Origin;
use super::status::Problems;
use super::{DaemonError, settings};
use crate::config::Config;
use crate::shell::journal::Journal;
use crate::shell::rulebook::Rulebook;
use crate::shell::state::{State, StateFile};

/// What is kept from one run to the next.
pub(super) struct Kept {
    pub(super) config: Config,
    pub(super) origin: Origin,
    pub(super) state_file: StateFile,
    pub(super) state: State,
    pub(super) rulebook: Rulebook,
    pub(super) journal: Journal,
    pub(super) problems: Problems,
}

impl Kept {
    /// Must be called on a tokio runtime.
    pub(super) fn open(config: Config, origin: Origin) -> Result<Self, DaemonError> {
        folder(&config.state_dir)?;
        let (state_file, state, problem) = StateFile::load(&config.state_dir);
        let mut problems = Problems::default();
        problems.set("state", problem.map(|error| error.to_string()));
        let rulebook = Rulebook::read(&config, origin.named(), &state, || {
            log::info!("putting the rules of all lists together");
        })?;
        let (journal, problem) = Journal::open(&config.state_dir, settings::of_journal(&config));
        if let Some(problem) = problem {
            log::warn!("{problem}");
        }
        Ok(Self { config, origin, state_file, state, rulebook, journal, problems })
    }
}

fn folder(path: &Path) -> Result<(), DaemonError> {
    use std::os::unix::fs::DirBuilderExt;
    let fail = |source| DaemonError::Folder { path: path.into(), source };
    std::fs::DirBuilder::new().recursive(true).mode(0o750).create(path).map_err(fail)
}
