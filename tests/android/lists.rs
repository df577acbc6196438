//! Lists by subscription on a phone: when they are fetched, and what is left when the app is
//! ended in the middle.

use std::io::Write as _;
use std::thread;
use std::time::Duration;

use crate::lab::list_server::{End, ListServer, head};
use crate::lab::{Lab, dns, tell, within};
use crate::phone::{Phone, RESOLVERS, with_java};
use crate::ways::{Over, SOON, ask};

#[test]
fn lists_wait_for_a_network_that_costs_nothing_and_leads_outside() {
    with_java(|| {
        let lab = Lab::start();
        let server = ListServer::start(lab.internet());
        server.gives("listed.example\n");
        let mut phone = Phone::boot(&lab, &configuration());
        phone.network("metered");
        let tun = phone.ok(&["descriptor", "1"]);
        phone.start_on(&tun);
        for kind in ["metered", "captive"] {
            phone.network(kind);
            let fetched = within(Duration::from_secs(3), || is_listed(&lab, OLD).then_some(()));
            assert!(fetched.is_none(), "{kind}");
            assert_eq!(server.heads(), Vec::<String>::new(), "{kind}");
        }
        phone.network("free");
        let fetched = within(Duration::from_secs(20), || is_listed(&lab, OLD).then_some(()));
        assert!(fetched.is_some(), "{}\n{}", phone.status(), phone.log());
        assert_eq!(server.heads().len(), 1, "once");
        phone.shut_down();
    });
}

#[test]
fn an_app_that_is_ended_in_the_middle_of_a_list_has_the_old_one_or_the_new_one() {
    with_java(|| {
        let lab = Lab::start();
        let server = ListServer::start(lab.internet());
        let texts = [OLD, NEW].map(|name| format!("{}{name}\n", "filler.example\n".repeat(3000)));
        server.gives(texts[0].clone());
        let mut phone = Phone::boot(&lab, &configuration());
        phone.start();
        let fetched = within(Duration::from_secs(20), || is_listed(&lab, OLD).then_some(()));
        assert!(fetched.is_some(), "{}\n{}", phone.status(), phone.log());
        let mut seen = [0; 2];
        for n in 0..6 {
            let next = usize::from(is_listed(&lab, OLD));
            let text = texts[next].clone();
            server.answers(move |_, wire| {
                head(wire, 200, &[&format!("Content-Length: {}", text.len())])?;
                for piece in text.as_bytes().chunks(8192) {
                    wire.write_all(piece)?;
                    wire.flush()?;
                    thread::sleep(Duration::from_millis(50));
                }
                Ok(End::Word)
            });
            phone.tell(&["control", r#"{"do":"change_lists","change":"update","lists":["l"]}"#]);
            thread::sleep(Duration::from_millis(100 * n));
            phone.kill9();
            phone = Phone::boot(&lab, &configuration());
            phone.start();
            let listed = [OLD, NEW].map(|name| is_listed(&lab, name));
            assert_ne!(listed[0], listed[1], "kill {n}: neither or both: {listed:?}");
            seen[usize::from(listed[next])] += 1;
            let status = phone.status();
            assert_eq!(status["problems"], serde_json::json!([]), "kill {n}: {status}");
        }
        tell(&format!("after 6 kills: {} times the old list, {} the new one", seen[0], seen[1]));
        assert!(seen[0] > 0, "no kill came before the end");
        phone.shut_down();
    });
}

fn configuration() -> String {
    format!("{SOON}[[lists]]\nurl = \"https://lists.example:8443/l.txt\"\nname = \"l\"\n")
}

fn is_listed(lab: &Lab, name: &str) -> bool {
    ask(lab.phone(), RESOLVERS[0], Over::Udp, name, dns::A).is_sinkholed()
}

/// Names of the lab, in one version of the list and in the next.
const OLD: &str = "listed.example";
const NEW: &str = "ads.listed.example";
