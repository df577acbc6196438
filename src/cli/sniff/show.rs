//! Flows of a capture, for people and for programs.

use std::fmt::Write;
use std::io;
use std::net::SocketAddr;

use serde::Serialize;

use crate::cli::page::{Ink, Page, Side, Span, count, ink, number, outcome, plain};
use crate::cli::who;
use crate::core::event::Outcome;
use crate::core::flow::Protocol;
use crate::core::flows::inline::{Learnt, Refusal};
use crate::core::host::HostName;
use crate::core::policy::Policy;
use crate::core::replay::{Counters, Said, Seen};
use crate::core::sniff::{Cause, Spoken};
use crate::core::verdict::{RuleText, Verdict};

/// A flow as `--json` has it.
#[derive(Debug, Serialize)]
struct FlowLine<'a> {
    first_ms: u64,
    client: SocketAddr,
    server: SocketAddr,
    protocol: Protocol,
    application: Option<&'static str>,
    spoken: Option<String>,
    tried: Vec<String>,
    host: Option<&'a HostName>,
    names: &'a [HostName],
    ech: bool,
    doubtful: bool,
    answered: &'a [HostName],
    cause: Option<Cause>,
    outcome: Outcome,
    by: Option<&'static str>,
    rule: Option<RuleText>,
    packets: u64,
    bytes: u64,
    missing: u64,
}

/// One object a flow.
pub(super) fn objects(flows: &[Seen], policy: &Policy, page: &mut Page<'_>) -> io::Result<()> {
    flows.iter().try_for_each(|flow| {
        let rule = rule(flow, policy);
        page.json(&FlowLine {
            first_ms: flow.first.as_micros() / 1000,
            client: flow.client,
            server: flow.server,
            protocol: flow.protocol,
            application: flow.spoken.map(application),
            spoken: flow.spoken.map(|spoken| spoken.to_string()),
            tried: flow.before.iter().map(Spoken::to_string).collect(),
            host: flow.names.first(),
            names: &flow.names,
            ech: flow.ech,
            doubtful: flow.doubtful,
            answered: &flow.answered,
            cause: flow.cause,
            outcome: outcome_of(flow),
            by: by(flow),
            rule,
            packets: flow.packets,
            bytes: flow.bytes,
            missing: flow.missing,
        })
    })
}

/// One line a flow, and one of totals.
pub(super) fn table(
    flows: &[Seen],
    policy: &Policy,
    counters: &Counters,
    page: &mut Page<'_>,
) -> io::Result<()> {
    let arrow = if page.look.unicode { "→" } else { "->" };
    let rows: Vec<_> = flows.iter().map(|flow| row(flow, policy, arrow)).collect();
    page.table(&[Side::Left; 5], &rows)?;
    let named = flows.iter().filter(|flow| !flow.names.is_empty()).count() as u64;
    let all = flows.len() as u64;
    let of = |outcome| flows.iter().filter(|flow| outcome_of(flow) == outcome).count();
    let other = match counters.other + counters.fragments {
        0 => String::new(),
        other => format!(" ({} parts of datagrams or neither TCP nor UDP)", number(other)),
    };
    page.say(format_args!(
        "{}{other}, {}: {named} named, {} not; {} blocked, {} watched, {} passed",
        count(counters.packets, "packet"),
        count(all, "flow"),
        all - named,
        of(Outcome::Blocked),
        of(Outcome::Watched),
        of(Outcome::Passed),
    ))
}

/// What people should know of what was not looked into.
pub(super) fn notes(counters: &Counters) -> impl Iterator<Item = String> {
    let Counters { malformed, cut, over_bound, .. } = *counters;
    [
        (malformed, "with headers that do not add up"),
        (cut, "shorter in the capture than they were, so names may be missing"),
        (over_bound, "of more flows than are told apart, which were not looked into; split it"),
    ]
    .into_iter()
    .filter(|(packets, _)| *packets > 0)
    .map(|(packets, what)| format!("{} {what}", count(packets, "packet")))
}

fn row(flow: &Seen, policy: &Policy, arrow: &str) -> Vec<Span> {
    let spoken = flow.spoken.map_or_else(|| flow.protocol.to_string(), |said| said.to_string());
    let verdict = outcome_of(flow);
    let by = match by(flow) {
        Some("nameless-dot") => "DNS over TLS without a name",
        Some("address") => "(by address)",
        Some("answers") => "(by the answers for it)",
        _ => "",
    };
    let rule = rule(flow, policy).map(|rule| format!("{} {}", who::place(&rule), rule.text));
    let why = rule.iter().map(String::as_str).chain([by]).filter(|it| !it.is_empty());
    let why = why.collect::<Vec<_>>().join(" ");
    let ends = format!("{} {arrow} {}", flow.client, flow.server);
    vec![plain(ends), plain(spoken), what(flow), outcome(verdict), plain(why)]
}

/// The names, or why there are none.
fn what(flow: &Seen) -> Span {
    let mut text = match (flow.names.as_slice(), flow.cause) {
        ([], cause) => {
            let cause = cause.map_or_else(String::new, |cause| cause.to_string());
            let answered = flow.answered.first().map(|name| format!("; answered for {name}"));
            return ink(format_args!("({cause}{})", answered.unwrap_or_default()), Ink::Faint);
        }
        (names, _) => {
            let shown = names.iter().take(SHOWN).map(HostName::as_str).collect::<Vec<_>>();
            shown.join(", ")
        }
    };
    if flow.names.len() > SHOWN {
        let _ = write!(text, " and {} more", flow.names.len() - SHOWN); // a String takes all
    }
    if flow.ech {
        text += " (the outer name)";
    }
    if flow.doubtful {
        text += " (read in two ways)";
    }
    ink(text, Ink::Strong)
}

fn rule(flow: &Seen, policy: &Policy) -> Option<RuleText> {
    let name = match flow.decided.learnt {
        Learnt::Said => flow.names.first(),
        Learnt::Answers => flow.answered.first(),
        Learnt::Address | Learnt::Not(_) => None,
    };
    let subject = name.map_or_else(|| flow.server.ip().to_string(), HostName::to_string);
    flow.decided.verdict.rule().map(|rule| (*policy.rule_text(rule, &subject)).clone())
}

fn outcome_of(flow: &Seen) -> Outcome {
    match (flow.decided.refusal, flow.decided.verdict) {
        (Some(_), _) | (_, Verdict::Block(_)) => Outcome::Blocked,
        (None, Verdict::Watch(_)) => Outcome::Watched,
        (None, Verdict::Pass(_)) => Outcome::Passed,
    }
}

/// What decided, where something did.
fn by(flow: &Seen) -> Option<&'static str> {
    match (flow.decided.refusal, flow.decided.learnt) {
        (Some(Refusal::NamelessDot), _) => Some("nameless-dot"),
        _ if flow.decided.verdict.rule().is_none() => None,
        (_, Learnt::Said) => Some("name"),
        (_, Learnt::Answers) => Some("answers"),
        (_, Learnt::Address | Learnt::Not(_)) => Some("address"),
    }
}

fn application(said: Said) -> &'static str {
    match said {
        Said::Dns => "dns",
        Said::Sniffed(Spoken::Tls(_)) => "tls",
        Said::Sniffed(Spoken::Http(..) | Spoken::Http2) => "http",
        Said::Sniffed(Spoken::Quic(_)) => "quic",
        Said::Sniffed(Spoken::Dtls) => "dtls",
        Said::Sniffed(Spoken::Stun) => "stun",
        Said::Sniffed(Spoken::Ssh) => "ssh",
    }
}

/// Names of one flow that a table shows.
const SHOWN: usize = 3;
