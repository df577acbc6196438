//! A tunnel that somebody else makes, and what he is told.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::core::prefix::Prefix;

/// What has to be led to a TUN that somebody else has opened.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct TunnelPlan {
    /// Addresses that the device needs.
    pub addresses: Vec<Prefix>,
    /// Resolvers that programs are to ask.
    pub resolvers: Vec<IpAddr>,
    /// What is to be routed to the device; none covers another.
    pub routes: Vec<Prefix>,
    /// Bytes that fit into a packet.
    pub mtu: usize,
}

/// What the program around the engine is told when something changes.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct EngineState {
    /// `on`, `off` or `paused`.
    pub state: String,
    /// What keeps optout from doing its job, each with its remedy.
    pub problems: Vec<String>,
    /// Another tunnel is needed: the [`TunnelPlan`] is another one.
    pub plan_changed: bool,
    /// There is a tunnel.
    pub has_tunnel: bool,
}
