//! The reference beside the product, for one list.

use std::cmp::Reverse;
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
pub(crate) fn product(format: Format, how: How, text: &[u8]) -> Arc<RuleSet> {
    let How { subdomains, allow, tlds } = how;
    let options = Options { format, subdomains, allow, tlds };
    let mut reader = Reader::new(options.clone(), Arc::new(Guard::default()));
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
    builder.ended(&options, reader.counts());
    let set = builder.build();
    let counts = &set.lists()[0].counts;
    assert_eq!(counts.of(Fault::TooManyPatterns), 0, "the reference knows no such bound");
    Arc::new(set)
}

/// What is asked about.
#[derive(Clone, Copy, Debug)]
enum About<'a> {
    Name(&'a str),
    Address(IpAddr),
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
    let set = product(format, how, text);
    let policy = Policy::builder(Arc::clone(&set)).build();
    let mut tally = Tally { rules: statements.len(), ..Tally::default() };
    let names = names.iter().map(|name| About::Name(name));
    for about in names.chain(addresses.iter().copied().map(About::Address)) {
        let naming: Vec<&Statement> =
            statements.iter().filter(|said| about.is_named_by(&said.subject)).collect();
        tally.names += 1;
        tally.pairs += statements.len();
        tally.hits += naming.len();
        let wrong = about.wrong_hits(&set, &naming);
        let wrong = wrong.or_else(|| about.wrong_verdict(format, &policy, &naming));
        let Some((what, lines)) = wrong else { continue };
        tally.differences += 1;
        if tally.differences > SHOWN {
            continue;
        }
        eprintln!("DIFFERENCE in {format:?}: {about:?}: {what}");
        for number in lines {
            let line = text.split(|byte| *byte == b'\n').nth(number as usize - 1);
            eprintln!("    {number}: {}", String::from_utf8_lossy(line.unwrap_or(b"?")));
        }
    }
    tally
}

/// What differs, and the lines that have to do with it.
type Wrong = Option<(String, BTreeSet<u32>)>;

impl About<'_> {
    fn is_named_by(self, subject: &Subject) -> bool {
        match self {
            Self::Name(name) => subject.names(name),
            Self::Address(address) => subject.has(address),
        }
    }

    /// Whether the rules that the product finds are others than those `naming` it.
    fn wrong_hits(self, set: &RuleSet, naming: &[&Statement]) -> Wrong {
        let mut want: Vec<Said> = naming.iter().map(|said| said.said()).collect();
        let mut got: Vec<Said> = Vec::new();
        let hit = |hit: Hit| {
            got.push((hit.rule.line, hit.action, hit.important, hit.answer, hit.limits.is_some()));
        };
        match self {
            Self::Name(name) => set.visit(name, hit),
            Self::Address(address) => set.visit_address(address, hit),
        }
        want.sort_unstable();
        got.sort_unstable();
        if want == got {
            return None;
        }
        let lacking: Vec<_> = want.iter().filter(|said| !got.contains(said)).collect();
        let extra: Vec<_> = got.iter().filter(|said| !want.contains(said)).collect();
        let lines = lacking.iter().chain(&extra).map(|said| said.0).collect();
        Some((format!("the product lacks {lacking:?} and has {extra:?}"), lines))
    }

    /// Whether the product decides another thing than follows from the rules `naming` it.
    fn wrong_verdict(self, format: Format, policy: &Policy, naming: &[&Statement]) -> Wrong {
        for (qtype, client) in QTYPES.into_iter().flat_map(|q| CLIENTS.map(|client| (q, client))) {
            let client: IpAddr = client.parse().expect("an address");
            let who = Client::Device(client);
            let asked = Asked::about(qtype, &who);
            let (verdict, host) = match self {
                Self::Name(name) => (policy.judge(NOW, name, asked), Some(name)),
                Self::Address(address) => (policy.judge_address(NOW, address, asked), None),
            };
            let want = decide(format, naming, host, qtype, client);
            if !fits(&verdict, &want) {
                let what = format!("{client} asks for {qtype}: want {want:?}, got {verdict:?}");
                return Some((what, naming.iter().map(|said| said.line).collect()));
            }
            if naming.is_empty() {
                break; // all the same
            }
        }
        None
    }
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
    let holding = || named.iter().filter(|said| said.limits.hold(host, qtype, client));
    let rank = |said: &Statement| {
        let block = said.action == Action::Block;
        let nearness = Reverse(said.nearness());
        if format.nearest_decides() {
            (Reverse(said.limits.narrowness(client)), 0, nearness, block)
        } else {
            (Reverse(None), 2 * u8::from(!said.important) + u8::from(block), nearness, false)
        }
    };
    let first = holding().map(|said| rank(said)).min()?;
    // A regular expression that spells out a name is as near as that name, and the
    // reference does not see that: then any rule of the class may be shown.
    let spelled = holding().any(|said| matches!(said.subject, Subject::Regex(..)));
    let is_best = |said: &Statement| {
        let rank = rank(said);
        rank == first || (spelled && (rank.0, rank.1) == (first.0, first.1))
    };
    let best: Vec<&&Statement> = holding().filter(|said| is_best(said)).collect();
    let deciding = best.iter().min_by_key(|said| said.line)?;
    let mut lines: BTreeSet<u32> = best.iter().map(|said| said.line).collect();
    if !spelled {
        lines = [deciding.line].into();
    }
    Some((deciding.action, deciding.answer, lines))
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
/// Types that are asked for: A, AAAA, HTTPS.
const QTYPES: [u16; 3] = [1, 28, 65];
/// Who asks: one that rules for clients in made-up lists name, and another.
const CLIENTS: [&str; 2] = ["203.0.113.7", "192.0.2.200"];
const SHOWN: usize = 5; // differences of a list that are printed
