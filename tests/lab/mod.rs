//! The lab: a home and its Internet in private namespaces.
//!
//! ```text
//!  phone, laptop ── br0 ─ router ─ wan0 ── internet
//!  192.0.2.10 .20   .1    198.51.100.2     198.51.100.53   the resolver of the provider
//!  2001:db8:1::10   ::1   2001:db8:2::2    203.0.113.88    a foreign resolver
//!                                          203.0.113.10 …  web servers, see `internet.rs`
//! ```
//!
//! Real unbound and nginx, real veth pairs. Nothing is translated on the way, so
//! the Internet sees who really sent a packet: a question from 192.0.2.0/24 that
//! arrives there went past optout.
//!
//! A link of ours (`link.rs`) can stand in for the last pair, and a device of ours
//! (`sender.rs`) can be plugged into `br0`.
//!
//! A test runs *itself* again inside fresh namespaces (see `isolate.rs`): what it
//! starts dies with it, however it ends, and no file, mount or device is left.

pub(crate) mod apps;
mod daemon;
pub(crate) mod dns;
mod evidence;
pub(crate) mod hello;
mod internet;
mod isolate;
mod link;
pub(crate) mod list_server;
pub(crate) mod load;
mod no_nft;
mod node;
pub(crate) mod packet;
pub(crate) mod recorder;
pub(crate) mod sender;
mod tap;
pub(crate) mod transfer;

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

pub(crate) use daemon::Daemon;
pub(crate) use evidence::{Counters, Snapshot};
pub(crate) use internet::{
    BIG_TXT, FOREIGN, HARD_CODED, ISP, Internet, LISTS, NEVER_BLOCK, ORDINARY, VENDOR, page,
};
use isolate::INSIDE;
pub(crate) use isolate::{isolated, isolated_or_skip_reason, isolated_with};
pub(crate) use link::{Carried, HOP_V4, HOP_V6, Link};
pub(crate) use node::{Node, Ran};
use tap::Tap;

/// A running lab. Everything in it ends with the test.
pub(crate) struct Lab {
    phone: Node,
    laptop: Node,
    router: Node,
    internet: Internet,
    /// The link to the Internet, where it is one of ours.
    link: Option<Carried>,
    /// How long the start took.
    pub(crate) started_in: Duration,
}

impl Lab {
    /// Starts the lab. Call it inside [`isolated`].
    pub(crate) fn start() -> Self {
        Self::start_with(None)
    }

    /// Starts the lab with such a link between the router and the Internet.
    pub(crate) fn start_over(link: Link) -> Self {
        Self::start_with(Some(link))
    }

    fn start_with(link: Option<Link>) -> Self {
        let begun = Instant::now();
        assert!(std::env::var_os(INSIDE).is_some(), "a lab is started inside isolated()");
        shell(PREPARE);
        let certificate = internet::make_certificate(Path::new(DIR));
        let phone = Node::start("phone", Path::new(DIR));
        let laptop = Node::start("laptop", Path::new(DIR));
        let router = Node::start("router", Path::new(DIR));
        let internet = Node::start("internet", Path::new(DIR));
        let (p, l, r, i) = (phone.ready(), laptop.ready(), router.ready(), internet.ready());
        node::ip_batch(
            Command::new("ip"),
            &format!(
                "link add eth0 netns {p} type veth peer name lan1 netns {r}\n\
                 link add eth0 netns {l} type veth peer name lan2 netns {r}\n\
                 {}",
                match link {
                    None => format!("link add wan0 netns {r} type veth peer name eth0 netns {i}\n"),
                    Some(_) => String::new(),
                }
            ),
        );
        let link =
            link.map(|link| link.carry(Tap::plug(&router, "wan0"), Tap::plug(&internet, "eth0")));
        router.ip(ROUTER);
        phone.ip(&client_addresses(10));
        laptop.ip(&client_addresses(20));
        internet.ip(&internet::addresses());
        for node in [&phone, &laptop, &router] {
            node.write_resolv_conf(&ISP);
        }
        let internet = Internet::serve(internet, certificate);
        Self { phone, laptop, router, internet, link, started_in: begun.elapsed() }
    }

    /// What the link of ours did, where there is one.
    pub(crate) fn link(&self) -> Option<&Carried> {
        self.link.as_ref()
    }

    /// A client behind the router: 192.0.2.10 and `2001:db8:1::10`.
    pub(crate) fn phone(&self) -> &Node {
        &self.phone
    }

    /// Another one: 192.0.2.20 and `2001:db8:1::20`.
    pub(crate) fn laptop(&self) -> &Node {
        &self.laptop
    }

    /// The router: 192.0.2.1 and `2001:db8:1::1` at home, `fe80::1` on `br0`.
    pub(crate) fn router(&self) -> &Node {
        &self.router
    }

    /// Everything beyond the router.
    pub(crate) fn internet(&self) -> &Internet {
        &self.internet
    }
}

/// Runs a script of the lab's own where the test runs, and insists on success.
fn shell(script: &str) {
    let done = Command::new("sh").args(["-ec", script]).status().expect("sh starts");
    assert!(done.success(), "a step of the lab failed: {script}");
}

/// Says something that a passing test wants people to see, such as a time.
pub(crate) fn tell(text: &str) {
    // Straight to the descriptor: the harness keeps back what print macros say.
    let _ = writeln!(std::io::stderr(), "measured: {text}");
}

/// Asks again until the answer is `Some`, for at most `patience`.
pub(crate) fn within<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if begun.elapsed() > patience {
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn client_addresses(host: u8) -> String {
    format!(
        "link set eth0 up\n\
         addr add 192.0.2.{host}/24 dev eth0\n\
         addr add 2001:db8:1::{host}/64 dev eth0 nodad\n\
         route add default via 192.0.2.1\n\
         route add default via 2001:db8:1::1\n"
    )
}

/// Where the lab keeps its files: on a tmpfs that only the test sees.
const DIR: &str = "/run/lab";

/// Fresh /run and /var/lib for everyone in the lab, and a way to the real /etc.
/// With `-n` mount(8) writes nothing under the real /run before it is covered.
const PREPARE: &str = "
    mount -n -t tmpfs -o mode=755 lab /run
    mount -t tmpfs -o mode=755 lab /var/lib
    mkdir -p /run/lab/host-etc /run/optout /var/lib/optout
    mount --rbind /etc /run/lab/host-etc
    ip link set lo up";

const ROUTER: &str = "\
    link add br0 type bridge\n\
    link set lan1 master br0 up\n\
    link set lan2 master br0 up\n\
    link set br0 up\n\
    link set wan0 up\n\
    addr add 192.0.2.1/24 dev br0\n\
    addr add 2001:db8:1::1/64 dev br0 nodad\n\
    addr add fe80::1/64 dev br0 nodad\n\
    addr add 198.51.100.2/24 dev wan0\n\
    addr add 2001:db8:2::2/64 dev wan0 nodad\n\
    route add default via 198.51.100.1\n\
    route add default via 2001:db8:2::1\n";
