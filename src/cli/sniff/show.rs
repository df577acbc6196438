//! Flows of a capture, for people and for programs.

use std::fmt::Write;
use std::io;
use std::net::SocketAddr;

use serde::Serialize;

use crate::cli::page::{Ink, Page, Side, Span, count, ink, number, outcome, plain};
use crate::cli::who;
use crate::core::event::Outcome;
use crate::core::flow::Protocol;
use crate::core::host::HostName;
use crate::core::policy::Policy;
use crate::core::replay::{Counters, Said, Seen};
use crate::core::sniff::{Cause, Spoken};
use crate::core::verdict::{RuleText, Verdict, Via};

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
            cause: flow.cause,
            outcome: outcome_of(flow.verdict),
            by: rule.as_ref().map(|_| if flow.via == Via::Address { "address" } else { "name" }),
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
    let of = |outcome| flows.iter().filter(|flow| outcome_of(flow.verdict) == outcome).count();
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
    let verdict = outcome_of(flow.verdict);
    let why = rule(flow, policy).map_or_else(String::new, |rule| {
        let by = if flow.via == Via::Address { " (by address)" } else { "" };
        format!("{} {}{by}", who::place(&rule), rule.text)
    });
    let ends = format!("{} {arrow} {}", flow.client, flow.server);
    vec![plain(ends), plain(spoken), what(flow), outcome(verdict), plain(why)]
}

/// The names, or why there are none.
fn what(flow: &Seen) -> Span {
    let mut text = match (flow.names.as_slice(), flow.cause) {
        ([], cause) => {
            return ink(cause.map_or_else(String::new, |cause| format!("({cause})")), Ink::Faint);
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
    let subject = match (&flow.via, flow.names.first()) {
        (Via::Address, _) | (_, None) => flow.server.ip().to_string(),
        (_, Some(name)) => name.to_string(),
    };
    flow.verdict.rule().map(|rule| (*policy.rule_text(rule, &subject)).clone())
}

fn outcome_of(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Block(_) => Outcome::Blocked,
        Verdict::Watch(_) => Outcome::Watched,
        Verdict::Pass(_) => Outcome::Passed,
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
