//! Line by line: options of dnsmasq, and zones of unbound.

use std::net::IpAddr;

use optout::core::rule::Action::{Allow, Block};
use optout::core::rule::Answer;

use crate::common::{below, exact, is_nowhere, name, prefix, wide};
use crate::statement::{Limits, Mask, Part, Start, Statement, Subject};

/// `address=/x/…`, `local=/x/`, `server=/x/`, `bogus-nxdomain=`.
pub(crate) fn dnsmasq(line: &str) -> Vec<Statement> {
    let line = line.trim_start();
    let comment =
        line.match_indices('#').find(|&(at, _)| at == 0 || line[..at].ends_with([' ', '\t']));
    let text = comment.map_or(line, |(at, _)| &line[..at]).replace('"', "");
    let Some((key, value)) = text.split_once('=') else { return Vec::new() };
    let (key, value) = (key.trim(), value.trim());
    if key == "bogus-nxdomain" {
        return prefix(value).map(|prefix| Statement::new(prefix, Block)).into_iter().collect();
    }
    let Some((domains, target)) = value.strip_prefix('/').and_then(|rest| rest.rsplit_once('/'))
    else {
        return Vec::new();
    };
    let target = target.trim();
    let nowhere = || target.parse::<IpAddr>().is_ok_and(is_nowhere);
    let action = match key {
        "address" if target.is_empty() || target == "#" || nowhere() => Block,
        "server" | "local" if target.is_empty() => Block,
        "server" | "local" if target == "#" => Allow,
        _ => return Vec::new(),
    };
    let subjects = domains.split('/').filter_map(domain);
    subjects.map(|subject| Statement::new(subject, action)).collect()
}

fn is_a_suffix(name: &str) -> bool {
    psl2::lookup(name).is_some_and(|domain| domain.is_public_suffix())
}

fn domain(text: &str) -> Option<Subject> {
    if let Some(rest) = text.strip_prefix("*.") {
        return name(rest).map(|name| below(&name));
    }
    if let Some(rest) = text.strip_prefix('*') {
        // Also of a suffix where an owner of a zone lets others have names.
        let end = name(rest).filter(|name| !is_a_suffix(name))?;
        let parts = end.bytes().map(Part::One).collect();
        return Some(Subject::Mask(Mask { start: Start::Anywhere, parts, ends: true }));
    }
    name(text.trim_start_matches('.')).map(|name| wide(&name))
}

/// `local-zone:` and `local-data:`, from one line to the next.
#[derive(Default)]
pub(crate) struct Unbound {
    in_view: bool,
    /// The zone whose data is that of all its names, and whether there was some.
    redirect: Option<(String, bool)>,
}

impl Unbound {
    pub(crate) fn line(&mut self, line: &str) -> Vec<Statement> {
        let mut all = Vec::new();
        let words = words(line);
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            match word {
                "local-zone:" => {
                    let (Some(zone), Some(kind)) = (words.next(), words.next()) else { break };
                    self.redirect = None;
                    if !self.in_view {
                        all.extend(self.zone(zone, kind));
                    }
                }
                "local-data:" => {
                    let Some(record) = words.next() else { break };
                    if !self.in_view {
                        all.extend(self.data(record));
                    }
                }
                "server:" => self.in_view = false,
                "view:" => self.in_view = true,
                clause if CLAUSES.contains(&clause) => self.in_view = false,
                _ => {}
            }
        }
        all
    }

    fn zone(&mut self, zone: &str, kind: &str) -> Option<Statement> {
        let name = name(zone)?;
        let block = |answer| Some(Statement { answer, ..Statement::new(wide(&name), Block) });
        match kind {
            "always_null" | "always_nxdomain" | "static" => block(Answer::Usual),
            "always_nodata" => block(Answer::Nodata),
            "always_refuse" | "refuse" => block(Answer::Refused),
            "always_deny" | "deny" | "inform_deny" => block(Answer::Drop),
            "block_a" => {
                let limits = Limits { types: vec![1], ..Limits::default() };
                block(Answer::Nodata).map(|said| Statement { limits, ..said })
            }
            "transparent" | "typetransparent" | "always_transparent" | "inform" => {
                Some(Statement::new(wide(&name), Allow))
            }
            "redirect" | "inform_redirect" => {
                self.redirect = Some((name, false));
                None
            }
            _ => None,
        }
    }

    fn data(&mut self, record: &str) -> Option<Statement> {
        let words: Vec<&str> = record.split_whitespace().collect();
        let [owner, middle @ .., kind, address] = words.as_slice() else { return None };
        if middle.iter().any(|word| *word != "IN" && word.parse::<u32>().is_err()) {
            return None;
        }
        let name = name(owner)?;
        let qtype = match *kind {
            "A" => 1,
            "AAAA" => 28,
            _ => 0,
        };
        let nowhere = qtype > 0 && address.parse::<IpAddr>().is_ok_and(is_nowhere);
        match &mut self.redirect {
            Some((zone, told)) if *zone == name => {
                let first = !std::mem::replace(told, true);
                (first && nowhere).then(|| Statement::new(wide(&name), Block))
            }
            _ => {
                let limits = Limits { types: vec![qtype], ..Limits::default() };
                let said = Statement { limits, ..Statement::new(exact(name.clone()), Block) };
                (nowhere && name.contains('.')).then_some(said)
            }
        }
    }
}

const CLAUSES: [&str; 3] = ["remote-control:", "forward-zone:", "stub-zone:"];

/// Words and what is in quotes, up to a comment.
fn words(line: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() && !rest.starts_with('#') {
        let quote = rest.chars().next().filter(|c| *c == '"' || *c == '\'');
        let (word, after) = if let Some(quote) = quote {
            match rest[1..].split_once(quote) {
                Some(parts) => parts,
                None => break,
            }
        } else {
            // A keyword may stand right before a quote.
            let end = rest.find([' ', '\t', '"', '\'']).unwrap_or(rest.len());
            rest.split_at(end)
        };
        all.push(word.to_owned());
        rest = after.trim_start();
    }
    all
}
