//! Ways to show a filter other bytes than the server reads, as zapret, `GoodbyeDPI`
//! and geneva have them, on the wire: what a real server gets of each is stated.

mod datagrams;
mod modes;

use std::net::SocketAddr;

use crate::lab::recorder::Recorder;
use crate::lab::sender::{Connection, Sender};
use crate::lab::{Lab, Link, VENDOR, hello, isolated, tell};
use crate::ways::COLLECTOR;

use modes::{Gets, Mode, Speaks, Wire, modes};

#[test]
fn no_way_of_cutting_and_faking_gets_a_blocked_hello_to_its_server_over_ipv4() {
    isolated(|| every_mode(0));
}

#[test]
fn no_way_of_cutting_and_faking_gets_a_blocked_hello_to_its_server_over_ipv6() {
    isolated(|| every_mode(1));
}

#[test]
fn without_optout_every_way_that_is_tried_reaches_the_server() {
    isolated(|| {
        let lab = Lab::start_over(HOP);
        let sender = lab.sender();
        let faults: Vec<String> = [0, 1].into_iter().flat_map(|f| bare(&lab, &sender, f)).collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    });
}

fn every_mode(family: usize) {
    let lab = Lab::start_over(HOP);
    let sender = lab.sender();
    let daemon = lab.router().optout(FULL);
    let server = Recorder::tcp(lab.internet().node(), VENDOR[family], PORT);
    let mut faults = Vec::new();
    let all = modes(family);
    for mode in &all {
        for (host, gets) in [(COLLECTOR, mode.blocked), (WIKI, mode.allowed)] {
            let ran = Ran::of(mode, &sender, &server, (VENDOR[family], PORT).into(), host);
            if let Err(fault) = ran.check(gets) {
                faults.push(format!("{}, {host}: {fault}", mode.name));
            }
        }
    }
    tell(&format!("{} ways, {} faults", all.len(), faults.len()));
    assert!(faults.is_empty(), "{}\n{}", faults.join("\n"), daemon.diagnostics());
    daemon.stop();
}

/// The test of the test: each way works on the server where nobody stands in between.
fn bare(lab: &Lab, sender: &Sender, family: usize) -> Vec<String> {
    let at = (VENDOR[family], PORT);
    let server = Recorder::tcp(lab.internet().node(), at.0, at.1);
    let ran = |mode: &Mode| {
        let ran = Ran::of(mode, sender, &server, at.into(), COLLECTOR);
        ran.check(Gets::Hello).err().map(|fault| format!("{} (IPv{family}): {fault}", mode.name))
    };
    modes(family).iter().filter(|mode| mode.works).filter_map(ran).collect()
}

/// One way, tried once.
struct Ran {
    host: String,
    said: Vec<u8>,
    decoy: Vec<u8>,
    got: Vec<u8>,
    reset: bool,
}

impl Ran {
    fn of(mode: &Mode, sender: &Sender, server: &Recorder, to: SocketAddr, host: &str) -> Self {
        let (said, decoy) = (mode.speaks.to(host), mode.speaks.to(DECOY));
        let at = said.windows(host.len()).position(|w| w.eq_ignore_ascii_case(host.as_bytes()));
        let wire = |connection: &Connection<'_>| Wire {
            middle: at.map_or(said.len() / 2, |at| at + host.len() / 2),
            name: at.map_or((0, 1), |at| (at, at + host.len())),
            seq: connection.seq,
            plain: connection.segment(b"."),
            ends: connection.ends,
            said: said.clone(),
            decoy: decoy.clone(),
        };
        let before = |connection: &Connection<'_>| (mode.before)(&wire(connection));
        let opening = |syn: &mut _| (mode.opening)(syn, &said, &decoy);
        let host = host.to_owned();
        let mut ran =
            Self { host, said: said.clone(), decoy: decoy.clone(), got: Vec::new(), reset: false };
        let Some(mut connection) = sender.connect(to, before, opening) else { return ran };
        let steps = (mode.how)(&wire(&connection));
        connection.say(&steps, &said);
        ran.reset = connection.reset;
        // What is acknowledged is with the kernel there, and soon with its server.
        let acked = connection.acked.wrapping_sub(connection.seq);
        let acked = usize::try_from(acked).expect("32 bits").min(said.len());
        ran.got = server.wait_for(connection.ends.from, acked);
        connection.abort();
        ran
    }

    fn check(&self, gets: Gets) -> Result<(), String> {
        let fits = match gets {
            Gets::Nothing => self.got.is_empty(),
            Gets::Hello => self.got == self.said,
            Gets::Decoy => self.decoy.starts_with(&self.got),
            Gets::Other => {
                let host = self.host.as_bytes();
                let names = |w: &[u8]| w.eq_ignore_ascii_case(host);
                !self.got.windows(host.len()).any(names)
            }
            Gets::Either => self.got == self.said || self.decoy.starts_with(&self.got),
        };
        let common = self.got.iter().zip(&self.said).take_while(|(a, b)| a == b).count();
        let length = self.got.len();
        let (said, reset) = (self.said.len(), self.reset);
        let fault = || {
            format!(
                "wanted {gets:?}, the server has {length} bytes, of these the first {common} of \
                 the {said} that were said, reset: {reset}"
            )
        };
        fits.then_some(()).ok_or_else(fault)
    }
}

impl Speaks {
    /// What a client says first to this host.
    fn to(self, host: &str) -> Vec<u8> {
        match self {
            Self::Tls => hello::tls(host),
            Self::Records(cuts) => records(&hello::tls(host), cuts),
            Self::Http(head) => head(host),
        }
    }
}

/// The same hello in more records (RFC 8446 §5.1), each of so many bytes; the last
/// number goes for all that follow.
fn records(hello: &[u8], cuts: &[usize]) -> Vec<u8> {
    let (head, mut rest) = (&hello[..3], &hello[5..]);
    let mut all = Vec::new();
    let mut cuts = cuts.iter().chain(std::iter::repeat(cuts.last().expect("a cut")));
    while !rest.is_empty() {
        let length = (*cuts.next().expect("without end")).min(rest.len());
        all.extend(head);
        all.extend(u16::try_from(length).expect("a record").to_be_bytes());
        all.extend(&rest[..length]);
        rest = &rest[length..];
    }
    all
}

/// A hop behind the router, where what is to die before the server dies.
const HOP: Link = Link { loss: 0, swapped: 0, mtu: 0, hop: true, seed: 0 };

pub(crate) const FULL: &str = "capture = \"full\"\n[journal]\nflush_seconds = 1\n";

/// A host that nobody blocks, and another; their names are as long as the collector's.
const WIKI: &str = "wiki.lab.example";
const DECOY: &str = "shop.lab.example";
const PORT: u16 = 4433;
