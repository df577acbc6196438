//! Brings questions and sinkhole addresses to our TUN, and nothing else.
//!
//! # Contract
//!
//! 1. [`Routes::set_up`]: what an older run left is swept, our device comes up,
//!    the tables are filled. Nothing comes our way yet.
//! 2. [`self_test`] proves that our own packets do not come back.
//! 3. [`Routes::capture_on`] and [`Routes::capture_off`]: the rules are the only switch.
//! 4. Whenever [`monitor::Monitor`] says that something changed: [`Routes::refresh`].
//! 5. Dropping [`Routes`] leaves nothing behind.
//!
//! Every object carries our tag (the protocol number of rules and routes, the
//! name of the packet-filter table), so sweeping needs no memory. If we die,
//! the device takes its routes along and the packet-filter table goes with its
//! socket: `open`. For `closed` there are prohibiting routes of worse metric,
//! which stay with the rules until the next start.

mod by_rules;
mod flows;
mod iptables;
mod links;
pub mod monitor;
mod netd;
mod rules;
mod self_test;
mod sweep;
mod tables;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rtnetlink::packet_route::route::RouteAttribute;
use thiserror::Error;

pub use self::flows::{FlowPlan, Scope};
pub use self::links::Surroundings;
pub(crate) use self::links::{FAR_V4, FAR_V6};
pub use self::self_test::{LoopError, self_test};
use crate::core::prefix::Prefix;
use crate::shell::netlink::Netlink;
use crate::shell::nft;
use crate::shell::protect;
use crate::shell::tun::Tun;

/// What to set up. Numbers and prefixes that a user may want to change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Plan {
    /// The bit that our own sockets carry, and nobody else's.
    pub mark: u32,
    /// The user that our own sockets belong to, where they cannot carry the mark.
    pub own_user: Option<u32>,
    /// The bit by which nft steers questions of sockets that are bound to a link.
    pub steer: u32,
    /// The bit by which nft leads flows to us that are not decided.
    pub divert: u32,
    /// Table for questions.
    pub dns_table: u32,
    /// Table for addresses.
    pub address_table: u32,
    /// Table for flows that are not decided.
    pub flow_table: u32,
    /// First of eight priorities of our rules.
    pub priority: u32,
    /// Where blocked names point to.
    pub sinkhole_v4: Prefix,
    /// The same for IPv6.
    pub sinkhole_v6: Prefix,
    /// Where questions go that clients send to this host's own address.
    pub resolver_v4: Ipv4Addr,
    /// The same for IPv6.
    pub resolver_v6: Ipv6Addr,
    /// Where clients come from besides private and on-link prefixes; none of length 0.
    pub clients: Vec<Prefix>,
    /// Whether what clients send is diverted, or only what this host does.
    pub forwarded: bool,
    /// Port of our own listener, for clients that cannot be routed to the TUN.
    pub listener: Option<u16>,
    /// What happens to captured traffic when we die.
    pub fail: Fail,
}

impl Plan {
    /// The tables that are ours alone.
    pub(crate) fn tables(&self) -> [u32; 3] {
        [self.dns_table, self.address_table, self.flow_table]
    }

    /// How the kernel is asked about the way of a socket of ours.
    pub(crate) fn own_socket(&self) -> RouteAttribute {
        self.own_user.map_or(RouteAttribute::Mark(self.mark), RouteAttribute::Uid)
    }

    /// With this mark, and bits beside it for the rest.
    #[must_use]
    pub fn with_mark(self, mark: u32) -> Self {
        // From the default mark on these are the defaults.
        let mut free =
            (1..u32::BITS).map(|n| 1_u32.rotate_left(mark.checked_ilog2().unwrap_or(0) + n));
        let mut next = || free.find(|bit| mark & bit == 0).unwrap_or_default();
        let (steer, divert) = (next(), next());
        Self { mark, steer, divert, ..self }
    }
}

/// What happens to captured traffic when we die.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Fail {
    /// It goes on as if we had never been there.
    #[default]
    Open,
    /// It is refused until we run again.
    Closed,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            mark: 0x0100_0000,
            own_user: None,
            steer: 0x0200_0000,
            divert: 0x0400_0000,
            dns_table: 5353,
            address_table: 5354,
            flow_table: 5355,
            priority: 5300,
            sinkhole_v4: prefix(Ipv4Addr::new(198, 18, 0, 0), 15), // RFC 2544
            sinkhole_v6: prefix(Ipv6Addr::new(ULA[0], ULA[1], ULA[2], ULA[3], 0, 0, 0, 0), 64),
            resolver_v4: Ipv4Addr::new(198, 18, 0, 53),
            resolver_v6: Ipv6Addr::new(ULA[0], ULA[1], ULA[2], ULA[3], 0, 0, 0, 0x53),
            clients: Vec::new(),
            forwarded: true,
            listener: None,
            fail: Fail::Open,
        }
    }
}

/// Why nothing was set up. One line, with the remedy.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RouteError {
    /// We may not.
    #[error(
        "cannot change routing: not permitted; run as root or with the capability CAP_NET_ADMIN"
    )]
    NotPermitted,
    /// Another program's routes or rules use our table.
    #[error(
        "cannot use routing table {table}: another program uses it; \
         choose another number in the configuration"
    )]
    TableTaken {
        /// The table's number.
        table: u32,
    },
    /// Another program's rule has our priority.
    #[error(
        "cannot use rule priority {priority}: a rule of another program has it \
         (ip rule show); choose another base in the configuration"
    )]
    PriorityTaken {
        /// The priority.
        priority: u32,
    },
    /// There are no rules to be had.
    #[error(
        "cannot read routing rules: this system has none, or does not pass them on, as qemu-user \
         does; let somebody else lead packets to optout (optout run --tun-fd)"
    )]
    NoRules,
    /// Rules without ports would divert everything.
    #[error(
        "cannot divert port 53 alone: this kernel's routing rules know no ports, it has no \
         nftables, and iptables does not help ({why}); Linux 4.17 or newer, or iptables with \
         the table mangle and the target MARK, is needed"
    )]
    KernelTooOld {
        /// Why iptables does not help.
        why: String,
    },
    /// Something else.
    #[error("cannot {what}: {source}")]
    Kernel {
        /// What we tried.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

/// What [`Routes::refresh`] found changed since the last time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing of its own to react to")]
pub struct Changes {
    /// This host has other addresses: the engine must learn them.
    pub own_addresses: bool,
    /// The way to the Internet is another: sockets to upstreams are stale.
    pub source: bool,
    /// Clients may come from elsewhere.
    pub clients: bool,
    /// Someone had removed or changed our rules or routes; they are back.
    pub restored: bool,
}

/// Everything that we have in the kernel's routing. Goes with the value.
pub struct Routes {
    netlink: Netlink,
    plan: Plan,
    device: u32,
    around: Surroundings,
    addresses: Vec<Prefix>,
    spared: Vec<Prefix>,
    capturing: bool,
    filter: Option<nft::Table>,
    flows: Option<flows::Flows>,
    by_rules: by_rules::ByRules,
    passing: Option<u32>,
    /// Why there is no packet-filter table, if there is none.
    filter_problem: Option<String>,
    /// Whether rules can say a port.
    know_ports: bool,
    /// What marks questions of this host where no packet-filter table does.
    marking: Option<iptables::Chains>,
    programs: iptables::Programs,
}

impl Routes {
    /// Sweeps what an older run left, brings the device up and fills our tables.
    ///
    /// # Errors
    ///
    /// [`RouteError`]; whatever was set up is removed again.
    pub fn set_up(plan: Plan, tun: &Tun) -> Result<Self, RouteError> {
        let mut netlink = Netlink::route().map_err(|e| kernel("open a netlink socket", e))?;
        sweep::sweep(&mut netlink, &plan).map_err(|error| match error.raw_os_error() {
            Some(libc::EOPNOTSUPP) => RouteError::NoRules,
            _ => kernel("remove what an older run left", error),
        })?;
        let programs = iptables::Programs::default();
        iptables::sweep(programs);
        free(&mut netlink, &plan)?;
        let know_ports = rules::know_ports(&mut netlink, &plan)
            .map_err(|e| kernel("try a routing rule with a port", e))?;
        let device = tun.index();
        let around = Surroundings::look(&mut netlink, device, &plan)
            .map_err(|e| kernel("read addresses and routes", e))?;
        let (addresses, spared) = (Vec::new(), Vec::new());
        // From here on, dropping it undoes whatever was done.
        let mut routes = Self {
            netlink,
            plan,
            device,
            around,
            addresses,
            spared,
            capturing: false,
            filter: None,
            flows: None,
            by_rules: by_rules::ByRules::default(),
            passing: None,
            filter_problem: None,
            know_ports,
            marking: None,
            programs,
        };
        if let Err(error) = links::silence(&mut routes.netlink, device) {
            log::debug!("route: the kernel will speak of multicast on the device: {error}");
        }
        routes.bring_up()?;
        routes.fill_tables()?;
        Ok(routes)
    }

    /// Starts to divert. Does nothing if it is on.
    ///
    /// Works without the packet filter; then [`Routes::problems`] says what is missing.
    ///
    /// # Errors
    ///
    /// [`RouteError`]; then nothing is diverted.
    pub fn capture_on(&mut self) -> Result<(), RouteError> {
        self.capturing = true;
        if self.filter.is_none() {
            self.filter();
        }
        let marked = self.mark_by_iptables();
        let outcome = marked.and_then(|()| self.fill_tables()).and_then(|_| self.set_rules());
        if outcome.is_err() {
            self.capture_off();
        }
        outcome.map(drop)
    }

    /// Stops diverting. Does nothing if it is off.
    ///
    /// Never fails: what the kernel will not remove it does not have.
    pub fn capture_off(&mut self) {
        self.capturing = false;
        self.flows = None;
        self.by_rules.stop();
        if let Err(error) = rules::reconcile(&mut self.netlink, &self.plan, &[]) {
            log::error!("route: cannot remove our rules ({error}); see ip rule show");
        }
        self.filter = None;
        self.marking = None;
        self.filter_problem = None;
        if let Err(error) = nft::unguard() {
            log::error!("route: cannot remove the guard ({error}); see nft list ruleset");
        }
    }

    /// Whether traffic is diverted.
    #[must_use]
    pub fn is_capturing(&self) -> bool {
        self.capturing
    }

    /// Routes these prefixes, those of address rules, into the TUN, and no
    /// others but the sinkholes. What of them is `spared` goes its usual way.
    ///
    /// # Errors
    ///
    /// [`RouteError::Kernel`].
    pub fn set_prefixes(
        &mut self,
        prefixes: Vec<Prefix>,
        spared: Vec<Prefix>,
    ) -> Result<(), RouteError> {
        self.addresses = prefixes;
        self.spared = spared;
        self.fill_tables().map(drop)
    }

    /// Looks around anew and makes everything right again that is not.
    ///
    /// # Errors
    ///
    /// [`RouteError::Kernel`].
    pub fn refresh(&mut self) -> Result<Changes, RouteError> {
        let around = Surroundings::look(&mut self.netlink, self.device, &self.plan)
            .map_err(|e| kernel("read addresses and routes", e))?;
        let before = std::mem::replace(&mut self.around, around);
        let now = &self.around;
        let mut changes = Changes {
            own_addresses: before.own_addresses != now.own_addresses,
            source: (before.source_v4, before.source_v6) != (now.source_v4, now.source_v6),
            clients: before.client_prefixes != now.client_prefixes
                || (before.forwards_v4, before.forwards_v6) != (now.forwards_v4, now.forwards_v6),
            restored: false,
        };
        let expected = before != *now;
        // Not otherwise: the kernel tells everyone of it, us too.
        if before.mtu != self.around.mtu {
            self.bring_up()?;
            if let Some(passing) = self.passing {
                self.bring_up_passing(passing)?;
            }
        }
        let mut moved = match self.fill_tables() {
            Err(RouteError::Kernel { source, .. })
                if source.raw_os_error() == Some(libc::ENETDOWN) =>
            {
                self.bring_up()?;
                self.fill_tables()?
            }
            outcome => outcome?,
        };
        if self.capturing {
            if changes.clients || self.filter.as_ref().is_none_or(nft::Table::is_outdated) {
                self.filter();
            }
            self.mark_by_iptables()?;
            moved |= self.set_rules()?;
            self.renew_flows()?;
        }
        changes.restored = moved && !expected;
        Ok(changes)
    }

    /// What the network around us looks like, as of the last look.
    #[must_use]
    pub fn surroundings(&self) -> &Surroundings {
        &self.around
    }

    /// What keeps us from diverting everything, each with its remedy.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let slow = self.filter.as_ref().and_then(nft::Table::problem);
        let markless = self.plan.own_user.map(protect::markless);
        let filter = self.filter_problem.iter().cloned();
        markless.into_iter().chain(filter).chain(slow.map(str::to_owned)).collect()
    }

    /// Ends as a kill does: files are closed, and nothing else happens.
    #[cfg(test)]
    pub(crate) fn die(mut self) {
        self.filter = None;
        self.flows = None;
        // The chains of iptables stay, as they do when we are killed.
        std::mem::forget(self);
    }

    fn bring_up(&mut self) -> Result<(), RouteError> {
        let IpAddr::V4(first) = self.plan.sinkhole_v4.address() else {
            unreachable!("the prefix of an IPv4 plan")
        };
        let address = Ipv4Addr::from_bits(first.to_bits() | 1);
        links::bring_up(&mut self.netlink, self.device, self.around.mtu, address)
            .map_err(|e| kernel("bring the TUN device up", e))
    }

    fn fill_tables(&mut self) -> Result<bool, RouteError> {
        let holes = &self.spared;
        let mut routes =
            tables::wanted(&self.plan, &self.around, self.device, &self.addresses, holes);
        if self.flows.is_some() {
            routes.extend(tables::for_flows(&self.plan, &self.around, self.device, &[]));
        }
        if let Some((device, flows)) = self.by_rules.routed() {
            let spared = flows.map(|flows| [&self.around.near[..], &flows.addresses].concat());
            let spared = spared.unwrap_or_default();
            routes.extend(tables::for_flows(&self.plan, &self.around, device, &spared));
        }
        tables::reconcile(&mut self.netlink, &routes).map_err(|e| kernel("set our routes", e))
    }

    fn set_rules(&mut self) -> Result<bool, RouteError> {
        let steered = self.filter.is_some() || self.marking.is_some();
        let has_v6 = self.around.has_v6;
        // Their rules say a port, always.
        let none = Vec::new();
        let clients = if self.know_ports { &self.around.client_prefixes } else { &none };
        let host = rules::Host { steered, networks: &self.around.networks };
        let mut rules = rules::wanted(&self.plan, has_v6, clients, host);
        if self.flows.is_some() {
            rules.extend(rules::for_flows(&self.plan, has_v6));
        }
        if let Some(round) = self.by_rules.ruled() {
            rules.extend(rules::by_rules(&self.plan, has_v6, clients, round));
        }
        rules::reconcile(&mut self.netlink, &self.plan, &rules)
            .map_err(|error| kernel("set our routing rules", error))
    }

    /// Makes the packet-filter table, or says why there is none.
    fn filter(&mut self) {
        self.filter = None;
        let made = match self.plan.own_user {
            None => nft::Table::make(&self.plan, &self.around, self.device),
            Some(_) => Err(io::Error::other("it would know our own sockets by their mark")),
        };
        match made {
            Ok(table) => {
                if let Some(problem) = table.problem() {
                    log::warn!("route: {problem}");
                }
                self.filter_problem = None;
                self.filter = Some(table);
            }
            Err(error) => {
                let problem = format!(
                    "not covered are questions that clients send to this host's own address, and \
                     those of programs that bind to a link, as systemd-resolved does, and with a \
                     strict reverse path filter (rp_filter=1) no answer comes over IPv4: the packet \
                     filter refuses our table ({error}); nftables and Linux 5.12 or newer are needed"
                );
                if self.marking.is_none() && self.filter_problem.as_ref() != Some(&problem) {
                    log::warn!("route: {problem}");
                }
                self.filter_problem = Some(problem);
            }
        }
    }
}

impl Drop for Routes {
    fn drop(&mut self) {
        self.capture_off();
        if let Err(error) = sweep::sweep(&mut self.netlink, &self.plan) {
            log::error!("route: cannot remove everything of ours: {error}; the next start will");
        }
    }
}

/// Refuses to share a table or a priority.
fn free(netlink: &mut Netlink, plan: &Plan) -> Result<(), RouteError> {
    let strangers = rules::strangers(netlink, plan).map_err(|e| kernel("read routing rules", e))?;
    if let Some(&(priority, table)) = strangers.first() {
        return Err(if plan.tables().contains(&table) {
            RouteError::TableTaken { table }
        } else {
            RouteError::PriorityTaken { priority }
        });
    }
    match tables::stranger(netlink, plan).map_err(|e| kernel("read routing tables", e))? {
        Some(table) => Err(RouteError::TableTaken { table }),
        None => Ok(()),
    }
}

/// A prefix of our own or of the kernel's, which are always in order.
fn prefix(address: impl Into<IpAddr>, length: u8) -> Prefix {
    let address = address.into();
    Prefix::new(address, length).unwrap_or(Prefix::from(address))
}

fn kernel(what: &'static str, source: io::Error) -> RouteError {
    match source.raw_os_error() {
        Some(libc::EPERM) => RouteError::NotPermitted,
        _ => RouteError::Kernel { what, source },
    }
}

/// Tag of our rules and routes: a protocol number that nobody else has.
const TAG: u8 = 235;
const ULA: [u16; 4] = [0xfd6f, 0x7074, 0x6f75, 0x7400]; // "optout", RFC 4193

#[cfg(test)]
mod tests;
