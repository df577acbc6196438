//! `optout report`

pub(crate) mod html;

use std::io;

use crate::cli::page::{Ink, Page, Side, Span, count, ink, number, outcome, plain};
use crate::cli::{time, who};
use crate::request::{Report, ReportHost, ReportVendor, Request, Response};
use crate::shell::control::client::Daemon;

/// Show what was stopped
///
/// Totals; by vendor, with the attempts since the day on which you opted out
/// there (`optout vendors NAME --opted-out DATE`); by host, with what is
/// collected there; and by program or client.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[command(after_help = EXAMPLES)]
pub(super) struct Show {
    /// From when on: 1h, 7d, 2026-11-01
    #[arg(long, value_name = "WHEN", default_value = "7d", value_parser = time::parse_since)]
    since: time::Since,
    /// Print one JSON object (docs/control.md describes it)
    #[arg(long)]
    json: bool,
    /// Print one line of CSV a host
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print a page for a browser, which needs no other file
    #[arg(long, conflicts_with_all = ["json", "csv"])]
    html: bool,
}

impl Show {
    pub(super) fn run(&self, daemon: &mut dyn Daemon, page: &mut Page<'_>) -> anyhow::Result<()> {
        let since = self.since.resolve(page.look.now, &page.look.zone);
        let Response::Report(report) = daemon.ask(&Request::Report { since })? else {
            return Err(super::unexpected().into());
        };
        if self.json {
            page.json(&report)?;
        } else if self.csv {
            show_csv(&report, page)?;
        } else if self.html {
            page.raw(&html::page(&report, &page.look.zone))?;
        } else {
            show(&report, page)?;
        }
        Ok(())
    }
}

/// Prints a report for people.
pub(super) fn show(report: &Report, page: &mut Page<'_>) -> io::Result<()> {
    let zone = page.look.zone.clone();
    let [from, to] = [report.since, report.until].map(|time| time::show_minute(time, &zone));
    page.line(&[ink(format_args!("From {from} to {to}"), Ink::Strong)])?;
    page.line(&[
        plain("  "),
        ink(format_args!("{} blocked", number(report.blocked)), Ink::Red),
        plain("   "),
        ink(format_args!("{} watched", number(report.watched)), Ink::Yellow),
        plain(format_args!("   {} passed", number(report.passed))),
    ])?;
    if report.blocked + report.watched == 0 {
        return page.say("Nothing was stopped, and nothing watched.");
    }
    show_vendors(&report.vendors, page)?;
    show_hosts(&report.hosts, page)?;
    show_clients(report, page)
}

fn show_vendors(vendors: &[ReportVendor], page: &mut Page<'_>) -> io::Result<()> {
    page.heading("Vendors")?;
    let most = vendors.iter().map(|vendor| shown(vendor).0).max().unwrap_or(0);
    let unicode = page.look.unicode;
    let rows: Vec<_> = vendors
        .iter()
        .map(|vendor| {
            let (n, color) = shown(vendor);
            vec![
                plain(if vendor.vendor.is_empty() { "in no pack" } else { &vendor.name }),
                ink(bar(n, most, unicode), color),
                plain(number(n)),
                ink(vendor_note(vendor), Ink::Faint),
            ]
        })
        .collect();
    page.table(&[Side::Left, Side::Left, Side::Right, Side::Left], &rows)?;
    show_opt_outs(vendors, page)
}

/// The number that stands for a vendor: what was stopped; if nothing was, what was watched.
fn shown(vendor: &ReportVendor) -> (u64, Ink) {
    match vendor.blocked {
        0 => (vendor.watched, Ink::Yellow),
        n => (n, Ink::Red),
    }
}

fn vendor_note(vendor: &ReportVendor) -> String {
    let hosts = count(vendor.hosts, "host");
    match (vendor.blocked, vendor.watched) {
        (0, _) => format!("watched, {hosts}"),
        (_, 0) => format!("blocked, {hosts}"),
        (_, watched) => format!("blocked, {} watched, {hosts}", number(watched)),
    }
}

/// The point of it all.
fn show_opt_outs(vendors: &[ReportVendor], page: &mut Page<'_>) -> io::Result<()> {
    let mut first = true;
    for vendor in vendors {
        let (Some(day), Some(attempts)) = (&vendor.opted_out, vendor.since_opt_out) else {
            continue;
        };
        if first {
            page.heading("You opted out")?;
            first = false;
        }
        let color = if attempts > 0 { Ink::Red } else { Ink::Green };
        page.line(&[
            plain(format_args!("  {}: opted out on {day}: ", vendor.name)),
            ink(format_args!("{} since", count(attempts, "attempt")), color),
        ])?;
    }
    Ok(())
}

fn show_hosts(hosts: &[ReportHost], page: &mut Page<'_>) -> io::Result<()> {
    page.heading("Hosts")?;
    let rows: Vec<_> = hosts.iter().take(SHOWN).map(host_row).collect();
    page.table(&[Side::Left, Side::Left, Side::Left, Side::Below], &rows)?;
    and_more(hosts.len(), page)
}

fn host_row(host: &ReportHost) -> Vec<Span> {
    let mut tried = count(host.queries, "question");
    if host.connections > 0 {
        tried = format!("{tried}, {}", count(host.connections, "connection"));
    }
    vec![
        plain(&host.host),
        outcome(host.outcome),
        plain(tried),
        ink(host.collects.as_deref().unwrap_or(""), Ink::Faint),
    ]
}

fn show_clients(report: &Report, page: &mut Page<'_>) -> io::Result<()> {
    page.heading("Programs and clients")?;
    let rows: Vec<_> = report
        .clients
        .iter()
        .take(SHOWN)
        .map(|client| {
            vec![
                plain(who::client(&client.client)),
                ink(format_args!("{} blocked", number(client.blocked)), Ink::Red),
                ink(format_args!("{} watched", number(client.watched)), Ink::Yellow),
                plain(format_args!("{} passed", number(client.passed))),
            ]
        })
        .collect();
    page.table(&[Side::Left, Side::Right, Side::Right, Side::Right], &rows)?;
    and_more(report.clients.len(), page)
}

fn and_more(rows: usize, page: &mut Page<'_>) -> io::Result<()> {
    match rows.saturating_sub(SHOWN) {
        0 => Ok(()),
        more => page.line(&[ink(format_args!("  and {more} more; --json has all"), Ink::Faint)]),
    }
}

/// A bar of eighths; whatever is not nothing is seen.
fn bar(n: u64, most: u64, unicode: bool) -> String {
    let share = u128::from(n) * (BAR * 8) / u128::from(most.max(1));
    let eighths = usize::try_from(share.min(BAR * 8)).unwrap_or(0).max(usize::from(n > 0));
    if !unicode {
        return "#".repeat(eighths.div_ceil(8));
    }
    let part = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"].get(eighths % 8).copied().unwrap_or("");
    "█".repeat(eighths / 8) + part
}

fn show_csv(report: &Report, page: &mut Page<'_>) -> io::Result<()> {
    page.csv(&[
        "host",
        "outcome",
        "queries",
        "connections",
        "vendor",
        "list",
        "line",
        "rule",
        "collects",
    ])?;
    for host in &report.hosts {
        let rule = host.rule.as_ref();
        page.csv(&[
            &host.host,
            host.outcome.as_str(),
            &host.queries.to_string(),
            &host.connections.to_string(),
            rule.and_then(|rule| rule.vendor.as_deref()).unwrap_or(""),
            rule.map_or("", |rule| &rule.list),
            &rule.map(|rule| rule.line.to_string()).unwrap_or_default(),
            rule.map_or("", |rule| &rule.text),
            host.collects.as_deref().unwrap_or(""),
        ])?;
    }
    Ok(())
}

/// Characters of the longest bar.
const BAR: u128 = 16;

/// Rows of a table for people.
const SHOWN: usize = 15;

const EXAMPLES: &str = "\
Examples:
  optout report --since 2026-11-01
  optout report --since 30d --csv > report.csv
  optout report --since 30d --html > report.html";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::escape::HOSTILE;
    use crate::cli::page::tests::{assert_harmless, printed};
    use crate::cli::who::tests::{hostile_client, hostile_rule};
    use crate::core::event::Outcome;
    use crate::core::verdict::RuleText;
    use crate::request::{ClientLine, ReportClient};

    fn report() -> Report {
        let acme = ReportVendor {
            vendor: "acme".into(),
            name: "Acme".into(),
            blocked: 800,
            watched: 2,
            hosts: 3,
            opted_out: Some("2026-11-01".into()),
            since_opt_out: Some(1234),
            ..ReportVendor::default()
        };
        let other = ReportVendor {
            vendor: String::new(),
            blocked: 0,
            watched: 54,
            hosts: 1,
            opted_out: None,
            since_opt_out: None,
            ..acme.clone()
        };
        Report {
            since: 1_794_744_000,
            until: 1_795_348_800,
            blocked: 800,
            watched: 56,
            passed: 78_901,
            vendors: vec![acme, other],
            hosts: vec![ReportHost {
                host: "t.vendor.example".into(),
                outcome: Outcome::Blocked,
                queries: 797,
                connections: 3,
                rule: Some(RuleText {
                    list: "acme".into(),
                    line: 12,
                    text: "*.vendor.example".into(),
                    vendor: Some("acme".into()),
                }),
                collects: Some("IMEI, phone number".into()),
            }],
            clients: vec![ReportClient {
                client: ClientLine {
                    address: "192.0.2.7".parse().ok(),
                    name: Some("phone".into()),
                    ..ClientLine::default()
                },
                blocked: 800,
                watched: 56,
                passed: 78_901,
            }],
        }
    }

    #[test]
    fn a_report_reads_so() {
        assert_eq!(printed(|page| show(&report(), page)), REPORT);
    }

    const REPORT: &str = "\
From 2026-11-15 14:00 to 2026-11-22 14:00
  800 blocked   56 watched   78,901 passed

Vendors
  Acme        ████████████████  800  blocked, 2 watched, 3 hosts
  in no pack  █                  54  watched, 1 host

You opted out
  Acme: opted out on 2026-11-01: 1,234 attempts since

Hosts
  t.vendor.example  blocked  797 questions, 3 connections
      IMEI, phone number

Programs and clients
  phone (192.0.2.7)  800 blocked  56 watched  78,901 passed
";

    #[test]
    fn csv_has_a_line_a_host() {
        assert_eq!(printed(|page| show_csv(&report(), page)), CSV);
    }

    const CSV: &str = "\
host,outcome,queries,connections,vendor,list,line,rule,collects
t.vendor.example,blocked,797,3,acme,acme,12,*.vendor.example,\"IMEI, phone number\"
";

    #[test]
    fn an_empty_report_says_so() {
        let text = printed(|page| show(&Report::default(), page));
        assert!(text.ends_with("Nothing was stopped, and nothing watched.\n"), "{text}");
    }

    #[test]
    fn long_tables_are_cut_and_say_so() {
        let mut long = report();
        long.hosts = vec![long.hosts[0].clone(); 100];
        assert!(printed(|page| show(&long, page)).contains("  and 85 more; --json has all\n"));
    }

    #[test]
    fn bars_are_never_longer_than_the_longest_nor_nothing_for_something() {
        for (n, most, want) in [
            (0, 0, 0),
            (0, 9, 0),
            (1, u64::MAX, 1),
            (5, 5, 16),
            (u64::MAX, u64::MAX, 16),
            (9, 3, 16),
        ] {
            for unicode in [true, false] {
                assert_eq!(bar(n, most, unicode).chars().count(), want, "{n} of {most}");
            }
        }
        assert_eq!(bar(1, 16, false), "#");
        assert_eq!(bar(3, 32, true), "█▌");
    }

    #[test]
    fn a_hostile_report_is_harmless() {
        let mut hostile = report();
        hostile.vendors[0].name = HOSTILE.into();
        hostile.vendors[0].opted_out = Some(HOSTILE.into());
        hostile.hosts[0].host = HOSTILE.into();
        hostile.hosts[0].collects = Some(HOSTILE.into());
        hostile.hosts[0].rule = Some(hostile_rule());
        hostile.clients[0].client = hostile_client();
        assert_harmless(&printed(|page| show(&hostile, page)));
        let csv = printed(|page| show_csv(&hostile, page));
        assert_harmless(&csv);
        assert!(csv.contains("\n\"'=\\u{1b}"), "{csv}");
        assert_harmless(&printed(|page| page.json(&hostile)));
    }
}
