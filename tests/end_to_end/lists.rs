//! Lists of the configuration, on the real daemon: what is asked is asked by dig.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::lab::load::{Load, MemoryLimit};
use crate::lab::{Daemon, HARD_CODED, Lab, Node, ORDINARY, VENDOR, dns, isolated, tell, within};
use crate::ways::{COLLECTOR, SOON, assert_blocked, assert_passed};

/// A format, a list in it, what it stops, the line that says so, and what it does not stop.
struct Sample {
    format: &'static str,
    text: &'static str,
    stops: &'static str,
    line: u64,
    leaves: &'static str,
}

const SAMPLES: [Sample; 9] = [
    Sample {
        format: "hosts",
        text: "# Hosts\n127.0.0.1 localhost\n0.0.0.0 one.hosts.example two.hosts.example # why\n\
               0.0.0.0 three.hosts.example\n",
        stops: "two.hosts.example",
        line: 3,
        leaves: "below.two.hosts.example",
    },
    Sample {
        format: "domains",
        text: "one.domains.example\ntwo.domains.example\nthree.domains.example\n",
        stops: "two.domains.example",
        line: 2,
        leaves: "below.two.domains.example",
    },
    Sample {
        format: "wildcard",
        text: "*.one.wild.example\n*.two.wild.example\n*.three.wild.example\n",
        stops: "below.two.wild.example",
        line: 2,
        leaves: "four.wild.example",
    },
    Sample {
        format: "adblock",
        text: "[Adblock Plus 2.0]\n||one.adblock.example^\n||two.adblock.example^\n\
               @@||free.two.adblock.example^\n",
        stops: "below.two.adblock.example",
        line: 3,
        leaves: "free.two.adblock.example",
    },
    Sample {
        format: "dnsmasq",
        text: "address=/one.dnsmasq.example/0.0.0.0\naddress=/two.dnsmasq.example/0.0.0.0\n\
               address=/two.dnsmasq.example/::\n",
        stops: "below.two.dnsmasq.example",
        line: 2,
        leaves: "nottwo.dnsmasq.example",
    },
    Sample {
        format: "unbound",
        text: "server:\nlocal-zone: \"one.unbound.example.\" always_null\n\
               local-zone: \"two.unbound.example.\" always_null\n",
        stops: "below.two.unbound.example",
        line: 3,
        leaves: "nottwo.unbound.example",
    },
    Sample {
        format: "rpz",
        text: "$TTL 60\n@ SOA localhost. root.localhost. 1 60 60 60 60\n  NS localhost.\n\
               one.rpz.example CNAME .\ntwo.rpz.example CNAME .\n*.three.rpz.example CNAME .\n",
        stops: "two.rpz.example",
        line: 5,
        leaves: "below.two.rpz.example",
    },
    Sample {
        format: "dnscrypt",
        text: "# patterns\n=one.dnscrypt.example\n*tracker*.dnscrypt.example\n\
               ads*.dnscrypt.example\n",
        stops: "my-tracker7.dnscrypt.example",
        line: 3,
        leaves: "below.one.dnscrypt.example",
    },
    Sample {
        format: "ips",
        text: "# addresses\n192.0.2.200\n203.0.113.67\n203.0.113.192/26\n",
        stops: "203.0.113.67",
        line: 3,
        leaves: "203.0.113.68",
    },
];

#[test]
fn each_format_is_found_out_and_stops_what_it_says() {
    isolated(|| {
        let lab = Lab::start();
        let router = lab.router();
        let mut config = SOON.to_owned();
        for sample in &SAMPLES {
            config += &list(router, sample.format, sample.text, "");
        }
        let daemon = router.optout(&config);
        for Sample { format, text, stops, line, leaves } in SAMPLES {
            let shown = daemon.json(&["lists", "show", format, "--json"]);
            assert_eq!(shown["format"], *format, "{shown}");
            if format != "ips" {
                assert!(is_sinkholed(&dig(lab.phone(), stops, "A")), "{format}: {stops}");
                let free = dig(lab.phone(), leaves, "A");
                assert_eq!(free.status, "NXDOMAIN", "{format}: {leaves} is not stopped: {free:?}");
            }
            let it = daemon.json(&["explain", stops, "--json"]);
            assert_eq!(it["outcome"], "blocked", "{it}");
            let rule = &it["rules"][0];
            assert_eq!(
                (&rule["rule"]["list"], &rule["rule"]["line"]),
                (&format.into(), &line.into())
            );
            let written = text.lines().nth(usize::try_from(line).expect("small") - 1);
            assert_eq!(rule["original"].as_str(), written.map(str::trim), "{format}");
            let it = daemon.json(&["explain", leaves, "--json"]);
            assert_eq!(it["outcome"], "passed", "{it}");
        }
        daemon.event("with list and line", |event| {
            let rule = &event["rule"];
            event["host"] == "two.rpz.example" && rule["list"] == "rpz" && rule["line"] == 5
        });
        daemon.stop();

        // The same without the daemon: from the configuration and what lies on the disk.
        let it = router.optout_command("explain two.rpz.example --json");
        let it: Value = serde_json::from_str(&it.out).unwrap_or_else(|_| panic!("{it}"));
        assert_eq!(it["judged_by"], "files", "{it}");
        assert_eq!(it["rules"][0]["original"], "two.rpz.example CNAME .", "{it}");
        let lists = router.optout_command("lists");
        assert!(lists.status.success() && lists.out.contains("could not be asked"), "{lists}");
        for sample in &SAMPLES {
            assert!(lists.out.contains(sample.format), "{lists}");
        }
    });
}

#[test]
fn explain_judges_by_named_lists_alone() {
    isolated(|| {
        let lab = Lab::start();
        let router = lab.router();
        write(router, "new", "||t.example^\n||open.oneplus.net^$important\n");
        write(router, "old", "0.0.0.0 t.example\n0.0.0.0 u.example\n");
        let explain = |rest: &str| {
            let ran = router.optout_command(&format!("explain {rest} --json"));
            let it: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran}"));
            it
        };
        let judge = |when: &str| {
            let it = explain("t.example --list /etc/optout/new /etc/optout/old");
            assert_eq!((&it["judged_by"], &it["outcome"]), (&"lists".into(), &"blocked".into()));
            assert_eq!(it["rules"].as_array().map(Vec::len), Some(2), "{when}: {it}");
            assert_eq!(it["lists"][0]["format"], "adblock", "{when}: {it}");
            assert_eq!(it["lists"][1]["format"], "hosts", "{when}: {it}");
            // An exact rule is nearer than one that covers what is below.
            assert_eq!(it["rules"][0]["original"], "0.0.0.0 t.example", "{when}: {it}");
            assert_eq!(it["rules"][1]["original"], "||t.example^", "{when}: {it}");
            let it = explain(&format!("{COLLECTOR} --list /etc/optout/old"));
            assert_eq!(it["outcome"], "passed", "{when}: the catalogue has no say: {it}");
        };
        judge("without a daemon");
        let daemon = router.optout("allow = [\"t.example\"]\n");
        judge("beside a daemon that thinks otherwise");
        daemon.stop();
        let gone = router.optout_command("explain t.example --list /etc/optout/gone");
        assert_eq!(gone.status.code(), Some(2), "{gone}");
        write(router, "page", "<!DOCTYPE html>\n");
        let page = router.optout_command("explain t.example --list /etc/optout/page");
        assert_eq!(page.status.code(), Some(1), "{page}");
    });
}

const ADBLOCK: &str = "! What rules can say\n\
    ||refused.said.example^$dnsrewrite=REFUSED\n\
    ||nodata.said.example^$dnsrewrite=NOERROR\n\
    ||nxdomain.said.example^$dnsrewrite=NXDOMAIN\n\
    ||www.ordinary.example^$dnstype=AAAA\n\
    ||listed.example^$denyallow=ads.listed.example\n\
    ||news.ordinary.example^$client=192.0.2.10\n\
    ||shop.ordinary.example^$client=Tablet\n\
    ||plain.alias.example^$ctag=user_child\n\
    ||up.lab.example^$important\n\
    ||example.com^\n\
    ||gone.said.example^\n";

const RPZ: &str = "$TTL 60\n@ SOA localhost. root.localhost. 1 60 60 60 60\n  NS localhost.\n\
    drop.rpz.example CNAME rpz-drop.\nnodata.rpz.example CNAME *.\nnxdomain.rpz.example CNAME .\n";

const UNBOUND: &str = "local-zone: \"zone.example.\" always_null\n\
    local-zone: \"free.zone.example.\" transparent\n\
    local-zone: \"refuse.example.\" always_refuse\n";

/// What a rule says, who asks, for what, and whether it is stopped.
const LIMITED: &[(&str, &str, &str, &str, bool)] = &[
    ("$dnstype", "phone", "www.ordinary.example", "AAAA", true),
    ("$dnstype of another type", "phone", "www.ordinary.example", "A", false),
    ("$denyallow", "phone", "tracker.listed.example", "A", true),
    ("$denyallow's exception", "phone", "ads.listed.example", "A", false),
    ("$client by address", "phone", "news.ordinary.example", "A", true),
    ("$client by address, another", "laptop", "news.ordinary.example", "A", false),
    ("$client by name", "laptop", "shop.ordinary.example", "A", true),
    ("$client by name, another", "phone", "shop.ordinary.example", "A", false),
    ("$ctag", "laptop", "plain.alias.example", "A", true),
    ("$ctag, another", "phone", "plain.alias.example", "A", false),
    ("$important before an allow list", "phone", "up.lab.example", "A", true),
    ("an allow list before a block", "phone", "example.com", "A", false),
    ("$badfilter of another list", "phone", "gone.said.example", "A", false),
    ("a zone", "phone", "a.zone.example", "A", true),
    ("a zone carved out of it", "phone", "a.free.zone.example", "A", false),
    ("a schedule that holds", "phone", "one.now.example", "A", true),
    ("a schedule that does not", "phone", "one.later.example", "A", false),
    ("a list for a client", "phone", "text.ordinary.example", "A", true),
    ("a list for a client, another", "laptop", "text.ordinary.example", "A", false),
    ("a list for a program", "router", "mask.icloud.com", "A", true),
    ("a list for a program, devices", "phone", "mask.icloud.com", "A", false),
];

#[test]
fn answers_limits_and_order_are_as_the_rules_say() {
    isolated(|| {
        let lab = Lab::start();
        let (router, phone, laptop) = (lab.router(), lab.phone(), lab.laptop());
        let today: usize = router.ok("date +%u").parse().expect("1 to 7");
        let other = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][(today + 2) % 7];
        let mut config = format!(
            "[[devices]]\nname = \"Tablet\"\naddresses = [\"192.0.2.20\"]\n\
             tags = [\"user_child\"]\n[schedules]\nalways = [\"00:00-24:00\"]\n\
             other = [\"{other} 10:00-11:00\"]\n"
        );
        for (name, text, more) in [
            ("block", ADBLOCK, ""),
            ("allow", "example.com\nup.lab.example\n", "kind = \"allow\"\nformat = \"domains\"\n"),
            ("takes-back", "! No more\n||gone.said.example^$badfilter\n||x.said.example^\n", ""),
            ("zone", RPZ, ""),
            ("carved", UNBOUND, ""),
            ("now", "one.now.example\ntwo.now.example\n", "schedule = \"always\"\n"),
            ("later", "one.later.example\ntwo.later.example\n", "schedule = \"other\"\n"),
            (
                "phone",
                "text.ordinary.example\n",
                "clients = [\"192.0.2.10\"]\nformat = \"domains\"\n",
            ),
            ("dig", "mask.icloud.com\n", "apps = [\"dig\"]\nformat = \"domains\"\n"),
        ] {
            config += &list(router, name, text, more);
        }
        let daemon = router.optout(&config);
        for (name, status) in [
            ("refused.said.example", "REFUSED"),
            ("nodata.said.example", "NOERROR"),
            ("nxdomain.said.example", "NXDOMAIN"),
            ("nodata.rpz.example", "NOERROR"),
            ("refuse.example", "REFUSED"),
        ] {
            let answer = dig(phone, name, "A");
            assert_eq!((answer.status.as_str(), answer.addresses.len()), (status, 0), "{name}");
            let it = daemon.json(&["explain", name, "--json"]);
            assert_eq!(it["outcome"], "blocked", "{it}");
        }
        assert_eq!(dig(phone, "drop.rpz.example", "A").status, "", "a drop has no answer");

        let stopped = |node: &Node, name, kind| is_sinkholed(&dig(node, name, kind));
        for &(what, node, name, kind, want) in LIMITED {
            let node = match node {
                "phone" => phone,
                "laptop" => laptop,
                _ => router,
            };
            assert_eq!(stopped(node, name, kind), want, "{what}: {name}");
        }
        let app = router.static_app("198.51.100.53", "mask.icloud.com", 443);
        assert_eq!(app["ended"], "connected", "a list for another program: {app}");
        daemon.stop();
    });
}

#[test]
fn a_zone_may_name_clients() {
    isolated(|| {
        let lab = Lab::start();
        let zone = "$TTL 60\n@ SOA localhost. root.localhost. 1 60 60 60 60\n  NS localhost.\n\
                    32.20.2.0.192.rpz-client-ip CNAME .\none.rpz.example CNAME .\n";
        let daemon = lab.router().optout(&list(lab.router(), "zone", zone, ""));
        assert_blocked(lab.laptop(), "www.ordinary.example", "the client of the zone");
        assert_passed(lab.phone(), "www.ordinary.example", ORDINARY[0], "another client");
        daemon.stop();
    });
}

#[test]
fn addresses_of_lists_stop_answers_and_connections() {
    isolated(|| {
        let lab = Lab::start();
        let (router, phone) = (lab.router(), lab.phone());
        let zone = "$TTL 60\n@ SOA localhost. root.localhost. 1 60 60 60 60\n  NS localhost.\n\
                    32.10.113.0.203.rpz-ip CNAME .\none.rpz.example CNAME .\n";
        let config = [
            list(router, "ips", "203.0.113.66\n203.0.113.128/26\n", ""),
            list(router, "adblock", "! A\n||203.0.113.67^\n||t.example^\n", ""),
            list(router, "zone", zone, ""),
        ];
        let daemon = router.optout(&config.concat());
        for (name, address, list) in [
            ("listed.example", VENDOR[0], "ips"),
            ("www.ordinary.example", ORDINARY[0], "zone"),
            ("", HARD_CODED[0], "adblock"),
        ] {
            if !name.is_empty() {
                assert!(is_sinkholed(&dig(phone, name, "A")), "{name} has {address}");
            }
            let (ended, _) = phone.enter(|| dns::connect((address, 443)));
            let kind = ended.map(drop).map_err(|error| error.kind());
            assert_eq!(kind, Err(ErrorKind::ConnectionRefused), "{address}");
            let it = daemon.json(&["explain", &address.to_string(), "--json"]);
            assert_eq!(it["rules"][0]["rule"]["list"], list, "{it}");
        }
        assert_passed(
            phone,
            "connectivitycheck.gstatic.com",
            crate::lab::NEVER_BLOCK[0],
            "not listed",
        );
        daemon.stop();
    });
}

#[test]
fn compiled_rules_that_are_damaged_are_made_anew_without_a_word() {
    isolated(|| {
        let lab = Lab::start();
        let router = lab.router();
        let config = list(router, "mine", "one.mine.example\ntwo.mine.example\n", "");
        let compiled = router.dir().join("state/rules.bin");
        router.optout(&config).stop();
        let good = fs::read(&compiled).expect("it was compiled");
        let flipped = |at: usize| {
            let mut bytes = good.clone();
            bytes[at] ^= 0x10;
            bytes
        };
        // The version stands near the beginning; each of the first bytes may be it.
        let mut damaged: Vec<_> =
            (0..24).map(|at| (format!("byte {at} flipped"), flipped(at))).collect();
        damaged.push(("a byte in the middle flipped".into(), flipped(good.len() / 2)));
        damaged.push(("the last byte flipped".into(), flipped(good.len() - 1)));
        damaged.push(("half of it".into(), good[..good.len() / 2].to_vec()));
        damaged.push(("nothing in it".into(), Vec::new()));
        damaged.push(("too much in it".into(), [&good[..], &[0; 4096]].concat()));
        damaged.push(("other bytes".into(), vec![0x5a; 10_000]));
        // Starting costs: four flips of the beginning stand for all.
        for (what, bytes) in
            damaged.into_iter().enumerate().filter(|(n, _)| *n >= 24 || n % 6 == 0).map(|(_, d)| d)
        {
            fs::write(&compiled, &bytes).expect("tmpfs");
            let daemon = router.optout(&config);
            assert_in_order(&lab, &daemon, &what);
            daemon.stop();
            let anew = fs::read(&compiled).expect("it was compiled anew");
            assert!(anew != bytes, "{what}: it is still so");
        }
        router.ok("chmod 000 /var/lib/optout/rules.bin");
        let daemon = router.optout(&config);
        assert_in_order(&lab, &daemon, "not readable");
        fs::remove_file(&compiled).expect("it is there");
        assert_in_order(&lab, &daemon, "removed under the daemon");
        write(router, "mine", "one.mine.example\ntwo.mine.example\nthree.mine.example\n");
        daemon.signal(Signal::SIGHUP);
        let taken = within(Duration::from_secs(10), || {
            is_sinkholed(&dig(lab.phone(), "three.mine.example", "A")).then_some(())
        });
        assert!(taken.is_some(), "no reload after it was removed:\n{}", daemon.diagnostics());
        assert!(compiled.exists(), "a reload makes it again");
        daemon.stop();
    });
}

/// The list and the catalogue are in use, and nobody is told of anything.
#[track_caller]
fn assert_in_order(lab: &Lab, daemon: &Daemon<'_>, when: &str) {
    assert!(is_sinkholed(&dig(lab.phone(), "two.mine.example", "A")), "{when}");
    assert_blocked(lab.phone(), COLLECTOR, when);
    let status = daemon.json(&["status", "--json"]);
    assert_eq!(status["problems"], Value::Array(Vec::new()), "{when}");
    assert!(!daemon.diagnostics().contains("compiled"), "{when}:\n{}", daemon.diagnostics());
}

#[test]
fn without_room_or_right_to_write_rules_are_kept_in_memory_and_that_is_said() {
    isolated(|| {
        let lab = Lab::start();
        let router = lab.router();
        let config = list(router, "mine", "one.mine.example\ntwo.mine.example\n", "");
        for (what, options) in [("full", "size=64k"), ("read-only", "size=1m,ro")] {
            router.ok(&format!("mount -t tmpfs -o {options},mode=700 small /var/lib/optout"));
            router.run("cat /dev/zero > /var/lib/optout/filler");
            let daemon = router.optout(&config);
            assert!(is_sinkholed(&dig(lab.phone(), "two.mine.example", "A")), "{what}");
            assert_blocked(lab.phone(), COLLECTOR, what);
            assert_passed(lab.phone(), "www.ordinary.example", ORDINARY[0], what);
            let status = daemon.ok(&["status"]);
            let words: String = status.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words.contains("compiled rules could not be kept"), "{what}: {status}");
            daemon.stop();
            router.ok("umount /var/lib/optout");
        }
    });
}

#[test]
fn the_counts_of_a_hostile_list_are_always_the_same_and_nothing_of_it_is_echoed_raw() {
    isolated(|| {
        let lab = Lab::start();
        let router = lab.router();
        let long = "x".repeat(64);
        let mut text = "! Title: hostile\n".to_owned();
        text += &"||same.example^\n".repeat(1000); // L15
        text += "||B\u{fc}cher.example^\r\n||DOTTED.Example.^\r\n127.0.0.1 a.h.example b.h.example # c\n"; // L13
        text += &["||", &long, ".example^\n||", &"label.".repeat(60), "example^\n"].concat(); // L14
        text += "||\u{1b}[2J\u{7}.example^\n||<script>.example^\n"; // L14
        text += "a.example##.ad\na.example#@#.ad\n||c.example^$domain=x.example\n!#if adguard\n"; // L12
        text += "/(a+)+(a+)+(a+)+$/\n"; // L12
        write(router, "hostile", &text);
        let lint = || {
            let ran = router.optout_command("lists lint /etc/optout/hostile --json");
            assert!(ran.status.success(), "{ran}");
            serde_json::from_str::<Value>(&ran.out).unwrap_or_else(|_| panic!("{ran}"))
        };
        let first = lint();
        assert_eq!(first["duplicates"], 999, "{first}");
        assert_eq!(first["lines"], text.lines().count(), "{first}");
        assert!(first["ignored"].as_u64() >= Some(3), "{first}");
        assert!(first["invalid"].as_u64() >= Some(4), "{first}");
        for _ in 0..3 {
            assert_eq!(lint(), first);
        }
        let shown = router.optout_command("lists lint /etc/optout/hostile --lines");
        let raw = |c: char| c.is_control() && c != '\n';
        assert!(!shown.out.contains(raw) && shown.out.contains("<script>"), "{shown}");

        let daemon = router.optout(&list(router, "hostile", &text, ""));
        for name in ["same.example", "xn--bcher-kva.example", "dotted.example", "b.h.example"] {
            assert!(is_sinkholed(&dig(lab.phone(), name, "A")), "{name}");
        }
        assert!(!daemon.diagnostics().contains('\u{7}'), "{}", daemon.diagnostics());
        daemon.stop();
    });
}

#[test]
fn a_reload_under_questions_loses_none() {
    isolated(|| {
        let lab = Lab::start();
        let router = lab.router();
        let path = router.etc("optout/many");
        names(&path, 200_000, "a");
        let daemon =
            router.optout("[[lists]]\npath = \"/etc/optout/many\"\nformat = \"domains\"\n");
        let at = |rate| Load { rate, name: question };
        // Half of what this machine bears while nothing else is asked of it: on the two
        // cores of a small one, what reads the lists takes one.
        let bears = RATES.into_iter().find(|&rate| {
            let pause = || std::thread::sleep(Duration::from_secs(2));
            let quiet = at(2 * rate).during(lab.phone(), pause);
            tell(&format!("{} a second without a reload: {quiet}", 2 * rate));
            quiet.lost() == 0
        });
        let rate = bears.expect("the slowest rate loses none while nothing is reloaded");
        let said = at(rate).during(lab.phone(), || {
            for round in ["b", "a"] {
                names(&path, 200_000, round);
                reload(&lab, &daemon, round);
            }
        });
        tell(&format!("two reloads of 200,000 names at {rate} a second: {said}"));
        assert_eq!(said.lost(), 0, "{said}");
        daemon.stop();
    });
}

#[test]
fn half_a_million_names_are_updated_within_64_mib() {
    isolated(|| {
        let lab = Lab::start();
        let router = lab.router();
        // What lies in a tmpfs counts as memory of who writes it, so on a disk.
        let disk = Disk::new();
        let path = disk.0.join("many");
        names(&path, 500_000, "a");
        let config = format!(
            "state_dir = \"{}\"\n[[lists]]\npath = \"{}\"\nformat = \"domains\"\n",
            disk.0.join("state").display(),
            path.display()
        );
        let Some(limit) = MemoryLimit::new(64 << 20) else {
            let required = std::env::var_os("OPTOUT_REQUIRE_NETNS").is_some_and(|v| v != "0");
            assert!(!required, "no control group can limit memory here");
            return tell("SKIPPED: no control group can limit memory here");
        };
        let mut daemon = router.optout_within(&config, &limit);
        let load = Load { rate: 500, name: question };
        let said = load.during(lab.phone(), || {
            names(&path, 500_000, "b");
            reload(&lab, &daemon, "b");
        });
        tell(&format!(
            "500,000 names were updated: {said}; at most {} KiB of 65536",
            limit.peak() >> 10
        ));
        assert!(daemon.exited().is_none(), "it was killed");
        assert_eq!(said.lost(), 0, "{said}");
        daemon.stop();
    });
}

#[test]
fn a_subscription_that_is_due_later_does_not_wake_an_idle_daemon() {
    isolated(|| {
        let lab = Lab::start();
        let daemon = lab.router().optout(
            "[[lists]]\nurl = \"https://lists.example/a\"\nname = \"web\"\nevery = \"24h\"\n",
        );
        let idle = |seconds| {
            let wakeups = || daemon.json(&["status", "--json"])["counters"]["wakeups"].as_u64();
            let before = wakeups().expect("a number");
            std::thread::sleep(Duration::from_secs(seconds));
            wakeups().expect("a number") - before
        };
        // The start has work of its own, and so has the first try to fetch it.
        std::thread::sleep(Duration::from_secs(10));
        let woken = idle(30);
        tell(&format!("woken {woken} times in 30 s, our two questions among them"));
        assert!(woken <= 12, "woken {woken} times in 30 s");
        daemon.stop();
    });
}

/// Reloads, and waits until the names of `round` are in force.
#[track_caller]
fn reload(lab: &Lab, daemon: &Daemon<'_>, round: &str) {
    daemon.signal(Signal::SIGHUP);
    let patience = Duration::from_secs(1);
    let in_force = within(Duration::from_mins(2), || {
        let name = format!("{round}.only.example");
        let server = (crate::lab::ISP[0], 53);
        let answer = lab.laptop().enter(|| dns::udp(server, &name, dns::A, patience));
        std::thread::sleep(Duration::from_millis(100));
        answer.is_ok_and(|answer| answer.is_sinkholed()).then_some(())
    });
    assert!(in_force.is_some(), "the list is not in force:\n{}", daemon.diagnostics());
}

/// Writes a list of so many names, one of which only `round` has, as an editor does.
fn names(path: &Path, count: u32, round: &str) {
    use std::fmt::Write as _;
    let mut text = format!("{round}.only.example\n");
    for n in 0..count {
        let _ = writeln!(text, "n{n}.many{}.example", n % 3); // a String takes everything
    }
    let fresh = path.with_extension("fresh");
    fs::write(&fresh, text).expect("room for a list");
    fs::rename(fresh, path).expect("the same directory");
}

/// The name of a question: of the list, but for one in twenty, which goes on to the resolver.
fn question(number: u32) -> String {
    let zone = if number.is_multiple_of(20) { 3 } else { number % 3 };
    // As `names` has it.
    format!("n{}.many{zone}.example", number % 1000 * 3 + number % 3)
}

/// Questions a second, of which the first is taken that the machine bears: a build without
/// optimisation, beside other work, bears less than a router must.
const RATES: [u32; 4] = [2000, 1000, 500, 250];

/// A directory on a disk, which goes with the value.
struct Disk(std::path::PathBuf);

impl Disk {
    fn new() -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("lists-{}", fresh()));
        fs::create_dir_all(dir.join("state")).expect("target/ is writable");
        fs::set_permissions(dir.join("state"), fs::Permissions::from_mode(0o700)).expect("ours");
        Self(dir)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A number that no other run has: process ids begin anew in each namespace.
fn fresh() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(0)
}

/// Writes a list to the machine's disk; the table of the configuration that names it.
fn list(node: &Node, name: &str, text: &str, more: &str) -> String {
    write(node, name, text);
    format!("[[lists]]\npath = \"/etc/optout/{name}\"\nname = \"{name}\"\n{more}")
}

fn write(node: &Node, name: &str, text: &str) {
    fs::write(node.etc(&format!("optout/{name}")), text).expect("tmpfs");
}

/// What dig was told.
#[derive(Debug)]
struct Dug {
    /// `NOERROR`, …; empty if nothing came.
    status: String,
    addresses: Vec<std::net::IpAddr>,
}

/// Asks the provider's resolver with the real dig.
fn dig(node: &Node, name: &str, kind: &str) -> Dug {
    let ran = node.run(&format!("dig +time=2 +tries=1 @198.51.100.53 {name} {kind}"));
    let status = ran.out.split_once("status: ").and_then(|(_, rest)| rest.split(',').next());
    let records = ran.out.lines().filter(|line| !line.starts_with(';'));
    let last = |line: &str| line.split_whitespace().last()?.parse().ok();
    Dug {
        status: status.unwrap_or_default().to_owned(),
        addresses: records.filter_map(last).collect(),
    }
}

fn is_sinkholed(dug: &Dug) -> bool {
    !dug.addresses.is_empty() && dug.addresses.iter().copied().all(dns::is_sinkhole)
}
