//! The impure part: does what core decided, decides nothing.

pub mod capture_file;
pub mod clock;
pub mod config_file;
pub mod control;
pub mod daemon;
pub mod doctor;
pub mod journal;
pub mod link_local;
pub mod list_lines;
pub mod list_sources;
pub mod lists;
pub mod lock;
pub mod neighbours;
pub(crate) mod netlink;
#[cfg(test)]
pub(crate) mod netns_test;
pub mod nft;
pub mod notify;
pub mod own_dial;
pub mod owner;
pub mod privileges;
pub mod protect;
pub mod put_back;
pub(crate) mod ready;
pub mod resolvers;
pub mod route;
pub mod rulebook;
pub mod schedules;
pub mod signals;
pub mod state;
pub mod subscriptions;
pub mod tun;
pub mod tunnel;
pub mod upstream;
