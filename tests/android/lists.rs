//! Lists by subscription on a phone: when they are fetched, and when they are not.

use std::time::Duration;

use crate::lab::list_server::ListServer;
use crate::lab::{Lab, dns, within};
use crate::phone::{Phone, RESOLVERS, with_java};
use crate::ways::{Over, SOON, ask};

#[test]
fn lists_wait_for_a_network_that_costs_nothing_and_leads_outside() {
    with_java(|| {
        let lab = Lab::start();
        let server = ListServer::start(lab.internet());
        server.gives("listed.example\n");
        let list = "[[lists]]\nurl = \"https://lists.example:8443/l.txt\"\nname = \"l\"\n";
        let mut phone = Phone::boot(&lab, &format!("{SOON}{list}"));
        phone.network("metered");
        let tun = phone.ok(&["descriptor", "1"]);
        phone.start_on(&tun);
        let is_blocked =
            || ask(lab.phone(), RESOLVERS[0], Over::Udp, "listed.example", dns::A).is_sinkholed();
        for kind in ["metered", "captive"] {
            phone.network(kind);
            let fetched = within(Duration::from_secs(3), || is_blocked().then_some(()));
            assert!(fetched.is_none(), "{kind}");
            assert_eq!(server.heads(), Vec::<String>::new(), "{kind}");
        }
        phone.network("free");
        let fetched = within(Duration::from_secs(20), || is_blocked().then_some(()));
        assert!(fetched.is_some(), "{}\n{}", phone.status(), phone.log());
        assert_eq!(server.heads().len(), 1, "once");
        phone.shut_down();
    });
}
