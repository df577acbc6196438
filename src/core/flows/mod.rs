//! Flows over time.

pub mod refuse;
