//! Servers that keep every byte they accept.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::{Node, within};

/// What a server of the Internet accepted, by the client that it came from. It
/// serves until the test ends.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<BTreeMap<SocketAddr, Vec<Vec<u8>>>>>);

impl Recorder {
    /// A real TCP server of Linux, that answers nothing.
    pub(crate) fn tcp(node: &Node, address: IpAddr, port: u16) -> Self {
        Self::tcp_that_says(node, (address, port).into(), &[])
    }

    /// One that speaks first: this, as soon as it has a connection.
    pub(crate) fn tcp_that_says(node: &Node, at: SocketAddr, banner: &'static [u8]) -> Self {
        let recorder = Self::default();
        let (kept, listener) = (recorder.clone(), node.enter(|| TcpListener::bind(at)));
        let listener = listener.expect("a free port");
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = kept.clone();
                thread::spawn(move || kept.read(stream, banner));
            }
        });
        recorder
    }

    /// A UDP server, that answers nothing.
    pub(crate) fn udp(node: &Node, address: IpAddr, port: u16) -> Self {
        let recorder = Self::default();
        let (kept, socket) = (recorder.clone(), node.enter(|| UdpSocket::bind((address, port))));
        let socket = socket.expect("a free port");
        thread::spawn(move || {
            let mut datagram = vec![0; 65_535];
            while let Ok((length, from)) = socket.recv_from(&mut datagram) {
                kept.keep(from, |all| all.push(datagram[..length].to_vec()));
            }
        });
        recorder
    }

    /// The bytes that came from this client, in order.
    pub(crate) fn bytes(&self, from: SocketAddr) -> Vec<u8> {
        self.datagrams(from).concat()
    }

    /// The datagrams that came from this client.
    pub(crate) fn datagrams(&self, from: SocketAddr) -> Vec<Vec<u8>> {
        self.0.lock().expect("no panic before").get(&from).cloned().unwrap_or_default()
    }

    /// Waits until as many bytes came from this client, not for ever; what came.
    pub(crate) fn wait_for(&self, from: SocketAddr, length: usize) -> Vec<u8> {
        let all = || Some(self.bytes(from)).filter(|bytes| bytes.len() >= length);
        within(Duration::from_secs(3), all).unwrap_or_else(|| self.bytes(from))
    }

    fn read(&self, mut stream: TcpStream, banner: &[u8]) {
        let Ok(from) = stream.peer_addr() else { return };
        if !banner.is_empty() && stream.write_all(banner).is_err() {
            return;
        }
        let mut bytes = vec![0; 65_536];
        while let Ok(length @ 1..) = stream.read(&mut bytes) {
            self.keep(from, |all| all.push(bytes[..length].to_vec()));
        }
    }

    fn keep(&self, from: SocketAddr, add: impl FnOnce(&mut Vec<Vec<u8>>)) {
        add(self.0.lock().expect("no panic before").entry(from).or_default());
    }
}
