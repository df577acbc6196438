//! Where the configuration comes from, each time that it is read.

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::shell::rulebook::{Rulebook, RulebookError};

/// Where the configuration comes from.
#[derive(Clone, Debug, Default)]
pub(super) struct Origin {
    /// The file, if not the usual one.
    file: Option<PathBuf>,
    /// Where everything is kept, whatever the file says: an app may write nowhere else.
    data: Option<PathBuf>,
}

impl Origin {
    /// This file, or the usual one.
    pub(super) fn of_file(file: Option<PathBuf>) -> Self {
        Self { file, data: None }
    }

    /// The file in a folder, if it is there, and everything that is kept in another.
    pub(super) fn of_app(config: &Path, data: &Path) -> Self {
        Self { file: Some(config.join(NAME)), data: Some(data.into()) }
    }

    /// The file, if it is not the usual one.
    pub(super) fn named(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Reads it.
    pub(super) fn read(&self) -> Result<Config, RulebookError> {
        let Some(data) = &self.data else { return Rulebook::config(self.named()) };
        let there = self.file.as_ref().filter(|file| file.exists());
        let config = match there {
            Some(file) => Rulebook::config(Some(file))?,
            None => Config::default(),
        };
        Ok(Config {
            state_dir: data.clone(),
            run_dir: data.join(RUN),
            control_socket: data.join(RUN).join(SOCKET),
            ..config
        })
    }
}

const NAME: &str = "optout.toml";

/// Below where an app keeps its data.
const RUN: &str = "run";
const SOCKET: &str = "control.sock";
