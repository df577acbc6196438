//! The scene of 2017: an app calls home through the tunnel, is stopped and named, and
//! what is ordinary goes its way.

use serde_json::{Value, json};

use crate::lab::{Lab, ORDINARY, VENDOR, dns, tell};
use crate::phone::{ADDRESSES, Phone, RESOLVERS, ROUTES, with_java};
use crate::ways::{
    COLLECTOR, Over, SOON, ask, assert_catalogue_evidence, assert_nothing_reached_the_vendor,
    assert_pages_load, is_connection, is_query,
};

#[test]
fn an_app_that_calls_home_is_stopped_and_named_and_stands_in_the_report() {
    with_java(|| {
        let lab = Lab::start();
        let mut phone = Phone::boot(&lab, SOON);
        let [config, data] = phone.folders();
        let plan: Value = serde_json::from_str(&phone.ok(&["plan", &config, &data])).unwrap();
        let words = |text: &str| text.split(',').map(Value::from).collect::<Vec<_>>();
        assert_eq!(plan["addresses"], json!(words(ADDRESSES)), "{plan}");
        assert_eq!(plan["routes"], json!(words(ROUTES)), "{plan}");
        assert_eq!(plan["mtu"], 1500, "{plan}");

        phone.ok(&["package", "10123", "net.oneplus.launcher"]);
        phone.start();
        lab.phone().write_resolv_conf(&RESOLVERS);
        let call = "setpriv --reuid 10123 --clear-groups curl -s -m 5 http://open.oneplus.net/x";
        assert_eq!(lab.phone().run(call).status.code(), Some(7), "refused to connect");
        assert_pages_load(lab.phone());
        assert_nothing_reached_the_vendor(&lab);

        let query = phone.event("of the question", |event| is_query(event, COLLECTOR));
        assert_catalogue_evidence(&query, "name");
        let caller = phone.event("of the app", |event| is_connection(event, COLLECTOR, 80));
        assert_catalogue_evidence(&caller, "name");
        assert_eq!(caller["client"]["uid"], 10123, "{caller}");
        assert_eq!(caller["client"]["program"], "net.oneplus.launcher", "{caller}");
        // Before Android 10 nobody can be asked, and the tables under /proc can be read.
        phone.ok(&["package", "10456", "org.example.old"]);
        phone.ok(&["mood", "old"]);
        lab.phone().run(&call.replace("10123", "10456"));
        phone.event("of the app on an old phone", |event| {
            is_connection(event, COLLECTOR, 80) && event["client"]["program"] == "org.example.old"
        });
        phone.ok(&["mood", "good"]);
        let page = phone.ok(&["page", "0"]);
        for word in ["net.oneplus.launcher", COLLECTOR, "OnePlus"] {
            assert!(page.contains(word), "no {word} in the report:\n{page}");
        }
        let (protected, odd, state) = phone.seen();
        assert!(protected > 0, "no socket was protected");
        assert_eq!(odd, "");
        assert_eq!(state["state"], "on", "{state}");
        assert_eq!(state["problems"], json!([]), "{state}");
        tell(&format!("{protected} sockets were kept out of the tunnel"));

        phone.ok(&["stop"]);
        assert_eq!(phone.ok(&["running"]), "false");
        phone.shut_down();
    });
}

#[test]
fn rules_modes_and_pauses_by_control_hold_at_once() {
    with_java(|| {
        let lab = Lab::start();
        let mut phone = Phone::boot(&lab, SOON);
        phone.start();
        let is = |name: &str| ask(lab.phone(), RESOLVERS[0], Over::Udp, name, dns::A).addresses;
        let done = json!({"done": null});
        for (request, name, want) in [
            (r#"{"do":"pause","seconds":60}"#, COLLECTOR, Some(VENDOR[0])),
            (r#"{"do":"resume"}"#, COLLECTOR, None),
            (r#"{"do":"off"}"#, COLLECTOR, Some(VENDOR[0])),
            (r#"{"do":"on"}"#, COLLECTOR, None),
            (r#"{"do":"set_vendor","vendor":"oneplus","mode":"off"}"#, COLLECTOR, Some(VENDOR[0])),
            (r#"{"do":"set_vendor","vendor":"oneplus","mode":"enforce"}"#, COLLECTOR, None),
            (
                r#"{"do":"add_rule","action":"block","subject":"www.ordinary.example"}"#,
                "www.ordinary.example",
                None,
            ),
            (
                r#"{"do":"remove_rule","subject":"www.ordinary.example"}"#,
                "www.ordinary.example",
                Some(ORDINARY[0]),
            ),
        ] {
            assert_eq!(phone.control(request), done, "{request}");
            let now = is(name);
            match want {
                Some(address) => assert_eq!(now, [address], "{request}"),
                None => assert!(now.iter().all(|it| dns::is_sinkhole(*it)), "{request}: {now:?}"),
            }
        }
        phone.shut_down();
    });
}

#[test]
fn a_rule_for_an_address_asks_for_another_tunnel() {
    with_java(|| {
        let lab = Lab::start();
        let mut phone = Phone::boot(&lab, SOON);
        phone.start();
        phone.control(r#"{"do":"add_rule","action":"block","subject":"203.0.113.67"}"#);
        phone.saw("another plan", |_, state| state["plan_changed"] == true);
        let [config, data] = phone.folders();
        assert!(phone.ok(&["plan", &config, &data]).contains("\"203.0.113.67\""));

        // What the app does then: another device with these routes, handed over.
        lab.phone().ok("ip link set spare0 up && ip route replace 203.0.113.67 dev spare0 \
                        && ip route replace 198.18.0.0/15 dev spare0");
        let spare = phone.ok(&["descriptor", "2"]);
        phone.ok(&["replace", &spare]);
        let ran = lab.phone().run("curl -s -m 5 http://203.0.113.67/");
        assert_eq!(ran.status.code(), Some(7), "{ran}");
        let blocked =
            phone.event("of the address", |event| event["connection"]["address"] == "203.0.113.67");
        assert_eq!(blocked["outcome"], "blocked", "{blocked}");
        let answer = ask(lab.phone(), RESOLVERS[0], Over::Udp, COLLECTOR, dns::A);
        assert!(answer.is_sinkholed(), "over the second tunnel");
        phone.shut_down();
    });
}
