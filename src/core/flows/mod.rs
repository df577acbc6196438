//! Flows over time.

pub mod fragment;
pub mod inline;
pub mod reassemble;
pub mod refuse;
