//! The demo's Internet: names and web servers, and a book of what arrived.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::world::{FOREIGN, PROVIDER};

/// A name of the demo's Internet.
pub(super) struct Site {
    /// The name.
    pub(super) host: &'static str,
    /// Where it leads.
    pub(super) leads: Leads,
    /// Whether what is posted there is telemetry.
    pub(super) collects: bool,
}

/// Where a name leads.
pub(super) enum Leads {
    /// To this address.
    To(Ipv4Addr),
    /// To whatever this name leads to: an alias (CNAME).
    Alias(&'static str),
}

/// The names. Addresses are from the documentation ranges.
pub(super) const SITES: &[Site] = &[
    site("open.oneplus.net", 10, true),
    site("click.oneplus.cn", 11, true),
    site("obus-dc-eu.heytapmobile.com", 12, true),
    site("news.example", 20, false),
    site("weather.example", 21, false),
    site("bank.example", 22, false),
    site("photos.example", 23, false),
    site("connectivitycheck.gstatic.com", 24, false),
    Site { host: "stats.shop.example", leads: Leads::Alias("open.oneplus.net"), collects: true },
];

const fn site(host: &'static str, last: u8, collects: bool) -> Site {
    Site { host, leads: Leads::To(Ipv4Addr::new(203, 0, 113, last)), collects }
}

/// Every address that the Internet answers on.
pub(super) fn addresses() -> Vec<Ipv4Addr> {
    let sites = SITES.iter().filter_map(|site| match site.leads {
        Leads::To(address) => Some(address),
        Leads::Alias(_) => None,
    });
    sites.chain([PROVIDER, FOREIGN]).collect()
}

/// What arrived at a web server.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    /// Host of the request.
    pub(super) host: String,
    /// Bytes of its body.
    pub(super) body: usize,
}

/// The book of arrivals, written by the servers.
#[derive(Clone, Default)]
pub(super) struct Book(Arc<Mutex<Vec<Arrival>>>);

impl Book {
    /// Closes the book and begins a new one.
    pub(super) fn take(&self) -> Vec<Arrival> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, arrival: Arrival) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(arrival);
    }
}

/// Starts all servers. Call it on the Internet's host.
pub(super) fn serve(tls: &Arc<ServerConfig>, book: &Book) -> Result<()> {
    for resolver in [PROVIDER, FOREIGN] {
        let socket = UdpSocket::bind((resolver, 53))?;
        thread::spawn(move || answer_forever(&socket));
    }
    for (port, tls) in [(80, None), (443, Some(tls.clone()))] {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?;
        let book = book.clone();
        thread::spawn(move || accept_forever(&listener, tls.as_ref(), &book));
    }
    Ok(())
}

fn answer_forever(socket: &UdpSocket) {
    let mut buffer = [0; 1500];
    while let Ok((len, client)) = socket.recv_from(&mut buffer) {
        if let Some(reply) = buffer.get(..len).and_then(answer) {
            // A client that is gone needs no answer.
            let _ = socket.send_to(&reply, client);
        }
    }
}

fn answer(question: &[u8]) -> Option<Vec<u8>> {
    let question = Message::from_vec(question).ok()?;
    let query = question.queries.first()?;
    let asked = query.name().to_lowercase().to_utf8();
    let mut reply = Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
    reply.metadata.recursion_desired = question.metadata.recursion_desired;
    reply.metadata.recursion_available = true;
    reply.add_query(query.clone());
    let mut host = asked.trim_end_matches('.');
    let mut owner = query.name().clone();
    while let Some(site) = SITES.iter().find(|site| site.host == host) {
        match site.leads {
            Leads::Alias(target) => {
                let name = Name::from_str(target).ok()?;
                let alias = RData::CNAME(CNAME(name.clone()));
                reply.add_answer(Record::from_rdata(owner, TTL, alias));
                (owner, host) = (name, target);
            }
            Leads::To(address) => {
                if query.query_type() == RecordType::A {
                    reply.add_answer(Record::from_rdata(owner, TTL, RData::A(A(address))));
                }
                return reply.to_vec().ok();
            }
        }
    }
    reply.metadata.response_code = ResponseCode::NXDomain;
    reply.to_vec().ok()
}

fn accept_forever(listener: &TcpListener, tls: Option<&Arc<ServerConfig>>, book: &Book) {
    for stream in listener.incoming().flatten() {
        let (tls, book) = (tls.cloned(), book.clone());
        // A request that breaks off shows in the book by its absence.
        thread::spawn(move || converse(stream, tls, &book));
    }
}

fn converse(stream: TcpStream, tls: Option<Arc<ServerConfig>>, book: &Book) -> Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    match tls {
        None => request(stream, book),
        Some(tls) => request(StreamOwned::new(ServerConnection::new(tls)?, stream), book),
    }
}

/// One HTTP/1.1 request, as far as the demo's own phone makes use of it.
fn request(stream: impl Read + Write, book: &Book) -> Result<()> {
    let mut reader = BufReader::new(stream);
    let mut start = String::new();
    reader.read_line(&mut start)?;
    let (mut host, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        match line.trim().split_once(": ") {
            Some(("Host", name)) => host = name.into(),
            Some(("Content-Length", bytes)) => length = bytes.parse()?,
            _ => {}
        }
    }
    let mut body = Vec::new();
    reader.by_ref().take(length).read_to_end(&mut body)?;
    book.write(Arrival { host, body: body.len() });
    let stream = reader.get_mut();
    if start.contains("/generate_204") {
        stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")?;
    } else {
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            PAGE.len()
        )?;
        stream.write_all(PAGE)?;
    }
    Ok(stream.flush()?)
}

/// Where the phone connects to reach `address` on `port`.
pub(super) fn web(address: Ipv4Addr, port: u16) -> SocketAddr {
    (address, port).into()
}

/// What every ordinary page consists of.
pub(super) const PAGE: &[u8] = &[b'.'; 32 * 1024];

const TTL: u32 = 60; // seconds
const PATIENCE: Duration = Duration::from_secs(5);
