//! The impure part: does what core decided, decides nothing.

pub mod link_local;
pub mod neighbours;
pub(crate) mod netlink;
#[cfg(test)]
pub(crate) mod netns_test;
pub mod nft;
pub(crate) mod ready;
pub mod resolvers;
pub mod route;
pub mod tun;
