//! Everything beyond the router: resolvers, web servers, and what they saw.

use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::evidence::Counters;
use super::{Node, dns, within};

/// The Internet. Its servers keep logs: what they received is the evidence.
pub(crate) struct Internet {
    node: Node,
    /// Two resolvers and a web server; they die with the namespace.
    _servers: Vec<Child>,
}

/// A server that a test asked for. It dies with the namespace.
pub(crate) struct Served {
    _server: Child,
}

impl Internet {
    pub(super) fn serve(node: Node, mut certificate: Child) -> Self {
        let dir = node.dir().to_owned();
        fs::create_dir_all(dir.join("www")).expect("tmpfs");
        fs::write(dir.join("root.zone"), zone()).expect("tmpfs");
        fs::write(dir.join("www/index.html"), "an ordinary page\n").expect("tmpfs");
        fs::write(dir.join("www/page.bin"), page()).expect("tmpfs");
        fs::write(dir.join("nginx.conf"), nginx(&dir)).expect("tmpfs");
        fs::write(dir.join("count.nft"), COUNT).expect("tmpfs");
        node.ok(&format!("nft -f {}/count.nft", dir.display()));
        let mut servers = vec![resolver(&node, "isp", &ISP), resolver(&node, "foreign", &FOREIGN)];
        assert!(certificate.wait().expect("openssl ends").success(), "no certificate");
        let (errors, conf) = (dir.join("nginx.err"), dir.join("nginx.conf"));
        let [errors, conf] = [errors.display().to_string(), conf.display().to_string()];
        servers.push(spawn(&node, "nginx", "nginx", &["-e", &errors, "-c", &conf]));
        let internet = Self { node, _servers: servers };
        internet.wait_until_up();
        internet
    }

    fn wait_until_up(&self) {
        let up = within(Duration::from_secs(10), || {
            self.node.enter(|| {
                let short = Duration::from_millis(50);
                let dns = [ISP, FOREIGN]
                    .as_flattened()
                    .iter()
                    .all(|server| dns::udp((*server, 53), "up.lab.example", dns::A, short).is_ok());
                let web = ORDINARY.iter().all(|a| std::net::TcpStream::connect((*a, 443)).is_ok());
                (dns && web).then_some(())
            })
        });
        assert!(up.is_some(), "the lab's Internet did not come up:\n{}", self.all_logs());
    }

    /// The machine they run on.
    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// Starts DNS over HTTPS (RFC 8484) at the foreign resolver, as
    /// `https://dns.foreign.example/dns-query`. Its questions are those of `doh` in
    /// [`Self::query_log`]. It ends with the test.
    pub(crate) fn serve_doh(&self) -> Served {
        let dir = self.node.dir().display();
        let mut conf = UNBOUND.replace("@DIR@", &dir.to_string());
        for address in FOREIGN {
            let _ = writeln!(conf, "    interface: {address}@{DOH_PORT}");
        }
        let _ = writeln!(conf, "    https-port: {DOH_PORT}");
        let _ = writeln!(conf, "    tls-service-key: {dir}/web.key");
        let _ = writeln!(conf, "    tls-service-pem: {dir}/web.pem");
        conf += AUTH_ZONE;
        fs::write(self.node.dir().join("doh.conf"), conf).expect("tmpfs");
        // nginx has port 443 of all addresses.
        fs::write(self.node.dir().join("doh.nft"), DOH_REDIRECT).expect("tmpfs");
        self.node.ok(&format!("nft -f {dir}/doh.nft"));
        let conf = format!("{dir}/doh.conf");
        let server = spawn(&self.node, "doh", "unbound", &["-d", "-c", &conf]);
        let up = within(Duration::from_secs(10), || {
            let connect = || std::net::TcpStream::connect((FOREIGN[1], DOH_PORT)).ok();
            self.node.enter(connect)
        });
        assert!(up.is_some(), "unbound serves no HTTPS:\n{}", self.all_logs());
        Served { _server: server }
    }

    /// Packets that arrived, by what they are.
    pub(crate) fn counters(&self) -> Counters {
        Counters::read(&self.node)
    }

    /// Requests that reached a web server for this host name, as
    /// `address port host method uri status length client`.
    pub(crate) fn web_log(&self, host: &str) -> Vec<String> {
        let log = fs::read_to_string(self.node.dir().join("access.log")).unwrap_or_default();
        let for_host = |line: &&str| line.split(' ').nth(2) == Some(host);
        log.lines().filter(for_host).map(str::to_owned).collect()
    }

    /// Questions that reached a resolver (`isp` or `foreign`) for this name, as
    /// `client name type class`.
    pub(crate) fn query_log(&self, resolver: &str, name: &str) -> Vec<String> {
        let log = fs::read_to_string(self.node.dir().join(format!("{resolver}.err")));
        let queries = log.unwrap_or_default();
        let queries = queries.lines().filter_map(|line| line.split_once("] info: "));
        let queries = queries.map(|(_, rest)| rest.split_once("info: ").map_or(rest, |(_, r)| r));
        let wanted = format!("{name}.");
        queries
            .filter(|line| line.split(' ').nth(1).is_some_and(|n| n.eq_ignore_ascii_case(&wanted)))
            .map(str::to_owned)
            .collect()
    }

    fn all_logs(&self) -> String {
        self.node.ok(&format!("tail -n 20 {}/*.err", self.node.dir().display()))
    }
}

/// Makes a CA and a certificate for every name of the lab, meanwhile.
pub(super) fn make_certificate(lab: &Path) -> Child {
    let names: Vec<String> = NAMES.iter().map(|(name, _)| format!("DNS:{name}")).collect();
    let new = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9";
    let script = format!(
        "mkdir -p {dir}/internet; cd {dir}
        {new} -subj '/CN=Lab CA' -keyout ca.key -out ca.pem
        {new} -CA ca.pem -CAkey ca.key -subj /CN=lab.example -keyout internet/web.key \
            -out internet/web.pem -addext 'subjectAltName={names}' \
            -addext 'basicConstraints=critical,CA:false'",
        dir = lab.display(),
        names = names.join(",")
    );
    let mut make = Command::new("sh");
    make.args(["-ec", &script]).stdin(Stdio::null()).stderr(Stdio::null());
    make.spawn().expect("sh starts")
}

pub(super) fn addresses() -> String {
    let mut batch = "link set eth0 up\n\
         addr add 198.51.100.1/24 dev eth0\n\
         addr add 2001:db8:2::1/64 dev eth0 nodad\n\
         route add 192.0.2.0/24 via 198.51.100.2\n\
         route add 2001:db8:1::/64 via 2001:db8:2::2\n"
        .to_owned();
    let all = [ISP, FOREIGN, ORDINARY, VENDOR, HARD_CODED, NEVER_BLOCK, LISTS];
    for address in all.as_flattened().iter().chain(&LISTS_AT_HOME) {
        let device = if ISP.contains(address) { "eth0" } else { "lo" };
        // Also on lo an address cannot be bound while it is looked for elsewhere.
        let flag = if address.is_ipv4() { "" } else { " nodad" };
        let _ = writeln!(batch, "addr add {address} dev {device}{flag}");
    }
    batch
}

/// A page large enough to be cut into many segments, that compresses badly.
pub(crate) fn page() -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()
    };
    (0..32 * 1024).flat_map(|_| next()).collect()
}

fn resolver(node: &Node, name: &str, addresses: &[IpAddr]) -> Child {
    let dir = node.dir().display();
    let mut conf = UNBOUND.replace("@DIR@", &dir.to_string());
    for address in addresses {
        let _ = writeln!(conf, "    interface: {address}");
    }
    let _ = writeln!(conf, "    local-data: 'whoami.lab.example. 1 TXT \"{name}\"'");
    conf += AUTH_ZONE;
    fs::write(node.dir().join(format!("{name}.conf")), conf).expect("tmpfs");
    spawn(node, name, "unbound", &["-d", "-c", &format!("{dir}/{name}.conf")])
}

fn spawn(node: &Node, name: &str, program: &str, args: &[&str]) -> Child {
    let path = node.dir().join(format!("{name}.err"));
    let log = fs::File::options().create(true).append(true).open(path).expect("tmpfs");
    let mut server = node.command(program);
    server.args(args).stdout(log.try_clone().expect("a descriptor")).stderr(log);
    server.spawn().expect("nsenter(1) starts")
}

/// Everything that can be asked for, as one root zone.
fn zone() -> String {
    let mut zone = ZONE.to_owned();
    for (name, at) in NAMES {
        for address in *at {
            let kind = if address.is_ipv4() { "A" } else { "AAAA" };
            let _ = writeln!(zone, "{name}. 300 IN {kind} {address}");
        }
    }
    zone += "big.ordinary.example. 300 IN TXT";
    for n in 0..BIG_TXT {
        let _ = write!(zone, " \"{n:0>200}\"");
    }
    zone.push('\n');
    zone
}

fn nginx(dir: &Path) -> String {
    let dir: PathBuf = dir.into();
    NGINX.replace("@DIR@", &dir.display().to_string())
}

const fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(std::net::Ipv4Addr::new(a, b, c, d))
}

const fn v6(net: u16, host: u16) -> IpAddr {
    IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0xdb8, net, 0, 0, 0, 0, host))
}

/// The provider's resolver: what resolv.conf names everywhere at home.
pub(crate) const ISP: [IpAddr; 2] = [v4(198, 51, 100, 53), v6(2, 0x53)];
/// A resolver that an app may have built in.
pub(crate) const FOREIGN: [IpAddr; 2] = [v4(203, 0, 113, 88), v6(8, 0x88)];
/// Ordinary web sites.
pub(crate) const ORDINARY: [IpAddr; 2] = [v4(203, 0, 113, 10), v6(8, 0x10)];
/// The vendor that collects.
pub(crate) const VENDOR: [IpAddr; 2] = [v4(203, 0, 113, 66), v6(8, 0x66)];
/// A collector that has no name.
pub(crate) const HARD_CODED: [IpAddr; 2] = [v4(203, 0, 113, 67), v6(8, 0x67)];
/// What must stay reachable.
pub(crate) const NEVER_BLOCK: [IpAddr; 2] = [v4(203, 0, 113, 20), v6(8, 0x20)];
/// A server of lists; see `list_server.rs`.
pub(crate) const LISTS: [IpAddr; 2] = [v4(203, 0, 113, 30), v6(8, 0x30)];
/// The same, where no public list can be.
pub(crate) const LISTS_AT_HOME: [IpAddr; 1] = [v4(10, 9, 8, 7)];
/// Strings of 200 bytes in the TXT record of `big.ordinary.example`: too much for a datagram.
pub(crate) const BIG_TXT: usize = 40;

const NAMES: &[(&str, &[IpAddr])] = &[
    ("www.ordinary.example", &ORDINARY),
    ("news.ordinary.example", &ORDINARY),
    ("shop.ordinary.example", &ORDINARY),
    ("listed.example", &VENDOR),
    ("tracker.listed.example", &VENDOR),
    ("ads.listed.example", &VENDOR),
    ("open.oneplus.net", &VENDOR),
    ("connectivitycheck.gstatic.com", &NEVER_BLOCK),
    ("captive.apple.com", &NEVER_BLOCK),
    ("lists.example", &LISTS),
    ("home.lists.example", &LISTS_AT_HOME),
    ("self.lists.example", &[v4(127, 0, 0, 1)]),
    ("use-application-dns.net", &ORDINARY),
    ("mask.icloud.com", &ORDINARY),
    ("up.lab.example", &ORDINARY),
    ("dns.foreign.example", &FOREIGN),
    ("example.com", &ORDINARY),
];

const ZONE: &str = "\
. 300 IN SOA ns.lab.example. lab.lab.example. 1 3600 600 86400 60
. 300 IN NS ns.lab.example.
ns.lab.example. 300 IN A 198.51.100.53
www.alias.example. 300 IN CNAME open.oneplus.net.
deep.alias.example. 300 IN CNAME www.alias.example.
plain.alias.example. 300 IN CNAME www.ordinary.example.
www.ordinary.example. 300 IN HTTPS 1 . alpn=h2
open.oneplus.net. 300 IN HTTPS 1 . alpn=h2
https.alias.example. 300 IN HTTPS 0 open.oneplus.net.
_dns.resolver.arpa. 300 IN SVCB 1 dns.lab.example. alpn=dot
text.ordinary.example. 300 IN TXT \"plain text\"
";

const UNBOUND: &str = "\
remote-control:
    control-enable: no
server:
    do-daemonize: no
    username: \"\"
    chroot: \"\"
    directory: \"@DIR@\"
    pidfile: \"\"
    use-syslog: no
    log-queries: yes
    module-config: \"iterator\"
    access-control: 0.0.0.0/0 allow
    access-control: ::/0 allow
    edns-buffer-size: 1232
    max-udp-size: 1232
    num-threads: 1
    outgoing-range: 16
    num-queries-per-thread: 64
    incoming-num-tcp: 64
    msg-cache-size: 1m
    rrset-cache-size: 1m
    do-not-query-localhost: no
    local-zone: \"resolver.arpa.\" transparent
    local-zone: \"example.\" transparent
    local-zone: \"lab.example.\" transparent
";

const AUTH_ZONE: &str = "\
auth-zone:
    name: \".\"
    zonefile: root.zone
    for-downstream: no
    for-upstream: yes
    fallback-enabled: no
";

/// Where DNS over HTTPS really is.
const DOH_PORT: u16 = 8453;

const DOH_REDIRECT: &str = "
table inet doh {
    chain in {
        type nat hook prerouting priority dstnat; policy accept;
        ip daddr 203.0.113.88 tcp dport 443 dnat ip to 203.0.113.88:8453
        ip6 daddr 2001:db8:8::88 tcp dport 443 dnat ip6 to [2001:db8:8::88]:8453
    }
}
";

const NGINX: &str = r"
daemon off;
master_process off;
worker_processes 1;
user root;
pid @DIR@/nginx.pid;
error_log @DIR@/nginx.err;
events { worker_connections 256; }
http {
    log_format lab '$server_addr $server_port $host $request_method $uri $status $request_length $remote_addr';
    access_log @DIR@/access.log lab;
    client_body_temp_path @DIR@/tmp-body;
    proxy_temp_path @DIR@/tmp-proxy;
    fastcgi_temp_path @DIR@/tmp-fastcgi;
    uwsgi_temp_path @DIR@/tmp-uwsgi;
    scgi_temp_path @DIR@/tmp-scgi;
    server {
        listen 80 default_server;
        listen [::]:80 default_server ipv6only=on;
        listen 443 ssl http2 default_server;
        listen [::]:443 ssl http2 default_server ipv6only=on;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate @DIR@/web.pem;
        ssl_certificate_key @DIR@/web.key;
        root @DIR@/www;
        location / { try_files $uri /index.html; }
        location = /generate_204 { return 204; }
        location /cloud/ { return 200 'thank you\n'; }
    }
}
";

/// What comes from the router, counted before anything can drop it. Nothing is
/// translated at home, so the source tells a client's packet from the router's.
const COUNT: &str = "
table inet lab {
    counter dns {}
    counter dns_from_clients {}
    counter vendor {}
    counter hard_coded {}
    counter sinkhole {}
    counter web {}
    chain arrivals {
        type filter hook prerouting priority raw; policy accept;
        iifname != eth0 accept
        meta l4proto { tcp, udp } th dport 53 counter name dns
        ip saddr 192.0.2.0/24 meta l4proto { tcp, udp } th dport 53 counter name dns_from_clients
        ip6 saddr 2001:db8:1::/64 meta l4proto { tcp, udp } th dport 53 counter name dns_from_clients
        ip daddr 203.0.113.66 counter name vendor
        ip6 daddr 2001:db8:8::66 counter name vendor
        ip daddr 203.0.113.67 counter name hard_coded
        ip6 daddr 2001:db8:8::67 counter name hard_coded
        ip daddr 198.18.0.0/15 counter name sinkhole
        ip6 daddr fd6f:7074:6f75:7400::/64 counter name sinkhole
        tcp dport { 80, 443 } counter name web
    }
}
";
