//! What keeps optout from doing its job here, and the fix for each.
//!
//! Two halves: [`gather`] collects [`Facts`] from the system and the daemon,
//! [`examine`] judges them and touches nothing.

use serde::Serialize;

pub use android::{Android, Denial};
pub use facts::{Clock, Facts, Family, Link, Ours, PolicyRule, Probe, Reached, Tun};
pub use gather::gather;
pub use resolver_use::ResolverUse;
pub use sockets::Flow;

mod android;
mod checks;
mod facts;
mod gather;
mod probe;
mod resolver_use;
mod routing;
mod sockets;

/// One finding.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Check {
    /// What was looked at: `tun`, `capability`, `daemon`, ….
    #[serde(rename = "check")]
    pub name: &'static str,
    /// How it is.
    pub state: State,
    /// One sentence.
    pub said: String,
    /// What to do, in one line.
    pub fix: Option<String>,
}

/// How a thing is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// In order.
    Ok,
    /// Works, but not as well as it could.
    Warning,
    /// Keeps optout from its job.
    Problem,
}

/// Judges the facts: everything that was looked at, in the order of dependence.
#[must_use]
pub fn examine(facts: &Facts) -> Vec<Check> {
    checks::examine(facts)
}
