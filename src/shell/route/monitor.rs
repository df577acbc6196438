//! Tells when the network around us, or what we put into it, changed; also the
//! rules of the packet filter, which may begin to track connections.
//!
//! Says only *that*; [`Routes::refresh`](super::Routes::refresh) finds out what,
//! and does nothing if nothing is wrong. So what we do ourselves may be seen
//! here at most once more, and never goes round.

use std::io;
use std::time::Duration;

use netlink_sys::{Socket, SocketAddr, protocols};
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep_until};

use super::TAG;
use crate::shell::netlink::{attributes, split_frame, u16_at};
use crate::shell::ready::watch;

/// A watch over links, addresses, routes, rules, and rules of the packet filter.
/// Sleeps while nothing changes.
pub struct Monitor {
    socket: AsyncFd<Socket>,
    /// Not where the kernel has no nftables.
    filter: Option<AsyncFd<Socket>>,
    last: Option<Instant>,
}

impl Monitor {
    /// Starts to watch. What happens from now on is not missed.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says.
    pub fn open() -> io::Result<Self> {
        let socket = subscribe(protocols::NETLINK_ROUTE, GROUPS)?;
        let filter = subscribe(protocols::NETLINK_NETFILTER, FILTER_GROUPS);
        let filter = filter
            .inspect_err(|error| log::debug!("route: the packet filter is not watched: {error}"));
        Ok(Self { socket, filter: filter.ok(), last: None })
    }

    /// Waits until something changed and the change has settled.
    ///
    /// A network that changes all the time, and a program that fights us over
    /// our rules, are reported once a second at most.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says.
    pub async fn changed(&mut self) -> io::Result<()> {
        while !self.news().await? {}
        let first = Instant::now();
        let busy = self.last.is_some_and(|last| first.duration_since(last) < BUSY);
        let until = first + if busy { BUSY } else { SETTLED };
        // Whatever comes until then is the same change.
        tokio::select! {
            biased;
            failed = async { loop { if let Err(error) = self.news().await { break error } } } => {
                return Err(failed);
            }
            () = sleep_until(until) => {}
        }
        self.last = Some(Instant::now());
        Ok(())
    }

    /// Waits for messages; whether one of them matters.
    async fn news(&self) -> io::Result<bool> {
        let filter = async {
            match &self.filter {
                Some(filter) => read(filter, &is_filter_rule).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            news = read(&self.socket, &matters) => news,
            news = filter => news,
        }
    }
}

fn subscribe(protocol: isize, groups: u32) -> io::Result<AsyncFd<Socket>> {
    let mut socket = Socket::new(protocol)?;
    socket.bind(&SocketAddr::new(0, groups))?;
    socket.set_non_blocking(true)?;
    watch(socket)
}

async fn read(socket: &AsyncFd<Socket>, matters: &impl Fn(&[u8]) -> bool) -> io::Result<bool> {
    let mut ready = socket.readable().await?;
    let mut buffer = Vec::with_capacity(MOST_DATAGRAM);
    let mut any = false;
    loop {
        buffer.clear();
        match ready.try_io(|socket| socket.get_ref().recv(&mut buffer, 0)) {
            Ok(Ok(_)) => any |= any_matters(&buffer, matters),
            // Messages were lost: anything may have happened.
            Ok(Err(error)) if error.raw_os_error() == Some(libc::ENOBUFS) => any = true,
            Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(Err(error)) => return Err(error),
            Err(_would_block) => return Ok(any),
        }
    }
}

fn any_matters(datagram: &[u8], matters: impl Fn(&[u8]) -> bool) -> bool {
    let mut rest = datagram;
    while let Some((frame, after)) = split_frame(rest) {
        rest = after;
        if matters(frame) {
            return true;
        }
    }
    false
}

/// Whether a message is about a new rule of the packet filter. Not the elements
/// of sets, which some filters change all day.
fn is_filter_rule(frame: &[u8]) -> bool {
    u16_at(frame, 4) == NEW_FILTER_RULE
}

/// Whether a message can be about something that we look at. Reads no more of
/// it than needed: a router that speaks BGP has many.
fn matters(frame: &[u8]) -> bool {
    let body = frame.get(HEADER..).unwrap_or_default();
    let at = |index: usize| body.get(index).copied().unwrap_or_default();
    match u16_at(frame, 4) {
        // A default route, or one of ours that is gone (struct rtmsg).
        NEW_ROUTE => at(1) == 0 && at(5) != TAG,
        DEL_ROUTE => at(1) == 0 || at(5) == TAG,
        NEW_LINK | DEL_LINK | NEW_ADDRESS | DEL_ADDRESS | DEL_RULE => true,
        // Where netd sorts questions, rules alone say that a VPN is there.
        NEW_RULE => !is_rule_of_ours(body),
        _ => false,
    }
}

/// Where the kernel keeps no tags, ours are taken for those of others.
fn is_rule_of_ours(body: &[u8]) -> bool {
    let mut told = attributes(body.get(RULE_HEADER..).unwrap_or_default());
    told.any(|(kind, value)| kind == RULE_PROTOCOL && value == [TAG])
}

const GROUPS: u32 = 1 // RTMGRP_LINK
    | 0x10 | 0x100 // RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
    | 0x40 | 0x400 // RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_ROUTE
    | 0x80 // RTMGRP_IPV4_RULE
    | 1 << 18; // RTNLGRP_IPV6_RULE, the 19th
const FILTER_GROUPS: u32 = 1 << 6; // NFNLGRP_NFTABLES, the 7th
const NEW_FILTER_RULE: u16 = 10 << 8 | 6; // NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWRULE
const HEADER: usize = 16; // struct nlmsghdr
const NEW_LINK: u16 = 16;
const DEL_LINK: u16 = 17;
const NEW_ADDRESS: u16 = 20;
const DEL_ADDRESS: u16 = 21;
const NEW_ROUTE: u16 = 24;
const DEL_ROUTE: u16 = 25;
const NEW_RULE: u16 = 32;
const DEL_RULE: u16 = 33;
const RULE_HEADER: usize = 12; // struct fib_rule_hdr
const RULE_PROTOCOL: u16 = 21; // FRA_PROTOCOL, since Linux 4.17
const MOST_DATAGRAM: usize = 32 * 1024; // the kernel makes none larger
const SETTLED: Duration = Duration::from_millis(100); // a DHCP lease is a dozen messages in some ms
const BUSY: Duration = Duration::from_secs(1); // a change is acted on within two
