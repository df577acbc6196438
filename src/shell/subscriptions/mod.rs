//! How lists get to this machine, and stay.
//!
//! A list is fetched, looked at and kept; only then may it take the place of the
//! one before. Whatever goes wrong on the way, the last good version stays in
//! force, and a sentence says why.
//!
//! [`update`] does all of it. [`Store`] keeps the texts: the last three good
//! versions of each list. Nothing here has a timer: [`Schedule`] tells when a
//! list is due, and is asked when something else has woken the daemon.

mod address;
mod dial;
mod error;
mod fetch;
mod record;
mod schedule;
mod signature;
mod source;
mod store;
mod survey;
#[cfg(test)]
mod tests;
mod text;
mod tls;
mod transport;
mod update;

pub use address::{not_public, parse as parse_url};
pub use dial::{Dial, SystemDial};
pub use error::{FetchError, SignatureError, StoreError, UpdateError};
pub use fetch::{Bounds, Fetched, Fetcher, Progress, Validators, Wanted};
pub use record::{Failure, Held, Record, Version};
pub use schedule::Schedule;
pub use source::{BadListId, ListId, Source};
pub use store::{LONGEST_LINE, Store};
pub use survey::{Found, Survey, survey};
pub use text::Text;
pub use tls::{given_roots, system_roots};
pub use update::{Outcome, Updater, update};
