//! How the daemon itself reaches the world: past its own rules.
//!
//! A list may block the very host that it comes from. What the daemon fetches
//! must not depend on that, so it asks its upstreams itself, from sockets that
//! are kept out of the TUN.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RData, RecordType};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::shell::protect::Protector;
use crate::shell::subscriptions::{Dial, SystemDial};

/// Dials with marked sockets, by names that upstreams know.
#[derive(Clone, Debug)]
pub struct OwnDial {
    protector: Protector,
    upstreams: Vec<SocketAddr>,
}

impl OwnDial {
    /// Asks these upstreams, best first, from sockets that are protected so.
    #[must_use]
    pub fn new(protector: Protector, upstreams: Vec<SocketAddr>) -> Self {
        Self { protector, upstreams }
    }

    fn ask(&self, upstream: SocketAddr, host: &Name, kind: RecordType) -> io::Result<Vec<IpAddr>> {
        let socket = Socket::new(Domain::for_address(upstream), Type::DGRAM, None)?;
        self.protector.protect(socket.as_fd())?;
        socket.connect(&SockAddr::from(upstream))?;
        let socket = UdpSocket::from(socket);
        let mut id = [0; 2];
        getrandom::fill(&mut id).map_err(io::Error::from)?;
        let mut question = Message::new(u16::from_ne_bytes(id), MessageType::Query, OpCode::Query);
        question.metadata.recursion_desired = true;
        question.add_query(Query::query(host.clone(), kind));
        let bytes = question.to_vec().map_err(io::Error::other)?;
        let mut last = io::Error::from(io::ErrorKind::TimedOut);
        for _ in 0..TRIES {
            socket.send(&bytes)?;
            match answer(&socket, &question) {
                Ok(addresses) => return Ok(addresses),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl Dial for OwnDial {
    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        if self.upstreams.is_empty() {
            return SystemDial.resolve(host);
        }
        let mut name = Name::from_ascii(host).map_err(io::Error::other)?;
        name.set_fqdn(true);
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for &upstream in &self.upstreams {
            let mut found = Vec::new();
            for kind in [RecordType::A, RecordType::AAAA] {
                match self.ask(upstream, &name, kind) {
                    Ok(addresses) => found.extend(addresses),
                    Err(error) => last = error,
                }
            }
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Err(last)
    }

    fn connect(&self, to: SocketAddr, within: Duration) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
        self.protector.protect(socket.as_fd())?;
        socket.connect_timeout(&SockAddr::from(to), within)?;
        Ok(socket.into())
    }
}

/// Waits for the answer to `question`; what else comes is not looked at.
fn answer(socket: &UdpSocket, question: &Message) -> io::Result<Vec<IpAddr>> {
    let deadline = Instant::now() + PATIENCE;
    let mut bytes = [0; LONGEST];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        let length = socket.recv(&mut bytes)?;
        let Ok(message) = Message::from_vec(bytes.get(..length).unwrap_or_default()) else {
            continue;
        };
        if message.metadata.message_type == MessageType::Response
            && message.metadata.id == question.metadata.id
            && message.queries == question.queries
        {
            return Ok(addresses(&message));
        }
    }
}

fn addresses(message: &Message) -> Vec<IpAddr> {
    let address = |data: &RData| match data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    };
    message.answers.iter().filter_map(|record| address(&record.data)).collect()
}

const PATIENCE: Duration = Duration::from_secs(2);
const TRIES: usize = 2; // per upstream and type
const LONGEST: usize = 4096; // bytes of an answer; without EDNS it has at most 512

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hickory_proto::rr::Record;
    use hickory_proto::rr::rdata::{A, AAAA};

    use super::*;
    use crate::shell::protect::Way;

    /// An upstream that knows one name; first it sends what is no answer.
    fn upstream(answers: usize) -> (SocketAddr, std::thread::JoinHandle<()>) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let serving = std::thread::spawn(move || {
            for _ in 0..answers {
                let mut bytes = [0; 512];
                let (length, peer) = socket.recv_from(&mut bytes).unwrap();
                let question = Message::from_vec(&bytes[..length]).unwrap();
                socket.send_to(&bytes[..length], peer).unwrap();
                let mut forged = question.clone().into_response();
                forged.metadata.id ^= 1;
                socket.send_to(&forged.to_vec().unwrap(), peer).unwrap();
                let mut reply = question.clone().into_response();
                let name = question.queries[0].name().clone();
                let data = match question.queries[0].query_type() {
                    RecordType::A => RData::A(A::new(192, 0, 2, 1)),
                    _ => RData::AAAA(AAAA("2001:db8::1".parse().unwrap())),
                };
                reply.add_answer(Record::from_rdata(name, 60, data));
                socket.send_to(&reply.to_vec().unwrap(), peer).unwrap();
            }
        });
        (address, serving)
    }

    #[test]
    fn upstreams_are_asked_and_only_their_answers_believed() {
        let (address, serving) = upstream(2);
        let dial = OwnDial::new(Arc::new(Way::None), vec![address]);
        let found = dial.resolve("lists.example").unwrap();
        serving.join().unwrap();
        assert_eq!(found, ["192.0.2.1", "2001:db8::1"].map(|a| a.parse::<IpAddr>().unwrap()));
    }

    #[test]
    fn a_dead_upstream_is_passed_over() {
        let dead = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (address, serving) = upstream(2);
        let dial = OwnDial::new(Arc::new(Way::None), vec![dead, address]);
        assert_eq!(dial.resolve("lists.example").unwrap().len(), 2);
        serving.join().unwrap();
    }
}
