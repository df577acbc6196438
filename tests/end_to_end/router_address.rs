//! Clients that ask the router's own address, where its dnsmasq listens.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use crate::lab::{Lab, ORDINARY, Snapshot, dns, isolated, within};
use crate::ways::{
    COLLECTOR, PATIENCE, SOON, assert_catalogue_evidence, assert_nothing_reached_the_vendor,
    is_query,
};

#[test]
fn a_router_that_resolves_for_its_clients_is_covered() {
    isolated(|| {
        let lab = Lab::start();
        start_dnsmasq(&lab);
        let before = Snapshot::of(lab.router());
        let daemon = lab.router().optout(SOON);

        for server in router_addresses(&lab) {
            let phone = |name: &str, kind| {
                let udp = lab.phone().enter(|| dns::udp(server, name, kind, PATIENCE));
                udp.unwrap_or_else(|error| panic!("{name} of {server}: {error}"))
            };
            assert!(phone(COLLECTOR, dns::A).is_sinkholed(), "of {server}");
            assert!(phone(COLLECTOR, dns::AAAA).is_sinkholed(), "of {server}");
            assert_eq!(phone("www.ordinary.example", dns::A).addresses, ORDINARY[..1]);
            let ask = [dns::question(1, COLLECTOR, dns::A)];
            let tcp = lab.phone().enter(|| dns::tcp(server, &ask, PATIENCE));
            assert!(tcp.is_ok_and(|answers| answers[0].is_sinkholed()), "of {server} over TCP");
        }
        // What dnsmasq itself asks is the host's, and covered as such.
        let local = lab.router().ok("dig +short +time=3 +tries=1 @127.0.0.1 open.oneplus.net");
        assert!(local.parse().is_ok_and(dns::is_sinkhole), "by way of dnsmasq: {local}");
        let local = lab.router().ok("dig +short +time=3 +tries=1 @127.0.0.1 www.ordinary.example");
        assert_eq!(local, ORDINARY[0].to_string(), "by way of dnsmasq");
        assert_nothing_reached_the_vendor(&lab);
        let tracked = "cat /proc/sys/net/netfilter/nf_conntrack_count 2>/dev/null || echo 0";
        assert_eq!(lab.router().ok(tracked), "0", "nobody asked for connection tracking");

        for client in ["192.0.2.10", "2001:db8:1::10", "fe80:"] {
            let event = daemon.event(&format!("of {client}"), |event| {
                let address = event["client"]["address"].as_str().unwrap_or_default();
                is_query(event, COLLECTOR) && address.starts_with(client)
            });
            assert_catalogue_evidence(&event, "name");
        }
        let own = daemon.event("of dnsmasq", |event| {
            is_query(event, COLLECTOR) && event["client"]["program"] == "dnsmasq"
        });
        assert_catalogue_evidence(&own, "name");

        daemon.stop();
        before.assert_same(&Snapshot::of(lab.router()), "after a stop");
        // dnsmasq serves them again.
        let answer = lab.phone().enter(|| {
            dns::udp((IpAddr::from([192, 0, 2, 1]), 53), "news.ordinary.example", dns::A, PATIENCE)
        });
        assert_eq!(answer.expect("dnsmasq answers").addresses, ORDINARY[..1]);
    });
}

/// A router whose own resolv.conf names the dnsmasq on it: optout's upstream is
/// then a program on the same host, whose questions come to optout again.
#[test]
fn an_upstream_on_the_same_host_makes_no_loop() {
    isolated(|| {
        let lab = Lab::start();
        start_dnsmasq(&lab);
        lab.router().write_resolv_conf(&[[127, 0, 0, 1].into()]);
        let daemon = lab.router().optout(SOON);
        for server in router_addresses(&lab) {
            for name in ["www.ordinary.example", "news.ordinary.example"] {
                let answer = lab.phone().enter(|| dns::udp(server, name, dns::A, PATIENCE));
                assert_eq!(answer.expect("an answer").addresses, ORDINARY[..1], "of {server}");
            }
        }
        let asked = lab.internet().query_log("isp", "www.ordinary.example").len();
        assert!((1..=8).contains(&asked), "dnsmasq's resolver was asked {asked} times");
        let status = daemon.json(&["status", "--json"]);
        let queries = status["counters"]["queries"].as_u64();
        assert!(queries.is_some_and(|n| n < 50), "a loop: {queries:?} questions");
        daemon.stop();
    });
}

/// The router as the phone may know it: by both families, and by its link-local address.
fn router_addresses(lab: &Lab) -> [SocketAddr; 3] {
    let index = lab.phone().ok("cat /sys/class/net/eth0/ifindex");
    let scope = index.parse().expect("a number");
    let link_local = SocketAddrV6::new("fe80::1".parse().expect("an address"), 53, 0, scope);
    [
        ([192, 0, 2, 1], 53).into(),
        ([0x2001, 0xdb8, 1, 0, 0, 0, 0, 1_u16], 53).into(),
        link_local.into(),
    ]
}

/// Starts dnsmasq on the router, as its resolver for the house. It ends with the lab.
fn start_dnsmasq(lab: &Lab) {
    let mut dnsmasq = lab.router().command("dnsmasq");
    dnsmasq.args(["--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--pid-file="]);
    dnsmasq.args(["--no-resolv", "--no-hosts", "--cache-size=0", "--log-facility=/dev/null"]);
    dnsmasq.args(["--server=198.51.100.53", "--interface=br0", "--bind-dynamic"]);
    #[expect(clippy::zombie_processes, reason = "process 1 of the lab is this test")]
    let _ends_with_the_lab = dnsmasq.spawn().expect("nsenter(1) starts");
    let up = within(Duration::from_secs(5), || {
        let server = (IpAddr::from([192, 0, 2, 1]), 53);
        let short = Duration::from_millis(100);
        lab.phone().enter(|| dns::udp(server, "up.lab.example", dns::A, short)).ok()
    });
    assert!(up.is_some(), "dnsmasq did not come up");
}
