//! A home and its Internet in private network namespaces.
//!
//! The main thread becomes the router. The phone and the Internet are threads
//! with a network of their own. Nothing of this machine's network is touched,
//! and everything is gone when the process is.

use std::fs;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result, anyhow};
use nix::sched::{CloneFlags, unshare};
use rtnetlink::packet_route::address::AddressHeaderFlags;
use rtnetlink::packet_route::link::LinkMessage;
use rtnetlink::{Handle, LinkUnspec, LinkVeth, RouteMessageBuilder};

/// The phone, behind the router.
pub(super) const PHONE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// The resolver of the Internet provider.
pub(super) const PROVIDER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 53);
/// The same resolver in IPv6.
pub(super) const PROVIDER_V6: Ipv6Addr = v6(0x53, 0x53);
/// A resolver that some apps ask whatever the network says.
pub(super) const FOREIGN: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 88);

const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const ROUTER_OUTSIDE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 254);
const PHONE_V6: Ipv6Addr = v6(1, 0x10);
const ROUTER_V6: Ipv6Addr = v6(1, 1);
const ROUTER_OUTSIDE_V6: Ipv6Addr = v6(2, 1);
const GATEWAY_V6: Ipv6Addr = v6(2, 0xfe);

/// 2001:db8:`net`::`host` (RFC 3849).
pub(super) const fn v6(net: u16, host: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, net, 0, 0, 0, 0, host)
}

/// A thread with a network of its own, which does what it is told.
pub(super) struct Host {
    jobs: mpsc::Sender<Job>,
    network: OwnedFd,
}

type Job = Box<dyn FnOnce() + Send>;

impl Host {
    fn start(name: &str) -> Result<Self> {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let (ready, born) = mpsc::channel();
        thread::Builder::new().name(name.into()).spawn(move || {
            if ready.send(own_network()).is_ok() {
                for job in inbox {
                    job();
                }
            }
        })?;
        Ok(Self { jobs, network: born.recv()?? })
    }

    /// Does `job` on this host and gives back what it returns.
    pub(super) fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let (answer, result) = mpsc::channel();
        let job = Box::new(move || {
            // The asker waits below, so it is there.
            let _ = answer.send(job());
        });
        self.jobs.send(job).map_err(|_| anyhow!("a host of the demo is gone"))?;
        result.recv().context("a host of the demo is gone")
    }
}

fn own_network() -> Result<OwnedFd> {
    unshare(CloneFlags::CLONE_NEWNET).context("cannot make a network namespace")?;
    Ok(fs::File::open("/proc/thread-self/ns/net")?.into())
}

/// Phone – router – Internet. The calling thread is the router from now on.
pub(super) struct World {
    /// The device in the home.
    pub(super) phone: Host,
    /// Everything outside.
    pub(super) internet: Host,
    /// Whether there is IPv6: not every kernel has it.
    pub(super) v6: bool,
}

impl World {
    /// Builds it. Must be called while the process has one thread only: a
    /// process with several cannot enter a user namespace.
    ///
    /// `outside` are the addresses of the Internet's servers.
    pub(super) fn build(outside: &[IpAddr]) -> Result<Self> {
        leave_the_host()?;
        let (phone, internet) = (Host::start("phone")?, Host::start("internet")?);
        let ends = (phone.network.as_raw_fd(), internet.network.as_raw_fd());
        netlink(async move |net| {
            up(&net, "lo").await?;
            cable(&net, "lan", ends.0).await?;
            cable(&net, "wan", ends.1).await
        })?;
        let v6 = has_v6();
        netlink(async move |net| {
            let lan = [(ROUTER.into(), 24), (ROUTER_V6.into(), 64)];
            let wan = [(ROUTER_OUTSIDE.into(), 24), (ROUTER_OUTSIDE_V6.into(), 64)];
            addresses(&net, "lan", &lan, v6).await?;
            addresses(&net, "wan", &wan, v6).await?;
            default_routes(&net, GATEWAY, GATEWAY_V6, v6).await
        })?;
        forward("ipv4/ip_forward")?;
        if v6 {
            forward("ipv6/conf/all/forwarding")?;
        }
        phone.run(move || {
            netlink(async move |net| {
                up(&net, "lo").await?;
                addresses(&net, "eth0", &[(PHONE.into(), 24), (PHONE_V6.into(), 64)], v6).await?;
                default_routes(&net, ROUTER, ROUTER_V6, v6).await
            })
        })??;
        let alone = |host: &IpAddr| (*host, if host.is_ipv4() { 32 } else { 128 });
        let mut all = vec![(GATEWAY.into(), 24), (GATEWAY_V6.into(), 64)];
        all.extend(outside.iter().map(alone));
        internet.run(move || {
            netlink(async move |net| {
                up(&net, "lo").await?;
                addresses(&net, "eth0", &all, v6).await?;
                default_routes(&net, ROUTER_OUTSIDE, ROUTER_OUTSIDE_V6, v6).await
            })
        })??;
        Ok(Self { phone, internet, v6 })
    }
}

/// Whether this network speaks IPv6. A kernel may have none, or have it off.
fn has_v6() -> bool {
    UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

fn forward(switch: &str) -> Result<()> {
    fs::write(Path::new("/proc/sys/net").join(switch), "1").context(
        "the demo's router cannot forward packets; in a container, make /proc/sys writable \
         (`--privileged`), or run the demo outside of it",
    )
}

/// New namespaces for the whole process; without root, a user namespace in
/// which we are root.
fn leave_the_host() -> Result<()> {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    if uid.is_root() && unshare(CloneFlags::CLONE_NEWNET).is_ok() {
        return Ok(());
    }
    // In a container root may lack CAP_SYS_ADMIN, and yet be allowed this.
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET).context(if uid.is_root() {
        "cannot make network namespaces although root; in a container, give it CAP_SYS_ADMIN and \
         CAP_NET_ADMIN (`--privileged`), or run the demo outside of it"
    } else {
        "cannot make network namespaces without root; run `sudo optout demo`, or allow \
         unprivileged user namespaces"
    })?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1"))?;
    Ok(())
}

fn netlink<F: Future<Output = Result<()>>>(work: impl FnOnce(Handle) -> F) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        let connection = tokio::spawn(connection);
        let result = work(handle).await;
        connection.abort();
        result
    })
}

/// A cable from the router's port `port` to `eth0` of another host.
async fn cable(net: &Handle, port: &str, other_end: i32) -> Result<()> {
    net.link().add(LinkVeth::new(port, "eth0").build()).execute().await?;
    let end = index(net, "eth0").await?;
    net.link()
        .set(LinkUnspec::new_with_index(end).setns_by_fd(other_end).build())
        .execute()
        .await?;
    Ok(())
}

/// Gives a port these addresses, those of IPv6 only with `v6`, and switches it on.
async fn addresses(net: &Handle, port: &str, all: &[(IpAddr, u8)], v6: bool) -> Result<()> {
    let port_index = index(net, port).await?;
    for (address, prefix) in all.iter().filter(|(address, _)| v6 || address.is_ipv4()) {
        let mut request = net.address().add(port_index, *address, *prefix);
        if address.is_ipv6() {
            // Nobody else is on the cable, and waiting for him would take two seconds.
            request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
        }
        request.execute().await?;
    }
    up(net, port).await
}

async fn up(net: &Handle, port: &str) -> Result<()> {
    let port = index(net, port).await?;
    net.link().set(LinkUnspec::new_with_index(port).up().build()).execute().await?;
    Ok(())
}

async fn default_routes(net: &Handle, v4: Ipv4Addr, v6: Ipv6Addr, has_v6: bool) -> Result<()> {
    let route = RouteMessageBuilder::<Ipv4Addr>::new().gateway(v4).build();
    net.route().add(route).execute().await?;
    if has_v6 {
        let route = RouteMessageBuilder::<Ipv6Addr>::new().gateway(v6).build();
        net.route().add(route).execute().await?;
    }
    Ok(())
}

async fn index(net: &Handle, port: &str) -> Result<u32> {
    use futures_util::TryStreamExt;
    let mut links = net.link().get().match_name(port.to_string()).execute();
    let link: Option<LinkMessage> = links.try_next().await?;
    Ok(link.with_context(|| format!("the demo's network has no {port}"))?.header.index)
}
