use std::path::PathBuf;

use super::*;

fn format(text: &str) -> Option<Format> {
    detect(text.as_bytes()).map(|detected| detected.format)
}

macro_rules! detected {
    ($test:ident, $text:expr, $want:expr) => {
        #[test]
        fn $test() {
            assert_eq!(format($text), $want, "{:?}", $text);
        }
    };
}

const PLAIN: &str = "a.example\nb.example\nc.example\n";

detected!(
    a_hosts_file,
    "# c\n127.0.0.1 localhost\n::1 localhost\n0.0.0.0 a.example\n",
    Some(Format::Hosts)
);
detected!(plain_names, PLAIN, Some(Format::Domains));
detected!(names_of_windows, "# c\r\na.example\r\nb.example\r\n", Some(Format::Domains));
detected!(wildcards, "# c\n*.a.example\n*.b.example\n", Some(Format::Wildcard));
detected!(leading_dots, ".a.example\n.b.example\n", Some(Format::Wildcard));
detected!(wildcards_and_a_name, "*.a.example\n*.b.example\nc.example\n", Some(Format::Domains));
detected!(adblock, "! c\n||a.example^\n@@||b.example^\n", Some(Format::Adblock));
detected!(names_under_a_heading, "# c\n[Adblock Plus 2.0]\na.example\n", Some(Format::Adblock));
detected!(a_heading_too_late, "a.example\n[Adblock Plus 2.0]\nb.example\n", Some(Format::Domains));
detected!(
    names_among_adblock_rules,
    "a.example\nb.example\nc.example\n||d.example^\n",
    Some(Format::Adblock)
);
detected!(addresses_among_adblock_rules, "||192.0.2.1^\n||192.0.2.2^\n", Some(Format::Adblock));
detected!(dnsmasq, "# c\nlocal=/a.example/\naddress=/b.example/#\n", Some(Format::Dnsmasq));
detected!(unbound, "server:\nlocal-zone: \"a.example.\" always_null\n", Some(Format::Unbound));
detected!(
    a_zone_with_an_soa_over_lines,
    "@ IN SOA a.example. b.example. (\n 1 ; serial\n 2\n 3\n 4\n 5 )\na.example CNAME .\n",
    Some(Format::Rpz)
);
detected!(a_zone, "$TTL 1\n@ SOA a. b. 1 2 3 4 5\n  NS a.\na.example CNAME .\n", Some(Format::Rpz));
detected!(patterns_with_schedules, "*.a.example @work\nb.example\n", Some(Format::Dnscrypt));
detected!(exact_patterns, "=a.example\nb.example\n", Some(Format::Dnscrypt));
detected!(explained_patterns, "## =a.example | only this\nb.example\n", Some(Format::Dnscrypt));
detected!(addresses, "192.0.2.1 # c\n192.0.2.0/24\n2001:db8::/32\n", Some(Format::Ips));
detected!(beginnings_of_addresses, "192.0.2.*\n2001:db8:*\n", Some(Format::Ips));
detected!(a_list_in_two_halves, "0.0.0.0 a.example\nb.example\n", Some(Format::Hosts));
detected!(columns, "a.example\t538\nb.example\t362\n", None);
detected!(prose, "This is a license.\nIt has words.\nmany\n", None);
detected!(comments_only, "# c\n! d\n; e\n", None);
detected!(nothing, "", None);
detected!(a_page, "<!doctype html>\na.example\nb.example\n", None);

#[test]
fn what_comments_say_is_told() {
    let text =
        "# Title: Small\n# Expires: 12 hours\n# Syntax: Domains (without subdomains)\na.example";
    let want = Detected {
        format: Format::Domains,
        subdomains: Some(true),
        title: Some("Small".to_owned()),
        expires: Some(Duration::from_hours(12)),
    };
    assert_eq!(detect(text.as_bytes()), Some(want));
}

#[test]
fn a_comment_of_a_format_with_marks_says_nothing_of_bare_names() {
    let text = "! Syntax: AdBlock (without subdomains)\n||a.example^\n";
    assert_eq!(detect(text.as_bytes()).unwrap().subdomains, None);
}

#[test]
fn a_line_that_is_cut_off_is_not_looked_at() {
    let mut text = "# c\n".repeat(16 * 1024 - 3);
    text.push_str("a.example\n||b.examp");
    text.push_str("le^\n||c.example^\n");
    assert!(text.len() > HEAD);
    assert_eq!(format(&text), Some(Format::Domains));
}

#[test]
fn only_the_first_rules_count() {
    let text = format!("{}{}", "a.example\n".repeat(200), "0.0.0.0 a.example\n".repeat(300));
    assert_eq!(format(&text), Some(Format::Domains));
}

proptest::proptest! {
    #[test]
    fn no_text_stops_it_and_it_is_told_the_same_twice(text: String) {
        proptest::prop_assert_eq!(detect(text.as_bytes()), detect(text.as_bytes()));
    }
}

/// The format, and what a bare name means if the list says so; `None` for no list.
type Kind = Option<(Format, Option<bool>)>;

/// Real lists, which are not ours to ship, and what they are.
const REAL: [(&str, Kind); 40] = [
    ("top/npm-top-sites-500.txt", Some((Format::Domains, None))),
    ("top/opendns-random-10000-2014.txt", Some((Format::Domains, None))),
    ("top/opendns-top-10000-2014.txt", Some((Format::Domains, None))),
    ("top/brave-top500-request-hosts.tsv", None),
    ("top/opendns-README.md", None),
    ("adguard/adguard_sdn_filter-2019-04.txt", Some((Format::Adblock, None))),
    ("real-426k.txt.gz", None),
    ("mullvad/doh_privacy.zone.rpz", Some((Format::Rpz, None))),
    ("mullvad/LICENSE.md", None),
    ("dnscrypt/example-captive-portals.txt", None),
    ("dnscrypt/example-blocked-names.txt", Some((Format::Dnscrypt, None))),
    ("dnscrypt/example-cloaking-rules.txt", None),
    ("dnscrypt/example-allowed-names.txt", Some((Format::Dnscrypt, None))),
    ("dnscrypt/example-blocked-ips.txt", Some((Format::Ips, None))),
    ("hagezi-2026-03/dnsmasq/light.txt", Some((Format::Dnsmasq, None))),
    ("hagezi-2026-03/wildcard/pro-onlydomains.txt", Some((Format::Domains, Some(true)))),
    ("hagezi-2026-03/wildcard/light.txt", Some((Format::Wildcard, Some(true)))),
    ("hagezi-2026-03/rpz/native.oppo-realme.txt", Some((Format::Rpz, None))),
    ("hagezi-2026-03/rpz/light.txt", Some((Format::Rpz, None))),
    ("hagezi-2026-03/rpz/tif-ips.txt", Some((Format::Rpz, None))),
    ("hagezi-2026-03/rpz/doh.txt", Some((Format::Rpz, None))),
    ("hagezi-2026-03/domains/light.txt", Some((Format::Domains, Some(false)))),
    ("hagezi-2026-03/hosts/native.winoffice.txt", Some((Format::Hosts, Some(false)))),
    ("hagezi-2026-03/hosts/light.txt", Some((Format::Hosts, Some(false)))),
    ("hagezi-2026-03/ips/doh.txt", Some((Format::Ips, None))),
    ("hagezi-2026-03/adblock/doh-ips.txt", Some((Format::Adblock, None))),
    ("hagezi-2026-03/adblock/light.txt", Some((Format::Adblock, None))),
    ("edge-cases/blocky_edge_cases.txt", Some((Format::Adblock, None))),
    ("edge-cases/blocky_edge_cases.golden", None),
    ("doh/dnscrypt-resolvers/relays.md", None),
    ("doh/dnscrypt-resolvers/public-resolvers.md", None),
    ("doh/dibdot/doh-domains.txt", Some((Format::Domains, None))),
    ("doh/dibdot/doh-ipv4.txt", Some((Format::Ips, None))),
    ("doh/dibdot/doh-ipv6.txt", Some((Format::Ips, None))),
    ("doh/dibdot/doh-domains_overall.txt", Some((Format::Domains, None))),
    ("doh/crypt0rr/ipv4.list", Some((Format::Ips, None))),
    ("doh/crypt0rr/ipv6.list", Some((Format::Ips, None))),
    ("doh/crypt0rr/dns.list", Some((Format::Domains, None))),
    ("stevenblack/hosts-2025-12.txt", Some((Format::Hosts, None))),
    ("easylist/easyprivacy.txt", Some((Format::Adblock, None))),
];

#[test]
#[expect(clippy::disallowed_methods, reason = "a test may read a file, core may not")]
fn real_lists_are_what_they_are() {
    let Some(shared) = super::super::tests::shared("lists") else { return };
    let mut wrong = Vec::new();
    for (name, want) in REAL {
        let path: PathBuf = shared.join(name);
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let head = bytes.get(..HEAD + 1).unwrap_or(&bytes);
        let found = detect(head).map(|detected| (detected.format, detected.subdomains));
        if found != want {
            wrong.push(format!("{name}: {found:?}, and not {want:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
