//! Which socket has this flow? As the kernel says, by `sock_diag(7)`.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP, IPPROTO_UDP};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, SocketId, StateFlags};
use netlink_sys::SocketAddr as NetlinkAddr;
use netlink_sys::protocols::NETLINK_SOCK_DIAG;

use super::Socket;
use crate::core::flow::{FiveTuple, Protocol};

/// A line to the kernel's socket tables.
#[derive(Debug)]
pub(super) struct Diag {
    netlink: netlink_sys::Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Diag {
    pub(super) fn open() -> io::Result<Self> {
        let mut netlink = netlink_sys::Socket::new(NETLINK_SOCK_DIAG)?;
        netlink.bind_auto()?;
        netlink.connect(&NetlinkAddr::new(0, 0))?;
        // The kernel answers before send(2) returns. Should it not, an error is
        // better than a thread that waits for ever.
        netlink.set_non_blocking(true)?;
        Ok(Self { netlink, sequence: 0, buffer: vec![0; BUFFER] })
    }

    /// The socket that sends packets with the source of `flow` to its
    /// destination; `None` if there is none, as when it was closed already.
    pub(super) fn find(&mut self, flow: &FiveTuple) -> io::Result<Option<Socket>> {
        let mut best = self.best(flow, &request(flow), NLM_F_REQUEST)?;
        // The exact look-up misses what is bound to a device, as sockets to
        // link-local addresses are. So all with that port are looked at.
        for family in families(flow) {
            if best.is_some() {
                break;
            }
            best = self.best(flow, &dump(flow, *family), NLM_F_REQUEST | NLM_F_DUMP)?;
        }
        // TIME_WAIT and what a program closed have no inode and no owner any more.
        Ok(best.map(|(_, socket)| socket).filter(|socket| socket.inode != 0))
    }

    /// The answer that fits best, with how well it does.
    fn best(
        &mut self,
        flow: &FiveTuple,
        request: &InetRequest,
        flags: u16,
    ) -> io::Result<Option<(u8, Socket)>> {
        self.send(request, flags)?;
        let mut best: Option<(u8, Socket)> = None;
        loop {
            let len = self.netlink.recv(&mut &mut self.buffer[..], 0)?;
            let mut rest = self.buffer.get(..len).unwrap_or_default();
            while !rest.is_empty() {
                let message = NetlinkMessage::<SockDiagMessage>::deserialize(rest)
                    .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
                let length = usize::try_from(message.header.length).unwrap_or(usize::MAX);
                rest = rest.get(length.next_multiple_of(4).max(1)..).unwrap_or_default();
                if message.header.sequence_number != self.sequence {
                    continue; // left over from a request that failed half way
                }
                match message.payload {
                    NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response)) => {
                        let header = response.header;
                        let id = &header.socket_id;
                        let near = SocketAddr::new(id.source_address, id.source_port);
                        let far = SocketAddr::new(id.destination_address, id.destination_port);
                        if let Some(fit) = super::fit(flow, near, far)
                            && best.is_none_or(|(other, _)| fit > other)
                        {
                            best = Some((fit, Socket { uid: header.uid, inode: header.inode }));
                        }
                        if flags & NLM_F_DUMP == 0 {
                            return Ok(best);
                        }
                    }
                    NetlinkPayload::Error(error) if error.raw_code() == -libc::ENOENT => {
                        return Ok(None);
                    }
                    NetlinkPayload::Error(error) => return Err(error.to_io()),
                    // A dump ends so where the kernel has no tables of that protocol.
                    NetlinkPayload::Done(done) if done.code < 0 => {
                        return Err(io::Error::from_raw_os_error(-done.code));
                    }
                    NetlinkPayload::Done(_) => return Ok(best),
                    _ => {}
                }
            }
        }
    }

    fn send(&mut self, request: &InetRequest, flags: u16) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = self.sequence;
        let payload = SockDiagMessage::InetRequest(request.clone()).into();
        let mut message = NetlinkMessage::new(header, payload);
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.netlink.send(&bytes, 0).map(drop)
    }
}

/// Asks for the one socket of a flow.
fn request(flow: &FiveTuple) -> InetRequest {
    let (near, far) = match flow.protocol {
        Protocol::Tcp => (flow.source, flow.destination),
        // Of UDP the kernel wants to know how a packet *to* the socket would
        // look ("swapped for historical reasons", net/ipv4/udp_diag.c).
        Protocol::Udp => (flow.destination, flow.source),
    };
    let scope = [flow.source, flow.destination].into_iter().find_map(scope).unwrap_or(0);
    InetRequest {
        family: if flow.source.is_ipv4() { AF_INET } else { AF_INET6 },
        protocol: protocol(flow),
        extensions: ExtensionFlags::empty(),
        states: StateFlags::all(),
        socket_id: SocketId {
            source_port: near.port(),
            destination_port: far.port(),
            source_address: near.ip(),
            destination_address: far.ip(),
            interface_id: scope,
            cookie: NO_COOKIE,
        },
    }
}

/// Asks for all sockets of a family with the port of a flow.
fn dump(flow: &FiveTuple, family: u8) -> InetRequest {
    let mut socket_id = if family == AF_INET { SocketId::new_v4() } else { SocketId::new_v6() };
    socket_id.source_port = flow.source.port();
    let states = match flow.protocol {
        Protocol::Tcp => StateFlags::all() - StateFlags::LISTEN - StateFlags::TIME_WAIT,
        Protocol::Udp => StateFlags::all(),
    };
    InetRequest {
        family,
        protocol: protocol(flow),
        extensions: ExtensionFlags::empty(),
        states,
        socket_id,
    }
}

fn protocol(flow: &FiveTuple) -> u8 {
    match flow.protocol {
        Protocol::Tcp => IPPROTO_TCP,
        Protocol::Udp => IPPROTO_UDP,
    }
}

/// Families of sockets that a flow can come from: an IPv6 one may speak IPv4.
fn families(flow: &FiveTuple) -> &'static [u8] {
    if flow.source.is_ipv4() { &[AF_INET, AF_INET6] } else { &[AF_INET6] }
}

fn scope(address: SocketAddr) -> Option<u32> {
    match address {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => Some(v6.scope_id()),
        SocketAddr::V4(_) | SocketAddr::V6(_) => None,
    }
}

const NO_COOKIE: [u8; 8] = [0xff; 8]; // INET_DIAG_NOCOOKIE, linux/inet_diag.h

/// Bytes for answers: what the kernel puts in one piece of a dump.
const BUFFER: usize = 32 * 1024;
