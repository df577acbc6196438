//! TEMP
use crate::core::verdict::Mode;
use crate::request::UserRule;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
/// State.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// on
    pub on: bool,
    /// until
    pub paused_until: Option<i64>,
    /// rules
    pub rules: Vec<UserRule>,
    /// vendors
    pub vendors: BTreeMap<String, Mode>,
    /// dates
    pub opted_out: BTreeMap<String, String>,
}
impl Default for State {
    fn default() -> Self {
        Self {
            on: true,
            paused_until: None,
            rules: vec![],
            vendors: BTreeMap::new(),
            opted_out: BTreeMap::new(),
        }
    }
}
/// File.
pub struct StateFile {
    path: PathBuf,
    state: State,
}
impl StateFile {
    /// load
    pub fn load(dir: &Path) -> (Self, Option<String>) {
        let path = dir.join("state.json");
        let state = std::fs::read_to_string(&path)
            .ok()
            .and_then(|t| serde_json::from_str(&t).ok())
            .unwrap_or_default();
        (Self { path, state }, None)
    }
    /// get
    pub fn get(&self) -> &State {
        &self.state
    }
    /// change
    pub fn change(&mut self, f: impl FnOnce(&mut State)) -> std::io::Result<()> {
        f(&mut self.state);
        std::fs::write(&self.path, serde_json::to_string(&self.state)?)
    }
}
