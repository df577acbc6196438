//! The ways to ask and to connect, and what is expected of each.

use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use serde_json::Value;

use crate::lab::dns::{self, Answer};
use crate::lab::{FOREIGN, ISP, Lab, NEVER_BLOCK, Node, ORDINARY, VENDOR, page, tell};

pub(crate) const PATIENCE: Duration = Duration::from_secs(4);

/// Makes events reach the journal in a second, so that a test need not wait five.
pub(crate) const SOON: &str = "[journal]\nflush_seconds = 1\n";

/// A name of the catalogue.
pub(crate) const COLLECTOR: &str = "open.oneplus.net";

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Over {
    Udp,
    Tcp,
}

/// Asks one resolver one question, and insists on an answer.
#[track_caller]
pub(crate) fn ask(node: &Node, server: IpAddr, over: Over, name: &str, kind: u16) -> Answer {
    let answer = node.enter(|| match over {
        Over::Udp => dns::udp((server, 53), name, kind, PATIENCE),
        Over::Tcp => dns::tcp((server, 53), &[dns::question(9, name, kind)], PATIENCE)
            .map(|mut answers| answers.remove(0)),
    });
    answer.unwrap_or_else(|error| panic!("{name} of {server} over {over:?}: {error}"))
}

/// Asks the provider's resolver for the IPv4 address, over UDP.
#[track_caller]
pub(crate) fn look_up(node: &Node, name: &str) -> Answer {
    ask(node, ISP[0], Over::Udp, name, dns::A)
}

#[track_caller]
pub(crate) fn assert_blocked(node: &Node, name: &str, when: &str) -> IpAddr {
    let answer = look_up(node, name);
    assert!(answer.is_sinkholed(), "{when}: {name} is {:?}", answer.addresses);
    answer.addresses[0]
}

#[track_caller]
pub(crate) fn assert_passed(node: &Node, name: &str, to: IpAddr, when: &str) {
    let answer = look_up(node, name);
    assert_eq!(answer.addresses, [to], "{when}: {name}");
}

/// Every resolver, protocol and family gives a sinkhole address of the family asked for.
#[track_caller]
pub(crate) fn assert_blocked_every_way(node: &Node, name: &str) -> [IpAddr; 2] {
    let mut seen: [Option<IpAddr>; 2] = [None; 2];
    for server in [ISP, FOREIGN].into_iter().flatten() {
        for over in [Over::Udp, Over::Tcp] {
            for (seen, kind) in seen.iter_mut().zip([dns::A, dns::AAAA]) {
                let answer = ask(node, server, over, name, kind);
                let what = format!("{name} type {kind} of {server} over {over:?}");
                assert_eq!(answer.rcode(), dns::NOERROR, "{what}");
                assert!(answer.is_sinkholed(), "{what}: {:?}", answer.addresses);
                assert_eq!(answer.addresses[0].is_ipv4(), kind == dns::A, "{what}");
                assert_eq!(answer.ede, Some(15), "{what}: EDE Blocked (RFC 8914 §4.16)");
                let ttl = answer.ttl.expect("it has records");
                assert!((10..=300).contains(&ttl), "{what}: TTL {ttl}");
                let first = *seen.get_or_insert(answer.addresses[0]);
                assert_eq!(answer.addresses, [first], "{what}: the address changed");
            }
        }
    }
    seen.map(|address| address.expect("both families were asked for"))
}

/// An ordinary name has its own addresses, whoever is asked and how.
#[track_caller]
pub(crate) fn assert_ordinary_every_way(node: &Node) {
    for server in [ISP, FOREIGN].into_iter().flatten() {
        for over in [Over::Udp, Over::Tcp] {
            for (kind, address) in [dns::A, dns::AAAA].into_iter().zip(ORDINARY) {
                let answer = ask(node, server, over, "www.ordinary.example", kind);
                assert_eq!(answer.addresses, [address], "type {kind} of {server} over {over:?}");
            }
        }
    }
    assert_eq!(look_up(node, "nothing.ordinary.example").rcode(), dns::NXDOMAIN);
    assert_eq!(look_up(node, "plain.alias.example").addresses, ORDINARY[..1]);
    let never = "connectivitycheck.gstatic.com";
    assert_passed(node, never, NEVER_BLOCK[0], "never-block");
    assert!(ask(node, ISP[0], Over::Udp, "big.ordinary.example", dns::TXT).truncated());
    assert!(ask(node, ISP[0], Over::Tcp, "big.ordinary.example", dns::TXT).message.len() > 8000);
}

/// A page loads whole, by HTTPS over both families and by HTTP.
#[track_caller]
pub(crate) fn assert_pages_load(node: &Node) {
    let file = node.dir().join("page");
    for (family, scheme) in [("-4", "https"), ("-6", "https"), ("-4", "http")] {
        let _ = fs::remove_file(&file);
        let curl = format!(
            "curl -sS {family} -m 9 --cacert /run/lab/ca.pem -o {} \
             {scheme}://www.ordinary.example/page.bin",
            file.display()
        );
        node.ok(&curl);
        assert!(fs::read(&file).expect("downloaded") == page(), "{curl}: not the page");
    }
}

/// A connection to a sinkhole address is refused: TCP by RST, UDP by ICMP.
#[track_caller]
pub(crate) fn assert_refused(node: &Node, address: IpAddr) {
    for port in [443, 80, 8883] {
        let (ended, took) = node.enter(|| dns::connect((address, port)));
        let error = ended.expect_err("a sinkhole accepts nothing");
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{address} port {port}: {error}");
        tell(&format!("TCP to {address} port {port} refused in {} µs", took.as_micros()));
    }
    let error = node.enter(|| {
        let any: IpAddr = if address.is_ipv4() { [0; 4].into() } else { [0_u16; 8].into() };
        let socket = UdpSocket::bind((any, 0)).and_then(|s| s.connect((address, 443)).map(|()| s));
        let socket = socket.expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("above zero");
        socket.send(b"QUIC, perhaps").and_then(|_| socket.recv(&mut [0; 64]))
    });
    let error = error.expect_err("a sinkhole answers nothing");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "UDP to {address}: {error}");
}

/// curl to a blocked name ends with "could not connect", and says when.
#[track_caller]
pub(crate) fn assert_curl_is_refused(node: &Node, url: &str) {
    for family in ["-4", "-6"] {
        let ran = node.run(&format!(
            "curl -sS {family} -m 9 -k -o /dev/null -w '%{{time_total}}' -d imei=1 {url}"
        ));
        assert_eq!(ran.status.code(), Some(7), "curl {family}: {ran}");
        assert!(ran.err.contains("refused") || ran.err.contains("Couldn't connect"), "{ran}");
        tell(&format!("curl {family} {url} refused in {} s", ran.out));
    }
}

/// Nothing of the vendor's reached its server, and no question went past us.
#[track_caller]
pub(crate) fn assert_nothing_reached_the_vendor(lab: &Lab) {
    let counters = lab.internet().counters();
    assert_eq!((counters.vendor, counters.sinkhole), (0, 0), "{counters:?}");
    for resolver in ["isp", "foreign"] {
        let questions = lab.internet().query_log(resolver, COLLECTOR);
        assert!(questions.is_empty(), "{resolver} was asked: {questions:?}");
    }
    assert!(lab.internet().web_log(COLLECTOR).is_empty());
}

/// The evidence of a block by the catalogue's OnePlus pack.
#[track_caller]
pub(crate) fn assert_catalogue_evidence(event: &Value, by: &str) {
    let rule = &event["rule"];
    assert_eq!(event["outcome"], "blocked", "{event}");
    assert_eq!(rule["vendor"], "oneplus", "{event}");
    assert!(rule["text"].as_str().is_some_and(|t| t.contains(COLLECTOR)), "{event}");
    assert!(rule["line"].as_u64().is_some_and(|line| line > 0), "{event}");
    assert!(rule["list"].as_str().is_some_and(|list| !list.is_empty()), "{event}");
    assert_eq!(event["via"]["by"], by, "{event}");
}

pub(crate) fn is_query(event: &Value, host: &str) -> bool {
    event["host"] == host && event["query"].is_string()
}

pub(crate) fn is_connection(event: &Value, host: &str, port: u16) -> bool {
    event["host"] == host && event["connection"]["port"] == port
}

/// The vendor's own address, which only what passes may see.
pub(crate) const VENDOR_V4: IpAddr = VENDOR[0];
