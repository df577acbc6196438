//! A report as one page for a browser: no script, no other file, nothing that is fetched.
//!
//! Names of hosts and programs come from the network. Each is written by [`escaped`].

use std::fmt::{self, Display, Write};

use jiff::tz::TimeZone;

use crate::cli::page::{count, number};
use crate::cli::{time, who};
use crate::request::{Report, ReportClient, ReportHost, ReportVendor};

/// The page.
#[must_use]
pub(crate) fn page(report: &Report, zone: &TimeZone) -> String {
    let mut html = String::with_capacity(ROOM);
    // Writing to a string does not fail.
    let _ = write_page(&mut html, report, zone);
    html
}

fn write_page(to: &mut String, report: &Report, zone: &TimeZone) -> fmt::Result {
    let [from, until] = [report.since, report.until].map(|at| time::show_minute(at, zone));
    write!(
        to,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src \
         'unsafe-inline'\">\n\
         <title>optout: who called home</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>Who called home</h1>\n<p class=\"when\">From {from} to {until}</p>\n<ul class=\"sums\">\n"
    )?;
    for (class, sum, what) in [
        ("blocked", report.blocked, "blocked"),
        ("watched", report.watched, "watched"),
        ("", report.passed, "passed"),
    ] {
        writeln!(to, "<li class=\"{class}\"><b>{}</b> {what}</li>", number(sum))?;
    }
    to.push_str("</ul>\n");
    if report.blocked + report.watched == 0 {
        to.push_str("<p>Nothing was stopped, and nothing watched.</p>\n");
    } else {
        opt_outs(to, &report.vendors)?;
        vendors(to, &report.vendors)?;
        hosts(to, &report.hosts)?;
        clients(to, &report.clients)?;
    }
    writeln!(
        to,
        "<footer>Made by optout {} on this device. It was sent to nobody.</footer>\n</main>\n\
         </body>\n</html>",
        env!("CARGO_PKG_VERSION")
    )
}

/// The point of it all.
fn opt_outs(to: &mut String, vendors: &[ReportVendor]) -> fmt::Result {
    let dated = |it: &ReportVendor| Some((it.opted_out.clone()?, it.since_opt_out?));
    let mut dated = vendors.iter().filter_map(|it| Some((it, dated(it)?))).peekable();
    if dated.peek().is_none() {
        return Ok(());
    }
    to.push_str("<h2>You opted out</h2>\n<ul class=\"audit\">\n");
    for (vendor, (day, attempts)) in dated {
        let (name, day) = (escaped(&vendor.name), escaped(&day));
        let said = match attempts {
            0 => "no attempt since".to_owned(),
            n => format!("<b class=\"blocked\">{}</b> since", count(n, "attempt")),
        };
        writeln!(to, "<li>{name}, on {day}: {said}</li>")?;
    }
    to.push_str("</ul>\n");
    Ok(())
}

fn vendors(to: &mut String, vendors: &[ReportVendor]) -> fmt::Result {
    let most = vendors.iter().map(|it| it.blocked + it.watched).max().unwrap_or(0).max(1);
    to.push_str("<h2>Vendors</h2>\n<table>\n");
    head(to, &["Vendor", "", "Blocked", "Watched", "Hosts"])?;
    for vendor in vendors {
        let name = if vendor.vendor.is_empty() { "in no pack" } else { &vendor.name };
        // Two numbers of a hundred parts; no picture, so that it also prints.
        let part = |n: u64| u128::from(n) * 100 / u128::from(most);
        let (blocked, watched) = (part(vendor.blocked), part(vendor.watched));
        writeln!(
            to,
            "<tr><th scope=\"row\">{}</th><td class=\"bar\"><i style=\"width:{blocked}%\"></i>\
             <i class=\"w\" style=\"width:{watched}%\"></i></td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escaped(name),
            number(vendor.blocked),
            number(vendor.watched),
            number(vendor.hosts),
        )?;
    }
    to.push_str("</table>\n");
    Ok(())
}

fn hosts(to: &mut String, hosts: &[ReportHost]) -> fmt::Result {
    to.push_str("<h2>Hosts</h2>\n<table>\n");
    head(to, &["Host", "What was done", "Questions", "Connections", "Stopped by"])?;
    for host in hosts.iter().take(MOST_ROWS) {
        let rule = host.rule.as_ref().map(|rule| format!("{} ({})", rule.text, who::place(rule)));
        writeln!(
            to,
            "<tr><th scope=\"row\">{}{}</th><td class=\"{outcome}\">{outcome}</td><td>{}</td>\
             <td>{}</td><td class=\"text\">{}</td></tr>",
            escaped(&host.host),
            Collects(host.collects.as_deref()),
            number(host.queries),
            number(host.connections),
            escaped(&rule.unwrap_or_default()),
            outcome = host.outcome.as_str(),
        )?;
    }
    end(to, hosts.len())
}

fn clients(to: &mut String, clients: &[ReportClient]) -> fmt::Result {
    to.push_str("<h2>Programs and clients</h2>\n<table>\n");
    head(to, &["Who", "Blocked", "Watched", "Passed"])?;
    for client in clients.iter().take(MOST_ROWS) {
        writeln!(
            to,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td></tr>",
            escaped(&who::client(&client.client)),
            number(client.blocked),
            number(client.watched),
            number(client.passed),
        )?;
    }
    end(to, clients.len())
}

fn head(to: &mut String, names: &[&str]) -> fmt::Result {
    to.push_str("<tr>");
    for name in names {
        write!(to, "<th scope=\"col\">{name}</th>")?;
    }
    to.push_str("</tr>\n");
    Ok(())
}

fn end(to: &mut String, rows: usize) -> fmt::Result {
    to.push_str("</table>\n");
    match rows.saturating_sub(MOST_ROWS) {
        0 => Ok(()),
        more => writeln!(to, "<p>and {more} more</p>"),
    }
}

/// What is collected, in small below the host.
struct Collects<'a>(Option<&'a str>);

impl Display for Collects<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |what| write!(f, "<small>{}</small>", escaped(what)))
    }
}

/// Text that stays text, in an element and in an attribute (HTML § 13.3). What has no
/// shape, or turns the direction of writing, is not written.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' => {}
            _ if letter.is_control() => {}
            _ => safe.push(letter),
        }
    }
    safe
}

const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1b1f24;--faint:#5b6570;--line:#d8dee4;--page:#fff;
--red:#b3261e;--amber:#8a5a00}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ec;--faint:#9aa4ae;--line:#3a424b;
--page:#14181c;--red:#ff8a80;--amber:#f2b94b}}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:1.5rem 1rem}
h1{font-size:1.6rem;margin:0}h2{font-size:1.15rem;margin:2rem 0 .5rem}
.when,small,footer{color:var(--faint)}.blocked{color:var(--red)}.watched{color:var(--amber)}
.sums{display:flex;flex-wrap:wrap;gap:.5rem 2rem;padding:0;list-style:none}.sums b{font-size:1.5rem}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.35rem .75rem .35rem 0;border-bottom:1px solid var(--line);
overflow-wrap:anywhere}th[scope=row]{font-weight:500}th[scope=col]{color:var(--faint);font-weight:400;
font-size:.85rem;overflow-wrap:normal}small{display:block;font-weight:400}
.bar{width:30%;min-width:4rem}.bar i{display:inline-block;height:.7rem;background:var(--red)}
.bar .w{background:var(--amber)}.text{color:var(--faint);font-size:.85rem}
footer{margin-top:2.5rem;font-size:.85rem}
@media(max-width:40rem){.text,th:nth-child(5){display:none}}
";

/// Rows of a table. A person reads some dozens; `--json` has all.
const MOST_ROWS: usize = 200;

/// A page of a week, in bytes.
const ROOM: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::escape::HOSTILE;
    use crate::cli::who::tests::{hostile_client, hostile_rule};
    use crate::core::event::Outcome;

    fn report() -> Report {
        Report {
            since: 1_762_000_000,
            until: 1_762_600_000,
            blocked: 1234,
            watched: 5,
            passed: 6789,
            vendors: vec![ReportVendor {
                vendor: "acme".into(),
                name: "Acme & Sons".into(),
                blocked: 1234,
                watched: 5,
                hosts: 2,
                opted_out: Some("2026-11-01".into()),
                since_opt_out: Some(12),
                ..ReportVendor::default()
            }],
            hosts: vec![ReportHost {
                host: "open.acme.example".into(),
                outcome: Outcome::Blocked,
                queries: 1000,
                connections: 234,
                rule: None,
                collects: Some("IMEI, <every> app".into()),
            }],
            clients: Vec::new(),
        }
    }

    #[test]
    fn it_says_what_was_stopped_and_whether_an_opt_out_was_kept() {
        let page = page(&report(), &TimeZone::UTC);
        for want in [
            "<b>1,234</b> blocked",
            "Acme &amp; Sons, on 2026-11-01: <b class=\"blocked\">12 attempts</b> since",
            "open.acme.example<small>IMEI, &lt;every&gt; app</small>",
            "<td>234</td>",
        ] {
            assert!(page.contains(want), "no {want:?} in\n{page}");
        }
    }

    #[test]
    fn it_needs_no_other_file_and_runs_nothing() {
        let page = page(&report(), &TimeZone::UTC);
        for none in ["<script", "src=", "href=", "url(", "@import", "http://", "https://"] {
            assert!(!page.contains(none), "{none}");
        }
    }

    #[test]
    fn what_comes_from_the_network_stays_text() {
        let mut report = report();
        let bad = format!("<img src=x onerror=alert(1)>\"'{HOSTILE}");
        report.vendors[0].name.clone_from(&bad);
        report.vendors[0].opted_out = Some(bad.clone());
        report.hosts[0].host.clone_from(&bad);
        report.hosts[0].collects = Some(bad);
        report.hosts[0].rule = Some(hostile_rule());
        report.clients =
            vec![ReportClient { client: hostile_client(), blocked: 1, watched: 0, passed: 0 }];
        let page = page(&report, &TimeZone::UTC);
        assert!(!page.contains("<img"), "{page}");
        assert!(page.chars().all(|letter| letter == '\n' || !letter.is_control()));
        assert!(!page.contains('\u{202e}'), "{page}");
    }

    #[test]
    fn a_report_without_end_makes_a_page_with_one() {
        let mut report = report();
        report.hosts = vec![report.hosts[0].clone(); 100_000];
        let page = page(&report, &TimeZone::UTC);
        assert!(page.len() < 100_000 && page.contains("99800 more"), "{}", page.len());
    }
}
