//! The flows that are led to us, besides questions and addresses.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Plan, RouteError, Routes, kernel, links};
use crate::core::flow::FiveTuple;
use crate::core::prefix::Prefix;
use crate::shell::nft::flows::{Ends, Fill, FlowTable};

/// Which flows are looked into.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FlowPlan {
    /// Which in general.
    pub scope: Scope,
    /// How many flows that passed each of the kernel's sets can hold.
    pub size: u32,
    /// Not those to these ports, from and to.
    pub ports: Vec<(u16, u16)>,
    /// Not those of these devices.
    pub clients: Vec<Prefix>,
    /// Not those to these addresses.
    pub addresses: Vec<Prefix>,
    /// Not those of programs of these users.
    pub users: Vec<u32>,
}

/// Which flows are looked into in general.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Scope {
    /// None.
    #[default]
    Nothing,
    /// DNS over TLS, to port 853.
    Dot,
    /// All.
    All,
}

impl Default for FlowPlan {
    fn default() -> Self {
        Self {
            scope: Scope::Nothing,
            size: 65_536,
            ports: Vec::new(),
            clients: Vec::new(),
            addresses: Vec::new(),
            users: Vec::new(),
        }
    }
}

/// The table of flows and what it was asked for.
#[derive(Debug)]
pub(super) struct Flows {
    table: FlowTable,
    plan: FlowPlan,
    ends: Ends,
}

impl Plan {
    /// By this gateway, which is nobody's, the packets of flows are led to us. It is
    /// there to be recognised.
    pub(crate) fn gateway_v4(&self) -> Ipv4Addr {
        self.in_sinkhole(GATEWAY)
    }

    /// The address of the device that decided packets are put back by.
    pub(crate) fn passing_v4(&self) -> Ipv4Addr {
        self.in_sinkhole(PASSING)
    }

    fn in_sinkhole(&self, place: u32) -> Ipv4Addr {
        let IpAddr::V4(first) = self.sinkhole_v4.address() else {
            unreachable!("the prefix of an IPv4 plan")
        };
        Ipv4Addr::from_bits(first.to_bits() | place)
    }

    /// The same for IPv6.
    #[expect(clippy::unused_self, reason = "as of IPv4")]
    pub(crate) fn gateway_v6(&self) -> Ipv6Addr {
        GATEWAY_V6
    }
}

impl Routes {
    /// Leads these flows to us, and no others. What passed goes on, unless the size
    /// of the sets changes.
    ///
    /// Only while capture is on; switching it off ends this too.
    ///
    /// # Errors
    ///
    /// [`RouteError`]; then no flows are led to us.
    pub fn set_flows(&mut self, plan: &FlowPlan, ends: &Ends) -> Result<(), RouteError> {
        let outcome = self.try_set_flows(plan, ends);
        if outcome.is_err() {
            self.drop_flows()?;
        }
        outcome
    }

    /// Leads no flows to us any more.
    ///
    /// # Errors
    ///
    /// [`RouteError`]: routes or a rule are left, which nothing uses.
    pub fn drop_flows(&mut self) -> Result<(), RouteError> {
        if self.flows.take().is_some() | self.by_rules.stop() {
            self.set_rules()?;
            self.fill_tables()?;
        }
        Ok(())
    }

    /// Brings the device up that decided packets are put back by.
    ///
    /// # Errors
    ///
    /// [`RouteError`].
    pub fn add_passing(&mut self, passing: u32) -> Result<(), RouteError> {
        if let Err(error) = links::silence(&mut self.netlink, passing) {
            log::debug!("route: the kernel will speak of multicast on the device: {error}");
        }
        self.bring_up_passing(passing)?;
        self.passing = Some(passing);
        self.forward_by_devices();
        Ok(())
    }

    pub(super) fn bring_up_passing(&mut self, passing: u32) -> Result<(), RouteError> {
        links::bring_up(&mut self.netlink, passing, self.around.mtu, self.plan.passing_v4())
            .map_err(|error| kernel("bring the second TUN device up", error))
    }

    /// What a host forwards may be said for each link apart.
    fn forward_by_devices(&self) {
        for device in [Some(self.device), self.passing].into_iter().flatten() {
            let Ok(name) = nix::net::if_::if_indextoname(device) else { continue };
            let (name, around) = (name.to_string_lossy(), &self.around);
            for (version, forwards) in [("ipv4", around.forwards_v4), ("ipv6", around.forwards_v6)]
            {
                let switch = format!("/proc/sys/net/{version}/conf/{name}/forwarding");
                let on = fs::read_to_string(&switch).is_ok_and(|value| value.trim() != "0");
                if forwards
                    && !on
                    && let Err(error) = fs::write(switch, "1")
                {
                    log::debug!("route: {name} will not forward: {error}");
                }
            }
        }
    }

    /// Which flows are led to us; `None` if there is no way for any.
    #[must_use]
    pub fn flows(&self) -> Option<&FlowPlan> {
        self.flows.as_ref().map(|flows| &flows.plan).or(self.by_rules.plan())
    }

    /// Whether hellos come of flows that passed. See [`FlowTable::brings_hellos`].
    #[must_use]
    pub fn brings_hellos(&self) -> bool {
        self.flows.as_ref().is_some_and(|flows| flows.table.brings_hellos())
    }

    /// From now on the flow comes to us again.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says.
    pub fn recall(&mut self, flow: &FiveTuple) -> io::Result<()> {
        self.flows.as_mut().map_or(Ok(()), |flows| flows.table.recall(flow))
    }

    /// How full the kernel's sets of flows that passed are. None where no flows
    /// are led to us.
    pub fn flows_fill(&mut self) -> Vec<Fill> {
        self.flows.as_mut().map(|flows| flows.table.fill()).unwrap_or_default()
    }

    /// The numbers of the tests that came through lately. See [`FlowTable::tested`].
    ///
    /// # Errors
    ///
    /// Whatever the kernel says.
    pub fn flows_tested(&mut self) -> io::Result<Vec<u16>> {
        self.flows.as_mut().map_or(Ok(Vec::new()), |flows| flows.table.tested())
    }

    /// Forgets those tests.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says.
    pub fn forget_tested(&mut self) -> io::Result<()> {
        self.flows.as_mut().map_or(Ok(()), |flows| flows.table.forget_tested())
    }

    /// A number that another one takes the place of when a rule of the packet filter
    /// changes, whoever made it. `None` while no flows are led to us.
    pub fn filter_generation(&mut self) -> Option<u32> {
        self.flows.as_mut().and_then(|flows| flows.table.generation())
    }

    /// Makes the table be what was asked for, after the network changed.
    pub(super) fn renew_flows(&mut self) -> Result<(), RouteError> {
        let Some(Flows { table, plan, ends }) = &mut self.flows else { return Ok(()) };
        let outcome = table.set(&self.plan, plan, &self.around, ends);
        outcome.map_err(|error| kernel(WHAT, error))
    }

    fn try_set_flows(&mut self, plan: &FlowPlan, ends: &Ends) -> Result<(), RouteError> {
        if self.flows.as_ref().is_none_or(|flows| flows.table.size() != plan.size) {
            self.flows = None; // two of one name cannot be
            let table = FlowTable::make(plan).map_err(|error| kernel(WHAT, error))?;
            self.flows = Some(Flows { table, plan: plan.clone(), ends: ends.clone() });
        }
        self.fill_tables()?;
        self.set_rules()?;
        if let Some(flows) = &mut self.flows {
            (flows.plan, flows.ends) = (plan.clone(), ends.clone());
        }
        self.renew_flows()
    }
}

const WHAT: &str = "make the packet filter's table of flows";

/// Places in the sinkhole; those below 256 are never a name's.
const PASSING: u32 = 2;
const GATEWAY: u32 = 3;
const GATEWAY_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0x6f70, 0x746f, 0x7574); // "optout", on our link alone
