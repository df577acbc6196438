//! List text → rules.
