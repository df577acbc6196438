//! TEMP
use crate::config::Config;
use std::path::Path;
use thiserror::Error;
/// err
#[derive(Debug, Error)]
#[error("{0}")]
pub struct ConfigFileError(String);
/// load
pub fn load(path: Option<&Path>) -> Result<Config, ConfigFileError> {
    let text = match path {
        Some(p) => std::fs::read_to_string(p).map_err(|e| ConfigFileError(e.to_string()))?,
        None => String::new(),
    };
    Config::parse(&text).map_err(|e| ConfigFileError(e.to_string()))
}
