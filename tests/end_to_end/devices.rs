//! optout on a router: the devices behind it.

use std::net::IpAddr;

use crate::lab::{FOREIGN, HARD_CODED, ISP, Lab, NEVER_BLOCK, ORDINARY, dns, isolated, tell};
use crate::ways::{
    COLLECTOR, Over, PATIENCE, SOON, ask, assert_blocked, assert_blocked_every_way,
    assert_catalogue_evidence, assert_curl_is_refused, assert_nothing_reached_the_vendor,
    assert_ordinary_every_way, assert_pages_load, assert_passed, assert_refused, is_connection,
    is_query, look_up,
};

#[test]
fn a_device_behind_the_router_is_covered_every_way() {
    isolated(|| {
        let lab = Lab::start();
        let daemon = lab.router().optout(SOON);
        tell(&format!("optout is ready in {} ms", daemon.ready_in.as_millis()));
        let phone = lab.phone();

        assert_eq!(look_up(phone, COLLECTOR).ttl, Some(10));
        let sinkhole = assert_blocked_every_way(phone, COLLECTOR);
        for address in sinkhole {
            assert_refused(phone, address);
        }
        assert_curl_is_refused(phone, "https://open.oneplus.net/cloud/pushdata");
        assert_curl_is_refused(phone, "http://open.oneplus.net/cloud/pushdata");
        assert_ordinary_every_way(phone);
        assert_pages_load(phone);
        assert_nothing_reached_the_vendor(&lab);
        assert_eq!(lab.internet().counters().dns_from_clients, 0, "questions went past optout");

        let query = daemon.event("of the question", |event| {
            is_query(event, COLLECTOR) && event["client"]["address"] == "192.0.2.10"
        });
        assert_catalogue_evidence(&query, "name");
        let connection = daemon.event("of the connection", |event| {
            is_connection(event, COLLECTOR, 443) && event["client"]["address"] == "192.0.2.10"
        });
        assert_catalogue_evidence(&connection, "name");
        assert_eq!(connection["connection"]["protocol"], "tcp");
        let mac = phone.ok("cat /sys/class/net/eth0/address");
        assert_eq!(connection["client"]["mac"], mac.as_str(), "{connection}");
        daemon.event("of a connection by IPv6", |event| {
            is_connection(event, COLLECTOR, 443) && event["client"]["address"] == "2001:db8:1::10"
        });
        daemon.event("of a datagram", |event| {
            is_connection(event, COLLECTOR, 443) && event["connection"]["protocol"] == "udp"
        });
        daemon.stop();
    });
}

#[test]
fn an_app_with_its_own_resolver_is_covered() {
    isolated(|| {
        let lab = Lab::start();
        let daemon = lab.router().optout(SOON);
        for server in FOREIGN {
            let app = lab.phone().static_app(&server.to_string(), COLLECTOR, 443);
            let address = app["address"].as_str().and_then(|a| a.parse().ok());
            assert!(address.is_some_and(dns::is_sinkhole), "{app}");
            assert_eq!(app["ended"], "ConnectionRefusedError", "{app}");
            tell(&format!("an app that asked {server} was refused in {} ms", app["ms"]));
        }
        // The answer came to a connected socket: it bore the address that was asked.
        let whoami = ask(lab.phone(), FOREIGN[0], Over::Udp, "whoami.lab.example", dns::TXT);
        assert!(String::from_utf8_lossy(&whoami.message).contains("isp"), "our upstream answered");
        assert_eq!(lab.internet().counters().dns_from_clients, 0);
        assert_nothing_reached_the_vendor(&lab);
        daemon.stop();
    });
}

#[test]
fn aliases_lists_canaries_and_exceptions_are_judged() {
    isolated(|| {
        let lab = Lab::start();
        let phone = lab.phone();
        let lists = phone.dir().parent().expect("the lab's directory").join("router");
        let hosts =
            "# a list\n0.0.0.0 tracker.listed.example\n0.0.0.0 connectivitycheck.gstatic.com\n";
        std::fs::write(lists.join("hosts.txt"), hosts).expect("tmpfs");
        std::fs::write(lists.join("domains.txt"), "shop.ordinary.example\n").expect("tmpfs");
        let dir = lists.display();
        let daemon = lab.router().optout(&format!(
            "block = [\"{}\", \"{}\"]\n{SOON}\
             [[lists]]\npath = \"{dir}/hosts.txt\"\nformat = \"hosts\"\n\
             [[lists]]\npath = \"{dir}/domains.txt\"\nformat = \"domains\"\nmode = \"watch\"\n",
            HARD_CODED[0], HARD_CODED[1]
        ));

        // An alias of a collector, one step and two, and by an HTTPS record.
        assert_blocked(phone, "www.alias.example", "an alias");
        assert_blocked(phone, "deep.alias.example", "an alias of an alias");
        let https = ask(phone, ISP[0], Over::Udp, "https.alias.example", dns::HTTPS);
        assert_eq!((https.rcode(), https.records), (dns::NOERROR, 0), "HTTPS of an alias");
        let https = ask(phone, ISP[0], Over::Udp, COLLECTOR, dns::HTTPS);
        assert_eq!((https.rcode(), https.records), (dns::NOERROR, 0), "HTTPS of a collector");
        let https = ask(phone, ISP[0], Over::Udp, "www.ordinary.example", dns::HTTPS);
        assert_eq!(https.records, 1, "HTTPS of an ordinary name");

        // Lists from disk. What must stay reachable stays so, whatever they say.
        assert_blocked(phone, "tracker.listed.example", "in a hosts file");
        assert_passed(phone, "shop.ordinary.example", ORDINARY[0], "in a watched list");
        let never = "connectivitycheck.gstatic.com";
        assert_passed(phone, never, NEVER_BLOCK[0], "never-block, in a hosts file");
        phone.ok("curl -sS -m 5 http://connectivitycheck.gstatic.com/generate_204");

        // Canaries are answered negatively and never with an address.
        assert_eq!(look_up(phone, "use-application-dns.net").rcode(), dns::NXDOMAIN);
        let ddr = ask(phone, ISP[0], Over::Udp, "_dns.resolver.arpa", dns::SVCB);
        assert_eq!((ddr.rcode(), ddr.records), (dns::NOERROR, 0));
        assert_passed(phone, "mask.icloud.com", ORDINARY[0], "Private Relay passes by default");

        // A collector without a name.
        for address in HARD_CODED {
            assert_refused(phone, address);
        }
        assert_eq!(lab.internet().counters().hard_coded, 0);

        let alias = daemon.event("of the alias", |event| is_query(event, "www.alias.example"));
        assert_catalogue_evidence(&alias, "alias");
        assert_eq!(alias["via"]["name"], COLLECTOR, "{alias}");
        let listed = daemon.event("of the list", |e| is_query(e, "tracker.listed.example"));
        assert_eq!(listed["rule"]["line"], 2, "{listed}");
        let watched = daemon.event("of the watched list", |e| is_query(e, "shop.ordinary.example"));
        assert_eq!(watched["outcome"], "watched", "{watched}");
        let address = daemon.event("of the address", |event| {
            event["connection"]["address"] == HARD_CODED[0].to_string().as_str()
        });
        assert_eq!(address["via"]["by"], "address", "{address}");
        daemon.stop();
    });
}

#[test]
fn each_form_of_answer_is_what_it_says() {
    isolated(|| {
        let lab = Lab::start();
        let answers = |form: &str| {
            let daemon = lab.router().optout(&format!("block_answer = \"{form}\"\n"));
            let both = [dns::A, dns::AAAA]
                .map(|kind| ask(lab.phone(), ISP[0], Over::Udp, COLLECTOR, kind));
            daemon.stop();
            both
        };
        for answer in answers("null") {
            assert!(answer.addresses.iter().all(IpAddr::is_unspecified) && answer.records == 1);
        }
        for answer in answers("nxdomain") {
            assert_eq!((answer.rcode(), answer.records), (dns::NXDOMAIN, 0));
        }
        for answer in answers("refused") {
            assert_eq!((answer.rcode(), answer.records), (dns::REFUSED, 0));
        }
    });
}

#[test]
fn an_ordinary_packet_never_visits_the_tun() {
    isolated(|| {
        let lab = Lab::start();
        let daemon = lab.router().optout("");
        assert_passed(lab.phone(), "www.ordinary.example", ORDINARY[0], "before");
        let before = lab.router().device("optout0").expect("the TUN");
        let load = "curl -sS -m 9 --cacert /run/lab/ca.pem --resolve \
                    www.ordinary.example:443:203.0.113.10 -o /dev/null \
                    https://www.ordinary.example/page.bin";
        for _ in 0..5 {
            lab.phone().ok(load);
        }
        assert_eq!(lab.router().device("optout0"), Some(before), "page loads visited the TUN");
        daemon.stop();
    });
}

#[test]
fn many_questions_on_one_connection_are_all_answered() {
    isolated(|| {
        let lab = Lab::start();
        let daemon = lab.router().optout("");
        let names = [COLLECTOR, "www.ordinary.example", "big.ordinary.example"];
        let questions: Vec<Vec<u8>> = (0..30_u16)
            .map(|id| {
                let name = names[usize::from(id) % names.len()];
                let kind = if name.starts_with("big") { dns::TXT } else { dns::A };
                dns::question(id, name, kind)
            })
            .collect();
        for server in [ISP[0], FOREIGN[1]] {
            let answers = lab.phone().enter(|| dns::tcp((server, 53), &questions, PATIENCE));
            let mut answers = answers.expect("thirty answers");
            // They may come in any order (RFC 7766 §6.2.1.1).
            answers
                .sort_by_key(|answer| u16::from_be_bytes([answer.message[0], answer.message[1]]));
            for (id, answer) in (0_u16..).zip(&answers) {
                assert_eq!(answer.message[..2], id.to_be_bytes(), "one answer to each question");
                match id % 3 {
                    0 => assert!(answer.is_sinkholed()),
                    1 => assert_eq!(answer.addresses, ORDINARY[..1]),
                    _ => assert!(answer.message.len() > 8000, "{}", answer.message.len()),
                }
            }
        }
        daemon.stop();
    });
}
