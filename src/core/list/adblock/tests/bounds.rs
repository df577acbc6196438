//! Lines that nobody means well with.

use proptest::prelude::*;

use super::*;
use crate::core::host::HostName;
use crate::core::list::MAX_LINE;

/// A text of which each byte is looked at again would take minutes here.
#[test]
fn long_lines_of_marks_are_read_in_one_pass() {
    for start in
        ["", "||a.example^$client='", "||a.example^$denyallow=", "/", "@@", "a ", "a.example"]
    {
        for unit in [
            "$",
            "|",
            ",",
            "\\",
            "#",
            " #",
            "\t",
            "'",
            "\"",
            "~",
            "=",
            "*",
            "^",
            "/",
            "/$",
            "(",
            "[",
            "@@",
            "a|",
            "a,",
            "\\$",
            "'|'",
            "##",
            "#@",
            "://",
            ".",
            "a.",
            "(?",
            "[[:",
            "\\.",
            "%",
            "||",
            "client=a,",
            "a*",
            "\u{fc}",
            "$$",
            "\\\\$/",
        ] {
            for end in ["", "^", "/", "$important", "'"] {
                let line = format!("{start}{}{end}", unit.repeat((MAX_LINE - 64) / unit.len()));
                let _ = read(&line);
            }
        }
    }
}

#[test]
fn a_list_has_no_more_patterns_compiled_than_its_share() {
    let mut adblock = Adblock::default();
    let mut found = Words::default();
    for number in 0..super::super::patterns::MAX_PER_LIST {
        adblock.line(&format!("||ads{number}*.example^"), &mut found);
    }
    assert!(found.0.iter().all(|words| words.starts_with("block /")));
    found.0.clear();
    adblock.line("||ads*.example^", &mut found);
    adblock.line("||a.example^", &mut found);
    assert_eq!(found.0, ["TooManyPatterns", "block +a.example"]);
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
        Adblock::default().line(&text, &mut Each(|rule: &Rule<'_>| sound &= is_sound(rule)));
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
    fn a_rule_is_cancelled_by_itself(text in of_marks()) {
        let found = read(&text);
        if (found.starts_with("block") || found.starts_with("allow")) && !found.contains("cancels")
            && !matches!(Line::of(text.trim_matches([' ', '\t'])), Line::Hosts) && !text.contains(" #") && !text.contains("\\")
        {
            let text = text.trim_matches([' ', '\t']);
            let has = matches!(Line::of(text), Line::Rule(parts) if parts.modifiers.is_some());
            let bad = format!("{text}{}badfilter", if has { "," } else { "$" });
            prop_assert!(cancels(&bad, text), "{} {}", text, bad);
        }
    }
}
