//! The configuration file: what may be written in it, and what it means.
