//! The reference beside the product, for one list.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use optout::core::flow::Client;
use optout::core::list::{Fault, Format, Guard, Options, Reader};
use optout::core::policy::{Asked, Policy};
use optout::core::rule::{Action, Answer};
use optout::core::rules::{Builder, Hit, Kind, RuleSet};
use optout::core::time::Instant;
use optout::core::verdict::{Mode, Stop, Verdict, Why};

use crate::common::{How, is_refused, lines};
use crate::statement::{Statement, Subject};
use crate::{adblock, plain, servers, zone};

/// What was compared.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) rules: usize,
    pub(crate) names: usize,
    pub(crate) pairs: usize,
    pub(crate) hits: usize,
    pub(crate) differences: usize,
}

/// A rule that names something: line, action, importance, answer, whether it is limited.
type Said = (u32, Action, bool, Answer, bool);

/// Reads a list a second time, line by line.
pub(crate) fn reference(format: Format, how: How, text: &[u8]) -> Vec<Statement> {
    let mut all: Vec<Statement> = Vec::new();
    let mut unbound = servers::Unbound::default();
    let mut zone = zone::Zone::default();
    for (number, line) in lines(text) {
        let said = match format {
            Format::Hosts => plain::hosts(&line, how),
            Format::Domains | Format::Wildcard => plain::domains(&line, how),
            Format::Adblock => adblock::adblock(&line, how),
            Format::Dnsmasq => servers::dnsmasq(&line),
            Format::Unbound => unbound.line(&line),
            Format::Rpz => zone.line(&line).into_iter().collect(),
            Format::Dnscrypt => plain::dnscrypt(&line, how),
            Format::Ips => plain::ips(&line),
        };
        for mut said in said {
            said.line = number;
            if how.allow && said.action == Action::Block {
                (said.action, said.answer) = (Action::Allow, Answer::Usual);
            }
            if !is_refused(&said, how) {
                all.push(said);
            }
        }
    }
    without_cancelled(joined(without_repeated(all)))
}

fn without_repeated(all: Vec<Statement>) -> Vec<Statement> {
    let mut seen = BTreeSet::new();
    let key = |said: &Statement| {
        let Statement { line: _, subject, action, answer, important, cancels, limits } = said;
        format!("{} {action:?} {answer:?} {important} {cancels} {limits:?}", subject.key())
    };
    all.into_iter().filter(|said| seen.insert(key(said))).collect()
}

/// A name and what is below it, on two lines, are one rule of the first of them.
fn joined(all: Vec<Statement>) -> Vec<Statement> {
    let key = |said: &Statement| {
        let Statement { line: _, subject, action, answer, important, cancels, limits } = said;
        let name = match subject {
            Subject::Exact(name) => format!(".{name}"),
            Subject::Below(dotted) | Subject::Wide(dotted) => dotted.clone(),
            _ => return None,
        };
        Some(format!("{name} {action:?} {answer:?} {important} {cancels} {limits:?}"))
    };
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (place, said) in all.iter().enumerate().filter(|(_, said)| !said.cancels) {
        if let Some(key) = key(said) {
            groups.entry(key).or_default().push(place);
        }
    }
    let mut gone = BTreeSet::new();
    let mut wider = Vec::new();
    for group in groups.into_values().filter(|group| group.len() > 1) {
        let exact = group.iter().find(|&&at| matches!(all[at].subject, Subject::Exact(_)));
        let below = group.iter().find(|&&at| matches!(all[at].subject, Subject::Below(_)));
        let wide = group.iter().find(|&&at| matches!(all[at].subject, Subject::Wide(_)));
        if let (Some(&exact), Some(&below)) = (exact, below) {
            let Subject::Below(dotted) = &all[below].subject else { continue };
            let places = [Some(exact), Some(below), wide.copied()];
            let line = places.into_iter().flatten().map(|at| all[at].line).min();
            let subject = Subject::Wide(dotted.clone());
            wider.push(Statement { line: line.unwrap_or(0), subject, ..all[exact].clone() });
            gone.extend(places.into_iter().flatten());
        }
    }
    let kept = all.into_iter().enumerate().filter(|(place, _)| !gone.contains(place));
    kept.map(|(_, said)| said).chain(wider).collect()
}

/// `$badfilter` removes what is equal to it but for itself and the answer.
fn without_cancelled(all: Vec<Statement>) -> Vec<Statement> {
    let key = |said: &Statement| {
        let Statement { subject, action, important, limits, .. } = said;
        format!("{} {action:?} {important} {limits:?}", subject.key())
    };
    let (cancel, kept): (Vec<_>, Vec<_>) = all.into_iter().partition(|said| said.cancels);
    let cancelled: BTreeSet<String> = cancel.iter().map(key).collect();
    kept.into_iter().filter(|said| !cancelled.contains(&key(said))).collect()
}

/// Reads a list as the program does.
pub(crate) fn product(format: Format, how: How, text: &[u8]) -> (Arc<RuleSet>, u32) {
    let How { subdomains, allow, tlds } = how;
    let options = Options { format, subdomains, allow, tlds };
    let mut reader = Reader::new(options, Arc::new(Guard::default()));
    let mut builder = Builder::default();
    builder.list("list", Kind::File(format), Mode::Enforce);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        reader.line(line, |number, found| {
            if let Ok(rule) = found {
                assert!(builder.rule(number, rule), "the set is full");
            }
        });
    }
    reader.end(|_, _| {});
    builder.ended(format, reader.counts());
    let set = builder.build();
    let counts = &set.lists()[0].counts;
    assert_eq!(counts.of(Fault::TooManyPatterns), 0, "the reference knows no such bound");
    let lines = counts.lines;
    (Arc::new(set), lines)
}

/// Compares what both say of each name and address, and says where they differ.
pub(crate) fn compare(
    format: Format,
    how: How,
    text: &[u8],
    names: &BTreeSet<String>,
    addresses: &BTreeSet<IpAddr>,
) -> Tally {
    let statements = reference(format, how, text);
    let (set, _) = product(format, how, text);
    let policy = Policy::builder(Arc::clone(&set)).build();
    let mut tally = Tally { rules: statements.len(), ..Tally::default() };
    let mut look = |what: &str, host: Option<&str>, address: Option<IpAddr>| {
        let named: Vec<&Statement> = match (host, address) {
            (Some(host), _) => statements.iter().filter(|said| said.subject.names(host)).collect(),
            (_, Some(address)) => {
                statements.iter().filter(|said| said.subject.has(address)).collect()
            }
            _ => Vec::new(),
        };
        let mut want: Vec<Said> = named.iter().map(|said| said.said()).collect();
        let mut got: Vec<Said> = Vec::new();
        let hit = |hit: Hit| {
            got.push((hit.rule.line, hit.action, hit.important, hit.answer, hit.limits.is_some()));
        };
        match (host, address) {
            (Some(host), _) => set.visit(host, hit),
            (_, Some(address)) => set.visit_address(address, hit),
            _ => {}
        }
        want.sort_unstable();
        got.sort_unstable();
        let mut suspects: BTreeSet<u32> = want.iter().chain(&got).map(|said| said.0).collect();
        tally.names += 1;
        tally.pairs += statements.len();
        tally.hits += want.len();
        let mut wrong = (want != got).then(|| {
            let (mut lacks, mut extra) = (want.clone(), got.clone());
            lacks.retain(|said| !got.contains(said));
            extra.retain(|said| !want.contains(said));
            let counts = (want.len(), got.len());
            suspects = lacks.iter().chain(&extra).map(|said| said.0).collect();
            format!("{what}: the product lacks {lacks:?} and has {extra:?} {counts:?}")
        });
        for qtype in [1, 28, 65] {
            for client in CLIENTS {
                let who = Client::Device(client.parse().expect("an address"));
                let asked = Asked::about(qtype, &who);
                let verdict = match (host, address) {
                    (Some(host), _) => policy.judge(NOW, host, asked),
                    (_, Some(address)) => policy.judge_address(NOW, address, asked),
                    _ => Verdict::Pass(Why::NoMatch),
                };
                let want = decide(format, &named, host, qtype, client.parse().expect("one"));
                if !fits(&verdict, &want) {
                    wrong = wrong.or(Some(format!(
                        "{what} {qtype} {client}: want {want:?}, got {verdict:?}"
                    )));
                }
            }
            if named.is_empty() {
                break;
            }
        }
        if let Some(wrong) = wrong {
            tally.differences += 1;
            if tally.differences <= SHOWN {
                eprintln!("DIFFERENCE in {format:?}: {wrong}");
                for number in suspects.into_iter().take(8) {
                    let line = text.split(|byte| *byte == b'\n').nth(number as usize - 1);
                    eprintln!("    {number}: {}", String::from_utf8_lossy(line.unwrap_or(b"?")));
                }
            }
        }
    };
    for name in names {
        look(name, Some(name), None);
    }
    for address in addresses {
        look(&address.to_string(), None, Some(*address));
    }
    tally
}

/// Which rule decides: what it does, and the lines it may stand in.
type Decision = Option<(Action, Answer, BTreeSet<u32>)>;

/// The order that stands in the documentation of the policy.
fn decide(
    format: Format,
    named: &[&Statement],
    host: Option<&str>,
    qtype: u16,
    client: IpAddr,
) -> Decision {
    let holding: Vec<&&Statement> =
        named.iter().filter(|said| said.limits.hold(host, qtype, client)).collect();
    let rank = |said: &Statement| {
        let block = said.action == Action::Block;
        if format.nearest_decides() {
            let narrow = said.limits.narrowness(client).map_or(0, |length| usize::from(length) + 1);
            (usize::MAX - narrow, usize::MAX - said.nearness(), block)
        } else {
            let class = match (said.important, block) {
                (true, false) => 0,
                (true, true) => 1,
                (false, false) => 2,
                (false, true) => 3,
            };
            (class, usize::MAX - said.nearness(), false)
        }
    };
    let first = holding.iter().map(|said| rank(said)).min()?;
    let class = |said: &Statement| {
        if format.nearest_decides() { rank(said) } else { (rank(said).0, 0, false) }
    };
    // A regular expression that spells out a name is as near as that name: then any of
    // its class may be shown.
    let spelled = holding.iter().any(|said| matches!(said.subject, Subject::Regex(..)));
    let best: Vec<_> =
        holding
            .iter()
            .filter(|said| {
                if spelled { class(said) == class_of(first, format) } else { rank(said) == first }
            })
            .collect();
    let line = best.iter().map(|said| said.line).min()?;
    let deciding = best.iter().find(|said| said.line == line)?;
    let lines = match spelled {
        true => best.iter().map(|said| said.line).collect(),
        false => [line].into(),
    };
    Some((deciding.action, deciding.answer, lines))
}

fn class_of(rank: (usize, usize, bool), format: Format) -> (usize, usize, bool) {
    if format.nearest_decides() { rank } else { (rank.0, 0, false) }
}

fn fits(verdict: &Verdict, want: &Decision) -> bool {
    match (verdict, want) {
        (Verdict::Pass(Why::NoMatch), None) => true,
        (Verdict::Pass(Why::Allowed(rule)), Some((Action::Allow, _, lines))) => {
            lines.contains(&rule.line)
        }
        (Verdict::Block(Stop { rule, answer }), Some((Action::Block, wanted, lines))) => {
            lines.contains(&rule.line) && (answer == wanted || lines.len() > 1)
        }
        _ => false,
    }
}

const NOW: Instant = Instant::from_micros(1);
/// Who asks: one that rules for clients in made-up lists name, and another.
const CLIENTS: [&str; 2] = ["203.0.113.7", "192.0.2.200"];
const SHOWN: usize = 5; // differences of a list that are printed
