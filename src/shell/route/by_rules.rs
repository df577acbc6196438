//! Flows that are led to us by routing rules alone, where the kernel has no nftables.
//!
//! Rules remember nothing. So all that clients send comes to us for as long as their
//! flows live, by a device of its own; what we write back into it is known by that
//! device, and goes on past every rule of ours. The packets of this host do not come:
//! a socket takes its source from the route, and would take that of the device.

use std::collections::BTreeSet;
use std::fs;

use super::{FlowPlan, RouteError, Routes, kernel, links, rules};

/// What is led to us by rules.
#[derive(Clone, Debug, Default)]
pub(super) struct ByRules {
    /// The device, once there is one.
    device: Option<Device>,
    plan: Option<FlowPlan>,
    /// Of IPv4, and of IPv6.
    families: [bool; 2],
    /// Tests are led round.
    tests: bool,
}

#[derive(Clone, Debug)]
struct Device {
    index: u32,
    name: String,
}

impl Routes {
    /// Brings up the device that flows come by, and what is put back of them.
    ///
    /// # Errors
    ///
    /// [`RouteError`].
    pub fn add_device_of_flows(&mut self, index: u32, name: &str) -> Result<(), RouteError> {
        self.add_passing(index)?;
        self.by_rules.device = Some(Device { index, name: name.to_owned() });
        Ok(())
    }

    /// Leads these flows of clients to that device, of IPv4 and of IPv6 as `families`
    /// says. Only while capture is on; switching it off ends this too, as
    /// [`Routes::drop_flows`] does.
    ///
    /// # Errors
    ///
    /// [`RouteError`]; then no flows are led to us.
    pub fn set_flows_by_rules(
        &mut self,
        plan: &FlowPlan,
        families: [bool; 2],
    ) -> Result<(), RouteError> {
        self.by_rules.plan = families.contains(&true).then(|| plan.clone());
        self.by_rules.families = families;
        let outcome = self.fill_tables().and_then(|_| self.set_rules());
        if outcome.is_err() {
            self.drop_flows()?;
        }
        outcome.map(drop)
    }

    /// While it is on, what is put back for an address where nobody is comes out of the
    /// device again, so that it can be seen that it was forwarded.
    ///
    /// # Errors
    ///
    /// [`RouteError`].
    pub fn lead_tests_round(&mut self, on: bool) -> Result<(), RouteError> {
        self.by_rules.tests = on;
        self.fill_tables().and_then(|_| self.set_rules()).map(drop)
    }

    /// Whether flows are led to us by rules.
    #[must_use]
    pub fn leads_by_rules(&self) -> bool {
        self.by_rules.plan.is_some()
    }

    /// Whether a strict reverse path filter stands where answers of servers come in. It
    /// asks the rules where the client's packets go, and that is to us (RFC 3704 §2.2).
    ///
    /// # Errors
    ///
    /// [`RouteError`].
    pub fn drops_answers(&mut self) -> Result<bool, RouteError> {
        let mut links = BTreeSet::new();
        links::default_links(&mut self.netlink, false, &mut links)
            .map_err(|error| kernel("read routes", error))?;
        let of = |name: &str| {
            let switch = format!("/proc/sys/net/ipv4/conf/{name}/rp_filter");
            fs::read_to_string(switch).ok().and_then(|value| value.trim().parse().ok())
        };
        let all = of("all").unwrap_or(0_u8);
        Ok(links.into_iter().any(|link| {
            let name = nix::net::if_::if_indextoname(link).unwrap_or_default();
            of(&name.to_string_lossy()).is_some_and(|own: u8| own.max(all) == STRICT)
        }))
    }

    /// Whether connections are tracked here, by whomever.
    #[must_use]
    pub fn tracks(&self) -> bool {
        crate::shell::nft::tracks()
    }
}

impl ByRules {
    /// Leads nothing any more. The device stays.
    pub(super) fn stop(&mut self) -> bool {
        self.tests = false;
        self.plan.take().is_some()
    }

    pub(super) fn plan(&self) -> Option<&FlowPlan> {
        self.plan.as_ref()
    }

    /// The device, and the plan, if there need be routes for flows.
    pub(super) fn routed(&self) -> Option<(u32, Option<&FlowPlan>)> {
        let device = self.device.as_ref()?;
        (self.plan.is_some() || self.tests).then_some((device.index, self.plan.as_ref()))
    }

    pub(super) fn ruled(&self) -> Option<rules::Round<'_>> {
        let device = &self.device.as_ref()?.name;
        let Self { plan, families, tests, .. } = self;
        Some(rules::Round { device, plan: plan.as_ref(), families: *families, tests: *tests })
    }
}

const STRICT: u8 = 1; // rp_filter: 0 is none, 2 is loose, and the higher one holds
