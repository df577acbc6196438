//! Modes as they are written on the command line.

use crate::core::verdict::Mode;

/// What is done with the rules of a vendor or a list.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(super) enum Setting {
    /// Carry its rules out
    #[value(alias = "enforce")]
    Block,
    /// Record, let through
    Watch,
    /// As if its rules were not there
    Off,
}

impl From<Setting> for Mode {
    fn from(setting: Setting) -> Self {
        match setting {
            Setting::Block => Self::Enforce,
            Setting::Watch => Self::Watch,
            Setting::Off => Self::Off,
        }
    }
}
