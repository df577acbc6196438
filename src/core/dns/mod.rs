//! Questions and answers over time.

pub mod stream;
