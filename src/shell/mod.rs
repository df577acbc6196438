//! The impure part: does what core decided, decides nothing.

pub mod lists;
