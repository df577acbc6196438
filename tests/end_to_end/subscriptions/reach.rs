//! What must stay reachable stays so, whatever lists say: what people cannot do
//! without, and the lists' own servers.

use std::io::ErrorKind;
use std::net::IpAddr;

use super::{Home, URL, assert_contains, refused, shown};
use crate::lab::{HARD_CODED, LISTS, NEVER_BLOCK, ORDINARY, dns, isolated};

const NEVER: [&str; 2] = ["captive.apple.com", "connectivitycheck.gstatic.com"];

#[test]
fn a_list_cannot_block_what_must_stay_reachable_by_name() {
    isolated(|| {
        let home = Home::start();
        let daemon = home.lab.router().optout("");
        // Itself, all below a zone above it, and by a pattern.
        home.lists.gives(
            "||captive.apple.com^\n||connectivitycheck.gstatic.com^$important\n||gstatic.com^\n\
             ||com^\n/captive/\n||listed.example^\n",
        );
        let said = daemon.ok(&["lists", "add", URL, "--name", "l", "--format", "adblock"]);
        assert!(said.contains(" refused\n"), "{said}");
        home.blocks(&["listed.example"], "the rest holds");
        for name in NEVER {
            assert_eq!(home.dig(name), NEVER_BLOCK[0].to_string(), "{name}");
            let it = daemon.json(&["explain", name, "--json"]);
            assert_eq!(it["outcome"], "passed", "{it}");
        }
        let one = daemon.ok(&["lists", "show", "l"]);
        assert_contains(&one, &["not used: it names"]);
        // By the user's own rule it can, and that does no list harm.
        daemon.ok(&["block", NEVER[0]]);
        home.blocks(&NEVER[..1], "by the user");
        home.lists.gives("ads.listed.example\n");
        daemon.ok(&["lists", "update", "l"]);
        home.blocks(&["ads.listed.example"], "an update beside a rule of the user's");
        daemon.stop();
    });
}

#[test]
fn addresses_of_what_must_stay_reachable_bring_the_version_before_back() {
    isolated(|| {
        let home = Home::start();
        let daemon = home.lab.router().optout("");
        home.lists.gives(format!("{}\n", HARD_CODED[0]));
        daemon.ok(&["lists", "add", URL, "--name", "l", "--format", "ips"]);
        is_stopped(&home, HARD_CODED[0], true, "added");
        is_stopped(&home, NEVER_BLOCK[0], false, "added");

        // The whole net, with the address of what must stay reachable.
        home.lists.gives(format!("{}\n203.0.113.16/29\n", HARD_CODED[0]));
        let (out, why) = refused(&daemon, &["lists", "update", "l"]);
        let parts = [
            "connectivitycheck.gstatic.com must stay reachable",
            "line 2 of list \"l\"",
            "in force again",
        ];
        assert_contains(&why, &parts);
        assert!(out.contains("l updated"), "{out}");
        is_stopped(&home, NEVER_BLOCK[0], false, "after the update");
        is_stopped(&home, HARD_CODED[0], true, "the version before is in force");
        let status = daemon.json(&["status", "--json"]);
        assert!(
            status["problems"].to_string().contains("connectivitycheck.gstatic.com"),
            "{status}"
        );
        assert!(daemon.ok(&["lists"]).contains("gone back from"));
        // The next look does not take it again.
        assert_eq!(daemon.ok(&["lists", "update", "l"]), "l unchanged\nNothing new.\n");
        is_stopped(&home, NEVER_BLOCK[0], false, "after the next look");
        // Nor does a person by mistake.
        let (_, why) = refused(&daemon, &["lists", "accept", "l"]);
        assert!(why.contains("must stay reachable"), "{why}");
        is_stopped(&home, NEVER_BLOCK[0], false, "accepted");
        is_stopped(&home, HARD_CODED[0], true, "accepted");

        home.lists.gives("203.0.113.200\n");
        daemon.ok(&["lists", "update", "l"]);
        is_stopped(&home, HARD_CODED[0], false, "a harmless one is taken");
        let status = daemon.json(&["status", "--json"]);
        assert!(!status["problems"].to_string().contains("captive"), "it is mended: {status}");

        // A whole list of that kind is not added.
        home.lists.gives("203.0.113.20\n");
        let (_, why) = refused(&daemon, &["lists", "add", URL, "--name", "m", "--format", "ips"]);
        assert!(why.contains("must stay reachable"), "{why}");
        is_stopped(&home, NEVER_BLOCK[0], false, "not added");
        assert!(!daemon.ok(&["lists"]).contains("  m "), "it is gone");
        // A list that is only watched does none, until it is to block.
        daemon.ok(&["lists", "add", URL, "--name", "m", "--format", "ips", "--watch"]);
        is_stopped(&home, NEVER_BLOCK[0], false, "watched");
        let (_, why) = refused(&daemon, &["lists", "mode", "m", "block"]);
        assert_contains(&why, &["must stay reachable", "list m is switched off"]);
        is_stopped(&home, NEVER_BLOCK[0], false, "it was to block");
        daemon.ok(&["lists", "remove", "m"]);
        // The user's own rule is the user's business.
        daemon.ok(&["block", "203.0.113.20"]);
        is_stopped(&home, NEVER_BLOCK[0], true, "by the user");
        home.lists.gives("203.0.113.201\n");
        daemon.ok(&["lists", "update", "l"]);
        daemon.stop();
    });
}

/// What the configuration names has no version before; it does no harm all the same.
#[test]
fn a_first_version_that_does_harm_is_switched_off() {
    isolated(|| {
        let home = Home::start();
        home.lists.gives("203.0.113.20\n203.0.113.67\n");
        let config = format!("[[lists]]\nurl = \"{URL}\"\nname = \"l\"\nformat = \"ips\"\n");
        let daemon = home.lab.router().optout(&config);
        super::soon("it is fetched and found harmful", &daemon, || {
            daemon.ok(&["status", "--json"]).contains("must stay reachable")
        });
        is_stopped(&home, NEVER_BLOCK[0], false, "switched off");
        assert_eq!(shown(&daemon, "l")["mode"], "off");
        daemon.stop();
    });
}

#[test]
fn a_list_that_blocks_its_own_server_is_updated_all_the_same() {
    isolated(|| {
        let home = Home::start();
        let daemon = home.lab.router().optout("");
        home.lists.gives("lists.example\nlisted.example\n");
        daemon.ok(&["lists", "add", URL, "--name", "l"]);
        home.blocks(&["lists.example", "listed.example"], "added");
        let on_router = super::dig(home.lab.router(), "lists.example");
        assert!(on_router.parse().is_ok_and(dns::is_sinkhole), "on the router too: {on_router}");
        // And its address.
        home.lists.gives(format!("{}\n{}\n", LISTS[0], LISTS[1]));
        let second = "https://lists.example:8443/ips.txt";
        daemon.ok(&["lists", "add", second, "--name", "ips", "--format", "ips"]);
        is_stopped_at(&home, LISTS[0], 8443, true, "its address");
        home.lists.gives("lists.example\nads.listed.example\n");
        daemon.ok(&["lists", "update", "l"]);
        home.blocks(&["lists.example", "ads.listed.example"], "updated");
        home.passes(&["listed.example"], "updated");
        daemon.stop();
    });
}

#[track_caller]
fn is_stopped(home: &Home, address: IpAddr, stopped: bool, when: &str) {
    is_stopped_at(home, address, 443, stopped, when);
}

/// Whether a connection of the phone to this address is refused.
#[track_caller]
fn is_stopped_at(home: &Home, address: IpAddr, port: u16, stopped: bool, when: &str) {
    let (ended, _) = home.lab.phone().enter(|| dns::connect((address, port)));
    let ended = ended.map(drop).map_err(|error| error.kind());
    let want = if stopped { Err(ErrorKind::ConnectionRefused) } else { Ok(()) };
    assert_eq!(ended, want, "{when}: {address}");
    let (other, _) = home.lab.phone().enter(|| dns::connect((ORDINARY[0], 443)));
    assert!(other.is_ok(), "{when}: others are reached");
}
