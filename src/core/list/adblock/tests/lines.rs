//! Comments, cosmetic rules, hosts lines, space; and where the modifiers begin.

mod kinds {
    use super::super::*;

    lines! {
        an_empty_line_is_nothing: "" => "";
        blanks_are_nothing: " \t " => "";
        an_exclamation_mark_begins_a_comment: "! Title: x" => "";
        a_comment_may_be_indented: "  ! note" => "";
        a_comment_needs_no_blank: "!note ||a.example^" => "";
        a_hash_begins_a_comment: "# note" => "";
        a_hash_without_a_blank_begins_a_comment_too: "#note" => "";
        a_lone_hash_is_a_comment: "#" => "";
        a_heading_of_hashes_is_a_comment: "#### Trackers ####" => "";
        two_hashes_and_a_blank_are_a_comment: "## Trackers" => "";
        a_commented_hosts_line_is_a_comment: "#::1 localhost" => "";
        the_header_is_a_comment: "[Adblock Plus 2.0]" => "";
        the_header_of_adguard_is_a_comment: "[AdGuard]" => "";
        an_if_is_a_comment: "!#if adguard_ext_chromium" => "";
        an_endif_is_a_comment: "!#endif" => "";
        an_include_is_not_followed: "!#include https://lists.example/more.txt" => "";
        a_hint_is_a_comment: "!+ PLATFORM(windows)" => "";
        a_checksum_is_a_comment: "! Checksum: abcdef==" => "";

        an_element_is_cosmetic: "##.ad" => "Cosmetic";
        an_element_by_id_is_cosmetic: "###banner" => "Cosmetic";
        three_hashes_and_a_blank_are_a_comment: "### Trackers" => "";
        an_element_of_a_site_is_cosmetic: "a.example##.ad" => "Cosmetic";
        an_element_of_a_site_by_id_is_cosmetic: "a.example###ad" => "Cosmetic";
        an_element_of_two_sites_is_cosmetic: "a.example,b.example##.ad" => "Cosmetic";
        an_exception_for_an_element_is_cosmetic: "a.example#@#.ad" => "Cosmetic";
        a_generic_exception_is_cosmetic: "#@#.ad" => "Cosmetic";
        extended_css_is_cosmetic: "a.example#?#div:has(> .ad)" => "Cosmetic";
        injected_css_is_cosmetic: "a.example#$#body { margin: 0 }" => "Cosmetic";
        an_exception_for_css_is_cosmetic: "a.example#@$#.x { top: 0 }" => "Cosmetic";
        extended_injected_css_is_cosmetic: "a.example#$?#.x { top: 0 }" => "Cosmetic";
        the_longest_mark_is_cosmetic: "a.example#@$?#.x { top: 0 }" => "Cosmetic";
        a_script_is_cosmetic: "a.example#%#window.x = 1" => "Cosmetic";
        a_scriptlet_is_cosmetic: "a.example##+js(set, x, true)" => "Cosmetic";
        a_generic_scriptlet_is_cosmetic: "#%#//scriptlet('log')" => "Cosmetic";
        filtered_html_is_cosmetic: "a.example$$script[src=\"x\"]" => "Cosmetic";
        an_exception_for_html_is_cosmetic: "a.example$@$script[src=\"x\"]" => "Cosmetic";
        two_percent_signs_are_cosmetic: "a.example%%x" => "Cosmetic";
        an_element_with_a_modifier_is_cosmetic: "[$path=/x]a.example##.ad" => "Cosmetic";
        an_invisible_character_in_a_cosmetic_rule_is_no_matter: "a.example##.\u{200c}ad" => "Cosmetic";
        a_cosmetic_rule_in_capitals_is_cosmetic: "A.EXAMPLE##DIV" => "Cosmetic";

        a_comment_after_a_rule_is_cut: "||a.example^ # https://b.example/" => "block +a.example";
        a_comment_after_a_tab_is_cut: "||a.example^\t# note" => "block +a.example";
        a_comment_after_a_bare_name_is_cut: "a.example # note" => "block =a.example";
        a_comment_after_modifiers_is_cut: "||a.example^$important # note" => "block +a.example important";
        a_heading_after_a_rule_is_cut: "||a.example^ ## note" => "block +a.example";
        a_hash_without_a_blank_before_is_not_cut: "||a.example^#note" => "Url";
        a_cosmetic_rule_after_a_blank_is_not_cut: "a.example ##.ad" => "Cosmetic";
        a_hash_in_a_quoted_name_is_not_cut: "||a.example^$client='Room #2'" => "block +a.example for='room #2'";
        a_comment_after_a_quoted_name_is_cut: "||a.example^$client='x' # it's" => "block +a.example for='x'";
        an_apostrophe_in_a_comment_is_no_quote: "||a.example^ # it's # that" => "block +a.example";

        space_around_a_rule_is_cut: "  ||a.example^\t " => "block +a.example";
        space_in_a_pattern_is_malformed: "||a.example b.example^" => "Malformed";
        words_are_malformed: "this is no list" => "Malformed";
        a_control_character_is_said_to_be_one: "a\u{7f}b.example^" => "Control";
        markup_is_malformed: "<html>" => "Malformed";
        two_at_signs_alone_are_malformed: "@@" => "Malformed";
        a_raw_regex_of_pi_hole_is_malformed: "(^|\\.)a\\.example$" => "Malformed";
        a_carriage_return_in_a_line_is_no_end: "a.example\rb.example" => "Control";
    }

    /// Whatever the reader of hosts files makes of it.
    #[test]
    fn an_address_before_names_is_left_to_the_reader_of_hosts_files() {
        for line in
            ["0.0.0.0 a.example", "127.0.0.1\ta.example b.example # c", "fe80::1%lo0 localhost"]
        {
            assert_eq!(Line::of(line), Line::Hosts, "{line}");
            let mut want = Words::default();
            hosts::Hosts::new(&Options::of(Format::Hosts)).line(line, &mut want);
            assert_eq!(read(line), want.0.join("; "), "{line}");
        }
        assert_eq!(read("192.0.2.7 # note"), "block 192.0.2.7");
    }
}

mod delimiter {
    lines! {
        the_last_dollar_begins_the_modifiers: "||a.example^$important" => "block +a.example important";
        an_exception_has_modifiers_too: "@@||a.example^$important" => "allow +a.example important";
        dollars_in_a_path_are_of_the_path: "||a.example/x$is$path$important" => "Url";
        a_modifier_after_a_regex_is_read: "/^ads\\d\\./$important" => "block /^ads\\d\\./ important";
        a_modifier_after_an_excepted_regex_is_read: "@@/^ads\\d\\./$important" => "allow /^ads\\d\\./ important";
        a_dollar_in_a_regex_is_of_the_regex: "/ads\\d\\.example$/" => "block /ads\\d\\.example$/";
        a_dollar_in_a_regex_before_modifiers_is_of_the_regex:
            "/ads\\d\\.example$/$important" => "block /ads\\d\\.example$/ important";
        a_dollar_in_an_excepted_regex_is_of_the_regex: "@@/ads\\d\\.example$/" => "allow /ads\\d\\.example$/";
        a_choice_with_a_dollar_is_of_the_regex: "/ads(\\d$|x)y/" => "block /ads(\\d$|x)y/";
        a_slash_at_the_end_of_a_value_is_of_the_value: "/ads/$replace=/a/b/" => "BrowserModifier";
        a_slash_at_the_end_of_an_exceptions_value_is_of_the_value: "@@/ads/$replace=/a/b/" => "BrowserModifier";
        a_path_as_a_value_is_of_the_value: "||a.example^$path=/x$/" => "UnknownModifier";
        an_escaped_dollar_is_of_the_name: "||a.example^$client='\\$-client'" => "block +a.example for='$-client'";
        an_escaped_backslash_escapes_nothing: "||a.example^$client=x\\\\$y" => "Malformed";
        a_dollar_at_the_end_begins_nothing: "||a.example^$" => "Url";
        a_pair_of_slashes_is_no_regex: "//" => "Url";
        one_slash_is_no_regex: "/" => "Url";
        one_slash_with_a_client_does_not_match_everything: "/$client=192.0.2.1" => "Url";
        a_pair_of_slashes_with_a_client_does_not_match_everything: "//$client=192.0.2.1" => "Url";
        a_scheme_with_a_client_does_not_match_everything: "http://$client=192.0.2.1" => "Url";
        a_path_with_a_client_does_not_match_everything: "/x$client=192.0.2.1" => "Url";
        modifiers_alone_match_everything: "$dnstype=AAAA" => "block everything types=28";
        a_comma_at_the_end_is_no_modifier: "||a.example^$important," => "UnknownModifier";
        blanks_around_modifiers_are_cut: "||a.example^$important, dnstype=A" => "block +a.example important types=1";
        a_regex_with_flags_is_a_path: "/ads/i" => "Url";
        a_regex_with_an_escaped_slash_is_whole: "/a[^\\/$]b/" => "block /a[^\\/$]b/";
    }
}
