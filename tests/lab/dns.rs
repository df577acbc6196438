//! A small DNS client, written apart from optout's own code so that the two do
//! not share a mistake.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The message.
    pub(crate) message: Vec<u8>,
    /// Every A and AAAA record in the answer section.
    pub(crate) addresses: Vec<IpAddr>,
    /// The smallest TTL in the answer section, in seconds.
    pub(crate) ttl: Option<u32>,
    /// Records in the answer section.
    pub(crate) records: usize,
    /// The EDE code of an OPT record (RFC 8914).
    pub(crate) ede: Option<u16>,
}

impl Answer {
    /// Reads a message; `None` if it is none.
    pub(crate) fn parse(message: &[u8]) -> Option<Self> {
        let mut answer = Self {
            message: message.to_owned(),
            addresses: Vec::new(),
            ttl: None,
            records: count(message, 6)?,
            ede: None,
        };
        let mut at = 12;
        for _ in 0..count(message, 4)? {
            at = skip_name(message, at)? + 4;
        }
        let answers = answer.records;
        for n in 0..answers + count(message, 8)? + count(message, 10)? {
            at = skip_name(message, at)?;
            let fixed = message.get(at..at + 10)?;
            let kind = u16::from_be_bytes([fixed[0], fixed[1]]);
            let ttl = u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]);
            let length = usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
            let data = message.get(at + 10..at + 10 + length)?;
            at += 10 + length;
            if n < answers {
                answer.ttl = Some(answer.ttl.map_or(ttl, |least| least.min(ttl)));
                match (kind, <[u8; 4]>::try_from(data), <[u8; 16]>::try_from(data)) {
                    (A, Ok(v4), _) => answer.addresses.push(v4.into()),
                    (AAAA, _, Ok(v6)) => answer.addresses.push(v6.into()),
                    _ => {}
                }
            }
            if let (OPT, [0, 15, _, _, a, b, ..]) = (kind, data) {
                answer.ede = Some(u16::from_be_bytes([*a, *b]));
            }
        }
        Some(answer)
    }

    /// RCODE, without the bits that EDNS adds.
    pub(crate) fn rcode(&self) -> u8 {
        self.message[3] & 15
    }

    /// Whether it was cut short (TC).
    pub(crate) fn truncated(&self) -> bool {
        self.message[2] & 2 != 0
    }

    /// Whether it has an address and every address is ours.
    pub(crate) fn is_sinkholed(&self) -> bool {
        !self.addresses.is_empty() && self.addresses.iter().copied().all(is_sinkhole)
    }
}

/// Whether an address is in one of the sinkhole ranges.
pub(crate) fn is_sinkhole(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.octets()[0] == 198 && v4.octets()[1] & !1 == 18,
        IpAddr::V6(v6) => v6.segments()[..4] == [0xfd6f, 0x7074, 0x6f75, 0x7400],
    }
}

/// A question, with an OPT record of 1232 bytes.
pub(crate) fn question(id: u16, name: &str, kind: u16) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
    for label in name.split('.').filter(|label| !label.is_empty()) {
        message.push(u8::try_from(label.len()).expect("a label"));
        message.extend(label.as_bytes());
    }
    message.push(0);
    message.extend(kind.to_be_bytes());
    message.extend([0, 1]);
    message.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    message
}

/// Asks over UDP. An answer from elsewhere than the server, or with another id,
/// is none, as for any stub resolver.
pub(crate) fn udp(
    server: impl Into<SocketAddr>,
    name: &str,
    kind: u16,
    patience: Duration,
) -> io::Result<Answer> {
    let id = fresh_id();
    let answer = udp_raw(server, &question(id, name, kind), patience)?;
    if answer.message[..2] != id.to_be_bytes() {
        return Err(io::Error::other("an answer with another id"));
    }
    Ok(answer)
}

/// Sends bytes over UDP and takes one answer, from the server alone.
pub(crate) fn udp_raw(
    server: impl Into<SocketAddr>,
    message: &[u8],
    patience: Duration,
) -> io::Result<Answer> {
    let server = server.into();
    let message = udp_bytes(server, message, patience)?;
    Answer::parse(&message).ok_or_else(|| io::Error::other("not a DNS message"))
}

/// Sends bytes over UDP and takes what comes back, from the server alone.
pub(crate) fn udp_bytes(
    server: impl Into<SocketAddr>,
    message: &[u8],
    patience: Duration,
) -> io::Result<Vec<u8>> {
    let server = server.into();
    let any: IpAddr = if server.is_ipv4() { [0; 4].into() } else { [0_u16; 8].into() };
    let socket = UdpSocket::bind((any, 0))?;
    // Connected: the kernel gives us nothing that is not from the server.
    socket.connect(server)?;
    socket.set_read_timeout(Some(patience))?;
    socket.send(message)?;
    let mut buffer = vec![0; 65_535];
    let length = socket.recv(&mut buffer)?;
    buffer.truncate(length);
    Ok(buffer)
}

/// Asks over TCP, every question in one write (RFC 7766 §6.2.1.1), and takes as
/// many answers, in the order in which they come.
pub(crate) fn tcp(
    server: impl Into<SocketAddr>,
    questions: &[Vec<u8>],
    patience: Duration,
) -> io::Result<Vec<Answer>> {
    let server = server.into();
    let mut stream = TcpStream::connect_timeout(&server, patience)?;
    stream.set_read_timeout(Some(patience))?;
    let framed: Vec<u8> = questions.iter().flat_map(|q| frame(q)).collect();
    stream.write_all(&framed)?;
    let mut answers = Vec::new();
    for _ in questions {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut message)?;
        let answer = Answer::parse(&message);
        answers.push(answer.ok_or_else(|| io::Error::other("not a DNS message"))?);
    }
    Ok(answers)
}

/// Connects and says how that ended, and how long it took.
pub(crate) fn connect(to: impl Into<SocketAddr>) -> (io::Result<TcpStream>, Duration) {
    let begun = Instant::now();
    let ended = TcpStream::connect_timeout(&to.into(), Duration::from_secs(3));
    (ended, begun.elapsed())
}

/// Bytes from their hexadecimal digits.
pub(crate) fn unhex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    let pairs = pairs.map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    pairs.map(|pair| u8::from_str_radix(pair, 16).expect("two digits")).collect()
}

fn frame(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).expect("a DNS message");
    [&length.to_be_bytes(), message].concat()
}

fn fresh_id() -> u16 {
    use std::hash::{BuildHasher as _, RandomState};
    u16::try_from(RandomState::new().hash_one(0) & 0xffff).expect("16 bits")
}

fn count(message: &[u8], at: usize) -> Option<usize> {
    let two = message.get(at..at + 2)?;
    Some(usize::from(u16::from_be_bytes([two[0], two[1]])))
}

fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            192.. => return Some(at + 2),
            length => at += 1 + usize::from(length),
        }
    }
}

pub(crate) const A: u16 = 1; // RFC 1035 §3.2.2
pub(crate) const TXT: u16 = 16; // RFC 1035 §3.2.2
pub(crate) const AAAA: u16 = 28; // RFC 3596 §2.1
pub(crate) const HTTPS: u16 = 65; // RFC 9460 §14.1
pub(crate) const SVCB: u16 = 64; // RFC 9460 §14.1
const OPT: u16 = 41; // RFC 6891 §6.1.1

pub(crate) const NOERROR: u8 = 0; // RFC 1035 §4.1.1
pub(crate) const NXDOMAIN: u8 = 3; // RFC 1035 §4.1.1
pub(crate) const REFUSED: u8 = 5; // RFC 1035 §4.1.1
