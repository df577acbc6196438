//! What each statement comes to.

use proptest::prelude::*;

use super::*;
use crate::core::list::spelled::{spelled, spells};

spells! { Unbound::default();
    always_null_blocks: "local-zone: \"x.example.\" always_null" => ["block x.example+"];
    always_nxdomain_blocks: "local-zone: \"x.example\" always_nxdomain" => ["block x.example+"];
    static_blocks: "local-zone: \"x.example\" static" => ["block x.example+"];
    always_nodata_blocks_with_no_data: "local-zone: \"x.example\" always_nodata" => ["block x.example+ nodata"];
    always_refuse_blocks_with_refused: "local-zone: \"x.example\" always_refuse" => ["block x.example+ refused"];
    refuse_blocks_with_refused: "local-zone: \"x.example\" refuse" => ["block x.example+ refused"];
    always_deny_blocks_without_answer: "local-zone: \"x.example\" always_deny" => ["block x.example+ drop"];
    deny_blocks_without_answer: "local-zone: \"x.example\" deny" => ["block x.example+ drop"];
    inform_deny_blocks_without_answer: "local-zone: \"x.example\" inform_deny" => ["block x.example+ drop"];
    block_a_blocks_one_type: "local-zone: \"x.example\" block_a" => ["block x.example+ nodata type 1"];
    transparent_allows: "local-zone: \"x.example\" transparent" => ["allow x.example+"];
    typetransparent_allows: "local-zone: \"x.example\" typetransparent" => ["allow x.example+"];
    always_transparent_allows: "local-zone: \"x.example\" always_transparent" => ["allow x.example+"];
    inform_allows: "local-zone: \"x.example\" inform" => ["allow x.example+"];
    nodefault_is_no_rule: "local-zone: \"x.example\" nodefault" => ["NoRule"];
    noview_is_no_rule: "local-zone: \"x.example\" noview" => ["NoRule"];
    an_ipset_is_no_rule: "local-zone: \"x.example\" ipset" => ["NoRule"];
    an_unknown_type_is_malformed: "local-zone: \"x.example\" blackhole" => ["Malformed"];
    a_type_in_capitals_is_malformed: "local-zone: \"x.example\" Static" => ["Malformed"];
    a_carve_out_under_a_wider_zone:
        "local-zone: \"x.example\" static\nlocal-zone: \"a.x.example\" transparent" =>
        ["block x.example+", "allow a.x.example+"];
    the_root_is_refused: "local-zone: \".\" static" => ["MatchesAll"];
    the_root_is_not_allowed_either: "local-zone: . transparent" => ["MatchesAll"];
    a_redirect_of_the_root_is_refused: "local-zone: \".\" redirect\nlocal-data: \". A 0.0.0.0\"" =>
        ["MatchesAll", "MatchesAll"];
    a_single_label_is_left_to_the_guard: "local-zone: \"zip\" static" => ["block zip+"];

    data_without_a_zone_is_for_one_type: "local-data: \"x.example. A 0.0.0.0\"" => ["block x.example type 1"];
    data_of_ipv6_is_for_one_type: "local-data: \"x.example. AAAA ::\"" => ["block x.example type 28"];
    data_of_this_host_blocks: "local-data: \"x.example A 127.0.0.1\"" => ["block x.example type 1"];
    data_with_ttl_and_class: "local-data: \"x.example. 3600 IN A 0.0.0.0\"" => ["block x.example type 1"];
    data_with_a_ttl_in_hours: "local-data: 'x.example 1H IN A 0.0.0.0'" => ["block x.example type 1"];
    data_in_lower_case: "local-data: 'x.example in a 0.0.0.0'" => ["block x.example type 1"];
    data_of_a_host_diverts: "local-data: \"x.example A 192.0.2.1\"" => ["Rewrite"];
    data_of_an_alias_diverts: "local-data: \"x.example CNAME y.example.\"" => ["Rewrite"];
    data_of_text_diverts: "local-data: 'x.example TXT \"a b\"'" => ["Rewrite"];
    data_of_the_wrong_family: "local-data: \"x.example A ::\"" => ["Malformed"];
    data_without_an_address: "local-data: \"x.example A\"" => ["Malformed"];
    data_without_a_type: "local-data: \"x.example\"" => ["Malformed"];
    data_of_an_unknown_type: "local-data: \"x.example B 0.0.0.0\"" => ["Malformed"];
    data_of_a_literal_star_is_no_name: "local-data: \"*.x.example A 0.0.0.0\"" => ["BadName"];
    data_of_a_single_label: "local-data: \"x A 0.0.0.0\"" => ["SingleLabel"];
    reverse_data_diverts: "local-data-ptr: \"192.0.2.3 x.example\"" => ["Rewrite"];

    a_redirect_and_its_data_are_one_rule:
        "local-zone: \"x.example\" redirect\nlocal-data: \"x.example A 0.0.0.0\"" => ["block x.example+"];
    a_redirect_and_its_data_on_one_line:
        "local-zone: \"x.example\" redirect local-data: \"x.example A 0.0.0.0\"" => ["block x.example+"];
    a_redirect_with_both_types_is_one_rule:
        "local-zone: \"x.example\" redirect\nlocal-data: \"x.example A 0.0.0.0\"\nlocal-data: \"x.example AAAA ::\"" =>
        ["block x.example+"];
    a_redirect_and_its_data_spelled_otherwise:
        "local-zone: \"X.Example.\" redirect\nlocal-data: 'x.example. A 0.0.0.0'" => ["block x.example+"];
    a_redirect_to_a_host_diverts:
        "local-zone: \"x.example\" redirect\nlocal-data: \"x.example A 192.0.2.1\"" => ["Rewrite"];
    a_redirect_to_a_host_and_to_none_diverts:
        "local-zone: \"x.example\" redirect\nlocal-data: \"x.example A 192.0.2.1\"\nlocal-data: \"x.example AAAA ::\"" =>
        ["Rewrite", "Rewrite"];
    a_redirect_without_data_may_divert:
        "local-zone: \"x.example\" redirect\nlocal-zone: \"y.example\" static" => ["Rewrite", "block y.example+"];
    a_redirect_at_the_end_may_divert: "local-zone: \"x.example\" redirect" => ["Rewrite"];
    an_inform_redirect_is_a_redirect:
        "local-zone: \"x.example\" inform_redirect\nlocal-data: \"x.example A 0.0.0.0\"" => ["block x.example+"];
    data_of_another_name_is_its_own:
        "local-zone: \"x.example\" redirect\nlocal-data: \"y.example A 0.0.0.0\"\nlocal-data: \"x.example A 0.0.0.0\"" =>
        ["block y.example type 1", "block x.example+"];

    double_quotes: "local-zone: \"x.example\" \"static\"" => ["block x.example+"];
    single_quotes: "local-zone: 'x.example' 'static'" => ["block x.example+"];
    no_quotes: "local-zone: x.example. static" => ["block x.example+"];
    no_blank_after_the_colon: "local-zone:\"x.example\" static" => ["block x.example+"];
    no_blank_at_all: "local-zone:\"x.example\"static" => ["block x.example+"];
    neither_blank_nor_quotes: "local-zone:x.example static" => ["block x.example+"];
    tabs_part_words: "\tlocal-zone:\t\"x.example\"\tstatic\t" => ["block x.example+"];
    a_final_dot_is_dropped: "local-zone: \"x.example.\" static" => ["block x.example+"];
    two_final_dots_are_no_name: "local-zone: \"x.example..\" static" => ["BadName"];
    capitals_of_a_name_are_folded: "local-zone: \"X.EXAMPLE\" static" => ["block x.example+"];
    capitals_of_a_keyword_are_wrong: "Local-Zone: \"x.example\" static" => ["Malformed"];
    a_quote_that_does_not_end: "local-zone: \"x.example static" => ["Malformed"];
    quotes_that_differ: "local-zone: \"x.example' static" => ["Malformed"];
    a_zone_without_a_type: "local-zone: \"x.example\"" => ["Malformed"];
    a_zone_without_a_name: "local-zone:" => ["Malformed"];
    a_blank_before_the_colon: "local-zone : \"x.example\" static" => ["Malformed"];

    several_statements_on_a_line:
        "local-zone: \"a.example\" static local-zone: b.example refuse local-data: 'c.example A 0.0.0.0'" =>
        ["block a.example+", "block b.example+ refused", "block c.example type 1"];
    a_statement_after_another_option: "verbosity: 1 local-zone: \"x.example\" static" => ["NoRule", "block x.example+"];
    a_statement_after_the_header: "server: local-zone: \"x.example\" static" => ["block x.example+"];
    a_statement_at_the_header: "server:local-zone: \"x.example\" static" => ["block x.example+"];
    what_follows_a_malformed_one_is_not_read: "local-zone: x.example y local-zone: z.example static" => ["Malformed"];
    a_bad_name_leaves_the_others: "local-zone: \"a..example\" static local-zone: \"b.example\" static" =>
        ["BadName", "block b.example+"];

    the_header_is_nothing: "server:" => [];
    a_comment_is_nothing: "# local-zone: \"x.example\" static" => [];
    an_empty_line_is_nothing: " \t" => [];
    a_comment_after_a_statement: "local-zone: \"x.example\" static # why" => ["block x.example+"];
    a_comment_after_quotes: "local-zone: \"x.example\" \"static\"#why" => ["block x.example+"];
    a_hash_within_a_word_is_no_comment: "local-zone: \"x.example\" static#why" => ["Malformed"];
    a_hash_in_quotes_is_no_comment: "local-data: \"x.example TXT #\" local-zone: \"y.example\" static" =>
        ["Rewrite", "block y.example+"];
    another_file_is_not_followed: "include: \"/etc/passwd\"" => ["NoRule"];
    a_value_with_a_colon: "access-control: fe80::/10 allow local-zone: \"x.example\" static" =>
        ["NoRule", "block x.example+"];
    a_tag_is_no_rule: "local-zone-tag: \"x.example\" \"a b\"" => ["NoRule"];
    what_is_in_a_view_is_for_others:
        "view:\n name: \"v\"\n local-zone: \"x.example\" static\n local-data: \"y.example A 0.0.0.0\"" =>
        ["NoRule", "NoRule", "NoRule", "NoRule"];
    a_view_ends_at_the_next_clause: "view:\nserver:\nlocal-zone: \"x.example\" static" => ["NoRule", "block x.example+"];
    a_bare_name_is_malformed: "x.example" => ["Malformed"];
    a_line_of_hosts_is_malformed: "0.0.0.0 x.example" => ["Malformed"];
    markup_is_no_name: "local-zone: \"<script>\" static" => ["BadName"];
    a_control_character_is_no_name: "local-zone: \"a\u{7}.example\" static" => ["Control"];
}

proptest! {
    #[test]
    fn any_text_is_read(lines in proptest::collection::vec(
        "(local-zone:|local-data:|view:|server:|#|\")?( (static|redirect|\"|'|:|#|x A 0.0.0.0|\\PC{0,8})){0,4}", 0..8
    )) {
        let mut syntax = Unbound::default();
        spelled(&mut syntax, &lines.join("\n"));
        let said = spelled(&mut syntax, "server:\nlocal-zone: \"y.example\" static");
        prop_assert_eq!(said.last().unwrap(), "block y.example+");
    }
}
