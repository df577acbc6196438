//! The only decision: rules, vendors' modes, the user's own rules → [`Verdict`].

use std::net::IpAddr;
use std::sync::Arc;

use crate::core::flow::Client;
use crate::core::host::HostName;
use crate::core::rules::RuleSet;
use crate::core::time::Instant;
use crate::core::verdict::{RuleRef, RuleText, Verdict, Why};

/// Everything that decides. Immutable: a change is a new policy, so a packet
/// sees either the old one or the new one, never half of each.
#[derive(Debug, Default)]
pub struct Policy {
    rules: RuleSet,
    /// How a blocked name is answered.
    pub block_answer: BlockAnswer,
    /// What is done with canary names.
    pub canaries: Canaries,
}

/// How a question for a blocked name is answered.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BlockAnswer {
    /// With an address of its own in the sinkhole range, so that the attempt to
    /// connect is seen too, and refused.
    #[default]
    Sinkhole,
    /// With 0.0.0.0 and ::.
    Null,
    /// With NXDOMAIN.
    Nxdomain,
    /// With REFUSED.
    Refused,
}

/// What is done with the names by which networks ask software not to go round
/// their resolver. They are answered negatively, never with an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Canaries {
    /// `use-application-dns.net` → NXDOMAIN: Firefox keeps to the system's resolver.
    pub firefox: bool,
    /// `_dns.resolver.arpa` → NODATA: no upgrade past us by DDR (RFC 9462).
    pub resolver: bool,
    /// `mask.icloud.com`, `mask-h2.icloud.com`, `mask-canary.icloud.com` →
    /// NXDOMAIN. Off: Private Relay is a privacy feature too.
    pub private_relay: bool,
}

impl Default for Canaries {
    fn default() -> Self {
        Self { firefox: true, resolver: true, private_relay: false }
    }
}

impl Policy {
    /// Decides about a host name, in the form of [`HostName`].
    pub fn judge(&self, _now: Instant, host: &str, _client: &Client) -> Verdict {
        self.rules.lookup(host).map_or(Verdict::Pass(Why::NoMatch), Verdict::Block)
    }

    /// Decides about an address.
    pub fn judge_address(&self, _now: Instant, _address: IpAddr, _client: &Client) -> Verdict {
        Verdict::Pass(Why::NoMatch)
    }

    /// The rule in words, for events.
    #[must_use]
    pub fn rule_text(&self, rule: RuleRef) -> Arc<RuleText> {
        Arc::new(RuleText { list: "test".into(), line: rule.line, text: "".into(), vendor: None })
    }

    /// Whether a verdict may depend on the program that asks: then, and only
    /// then, the engine must learn the owner before it decides.
    #[must_use]
    pub fn depends_on_program(&self) -> bool {
        false
    }

    /// A policy that blocks these names and what is below them; for tests.
    #[must_use]
    pub fn blocking(hosts: &[&str]) -> Self {
        let mut policy = Self::default();
        for (line, host) in (1..).zip(hosts) {
            let host: HostName = host.parse().expect("host name in a test");
            policy.rules.block(host, RuleRef { list: 0, line });
        }
        policy
    }
}
