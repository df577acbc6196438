//! The whole program in the lab, as a person would use it.

#[path = "../lab/mod.rs"]
mod lab;

mod lab_itself;
