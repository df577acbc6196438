//! A home and its Internet in private network namespaces.
//!
//! The main thread becomes the router. The phone and the Internet are threads
//! with a network of their own. Nothing of this machine's network is touched,
//! and everything is gone when the process is.

use std::fs;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result, anyhow};
use nix::sched::{CloneFlags, unshare};
use rtnetlink::packet_route::link::LinkMessage;
use rtnetlink::{Handle, LinkUnspec, LinkVeth, RouteMessageBuilder};

/// The phone, behind the router.
pub(super) const PHONE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// The router, as the phone sees it.
pub(super) const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The resolver of the Internet provider.
pub(super) const PROVIDER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 53);
/// A resolver that some apps ask whatever the network says.
pub(super) const FOREIGN: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 88);

const ROUTER_OUTSIDE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 254);

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
}

impl World {
    /// Builds it. Must be called while the process has one thread only: a
    /// process with several cannot enter a user namespace.
    ///
    /// `outside` are the addresses of the Internet's servers.
    pub(super) fn build(outside: &[Ipv4Addr]) -> Result<Self> {
        leave_the_host()?;
        let (phone, internet) = (Host::start("phone")?, Host::start("internet")?);
        let ends = (phone.network.as_raw_fd(), internet.network.as_raw_fd());
        netlink(async move |net| {
            up(&net, "lo").await?;
            cable(&net, "lan", ends.0).await?;
            cable(&net, "wan", ends.1).await?;
            address(&net, "lan", ROUTER, 24).await?;
            address(&net, "wan", ROUTER_OUTSIDE, 24).await?;
            default_route(&net, GATEWAY).await
        })?;
        fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("cannot forward packets")?;
        phone.run(|| {
            netlink(async |net| {
                up(&net, "lo").await?;
                address(&net, "eth0", PHONE, 24).await?;
                default_route(&net, ROUTER).await
            })
        })??;
        let outside = outside.to_vec();
        internet.run(|| {
            netlink(async move |net| {
                up(&net, "lo").await?;
                address(&net, "eth0", GATEWAY, 24).await?;
                for host in outside {
                    address(&net, "eth0", host, 32).await?;
                }
                default_route(&net, ROUTER_OUTSIDE).await
            })
        })??;
        Ok(Self { phone, internet })
    }
}

/// New namespaces for the whole process; without root, a user namespace in
/// which we are root.
fn leave_the_host() -> Result<()> {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    if uid.is_root() {
        return unshare(CloneFlags::CLONE_NEWNET).context("cannot make a network namespace");
    }
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET).context(
        "cannot make namespaces without root; run `sudo optout demo`, or allow unprivileged user namespaces",
    )?;
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

async fn address(net: &Handle, port: &str, address: Ipv4Addr, prefix: u8) -> Result<()> {
    let port_index = index(net, port).await?;
    net.address().add(port_index, IpAddr::V4(address), prefix).execute().await?;
    up(net, port).await
}

async fn up(net: &Handle, port: &str) -> Result<()> {
    let port = index(net, port).await?;
    net.link().set(LinkUnspec::new_with_index(port).up().build()).execute().await?;
    Ok(())
}

async fn default_route(net: &Handle, gateway: Ipv4Addr) -> Result<()> {
    let route = RouteMessageBuilder::<Ipv4Addr>::new().gateway(gateway).build();
    net.route().add(route).execute().await?;
    Ok(())
}

async fn index(net: &Handle, port: &str) -> Result<u32> {
    use futures_util::TryStreamExt;
    let mut links = net.link().get().match_name(port.to_string()).execute();
    let link: Option<LinkMessage> = links.try_next().await?;
    Ok(link.with_context(|| format!("the demo's network has no {port}"))?.header.index)
}
