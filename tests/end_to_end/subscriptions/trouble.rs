//! Slow servers, two at once, death in the middle, and no network.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use super::{Home, LISTED, URL, assert_contains, names, refused, shown, soon};
use crate::lab::list_server::{End, head};
use crate::lab::{Node, dns, isolated, tell, within};
use crate::ways::{COLLECTOR, assert_blocked};

#[test]
fn a_list_that_drips_ends_after_a_minute_and_keeps_nobody_waiting() {
    isolated(|| {
        let home = Home::start();
        let daemon = home.with_list();
        home.lists.answers(|_, wire| {
            head(wire, 200, &["Content-Length: 100000"])?;
            loop {
                wire.write_all(b"x")?;
                wire.flush()?;
                thread::sleep(Duration::from_secs(1));
            }
        });
        let begun = Instant::now();
        let mut slow = home.lab.router().program(&["lists", "update", "l"]);
        let slow = slow.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        soon("it is asked for", &daemon, || !home.lists.heads().is_empty());

        // Whoever else wants to change lists is told, and whoever asks is answered.
        for change in
            [&["lists", "update"][..], &["lists", "rollback", "l"], &["lists", "mode", "l", "off"]]
        {
            let (_, why) = refused(&daemon, change);
            assert!(why.contains("being changed already; try again"), "{change:?}: {why}");
        }
        let mut slowest = Duration::ZERO;
        for _ in 0..20 {
            let asked = Instant::now();
            home.blocks(&["listed.example"], "meanwhile");
            home.passes(&["tracker.listed.example"], "meanwhile");
            slowest = slowest.max(asked.elapsed());
        }
        assert!(slowest < Duration::from_secs(2), "a look-up took {slowest:?}");
        daemon.ok(&["lists"]);
        daemon.ok(&["block", "news.ordinary.example"]);
        home.blocks(&["news.ordinary.example"], "the user's own rules are not kept waiting");

        let ended = slow.wait_with_output().expect("it ends");
        let took = begun.elapsed();
        let out = String::from_utf8_lossy(&ended.stdout);
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert!(out.contains("l failed: it did not come within 60 s"), "{out}");
        assert!((59..75).contains(&took.as_secs()), "it took {took:?}");
        tell(&format!("a list that drips was given up after {} ms", took.as_millis()));
        home.blocks(&["listed.example"], "the old list stays");
        daemon.stop();
    });
}

#[test]
fn after_a_kill_in_the_middle_the_old_list_is_in_force_or_the_new_one() {
    isolated(|| {
        let home = Home::start();
        let texts = ["listed.example", "ads.listed.example"].map(|name| names(3000) + name + "\n");
        home.lists.gives(texts[0].clone());
        let mut daemon = home.lab.router().optout("");
        daemon.ok(&["lists", "add", URL, "--name", "l"]);
        let mut seen = [0; 2];
        for n in 0..12_u64 {
            let next = usize::from(home.dig("listed.example").parse().is_ok_and(dns::is_sinkhole));
            let text = texts[next].clone();
            home.lists.answers(move |_, wire| {
                head(wire, 200, &[&format!("Content-Length: {}", text.len())])?;
                for piece in text.as_bytes().chunks(8192) {
                    wire.write_all(piece)?;
                    wire.flush()?;
                    thread::sleep(Duration::from_millis(10));
                }
                Ok(End::Word)
            });
            let mut update = home.lab.router().program(&["lists", "update", "l"]);
            let mut update =
                update.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
            thread::sleep(Duration::from_millis(60 * n));
            daemon.kill9();
            let _ = update.wait();
            daemon = home.lab.router().optout("");
            let blocked = ["listed.example", "ads.listed.example"]
                .map(|name| home.dig(name).parse().is_ok_and(dns::is_sinkhole));
            assert_ne!(blocked[0], blocked[1], "kill {n}: neither or both: {blocked:?}");
            let one = shown(&daemon, "l");
            assert_eq!(one["rules"], 3001, "kill {n}: {one}");
            seen[usize::from(blocked[next])] += 1;
            let lists = daemon.ok(&["lists"]);
            assert!(!lists.contains("damaged"), "kill {n}: {lists}");
        }
        tell(&format!("after 12 kills: {} times the old list, {} the new one", seen[0], seen[1]));
        assert!(seen[0] > 0, "no kill came before the end");
        home.lists.gives("tracker.listed.example\n".to_owned() + &names(3000));
        daemon.ok(&["lists", "update", "l"]);
        home.blocks(&["tracker.listed.example"], "the next update");
        let folder = home.lab.router().dir().join("state/lists/l");
        let files = fs::read_dir(folder).expect("its folder").count();
        assert!(files <= 4, "three texts and what is known of them, and nothing else: {files}");
        daemon.stop();
    });
}

#[test]
fn a_list_of_the_configuration_is_fetched_by_itself() {
    isolated(|| {
        let home = Home::start();
        home.lists.gives(LISTED);
        let daemon = home.lab.router().optout(&configuration());
        soon("fetched", &daemon, || home.dig("listed.example").parse().is_ok_and(dns::is_sinkhole));
        assert_eq!(home.lists.heads().len(), 1, "once");
        // A look at what must stay reachable comes after.
        soon("it cannot be removed", &daemon, || {
            refused(&daemon, &["lists", "remove", "l"]).1.contains("[[lists]]")
        });
        daemon.stop();
        // It is not due again at the next start.
        let daemon = home.lab.router().optout(&configuration());
        home.blocks(&["listed.example"], "from the start");
        thread::sleep(Duration::from_secs(2));
        home.blocks(&["listed.example"], "later");
        assert_eq!(home.lists.heads().len(), 0, "a restart is no reason to fetch");
        daemon.stop();
    });
}

#[test]
fn without_a_network_it_starts_from_the_last_good_lists_and_says_so() {
    isolated(|| {
        let home = Home::start();
        let router = home.lab.router();
        home.lists.gives(LISTED);
        // The first start ever, with no network.
        network(router, false);
        let daemon = router.optout(&configuration());
        let said = daemon.ok(&["status"]) + &daemon.ok(&["lists"]);
        assert_contains(&said, &["has not been fetched yet"]);
        assert_blocked(home.lab.phone(), COLLECTOR, "the catalogue holds");
        daemon.stop();
        network(router, true);
        let daemon = router.optout(&configuration());
        home.passes(&["tracker.listed.example"], "questions are answered");
        daemon.ok(&["lists", "update"]);
        home.blocks(&["listed.example"], "fetched once the network is there");
        daemon.stop();

        // A later start, with no network.
        network(router, false);
        let daemon = router.optout(&configuration());
        let ready = daemon.ready_in;
        home.blocks(&["listed.example"], "from the last good text");
        let (out, _) = refused(&daemon, &["lists", "update", "l"]);
        assert!(out.starts_with("l failed: "), "{out}");
        assert_eq!(out.trim_end().lines().count(), 1, "{out}");
        home.blocks(&["listed.example"], "still");
        let lists = daemon.ok(&["lists"]);
        assert!(lists.lines().any(|line| line.starts_with("l: ")), "it says so: {lists}");
        tell(&format!("without a network ready in {} ms", ready.as_millis()));
        // The network comes; nothing was lost.
        network(router, true);
        home.lists.gives("ads.listed.example\n");
        let updated = within(Duration::from_secs(10), || {
            daemon.cli(&["lists", "update", "l"]).status.success().then_some(())
        });
        assert!(updated.is_some(), "{}", daemon.diagnostics());
        home.blocks(&["ads.listed.example"], "with a network again");
        home.passes(&["listed.example"], "with a network again");
        daemon.stop();
    });
}

#[test]
fn progress_is_shown_on_a_terminal_while_a_large_list_comes() {
    isolated(|| {
        let home = Home::start();
        let daemon = home.lab.router().optout("");
        home.lists.gives(names(100_000));
        let terminal =
            "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
        let optout = env!("CARGO_BIN_EXE_optout");
        let said = home.lab.router().ok(&format!(
            "python3 -c '{terminal}' {optout} lists add {URL} --name large < /dev/null"
        ));
        assert_contains(&said, &["large: 256 KiB of 2,138 KiB", "large: 512 KiB of", "\r"]);
        assert_contains(&said, &["100000 lines", "100,000 rules kept", "Added: "]);
        assert!(shown(&daemon, "large")["rules"] == 100_000);
        // What is no terminal gets the lines that stay, and no meter.
        home.lists.gives(names(100_001));
        let said = daemon.cli(&["lists", "update", "large"]);
        assert!(said.status.success() && said.stderr.is_empty(), "{said:?}");
        daemon.stop();
    });
}

/// Takes the router's way out, or gives it back.
fn network(router: &Node, there: bool) {
    if there {
        router.ok("ip link set wan0 up && ip route add default via 198.51.100.1 && \
             ip -6 addr replace 2001:db8:2::2/64 dev wan0 nodad && \
             ip -6 route replace default via 2001:db8:2::1");
    } else {
        router.ok("ip link set wan0 down");
    }
}

fn configuration() -> String {
    format!("[[lists]]\nurl = \"{URL}\"\nname = \"l\"\n")
}
