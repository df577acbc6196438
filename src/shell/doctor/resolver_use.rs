//! Who went to encrypted resolvers lately, by the journal.

use std::collections::BTreeMap;

use crate::core::event::Outcome;
use crate::request::{ClientLine, LogLine, LogQuery};
use crate::shell::doctor::{Check, State};

/// Programs and devices with what they tried.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ResolverUse {
    by_client: BTreeMap<Who, Tries>,
}

/// A program or device, as a person would call it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Who {
    Program(String),
    Device(String),
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Tries {
    /// Recorded and let through.
    used: u64,
    stopped: u64,
}

impl ResolverUse {
    /// What to ask the journal for, at `now` in seconds since 1970 (UTC).
    #[must_use]
    pub fn query(now: i64) -> LogQuery {
        let since = Some(now.saturating_sub(DAY));
        LogQuery { since, vendor: Some(PACK.into()), last: MOST_LINES, ..LogQuery::default() }
    }

    /// Adds a line of the answer.
    pub fn add(&mut self, line: &LogLine) {
        let tries = self.by_client.entry(Who::of(&line.client)).or_default();
        match line.outcome {
            Outcome::Watched => tries.used += line.count,
            Outcome::Blocked => tries.stopped += line.count,
            Outcome::Passed => {}
        }
    }

    /// One finding.
    pub(super) fn check(&self) -> Check {
        let users = self.most(|tries| tries.used);
        if users.is_empty() {
            let kept = self.most(|tries| tries.stopped);
            let said = if kept.is_empty() {
                "nobody used a known encrypted resolver in the last 24 h".into()
            } else {
                format!("{} kept from encrypted resolvers in the last 24 h", were(&kept))
            };
            return Check { name: NAME, state: State::Ok, said, fix: None };
        }
        let said = format!(
            "{} used encrypted resolvers in the last 24 h: {}",
            how_many(&users),
            list(&users)
        );
        Check { name: NAME, state: State::Warning, said, fix: Some(FIX.into()) }
    }

    /// Those with any such tries, most tries first.
    fn most(&self, number: impl Fn(&Tries) -> u64) -> Vec<&Who> {
        let tried = self.by_client.iter().map(|(who, tries)| (number(tries), who));
        let mut tried: Vec<_> = tried.filter(|(number, _)| *number > 0).collect();
        tried.sort_by_key(|&(number, who)| (std::cmp::Reverse(number), who));
        tried.into_iter().map(|(_, who)| who).collect()
    }
}

impl Who {
    fn of(client: &ClientLine) -> Self {
        match (client.address, &client.name, &client.program, client.uid) {
            (Some(address), Some(name), ..) => Self::Device(format!("{name} ({address})")),
            (Some(address), None, ..) => Self::Device(address.to_string()),
            (None, _, Some(program), _) => Self::Program(program.to_string()),
            (None, _, None, Some(uid)) => Self::Program(format!("uid {uid}")),
            (None, ..) => Self::Program("a program of this host".into()),
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Program(name) | Self::Device(name) => name,
        }
    }
}

/// `2 programs and 1 device`.
fn how_many(all: &[&Who]) -> String {
    let devices = all.iter().filter(|who| matches!(who, Who::Device(_))).count();
    let counted = |number: usize, word: &str| match number {
        0 => None,
        1 => Some(format!("1 {word}")),
        _ => Some(format!("{number} {word}s")),
    };
    let parts = [counted(all.len() - devices, "program"), counted(devices, "device")];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" and ")
}

fn were(all: &[&Who]) -> String {
    format!("{} {}", how_many(all), if all.len() == 1 { "was" } else { "were" })
}

fn list(all: &[&Who]) -> String {
    let shown: Vec<_> = all.iter().take(SHOWN).map(|who| who.name()).collect();
    let more = all.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

const NAME: &str = "bypass";
const FIX: &str = "`optout vendors bypass block` stops them";
const PACK: &str = "bypass"; // key of the pack of encrypted resolvers
const DAY: i64 = 24 * 3600; // seconds
const SHOWN: usize = 3;

/// Lines that are looked at, the newest: a home makes some hundreds a day.
const MOST_LINES: u64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn line(client: ClientLine, outcome: Outcome, count: u64) -> LogLine {
        LogLine {
            first_ms: 0,
            last_ms: 0,
            count,
            outcome,
            host: None,
            query: None,
            connection: None,
            client,
            rule: None,
            via: None,
            learnt: None,
            unnamed: None,
            ech: false,
            bytes_up: None,
            ms: None,
        }
    }

    fn program(name: &str) -> ClientLine {
        ClientLine { program: Some(name.into()), pid: Some(7), ..ClientLine::default() }
    }

    fn device(name: Option<&str>) -> ClientLine {
        let address = "192.0.2.7".parse().ok();
        ClientLine { address, name: name.map(Into::into), ..ClientLine::default() }
    }

    fn check(lines: &[LogLine]) -> Check {
        let mut of_all = ResolverUse::default();
        for line in lines {
            of_all.add(line);
        }
        of_all.check()
    }

    #[test]
    fn who_used_one_is_named_who_did_so_most_first() {
        let uid = ClientLine { uid: Some(1000), ..ClientLine::default() };
        let check = check(&[
            line(program("curl"), Outcome::Watched, 1),
            line(device(Some("phone")), Outcome::Watched, 9),
            line(program("firefox"), Outcome::Watched, 2),
            line(ClientLine { pid: Some(8), ..program("firefox") }, Outcome::Watched, 2),
            line(uid, Outcome::Watched, 1),
            line(program("stopped"), Outcome::Blocked, 99),
        ]);
        assert_eq!(check.state, State::Warning);
        assert_eq!(
            check.said,
            "3 programs and 1 device used encrypted resolvers in the last 24 h: \
             phone (192.0.2.7), firefox, curl and 1 more"
        );
        assert_eq!(check.fix.as_deref(), Some("`optout vendors bypass block` stops them"));
    }

    #[test]
    fn who_was_stopped_needs_no_advice() {
        let check = check(&[line(device(None), Outcome::Blocked, 3)]);
        assert_eq!(check.state, State::Ok);
        assert_eq!(check.said, "1 device was kept from encrypted resolvers in the last 24 h");
    }

    #[test]
    fn where_nobody_did_that_is_said() {
        assert_eq!((check(&[]).state, check(&[]).fix), (State::Ok, None));
    }

    #[test]
    fn the_journal_is_asked_for_a_day() {
        let query = ResolverUse::query(100_000);
        assert_eq!((query.since, query.vendor.as_deref()), (Some(13_600), Some("bypass")));
    }
}
