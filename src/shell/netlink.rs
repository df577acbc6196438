//! Talks to the kernel: one question, its whole answer, no tasks.
//!
//! The kernel carries a netlink request out inside `sendto(2)` and has queued
//! the answer when that returns, so nothing here waits for anybody: a request
//! costs some microseconds and can be made from any thread, from `Drop`, and
//! while things go wrong. `rtnetlink` would need a task of its own for that.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use netlink_sys::{Socket, SocketAddr, protocols};
use rtnetlink::packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage,
    NetlinkPayload,
};
use rtnetlink::packet_route::RouteNetlinkMessage;
use socket2::SockRef;

/// A socket to the kernel's routing or packet-filter side.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: Socket,
    sequence: u32,
}

/// How a new object meets one that is there already.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Existing {
    /// Fail with `EEXIST`.
    Refuse,
    /// Take its place.
    Replace,
}

impl Netlink {
    /// Opens a socket for links, addresses, routes, rules and neighbours.
    pub(crate) fn route() -> io::Result<Self> {
        let netlink = Self::open(protocols::NETLINK_ROUTE)?;
        // Lets the kernel filter dumps by table: a router may hold a million
        // routes. Kernels before 4.20 do not know it, and we filter ourselves.
        let _ = netlink.socket.set_netlink_get_strict_chk(true);
        Ok(netlink)
    }

    /// Opens a socket for nftables.
    pub(crate) fn netfilter() -> io::Result<Self> {
        Self::open(protocols::NETLINK_NETFILTER)
    }

    fn open(protocol: isize) -> io::Result<Self> {
        let mut socket = Socket::new(protocol)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // An error comes without the request it is about; less to read.
        let _ = socket.set_cap_ack(true);
        SockRef::from(&socket).set_read_timeout(Some(PATIENCE))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Makes an object.
    pub(crate) fn create(
        &mut self,
        what: &RouteNetlinkMessage,
        existing: Existing,
    ) -> io::Result<()> {
        let how = match existing {
            Existing::Refuse => NLM_F_EXCL,
            Existing::Replace => NLM_F_REPLACE,
        };
        self.request(what, NLM_F_ACK | NLM_F_CREATE | how).map(drop)
    }

    /// Changes or removes an object.
    pub(crate) fn change(&mut self, what: &RouteNetlinkMessage) -> io::Result<()> {
        self.request(what, NLM_F_ACK).map(drop)
    }

    /// Asks for one object.
    pub(crate) fn one(
        &mut self,
        what: &RouteNetlinkMessage,
    ) -> io::Result<Option<RouteNetlinkMessage>> {
        // With an acknowledgement, so that the end of the answer is seen.
        self.request(what, NLM_F_ACK).map(|mut answers| answers.pop())
    }

    /// Asks for all objects of a kind. Asks anew, a few times, if they changed meanwhile.
    pub(crate) fn all(
        &mut self,
        what: &RouteNetlinkMessage,
    ) -> io::Result<Vec<RouteNetlinkMessage>> {
        let mut last = Ok(Vec::new());
        for _ in 0..DUMP_TRIES {
            last = self.request(what, NLM_F_DUMP);
            match &last {
                Err(error) if error.raw_os_error() == Some(libc::EINTR) => {}
                _ => break,
            }
        }
        last
    }

    fn request(
        &mut self,
        what: &RouteNetlinkMessage,
        flags: u16,
    ) -> io::Result<Vec<RouteNetlinkMessage>> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut message = NetlinkMessage::from(what.clone());
        message.header.flags = NLM_F_REQUEST | flags;
        message.header.sequence_number = self.sequence;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;
        let mut answers = Vec::new();
        let mut interrupted = false;
        while !self.take(&mut answers, &mut interrupted)? {}
        if interrupted { Err(io::Error::from_raw_os_error(libc::EINTR)) } else { Ok(answers) }
    }

    /// Takes one datagram of the answer; true when it was the last.
    fn take(
        &mut self,
        answers: &mut Vec<RouteNetlinkMessage>,
        interrupted: &mut bool,
    ) -> io::Result<bool> {
        let datagram = self.receive()?;
        let mut rest = datagram.as_slice();
        while let Some((frame, after)) = split_frame(rest) {
            rest = after;
            let Some(header) = frame.get(..HEADER) else { break };
            if u32_at(header, 8) != self.sequence {
                continue; // the late answer to a request that was given up
            }
            *interrupted |= u16_at(header, 6) & DUMP_INTERRUPTED != 0;
            match u16_at(header, 4) {
                NLMSG_DONE => return Ok(true),
                NLMSG_ERROR => return error_code(frame).map(|()| true),
                _ => {}
            }
            // A message that this version of the crate cannot read is of a
            // newer kernel, about something that we did not make.
            if let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(frame)
                && let NetlinkPayload::InnerMessage(inner) = message.payload
            {
                answers.push(inner);
            }
        }
        Ok(false)
    }

    /// Sends one datagram of ready-made netfilter messages, and waits for as
    /// many acknowledgements. The first error of them all is the answer.
    pub(crate) fn batch(&mut self, bytes: &[u8], acks: usize) -> io::Result<()> {
        self.socket.send(bytes, 0)?;
        let mut left = acks;
        let mut outcome = Ok(());
        while left > 0 {
            let datagram = self.receive()?;
            let mut rest = datagram.as_slice();
            while let Some((frame, after)) = split_frame(rest) {
                rest = after;
                if frame.get(..HEADER).is_some_and(|header| u16_at(header, 4) == NLMSG_ERROR) {
                    left = left.saturating_sub(1);
                    let answer = error_code(frame);
                    if answer.is_err() && outcome.is_ok() {
                        // A failed batch is not acknowledged further; what else
                        // it has to say is still to be drained.
                        outcome = answer;
                    }
                }
            }
            if outcome.is_err() {
                self.drain();
                break;
            }
        }
        outcome
    }

    /// Sends a ready-made question for all objects of a kind, and hands each message
    /// of the answer to `take`.
    pub(crate) fn dump(&mut self, question: &[u8], mut take: impl FnMut(&[u8])) -> io::Result<()> {
        self.socket.send(question, 0)?;
        loop {
            let datagram = self.receive()?;
            let mut rest = datagram.as_slice();
            while let Some((frame, after)) = split_frame(rest) {
                rest = after;
                match frame.get(..HEADER).map(|header| u16_at(header, 4)) {
                    Some(NLMSG_DONE) => return Ok(()),
                    Some(NLMSG_ERROR) => return error_code(frame),
                    _ => take(frame),
                }
            }
        }
    }

    /// The datagrams that are queued, and no more.
    fn drain(&mut self) {
        let mut buffer = Vec::with_capacity(DRAIN_BYTES);
        while self.socket.recv(&mut buffer, libc::MSG_DONTWAIT).is_ok() {
            buffer.clear();
        }
    }

    fn receive(&mut self) -> io::Result<Vec<u8>> {
        loop {
            match self.socket.recv_from_full() {
                Ok((bytes, from)) if from.port_number() == 0 => return Ok(bytes),
                Ok(_) => {} // not from the kernel
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Parts the first message from those after it. `None` at the end, and for a
/// message whose length is not one.
pub(crate) fn split_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::try_from(u32_at(bytes.get(..4)?, 0)).ok()?;
    let frame = bytes.get(..length).filter(|frame| frame.len() >= HEADER)?;
    Some((frame, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

/// What an `NLMSG_ERROR` says; zero is an acknowledgement.
fn error_code(frame: &[u8]) -> io::Result<()> {
    let code =
        frame.get(HEADER..HEADER + 4).map_or(-libc::EBADMSG, |code| u32_at(code, 0).cast_signed());
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code.saturating_neg())) }
}

/// The attributes of an answer, or those in an attribute: kind and value. Ends at what
/// is none.
pub(crate) fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (head, _) = rest.split_first_chunk::<ATTRIBUTE>()?;
        let length = usize::from(u16::from_ne_bytes([head[0], head[1]]));
        let kind = u16::from_ne_bytes([head[2], head[3]]) & !(NLA_F_NESTED | NLA_F_NET_BYTEORDER);
        let value = rest.get(ATTRIBUTE..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).and_then(|two| two.try_into().ok()).map_or(0, u16::from_ne_bytes)
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_ne_bytes)
}

const HEADER: usize = 16; // struct nlmsghdr
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const ATTRIBUTE: usize = 4; // struct nlattr
const NLA_F_NESTED: u16 = 0x8000;
const NLA_F_NET_BYTEORDER: u16 = 0x4000;
const DUMP_INTERRUPTED: u16 = 0x10; // NLM_F_DUMP_INTR
const DUMP_TRIES: usize = 5;
const DRAIN_BYTES: usize = 32 * 1024;
const PATIENCE: Duration = Duration::from_secs(5); // the kernel answers at once; this is for its bugs

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_with_wrong_lengths_end_the_datagram() {
        for length in [0_u32, 4, 15, 17, 4096, u32::MAX] {
            let mut bytes = length.to_ne_bytes().to_vec();
            bytes.resize(HEADER, 0);
            assert_eq!(split_frame(&bytes), None, "{length}");
        }
        assert_eq!(split_frame(&[]), None);
    }

    #[test]
    fn a_frame_without_padding_at_the_end_is_whole() {
        let mut bytes = 17_u32.to_ne_bytes().to_vec();
        bytes.resize(17, 7);
        let (frame, rest) = split_frame(&bytes).unwrap();
        assert_eq!((frame.len(), rest.len()), (17, 0));
    }
}
