//! The impure part: does what core decided, decides nothing.

pub mod control;
pub mod doctor;
