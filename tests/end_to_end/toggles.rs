//! The switches while flows live.

use std::io::ErrorKind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::apps::Place;
use crate::evasion::FULL;
use crate::lab::transfer::{self, Living, Way};
use crate::lab::{Daemon, Lab, ORDINARY, dns, isolated, tell, within};
use crate::ways::COLLECTOR;

#[test]
fn a_thousand_toggles_of_a_router_lose_no_flow_that_passed() {
    isolated(|| {
        let lab = Lab::start();
        let [forwarded, _] = lab.places();
        toggle_under_load(&lab, &forwarded, 700);
    });
}

#[test]
fn hundreds_of_toggles_of_a_laptop_lose_no_flow_of_its_own() {
    isolated(|| {
        let lab = Lab::start();
        let [_, local] = lab.places();
        toggle_under_load(&lab, &local, 300);
    });
}

#[test]
fn block_resets_living_flows_to_the_name_and_allow_lets_the_next_pass() {
    isolated(|| {
        let lab = Lab::start();
        transfer::serve(lab.internet().node(), &ORDINARY, PORT);
        for place in lab.places() {
            let daemon = place.home.optout(FULL);
            for address in ORDINARY {
                let open = |host| place.client.enter(|| Living::open((address, PORT).into(), host));
                let mut other = open(NAME).expect("it passes");
                let mut living = open(NEWS).expect("it passes");
                daemon.ok(&["block", NEWS]);
                let begun = Instant::now();
                let ended = within(Duration::from_secs(5), || living.round().err());
                let ended = ended.unwrap_or_else(|| panic!("{}: {address} lives on", place.name));
                assert_eq!(ended.kind(), ErrorKind::ConnectionReset, "{}: {ended}", place.name);
                tell(&format!("{}: reset after {} ms", place.name, begun.elapsed().as_millis()));
                let next = open(NEWS).map(|_| ()).expect_err("it is blocked");
                assert_eq!(next.kind(), ErrorKind::ConnectionReset, "{}: {next}", place.name);
                other.round().expect("another name's flow lives on");
                daemon.ok(&["allow", NEWS]);
                open(NEWS).expect("the next one passes");
                other.round().expect("another name's flow lives on");
            }
            daemon.stop();
        }
    });
}

fn toggle_under_load(lab: &Lab, place: &Place<'_>, times: usize) {
    transfer::serve(lab.internet().node(), &ORDINARY, PORT);
    let daemon = place.home.optout(FULL);
    let load = Load::default();
    thread::scope(|scope| {
        for n in 0..6 {
            let load = &load;
            scope.spawn(move || place.client.enter(|| load.carry(n)));
        }
        let stop = StopAtEnd(&load.stop);
        let begun = Instant::now();
        for toggle in TOGGLES.iter().cycle().take(times) {
            daemon.ok(toggle);
            if load.faults() > 0 {
                break;
            }
        }
        tell(&format!("{}: {times} toggles in {} s", place.name, begun.elapsed().as_secs()));
        drop(stop);
    });
    let faults = load.faults.into_inner().expect("no panic");
    assert!(faults.is_empty(), "{}\n{}", faults.join("\n"), daemon.diagnostics());
    let [rounds, short] = [&load.rounds, &load.short].map(|n| n.load(Ordering::Relaxed));
    assert!(rounds > 100 && short > 10, "there was no load: {rounds} rounds, {short} transfers");
    tell(&format!("{}: meanwhile {rounds} rounds and {short} transfers", place.name));
    assert_stops(place, &daemon);
    daemon.stop();
}

/// After all that it still does what it is for.
fn assert_stops(place: &Place<'_>, daemon: &Daemon<'_>) {
    for toggle in [&["on"][..], &["resume"], &["capture", "full"]] {
        daemon.ok(toggle);
    }
    for address in ORDINARY {
        let to = (address, PORT).into();
        let ended = place.client.enter(|| transfer::transfer(to, COLLECTOR, Way::Down, 1000));
        let kind = ended.map_err(|error| error.kind());
        assert!(kind.is_err(), "{}: {address}: a blocked name got through", place.name);
        let (ended, _) = place.client.enter(|| dns::connect(to));
        assert!(ended.is_ok(), "the server itself is there");
    }
}

/// Flows while something else happens.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    rounds: AtomicU64,
    short: AtomicU64,
    faults: Mutex<Vec<String>>,
}

impl Load {
    /// The first four are connections that stay, the others are many short ones.
    fn carry(&self, n: usize) {
        let to = (ORDINARY[n % 2], PORT).into();
        if n < 4 {
            let mut living = match Living::open(to, NAME) {
                Ok(living) => living,
                Err(error) => return self.fault(format!("{to} could not be opened: {error}")),
            };
            while !self.stop.load(Ordering::Relaxed) {
                if let Err(error) = living.round() {
                    self.fault(format!("{to} after {} rounds: {error}", living.rounds()));
                    return;
                }
                thread::sleep(Duration::from_millis(2));
            }
            self.rounds.fetch_add(living.rounds(), Ordering::Relaxed);
            return;
        }
        for way in [Way::Down, Way::Up].iter().cycle() {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            match transfer::transfer(to, NAME, *way, 100_000) {
                Ok(()) => _ = self.short.fetch_add(1, Ordering::Relaxed),
                Err(error) => self.fault(format!("{way:?} {to}: {error}")),
            }
        }
    }

    fn fault(&self, what: String) {
        self.faults.lock().expect("no panic").push(what);
    }

    fn faults(&self) -> usize {
        self.faults.lock().expect("no panic").len()
    }
}

struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

const TOGGLES: [&[&str]; 10] = [
    &["off"],
    &["on"],
    &["pause"],
    &["resume"],
    &["block", NEWS],
    &["capture", "selective"],
    &["capture", "full"],
    &["allow", NEWS],
    &["vendors", "oneplus", "watch"],
    &["vendors", "oneplus", "block"],
];

const NAME: &str = "www.ordinary.example";
const NEWS: &str = "news.ordinary.example";
const PORT: u16 = 4434;
