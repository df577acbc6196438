//! Masks, URL clothing, addresses, regular expressions.

use super::*;

lines! {
    a_suffix_is_a_name_with_subdomains: "||a.example^" => "block +a.example";
    an_exception_allows: "@@||a.example^" => "allow +a.example";
    a_bare_name_is_exact: "a.example" => "block =a.example";
    an_excepted_bare_name_is_exact: "@@a.example" => "allow =a.example";
    a_bare_name_with_a_final_dot_is_exact: "a.example." => "block =a.example";
    bars_at_both_ends_are_exact: "|a.example|" => "block =a.example";
    a_bar_and_a_caret_are_exact: "|a.example^" => "block =a.example";
    a_caret_and_a_bar_are_one_end: "||a.example^|" => "block +a.example";
    a_bar_at_the_end_of_a_suffix_is_an_end: "||a.example|" => "block +a.example";
    two_carets_are_one_end: "||a.example^^" => "block +a.example";
    a_star_after_the_caret_changes_nothing: "||a.example^*" => "block +a.example";
    capitals_are_lowered: "||A.Example^" => "block +a.example";
    an_underscore_is_ordinary: "||_dmarc.a_b.example^" => "block +_dmarc.a_b.example";
    a_bare_name_may_begin_with_an_underscore: "_dmarc.a.example" => "block =_dmarc.a.example";
    a_hyphen_at_an_end_of_a_label_is_ordinary: "||-a-.example^" => "block +-a-.example";
    punycode_is_left_as_it_is: "||xn--mnchen-3ya.example^" => "block +xn--mnchen-3ya.example";
    a_label_of_digits_is_a_name: "||123.example^" => "block +123.example";
    a_top_level_domain_is_left_to_the_guard: "||zip^" => "block +zip";
    a_label_may_have_63_bytes:
        &format!("||{}.example^", "a".repeat(63)) => format!("block +{}.example", "a".repeat(63));
    a_label_may_not_have_64_bytes: &format!("||{}.example^", "a".repeat(64)) => "BadName";
    a_name_may_not_have_254_bytes: &format!("||{}a.example^", "a123456.".repeat(31)) => "BadName";
    an_empty_label_is_no_name: "||a..example^" => "BadName";
    a_dot_at_the_start_of_a_suffix_is_no_name: "||.a.example^" => "BadName";
    what_is_below_a_name_is_a_scope: ".a.example^" => "block .a.example";
    what_is_below_a_name_may_be_written_with_a_star: "*.a.example^" => "block .a.example";
    a_star_in_a_suffix_is_below: "||*.a.example^" => "block .a.example";
    a_star_after_a_bar_is_below: "|*.a.example|" => "block .a.example";
    a_star_after_a_scheme_is_below: "://*.a.example^" => "block .a.example";

    a_scheme_begins_a_name: "://a.example^" => "block =a.example";
    http_begins_a_name: "http://a.example^" => "block =a.example";
    https_and_a_bar_begin_a_name: "|https://a.example^" => "block =a.example";
    a_masked_scheme_begins_a_name: "ws*://a.example^" => "block =a.example";
    any_scheme_begins_a_name: "*://a.example^" => "block =a.example";
    two_slashes_begin_a_name: "//a.example^" => "block =a.example";
    a_slash_ends_a_name_in_a_url: "http://a.example/" => "block =a.example";
    a_slash_ends_a_suffix: "||a.example/" => "block +a.example";
    a_slash_and_a_star_end_a_suffix: "||a.example/*" => "block +a.example";
    a_slash_and_a_star_end_an_exception: "@@||a.example/*" => "allow +a.example";
    a_path_is_of_a_url: "||a.example/path" => "Url";
    a_path_and_a_caret_are_of_a_url: "||a.example/path^" => "Url";
    a_path_alone_is_of_a_url: "/ads/banner" => "Url";
    an_excepted_path_is_of_a_url: "@@/ads/banner.js" => "Url";
    a_query_is_of_a_url: "||a.example/?" => "Url";
    a_parameter_is_of_a_url: "&ad_id=" => "Url";
    a_parameter_after_a_caret_is_of_a_url: "||a.example^*ad=" => "Url";
    a_port_is_of_a_url: "||a.example:8080^" => "Url";
    a_slash_after_a_bare_name_is_of_a_url: "a.example/" => "Url";
    a_slash_before_a_name_is_of_a_url: "/a.example." => "Url";
    an_anchored_url_with_a_path_is_of_a_url: "|http://a.example/x" => "Url";
    a_piece_of_a_file_name_is_of_a_url: "-ad-300x250." => "Url";
    a_piece_between_underscores_is_of_a_url: "_prebid_" => "Url";
    a_size_is_of_a_url: "_728x90." => "Url";
    an_ending_is_of_a_url: ".ads.js" => "Url";
    a_piece_with_a_hyphen_before_is_of_a_url: "-tracker.js" => "Url";
    a_caret_in_the_middle_never_matches: "||a^b.example^" => "Url";
    a_caret_before_a_name_never_matches: "^a.example^" => "Url";
    a_bar_in_the_middle_never_matches: "||a|b.example^" => "Url";
    a_suffix_with_underscores_alone_is_no_name: "||_prebid_^" => "BadName";
    a_single_word_is_no_rule: "ads" => "SingleLabel";
    a_single_word_between_bars_is_no_rule: "|ads|" => "SingleLabel";
    a_single_word_in_a_url_is_no_rule: "://ads^" => "SingleLabel";

    a_star_matches_all: "*" => "MatchesAll";
    two_stars_match_all: "**" => "MatchesAll";
    a_caret_matches_all: "||^" => "MatchesAll";
    a_star_and_a_caret_match_all: "||*^" => "MatchesAll";
    a_bar_matches_all: "|" => "MatchesAll";
    two_bars_match_all: "||" => "MatchesAll";
    a_star_between_bars_matches_all: "|*|" => "MatchesAll";
    a_star_and_a_slash_match_all: "||*/*" => "MatchesAll";
    any_url_matches_all: "*://*" => "MatchesAll";
    stars_around_a_dot_match_all: "||*.*^" => "MatchesAll";
    an_excepted_star_matches_all: "@@*" => "MatchesAll";
    important_does_not_limit: "*$important" => "MatchesAll";
    a_rewrite_does_not_limit: "*$dnsrewrite=NXDOMAIN" => "MatchesAll";
    a_client_limits: "@@||*^$client=192.0.2.1" => "allow everything for=192.0.2.1";
    a_tag_limits: "*$ctag=user_child" => "block everything tags=user_child";
    a_type_limits: "||^$dnstype=AAAA" => "block everything types=28";
    an_exception_to_it_limits: "*$denyallow=example|test" => "block everything except=example|test";
    an_exception_to_an_exception_limits: "@@*$denyallow=example" => "allow everything except=example";
    a_regex_for_all_may_be_limited: "/.*/$client=192.0.2.1" => "block everything for=192.0.2.1";
    an_odd_regex_for_all_may_not: "/(ads)?/$client=192.0.2.1" => "MatchesAll";
    the_end_of_a_large_top_level_domain_is_a_suffix: "*.com" => "PublicSuffix";
    a_name_that_ends_in_com_is_a_suffix: "com^" => "PublicSuffix";
    a_label_that_begins_with_com_is_a_suffix: "||com" => "PublicSuffix";
    what_is_below_com_is_left_to_the_guard: "||*.com^" => "block .com";

    an_address_is_a_prefix: "||192.0.2.1^" => "block 192.0.2.1";
    a_bare_address_is_a_prefix: "192.0.2.1" => "block 192.0.2.1";
    an_excepted_address_is_a_prefix: "@@||192.0.2.1^" => "allow 192.0.2.1";
    an_address_between_bars_is_a_prefix: "|192.0.2.1|" => "block 192.0.2.1";
    an_address_with_an_open_end_is_that_address: "||192.0.2.1" => "block 192.0.2.1";
    an_address_in_a_url_is_a_prefix: "://192.0.2.1^" => "block 192.0.2.1";
    an_address_with_a_modifier_is_a_prefix: "||192.0.2.1^$important" => "block 192.0.2.1 important";
    a_v6_address_is_a_prefix: "||2001:db8::1^" => "block 2001:db8::1";
    a_bare_v6_address_is_a_prefix: "2001:DB8:0::1" => "block 2001:db8::1";
    a_v6_address_in_brackets_is_a_prefix: "://[2001:db8::1]^" => "block 2001:db8::1";
    an_address_and_a_port_are_of_a_url: "||192.0.2.1:443^" => "Url";
    a_prefix_is_of_a_url: "||192.0.2.0/24^" => "Url";
    a_part_of_an_address_is_no_name: "||192.0.2^" => "BadAddress";
    five_numbers_are_no_name: "||192.0.2.1.5^" => "BadAddress";
    whole_octets_and_a_star_are_a_prefix: "||198.51.*" => "block 198.51.0.0/16";
    whole_octets_and_an_end_are_a_prefix_too: "||198.51.100.*^" => "block 198.51.100.0/24";
    whole_octets_are_a_prefix: "://198.51." => "block 198.51.0.0/16";
    octets_after_a_star_are_not_applied: "||*.51.100^" => "BadAddress";
    octets_around_a_star_are_not_applied: "||198.*.100^" => "AddressPattern";
    a_part_of_an_octet_is_not_applied: "||198.5*" => "AddressPattern";
    no_octet_is_above_255: "||198.256." => "AddressPattern";
    a_dot_too_many_is_no_prefix: "||198.51.100.7." => "AddressPattern";
    zeros_and_hyphens_are_of_a_name: "|*0-0-0-0*^" => "block /0-0-0-0/";
    a_regex_for_addresses_is_not_applied: "/^203\\.0\\.113\\.(2[0-9]|3[0-2])$/" => "AddressPattern";
    a_regex_for_the_start_of_addresses_is_not_applied: "/^192\\.168\\./" => "AddressPattern";
    a_regex_for_a_network_is_not_applied: "/^10\\.\\d+\\.\\d+\\.\\d+$/" => "AddressPattern";
    a_regex_with_groups_for_addresses_is_not_applied: "/^(127|10)(\\.\\d{1,3}){3}$/" => "AddressPattern";
    a_regex_for_v6_is_not_applied: "/^f[cd][0-9a-f]{2}:/" => "AddressPattern";
    a_regex_for_urls_is_of_a_url: "/^https?:\\/\\/a\\.example\\/[a-z]{8}\\.js/" => "Url";
    a_regex_with_a_path_is_of_a_url: "/a\\.example\\/ads/" => "Url";
    a_regex_without_slashes_in_a_set_is_a_pattern: "/^ads[^/]+\\.example/" => "block /^ads[^/]+\\.example/";
    a_regex_for_no_v6_address_is_not_applied: "/^::$/" => "AddressPattern";
    a_group_that_captures_nothing_is_no_colon: "/^(?:ads|pix)\\d/" => "block /^(?:ads|pix)\\d/";
    a_named_class_is_no_colon: "/^ad[[:digit:]]+/" => "block /^ad[[:digit:]]+/";
    a_regex_for_names_of_digits_is_applied: "/^[0-9]{8,}\\./" => "block /^[0-9]{8,}\\./";
    a_regex_that_spells_an_address_is_a_prefix: "/^192\\.0\\.2\\.1$/" => "block 192.0.2.1";

    the_idiom_of_pi_hole_is_a_suffix: "/(^|\\.)a\\.example$/" => "block +a.example";
    the_idiom_without_capture_is_a_suffix: "/(?:^|\\.)a\\.example$/" => "block +a.example";
    the_idiom_turned_round_is_a_suffix: "/(\\.|^)a\\.example$/" => "block +a.example";
    the_idiom_with_a_plus_is_a_suffix: "/^(.+\\.)?a\\.example$/" => "block +a.example";
    the_idiom_with_a_star_is_a_suffix: "/^(.*\\.)?a\\.example$/" => "block +a.example";
    the_idiom_with_a_set_for_a_dot_is_a_suffix: "/(^|\\.)a[.]example$/" => "block +a.example";
    the_idiom_in_capitals_is_a_suffix: "/(^|\\.)A\\.Example$/" => "block +a.example";
    an_excepted_idiom_is_a_suffix: "@@/(^|\\.)a\\.example$/" => "allow +a.example";
    an_idiom_with_a_modifier_is_a_suffix: "/(^|\\.)a\\.example$/$important" => "block +a.example important";
    an_anchored_literal_is_exact: "/^a\\.example$/" => "block =a.example";
    a_dot_and_a_literal_are_below: "/\\.a\\.example$/" => "block .a.example";
    anything_and_a_dot_are_below: "/^.+\\.a\\.example$/" => "block .a.example";
    an_idiom_with_an_escaped_hyphen_is_a_suffix: "/(^|\\.)a\\-b\\.example$/" => "block +a-b.example";
    an_idiom_without_an_end_is_a_pattern: "/(^|\\.)a\\.example/" => "block /(^|\\.)a\\.example/";
    an_idiom_with_a_bare_dot_is_a_pattern: "/(^|\\.)a.example$/" => "block /(^|\\.)a.example$/";
    an_idiom_with_an_escaped_end_is_a_pattern: "/^a\\.example\\$/" => "block /^a\\.example\\$/";
    a_regex_is_a_pattern: "/ads?[0-9]+/" => "block /ads?[0-9]+/";
    capitals_in_a_regex_match_small_letters: "/^ADS\\d/" => "block /(?i)^ADS\\d/";
    a_capital_after_a_backslash_is_no_letter: "/^ads\\D/" => "block /^ads\\D/";
    a_regex_that_matches_all_is_refused: "/.*/" => "MatchesAll";
    a_regex_that_matches_nothing_too_is_refused: "/(ads)*/" => "MatchesAll";
    a_regex_for_a_large_top_level_domain_is_refused: "/\\.com$/" => "block .com";
    a_regex_for_two_large_top_level_domains_is_refused: "/\\.(com|net)$/" => "PublicSuffix";
    look_ahead_needs_backtracking: "/^(?=[0-9a-f]*[a-f])[0-9a-f]{8}\\.example$/" => "Backtracking";
    look_behind_needs_backtracking: "/(?<!www)\\.ads/" => "Backtracking";
    a_reference_needs_backtracking: "/(.)\\1\\1\\.example/" => "Backtracking";
    an_open_group_is_a_bad_pattern: "/ads(/" => "BadPattern";
    letters_beyond_ascii_are_a_bad_pattern: "/b\u{fc}cher/" => "BadPattern";
    what_would_trap_a_backtracker_is_a_pattern: "/^(([a-z])+.)+[A-Z]x$/" => "block /(?i)^(([a-z])+.)+[A-Z]x$/";
    a_mask_beyond_ascii_is_no_name: "||b\u{fc}*.example^" => "BadName";
    a_mask_without_end_is_a_bad_pattern: &format!("||{}^", "a*".repeat(300)) => "BadPattern";
    a_bare_mask_is_not_below: "*.a.example" => "block /\\.a\\.example/";
}

matching! {
    a_suffix_ends_at_a_label: "||a.example^" => ["a.example", "b.a.example"] not ["ba.example", "a.example.test"];
    a_suffix_without_a_caret_is_open_at_its_end:
        "||a.example" => ["a.example", "b.a.example", "a.example.test", "a.examples"] not ["ba.example"];
    a_bar_at_the_start_is_open_at_the_end: "|a.exa" => ["a.example", "a.exa"] not ["b.a.example", "ba.example"];
    a_bar_at_the_end_is_open_at_the_start: "ample.test|" => ["example.test", "ample.test"] not ["example.test.x"];
    a_caret_at_the_end_is_open_at_the_start: "a.example^" => ["a.example", "ba.example"] not ["a.example.test"];
    a_url_without_an_end_is_open: "://a.example" => ["a.example", "a.example.test"] not ["b.a.example"];
    a_star_crosses_dots: "||tv.*.example^" => ["tv.a.example", "x.tv.a.b.example"] not ["tv.example", "atv.a.example"];
    a_star_may_stand_for_nothing: "||ad*s.example^" => ["ads.example", "adxs.example"] not ["ads.example.test"];
    a_star_at_the_end_opens_it: "||ads*^" => ["ads", "ads1.example", "x.ads.example"] not ["bads.example"];
    a_star_at_the_start_opens_it: "||*ads.example^" => ["ads.example", "badads.example"] not ["ads.example.test"];
    a_bare_mask_is_a_substring: "log*-app*.ads*.*" => ["xlog1-app2.adsy.z", "log-app.ads."] not ["log.ads.z"];
    a_bare_star_and_a_name_are_a_substring:
        "*.a.example" => ["b.a.example", "b.a.example.test"] not ["a.example", "ba.example"];
    a_masked_label_matches: "||pix-*.example^" => ["pix-1.example", "a.pix-.example"] not ["pix1.example"];
    a_star_before_the_end_of_a_url_opens_it: "://ads*" => ["ads.example"] not ["x.ads.example"];
    capitals_in_a_mask_match_small_letters: "||ADS*.Example^" => ["ads1.example"] not ["ad.example"];
    a_regex_is_unanchored: "/ads[0-9]/" => ["xads1.example", "a.ads2"] not ["ads.example"];
    a_regex_in_capitals_matches: "/^ADS\\d/" => ["ads1.example"] not ["xads1.example"];
    a_dot_in_a_regex_is_any_character: "/^a.example$/" => ["abexample", "a.example"] not ["aexample"];
}

#[test]
fn an_address_with_an_open_end_matches_no_longer_one() {
    assert!(matches("||192.0.2.1", "192.0.2.1"));
    assert!(!matches("||192.0.2.1", "192.0.2.10"));
}

#[test]
fn a_list_may_say_that_bare_names_mean_what_is_below_them() {
    let mut adblock = Adblock::new(&Options { subdomains: true, ..Options::of(Format::Adblock) });
    let mut found = Words::default();
    for line in ["a.example", "|b.example|", "@@c.example$important", "ads"] {
        adblock.line(line, &mut found);
    }
    let want =
        ["block +a.example", "block =b.example", "allow +c.example important", "SingleLabel"];
    assert_eq!(found.0, want);
}
