//! Flows over time.
