//! One question to an upstream: does it answer?

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::shell::doctor::facts::Probe;

/// Asks all at the same time, each in two tries of one second.
pub(super) fn ask_all(addresses: &[String], mark: u32) -> Vec<Probe> {
    std::thread::scope(|scope| {
        let asking: Vec<_> = addresses
            .iter()
            .take(MOST)
            .map(|address| scope.spawn(move || ask(address, mark)))
            .collect();
        asking.into_iter().filter_map(|thread| thread.join().ok()).collect()
    })
}

fn ask(address: &str, mark: u32) -> Probe {
    let answer = match address.parse() {
        Ok(upstream) => question(upstream, mark).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "no answer in 2 s".into(),
            _ => error.to_string(),
        }),
        Err(_) => Err("not an address".into()),
    };
    Probe { address: address.into(), answer }
}

fn question(upstream: SocketAddr, mark: u32) -> io::Result<Duration> {
    let socket = Socket::new(Domain::for_address(upstream), Type::DGRAM, None)?;
    // So that it goes past the daemon. Without the right to, it goes through
    // it, and its answer is as good.
    let _ = socket.set_mark(mark);
    socket.connect(&SockAddr::from(upstream))?;
    let socket = UdpSocket::from(socket);
    socket.set_read_timeout(Some(PATIENCE))?;
    let started = Instant::now();
    let mut last = None;
    for _ in 0..2 {
        socket.send(&QUESTION)?;
        match await_answer(&socket) {
            Ok(()) => return Ok(started.elapsed()),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::TimedOut.into()))
}

/// Any answer to our question will do, a refusal too: somebody is there.
fn await_answer(socket: &UdpSocket) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut answer = [0; 512];
    while Instant::now() < deadline {
        let length = socket.recv(&mut answer)?;
        if let [a, b, flags, ..] = answer[..length]
            && [a, b] == [QUESTION[0], QUESTION[1]]
            && flags & 0x80 != 0
        {
            return Ok(());
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

const PATIENCE: Duration = Duration::from_secs(1);

/// Upstreams asked at most; resolv.conf(5) knows three.
const MOST: usize = 8;

/// `. NS IN`, recursion desired (RFC 1035 §4.1). The id need not be secret:
/// nothing is believed but that an answer came.
const QUESTION: [u8; 17] = [0x4f, 0x50, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_answers_or_does_not() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap().to_string();
        let answering = std::thread::spawn(move || {
            let mut buffer = [0; 512];
            let (length, peer) = socket.recv_from(&mut buffer).unwrap();
            socket.send_to(b"no", peer).unwrap();
            buffer[2] |= 0x80;
            socket.send_to(&buffer[..length], peer).unwrap();
        });
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let silent_address = silent.local_addr().unwrap().to_string();
        let addresses = [address, silent_address, "nonsense".into()];
        let probes = ask_all(&addresses, 0);
        answering.join().unwrap();
        assert!(probes[0].answer.is_ok(), "{:?}", probes[0]);
        assert_eq!(probes[1].answer, Err("no answer in 2 s".into()));
        assert_eq!(probes[2].answer, Err("not an address".into()));
    }
}
