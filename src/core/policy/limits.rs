//! When and for whom a rule or a list holds.

use std::sync::Arc;

use super::App;
use crate::core::rule::Device;

/// When and for whom a whole list is used. Empty for always and everyone.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ListLimits {
    /// Only for these devices.
    pub clients: Vec<Device>,
    /// Only for these programs of this host. Where devices are named too, it is
    /// for those devices and for these programs.
    pub apps: Vec<App>,
    /// Only while the schedule of this name holds.
    pub schedule: Option<Arc<str>>,
}
