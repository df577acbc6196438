//! Transfers of which every byte is known beforehand, so that both ends compare
//! what came with what was sent.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use super::{Node, page};

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Way {
    /// From the server. The client has said that it will say no more.
    Down,
    /// To the server, which says at the end how it was.
    Up,
}

/// Serves transfers at these addresses until the test ends.
pub(crate) fn serve(node: &Node, addresses: &[IpAddr], port: u16) {
    for address in addresses {
        let listener = node.enter(|| TcpListener::bind((*address, port))).expect("a free port");
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || answer(stream));
            }
        });
    }
}

/// One transfer of `length` bytes that says this host in its head.
pub(crate) fn transfer(to: SocketAddr, host: &str, way: Way, length: usize) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let verb = if way == Way::Up { "PUT" } else { "GET" };
    let head = format!("{verb} /{length} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    if way == Way::Up {
        send(&mut stream, length)?;
    }
    stream.shutdown(Shutdown::Write)?;
    if way == Way::Down {
        return compare(&mut stream, length);
    }
    let mut verdict = String::new();
    stream.read_to_string(&mut verdict)?;
    if verdict == "as it was sent" { Ok(()) } else { Err(odd(&verdict)) }
}

fn answer(mut stream: TcpStream) {
    let _ = stream.set_read_timeout(Some(PATIENCE));
    let Ok(head) = head(&mut stream) else { return };
    let length = head.split(['/', ' ']).nth(2).and_then(|number| number.parse().ok());
    let Some(length) = length else { return };
    if head.starts_with("POST") {
        return echo(stream);
    }
    if head.starts_with("GET") {
        // The client may have gone; it says so itself.
        let _ = send(&mut stream, length);
        return;
    }
    let verdict = match compare(&mut stream, length) {
        Ok(()) => "as it was sent".to_owned(),
        Err(error) => error.to_string(),
    };
    let _ = stream.write_all(verdict.as_bytes());
}

/// A connection that stays, and on which everything comes back.
pub(crate) struct Living {
    stream: TcpStream,
    rounds: u64,
}

impl Living {
    /// Opens one that says this host in its head.
    pub(crate) fn open(to: SocketAddr, host: &str) -> io::Result<Self> {
        let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        stream.write_all(format!("POST /0 HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes())?;
        let mut living = Self { stream, rounds: 0 };
        living.round()?;
        Ok(living)
    }

    /// Says something and hears it again.
    pub(crate) fn round(&mut self) -> io::Result<()> {
        self.rounds += 1;
        let said = self.rounds.to_be_bytes();
        self.stream.write_all(&said)?;
        let mut heard = [0; 8];
        self.stream.read_exact(&mut heard)?;
        if heard == said { Ok(()) } else { Err(odd("something else came back")) }
    }

    /// How often it said something.
    pub(crate) fn rounds(&self) -> u64 {
        self.rounds
    }
}

fn echo(mut stream: TcpStream) {
    // A flow that a test stops is silent for a while; it ends with the test.
    let _ = stream.set_read_timeout(None);
    let _ = stream.set_nodelay(true);
    let mut bytes = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut bytes) {
        if stream.write_all(&bytes[..length]).is_err() {
            return;
        }
    }
}

/// Reads up to the empty line and not a byte more.
fn head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    String::from_utf8(head).map_err(|_| odd("not text"))
}

fn send(stream: &mut impl Write, length: usize) -> io::Result<()> {
    let block = block();
    let mut left = length;
    while left > 0 {
        let now = left.min(block.len());
        stream.write_all(&block[..now])?;
        left -= now;
    }
    Ok(())
}

/// Reads to the end, which must come after that many bytes, and compares all of them.
fn compare(stream: &mut impl Read, length: usize) -> io::Result<()> {
    let block = block();
    let mut bytes = vec![0; 64 * 1024];
    let mut at = 0;
    loop {
        let from = at % block.len();
        let most = bytes.len().min(block.len() - from);
        let came = match stream.read(&mut bytes[..most]) {
            Ok(0) if at == length => return Ok(()),
            Ok(0) => return Err(odd(&format!("it ended after {at} of {length} bytes"))),
            Ok(came) => came,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(odd(&format!("after {at} of {length} bytes: {error}"))),
        };
        if bytes[..came] != block[from..from + came] {
            return Err(odd(&format!("another byte within {came} after {at}")));
        }
        at += came;
    }
}

fn odd(what: &str) -> io::Error {
    io::Error::other(what.to_owned())
}

/// What is repeated; its length is prime, so that no segment repeats at its place.
fn block() -> &'static [u8] {
    static BLOCK: OnceLock<Vec<u8>> = OnceLock::new();
    BLOCK.get_or_init(|| page()[..262_139].to_vec())
}

/// Longest silence within a transfer that is not a failure.
const PATIENCE: Duration = Duration::from_secs(30);
