//! What the engine knows, for those that look into flows.

use std::net::IpAddr;

use crate::core::dns::Dns;
use crate::core::flow::Client;
use crate::core::flows::inline::Judge;
use crate::core::host::HostName;
use crate::core::policy::Policy;
use crate::core::time::Instant;
use crate::core::verdict::Verdict;

/// A policy at a moment, with what clients were answered.
pub(super) struct ByPolicy<'a> {
    pub(super) policy: &'a Policy,
    pub(super) dns: &'a Dns,
    pub(super) now: Instant,
}

impl Judge for ByPolicy<'_> {
    fn host(&self, host: &str, client: &Client) -> Verdict {
        self.policy.judge(self.now, host, client)
    }

    fn address(&self, address: IpAddr, client: &Client) -> Verdict {
        self.policy.judge_address(self.now, address, client)
    }

    fn answered(&self, client: &Client, address: IpAddr, found: &mut dyn FnMut(&HostName)) {
        self.dns.visit_answered(self.now, client, address, found);
    }

    fn depends_on_program(&self) -> bool {
        self.policy.depends_on_program()
    }
}
