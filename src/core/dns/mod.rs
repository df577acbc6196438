//! Questions and answers over time.
