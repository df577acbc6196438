//! Whether what must stay reachable is.

use std::net::IpAddr;
use std::time::Duration;

use crate::core::catalog::{self, Action, Subject};
use crate::core::flow::Client;
use crate::core::policy::Policy;
use crate::core::verdict::{RuleRef, Verdict};
use crate::shell::clock;
use crate::shell::own_dial::OwnDial;
use crate::shell::subscriptions::Dial;

/// Something that must stay reachable and is not.
pub(super) struct Harm {
    /// What, and which rule blocks it.
    pub(super) why: String,
    /// The list of that rule.
    pub(super) list: String,
}

/// What of that which must stay reachable is not, by this policy: by name, or because its
/// addresses are blocked. An upstream that does not answer is no harm of ours, and what
/// the user blocks on purpose is none of any list's.
pub(super) fn harm(policy: &Policy, dial: &OwnDial) -> Option<Harm> {
    let pack = catalog::pack("never-block")?;
    let names = || {
        pack.entries.iter().filter_map(|entry| match &entry.subject {
            Subject::Host { host, .. } if entry.action == Action::NeverBlock => Some(host.as_str()),
            _ => None,
        })
    };
    let harm = |name: &str, rule: RuleRef, subject: &str, what: &str| {
        let text = policy.rule_text(rule, subject);
        let (line, list) = (text.line, text.list.to_string());
        let why =
            format!("{name} must stay reachable, and line {line} of list {list:?} blocks {what}");
        Some(Harm { why, list })
    };
    if let Some((name, rule)) = policy.would_block(names()) {
        return harm(name, rule, name, "it");
    }
    // Address rules are rare; without any there is nothing to ask.
    policy.rules().prefixes().next()?;
    let is_of_a_list = |rule: &RuleRef| usize::from(rule.list) < policy.rules().lists().len();
    let blocks =
        |address: IpAddr| match policy.judge_address(clock::now(), address, &Client::Host(None)) {
            Verdict::Block(stop) => Some(stop.rule).filter(is_of_a_list),
            Verdict::Watch(_) | Verdict::Pass(_) => None,
        };
    let begun = clock::now();
    for name in MOST_USED.into_iter().chain(names()).take(MOST_ASKED) {
        if clock::now().since(begun) > LONGEST_ASKING {
            return None; // nobody answers
        }
        let Ok(addresses) = dial.resolve(name) else { continue };
        if let Some((address, rule)) = addresses.iter().find_map(|&a| Some((a, blocks(a)?))) {
            let subject = address.to_string();
            return harm(name, rule, &subject, &format!("its address {subject}"));
        }
    }
    None
}

/// Names of `never-block` by which most devices tell whether they are online.
const MOST_USED: [&str; 6] = [
    "connectivitycheck.gstatic.com",
    "captive.apple.com",
    "www.msftconnecttest.com",
    "detectportal.firefox.com",
    "connectivitycheck.android.com",
    "clients3.google.com",
];
/// Names of `never-block` whose addresses are looked up after a change, those first.
const MOST_ASKED: usize = 16;
/// After this no other name is looked up: without a network each takes seconds.
const LONGEST_ASKING: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_is_looked_up_first_is_protected() {
        let policy = Policy::builder(Arc::new(crate::core::rules::RuleSet::embedded())).build();
        for name in MOST_USED {
            let verdict = policy.judge(clock::now(), name, &Client::Host(None));
            let pass = matches!(verdict, Verdict::Pass(crate::core::verdict::Why::NeverBlock(_)));
            assert!(pass, "{name}: {verdict:?}");
        }
    }
}
