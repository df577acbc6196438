//! What people do with lists: add, look, update, go back, accept, watch, remove.

use std::fs;

use super::{Home, LISTED, URL, assert_contains, names, refused, shown};
use crate::lab::isolated;
use crate::lab::list_server::{body, status};

#[test]
#[expect(clippy::too_many_lines, reason = "one life of a list, in its order")]
fn a_list_is_added_shown_explained_and_removed() {
    isolated(|| {
        let home = Home::start();
        let daemon = home.lab.router().optout("");
        let all = ["listed.example", "ads.listed.example", "tracker.listed.example"];
        home.passes(&all, "before");
        home.lists.gives(MIXED);
        let said = daemon.ok(&["lists", "add", URL, "--name", "acme"]);
        home.blocks(&all, "at once");
        assert_contains(
            &said,
            &[
                "acme updated: 7 lines, ",
                "acme 2 rules kept, 1 duplicates, 1 not for DNS, 1 unsupported, 1 refused\n",
                &format!("Added: {URL}"),
            ],
        );
        let table = daemon.ok(&["lists"]);
        let row = table.lines().find(|line| line.trim_start().starts_with("acme")).expect("a row");
        let cells: Vec<_> = row.split_whitespace().collect();
        assert_eq!(cells[1..6], ["adblock", "exact", "block", "2", "3"], "{table}");
        let one = daemon.ok(&["lists", "show", "acme"]);
        assert_contains(
            &one,
            &[URL, "1 not used: it changes how a page looks", "Next look", "1: "],
        );
        assert_eq!(home.lists.heads().len(), 1, "one request");

        // Another list has one of the names too, and a third is a file.
        home.lists.gives("0.0.0.0 listed.example\n0.0.0.0 other.example # twice\n");
        daemon.ok(&["lists", "add", URL, "--name", "other", "--format", "hosts"]);
        let file = home.lab.router().dir().join("mine.txt");
        fs::write(&file, "# mine\n\n*.listed.example\n").expect("tmpfs");
        let file = file.to_str().expect("UTF-8");
        daemon.ok(&["lists", "add", file, "--name", "mine"]);
        let it = daemon.json(&["explain", "listed.example", "--json"]);
        let found = |n: usize| {
            let rule = &it["rules"][n];
            (rule["rule"]["list"].clone(), rule["rule"]["line"].clone(), rule["original"].clone())
        };
        assert_eq!(it["outcome"], "blocked", "{it}");
        assert_eq!(found(1), ("acme".into(), 2.into(), "||listed.example^".into()), "{it}");
        let file = ("mine".into(), 3.into(), "*.listed.example".into());
        assert_eq!(found(0), ("other".into(), 1.into(), "0.0.0.0 listed.example".into()), "{it}");
        assert_eq!(found(2), file, "the nearest first, then in their order: {it}");
        let text = daemon.ok(&["explain", "listed.example"]);
        assert_contains(&text, &["acme", "||listed.example^", "other", "0.0.0.0 listed.example"]);
        let below = daemon.json(&["explain", "ads.listed.example", "--json"]);
        let lists: Vec<_> = below["rules"]
            .as_array()
            .expect("rules")
            .iter()
            .map(|rule| rule["rule"]["list"].as_str().unwrap_or_default())
            .collect();
        assert_eq!(lists.len(), 2, "the file and acme: {below}");
        assert!(lists.contains(&"mine") && lists.contains(&"acme"), "{below}");

        // Three of one name cannot be told apart.
        let (_, why) = refused(&daemon, &["lists", "add", URL, "--name", "ACME"]);
        assert!(why.contains("--name"), "{why}");
        let (_, why) = refused(&daemon, &["lists", "remove", "nobody"]);
        assert!(why.contains("`optout lists` shows them"), "{why}");
        daemon.ok(&["status"]);

        daemon.ok(&["lists", "remove", "acme"]);
        home.blocks(&["listed.example"], "the other has it still");
        daemon.ok(&["lists", "remove", "other"]);
        daemon.ok(&["lists", "remove", "mine"]);
        home.passes(&all, "all removed");
        let left = fs::read_dir(home.lab.router().dir().join("state/lists")).expect("a folder");
        assert_eq!(left.count(), 0, "no text is left");
        daemon.stop();
    });
}

#[test]
fn an_update_brings_what_is_new_and_a_rollback_what_was() {
    isolated(|| {
        let home = Home::start();
        let daemon = home.with_list();

        // The same body, then 304 by what it was given.
        let said = daemon.ok(&["lists", "update"]);
        assert_eq!(said, "l unchanged\nNothing new.\n");
        home.lists.answers(|asked, wire| {
            if asked.head.contains("if-none-match: \"v1\"") {
                return status(wire, 304);
            }
            body(wire, &["ETag: \"v1\""], LISTED.as_bytes())
        });
        assert_eq!(daemon.ok(&["lists", "update", "l"]), "l unchanged\nNothing new.\n");
        home.lists.heads();
        assert_eq!(daemon.ok(&["lists", "update", "l"]), "l unchanged\nNothing new.\n");
        let heads = home.lists.heads();
        assert!(heads[0].contains("if-none-match: \"v1\""), "{heads:?}");

        home.lists.gives("tracker.listed.example\ntracker.listed.example\nno name!\n");
        let said = daemon.ok(&["lists", "update", "l"]);
        assert_contains(&said, &["l updated: 3 lines", "l 1 rule kept, 1 duplicates, 1 invalid\n"]);
        home.blocks(&["tracker.listed.example"], "the new name");
        home.passes(&["listed.example", "ads.listed.example"], "the old names");

        let said = daemon.ok(&["lists", "rollback", "l"]);
        assert!(said.contains("version 1 of l is back"), "{said}");
        home.blocks(&["listed.example", "ads.listed.example"], "rolled back");
        home.passes(&["tracker.listed.example"], "rolled back");
        let table = daemon.ok(&["lists"]);
        assert!(table.contains("gone back from"), "{table}");
        let said = daemon.ok(&["lists", "update", "l"]);
        assert_eq!(said, "l unchanged\nNothing new.\n", "what one went back from is not taken");
        home.blocks(&["listed.example"], "still");

        daemon.ok(&["lists", "accept", "l"]);
        home.blocks(&["tracker.listed.example"], "accepted all the same");
        home.passes(&["listed.example"], "accepted all the same");
        daemon.ok(&["lists", "rollback", "l"]);
        let (_, why) = refused(&daemon, &["lists", "rollback", "l"]);
        assert!(why.contains("no version before"), "{why}");

        home.lists.gives("tracker.listed.example\nlisted.example\n");
        daemon.ok(&["lists", "update", "l"]);
        home.blocks(&["tracker.listed.example", "listed.example"], "something else has come");

        // Three are kept, and one goes back twice.
        home.lists.gives("ads.listed.example\n");
        daemon.ok(&["lists", "update", "l"]);
        home.lists.gives("nobody.listed.example\n");
        daemon.ok(&["lists", "update", "l"]);
        assert_eq!(shown(&daemon, "l")["more"]["versions"].as_array().map(Vec::len), Some(3));
        daemon.ok(&["lists", "rollback", "l"]);
        home.blocks(&["ads.listed.example"], "one back");
        daemon.ok(&["lists", "rollback", "l"]);
        home.blocks(&["listed.example"], "two back");
        home.passes(&["ads.listed.example"], "two back");
        let (_, why) = refused(&daemon, &["lists", "rollback", "l"]);
        assert!(why.contains("no version before"), "{why}");
        home.blocks(&["listed.example"], "there is no third");

        // All of it outlives a restart.
        daemon.stop();
        let daemon = home.lab.router().optout("");
        home.blocks(&["listed.example"], "after a restart");
        home.passes(&["ads.listed.example"], "after a restart");
        daemon.stop();
    });
}

#[test]
fn what_grows_or_shrinks_too_much_waits_for_a_person() {
    isolated(|| {
        let home = Home::start();
        let daemon = home.lab.router().optout("");
        home.lists.gives(names(200) + "listed.example\n");
        daemon.ok(&["lists", "add", URL, "--name", "l"]);
        for (text, change) in [
            (names(700) + "ads.listed.example\n", "grew"),
            ("ads.listed.example\n".into(), "shrank"),
        ] {
            home.lists.gives(text);
            let said = daemon.ok(&["lists", "update", "l"]);
            assert!(said.starts_with("l held back: "), "{change}: {said}");
            assert!(said.contains("accept"), "{change}: how to take it: {said}");
            home.blocks(&["listed.example"], "the old one stays");
            home.passes(&["ads.listed.example"], "the old one stays");
            let table = daemon.ok(&["lists"]);
            assert_contains(&table, &["held back", "optout lists accept l"]);
            assert!(!shown(&daemon, "l")["more"]["quarantined"].is_null(), "{change}");
            // It is not forgotten by the next look.
            let said = daemon.ok(&["lists", "update", "l"]);
            assert!(said.starts_with("l held back: "), "{change} again: {said}");
            // Nor by a restart.
        }
        daemon.stop();
        let daemon = home.lab.router().optout("");
        home.blocks(&["listed.example"], "after a restart");
        daemon.ok(&["lists", "accept", "l"]);
        home.blocks(&["ads.listed.example"], "accepted");
        home.passes(&["listed.example"], "accepted");
        assert!(shown(&daemon, "l")["more"]["quarantined"].is_null());
        let (_, why) = refused(&daemon, &["lists", "accept", "l"]);
        assert!(why.contains("waits to be accepted"), "{why}");
        daemon.stop();
    });
}

#[test]
fn a_list_on_trial_is_watched_and_its_mode_is_set_at_once() {
    isolated(|| {
        let home = Home::start();
        let daemon = home.lab.router().optout(crate::ways::SOON);
        home.lists.gives(LISTED);
        daemon.ok(&["lists", "add", URL, "--name", "l", "--watch"]);
        home.passes(&["listed.example"], "on trial");
        let event = daemon.event("watched", |e| {
            crate::ways::is_query(e, "listed.example") && e["outcome"] == "watched"
        });
        assert_eq!(event["rule"]["list"], "l", "{event}");
        let one = shown(&daemon, "l");
        assert_eq!(one["mode"], "watch", "{one}");
        assert!(one["more"]["mode_until"].as_i64().is_some(), "it says until when: {one}");

        daemon.ok(&["lists", "mode", "l", "block"]);
        home.blocks(&["listed.example"], "block");
        daemon.ok(&["lists", "mode", "l", "off"]);
        home.passes(&["listed.example"], "off");
        assert_eq!(shown(&daemon, "l")["mode"], "off");
        assert!(daemon.ok(&["lists"]).contains("off"));
        daemon.ok(&["lists", "mode", "l", "watch"]);
        home.passes(&["listed.example"], "watch again");
        daemon.ok(&["lists", "mode", "l", "block"]);
        home.blocks(&["listed.example"], "block again");

        // A trial goes on over a restart, and so does what was chosen.
        daemon.stop();
        let daemon = home.lab.router().optout("");
        home.blocks(&["listed.example"], "after a restart");
        home.lists.gives("tracker.listed.example\n");
        daemon.ok(&["lists", "add", URL, "--name", "m"]);
        daemon.ok(&["lists", "mode", "m", "off", "--for", "3s"]);
        home.passes(&["tracker.listed.example"], "off for a while");
        super::soon("the mode of before comes back", &daemon, || {
            home.dig("tracker.listed.example").parse().is_ok_and(crate::lab::dns::is_sinkhole)
        });
        daemon.stop();
    });
}

/// One of each that can become of a line.
const MIXED: &str = "\
! Title: Something else
||listed.example^
||tracker.listed.example^
||listed.example^
a.example##.ad
||b.example^$dnsrewrite=192.0.2.1
||com^
";
