//! What each form of an option comes to.

use proptest::prelude::*;

use super::*;
use crate::core::list::spelled::{spelled, spells};

spells! { Dnsmasq::default();
    an_address_of_no_host_blocks: "address=/x.example/0.0.0.0" => ["block x.example+"];
    an_ipv6_address_of_no_host_blocks: "address=/x.example/::" => ["block x.example+"];
    an_address_of_this_host_blocks: "address=/x.example/127.0.0.1" => ["block x.example+"];
    a_mapped_address_of_no_host_blocks: "address=/x.example/::ffff:0.0.0.0" => ["block x.example+"];
    an_address_option_without_target_blocks: "address=/x.example/" => ["block x.example+"];
    a_server_option_without_target_blocks: "server=/x.example/" => ["block x.example+"];
    a_local_option_without_target_blocks: "local=/x.example/" => ["block x.example+"];
    an_address_option_with_a_hash_blocks: "address=/x.example/#" => ["block x.example+"];
    a_server_option_with_a_hash_allows: "server=/x.example/#" => ["allow x.example+"];
    a_local_option_with_a_hash_allows: "local=/x.example/#" => ["allow x.example+"];
    a_server_for_a_domain_is_no_block: "server=/x.example/192.0.2.1#5353@eth0" => ["Forwarding"];
    a_local_option_with_a_server_is_no_block: "local=/x.example/192.0.2.1" => ["Forwarding"];
    a_server_for_all_is_no_block: "server=192.0.2.1" => ["Forwarding"];
    a_reverse_server_is_no_block: "rev-server=192.0.2.0/24,192.0.2.1" => ["Forwarding"];
    an_address_of_a_host_diverts: "address=/x.example/192.0.2.7" => ["Rewrite"];
    an_ipv6_address_of_a_host_diverts: "address=/x.example/2001:db8::7" => ["Rewrite"];
    an_address_of_a_home_diverts: "address=/x.example/192.168.1.2" => ["Rewrite"];
    several_domains_are_as_many_rules: "address=/a.example/b.example/c.example/0.0.0.0" =>
        ["block a.example+", "block b.example+", "block c.example+"];
    several_domains_of_a_local_option: "local=/a.example/b.example/" => ["block a.example+", "block b.example+"];
    several_domains_are_allowed_at_once: "server=/a.example/b.example/#" => ["allow a.example+", "allow b.example+"];
    a_bad_domain_leaves_the_others: "local=/a.example/b..example/c.example/" =>
        ["block a.example+", "BadName", "block c.example+"];
    a_host_that_others_are_diverted_to_is_one_fault: "address=/a.example/b.example/192.0.2.7" => ["Rewrite"];

    all_names_diverted_are_refused: "address=/#/192.0.2.4" => ["MatchesAll"];
    all_names_diverted_among_others_are_refused: "address=/a.example/#/192.0.2.4" => ["MatchesAll"];
    all_names_blocked_by_hash_are_refused: "address=/#/" => ["MatchesAll"];
    all_names_at_no_host_are_refused: "address=/#/0.0.0.0" => ["MatchesAll"];
    all_names_allowed_by_hash_are_refused: "server=/#/#" => ["MatchesAll"];
    all_names_by_dot_are_refused: "local=/./" => ["MatchesAll"];
    all_names_by_star_are_refused: "local=/*/" => ["MatchesAll"];
    all_names_by_star_and_dot_are_refused: "local=/*./" => ["MatchesAll"];
    all_names_by_no_domain_are_refused: "address=0.0.0.0" => ["MatchesAll"];
    all_names_diverted_by_no_domain_are_refused: "address=192.0.2.4" => ["MatchesAll"];
    an_empty_option_is_for_all_names: "local=" => ["MatchesAll"];
    names_without_a_dot_are_no_rule: "local=//" => ["NoRule"];
    a_server_for_names_without_a_dot_is_no_block: "server=//192.0.2.1" => ["Forwarding"];
    names_without_a_dot_leave_the_others: "local=//a.example/" => ["NoRule", "block a.example+"];
    a_single_label_is_left_to_the_guard: "local=/zip/" => ["block zip+"];

    a_dot_before_a_domain_means_nothing: "local=/.x.example/" => ["block x.example+"];
    dots_before_a_domain_mean_nothing: "local=/..x.example/" => ["block x.example+"];
    a_star_and_dot_mean_what_is_below: "local=/*.x.example/" => ["block *.x.example"];
    a_star_and_dot_are_allowed_too: "server=/*.x.example/#" => ["allow *.x.example"];
    a_star_elsewhere_is_no_name: "local=/a*b.example/" => ["BadName"];
    a_star_at_the_end_is_no_name: "local=/ads.*/" => ["BadName"];
    a_star_before_a_public_suffix_is_refused: "local=/*co.uk/" => ["PublicSuffix"];
    a_star_before_a_single_label_is_refused: "local=/*com/" => ["PublicSuffix"];
    both_forms_are_two_rules: "local=/x.example/\nlocal=/*.x.example/" => ["block x.example+", "block *.x.example"];
    the_same_name_twice_is_two_rules: "address=/x.example/0.0.0.0\naddress=/x.example/::" =>
        ["block x.example+", "block x.example+"];
    a_nearer_server_is_an_exception: "local=/x.example/\nserver=/a.x.example/#" =>
        ["block x.example+", "allow a.x.example+"];

    a_bogus_address_is_blocked: "bogus-nxdomain=192.0.2.7" => ["block 192.0.2.7"];
    a_bogus_prefix_is_blocked: "bogus-nxdomain=192.0.2.0/24" => ["block 192.0.2.0/24"];
    a_bogus_prefix_is_masked: "bogus-nxdomain=192.0.2.7/24" => ["block 192.0.2.0/24"];
    a_bogus_ipv6_address_is_blocked: "bogus-nxdomain=2001:db8::7" => ["block 2001:db8::7"];
    a_bogus_name_is_none: "bogus-nxdomain=x.example" => ["BadAddress"];
    two_bogus_addresses_are_none: "bogus-nxdomain=192.0.2.7,192.0.2.8" => ["BadAddress"];

    an_ipset_is_no_rule: "ipset=/x.example/set" => ["NoRule"];
    an_nftset_is_no_rule: "nftset=/x.example/4#inet#t#s" => ["NoRule"];
    a_rebind_exception_is_no_rule: "rebind-domain-ok=/x.example/" => ["NoRule"];
    another_file_is_not_followed: "conf-file=/etc/passwd" => ["NoRule"];
    another_directory_is_not_followed: "conf-dir=/etc" => ["NoRule"];
    a_flag_is_no_rule: "domain-needed" => ["NoRule"];
    an_alias_is_no_rule: "cname=a.example,b.example" => ["NoRule"];

    a_comment_is_nothing: "# local=/x.example/" => [];
    a_comment_after_a_blank_is_cut: "local=/x.example/ # why" => ["block x.example+"];
    a_comment_after_a_tab_is_cut: "local=/x.example/\t#why" => ["block x.example+"];
    a_hash_after_a_blank_is_a_comment: "address=/x.example/ #" => ["block x.example+"];
    a_hash_within_a_word_is_none: "address=/x.example/#why" => ["Malformed"];
    an_empty_line_is_nothing: "" => [];
    blanks_are_nothing: " \t " => [];
    blanks_around_the_equals_sign: "local = /x.example/" => ["block x.example+"];
    a_tab_around_the_equals_sign: "local\t=\t/x.example/" => ["block x.example+"];
    blanks_before_and_after: "  local=/x.example/  " => ["block x.example+"];
    a_blank_before_the_target: "address=/x.example/ 0.0.0.0" => ["block x.example+"];
    quotes_around_the_value: "local=\"/x.example/\"" => ["block x.example+"];
    quotes_around_a_hash: "address=\"/x.example/#\"" => ["block x.example+"];
    a_hash_after_a_blank_in_quotes_is_no_comment: "address=\"/x.example/ #\"" => ["block x.example+"];
    quotes_around_a_part: "local=/\"x\".example/" => ["block x.example+"];
    an_escape_in_quotes_is_no_name: "local=\"/x\\\"y.example/\"" => ["BadName"];
    an_escaped_backslash_is_no_name: "local=\"/x\\\\y.example/\"" => ["BadName"];
    an_escape_without_quotes_is_no_name: "local=/x\\.example/" => ["BadName"];
    a_quote_that_does_not_end: "local=\"/x.example/" => ["Malformed"];
    a_quote_that_ends_in_a_backslash: "local=\"/x.example/\\" => ["Malformed"];
    a_quoted_option_is_none: "\"local=/x.example/\"" => ["Malformed"];

    capitals_of_a_domain_are_folded: "local=/X.Example/" => ["block x.example+"];
    capitals_of_an_option_are_wrong: "LOCAL=/x.example/" => ["Malformed"];
    a_final_dot_is_dropped: "local=/x.example./" => ["block x.example+"];
    two_final_dots_are_no_name: "local=/x.example../" => ["BadName"];
    an_underscore_is_ordinary: "local=/_dns.x.example/" => ["block _dns.x.example+"];
    a_missing_slash_at_the_end: "local=/x.example" => ["Malformed"];
    a_missing_slash_before_an_address: "address=/x.example" => ["Malformed"];
    a_target_that_is_no_address: "address=/x.example/y.example" => ["Malformed"];
    a_short_address_is_none: "address=/x.example/0" => ["Malformed"];
    a_bare_name_is_malformed: "x.example" => ["Malformed"];
    a_line_of_hosts_is_malformed: "0.0.0.0 x.example" => ["Malformed"];
    an_adblock_rule_is_malformed: "||x.example^" => ["Malformed"];
    a_blank_in_a_domain_is_no_name: "local=/a b.example/" => ["BadName"];
    markup_is_no_name: "local=/<script>.example/" => ["BadName"];
    a_control_character_is_no_name: "local=/a\u{7}.example/" => ["Control"];
    a_broken_character_is_no_name: "local=/a\u{fffd}.example/" => ["BadName"];
}

#[test]
fn long_labels_and_names_are_no_names() {
    let label = format!("local=/{}.example/", "a".repeat(64));
    assert_eq!(spelled(&mut Dnsmasq::default(), &label), ["BadName"]);
    let name = format!("local=/{}/", ["abcdefg"; 40].join("."));
    assert_eq!(spelled(&mut Dnsmasq::default(), &name), ["BadName"]);
}

/// The form without a dot after its star is for all names that end so, itself too.
#[test]
fn a_star_without_a_dot_is_an_ending() {
    assert_eq!(ending("ads.example").unwrap(), "ads\\.example$");
    assert_eq!(ending("-ads.x.example").unwrap(), "\\-ads\\.x\\.example$");
    assert_eq!(ending("co.uk"), Err(Fault::PublicSuffix));
    let ends = regex::Regex::new(&ending("ads.example").unwrap()).unwrap();
    for (name, want) in [
        ("ads.example", true),
        ("myads.example", true),
        ("a.myads.example", true),
        ("adsxexample", false),
        ("ads.example.test", false),
    ] {
        assert_eq!(ends.is_match(name), want, "{name}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read(lines in proptest::collection::vec(
        "(address|server|local|bogus-nxdomain|conf-file| |#|\")?[=/ ]?([*./#\"\\\\a-c=0: \t]|\\PC){0,24}", 0..8
    )) {
        let mut syntax = Dnsmasq::default();
        spelled(&mut syntax, &lines.join("\n"));
        // Nothing of them is kept.
        prop_assert_eq!(spelled(&mut syntax, "local=/x.example/"), ["block x.example+"]);
    }
}
