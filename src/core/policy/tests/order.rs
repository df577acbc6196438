//! The order of rules, and lists in which nearness decides.

use super::*;
use crate::core::rule::{Answer, Limits, Rule, Subject};

/// Lists by a letter: two plain ones, three in which nearness decides, one that
/// is watched, one that is off, and a pack that protects.
const LISTS: [(&str, Format, Mode); 7] = [
    ("a", Format::Adblock, Mode::Enforce),
    ("b", Format::Adblock, Mode::Enforce),
    ("d", Format::Dnsmasq, Mode::Enforce),
    ("u", Format::Unbound, Mode::Enforce),
    ("r", Format::Rpz, Mode::Enforce),
    ("w", Format::Adblock, Mode::Watch),
    ("o", Format::Adblock, Mode::Off),
];

/// A policy of these rules: `LIST [important] ACTION SUBJECT [limits in JSON]`.
/// The line of each is its place.
pub(super) fn lists(lines: &[&str]) -> Builder {
    let mut set = RulesBuilder::default();
    let mut mine = Vec::new();
    for (key, format, mode) in LISTS {
        set.list(key, Kind::File(format), mode);
        rules_of(key, lines, &mut set);
    }
    set.list("n", Kind::Pack("n".into()), Mode::Enforce);
    rules_of("n", lines, &mut set);
    for text in lines {
        let filler = UserRule::new(true, "filler.invalid", true).unwrap();
        let words: Vec<_> = text.split(' ').collect();
        mine.push(match words[..] {
            ["my", action, subject] => my(action == "allow", &[subject]),
            _ => filler,
        });
    }
    Policy::builder(Arc::new(set.build())).user_rules(mine)
}

fn rules_of(key: &str, lines: &[&str], set: &mut RulesBuilder) {
    for (line, text) in (1..).zip(lines) {
        let (text, limits) = text.split_once(" {").map_or((*text, None), |(text, json)| {
            (text, Some(serde_json::from_str::<Limits>(&format!("{{{json}")).unwrap()))
        });
        let words: Vec<_> = text.split(' ').collect();
        if words[0] == key {
            let (action, answer) = match words[words.len() - 2] {
                "block" => (Action::Block, Answer::Usual),
                "nodata" => (Action::Block, Answer::Nodata),
                "drop" => (Action::Block, Answer::Drop),
                "allow" => (Action::Allow, Answer::Usual),
                "never" => (Action::NeverBlock, Answer::Usual),
                other => panic!("no action: {other}"),
            };
            let name = words[words.len() - 1];
            let subject = match (name, name.parse(), name.strip_prefix("*.")) {
                ("*", ..) => Subject::Everything,
                (_, Ok(prefix), _) => Subject::Prefix(prefix),
                (_, _, Some(name)) => Subject::Host(name, Scope::WithSubdomains),
                _ => Subject::Host(name, Scope::Exact),
            };
            let important = words[1] == "important";
            let limits = limits.map(Box::new);
            let rule = Rule { answer, important, limits, ..Rule::about(subject, action) };
            assert!(set.rule(line, &rule));
        }
    }
}

/// What is said of a subject, by the line alone.
pub(super) fn judged(builder: Builder, subject: &str) -> String {
    let said = say(&builder.build(), subject);
    let (outcome, at) = said.split_once(' ').unwrap_or((&said, ""));
    format!("{outcome} {}", at.rsplit(':').next().unwrap()).trim_end().to_owned()
}

macro_rules! order {
    ($($name:ident: [$($rule:literal),*] $subject:literal => $want:literal;)*) => {
        $(#[test] fn $name() { assert_eq!(judged(lists(&[$($rule),*]), $subject), $want); })*
    };
}

order! {
    my_block_before_never: ["n never a.example", "my block a.example"] "a.example" => "block 2";
    my_block_before_important_allow: ["a important allow a.example", "my block *.a.example"]
        "a.example" => "block 2";
    never_before_important_block: ["a important block a.example", "n never *.example"]
        "a.example" => "never 2";
    important_allow_before_important_block: ["a important block t.example", "b important allow *.example"]
        "t.example" => "allow 2";
    important_block_before_allow: ["a allow t.example", "b important block *.example"]
        "t.example" => "block 2";
    allow_before_block: ["a block t.example", "b allow *.example"] "t.example" => "allow 2";
    block_before_watch: ["w block t.example", "a block *.example"] "t.example" => "block 2";
    watch_before_nothing: ["w block *.example"] "t.example" => "watch 1";
    important_watch_is_watched: ["w important block t.example", "a allow *.example"]
        "t.example" => "allow 2";
    watched_allow_opens_nothing: ["w important allow t.example", "a block *.example"]
        "t.example" => "block 2";
    watched_allow_keeps_its_list_from_watching: ["w block *.example", "w allow t.example"]
        "t.example" => "pass";
    watched_important_block_before_watched_allow: ["w important block *.example", "w allow t.example"]
        "t.example" => "watch 1";
    off_is_nothing: ["o important allow t.example", "a block t.example"] "t.example" => "block 2";
    nearest_is_named: ["a important block *.example", "b important block t.example"]
        "t.example" => "block 2";
    first_list_is_named: ["b block t.example", "a block t.example"] "t.example" => "block 2";
    first_line_is_named: ["a block t.example {\"types\":[1]}", "a nodata t.example"]
        "t.example" => "block 2";
    everything_is_farthest: ["a block * {\"not_below\":[\"b.example\"]}", "b block t.example"]
        "t.example" => "block 2";
    everything_blocks: ["a block * {\"not_below\":[\"b.example\"]}"] "t.example" => "block 1";

    dnsmasq_nearest_block: ["d allow *.example", "d block *.t.example"] "t.example" => "block 2";
    dnsmasq_nearest_allow: ["d block *.example", "d allow *.t.example"] "t.example" => "allow 2";
    unbound_nearest_block: ["u allow *.example", "u block *.t.example"] "t.example" => "block 2";
    rpz_nearest_block: ["r allow *.example", "r block t.example"] "t.example" => "block 2";
    rpz_addresses: ["r allow 192.0.2.0/24", "r block 192.0.2.7"] "192.0.2.7" => "block 2";
    rpz_addresses_allow: ["r block 192.0.2.0/24", "r allow 192.0.2.7"] "192.0.2.7" => "allow 2";
    nearest_of_another_list_counts_for_itself: ["d allow *.example", "u block *.t.example"]
        "t.example" => "allow 1";
    what_is_outdone_in_its_list_opens_nothing: ["d allow *.example", "d block t.example", "a block *.example"]
        "t.example" => "block 2";
    at_the_same_name_allow: ["d block t.example", "d allow t.example"] "t.example" => "allow 2";
    a_rule_that_does_not_hold_outdoes_none:
        ["d block *.example", "d allow t.example {\"schedule\":\"never\"}"] "t.example" => "block 1";
    for_a_client_before_a_name: ["r block t.example", "r allow * {\"clients\":[{\"address\":\"127.0.0.1\"}]}"]
        "t.example" => "allow 2";
    for_a_narrow_client_before_a_wide_one: ["r allow * {\"clients\":[{\"address\":\"127.0.0.0/8\"}]}",
        "r block * {\"clients\":[{\"address\":\"127.0.0.1\"}]}"] "t.example" => "block 2";
    for_another_client: ["r block t.example", "r allow * {\"clients\":[{\"address\":\"192.0.2.1\"}]}"]
        "t.example" => "block 1";
}

/// Of each class one rule, the first first; the last is nothing at all.
const CLASSES: [(&str, &str); 9] = [
    ("my allow", "allow"),
    ("my block", "block"),
    ("n never", "never"),
    ("b important allow", "allow"),
    ("b important block", "block"),
    ("b allow", "allow"),
    ("b block", "block"),
    ("w block", "watch"),
    ("o block", "pass"),
];

#[test]
fn of_each_two_classes_the_first_decides_whatever_is_nearer() {
    let names = [("t.example", "t.example", "*.example"), ("t.example", "*.example", "t.example")];
    let addresses = [("192.0.2.7", "192.0.2.7", "192.0.2.0/24")];
    let turned = [("192.0.2.7", "192.0.2.0/24", "192.0.2.7")];
    for (at, (first, want)) in CLASSES.iter().enumerate() {
        for (second, _) in &CLASSES[at + 1..] {
            for (subject, one, two) in names.iter().chain(&addresses).chain(&turned) {
                if first.starts_with("my") && second.starts_with("my") {
                    continue; // among the user's own the nearest is first: see above
                }
                let lines = [format!("{second} {two}"), format!("{first} {one}")];
                let lines = [lines[0].as_str(), lines[1].as_str()];
                assert_eq!(judged(lists(&lines), subject), format!("{want} 2"), "{lines:?}");
            }
        }
    }
}

#[test]
fn as_many_lists_in_which_nearness_decides_as_there_may_be_are_weighed_exactly() {
    for count in [1, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE + 1] {
        let mut set = RulesBuilder::default();
        for number in 0..count {
            set.list(&number.to_string(), Kind::File(Format::Rpz), Mode::Enforce);
            set.host(1, "example", Scope::WithSubdomains, Action::Allow);
            set.host(2, "t.example", Scope::Exact, Action::Block);
            // Only the last has a nearer exception.
            if number + 1 == count {
                set.host(3, "x.t.example", Scope::Exact, Action::Allow);
                set.host(4, "y.t.example", Scope::Exact, Action::Block);
            }
        }
        set.list("plain", Kind::File(Format::Domains), Mode::Enforce);
        set.host(5, "z.example", Scope::Exact, Action::Block);
        let policy = Policy::builder(Arc::new(set.build())).build();
        let last = count - 1;
        for (host, want) in [
            ("t.example", "block 0:2".to_owned()),
            ("x.t.example", format!("allow {last}:3")),
            ("y.t.example", if count == 1 { "block 0:4" } else { "allow 0:1" }.to_owned()),
            ("z.example", "allow 0:1".to_owned()),
            ("z.test", "pass".to_owned()),
        ] {
            assert_eq!(say(&policy, host), want, "{count} {host}");
        }
    }
}

#[test]
fn a_blocks_answer_is_that_of_the_deciding_rule() {
    for (lines, want) in [
        (["a block *.example", "b nodata t.example"], Answer::Nodata),
        (["a nodata *.example", "b block t.example"], Answer::Usual),
        (["a important drop *.example", "b nodata t.example"], Answer::Drop),
        (["my block t.example", "b nodata t.example"], Answer::Usual),
    ] {
        let verdict = lists(&lines).build().judge(Instant::ZERO, "t.example", &HOST);
        assert!(matches!(verdict, Verdict::Block(stop) if stop.answer == want), "{lines:?}");
    }
}

#[test]
fn what_must_stay_reachable_and_would_be_blocked_is_found() {
    let found = |lines: &[&str], names: &[&'static str]| {
        let policy = lists(lines).build();
        policy.would_block(names.iter().copied()).map(|(name, rule)| (name, rule.line))
    };
    let names = ["ntp.example", "time.example"];
    assert_eq!(found(&["a block *.test"], &names), None);
    assert_eq!(found(&["a block time.example"], &names), Some(("time.example", 1)));
    assert_eq!(found(&["a block time.example", "n never time.example"], &names), None);
    assert_eq!(found(&["a block *.example", "b allow *.example"], &names), None);
    assert_eq!(found(&["w block *.example", "o block *.example"], &names), None);
    assert_eq!(found(&["my block *.example"], &names), None, "the user may");
    // For some is for somebody, and an exception for some is not one for all.
    let night = "a block ntp.example {\"schedule\":\"night\"}";
    assert_eq!(found(&[night], &names), Some(("ntp.example", 1)));
    let only_a = "b allow ntp.example {\"types\":[1]}";
    assert_eq!(found(&["a block ntp.example", only_a], &names), Some(("ntp.example", 1)));
}
