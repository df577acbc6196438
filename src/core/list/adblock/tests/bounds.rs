//! Lines that nobody means well with.

use proptest::prelude::*;

use super::*;
use crate::core::host::HostName;
use crate::core::list::MAX_LINE;

/// If any byte were looked at as often as the line is long, this would take hours.
#[test]
fn long_lines_of_marks_are_read_in_one_pass() {
    for start in ["", "||a.example^$client='", "*$denyallow=a,", "/a "] {
        for unit in UNITS {
            for end in ["^", "/"] {
                let line = format!("{start}{}{end}", unit.repeat((MAX_LINE - 64) / unit.len()));
                let _ = read(&line);
            }
        }
    }
}

#[test]
fn a_list_has_no_more_patterns_compiled_than_its_share() {
    let share = crate::core::list::patterns::MAX_PER_LIST;
    let mut adblock = Adblock { patterns: share - 1, ..reader() };
    let mut found = Words::default();
    for line in ["||ads1*.example^", "||ads2*.example^", "/ads(/", "||a.example^"] {
        adblock.line(line, &mut found);
    }
    let last = "block /(?:^|\\.)ads1.*\\.example$/";
    assert_eq!(found.0, [last, "TooManyPatterns", "TooManyPatterns", "block +a.example"]);
}

#[test]
fn a_modifier_has_no_more_values_than_there_are_top_level_domains() {
    let names = |count: usize| (0..count).map(|n| format!("a{n}")).collect::<Vec<_>>().join("|");
    assert!(read(&format!("*$denyallow={}", names(4096))).starts_with("block everything"));
    assert_eq!(read(&format!("*$denyallow={}", names(4097))), "BadModifier");
}

/// What a rule must be for the rule set to take it.
fn is_sound(rule: &Rule<'_>) -> bool {
    let sorted = rule.limits.as_ref().is_none_or(|limits| {
        limits.not_below.is_sorted_by(|a, b| a < b)
            && limits.types.is_sorted_by(|a, b| a < b)
            && limits.not_types.is_sorted_by(|a, b| a < b)
            && limits.clients.is_sorted_by(|a, b| a < b)
            && limits.not_clients.is_sorted_by(|a, b| a < b)
            && limits.tags.is_sorted_by(|a, b| a < b)
            && limits.not_tags.is_sorted_by(|a, b| a < b)
    });
    sorted
        && match rule.subject {
            Subject::Host(name, _) => name.parse::<HostName>().is_ok_and(|n| n.as_str() == name),
            Subject::Pattern(regex) => super::super::patterns::compile(regex).is_ok(),
            Subject::Prefix(_) => true,
            Subject::Everything => rule.limits.is_some(),
        }
}

/// Text made of what the grammar is made of.
fn of_marks() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "||",
        "|",
        "^",
        "*",
        "@@",
        "$",
        ",",
        "\\",
        "/",
        "~",
        "=",
        "'",
        "\"",
        "#",
        "##",
        " ",
        ".",
        "a",
        "example",
        "com",
        "1",
        "::1",
        "192.0.2.1",
        "://",
        "client",
        "ctag",
        "denyallow",
        "dnstype",
        "dnsrewrite",
        "important",
        "badfilter",
        "AAAA",
        "NXDOMAIN",
        ";",
        "(",
        ")",
        "[",
        "]",
        "?",
        "+",
        "{2}",
        "-",
        "_",
        "\u{fc}",
        "\u{200c}",
        "third-party",
    ]);
    prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn every_text_is_a_comment_or_has_a_sound_rule_or_a_fault(text in prop_oneof![".*", of_marks()]) {
        let mut sound = true;
        reader().line(&text, &mut Each(|rule: &Rule<'_>| sound &= is_sound(rule)));
        prop_assert!(sound, "{}", read(&text));
        let comment = matches!(Line::of(text.trim_matches([' ', '\t'])), Line::Comment | Line::Hosts);
        prop_assert!(comment || !read(&text).is_empty());
    }

    #[test]
    fn a_name_means_the_same_in_each_form(name in "[a-z][a-z0-9_-]{0,9}(\\.[a-z0-9_-]{1,9}){0,3}\\.[a-z]{2,9}") {
        prop_assert_eq!(read(&format!("||{name}^")), format!("block +{name}"));
        prop_assert_eq!(read(&format!("@@||{name}^$important")), format!("allow +{name} important"));
        prop_assert_eq!(read(&format!("|{name}|")), format!("block ={name}"));
        prop_assert_eq!(read(&format!("||*.{name}^")), format!("block .{name}"));
        let regex = format!("/(^|\\.){}$/", name.replace('.', "\\."));
        prop_assert_eq!(read(&regex), format!("block +{name}"));
    }

    #[test]
    fn a_rule_is_cancelled_by_itself_in_any_order(
        pattern in prop::sample::select(vec![
            "||a.example^", "@@||a.example^", "||a.example", "a.example", "/^ads\\d$/", "||ads*.example^",
            "||2001:db8::1^",
        ]),
        (first, second) in prop::sample::subsequence(
            vec!["important", "dnstype=~A|~MX", "client='a\\, b'|::1|~10.0.0.0/8", "ctag=os_ios|~os_other"],
            0..=4,
        ).prop_flat_map(|all| (Just(all.clone()).prop_shuffle(), Just([all, vec!["badfilter"]].concat()).prop_shuffle())),
    ) {
        let dollar = if first.is_empty() { "" } else { "$" };
        let rule = format!("{pattern}{dollar}{}", first.join(","));
        let bad = format!("{pattern}${}", second.join(","));
        prop_assert!(cancels(&bad, &rule), "{} {}", bad, rule);
    }
}

/// What lines are filled with: each mark of the grammar, alone and before what it joins.
#[rustfmt::skip]
const UNITS: [&str; 37] = [
    "$", "|", ",", "\\", "#", " #", "\t", "'", "\"", "~", "=", "*", "^", "/", "/$", "(", "[", "@@",
    "a|", "a,", "\\$", "'|'", "##", "#@", "://", ".", "a.", "(?", "[[:", "\\.", "%", "||",
    "client=a,", "a*", "\u{fc}", "$$", "\\\\$/",
];
