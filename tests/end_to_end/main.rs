//! The whole program in the lab, as a person would use it. One lab serves many
//! asserts: starting one is cheap, starting one for each line is not.

#[path = "../lab/mod.rs"]
mod lab;

mod apps;
mod devices;
mod evasion;
mod faults;
mod floods;
mod full_capture;
mod handed;
mod hostile;
mod integrity;
mod kills;
mod lab_itself;
mod lifecycle;
mod lists;
mod no_nftables;
mod programs;
mod router_address;
mod subscriptions;
mod switches;
mod toggles;
mod upstream_answers;
mod ways;
