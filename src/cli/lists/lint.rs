//! `optout lists lint`

use std::io;
use std::path::PathBuf;

use crate::cli::Wrong;
use crate::cli::lists::add::{parse_format, parse_yes};
use crate::cli::lists::change::counts;
use crate::cli::page::{Ink, Page, Side, ink, number, plain};
use crate::core::list::Format;
use crate::shell::lists::lint;

/// Say what would be made of a list, without using it
///
/// Counts what is kept, what is not for DNS, what optout does not do, what is no
/// rule and what no list may say, each with its reason. `--lines` shows every
/// line that is not used. Exit code 0: it can be used. 1: it cannot.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Lint {
    /// Files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// hosts, domains, wildcard, adblock, dnsmasq, unbound, rpz, dnscrypt or ips
    #[arg(long, value_parser = parse_format)]
    format: Option<Format>,
    /// Whether a bare name covers what is below it
    #[arg(long, value_name = "yes|no", value_parser = parse_yes)]
    subdomains: Option<bool>,
    /// It may name whole top-level domains
    #[arg(long)]
    tlds: bool,
    /// Show every line that is not used, with its reason
    #[arg(long)]
    lines: bool,
    /// Print one JSON object a file
    #[arg(long)]
    json: bool,
}

impl Lint {
    pub(super) fn run(&self, page: &mut Page<'_>) -> anyhow::Result<()> {
        let how = lint::How { format: self.format, subdomains: self.subdomains, tlds: self.tlds };
        let mut unusable = 0_usize;
        for path in &self.files {
            let mut lines = Vec::new();
            let found = lint::lint(path, &how, |line| {
                if self.lines {
                    lines.push(line);
                }
            });
            let found = match found {
                Ok(found) => found,
                Err(error) => return Err(Wrong(error.to_string()).into()),
            };
            unusable += usize::from(found.no_list.is_some());
            if self.json {
                let mut value = serde_json::to_value(&found)?;
                if self.lines {
                    value["not_used"] = serde_json::to_value(&lines)?;
                }
                page.json(&value)?;
            } else {
                show(&found, &lines, page)?;
            }
        }
        match unusable {
            0 => Ok(()),
            1 if self.files.len() == 1 => anyhow::bail!("this file cannot be used as a list"),
            many => anyhow::bail!("{many} of {} files cannot be used as lists", self.files.len()),
        }
    }
}

fn show(found: &lint::Found, lines: &[lint::NotUsed], page: &mut Page<'_>) -> io::Result<()> {
    page.line(&[ink(found.file.display(), Ink::Strong)])?;
    if let Some(why) = &found.no_list {
        return page.line(&[plain("  "), ink(why, Ink::Red)]);
    }
    if let Some(title) = &found.title {
        page.field("Title", title)?;
    }
    let how = if found.detected { "found out" } else { "as you said" };
    let format = found.format.map_or("none", Format::as_str);
    page.field("Format", format_args!("{format} ({how})"))?;
    page.field(
        "A bare name",
        if found.subdomains { "covers what is below it" } else { "is exact" },
    )?;
    page.field("Lines", number(found.summary.lines))?;
    page.field("Comments", number(found.summary.comments))?;
    page.field("Rules", counts(&found.summary))?;
    if !found.summary.reasons.is_empty() {
        page.heading("Not used")?;
        let rows: Vec<_> = found
            .summary
            .reasons
            .iter()
            .map(|(fault, times)| {
                let class = serde_json::to_value(fault.class()).unwrap_or_default();
                vec![
                    plain(number(*times)),
                    plain(class.as_str().unwrap_or_default()),
                    plain(format_args!("it {fault}")),
                    ink(found.example(*fault), Ink::Faint),
                ]
            })
            .collect();
        page.table(&[Side::Right, Side::Left, Side::Left, Side::Below], &rows)?;
    }
    if !lines.is_empty() {
        page.heading("Line by line")?;
        for line in lines {
            let lint::NotUsed { line, fault, text } = line;
            page.line(&[
                plain(format_args!("  {line}: ")),
                ink(text, Ink::Strong),
                plain(format_args!("  it {fault}")),
            ])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::page::tests::{assert_harmless, printed};

    fn linted(name: &str, text: &[u8]) -> (lint::Found, Vec<lint::NotUsed>) {
        let path = std::env::temp_dir().join(format!("optout-lint-{name}-{}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let mut lines = Vec::new();
        let mut found = lint::lint(&path, &lint::How::default(), |line| lines.push(line)).unwrap();
        std::fs::remove_file(&path).unwrap();
        found.file = name.into();
        (found, lines)
    }

    #[test]
    fn what_becomes_of_a_list_is_said_line_by_line() {
        let text = b"! Title: Acme\n||t.example^\n||t.example^\n||u.example^$third-party\n\
                     a.example##.ad\n||com^\n";
        let (found, lines) = linted("acme", text);
        let said = printed(|page| show(&found, &lines, page));
        assert_eq!(said, ACME);
    }

    const ACME: &str = "\
acme
  Title        Acme
  Format       adblock (found out)
  A bare name  is exact
  Lines        6
  Comments     1
  Rules        1 rule kept, 1 duplicates, 2 not for DNS, 1 refused

Not used
  1  ignored  it changes how a page looks, which DNS cannot
      line 5: a.example##.ad
  1  ignored  it has a modifier that only a browser can apply
      line 4: ||u.example^$third-party
  1  refused  it names a public suffix, under which everyone has names
      line 6: ||com^

Line by line
  4: ||u.example^$third-party  it has a modifier that only a browser can apply
  5: a.example##.ad  it changes how a page looks, which DNS cannot
  6: ||com^  it names a public suffix, under which everyone has names
";

    #[test]
    fn what_is_no_list_is_said() {
        let (found, _) = linted("page", b"<!DOCTYPE html><p>Sign in</p>");
        assert!(found.no_list.is_some());
        let said = printed(|page| show(&found, &[], page));
        assert_eq!(said.lines().count(), 2, "{said}");
    }

    #[test]
    fn a_hostile_list_is_harmless() {
        // What has too many bytes of control is no text at all.
        let sound = "||t.example^\n".repeat(100);
        let text =
            format!("{sound}! Title: \u{1b}[2J\u{202e}\n||\u{1b}[31m\u{202e}<b>\u{7}.example^\n");
        let (found, lines) = linted("hostile", text.as_bytes());
        assert!(!lines.is_empty());
        assert_harmless(&printed(|page| show(&found, &lines, page)));
    }
}
