//! What each form of a record comes to.

use proptest::prelude::*;

use super::*;
use crate::core::list::spelled::{spelled, spells};
use crate::core::prefix::Prefix;

// Owners: which names and addresses a record is about.
spells! { Rpz::default();
    a_name_is_exact: "x.example CNAME ." => ["block x.example"];
    a_star_means_what_is_below: "*.x.example CNAME ." => ["block *.x.example"];
    a_name_and_its_star_are_two_rules: "x.example CNAME .\n*.x.example CNAME ." =>
        ["block x.example", "block *.x.example"];
    a_nearer_passthru_is_an_exception: "*.x.example CNAME .\na.x.example CNAME rpz-passthru." =>
        ["block *.x.example", "allow a.x.example"];
    a_star_within_a_name_is_none: "a.*.x.example CNAME ." => ["BadName"];
    an_escaped_star_is_a_letter: "\\*.x.example CNAME ." => ["block \\042.x.example"];
    a_star_at_a_name_is_none: "*x.example CNAME ." => ["BadName"];
    the_root_is_refused: ". CNAME ." => ["MatchesAll"];
    the_star_of_the_root_is_refused: "*. CNAME ." => ["MatchesAll"];
    the_star_of_the_apex_is_refused: "* CNAME ." => ["MatchesAll"];
    a_passthru_for_all_is_refused: "* CNAME rpz-passthru." => ["MatchesAll"];
    the_star_of_a_named_apex_is_refused:
        "$ORIGIN rpz.test.\n*.rpz.test. CNAME ." => ["NoRule", "MatchesAll"];
    the_apex_is_no_trigger: "@ CNAME ." => ["NoRule"];
    a_single_label_is_refused: "com CNAME ." => ["SingleLabel"];
    the_star_of_a_single_label_is_left_to_the_guard: "*.com CNAME ." => ["block *.com"];
    capitals_of_a_name_are_folded: "X.Example CNAME ." => ["block x.example"];
    an_underscore_is_ordinary: "_dns.x.example CNAME ." => ["block _dns.x.example"];
    an_empty_label_is_no_name: "a..example CNAME ." => ["BadName"];
    markup_is_no_name: "<script>.example CNAME ." => ["BadName"];
    a_control_character_is_no_name: "a\u{7}.example CNAME ." => ["Control"];
    a_bare_star_label_only: "*.*.example CNAME ." => ["BadName"];

    an_address_is_of_an_answer: "32.7.2.0.192.rpz-ip CNAME ." => ["block 192.0.2.7"];
    an_ipv6_address_is_of_an_answer: "48.zz.1.0.db8.2001.rpz-ip CNAME ." => ["block 2001:db8::/48"];
    an_address_may_pass: "32.7.2.0.192.rpz-ip CNAME rpz-passthru." => ["allow 192.0.2.7"];
    an_address_may_be_dropped: "32.7.2.0.192.rpz-ip CNAME rpz-drop." => ["block 192.0.2.7 drop"];
    capitals_of_a_trigger_are_folded: "32.7.2.0.192.RPZ-IP CNAME ." => ["block 192.0.2.7"];
    a_client_is_for_everything: "24.0.2.0.192.rpz-client-ip CNAME ." => ["block everything for 192.0.2.0/24"];
    an_ipv6_client_is_for_everything: "32.zz.db8.2001.rpz-client-ip CNAME rpz-drop." =>
        ["block everything drop for 2001:db8::/32"];
    a_client_may_pass: "32.7.2.0.192.rpz-client-ip CNAME rpz-passthru." => ["allow everything for 192.0.2.7"];
    all_clients_are_refused: "0.0.0.0.0.rpz-client-ip CNAME ." => ["MatchesAll"];
    all_addresses_are_refused: "0.0.0.0.0.rpz-ip CNAME ." => ["MatchesAll"];
    all_ipv6_addresses_are_refused: "0.zz.rpz-ip CNAME ." => ["MatchesAll"];
    a_name_server_is_unseen: "ns.x.example.rpz-nsdname CNAME ." => ["Unseen"];
    an_address_of_a_name_server_is_unseen: "32.7.2.0.192.rpz-nsip CNAME ." => ["Unseen"];
    an_unknown_trigger_is_malformed: "x.example.rpz-new CNAME ." => ["Malformed"];
    a_trigger_without_address_is_refused: "rpz-ip CNAME ." => ["BadTrigger"];
    a_trigger_within_a_name_is_a_name: "rpz-ip.x.example CNAME ." => ["block rpz-ip.x.example"];
}

// Addresses in owners: the length first, then the parts backwards.
spells! { Rpz::default();
    v4_whole: "32.3.2.168.192.rpz-ip CNAME ." => ["block 192.168.2.3"];
    v4_with_host_bits: "27.73.2.168.192.rpz-ip CNAME ." => ["block 192.168.2.64/27"];
    v4_of_24_bits: "24.0.2.168.192.rpz-ip CNAME ." => ["block 192.168.2.0/24"];
    v4_of_21_bits: "21.0.248.44.5.rpz-ip CNAME ." => ["block 5.44.248.0/21"];
    v6_with_zeros_in_the_middle: "128.57.zz.1.0.db8.2001.rpz-ip CNAME ." => ["block 2001:db8:0:1::57"];
    v6_with_host_bits: "48.zz.1.0.db8.2001.rpz-ip CNAME ." => ["block 2001:db8::/48"];
    v6_of_eight_words: "128.5.C0A8.FFFF.0.1.0.db8.2001.rpz-ip CNAME ." => ["block 2001:db8:0:1:0:ffff:c0a8:5"];
    v6_with_zeros_at_the_end: "64.zz.2.0.0.rpz-ip CNAME ." => ["block 0:0:2::/64"];
    v6_of_words_and_zeros: "64.0.0.0.0.0.1.0.0.rpz-ip CNAME ." => ["block 0:0:1::/64"];
    v6_of_zeros_written_out: "80.0.0.0.1.0.0.0.0.rpz-ip CNAME ." => ["block ::1:0:0:0/80"];
    v6_with_zeros_at_the_start: "80.0.0.0.1.zz.rpz-ip CNAME ." => ["block ::1:0:0:0/80"];
    v6_with_both_ends_left: "128.1.zz.2001.rpz-ip CNAME ." => ["block 2001::1"];
    v6_of_only_zeros: "128.zz.rpz-ip CNAME ." => ["block ::"];
    v6_with_one_word_left_out: "128.8.7.6.5.zz.3.2.1.rpz-ip CNAME ." => ["block 1:2:3:0:5:6:7:8"];
    v6_with_none_left_out: "128.8.7.6.5.4.zz.3.2.1.rpz-ip CNAME ." => ["BadTrigger"];
    v6_with_zeros_twice: "128.1.zz.2.zz.rpz-ip CNAME ." => ["BadTrigger"];
    v6_of_seven_words: "128.7.6.5.4.3.2.1.rpz-ip CNAME ." => ["BadTrigger"];
    v6_with_a_long_word: "128.00001.zz.rpz-ip CNAME ." => ["BadTrigger"];
    v6_with_a_word_of_other_letters: "128.g.zz.rpz-ip CNAME ." => ["BadTrigger"];
    v6_with_a_sign: "128.+1.zz.rpz-ip CNAME ." => ["BadTrigger"];
    v6_with_129_bits: "129.1.zz.2001.rpz-ip CNAME ." => ["BadTrigger"];
    v4_of_four_octets_is_refused: "99.60.18.106.rpz-ip CNAME ." => ["BadTrigger"];
    v4_of_four_octets_that_could_have_a_length: "1.0.218.230.rpz-ip CNAME ." => ["BadTrigger"];
    v4_with_33_bits: "33.3.2.168.192.rpz-ip CNAME ." => ["BadTrigger"];
    v4_with_300_bits: "300.3.2.168.192.rpz-ip CNAME ." => ["BadTrigger"];
    v4_with_an_octet_of_256: "32.256.2.168.192.rpz-ip CNAME ." => ["BadTrigger"];
    v4_of_six_octets: "32.1.3.2.168.192.rpz-ip CNAME ." => ["BadTrigger"];
    v4_with_an_empty_octet: "32.3..168.192.rpz-ip CNAME ." => ["BadTrigger"];
    v4_without_length: "x.3.2.168.192.rpz-ip CNAME ." => ["BadTrigger"];
}

// Actions.
spells! { Rpz::default();
    a_dot_blocks: "x.example CNAME ." => ["block x.example"];
    a_star_blocks_with_no_data: "x.example CNAME *." => ["block x.example nodata"];
    passthru_allows: "x.example CNAME rpz-passthru." => ["allow x.example"];
    drop_blocks_without_answer: "x.example CNAME rpz-drop." => ["block x.example drop"];
    tcp_only_stops_nothing: "x.example CNAME rpz-tcp-only." => ["NoRule"];
    capitals_of_an_action_are_folded: "x.example cname RPZ-PASSTHRU." => ["allow x.example"];
    the_name_itself_is_the_old_passthru: "x.example CNAME X.example." => ["allow x.example"];
    the_address_itself_is_the_old_passthru: "32.7.2.0.192.rpz-ip CNAME 32.7.2.0.192.rpz-ip." => ["allow 192.0.2.7"];
    the_star_itself_is_a_rewrite: "*.x.example CNAME *.x.example." => ["Rewrite"];
    the_name_itself_within_the_zone_is_a_rewrite:
        "$ORIGIN rpz.test.\nx.example CNAME x.example" => ["NoRule", "Rewrite"];
    the_old_passthru_in_a_named_zone:
        "$ORIGIN rpz.test.\nx.example CNAME x.example." => ["NoRule", "allow x.example"];
    an_unknown_action_is_malformed: "x.example CNAME rpz-new." => ["Malformed"];
    an_unknown_action_below_is_malformed: "x.example CNAME a.rpz-new." => ["Malformed"];
    a_passthru_without_dot_is_relative: "x.example CNAME rpz-passthru" => ["RelativeTarget"];
    a_drop_without_dot_is_relative: "$ORIGIN rpz.test.\nx.example CNAME rpz-drop" => ["NoRule", "RelativeTarget"];
    no_data_without_dot_is_relative: "x.example CNAME *" => ["RelativeTarget"];
    a_passthru_without_dot_at_the_root_is_one: "$ORIGIN .\nx.example CNAME rpz-passthru" => ["NoRule", "allow x.example"];
    a_walled_garden_diverts: "x.example CNAME *.garden.example." => ["Rewrite"];
    another_name_diverts: "x.example CNAME y.example." => ["Rewrite"];
    another_name_without_dot_diverts: "x.example CNAME y.example" => ["Rewrite"];
    an_address_diverts: "x.example A 192.0.2.1" => ["Rewrite"];
    an_ipv6_address_diverts: "x.example AAAA 2001:db8::1" => ["Rewrite"];
    a_text_diverts: "x.example TXT \"a;b\"" => ["Rewrite"];
    a_mail_server_diverts: "x.example MX 0 mail.example." => ["Rewrite"];
    a_numbered_type_diverts: "x.example TYPE999 \\# 0" => ["Rewrite"];
    an_address_of_no_host_blocks: "x.example A 0.0.0.0" => ["block x.example"];
    an_ipv6_address_of_no_host_blocks: "x.example AAAA ::" => ["block x.example"];
    an_address_of_the_wrong_family: "x.example A ::" => ["Malformed"];
    an_address_that_is_none: "x.example A y" => ["Malformed"];
    an_alias_without_target: "x.example CNAME" => ["Malformed"];
    an_alias_with_two_targets: "x.example CNAME . ." => ["Malformed"];
    a_client_is_not_diverted: "32.7.2.0.192.rpz-client-ip A 192.0.2.1" => ["Rewrite"];
    an_soa_is_no_policy: "@ SOA a. b. 1 2 3 4 5" => ["NoRule"];
    a_name_server_record_is_no_policy: "x.example NS ns.example." => ["NoRule"];
    a_dname_is_no_policy: "x.example DNAME y.example." => ["NoRule"];
    a_signature_is_no_policy: "x.example RRSIG CNAME 8 2 60 20260101000000 20250101000000 1 test. AAAA" => ["NoRule"];
    a_key_is_no_policy: "@ DNSKEY 256 3 8 AAAA" => ["NoRule"];
    a_denial_is_no_policy: "x.example NSEC y.example. CNAME" => ["NoRule"];
    data_of_the_apex_is_no_policy: "@ TXT \"made today\"" => ["NoRule"];

    an_alias_and_an_address_keep_the_alias: "x.example CNAME .\nx.example A 192.0.2.1" =>
        ["block x.example", "Malformed"];
    an_address_and_an_alias_keep_the_address: "x.example A 192.0.2.1\nx.example CNAME ." => ["Rewrite", "Malformed"];
    two_aliases_keep_the_first: "x.example CNAME rpz-passthru.\nx.example CNAME ." => ["allow x.example", "Malformed"];
    the_same_alias_twice_is_the_same_rule: "x.example CNAME .\nX.example CNAME ." =>
        ["block x.example", "block x.example"];
    addresses_of_both_families: "x.example A 0.0.0.0\n AAAA ::" => ["block x.example", "block x.example"];
    an_address_of_a_host_and_of_none_diverts: "x.example A 192.0.2.1\n A 0.0.0.0" => ["Rewrite", "Rewrite"];
    a_text_beside_an_address_diverts_nothing_else: "x.example A 0.0.0.0\n TXT why\n AAAA ::" =>
        ["block x.example", "Rewrite", "block x.example"];
    the_owner_before_is_forgotten: "x.example CNAME .\ny.example A 0.0.0.0\nx.example A 0.0.0.0" =>
        ["block x.example", "block y.example", "block x.example"];
    a_signature_beside_an_alias_is_fine: "x.example CNAME .\n RRSIG CNAME\n*.x.example CNAME ." =>
        ["block x.example", "NoRule", "block *.x.example"];
}

// Zone files.
spells! { Rpz::default();
    an_origin_that_is_not_told: "@ SOA a. b. 1 2 3 4 5\nx.example CNAME ." => ["NoRule", "block x.example"];
    an_origin_is_what_names_are_relative_to:
        "$ORIGIN rpz.test.\nx.example CNAME ." => ["NoRule", "block x.example"];
    an_absolute_owner_in_the_zone:
        "$ORIGIN rpz.test.\nx.example.rpz.test. CNAME ." => ["NoRule", "block x.example"];
    an_absolute_owner_in_the_zone_in_capitals:
        "$ORIGIN rpz.test.\nx.example.RPZ.Test. CNAME ." => ["NoRule", "block x.example"];
    an_absolute_owner_out_of_the_zone:
        "$ORIGIN rpz.test.\nx.example. CNAME ." => ["NoRule", "OutOfZone"];
    an_owner_that_only_ends_like_the_zone:
        "$ORIGIN rpz.test.\nx.anrpz.test. CNAME ." => ["NoRule", "OutOfZone"];
    an_absolute_owner_where_no_origin_is_told: "x.example. CNAME ." => ["OutOfZone"];
    an_absolute_apex_is_no_trigger: "$ORIGIN rpz.test.\nrpz.test. CNAME ." => ["NoRule", "NoRule"];
    the_zone_of_an_absolute_soa:
        "rpz.test. SOA a. b. 1 2 3 4 5\nx.example.rpz.test. CNAME .\ny.example CNAME ." =>
        ["NoRule", "block x.example", "block y.example"];
    a_zone_that_begins_at_the_root:
        "$ORIGIN .\nrpz.test SOA a. b. 1 2 3 4 5\n$ORIGIN rpz.test.\nx.example CNAME ." =>
        ["NoRule", "NoRule", "NoRule", "block x.example"];
    an_owner_out_of_a_zone_that_begins_at_the_root:
        "$ORIGIN .\nrpz.test SOA a. b. 1 2 3 4 5\nx.example CNAME ." => ["NoRule", "NoRule", "OutOfZone"];
    a_zone_that_is_the_root: "$ORIGIN .\nx.example. CNAME .\ny.example CNAME ." =>
        ["NoRule", "block x.example", "block y.example"];
    an_origin_below_the_zone:
        "$ORIGIN rpz.test.\n@ SOA a. b. 1 2 3 4 5\n$ORIGIN example.rpz.test.\nx CNAME .\n*.x CNAME ." =>
        ["NoRule", "NoRule", "NoRule", "block x.example", "block *.x.example"];
    a_relative_origin_below_the_zone:
        "$ORIGIN rpz.test.\n$ORIGIN example\nx CNAME ." => ["NoRule", "NoRule", "block x.example"];
    a_relative_origin_below_a_zone_that_is_not_told:
        "$ORIGIN example\nx CNAME .\n@ CNAME ." => ["NoRule", "block x.example", "SingleLabel"];
    an_at_sign_is_the_origin:
        "$ORIGIN rpz.test.\n@ SOA a. b. 1 2 3 4 5\n$ORIGIN x.example.rpz.test.\n@ CNAME ." =>
        ["NoRule", "NoRule", "NoRule", "block x.example"];
    an_origin_out_of_the_zone:
        "$ORIGIN rpz.test.\n@ SOA a. b. 1 2 3 4 5\n$ORIGIN other.test.\nx CNAME ." =>
        ["NoRule", "NoRule", "NoRule", "OutOfZone"];
    an_origin_that_cannot_be_read_is_nowhere:
        "$ORIGIN a..test.\nx.example CNAME .\n$ORIGIN rpz.test.\ny.example CNAME ." =>
        ["Malformed", "OutOfZone", "NoRule", "OutOfZone"];
    an_origin_without_a_name: "$ORIGIN\nx.example CNAME ." => ["Malformed", "OutOfZone"];
    an_origin_in_lower_case: "$origin rpz.test.\nx.example.rpz.test. CNAME ." => ["NoRule", "block x.example"];

    a_ttl_directive: "$TTL 3600" => ["NoRule"];
    a_ttl_directive_with_unit_and_comment: "$TTL 2h;" => ["NoRule"];
    another_file_is_not_included: "$INCLUDE /etc/passwd" => ["NoRule"];
    nothing_is_generated: "$GENERATE 1-4000000000 x$.example CNAME ." => ["NoRule"];

    a_class_before_the_type: "x.example IN CNAME ." => ["block x.example"];
    a_class_in_lower_case: "x.example in cname ." => ["block x.example"];
    a_ttl_before_the_type: "x.example 3600 CNAME ." => ["block x.example"];
    a_ttl_before_the_class: "x.example 3600 IN CNAME ." => ["block x.example"];
    a_ttl_after_the_class: "x.example IN 3600 CNAME ." => ["block x.example"];
    a_ttl_in_hours: "x.example 1H CNAME ." => ["block x.example"];
    a_ttl_in_minutes: "x.example 15m IN CNAME ." => ["block x.example"];
    a_ttl_in_days: "x.example IN 30d CNAME ." => ["block x.example"];
    a_ttl_in_several_units: "x.example 1w2d3h CNAME ." => ["block x.example"];
    two_ttls_are_malformed: "x.example 1 2 CNAME ." => ["Malformed"];
    two_classes_are_malformed: "x.example IN IN CNAME ." => ["Malformed"];
    another_class_is_malformed: "x.example CH CNAME ." => ["Malformed"];
    an_unknown_unit_is_malformed: "x.example 1y CNAME ." => ["Malformed"];
    an_unknown_type_is_malformed: "x.example ALIAS ." => ["Malformed"];
    a_numbered_type_that_is_too_large: "x.example TYPE65536 \\# 0" => ["Malformed"];
    tabs_part_fields: "x.example\tIN\tCNAME\t." => ["block x.example"];
    blanks_at_the_end: "x.example CNAME . \t" => ["block x.example"];

    an_soa_on_several_lines:
        "$TTL 3600\n@ IN SOA rpz.test. admin.test. (\n 1 ; serial ( \"\n 86400 ; refresh\n 7200\n 2592000\n 3600 ) ; ttl\nx.example IN CNAME ." =>
        ["NoRule", "NoRule", "block x.example"];
    an_soa_without_class: "@ SOA localhost. root.localhost. 1 14400 3600 86400 3600" => ["NoRule"];
    a_blank_means_the_owner_before: "@ SOA a. b. 1 2 3 4 5\n  NS localhost." => ["NoRule", "NoRule"];
    a_tab_means_the_owner_before: "x.example TXT \"why\"\n\tA 192.0.2.1" => ["Rewrite", "Rewrite"];
    a_blank_before_a_name_is_no_owner: "  x.example CNAME ." => ["Malformed"];
    a_blank_where_no_owner_was: "  CNAME ." => ["Malformed"];
    a_name_server_where_no_owner_was: "  NS localhost." => ["NoRule"];
    the_owner_before_is_out_of_the_zone: "x.example. CNAME .\n CNAME ." => ["OutOfZone", "OutOfZone"];
    an_owner_stays_where_it_was_placed:
        "$ORIGIN rpz.test.\nx.example TXT \"why\"\n$ORIGIN test.\n A 0.0.0.0" => ["NoRule", "Rewrite", "NoRule", "block x.example"];
    a_record_in_parentheses: "x.example (\n CNAME\n . )" => ["block x.example"];
    parentheses_on_one_line: "x.example ( CNAME . )" => ["block x.example"];
    parentheses_in_parentheses: "x.example ( CNAME ( . ) )" => ["block x.example"];
    a_comment_between_parentheses: "x.example ( ; CNAME rpz-passthru.\n CNAME . ) ; )" => ["block x.example"];
    a_name_at_the_start_of_a_line_within_parentheses: "x.example CNAME (\n. )\ny.example CNAME ." =>
        ["block x.example", "block y.example"];
    a_parenthesis_in_quotes_opens_nothing: "x.example TXT \"(\"\ny.example CNAME ." => ["Rewrite", "block y.example"];
    a_parenthesis_that_is_escaped_opens_nothing: "x\\(.example CNAME ." => ["block x\\040.example"];
    a_parenthesis_that_was_not_opened: "x.example CNAME . )\ny.example CNAME ." => ["Malformed", "block y.example"];
    a_parenthesis_that_does_not_close: "x.example CNAME ( ." => ["Malformed"];
    a_parenthesis_that_does_not_close_before_the_end: "x.example CNAME .\n@ SOA (\ny.example CNAME ." =>
        ["block x.example", "Malformed"];

    a_comment_is_nothing: "; x.example CNAME ." => [];
    a_comment_after_blanks_is_nothing: "  ; why" => [];
    an_empty_line_is_nothing: "" => [];
    blanks_are_nothing: " \t" => [];
    an_empty_line_keeps_the_owner: "x.example TXT a\n\n A 0.0.0.0" => ["Rewrite", "block x.example"];
    a_comment_after_data: "x.example CNAME . ; why" => ["block x.example"];
    a_comment_at_the_data: "x.example CNAME .;why" => ["block x.example"];
    a_semicolon_in_quotes_is_no_comment: "x.example TXT \"a;b\" ; why" => ["Rewrite"];
    a_semicolon_in_quotes_after_an_escaped_quote: "x.example TXT \"a\\\";(\"\ny.example CNAME ." =>
        ["Rewrite", "block y.example"];
    a_semicolon_that_is_escaped_is_no_comment: "a\\;b.example CNAME ." => ["block a\\059b.example"];
    a_quote_that_does_not_end: "x.example TXT \"a\ny.example CNAME ." => ["Malformed", "block y.example"];
    a_hash_is_no_comment: "# x.example" => ["Malformed"];

    an_escaped_dot_parts_nothing: "a\\.b.example CNAME ." => ["block a\\046b.example"];
    an_escape_in_digits: "\\097ds.example CNAME ." => ["block ads.example"];
    an_escape_of_a_capital_is_folded: "\\065ds.example CNAME ." => ["block ads.example"];
    an_escape_of_a_letter_is_the_letter: "\\ads.example CNAME ." => ["block ads.example"];
    an_escaped_blank_is_in_the_name: "a\\ b.example CNAME ." => ["block a\\032b.example"];
    an_escape_of_a_byte_that_is_none: "\\256.example CNAME ." => ["BadName"];
    an_escape_of_two_digits: "\\09.example CNAME ." => ["BadName"];
    an_escape_at_the_end: "x.example CNAME \\" => ["Malformed"];
    an_escaped_dot_at_the_end_is_no_final_dot: "x.example\\. CNAME ." => ["block x.example\\046"];
    an_escape_in_the_zone: "$ORIGIN r\\112z.test.\nx.example.rpz.test. CNAME ." => ["NoRule", "block x.example"];
    an_escape_in_a_trigger: "32.7.2.0.192.rpz\\-ip CNAME ." => ["block 192.0.2.7"];
    an_escape_in_a_target: "x.example CNAME \\x.example." => ["allow x.example"];

    a_bare_name_is_malformed: "x.example" => ["Malformed"];
    a_line_of_hosts_is_malformed: "0.0.0.0 x.example" => ["Malformed"];
    an_adblock_rule_is_malformed: "||x.example^" => ["Malformed"];
}

// Whole zones as the tests of resolvers have them (unbound `rpz_qname`, `rpz_respip`,
// `rpz_clientip`; PowerDNS `load_rpz_ok`, `load_rpz_dups`, `load_rpz_dups_allow`,
// `basic.rpz`), told with names of ours.
spells! { Rpz::default();
    the_soa_names_the_zone_from_the_origin_above:
        "$ORIGIN net.test.\nrpz 3600 IN SOA ns.rpz.net.test. a.test. (\n 1 2 3\n 4 5 )\n 3600 IN NS ns.rpz.net.test.\n$ORIGIN rpz.net.test.\na.example CNAME \t." =>
        ["NoRule", "NoRule", "NoRule", "NoRule", "block a.example"];
    actions_of_questions:
        "a.example CNAME .\na.example CNAME *. ; again, on purpose\n*.a.example TXT \"data\"\nb.a.example CNAME *.\nc.a.example CNAME rpz-passthru.\ndrop.example CNAME rpz-drop." =>
        ["block a.example", "Malformed", "Rewrite", "block b.a.example nodata", "allow c.a.example", "block drop.example drop"];
    actions_of_answers:
        "8.0.0.0.10.rpz-ip CNAME *.\n16.0.0.10.10.rpz-ip CNAME .\n24.0.10.10.10.rpz-ip CNAME rpz-drop.\n32.10.10.10.10.rpz-ip CNAME rpz-passthru.\n32.zz.db8.2001.rpz-ip CNAME *.\n48.zz.aa.db8.2001.rpz-ip CNAME .\n64.zz.bb.aa.db8.2001.rpz-ip CNAME rpz-drop.\n128.1.zz.cc.bb.aa.db8.2001.rpz-ip CNAME rpz-passthru.\n128.123.zz.cc.bb.aa.db8.2001.rpz-ip AAAA 2001:db8::123" =>
        [
            "block 10.0.0.0/8 nodata", "block 10.10.0.0/16", "block 10.10.10.0/24 drop", "allow 10.10.10.10",
            "block 2001:db8::/32 nodata", "block 2001:db8:aa::/48", "block 2001:db8:aa:bb::/64 drop",
            "allow 2001:db8:aa:bb:cc::1", "Rewrite",
        ];
    actions_of_clients:
        "24.0.1.0.192.rpz-client-ip CNAME *.\n24.0.2.0.192.rpz-client-ip CNAME rpz-drop.\n24.0.3.0.192.rpz-client-ip CNAME rpz-passthru.\n24.0.4.0.192.rpz-client-ip CNAME rpz-tcp-only.\n24.0.5.0.192.rpz-client-ip A 192.0.2.1\n24.0.5.0.192.rpz-client-ip TXT \"42\"" =>
        [
            "block everything nodata for 192.0.1.0/24", "block everything drop for 192.0.2.0/24",
            "allow everything for 192.0.3.0/24", "NoRule", "Rewrite", "Rewrite",
        ];
    all_triggers_in_one_zone:
        "$ORIGIN rpz.test.\n$TTL 1H\n@ SOA LOCALHOST. a.test. (\n 1 1h 15m 30d 2h)\n NS LOCALHOST.\n\nn.example CNAME . ; no name\nd.example CNAME *. ; no data\nw.example A 192.0.2.9\n AAAA 2001:db8::9\n*.z.example CNAME garden.test.\nok.z.example CNAME rpz-passthru.\ny.example CNAME *.garden.test.\n*.y.example CNAME *.garden.test.\n24.0.2.0.192.rpz-ip CNAME .\n32.1.2.0.192.rpz-ip CNAME rpz-passthru.\nns.example.rpz-nsdname CNAME .\n32.zz.db8.2001.rpz-nsip CNAME .\n25.128.2.0.192.rpz-ip A 172.16.0.1\n25.128.2.0.192.rpz-ip A 172.16.0.2\n25.128.2.0.192.rpz-ip MX 10 mx.example\n25.128.2.0.192.rpz-ip TXT \"call us.\"" =>
        [
            "NoRule", "NoRule", "NoRule", "NoRule", "block n.example", "block d.example nodata", "Rewrite", "Rewrite",
            "Rewrite", "allow ok.z.example", "Rewrite", "Rewrite", "block 192.0.2.0/24", "allow 192.0.2.1",
            "Unseen", "Unseen", "Rewrite", "Rewrite", "Rewrite", "Rewrite",
        ];
    a_zone_that_is_refused_elsewhere_for_two_kinds_of_data:
        "$TTL 300\n\n@ IN SOA a.test. b.test. (\n 1 ; serial\n 60 ; refresh\n 60 ; retry\n 432000 ; expire\n 60 ) ; ttl\n IN NS LOCALHOST.\nq.example CNAME .\nq.example IN A 192.0.2.4" =>
        ["NoRule", "NoRule", "NoRule", "block q.example", "Malformed"];
    a_zone_that_is_refused_elsewhere_for_two_aliases: "q.example CNAME .\nq.example CNAME rpz-passthru" =>
        ["block q.example", "Malformed"];
    a_zone_of_pairs_with_other_actions:
        "$TTL 2h;\n$ORIGIN rpz.test.\n@ SOA a.test. b.test ( 1 12h 15m 3w 2h)\n  NS a.test.  \n; names\n;; names\nn.example CNAME .\n*.n.example CNAME .\nmail.n.example CNAME rpz-passthru.\n*.d.example CNAME rpz-drop.\n*.t.example CNAME rpz-tcp-only.\nl.example CNAME why.test.\n*.l.example A 192.168.2.5\n32.1.0.0.10.rpz-client-ip CNAME rpz-tcp-only.\n*.e.example.rpz-nsdname CNAME ." =>
        [
            "NoRule", "NoRule", "NoRule", "NoRule", "block n.example", "block *.n.example", "allow mail.n.example",
            "block *.d.example drop", "NoRule", "Rewrite", "Rewrite", "NoRule", "Unseen",
        ];
}

#[test]
fn long_labels_and_names_are_no_names() {
    for owner in [
        format!("{}.example", "a".repeat(64)),
        ["abcdefg"; 40].join("."),
        format!("\\097{}.example", "a".repeat(63)),
        format!("\\097.{}", ["abcdefg"; 40].join(".")),
    ] {
        let text = format!("{owner} CNAME .");
        assert_eq!(spelled(&mut Rpz::default(), &text), ["BadName"], "{owner}");
    }
}

#[test]
fn a_parenthesis_that_never_closes_costs_a_bounded_part() {
    let rules = "x.example CNAME .\n".repeat(100);
    let said = spelled(&mut Rpz::default(), &format!("@ SOA (\n{rules}"));
    let blocked = said.iter().filter(|said| *said == "block x.example").count();
    assert_eq!(blocked, 100 - 32);
    assert_eq!(said.iter().filter(|said| *said == "Malformed").count(), 1);
}

#[test]
fn nothing_grows_with_the_list() {
    let mut rpz = Rpz::default();
    let longest = format!("{}.example CNAME .", "a.".repeat(30_000));
    for line in [longest.as_str(), "( (", "$ORIGIN a", "x CNAME ."].into_iter().cycle().take(200) {
        spelled(&mut rpz, line);
        assert!(format!("{rpz:?}").len() < 1024 * 1024);
    }
}

proptest! {
    #[test]
    fn any_text_is_read(lines in proptest::collection::vec(
        "(@|\\$ORIGIN|\\$TTL|x|\\*|\\*\\.x|32\\.7\\.2\\.0\\.192\\.rpz-ip)?( |\t|\\\\|\\.|\\(|\\)|\"|;| CNAME| SOA| A| IN| 3600|rpz-|zz|\\PC){0,10}",
        0..12,
    )) {
        let mut rpz = Rpz::default();
        spelled(&mut rpz, &lines.join("\n"));
        // Whatever it was, the rules after it are read again, if only after a while.
        let rest = "$ORIGIN rpz.test.\n".repeat(33) + "*.y.example.rpz.test. CNAME .";
        let said = spelled(&mut rpz, &rest);
        let last = said.last().unwrap();
        prop_assert!(last.starts_with("block *.y.example") || last == "OutOfZone", "{last}");
    }

    /// A cut may fall anywhere: within a name, an escape, a quote, parentheses.
    #[test]
    fn any_cut_is_read(text in "[a-z.\\\\()\"; \t@$*0-9A-Z]{0,120}", cuts in proptest::collection::vec(0usize..120, 0..6)) {
        let mut cuts = cuts;
        cuts.sort_unstable();
        let mut cut = text.clone();
        for at in cuts.into_iter().rev().filter(|&at| at <= text.len()) {
            cut.insert(at, '\n');
        }
        spelled(&mut Rpz::default(), &cut);
    }

    /// The address in a trigger is the one that was written.
    #[test]
    fn any_prefix_comes_back(octets: [u8; 4], length in 1u8..=32, words: [u16; 8], wide in 1u8..=128) {
        let [a, b, c, d] = octets;
        let v4 = Prefix::new(octets.into(), length).unwrap();
        let text = format!("{length}.{d}.{c}.{b}.{a}.rpz-ip");
        prop_assert_eq!(Trigger::read(&text), Ok(Trigger::Answer(v4)));
        let v6 = Prefix::new(words.into(), wide).unwrap();
        let parts: Vec<String> = words.iter().rev().map(|word| format!("{word:x}")).collect();
        let text = format!("{wide}.{}.rpz-ip", parts.join("."));
        prop_assert_eq!(Trigger::read(&text), Ok(Trigger::Answer(v6)));
    }
}
