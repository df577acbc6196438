//! The table that brings flows to us until they are decided, and then no more.
//!
//! A packet of a client, or of a program here, whose flow is in no set of those that
//! passed is marked, so that routing leads it to our device. What we put back by the
//! passing device, or by a socket with a certain mark, puts its flow into the set: from
//! then on the kernel sends it without us. A set that is full keeps flows with us, which
//! is slow and right.
//!
//! A packet that comes to us is not tracked: what connection tracking and translation
//! first see of a flow is what we put back. So their rules need to know nothing of us.
//!
//! The rules may be changed while the sets stay, so no flow is lost by that. The table
//! belongs to our netlink socket, as the other one does.

mod chains;
mod sets;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use self::chains::{Making, SPARED_PORTS, address_sets};
use self::sets::{Passed, Ranges};
use super::message::{Attributes, Batch, GET_GENERATION, body, single};
use super::{CREATE, EXCLUSIVE, FAMILIES, NEW_TABLE, TABLE_OWNER};
use crate::core::flow::FiveTuple;
use crate::core::prefix::Prefix;
use crate::shell::netlink::{Netlink, attributes};
use crate::shell::route::{FlowPlan, Plan, Surroundings};

/// The table `inet optout_flows`. Goes with the value.
#[derive(Debug)]
pub struct FlowTable {
    owner: Netlink,
    size: u32,
    /// What the kernel can do, as far as it was asked.
    joins: bool,
    hellos: bool,
    /// What the rules were made of.
    made: Option<(Plan, FlowPlan, Ends, Vec<Ranges>)>,
}

/// Where flows go and come from.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ends {
    /// The device that undecided packets come and go by.
    pub device: u32,
    /// The device that decided packets are put back by.
    pub passing: u32,
    /// Whether flows of this host come to us.
    pub host: bool,
    /// Whether IPv4 flows of clients do.
    pub forwards_v4: bool,
    /// Whether IPv6 flows of clients do.
    pub forwards_v6: bool,
}

impl Ends {
    fn forwards(&self, v6: bool) -> bool {
        if v6 { self.forwards_v6 } else { self.forwards_v4 }
    }
}

/// One of the sets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fill {
    /// Its name.
    pub name: &'static str,
    /// Flows in it; `None` if that cannot be learnt.
    pub used: Option<u64>,
    /// Flows for which it has room.
    pub size: u32,
}

impl FlowTable {
    /// Makes the table with its sets, and no rules yet.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says; `EOPNOTSUPP` or `ENOENT` if it lacks an expression.
    pub fn make(flows: &FlowPlan) -> io::Result<Self> {
        let mut owner = Netlink::netfilter()?;
        let mut batch = Batch::new(NAME);
        let table = Attributes::default().number(2, TABLE_OWNER);
        batch.push(NEW_TABLE, CREATE | EXCLUSIVE, table);
        let mut ids = 1..;
        let mut id = || ids.next().unwrap_or_default();
        for set in Passed::all() {
            set.make(&mut batch, id(), flows.size);
        }
        sets::make_tested(&mut batch, id());
        for set in ranges(flows, &Surroundings::default()) {
            set.make(&mut batch, id());
        }
        let (bytes, acks) = batch.finish();
        owner.batch(&bytes, acks)?;
        Ok(Self { owner, size: flows.size, joins: true, hellos: true, made: None })
    }

    /// Whether a segment comes that begins with a TLS hello, and those behind it, though
    /// its flow passed. Kernels before 5.16 cannot look at what a segment carries.
    #[must_use]
    pub fn brings_hellos(&self) -> bool {
        self.hellos && self.made.is_some()
    }

    /// For how many flows each set has room.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.size
    }

    /// Makes the rules be these, at once or not at all. What passed goes on.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says.
    pub fn set(
        &mut self,
        plan: &Plan,
        flows: &FlowPlan,
        around: &Surroundings,
        ends: &Ends,
    ) -> io::Result<()> {
        let wanted = (plan.clone(), flows.clone(), ends.clone(), ranges(flows, around));
        if self.made.as_ref() == Some(&wanted) {
            return Ok(());
        }
        let has_v6 = around.has_v6;
        let mut outcome = self.change(&wanted, has_v6);
        let (joins, hellos) = (self.joins, self.hellos);
        for (without_joins, without_hellos) in [(false, true), (true, false), (true, true)] {
            let fewer = joins && without_joins || hellos && without_hellos;
            let (Err(error), true) = (&outcome, fewer) else { continue };
            log::debug!("nft: the kernel does not take all that is wanted ({error})");
            (self.joins, self.hellos) = (joins && !without_joins, hellos && !without_hellos);
            outcome = self.change(&wanted, has_v6);
        }
        self.made = outcome.is_ok().then_some(wanted);
        outcome
    }

    fn change(
        &mut self,
        (plan, flows, ends, ranges): &(Plan, FlowPlan, Ends, Vec<Ranges>),
        has_v6: bool,
    ) -> io::Result<()> {
        let mut batch = Batch::new(NAME);
        for set in ranges {
            set.fill(&mut batch);
        }
        Making { plan, flows, ends, has_v6, joins: self.joins, hellos: self.hellos }
            .make(&mut batch);
        let (bytes, acks) = batch.finish();
        self.owner.batch(&bytes, acks)
    }

    /// From now on the flow comes to us again.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says; it is no error if the flow is in no set.
    pub fn recall(&mut self, flow: &FiveTuple) -> io::Result<()> {
        let mut batch = Batch::new(NAME);
        Passed(flow.protocol, flow.source.is_ipv6()).forget(&mut batch, flow);
        let (bytes, acks) = batch.finish();
        match self.owner.batch(&bytes, acks) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
            outcome => outcome,
        }
    }

    /// How full the sets are. Takes some 30 ms for each that is full.
    pub fn fill(&mut self) -> Vec<Fill> {
        let size = self.size;
        let fill = |set: Passed| {
            let used = sets::count(&mut self.owner, set).ok();
            Fill { name: set.name(), used, size }
        };
        Passed::all().map(fill).collect()
    }

    /// The source ports of the datagrams to [`FAR_V4`] or [`FAR_V6`], [`TEST_PORT`], that
    /// were put back within the last seconds and got past all packet filters. They
    /// do not leave the host.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says.
    pub fn tested(&mut self) -> io::Result<Vec<u16>> {
        sets::tested(&mut self.owner)
    }

    /// Forgets the tests.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says.
    pub fn forget_tested(&mut self) -> io::Result<()> {
        let mut batch = Batch::new(NAME);
        sets::forget_tested(&mut batch);
        let (bytes, acks) = batch.finish();
        self.owner.batch(&bytes, acks)
    }

    /// Which generation of its rules the packet filter has, of all tables together;
    /// `None` if it does not say.
    pub fn generation(&mut self) -> Option<u32> {
        let mut generation = None;
        let asked = self.owner.dump(&single(GET_GENERATION), |frame| {
            let id = attributes(body(frame)).find(|&(kind, _)| kind == 1);
            generation = id.and_then(|(_, id)| id.first_chunk().copied());
        });
        asked.ok().and(generation).map(u32::from_be_bytes)
    }
}

/// Removes a table of that name that another program or an older run left.
pub(super) fn sweep() -> io::Result<()> {
    super::remove(NAME)
}

/// What is in the sets that do not change by themselves.
fn ranges(flows: &FlowPlan, around: &Surroundings) -> Vec<Ranges> {
    let of = |v6: bool| {
        let [clients, exempt, spared] = address_sets(v6);
        let near: Vec<Prefix> = around.near.iter().chain(&flows.addresses).copied().collect();
        [
            Ranges::of_prefixes(clients, v6, &around.client_prefixes),
            Ranges::of_prefixes(exempt, v6, &flows.clients),
            Ranges::of_prefixes(spared, v6, &near),
        ]
    };
    let mut ports = flows.ports.clone();
    ports.push((53, 53)); // questions have a way of their own
    let ports = Ranges::of_ports(SPARED_PORTS, &ports);
    FAMILIES.into_iter().flat_map(of).chain([ports]).collect()
}

/// Removes all rules of a chain.
fn flush(batch: &mut Batch, chain: &str) {
    batch.push(DEL_RULE, 0, Attributes::default().text(2, chain));
}

/// Where tests are sent: addresses that only the default route leads to.
pub const FAR_V4: Ipv4Addr = crate::shell::route::FAR_V4;
/// The same for IPv6.
pub const FAR_V6: Ipv6Addr = crate::shell::route::FAR_V6;
/// The port that tests are sent to: "discard" (RFC 863).
pub const TEST_PORT: u16 = 9;

const NAME: &str = "optout_flows";
const DEL_RULE: u16 = 8; // nf_tables.h, enum nf_tables_msg_types

#[cfg(test)]
mod tests;
