//! The impure part: does what core decided, decides nothing.

pub(crate) mod netlink;
#[cfg(test)]
pub(crate) mod netns_test;
pub mod nft;
pub(crate) mod ready;
pub mod route;
pub mod tun;
