//! Captures: what somebody recorded of a network, read back as packets.
//!
//! [`Format`] finds the packets in a file, [`open`] the IP packet in a frame, and
//! [`mend()`] undoes what recording does to it. Nothing here is live traffic: a
//! packet may be cut short, its checksums were often never filled in, and the
//! file may say whatever its author liked.

mod file;
mod link;
mod mend;

pub use file::{Broken, Format, Record, Step};
pub use link::{Inside, open, unread};
pub use mend::{Mended, mend};
