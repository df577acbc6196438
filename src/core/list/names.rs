//! Names as lists write them.

use super::Fault;
use crate::core::host::HostName;

/// Puts the name that `word` means into `buffer`, in the form of [`HostName`].
pub(super) fn read<'a>(word: &str, buffer: &'a mut String) -> Result<&'a str, Fault> {
    let host: HostName = word.parse().map_err(|_| Fault::BadName)?;
    buffer.clear();
    buffer.push_str(host.as_str());
    Ok(buffer)
}
