//! What can go wrong between Java and the engine: each has one sentence, and none ends the
//! process.

use std::fs;

use serde_json::Value;

use crate::lab::{ISP, Lab, ORDINARY, dns};
use crate::phone::{Phone, RESOLVERS, TUN, with_java};
use crate::ways::{COLLECTOR, Over, SOON, ask};

#[test]
fn what_makes_no_sense_is_an_exception_with_a_sentence() {
    with_java(|| {
        let lab = Lab::start();
        let mut phone = Phone::boot(&lab, SOON);
        let [config, data] = phone.folders();
        let first: u32 = phone.ok(&["descriptor", "3"]).parse().expect("a number");
        phone.refused(&["control", r#"{"do":"status"}"#], "does not run; start it first");
        phone.refused(&["reload"], "does not run; start it first");
        phone.refused(&["page", "0"], "does not run; start it first");
        // What is handed over is gone, whatever comes of it: so these are copies.
        let copy = |n: u32| (first + n).to_string();
        phone.refused(&["replace", &copy(0)], "does not run; start it first");
        phone.ok(&["stop"]);

        let spare = phone.ok(&["descriptor", "2"]);
        phone.refused(&["start", &spare, &config, &data, "no bridge"], "bridge is null");
        phone.refused(&["start", &spare, &config, &data], "it is not open");
        phone.refused(&["start", "-7", &config, &data], "it is not open");
        let none = phone.ok(&["open", "/proc/version"]);
        phone.refused(&["start", &none, &config, &data], "it is no TUN");
        phone.refused(&["network", "192.0.2.10,home", "", ""], "has \"home\", which is no address");
        phone.refused(&["network", "null", "", ""], "addresses is null");

        phone.start();
        phone.refused(&["start", &copy(1), &config, &data], "runs already; stop it first");
        phone.refused(&["control", "null"], "request is null");
        phone.refused(&["control", r#"{"do":"log","follow":true}"#], "cannot follow the log");
        let failed = phone.control(r#"{"do":"dance"}"#);
        assert!(failed["failed"].as_str().is_some_and(|why| why.contains("dance")), "{failed}");
        let failed = phone.control("{");
        assert!(failed["failed"].is_string(), "{failed}");
        phone.ok(&["stop"]);
        phone.ok(&["stop"]);
        phone.shut_down();
    });
}

#[test]
fn a_bridge_that_refuses_or_throws_costs_questions_and_nothing_more() {
    with_java(|| {
        let lab = Lab::start();
        let mut phone = Phone::boot(&lab, SOON);
        phone.start();
        let asked = |name: &str| ask(lab.phone(), RESOLVERS[0], Over::Udp, name, dns::A);
        for (mood, word) in [("refuses", "Android refused"), ("throws", "IllegalStateException")] {
            phone.ok(&["mood", mood]);
            assert_eq!(asked(&format!("{mood}.ordinary.example")).rcode(), SERVFAIL, "{mood}");
            // What needs nobody outside is answered all the same.
            assert!(asked(COLLECTOR).is_sinkholed(), "{mood}");
            let status = phone.until("the problem", |status| !said(status).is_empty());
            assert!(said(&status).contains(word), "{mood}: {status}");
            phone.ok(&["mood", "good"]);
            assert_eq!(asked("www.ordinary.example").addresses, [ORDINARY[0]], "after {mood}");
            phone.until("its end", |status| said(status).is_empty());
        }
        phone.ok(&["mood", "asks back"]);
        phone.control(r#"{"do":"pause","seconds":60}"#);
        phone.saw("a refusal", |odd, _| odd.contains("from within its own callback"));
        phone.shut_down();
    });
}

#[test]
fn a_tunnel_that_is_taken_away_is_told_and_another_one_taken() {
    with_java(|| {
        let lab = Lab::start();
        let mut phone = Phone::boot(&lab, SOON);
        phone.start();
        lab.phone().ok(&format!("ip link del {TUN}"));
        phone.until("the end of the tunnel", |status| status["device"] == "");
        phone.saw("that it is gone", |_, state| state["has_tunnel"] == false);
        lab.phone().ok("ip link set spare0 up && ip route replace 198.18.0.0/15 dev spare0");
        let spare = phone.ok(&["descriptor", "2"]);
        phone.ok(&["replace", &spare]);
        let answer = ask(lab.phone(), RESOLVERS[0], Over::Udp, COLLECTOR, dns::A);
        assert!(answer.is_sinkholed());
        assert_eq!(phone.status()["device"], "spare0");
        // Without one it goes on, to be asked and told.
        phone.ok(&["replace", "-1"]);
        assert_eq!(phone.status()["device"], "");
        phone.shut_down();
    });
}

#[test]
fn without_a_tunnel_it_can_be_asked_and_told() {
    with_java(|| {
        let lab = Lab::start();
        let mut phone = Phone::boot(&lab, SOON);
        phone.start_on("-1");
        assert_eq!(phone.status()["device"], "");
        phone.control(r#"{"do":"set_vendor","vendor":"oneplus","mode":"watch"}"#);
        let vendors = phone.control(r#"{"do":"vendors"}"#);
        let all = vendors["vendors"].as_array().expect("a list");
        let mode = all.iter().find(|it| it["vendor"] == "oneplus").map(|it| &it["mode"]);
        assert_eq!(mode, Some(&Value::from("watch")));
        phone.shut_down();
    });
}

#[test]
fn a_storm_of_networks_ends_in_the_last_one() {
    with_java(|| {
        let lab = Lab::start();
        let mut phone = Phone::boot(&lab, SOON);
        phone.start();
        let before = phone.status()["counters"]["wakeups"].as_u64().expect("a number");
        phone.ok(&["storm", "20000", &ISP[0].to_string()]);
        let answer = ask(lab.phone(), RESOLVERS[0], Over::Udp, "www.ordinary.example", dns::A);
        assert_eq!(answer.addresses, [ORDINARY[0]]);
        let status = phone.status();
        assert_eq!(status["upstreams"].as_array().map(Vec::len), Some(1), "{status}");
        let woken = status["counters"]["wakeups"].as_u64().expect("a number") - before;
        assert!(woken <= 20_010, "{woken} times");
        phone.shut_down();
    });
}

#[test]
fn a_folder_that_is_full_or_read_only_is_a_problem_and_no_more() {
    with_java(|| {
        let lab = Lab::start();
        for (how, options) in [("full", "size=128k"), ("read-only", "ro")] {
            let mut phone = Phone::boot(&lab, SOON);
            let data = phone.folders()[1].clone();
            lab.phone().ok(&format!("mount -t tmpfs -o mode=777,{options} none {data}"));
            lab.phone().run(&format!("cat /dev/zero > {data}/filler; chmod 666 {data}/filler"));
            phone.start();
            let asked = |name: &str| ask(lab.phone(), RESOLVERS[0], Over::Udp, name, dns::A);
            assert!(asked(COLLECTOR).is_sinkholed(), "{how}");
            assert_eq!(asked("www.ordinary.example").addresses, [ORDINARY[0]], "{how}");
            let status = phone.until("the problem", |status| !said(status).is_empty());
            assert!(said(&status).contains("journal"), "{how}: {status}");
            phone.shut_down();
            lab.phone().ok(&format!("umount {data}"));
        }
    });
}

#[test]
fn a_configuration_of_a_newer_version_names_its_line() {
    with_java(|| {
        let lab = Lab::start();
        let mut phone = Phone::boot(&lab, "strict = true\nteleport = \"always\"\n");
        let [config, data] = phone.folders();
        let tun = phone.ok(&["descriptor", "1"]);
        phone.refused(&["plan", &config, &data], "optout.toml:2: unknown key \"teleport\"");
        phone.refused(&["start", &tun, &config, &data], "optout.toml:2: unknown key \"teleport\"");
        fs::write(format!("{config}/optout.toml"), "strict = true\n").expect("tmpfs");
        let spare = phone.ok(&["descriptor", "2"]);
        phone.start_on(&spare);
        fs::write(format!("{config}/optout.toml"), "strict = 7\n").expect("tmpfs");
        phone.refused(&["reload"], "the configuration of before stays in force");
        phone.shut_down();
    });
}

fn said(status: &Value) -> String {
    let problems = status["problems"].as_array().map(Vec::as_slice).unwrap_or_default();
    problems.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; ")
}

const SERVFAIL: u8 = 2; // RFC 1035 §4.1.1
