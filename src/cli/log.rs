//! `optout log`

use std::io;
use std::ops::ControlFlow;

use crate::cli::page::{Ink, Page, ink, outcome, plain};
use crate::cli::{time, who};
use crate::core::event::Outcome;
use crate::request::{LogLine, LogQuery, Request, Response};
use crate::shell::control::client::Daemon;

/// Show who asked for what, and what was done with it
///
/// One line an event: time, outcome, kind (a type of DNS question, or protocol
/// and port of a connection), host, program or client, and the rule that
/// decided with the list and line it is written in. Of a connection that was
/// looked into it is told where to it went, how its host was learnt, or why it
/// has none, and `ech` if the client hid it. Filters are joined by and.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[command(after_help = EXAMPLES)]
pub(super) struct Log {
    /// Stay, and show what comes
    #[arg(short, long)]
    follow: bool,
    /// Show at most so many, the newest; 0 for all [default: 100; 10 with -f; 0 with --since]
    #[arg(short = 'n', long = "lines", value_name = "N")]
    last: Option<u64>,
    /// Only what was stopped
    #[arg(long, conflicts_with_all = ["watched", "passed"])]
    blocked: bool,
    /// Only what would have been stopped
    #[arg(long, conflicts_with = "passed")]
    watched: bool,
    /// Only what was let through
    #[arg(long)]
    passed: bool,
    /// Only hosts that contain this text
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Only of this program
    #[arg(long, value_name = "PROGRAM")]
    app: Option<String>,
    /// Only of this client: its address or name
    #[arg(long)]
    client: Option<String>,
    /// Only of this vendor
    #[arg(long)]
    vendor: Option<String>,
    /// Only from then on: 1h, 7d, 2026-11-01, 2026-11-01T18:30
    #[arg(long, value_name = "WHEN", value_parser = time::parse_since)]
    since: Option<time::Since>,
    /// Print one JSON object a line (docs/control.md describes it)
    #[arg(long)]
    json: bool,
}

impl Log {
    pub(super) fn run(&self, daemon: &mut dyn Daemon, page: &mut Page<'_>) -> anyhow::Result<()> {
        let mut written = Ok(());
        let request = Request::Log(self.query(page));
        daemon.ask_each(&request, &mut |response| {
            let Response::Log(line) = response else { return ControlFlow::Continue(()) };
            written = self.show(&line, page);
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(written?)
    }

    fn query(&self, page: &Page<'_>) -> LogQuery {
        let default = match (self.follow, self.since) {
            (_, Some(_)) => 0,
            (true, None) => 10,
            (false, None) => 100,
        };
        let outcomes = [
            (self.blocked, Outcome::Blocked),
            (self.watched, Outcome::Watched),
            (self.passed, Outcome::Passed),
        ];
        LogQuery {
            follow: self.follow,
            last: self.last.unwrap_or(default),
            since: self.since.map(|since| since.resolve(page.look.now, &page.look.zone)),
            outcome: outcomes.into_iter().find_map(|(asked, outcome)| asked.then_some(outcome)),
            name: self.name.as_ref().map(|name| name.to_ascii_lowercase()),
            app: self.app.clone(),
            client: self.client.clone(),
            vendor: self.vendor.clone(),
        }
    }

    fn show(&self, line: &LogLine, page: &mut Page<'_>) -> io::Result<()> {
        if self.json {
            page.json(line)?;
        } else {
            show(line, page)?;
        }
        if self.follow { page.flush() } else { Ok(()) }
    }
}

/// Columns have fixed widths: the next lines are not known yet.
fn show(line: &LogLine, page: &mut Page<'_>) -> io::Result<()> {
    let when = time::show_second(line.last_ms.div_euclid(1000), &page.look.zone);
    let kind = match (&line.query, &line.connection) {
        (_, Some((protocol, port, _))) => format!("{protocol}/{port}"),
        (Some(query), None) => query.clone(),
        (None, None) => String::new(),
    };
    let subject = match (&line.host, &line.connection) {
        (Some(host), _) => host.to_string(),
        (None, Some((_, _, address))) => address.to_string(),
        (None, None) => String::new(),
    };
    let times = if line.count > 1 { format!(" x{}", line.count) } else { String::new() };
    let via = line.via.as_ref().and_then(who::via);
    let rule = line.rule.as_ref().map(who::place);
    let why: Vec<_> = [rule, via].into_iter().flatten().chain(who::learnt(line)).collect();
    let client = who::client(&line.client);
    page.line(&[
        ink(format_args!("{when}  "), Ink::Faint),
        outcome(line.outcome),
        plain(format_args!("  {kind:<8} {:<40} {client:<24} ", subject + &times)),
        ink(why.join(", "), Ink::Faint),
    ])
}

const EXAMPLES: &str = "\
Examples:
  optout log -f --blocked             watch what is stopped
  optout log --since 1d --app chrome  what Chrome did today
  optout log --vendor xiaomi -n 0     all that is stored of a vendor";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::page::tests::{assert_harmless, printed};
    use crate::cli::who::tests::{hostile_client, hostile_rule};
    use crate::core::event::Learnt;
    use crate::core::flow::Protocol;
    use crate::core::sniff::Cause;
    use crate::core::verdict::{RuleText, Via};
    use crate::request::ClientLine;

    fn line() -> LogLine {
        LogLine {
            first_ms: 1_795_348_800_000,
            last_ms: 1_795_348_805_999,
            count: 3,
            outcome: Outcome::Blocked,
            host: Some("t.vendor.example".parse().unwrap()),
            query: Some("AAAA".into()),
            connection: None,
            client: ClientLine { program: Some("curl".into()), ..ClientLine::default() },
            rule: Some(RuleText {
                list: "acme".into(),
                line: 12,
                text: "*.vendor.example".into(),
                vendor: None,
            }),
            via: Some(Via::Alias("cname.vendor.example".parse().unwrap())),
            learnt: None,
            unnamed: None,
            ech: false,
            bytes_up: None,
            ms: None,
        }
    }

    #[test]
    fn lines_stand_in_columns() {
        let connection = LogLine {
            count: 1,
            query: None,
            connection: Some((Protocol::Tcp, 443, "198.18.1.0".parse().unwrap())),
            host: None,
            rule: None,
            via: None,
            outcome: Outcome::Passed,
            ..line()
        };
        let hidden = LogLine {
            count: 2,
            host: line().host,
            connection: Some((Protocol::Tcp, 443, "203.0.113.7".parse().unwrap())),
            learnt: Some(Learnt::Tls),
            ech: true,
            bytes_up: Some(1034),
            ms: Some(41),
            ..connection.clone()
        };
        let unnamed = LogLine {
            connection: Some((Protocol::Udp, 443, "2001:db8::7".parse().unwrap())),
            unnamed: Some(Cause::UnknownVersion),
            ..connection.clone()
        };
        let text = printed(|page| {
            for line in [&line(), &connection, &hidden, &unnamed] {
                show(line, page)?;
            }
            Ok(())
        });
        assert_eq!(text, LINES);
    }

    const LINES: &str = "\
2026-11-22 14:00:05  blocked  AAAA     t.vendor.example x3                      \
curl                     acme:12, alias of cname.vendor.example
2026-11-22 14:00:05  passed  tcp/443  198.18.1.0                               \
curl                     \n\
2026-11-22 14:00:05  passed  tcp/443  t.vendor.example x2                      \
curl                     tls 203.0.113.7:443, ech
2026-11-22 14:00:05  passed  udp/443  2001:db8::7                              \
curl                     no name: unknown version
";

    #[test]
    fn a_hostile_line_is_harmless() {
        let hostile = LogLine {
            client: hostile_client(),
            rule: Some(hostile_rule()),
            query: Some(crate::cli::escape::HOSTILE.into()),
            host: Some(crate::core::host::HostName::from_labels([&b"\x1b[2J\n"[..]])),
            last_ms: i64::MAX,
            ..line()
        };
        assert_harmless(&printed(|page| show(&hostile, page)));
        assert_harmless(&printed(|page| page.json(&hostile)));
    }
}
