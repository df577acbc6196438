//! optout on a laptop: the programs that run on it.

use std::net::IpAddr;

use crate::lab::{FOREIGN, ISP, Lab, NEVER_BLOCK, ORDINARY, dns, isolated, tell};
use crate::ways::{
    COLLECTOR, SOON, assert_blocked_every_way, assert_catalogue_evidence, assert_curl_is_refused,
    assert_nothing_reached_the_vendor, assert_ordinary_every_way, assert_pages_load, assert_passed,
    assert_refused, is_connection, is_query,
};

#[test]
fn a_program_on_this_host_is_covered_every_way() {
    isolated(|| {
        let lab = Lab::start();
        let laptop = lab.laptop();
        let daemon = laptop.optout(SOON);

        for address in assert_blocked_every_way(laptop, COLLECTOR) {
            assert_refused(laptop, address);
        }
        assert_curl_is_refused(laptop, "https://open.oneplus.net/cloud/pushdata");
        assert_ordinary_every_way(laptop);
        assert_pages_load(laptop);
        assert_passed(laptop, "connectivitycheck.gstatic.com", NEVER_BLOCK[0], "never-block");
        for server in FOREIGN {
            let app = laptop.static_app(&server.to_string(), COLLECTOR, 5228);
            let address: Option<IpAddr> = app["address"].as_str().and_then(|a| a.parse().ok());
            assert!(address.is_some_and(dns::is_sinkhole), "{app}");
            assert_eq!(app["ended"], "ConnectionRefusedError", "{app}");
            tell(&format!("a program that asked {server} was refused in {} ms", app["ms"]));
        }
        assert_nothing_reached_the_vendor(&lab);
        let foreign = lab.internet().query_log("foreign", "www.ordinary.example");
        assert!(foreign.is_empty(), "a foreign resolver was asked: {foreign:?}");

        let curl = daemon.event("of curl", |event| {
            is_connection(event, COLLECTOR, 443) && event["client"]["program"] == "curl"
        });
        assert_catalogue_evidence(&curl, "name");
        assert_eq!(curl["client"]["uid"], 0, "{curl}");
        assert!(curl["client"]["pid"].is_u64(), "{curl}");
        assert!(curl["client"]["address"].is_null(), "this host is no client: {curl}");
        let app = daemon.event("of the app's connection", |e| is_connection(e, COLLECTOR, 5228));
        let program = app["client"]["program"].as_str().unwrap_or_default();
        assert!(program.starts_with("python3"), "{app}");
        daemon.stop();
    });
}

#[test]
fn a_question_is_attributed_to_the_program_that_asked_it() {
    isolated(|| {
        let lab = Lab::start();
        let daemon = lab.laptop().optout(SOON);
        for server in [ISP, FOREIGN].into_iter().flatten() {
            for flag in ["+notcp", "+tcp"] {
                let dig = format!("dig +short +time=3 +tries=1 {flag} @{server} {COLLECTOR}");
                let address = lab.laptop().ok(&dig).parse();
                assert!(address.is_ok_and(dns::is_sinkhole), "{dig}");
            }
        }
        let dig = daemon.event("of dig", |event| {
            is_query(event, COLLECTOR) && event["client"]["program"] == "dig"
        });
        assert_catalogue_evidence(&dig, "name");
        assert_passed(lab.laptop(), "www.ordinary.example", ORDINARY[0], "after");
        daemon.stop();
    });
}
