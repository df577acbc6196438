//! The impure part: does what core decided, decides nothing.

pub(crate) mod netlink;
#[cfg(test)]
pub(crate) mod netns_test;
pub mod nft;
pub(crate) mod ready;
pub mod route;
pub mod tun;
pub mod clock;
pub mod config_file;
pub mod lock;
pub mod notify;
pub mod owner;
pub mod privileges;
pub mod signals;
pub mod state;
pub mod upstream;

#[cfg(test)]
pub(crate) mod netns_test;
pub mod journal;
pub mod control;
pub mod doctor;
