//! Flows over time.

pub mod reassemble;
pub mod refuse;
