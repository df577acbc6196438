//! Which questions are for the network that carries our own, where netd sorts them.
//!
//! On Android a socket's mark says which network it is for: its number in the lowest 16
//! bits, none where the program did not care. A VPN for some apps, or the operator's
//! network while Wi-Fi is up, has resolvers that know what others do not; and a VPN that
//! looks for its server must not be led into itself. So of the questions with a number
//! only those are ours that are for the network which our own sockets leave by.

use std::collections::BTreeSet;

use rtnetlink::packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use rtnetlink::packet_route::{AddressFamily, rule::RuleUidRange};

/// The bits of a mark that hold the number of a network (`Fwmark.h` of netd).
pub(super) const NET_ID: u32 = 0xffff;

/// The numbers of the networks, in order, that packets of ours would leave by, as netd's
/// rules say. Empty where there are no such rules, as on any other Linux.
pub(super) fn networks(rules: &[RuleMessage]) -> Vec<u32> {
    let told: Vec<_> = rules.iter().filter_map(Told::read).collect();
    let mut networks = BTreeSet::new();
    for v6 in [false, true] {
        let family = || told.iter().filter(|rule| rule.v6 == v6);
        let Some(way) = family().filter(|rule| rule.is_our_way()).min_by_key(|it| it.priority)
        else {
            continue;
        };
        let same = family().filter(|rule| rule.table == way.table);
        networks.extend(same.filter_map(Told::network));
    }
    networks.into_iter().collect()
}

/// A rule for packets of this host that leads to a table.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    v6: bool,
    priority: u32,
    table: u32,
    mark: (u32, u32),
    users: Option<(u32, u32)>,
}

impl Told {
    fn read(message: &RuleMessage) -> Option<Self> {
        let header = &message.header;
        let v6 = header.family == AddressFamily::Inet6;
        let mut told = Self { v6, table: header.table.into(), ..Self::default() };
        let mut of_host = false;
        for attribute in &message.attributes {
            match attribute {
                RuleAttribute::Priority(value) => told.priority = *value,
                RuleAttribute::Table(value) => told.table = *value,
                RuleAttribute::FwMark(value) => told.mark.0 = *value,
                RuleAttribute::FwMask(value) => told.mark.1 = *value,
                RuleAttribute::UidRange(RuleUidRange { start, end }) => {
                    told.users = Some((*start, *end));
                }
                RuleAttribute::Iifname(name) => of_host = name == "lo",
                // A rule for one link, as netd has for sockets that are bound to it.
                RuleAttribute::Oifname(_) => return None,
                _ => {}
            }
        }
        (of_host && header.action == RuleAction::ToTable).then_some(told)
    }

    /// Whether packets of root without a number go that way: by the default network, or
    /// by a VPN that is for root too.
    fn is_our_way(&self) -> bool {
        match self.mark {
            (0, NET_ID) => self.users.is_none(),
            (0, PROTECTED_FROM_VPN) => self.users.is_some_and(|(first, _)| first == 0),
            _ => false,
        }
    }

    /// The number of the network, if it is the rule of one that a program chose.
    fn network(&self) -> Option<u32> {
        let (value, mask) = self.mark;
        let number = value & NET_ID;
        (mask & NET_ID == NET_ID && value & CHOSEN != 0 && number != 0).then_some(number)
    }
}

const CHOSEN: u32 = 0x1_0000; // Fwmark.h of netd: explicitlySelected
const PROTECTED_FROM_VPN: u32 = 0x2_0000; // the same: protectedFromVpn

#[cfg(test)]
mod tests {
    use super::*;

    /// `priority mark/mask table`, of this host; and for these users, if any are said.
    fn rule(priority: u32, mark: (u32, u32), table: u32, users: Option<(u32, u32)>) -> RuleMessage {
        let mut message = RuleMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.action = RuleAction::ToTable;
        message.attributes = vec![
            RuleAttribute::Priority(priority),
            RuleAttribute::FwMask(mark.1),
            RuleAttribute::Table(table),
            RuleAttribute::Iifname("lo".into()),
        ];
        // The kernel says no mark of 0.
        if mark.0 != 0 {
            message.attributes.push(RuleAttribute::FwMark(mark.0));
        }
        let range = users.map(|(start, end)| RuleUidRange { start, end });
        message.attributes.extend(range.map(RuleAttribute::UidRange));
        message
    }

    /// A phone with Wi-Fi, the default network, and mobile data.
    fn phone() -> Vec<RuleMessage> {
        vec![
            rule(16000, (0x1_0064, 0x1_ffff), 1002, None),
            rule(16000, (0xd_0065, 0xd_ffff), 1003, None),
            rule(23000, (0x64, 0x1_ffff), 1002, None),
            rule(31000, (0, 0xffff), 1002, None),
        ]
    }

    fn vpn(users: (u32, u32)) -> Vec<RuleMessage> {
        let vpn = [
            rule(13000, (0, 0x2_0000), 1040, Some(users)),
            rule(16000, (0x1_0066, 0x1_ffff), 1040, Some(users)),
        ];
        phone().into_iter().chain(vpn).collect()
    }

    #[test]
    fn where_there_is_no_netd_there_are_no_numbers() {
        assert!(networks(&[]).is_empty());
        let others = [rule(100, (0, 0xff), 7, None), rule(200, (0x100, 0xff00), 8, None)];
        assert!(networks(&others).is_empty());
    }

    #[test]
    fn our_network_is_the_default_one_or_a_vpn_for_all() {
        assert_eq!(networks(&phone()), [0x64]);
        assert_eq!(networks(&vpn((0, 99_999))), [0x66], "not the one under the VPN");
        assert_eq!(networks(&vpn((10_123, 10_123))), [0x64], "that VPN is not for us");
    }

    #[test]
    fn a_default_network_without_a_number_is_none_that_can_be_told() {
        assert!(networks(&[rule(31000, (0, 0xffff), 1002, None)]).is_empty());
    }

    #[test]
    fn rules_of_forwarded_packets_and_of_links_say_nothing() {
        let mut rules = phone();
        for message in &mut rules {
            message.attributes.retain(|it| !matches!(it, RuleAttribute::Iifname(_)));
        }
        assert!(networks(&rules).is_empty());
        let mut rules = phone();
        for message in &mut rules {
            message.attributes.push(RuleAttribute::Oifname("wlan0".into()));
        }
        assert!(networks(&rules).is_empty());
    }
}
