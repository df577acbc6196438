//! Proves that our own packets do not come back to us.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rtnetlink::packet_route::route::RouteAttribute;
use thiserror::Error;

use super::Plan;
use super::links::route_to;
use crate::shell::netlink::Netlink;
use crate::shell::tun::Tun;

/// Our own question would come back to us, for ever.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoopError {
    /// It did come back.
    #[error(
        "refusing to start: our own question to {upstream} came back to us; \
         {evidence}; another program takes the bit {mark:#x} off our packets or routes \
         everything to {device}: choose another mark in the configuration"
    )]
    Loops {
        /// Whom it was for.
        upstream: SocketAddr,
        /// What the kernel says about the way there.
        evidence: String,
        /// Our mark.
        mark: u32,
        /// Our device.
        device: String,
    },
    /// It could not be tried.
    #[error("cannot test whether our own questions come back: {0}")]
    Untested(#[from] io::Error),
}

/// Sends one datagram to each upstream by `send`, which must use the sockets
/// that questions will be sent by, and watches for it in the TUN.
///
/// To be called with capture on, before anything is read from the TUN. A
/// question that loops is in the device's queue when `send` returns, and the
/// rest is grace for queues on the way. Packets of others that come meanwhile
/// are lost, as they are at any start; who asks asks again. An upstream that
/// cannot be reached just now proves nothing and is passed over.
///
/// # Errors
///
/// [`LoopError::Loops`] with the kernel's routes, with and without our mark.
pub async fn self_test(
    tun: &Tun,
    plan: &Plan,
    upstreams: &[SocketAddr],
    mut send: impl FnMut(SocketAddr, &[u8]) -> io::Result<()>,
) -> Result<(), LoopError> {
    let mut packet = vec![0; MOST_PACKET];
    // What came before is not ours.
    for _ in 0..MOST_QUEUED {
        if tun.recv_now(&mut packet).is_err() {
            break;
        }
    }
    for &upstream in upstreams {
        if let Err(error) = send(upstream, PROBE) {
            log::debug!("route: no loop test by way of an upstream: {error}");
        }
    }
    let mut left = PATIENCE;
    loop {
        for _ in 0..MOST_QUEUED {
            let Ok(length) = tun.recv_now(&mut packet) else { break };
            let packet = packet.get(..length).unwrap_or_default();
            if !packet.ends_with(PROBE) {
                continue;
            }
            let to = destination(packet);
            let looped = upstreams.iter().find(|upstream| Some(upstream.ip()) == to);
            if let Some(&upstream) = looped.or(upstreams.first()) {
                let (mark, device) = (plan.mark, tun.name().to_owned());
                let evidence = evidence(upstream.ip(), plan)?;
                return Err(LoopError::Loops { upstream, evidence, mark, device });
            }
        }
        if left.is_zero() {
            return Ok(());
        }
        tokio::time::sleep(STEP).await;
        left = left.saturating_sub(STEP);
    }
}

/// What the kernel says about the way to `to`.
fn evidence(to: IpAddr, plan: &Plan) -> io::Result<String> {
    let mut netlink = Netlink::route()?;
    let mut said = Vec::new();
    let programs = RouteAttribute::Mark(plan.steer);
    for (name, socket) in [("with our mark", plan.own_socket()), ("a program's", programs)] {
        said.push(match route_to(&mut netlink, to, socket)? {
            Some(way) => {
                let link = nix::net::if_::if_indextoname(way.link)
                    .map_or_else(|_| way.link.to_string(), |n| n.to_string_lossy().into_owned());
                format!("{name} the kernel sends it to {link} by table {}", way.table)
            }
            None => format!("{name} the kernel has no way there"),
        });
    }
    Ok(said.join(", "))
}

/// The destination of an IP packet (RFC 791 §3.1, RFC 8200 §3).
fn destination(packet: &[u8]) -> Option<IpAddr> {
    match packet.first()? >> 4 {
        4 => <[u8; 4]>::try_from(packet.get(16..20)?).ok().map(IpAddr::from),
        6 => <[u8; 16]>::try_from(packet.get(24..40)?).ok().map(IpAddr::from),
        _ => None,
    }
}

/// A question for the root's address, which any resolver answers or refuses,
/// with an id that says who we are to somebody who looks at the wire.
const PROBE: &[u8] = b"OO\x01\0\0\x01\0\0\0\0\0\0\0\0\x01\0\x01"; // RFC 1035 §4.1
const PATIENCE: Duration = Duration::from_millis(50);
const STEP: Duration = Duration::from_millis(10);
const MOST_PACKET: usize = 65_535; // an IP packet's length field
const MOST_QUEUED: usize = 1000; // twice the device's queue
