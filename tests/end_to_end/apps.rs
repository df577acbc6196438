//! Real programs that go past DNS, each stopped for a host of the catalogue and
//! untouched for another: behind the router and on this host, over both families.

mod browser;
mod plain;

use std::fs;
use std::net::IpAddr;
use std::process::Child;

use serde_json::Value;

use crate::evasion::FULL;
use crate::lab::apps::{app, isolated_with_apps};
use crate::lab::{Daemon, Lab, Node, ORDINARY, VENDOR, isolated, page, tell};
use crate::ways::{COLLECTOR, assert_catalogue_evidence};

/// Where optout is, and where the program is.
pub(crate) struct Place<'l> {
    pub(crate) name: &'static str,
    pub(crate) client: &'l Node,
    pub(crate) home: &'l Node,
}

impl Lab {
    /// A program behind the router, and one beside optout.
    pub(crate) fn places(&self) -> [Place<'_>; 2] {
        [
            Place { name: "forwarded", client: self.phone(), home: self.router() },
            Place { name: "local", client: self.laptop(), home: self.laptop() },
        ]
    }
}

#[test]
fn an_app_with_its_own_resolver_over_https_is_stopped_by_the_hello() {
    isolated(|| {
        let lab = Lab::start();
        let _server = lab.internet().serve_doh();
        for place in lab.places() {
            let daemon = place.home.optout(FULL);
            for family in ["-4", "-6"] {
                let doh = format!("{family} --doh-url https://dns.foreign.example/dns-query");
                place.assert_stopped(&format!("{doh} https://{COLLECTOR}/cloud/doh"));
                place.assert_page(&format!("{doh} https://news.ordinary.example/page.bin"));
            }
            assert_said(&daemon, COLLECTOR, "tls");
            daemon.stop();
        }
        assert!(!lab.internet().query_log("doh", COLLECTOR).is_empty(), "nobody asked over HTTPS");
        assert_no_request(&lab);
    });
}

#[test]
fn an_app_with_an_address_built_in_is_stopped_by_what_it_says() {
    isolated(|| {
        let lab = Lab::start();
        for place in lab.places() {
            let daemon = place.home.optout(FULL);
            for vendor in VENDOR {
                let at = |host: &str| {
                    format!("--resolve {host}:443:{vendor} --resolve {host}:80:{vendor}")
                };
                let (collector, news) = (at(COLLECTOR), at("news.ordinary.example"));
                place.assert_stopped(&format!("{collector} https://{COLLECTOR}/cloud/fixed"));
                place.assert_stopped(&format!("{collector} http://{COLLECTOR}/cloud/fixed"));
                // The same server, for who wants something else of it.
                place.assert_page(&format!("{news} https://news.ordinary.example/page.bin"));
                place.assert_page(&format!("{news} http://news.ordinary.example/page.bin"));
            }
            assert_said(&daemon, COLLECTOR, "tls");
            assert_said(&daemon, COLLECTOR, "http");
            daemon.stop();
        }
        assert_no_request(&lab);
    });
}

#[test]
fn a_client_of_http3_is_told_at_once_and_others_are_untouched() {
    isolated_with_apps(&[], || {
        let lab = Lab::start();
        let server = lab.serve_http3(&page());
        for place in lab.places() {
            let daemon = place.home.optout(FULL);
            for (vendor, ordinary) in VENDOR.into_iter().zip(ORDINARY) {
                let ran = place.http3(COLLECTOR, vendor);
                assert_eq!(ran.code, Some(7), "{}, {vendor}: {}", place.name, ran.err);
                tell(&format!("{}: QUIC to {vendor} refused in {} ms", place.name, ran.ms));
                let ran = place.http3("www.ordinary.example", ordinary);
                assert_eq!(ran.code, Some(0), "{}, {ordinary}: {}", place.name, ran.err);
                assert!(ran.body == page(), "{}, {ordinary}: not the page", place.name);
                // What a browser does next.
                let next =
                    format!("--resolve {COLLECTOR}:443:{vendor} https://{COLLECTOR}/cloud/next");
                place.assert_stopped(&next);
            }
            assert_said(&daemon, COLLECTOR, "quic");
            daemon.stop();
        }
        assert_eq!(server.hosts(), ["www.ordinary.example"], "{}", server.said());
        assert_no_request(&lab);
    });
}

#[test]
fn a_client_with_an_encrypted_hello_is_judged_by_its_outer_name() {
    isolated_with_apps(&[], || {
        let lab = Lab::start();
        for place in lab.places() {
            let daemon = place.home.optout(FULL);
            for address in VENDOR {
                let ran = place.ech("wiki.lab.example", COLLECTOR, address);
                assert_eq!(ran.code, Some(7), "{}, {address}: {}", place.name, ran.err);
                // What is inside cannot be seen, and is not guessed.
                let ran = place.ech(COLLECTOR, "shop.ordinary.example", address);
                assert_eq!(ran.code, Some(0), "{}, {address}: {}", place.name, ran.err);
                assert_eq!(ran.out.trim(), "rejected", "the server read the hello");
                // A browser sends the extension to everybody.
                let ran = place.ech("www.ordinary.example", "www.ordinary.example", address);
                assert_eq!(ran.code, Some(0), "{}, {address}: {}", place.name, ran.err);
                assert!(ran.body == page(), "{}, {address}: not the page", place.name);
                let ran = place.ech(COLLECTOR, COLLECTOR, address);
                assert_eq!(ran.code, Some(7), "{}, {address}: {}", place.name, ran.err);
            }
            let ech = |e: &Value, host: &str| e["ech"] == true && e["host"] == host;
            let outer = daemon.event("of the outer name", |e| ech(e, "shop.ordinary.example"));
            assert_eq!((&outer["outcome"], &outer["learnt"]), (&"passed".into(), &"tls".into()));
            let stopped = daemon.event("of what was stopped", |e| ech(e, COLLECTOR));
            assert_catalogue_evidence(&stopped, "name");
            daemon.stop();
        }
        assert_no_request(&lab);
    });
}

/// What a program did.
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) body: Vec<u8>,
    pub(crate) ms: u128,
}

impl Place<'_> {
    /// Fetches something with curl. It is stopped before anyone answered.
    #[track_caller]
    pub(crate) fn assert_stopped(&self, what: &str) {
        let done = self.curl(what);
        // Refused; or reset while TLS began, or while a page was to come.
        assert!(matches!(done.code, Some(7 | 35 | 56)), "{}: {what}: {done}", self.name);
        assert!(!done.err.contains("timed out"), "{}: {what}: {done}", self.name);
        tell(&format!("{}: curl {what}: stopped after {} ms", self.name, done.ms));
    }

    /// Fetches the page of the lab with curl, every byte of it.
    #[track_caller]
    pub(crate) fn assert_page(&self, what: &str) {
        let done = self.curl(what);
        assert_eq!(done.code, Some(0), "{}: {what}: {done}", self.name);
        assert!(done.body == page(), "{}: {what}: not the page", self.name);
    }

    fn curl(&self, what: &str) -> Done {
        let file = self.file();
        self.program(&format!("curl -sS -m 9 --cacert /run/lab/ca.pem -o {file} {what}"))
    }

    fn http3(&self, host: &str, address: IpAddr) -> Done {
        let (get, file) = (app("h3get"), self.file());
        let to = std::net::SocketAddr::from((address, 443));
        let get = get.display();
        self.program(&format!("{get} {host} {to} /page.bin /run/lab/ca.pem {file}"))
    }

    fn ech(&self, inner: &str, outer: &str, address: IpAddr) -> Done {
        let (get, file) = (app("echget"), self.file());
        let to = std::net::SocketAddr::from((address, 443));
        let get = get.display();
        self.program(&format!("{get} {inner} {outer} {to} /run/lab/ca.pem {file}"))
    }

    fn file(&self) -> String {
        self.client.dir().join("fetched").display().to_string()
    }

    /// Runs a program that writes what it fetched to the file.
    fn program(&self, script: &str) -> Done {
        let _ = fs::remove_file(self.file());
        let begun = std::time::Instant::now();
        let ran = self.client.run(&format!("exec timeout -s KILL 40 {script}"));
        Done {
            code: ran.status.code(),
            ms: begun.elapsed().as_millis(),
            body: fs::read(self.file()).unwrap_or_default(),
            out: ran.out,
            err: ran.err,
        }
    }
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {:?}, {} bytes; {}{}", self.code, self.body.len(), self.out, self.err)
    }
}

/// A server of HTTP/3 at all addresses of the Internet. It serves until the test ends.
pub(crate) struct Http3 {
    log: std::path::PathBuf,
    _server: Child,
}

impl Lab {
    pub(crate) fn serve_http3(&self, page: &[u8]) -> Http3 {
        let node = self.internet().node();
        let dir = node.dir();
        let log = dir.join("h3.log");
        fs::write(dir.join("h3.page"), page).expect("tmpfs");
        let out = fs::File::create(&log).expect("tmpfs");
        let mut serve = node.command(app("h3serve"));
        serve.arg("[::]:443").args(["web.pem", "web.key", "h3.page"].map(|file| dir.join(file)));
        serve.stdout(out.try_clone().expect("a descriptor")).stderr(out);
        let server = Http3 { log, _server: serve.spawn().expect("nsenter(1) starts") };
        let up = || server.said().contains("ready").then_some(());
        let up = crate::lab::within(std::time::Duration::from_secs(5), up);
        assert!(up.is_some(), "h3serve does not serve: {}", server.said());
        server
    }
}

impl Http3 {
    /// The hosts that clients named, each once.
    pub(crate) fn hosts(&self) -> Vec<String> {
        let said = self.said();
        let connections = said.lines().filter_map(|line| line.split_once(' '));
        let hosts = connections.filter(|(_, from)| from.parse::<IpAddr>().is_ok());
        let mut hosts: Vec<String> = hosts.map(|(host, _)| host.to_owned()).collect();
        hosts.sort();
        hosts.dedup();
        hosts
    }

    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// The journal has a connection to this host, learnt like that, and stopped.
#[track_caller]
pub(crate) fn assert_said(daemon: &Daemon<'_>, host: &str, learnt: &str) {
    let event = daemon.event(learnt, |e| e["host"] == host && e["learnt"] == learnt);
    assert_catalogue_evidence(&event, "name");
}

/// No server of the collector got a request.
#[track_caller]
fn assert_no_request(lab: &Lab) {
    let requests = lab.internet().web_log(COLLECTOR);
    assert!(requests.is_empty(), "{requests:?}");
}
