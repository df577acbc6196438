//! Each modifier.

mod flags {
    lines! {
        important_is_kept: "||a.example^$important" => "block +a.example important";
        important_twice_is_once: "||a.example^$important,important" => "block +a.example important";
        important_has_no_value: "||a.example^$important=1" => "BadModifier";
        important_has_no_opposite: "||a.example^$~important" => "UnknownModifier";
        modifiers_have_small_letters: "||a.example^$Important" => "UnknownModifier";
        all_modifiers_count: "||a.example^$important,client=192.0.2.1,dnstype=A"
            => "block +a.example important types=1 for=192.0.2.1";
        a_modifier_that_is_not_known_ends_it: "||a.example^$important,whatever" => "UnknownModifier";
        an_empty_modifier_is_not_known: "||a.example^$,important" => "UnknownModifier";
        a_place_on_earth_is_not_known: "||a.example^$respgeo=de" => "UnknownModifier";
        third_party_is_for_browsers: "||a.example^$third-party" => "BrowserModifier";
        first_party_is_for_browsers: "||a.example^$~third-party" => "BrowserModifier";
        third_party_does_not_become_a_block: "@@||a.example^$third-party" => "BrowserModifier";
        a_domain_is_for_browsers: "||a.example^$domain=b.example|~c.example" => "BrowserModifier";
        a_domain_does_not_limit: "*$script,domain=b.example" => "BrowserModifier";
        an_image_is_for_browsers: "||a.example^$image" => "BrowserModifier";
        a_popup_is_for_browsers: "||a.example^$popup" => "BrowserModifier";
        a_document_is_for_browsers: "||a.example^$doc,reason=tracker" => "BrowserModifier";
        all_is_for_browsers: "||a.example^$all" => "BrowserModifier";
        a_policy_is_for_browsers: "||a.example^$csp=script-src 'none'" => "BrowserModifier";
        a_redirect_is_for_browsers: "||a.example^$redirect=noopjs" => "BrowserModifier";
        a_parameter_is_for_browsers: "||a.example^$removeparam=utm_source" => "BrowserModifier";
        important_does_not_change_that: "||a.example^$important,third-party" => "BrowserModifier";
        underscores_are_for_browsers: "||a.example^$___,important" => "BrowserModifier";
        a_path_with_a_browsers_modifier_is_a_path: "||a.example/x$script" => "Url";
        a_path_with_an_unknown_modifier_is_a_path: "/x$y=1" => "Url";
    }
}

mod badfilter {
    use super::super::*;

    lines! {
        it_says_that_it_cancels: "||a.example^$badfilter" => "block +a.example cancels";
        it_may_cancel_an_exception: "@@||a.example^$badfilter" => "allow +a.example cancels";
        it_may_stand_among_others: "||a.example^$dnstype=A,badfilter,important"
            => "block +a.example important cancels types=1";
        it_has_no_value: "||a.example^$badfilter=1" => "BadModifier";
        it_does_not_limit: "*$badfilter" => "MatchesAll";
        it_cancels_nothing_that_is_for_browsers: "||a.example^$image,badfilter" => "BrowserModifier";
        it_cancels_nothing_that_is_not_known: "||a.example^$whatever,badfilter" => "UnknownModifier";
    }

    cancelling! {
        it_cancels_an_equal_rule: "||a.example^", "||a.example^$badfilter" => true;
        it_cancels_an_open_rule: "||a.example", "||a.example$badfilter" => true;
        it_does_not_cancel_another_scope: "||a.example^", "|a.example^$badfilter" => false;
        it_cancels_what_is_written_otherwise: "||a.example^", "||A.example^|$badfilter" => true;
        it_cancels_in_any_place: "||a.example^$important,dnstype=A", "||a.example^$badfilter,dnstype=a,important" => true;
        it_heeds_the_sign_of_an_exception: "@@||a.example^", "||a.example^$badfilter" => false;
        it_cancels_an_exception: "@@||a.example^", "@@||a.example^$badfilter" => true;
        it_heeds_importance: "||a.example^$important", "||a.example^$badfilter" => false;
        it_cancels_a_regex: "/ads\\d/", "/ads\\d/$badfilter" => true;
        it_heeds_tags: "*$ctag=os_ios", "*$ctag=os_linux,badfilter" => false;
        it_heeds_no_order_of_tags: "*$ctag=os_ios|os_linux", "*$ctag=os_linux|os_ios,badfilter" => true;
        it_heeds_which_tags_are_excepted: "*$ctag=~os_ios", "*$ctag=os_ios,badfilter" => false;
        it_heeds_clients: "*$client=192.0.2.1", "*$client=192.0.2.2,badfilter" => false;
        it_cancels_for_the_same_client: "*$client=192.0.2.1", "*$client=192.0.2.1,badfilter" => true;
        it_heeds_no_order_of_clients: "*$client=::|192.0.2.1", "*$client=192.0.2.1|::,badfilter" => true;
        it_heeds_no_order_of_prefixes: "*$client=192.0.2.0/24|10.0.0.0/8", "*$client=10.0.0.0/8|192.0.2.0/24,badfilter" => true;
        it_heeds_no_order_of_lengths: "*$client=10.0.0.1/24|10.0.0.1/16", "*$client=10.0.0.1/16|10.0.0.1/24,badfilter" => true;
        it_heeds_no_order_of_kinds: "*$client=fe01::/16|192.0.2.1|1::/16", "*$client=192.0.2.1|1::/16|fe01::/16,badfilter" => true;
        it_knows_an_address_however_written: "*$client=::", "*$client=0:0000::0,badfilter" => true;
        it_heeds_the_length_of_a_prefix: "*$client=::/64", "*$client=::/63,badfilter" => false;
        it_heeds_no_quotes: "*$client='Kids'", "*$client=\"kids\",badfilter" => true;
        it_heeds_exceptions: "*$denyallow=example", "*$denyallow=test,badfilter" => false;
        it_heeds_no_order_of_exceptions: "*$denyallow=example|test", "*$denyallow=test|example,badfilter" => true;
        it_heeds_types: "||a.example^$dnstype=A", "||a.example^$dnstype=AAAA,badfilter" => false;
        it_heeds_that_there_is_a_type: "||a.example^$dnstype=A", "||a.example^$badfilter" => false;
        it_heeds_the_answer: "||a.example^$dnsrewrite=NXDOMAIN", "||a.example^$badfilter" => false;
        it_cancels_an_equal_answer: "||a.example^$dnsrewrite=NXDOMAIN", "||a.example^$dnsrewrite=NXDOMAIN;;,badfilter" => true;
    }

    #[test]
    fn it_means_nothing_in_a_hosts_line() {
        assert_eq!(Line::of("127.0.0.1 a.example$badfilter"), Line::Hosts);
        assert!(!read("127.0.0.1 a.example$badfilter").contains("cancels"));
    }
}

mod denyallow {
    lines! {
        one_name_is_excepted: "||a.example^$denyallow=b.a.example" => "block +a.example except=b.a.example";
        top_level_domains_are_excepted: "*$denyallow=test|example" => "block everything except=example|test";
        a_caret_before_it_changes_nothing: "*^$denyallow=example" => "block everything except=example";
        names_are_lowered_and_lose_their_dot: "*$denyallow=A.Example." => "block everything except=a.example";
        a_repeated_name_counts_once: "*$denyallow=a.example|a.example" => "block everything except=a.example";
        an_exception_may_have_exceptions: "@@*$denyallow=a.example" => "allow everything except=a.example";
        nothing_may_be_negated: "*^$denyallow=~a.example" => "BadModifier";
        nothing_may_be_negated_besides: "*^$denyallow=a.example|~b.example" => "BadModifier";
        it_needs_a_value: "*^$denyallow" => "BadModifier";
        it_needs_a_name: "*^$denyallow=" => "BadModifier";
        it_needs_a_name_after_each_bar: "*^$denyallow=a.example|" => "BadModifier";
        a_mask_is_no_name: "*^$denyallow=*.example" => "BadModifier";
        an_odd_name_is_none: "*^$denyallow=a/b" => "BadModifier";
        it_never_holds_for_an_address: "||192.0.2.1^$denyallow=example" => "BadModifier";
        it_goes_with_a_pattern: "/ads\\d/$denyallow=a.example" => "block /ads\\d/ except=a.example";
        it_may_not_stand_twice: "*$denyallow=a.example,denyallow=b.example" => "BadModifier";
        a_domain_beside_it_is_for_browsers: "*^$domain=a.example,denyallow=b.example" => "BrowserModifier";
    }
}

mod dnstype {
    lines! {
        one_type_is_kept: "||a.example^$dnstype=AAAA" => "block +a.example types=28";
        several_types_are_sorted: "||a.example^$dnstype=TXT|AAAA|A" => "block +a.example types=1|16|28";
        a_repeated_type_counts_once: "||a.example^$dnstype=A|a" => "block +a.example types=1";
        case_is_ignored: "||a.example^$dnstype=hTTps" => "block +a.example types=65";
        a_type_may_be_excepted: "||a.example^$dnstype=~CNAME" => "block +a.example not-types=5";
        several_types_may_be_excepted: "||a.example^$dnstype=~CNAME|~A" => "block +a.example not-types=1|5";
        with_both_only_the_included_count: "||a.example^$dnstype=~TXT|AAAA" => "block +a.example types=28";
        an_unknown_type_is_bad: "||a.example^$dnstype=INVALID" => "BadModifier";
        none_is_no_type: "||a.example^$dnstype=NONE" => "BadModifier";
        an_unknown_excepted_type_is_bad: "||a.example^$dnstype=~INVALID" => "BadModifier";
        an_unknown_type_beside_another_is_bad: "||a.example^$dnstype=A|INVALID" => "BadModifier";
        a_number_is_no_type: "||a.example^$dnstype=1" => "BadModifier";
        it_needs_a_value: "||a.example^$dnstype" => "BadModifier";
        it_needs_a_type: "||a.example^$dnstype=" => "BadModifier";
        it_needs_a_type_after_each_bar: "||a.example^$dnstype=TXT|" => "BadModifier";
        it_needs_a_type_to_except: "||a.example^$dnstype=~" => "BadModifier";
        it_goes_with_an_exception: "@@||a.example^$dnstype=A" => "allow +a.example types=1";
        it_may_not_stand_twice: "||a.example^$dnstype=A,dnstype=AAAA" => "BadModifier";
    }
}

mod dnsrewrite {
    lines! {
        nxdomain_is_an_answer: "||a.example^$dnsrewrite=NXDOMAIN" => "block +a.example Nxdomain";
        refused_is_an_answer: "||a.example^$dnsrewrite=REFUSED" => "block +a.example Refused";
        noerror_is_an_answer_without_data: "||a.example^$dnsrewrite=NOERROR" => "block +a.example Nodata";
        nxdomain_in_full_is_an_answer: "||a.example^$dnsrewrite=NXDOMAIN;;" => "block +a.example Nxdomain";
        refused_in_full_is_an_answer: "||a.example^$dnsrewrite=REFUSED;;" => "block +a.example Refused";
        noerror_in_full_is_an_answer: "||a.example^$dnsrewrite=NOERROR;;" => "block +a.example Nodata";
        a_record_beside_nxdomain_is_not_given: "||a.example^$dnsrewrite=NXDOMAIN;A;192.0.2.1" => "block +a.example Nxdomain";
        it_goes_with_other_modifiers: "$dnstype=AAAA,denyallow=a.example,dnsrewrite=NOERROR;;"
            => "block everything Nodata except=a.example types=28";
        it_goes_with_importance: "||a.example^$important,dnsrewrite=REFUSED" => "block +a.example important Refused";
        an_address_diverts: "||a.example^$dnsrewrite=192.0.2.1" => "Rewrite";
        a_v6_address_diverts: "||a.example^$dnsrewrite=2001:db8::1" => "Rewrite";
        the_null_address_diverts_too: "||a.example^$dnsrewrite=0.0.0.0" => "Rewrite";
        a_name_diverts: "||a.example^$dnsrewrite=b.example" => "Rewrite";
        small_letters_are_a_name: "||a.example^$dnsrewrite=nxdomain" => "Rewrite";
        a_failure_is_not_given: "||a.example^$dnsrewrite=SERVFAIL" => "Rewrite";
        a_failure_in_full_is_not_given: "||a.example^$dnsrewrite=SERVFAIL;;" => "Rewrite";
        an_a_record_diverts: "||a.example^$dnsrewrite=NOERROR;A;192.0.2.1" => "Rewrite";
        an_aaaa_record_diverts: "||a.example^$dnsrewrite=NOERROR;AAAA;2001:db8::1" => "Rewrite";
        a_cname_record_diverts: "||a.example^$dnsrewrite=NOERROR;CNAME;b.example" => "Rewrite";
        a_ptr_record_diverts: "||1.2.0.192.in-addr.arpa^$dnsrewrite=NOERROR;PTR;b.example." => "Rewrite";
        an_mx_record_diverts: "||a.example^$dnsrewrite=NOERROR;MX;32 b.example" => "Rewrite";
        a_txt_record_diverts: "||a.example^$dnsrewrite=NOERROR;TXT;hello" => "Rewrite";
        an_srv_record_diverts: "||_x._tcp.a.example^$dnsrewrite=NOERROR;SRV;10 60 8080 b.example" => "Rewrite";
        an_https_record_diverts: "||a.example^$dnsrewrite=NOERROR;HTTPS;32 b.example alpn=h3" => "Rewrite";
        an_svcb_record_diverts: "||a.example^$dnsrewrite=NOERROR;SVCB;32 b.example alpn=h3" => "Rewrite";
        an_address_of_the_other_kind_is_bad: "||a.example^$dnsrewrite=NOERROR;A;2001:db8::1" => "BadModifier";
        a_v6_record_needs_a_v6_address: "||a.example^$dnsrewrite=NOERROR;AAAA;192.0.2.1" => "BadModifier";
        a_record_needs_data: "||a.example^$dnsrewrite=NOERROR;TXT;" => "BadModifier";
        a_record_needs_a_type: "||a.example^$dnsrewrite=NOERROR;;x" => "BadModifier";
        a_record_needs_a_type_that_is_known: "||a.example^$dnsrewrite=NOERROR;NOPE;x" => "BadModifier";
        an_unknown_code_is_bad: "||a.example^$dnsrewrite=NOPE;;" => "BadModifier";
        two_parts_are_bad: "||a.example^$dnsrewrite=NOERROR;A" => "BadModifier";
        it_needs_a_value: "||a.example^$dnsrewrite" => "BadModifier";
        it_needs_more_than_an_equals_sign: "||a.example^$dnsrewrite=" => "BadModifier";
        a_path_is_bad: "||a.example^$dnsrewrite=b.example/x" => "BadModifier";
        an_exception_takes_back_what_we_do_not_do: "@@||a.example^$dnsrewrite" => "Rewrite";
        an_exception_to_one_value_too: "@@||a.example^$dnsrewrite=192.0.2.1" => "Rewrite";
        an_exception_to_an_answer_is_no_allow_rule: "@@||a.example^$dnsrewrite=NXDOMAIN" => "Rewrite";
    }
}

mod client {
    lines! {
        an_address_is_a_client: "||a.example^$client=192.0.2.1" => "block +a.example for=192.0.2.1";
        several_addresses_are_sorted: "||a.example^$client=192.0.2.2|192.0.2.1" => "block +a.example for=192.0.2.1|192.0.2.2";
        a_v6_address_is_a_client: "||a.example^$client=2001:DB8::0:0001" => "block +a.example for=2001:db8::1";
        a_prefix_is_a_client: "||a.example^$client=192.0.2.0/24" => "block +a.example for=192.0.2.0/24";
        bits_after_a_prefix_are_dropped: "||a.example^$client=192.0.2.77/24" => "block +a.example for=192.0.2.0/24";
        bits_after_a_v6_prefix_are_dropped: "||a.example^$client=2001:db8::c0:ffee/112" => "block +a.example for=2001:db8::c0:0/112";
        a_length_that_is_too_large_is_bad: "||a.example^$client=192.0.2.0/33" => "BadModifier";
        a_length_with_a_sign_is_bad: "||a.example^$client=192.0.2.0/+8" => "BadModifier";
        a_name_is_a_client: "||a.example^$client=kids" => "block +a.example for='kids'";
        a_name_is_lowered: "||a.example^$client=Kids" => "block +a.example for='kids'";
        a_mac_address_is_a_name: "||a.example^$client=02:00:5E:00:53:01" => "block +a.example for='02:00:5e:00:53:01'";
        a_client_may_be_excepted: "||a.example^$client=~192.0.2.1" => "block +a.example not-for=192.0.2.1";
        some_may_be_excepted_beside_others: "||a.example^$client=~Mom|~Dad|Kids" => "block +a.example for='kids' not-for='dad'|'mom'";
        a_quoted_name_loses_its_quotes: "||a.example^$client='kids'" => "block +a.example for='kids'";
        the_last_name_may_be_quoted: "||a.example^$client=~Mom|~Dad|\"Kids\"" => "block +a.example for='kids' not-for='dad'|'mom'";
        a_quoted_address_is_an_address: "||a.example^$client='192.0.2.1'" => "block +a.example for=192.0.2.1";
        an_escaped_quote_is_of_the_name: "||a.example^$client='Ann\\'s tablet'" => "block +a.example for='ann's tablet'";
        the_other_quote_needs_no_escape: "||a.example^$client=~\"Ann's phone\"" => "block +a.example not-for='ann's phone'";
        a_quote_inside_needs_no_escape: "||a.example^$client=Ann's" => "block +a.example for='ann's'";
        an_escaped_comma_is_of_the_name: "||a.example^$client=~'Ann\\'s\\, Bob\\'s\\, and Eve\\'s'"
            => "block +a.example not-for='ann's, bob's, and eve's'";
        an_escaped_bar_is_of_the_name: "||a.example^$client='a\\|b'|c" => "block +a.example for='a|b'|'c'";
        a_bare_comma_in_quotes_is_bad: "||a.example^$client='a,b'" => "BadModifier";
        a_bare_bar_in_quotes_is_bad: "||a.example^$client='a|b'" => "BadModifier";
        a_quote_that_is_not_closed_is_bad: "||a.example^$client='kids" => "BadModifier";
        a_quote_that_is_closed_by_an_escape_is_bad: "||a.example^$client='kids\\'" => "BadModifier";
        the_sign_in_the_quotes_is_of_the_name: "||a.example^$client='~kids'" => "block +a.example for='~kids'";
        a_name_beyond_ascii_is_a_client: "||a.example^$client=K\u{dc}CHE" => "block +a.example for='k\u{fc}che'";
        it_needs_a_value: "||a.example^$client" => "BadModifier";
        it_needs_a_client: "||a.example^$client=" => "BadModifier";
        it_needs_a_client_in_the_quotes: "||a.example^$client=''" => "BadModifier";
        it_needs_a_client_in_excepted_quotes: "||a.example^$client=~''" => "BadModifier";
        it_needs_a_client_to_except: "||a.example^$client=~" => "BadModifier";
        it_needs_a_client_after_each_bar: "||a.example^$client=a|" => "BadModifier";
        it_may_not_stand_twice: "||a.example^$client=a,client=b" => "BadModifier";
        another_modifier_may_follow_a_name: "||a.example^$client='a b',important" => "block +a.example important for='a b'";
        it_goes_with_an_exception_for_all: "@@||*^$client=127.0.0.1" => "allow everything for=127.0.0.1";
    }
}

mod ctag {
    lines! {
        a_tag_is_kept: "||a.example^$ctag=device_tv" => "block +a.example tags=device_tv";
        several_tags_are_sorted: "||a.example^$ctag=device_phone|device_pc" => "block +a.example tags=device_pc|device_phone";
        a_tag_may_be_excepted: "||a.example^$ctag=~device_tv" => "block +a.example not-tags=device_tv";
        some_may_be_excepted_beside_others: "||a.example^$ctag=os_ios|~user_child|device_pc"
            => "block +a.example tags=device_pc|os_ios not-tags=user_child";
        a_tag_that_nobody_has_is_kept: "||a.example^$ctag=device_pc0123" => "block +a.example tags=device_pc0123";
        a_tag_has_no_dot: "||a.example^$ctag=device_pc|bad." => "BadModifier";
        a_tag_has_no_capitals: "||a.example^$ctag=Device_TV" => "BadModifier";
        it_needs_a_value: "||a.example^$ctag" => "BadModifier";
        it_needs_a_tag: "||a.example^$ctag=" => "BadModifier";
        it_needs_a_tag_after_each_bar: "||a.example^$ctag=|device_tv" => "BadModifier";
        it_goes_with_a_mask: "||ads*.example^$ctag=device_tv" => "block /(?:^|\\.)ads.*\\.example$/ tags=device_tv";
    }
}
