//! Flows over time.

pub mod inline;
pub mod reassemble;
pub mod refuse;
