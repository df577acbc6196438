//! Tests of the whole room.

use super::*;
use crate::core::rule::{Rule, Subject};
use proptest::prelude::*;

/// One line of one list.
#[derive(Clone, Debug)]
struct Written {
    list: u16,
    line: u32,
    name: String,
    scope: Scope,
    action: Action,
    important: bool,
    answer: Answer,
    limits: Option<Limits>,
    cancels: bool,
}

/// What is told of a hit, without where it lies.
type Told = (usize, RuleRef, Action, bool, Answer, Option<Limits>);

impl Written {
    fn block(list: u16, line: u32, name: &str, scope: Scope) -> Self {
        let rule = Rule::block(name, scope);
        let (name, action, answer) = (name.to_owned(), rule.action, rule.answer);
        Self {
            list,
            line,
            name,
            scope,
            action,
            important: false,
            answer,
            limits: None,
            cancels: false,
        }
    }

    fn rule(&self) -> Rule<'_> {
        Rule {
            answer: self.answer,
            important: self.important,
            cancels: self.cancels,
            limits: self.limits.clone().map(Box::new),
            ..Rule::about(Subject::Host(&self.name, self.scope), self.action)
        }
    }

    /// Whether it says the same as another, but for what `$badfilter` does not look at.
    fn agrees(&self, other: &Self) -> bool {
        let sense = |rule: &Self| {
            let Self { name, scope, action, important, limits, .. } = rule.clone();
            (name, scope, action, important, limits)
        };
        sense(self) == sense(other)
    }

    fn repeats(&self, other: &Self) -> bool {
        let rest = |rule: &Self| (rule.list, rule.answer, rule.cancels);
        self.agrees(other) && rest(self) == rest(other)
    }

    fn nearness(&self, host: &str) -> Option<usize> {
        let below = host.strip_suffix(&self.name).is_some_and(|rest| rest.ends_with('.'));
        let names = match self.scope {
            Scope::Exact => host == self.name,
            Scope::WithSubdomains => host == self.name || below,
            Scope::Below => below,
        };
        names.then(|| self.name.len() + usize::from(self.scope == Scope::Exact))
    }
}

/// Of each list what it is: `$badfilter` is of one format alone.
const FORMATS: [Format; 4] = [Format::Adblock, Format::Rpz, Format::Adblock, Format::Domains];

fn compile(mut builder: Builder, rules: &[Written]) -> RuleSet {
    for (list, format) in (0..).zip(FORMATS) {
        builder.list(&list.to_string(), Kind::File(format), Mode::Enforce);
        for rule in rules.iter().filter(|rule| rule.list == list) {
            assert!(builder.rule(rule.line, &rule.rule()));
        }
    }
    builder.build()
}

fn build(rules: &[Written]) -> RuleSet {
    compile(Builder::default(), rules)
}

/// What is left of the rules, and what became of the others, as one would do it by hand.
fn by_hand(mut rules: Vec<Written>) -> (Vec<Written>, Vec<[u32; 6]>) {
    let mut counts = vec![[0; 6]; FORMATS.len()];
    let mut count = |rule: &Written, what: usize| counts[usize::from(rule.list)][what] += 1;
    let strike_repeated = |rules: Vec<Written>, count: &mut dyn FnMut(&Written, usize)| {
        let mut once: Vec<Written> = Vec::new();
        for rule in rules {
            match once.iter_mut().find(|other| rule.repeats(other)) {
                Some(other) => {
                    other.line = other.line.min(rule.line);
                    count(&rule, 1);
                }
                None => once.push(rule),
            }
        }
        once
    };
    rules = strike_repeated(rules, &mut count);
    let (cancels, mut rules): (Vec<_>, Vec<_>) = rules.into_iter().partition(|rule| rule.cancels);
    for rule in &cancels {
        count(rule, 4);
    }
    rules.retain(|rule| {
        let struck = FORMATS[usize::from(rule.list)] == Format::Adblock
            && cancels.iter().any(|cancel| cancel.agrees(rule));
        if struck {
            count(rule, 3);
        }
        !struck
    });
    let halves: Vec<_> = rules.iter().filter(|rule| rule.scope == Scope::Exact).cloned().collect();
    for exact in halves {
        let below = Written { scope: Scope::Below, ..exact.clone() };
        if let Some(at) = rules.iter().position(|rule| rule.repeats(&below)) {
            let line = rules.remove(at).line.min(exact.line);
            rules.retain(|rule| !rule.repeats(&exact));
            count(&exact, 2);
            rules.push(Written { scope: Scope::WithSubdomains, line, ..exact });
        }
    }
    rules = strike_repeated(rules, &mut count);
    for rule in &rules {
        count(rule, 0);
        let covers = |other: &Written| {
            other.list != rule.list
                && (&other.name, other.action) == (&rule.name, rule.action)
                && other.limits.is_none()
                && (other.scope == rule.scope || other.scope == Scope::WithSubdomains)
        };
        if rules.iter().any(covers) {
            count(rule, 5);
        }
    }
    (rules, counts)
}

fn naive(rules: &[Written], host: &str) -> Vec<Told> {
    let mut hits: Vec<Told> = rules
        .iter()
        .filter_map(|rule| {
            let at = RuleRef { list: rule.list, line: rule.line };
            let Written { action, important, answer, limits, .. } = rule.clone();
            Some((rule.nearness(host)?, at, action, important, answer, limits))
        })
        .collect();
    hits.sort_unstable();
    hits
}

fn found(set: &RuleSet, host: &str) -> Vec<Told> {
    let mut hits = Vec::new();
    set.visit(host, |hit| {
        let limits = hit.limits.map(|index| set.limits(index).unwrap().clone());
        hits.push((hit.nearness, hit.rule, hit.action, hit.important, hit.answer, limits));
    });
    assert!(hits.is_sorted_by_key(|hit| hit.0), "from the widest to the nearest");
    hits.sort_unstable();
    hits
}

fn image(rules: &[Written]) -> Vec<u8> {
    let set = build(rules);
    set.bytes().to_vec()
}

fn name() -> impl Strategy<Value = String> {
    proptest::collection::vec("[ab]{1,2}|x-1", 1..5).prop_map(|labels| labels.join("."))
}

fn rule() -> impl Strategy<Value = Written> {
    let scope = prop_oneof![Just(Scope::Exact), Just(Scope::WithSubdomains), Just(Scope::Below)];
    let action = prop_oneof![
        8 => Just(Action::Block),
        2 => Just(Action::Allow),
        1 => Just(Action::Strict),
        1 => Just(Action::Watch),
        1 => Just(Action::NeverBlock),
    ];
    let answer =
        prop_oneof![4 => Just(Answer::Usual), 1 => Just(Answer::Nodata), 1 => Just(Answer::Drop)];
    let limits = proptest::option::weighted(0.2, 1..3_u16)
        .prop_map(|kind| kind.map(|kind| Limits { types: vec![kind], ..Limits::default() }));
    let rest = (scope, action, any::<bool>(), answer, limits, proptest::bool::weighted(0.15));
    (0..4_u16, name(), rest).prop_map(|(list, name, rest)| {
        let (scope, action, important, answer, limits, cancels) = rest;
        let line = 0;
        Written { list, line, name, scope, action, important, answer, limits, cancels }
    })
}

fn rules() -> impl Strategy<Value = Vec<Written>> {
    proptest::collection::vec(rule(), 0..200).prop_map(|mut rules| {
        (1..).zip(&mut rules).for_each(|(line, rule)| rule.line = line);
        rules
    })
}

proptest! {
    #[test]
    fn lookups_agree_with_what_one_finds_by_hand(
        rules in rules(),
        hosts in proptest::collection::vec(name(), 20),
        seed in any::<u64>()
    ) {
        let (kept, counts) = by_hand(rules.clone());
        let spilled = compile(Builder::spilling(Memory::default()).seeded(seed), &rules);
        for set in [build(&rules), spilled] {
            let count = |list: &List| [
                list.rules(), list.duplicates, list.joined, list.cancelled, list.cancelling,
                list.covered,
            ];
            prop_assert_eq!(set.lists().iter().map(count).collect::<Vec<_>>(), counts.clone());
            for list in set.lists() {
                prop_assert_eq!(list.actions.iter().sum::<u32>(), list.kept);
            }
            for host in &hosts {
                prop_assert_eq!(found(&set, host), naive(&kept, host), "{}", host);
            }
            for rule in kept.iter().take(8) {
                let at = RuleRef { list: rule.list, line: rule.line };
                let text = set.text(at, &format!("a.{}", rule.name));
                prop_assert_eq!(text.is_empty(), rule.scope == Scope::Exact);
                prop_assert!(set.written(at).contains(&rule.name));
            }
        }
    }

    #[test]
    fn an_image_with_a_flipped_bit_is_refused(rules in rules(), at in any::<usize>()) {
        let mut image = image(&rules);
        let bit = at % (image.len() * 8);
        image[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(RuleSet::open(Box::new(image)).is_err());
    }

    #[test]
    fn an_image_that_is_cut_off_is_refused(rules in rules(), at in any::<usize>()) {
        let mut image = image(&rules);
        image.truncate(at % image.len());
        prop_assert!(RuleSet::open(Box::new(image)).is_err());
    }

    /// Who can write the file can make its checksum fit.
    #[test]
    fn a_forged_image_can_be_looked_up_in(
        rules in rules(),
        edits in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..9),
        hosts in proptest::collection::vec(name(), 8)
    ) {
        let mut image = image(&rules);
        let end = image.len() - 4;
        for (at, byte) in edits {
            image[at % end] = byte;
        }
        let sum = crc32fast::hash(&image[..end]);
        image[end..].copy_from_slice(&sum.to_le_bytes());
        if let Ok(set) = RuleSet::open(Box::new(image)) {
            for host in hosts {
                let mut hits = 0;
                set.visit(&host, |_| hits += 1);
                prop_assert!(hits <= 1000);
                let _ = set.text(RuleRef { list: 0, line: 1 }, &host);
            }
            set.visit_address([192, 0, 2, 1].into(), |_| {});
            let _ = set.written(RuleRef { list: 0, line: 1 });
            prop_assert!(set.prefixes().count() < 1000);
        }
    }

    #[test]
    fn any_text_can_be_looked_up(host in ".{0,80}") {
        let set = build(&[Written::block(0, 1, "a.b", Scope::WithSubdomains)]);
        let want = host == "a.b" || host.ends_with(".a.b");
        prop_assert_eq!(found(&set, &host).len(), usize::from(want));
    }

    #[test]
    fn address_lookups_agree_with_a_naive_matcher(
        rules in proptest::collection::vec((0..16_u32, 24..=32_u8), 0..40),
        host in 0..16_u32
    ) {
        let address = |host: u32| IpAddr::from((0xc000_0200 | host << 2).to_be_bytes());
        let mut builder = Builder::default();
        builder.list("l", Kind::File(Format::Domains), Mode::Enforce);
        let rules: Vec<_> =
            rules.into_iter().map(|(h, n)| Prefix::new(address(h), n).unwrap()).collect();
        for (line, prefix) in (1..).zip(&rules) {
            builder.prefix(line, *prefix, Action::Block);
        }
        let mut found = Vec::new();
        builder.build().visit_address(address(host), |hit| found.push(hit.rule.line));
        let mut want: Vec<_> = (1..).zip(&rules)
            .filter(|(_, prefix)| prefix.contains(address(host)))
            .map(|(line, prefix): (u32, _)| (prefix.length(), line))
            .collect();
        want.sort_unstable();
        want.dedup_by_key(|(length, _)| *length);
        prop_assert_eq!(found, want.into_iter().map(|(_, line)| line).collect::<Vec<_>>());
    }
}

#[test]
fn a_rule_is_found_again_in_words() {
    let mut builder = Builder::default();
    builder.list("l", Kind::File(Format::Hosts), Mode::Enforce);
    builder.host(3, "a.example", Scope::Exact, Action::Block);
    builder.host(5, "b.example", Scope::Exact, Action::Block);
    builder.host(5, "c.example", Scope::WithSubdomains, Action::Block);
    builder.prefix(6, "192.0.2.0/24".parse().unwrap(), Action::Block);
    let set = builder.build();
    for (line, want) in
        [(3, "a.example"), (4, ""), (5, "*.c.example b.example"), (6, "192.0.2.0/24")]
    {
        assert_eq!(set.written(RuleRef { list: 0, line }), want);
    }
}

#[test]
fn a_hundred_thousand_names_are_small_and_fast() {
    let names: Vec<String> =
        (0..100_000).map(|n| format!("t{}.tracker{n}.example.com", n % 7)).collect();
    let mut builder = Builder::default();
    builder.list("big", Kind::File(Format::Domains), Mode::Enforce);
    for (line, name) in (1..).zip(&names) {
        builder.host(line, name, Scope::WithSubdomains, Action::Block);
    }
    let set = builder.build();
    println!("{} bytes for {} names", set.memory(), set.names());
    assert!(set.memory() < 60 * names.len());
    for name in &names {
        assert_eq!(found(&set, name).len(), 1, "{name}");
    }
    assert!(found(&set, "t9.tracker1.example.com").is_empty());
}

#[test]
fn one_name_a_hundred_thousand_times_is_one_rule() {
    let mut builder = Builder::default();
    builder.list("odd", Kind::File(Format::Domains), Mode::Enforce);
    for line in 1..=100_000 {
        builder.host(line, "a.example", Scope::Exact, Action::Block);
    }
    let set = builder.build();
    assert_eq!(found(&set, "a.example").len(), 1);
    assert_eq!(set.lists()[0].rules(), 1);
}

/// What is about names that lie in the same slot, of which a lookup may take one for the other.
#[test]
fn names_of_one_slot_are_told_apart() {
    let hasher = hash::Hasher::new(0);
    let mut seen = std::collections::HashMap::new();
    let pair = (0..100_000).map(|n| format!("n{n}.example")).find_map(|name| {
        let hash = hasher.walk(name.as_bytes()).last().unwrap().1;
        seen.insert(names::slot(hash, 0, 0), name.clone()).map(|other| (other, name))
    });
    let (one, other) = pair.expect("22 bits are the same among so many");
    let exact = |line, name: &str| Written::block(0, line, name, Scope::Exact);
    for rules in [vec![exact(1, &one)], vec![exact(1, &one), exact(2, &other)]] {
        let set = build(&rules);
        assert_eq!(found(&set, &one).len(), 1);
        assert_eq!(found(&set, &other).len(), rules.len() - 1);
    }
}

fn pattern(text: &str) -> Rule<'_> {
    Rule::about(Subject::Pattern(text), Action::Block)
}

fn limited<'a>(rule: &Rule<'a>, kind: u16) -> Rule<'a> {
    let limits = Limits { types: vec![kind], ..Limits::default() };
    Rule { limits: Some(Box::new(limits)), ..rule.clone() }
}

/// A set of one list, with these rules on lines from 1 on.
fn list(rules: &[Rule<'_>]) -> RuleSet {
    let mut builder = Builder::default();
    builder.list("l", Kind::File(Format::Adblock), Mode::Enforce);
    for (line, rule) in (1..).zip(rules) {
        assert!(builder.rule(line, rule));
    }
    builder.build()
}

fn lines(set: &RuleSet, host: &str) -> Vec<u32> {
    let mut lines = Vec::new();
    set.visit(host, |hit| lines.push(hit.rule.line));
    lines
}

#[test]
fn patterns_and_rules_for_everything_come_before_names() {
    let cancels = Rule { cancels: true, ..pattern("gone") };
    let all = limited(&Rule::about(Subject::Everything, Action::Block), 1);
    let name = Rule::block("ads.example", Scope::Exact);
    let set = list(&[name, pattern("^ads?[0-9]*\\."), pattern("gone"), cancels, all]);
    assert_eq!(lines(&set, "ads.example"), [5, 2, 1]);
    assert_eq!(lines(&set, "ad7.example"), [5, 2]);
    assert_eq!(lines(&set, "bad.example"), [5]);
    assert_eq!(lines(&set, "gone.example"), [5]);
    let at = |line| RuleRef { list: 0, line };
    for (line, want) in [(1, "ads.example"), (2, "/^ads?[0-9]*\\./"), (5, "*"), (3, "")] {
        assert_eq!(set.text(at(line), "ads.example"), want);
        assert_eq!(set.written(at(line)), want);
    }
    set.visit("ads.example", |hit| assert_eq!(hit.nearness == 0, hit.rule.line > 1));
    let list = &set.lists()[0];
    assert_eq!((list.kept, list.cancelled, list.cancelling), (3, 1, 1));
}

#[test]
fn a_rule_for_everything_must_have_limits() {
    let set = list(&[Rule::about(Subject::Everything, Action::Block)]);
    assert!(lines(&set, "a.example").is_empty());
    assert_eq!(set.lists()[0].counts.of(Fault::MatchesAll), 1);
}

#[test]
fn patterns_beyond_the_bounds_are_counted_and_the_first_stay() {
    let texts: Vec<_> = (0..patterns::MAX_PATTERNS + 5).map(|n| format!("^p{n}\\.")).collect();
    let rules: Vec<_> = texts.iter().map(|text| pattern(text)).collect();
    let set = list(&rules);
    assert_eq!(set.lists()[0].counts.of(Fault::TooManyPatterns), 5);
    assert_eq!((lines(&set, "p0.example"), lines(&set, "p2004.example")), (vec![1], vec![]));

    let texts: Vec<_> = (0..64).map(|n| format!("^p{n}([a-z]{{99}}[0-9]{{99}}){{9}}$")).collect();
    let rules: Vec<_> =
        [pattern("^first")].into_iter().chain(texts.iter().map(|text| pattern(text))).collect();
    let set = list(&rules);
    let refused = set.lists()[0].counts.of(Fault::TooManyPatterns);
    assert!((1..64).contains(&refused), "{refused}");
    assert_eq!(set.lists()[0].kept + refused, 65);
    assert_eq!(lines(&set, "first.example"), [1]);

    let set = list(&[pattern("("), pattern("fine")]);
    assert_eq!(set.lists()[0].counts.of(Fault::BadPattern), 1);
    assert_eq!(lines(&set, "fine.example"), [2]);
}

#[test]
fn a_list_cannot_make_as_many_limits_as_it_likes() {
    let mut builder = Builder::default();
    builder.list("l", Kind::File(Format::Adblock), Mode::Enforce);
    for kind in 0..5000 {
        let name = format!("n{kind}.example");
        assert!(builder.rule(1, &limited(&Rule::block(&name, Scope::Exact), kind)));
    }
    let set = builder.build();
    assert_eq!(set.lists()[0].counts.of(Fault::BadModifier), 5000 - 4096);
    assert_eq!(set.names(), 4096);
}

#[test]
fn a_name_in_many_lists_has_all_of_them_as_evidence() {
    let mut builder = Builder::spilling(Memory::default());
    for list in 0..500 {
        builder.list(&format!("list {list}"), Kind::File(Format::Hosts), Mode::Enforce);
        builder.host(1, "near.example", Scope::Exact, Action::Block);
        builder.host(list + 1, "a.example", Scope::Exact, Action::Block);
    }
    let set = builder.build();
    assert_eq!(lines(&set, "a.example"), (1..=500).collect::<Vec<_>>());
    assert_eq!(lines(&set, "near.example").len(), 500);
    assert!(set.lists().iter().all(|list| list.covered == 2));
}

#[test]
fn no_line_of_slots_goes_on_for_long() {
    let mut builder = Builder::spilling(Memory::default()).seeded(3);
    builder.list("l", Kind::File(Format::Domains), Mode::Enforce);
    for n in 0..200_000 {
        assert!(builder.host(n, &format!("n{n}.example"), Scope::Exact, Action::Block));
    }
    let set = builder.build();
    let lines = set.foot.section(set.bytes(), Section::Lines).as_chunks::<{ names::LINE }>().0;
    let goes_on = |line: &[u8; names::LINE]| line[3] & 0x80 != 0;
    let runs = lines.chunk_by(|a, b| goes_on(a) && goes_on(b));
    let longest = runs.map(<[_]>::len).max().unwrap();
    assert!(longest * 4 < names::MAX_RUN, "{longest}");
    assert!((0..200_000).all(|n| set_has(&set, &format!("n{n}.example"))));
}

fn set_has(set: &RuleSet, host: &str) -> bool {
    let mut any = false;
    set.visit(host, |_| any = true);
    any
}

#[test]
fn limits_stamp_and_lists_come_back_from_an_image() {
    let mut builder = Builder::default();
    builder.list("one", Kind::File(Format::Adblock), Mode::Watch);
    builder.rule(7, &limited(&Rule::block("a.example", Scope::Exact), 28));
    builder.ended(
        &crate::core::list::Options::of(Format::Adblock),
        &Counts { lines: 9, rules: 1, ..Counts::default() },
    );
    let mut image = Vec::new();
    let summary = builder.finish([7; 32], &mut image).unwrap();
    assert_eq!((summary.bytes, summary.names), (image.len() as u64, 1));
    let set = RuleSet::open(Box::new(image)).unwrap();
    assert_eq!(set.stamp(), [7; 32]);
    assert_eq!(set.lists(), summary.lists);
    assert_eq!((set.lists()[0].counts.lines, set.lists()[0].mode), (9, Mode::Watch));
    set.visit("a.example", |hit| {
        assert_eq!(set.limits(hit.limits.unwrap()).unwrap().types, [28]);
    });
}

#[test]
fn what_is_no_image_is_refused_with_its_reason() {
    let good = image(&[Written::block(0, 1, "a.example", Scope::Exact)]);
    let open = |image: Vec<u8>| RuleSet::open(Box::new(image)).err().unwrap();
    assert_eq!(open(Vec::new()), ImageError::Foreign);
    assert_eq!(open(b"0.0.0.0 a.example\n".repeat(99)), ImageError::Foreign);
    assert_eq!(open(good[..good.len() - 1].to_vec()), ImageError::Foreign);
    let mut newer = good.clone();
    newer[8] += 1;
    assert_eq!(open(newer), ImageError::Version(image::VERSION + 1));
    let mut damaged = good;
    damaged[100] ^= 1;
    assert_eq!(open(damaged), ImageError::Damaged);
}

/// A spill that fails from some write on.
struct Full(usize);

impl Spill for Full {
    fn append(&mut self, _: usize, _: &[u8]) -> std::io::Result<()> {
        self.0 = self.0.checked_sub(1).ok_or(std::io::ErrorKind::StorageFull)?;
        Ok(())
    }

    fn take(&mut self, _: usize, _: &mut Vec<u8>) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_spill_that_is_full_fails_the_compilation() {
    let mut builder = Builder::spilling(Full(3));
    builder.list("l", Kind::File(Format::Domains), Mode::Enforce);
    for n in 0..100_000 {
        builder.host(n, &format!("n{n}.example"), Scope::Exact, Action::Block);
    }
    let error = builder.finish([0; 32], &mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
}

#[test]
fn a_hundred_thousand_prefixes_are_found_again() {
    let mut builder = Builder::default();
    builder.list("l", Kind::File(Format::Ips), Mode::Enforce);
    let address = |n: u32| IpAddr::from((0x2000_0000 + n * 3).to_be_bytes());
    for n in 0..100_000 {
        builder.prefix(n, address(n).into(), Action::Block);
    }
    builder.prefix(0, "2001:db8::/32".parse().unwrap(), Action::Block);
    let set = builder.build();
    assert!(set.memory() < 1_200_000, "{}", set.memory());
    for n in (0..100_000).step_by(997) {
        let mut lines = Vec::new();
        set.visit_address(address(n), |hit| lines.push((hit.rule.line, hit.nearness)));
        assert_eq!(lines, [(n, 32)]);
    }
    let mut hits = 0;
    set.visit_address("2001:db8::1".parse().unwrap(), |_| hits += 1);
    set.visit_address("2001:db9::1".parse().unwrap(), |_| hits += 1);
    assert_eq!((hits, set.prefixes().count()), (1, 100_001));
}
