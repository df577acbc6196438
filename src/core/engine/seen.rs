//! A flow that was looked into, as an event for people.

use std::sync::Arc;

use crate::core::event::{Event, Kind, Learnt, Outcome, Traffic};
use crate::core::flow::Protocol;
use crate::core::flows::inline::{self, Refusal, Seen};
use crate::core::policy::Policy;
use crate::core::sniff::Spoken;
use crate::core::verdict::{RuleText, Verdict, Via};

/// What happened with a flow, in the words of `policy`, by which it was decided.
pub(super) fn event(seen: &Seen, policy: &Policy) -> (Event, Traffic) {
    let (protocol, to) = (seen.tuple.protocol, seen.tuple.destination);
    let kind = Kind::Connection { protocol, port: to.port(), address: to.ip() };
    let outcome = match seen.verdict {
        _ if seen.refused => Outcome::Blocked,
        Verdict::Watch(_) => Outcome::Watched,
        Verdict::Block(_) | Verdict::Pass(_) => Outcome::Passed,
    };
    let learnt = match seen.learnt {
        inline::Learnt::Said => said(seen),
        inline::Learnt::Answers => Some(Learnt::Answer),
        inline::Learnt::Address => Some(Learnt::Address),
        inline::Learnt::Not(_) => None,
    };
    let unnamed = match seen.learnt {
        inline::Learnt::Not(cause) => Some(cause),
        _ => None,
    };
    let (host, client, ech) = (seen.host.clone(), seen.client.clone(), seen.ech);
    let evidence = evidence(seen, policy);
    let event = Event { kind, outcome, host, client, evidence, learnt, unnamed, ech };
    (event, Traffic { bytes_up: seen.bytes, lasted: seen.age })
}

/// In which protocol the client said it.
fn said(seen: &Seen) -> Option<Learnt> {
    Some(match (seen.spoken?, seen.tuple.protocol) {
        (Spoken::Http(..) | Spoken::Http2, _) => Learnt::Http,
        (_, Protocol::Udp) => Learnt::Quic,
        (_, Protocol::Tcp) => Learnt::Tls,
    })
}

fn evidence(seen: &Seen, policy: &Policy) -> Option<(Arc<RuleText>, Via)> {
    if seen.refusal == Some(Refusal::NamelessDot) {
        return Some((nameless(), Via::Address));
    }
    let to = seen.tuple.destination;
    match (seen.verdict.rule(), &seen.host) {
        (Some(rule), Some(host)) if seen.learnt != inline::Learnt::Address => {
            Some((policy.rule_text(rule, host.as_str()), Via::Name))
        }
        (Some(rule), _) => Some((policy.rule_text(rule, &to.ip().to_string()), Via::Address)),
        (None, _) => None,
    }
}

/// Why DNS over TLS that names no resolver is refused: it is no rule of a list.
fn nameless() -> Arc<RuleText> {
    Arc::new(RuleText {
        list: RESOLVERS.into(),
        line: 0,
        text: NAMELESS.into(),
        vendor: Some(BYPASS.into()),
    })
}

const RESOLVERS: &str = "encrypted resolvers";
const NAMELESS: &str = "DNS over TLS without a name (port 853)";
const BYPASS: &str = "bypass"; // key of the pack of encrypted resolvers
