//! Removes what is ours, by tag, name and place: nothing needs to be remembered.

use std::io;

use super::{Plan, rules, tables};
use crate::shell::netlink::Netlink;
use crate::shell::nft;

/// Removes every rule and route with our tag and a packet-filter table of our
/// name, whoever left them. Used before the start and after the end, alike.
///
/// The rules go first: without them nothing comes to the routes. What cannot
/// be removed does not keep the rest from going.
///
/// # Errors
///
/// The first thing that the kernel refused.
pub(crate) fn sweep(netlink: &mut Netlink, plan: &Plan) -> io::Result<()> {
    let rules = rules::reconcile(netlink, plan, &[]).map(drop);
    let table = nft::sweep();
    let routes = tables::reconcile(netlink, &[]).map(drop);
    rules.and(table).and(routes)
}
