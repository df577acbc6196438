//! The demo's Internet: names and web servers, and a book of what arrived.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream, UdpSocket};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::world::{FOREIGN, PROVIDER, PROVIDER_V6, v6};

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
    /// To these addresses.
    To(Ipv4Addr, Ipv6Addr),
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
    let leads = Leads::To(Ipv4Addr::new(203, 0, 113, last), v6(3, last as u16));
    Site { host, leads, collects }
}

/// Every address that the Internet answers on.
pub(super) fn addresses() -> Vec<IpAddr> {
    let sites = SITES.iter().filter_map(|site| match site.leads {
        Leads::To(v4, v6) => Some([v4.into(), v6.into()]),
        Leads::Alias(_) => None,
    });
    sites.flatten().chain([PROVIDER.into(), FOREIGN.into(), PROVIDER_V6.into()]).collect()
}

/// What arrived at a web server.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    /// Host of the request.
    pub(super) host: String,
    /// Bytes of its body.
    pub(super) body: usize,
}

/// What arrived at all servers.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Names that resolvers were asked for.
    pub(super) questions: Vec<String>,
    /// Requests to web servers.
    pub(super) arrivals: Vec<Arrival>,
}

/// The book of arrivals, written by the servers.
#[derive(Clone, Default)]
pub(super) struct Book(Arc<Mutex<Page>>);

impl Book {
    /// Takes the page out, and begins a new one.
    pub(super) fn take(&self) -> Page {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, note: impl FnOnce(&mut Page)) {
        note(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Starts all servers. Call it on the Internet's host.
pub(super) fn serve(tls: &Arc<ServerConfig>, book: &Book, has_v6: bool) -> Result<()> {
    let mut resolvers: Vec<IpAddr> = vec![PROVIDER.into(), FOREIGN.into()];
    if has_v6 {
        resolvers.push(PROVIDER_V6.into());
    }
    for resolver in resolvers {
        let socket = UdpSocket::bind((resolver, 53))?;
        let book = book.clone();
        thread::spawn(move || answer_forever(&socket, &book));
    }
    // A socket of IPv6 takes connections of IPv4 too.
    let any: IpAddr =
        if has_v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    for (port, tls) in [(80, None), (443, Some(tls.clone()))] {
        let listener = TcpListener::bind((any, port))?;
        let book = book.clone();
        thread::spawn(move || accept_forever(&listener, tls.as_ref(), &book));
    }
    Ok(())
}

fn answer_forever(socket: &UdpSocket, book: &Book) {
    let mut buffer = [0; 1500];
    while let Ok((len, client)) = socket.recv_from(&mut buffer) {
        if let Some(reply) = buffer.get(..len).and_then(|question| answer(question, book)) {
            // A client that is gone needs no answer.
            let _ = socket.send_to(&reply, client);
        }
    }
}

fn answer(question: &[u8], book: &Book) -> Option<Vec<u8>> {
    let question = Message::from_vec(question).ok()?;
    let query = question.queries.first()?;
    let asked = query.name().to_lowercase().to_utf8();
    let mut reply = Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
    reply.metadata.recursion_desired = question.metadata.recursion_desired;
    reply.metadata.recursion_available = true;
    reply.add_query(query.clone());
    let mut host = asked.trim_end_matches('.');
    book.write(|page| page.questions.push(host.into()));
    let mut owner = query.name().clone();
    while let Some(site) = SITES.iter().find(|site| site.host == host) {
        match site.leads {
            Leads::Alias(target) => {
                let name = Name::from_str(target).ok()?;
                let alias = RData::CNAME(CNAME(name.clone()));
                reply.add_answer(Record::from_rdata(owner, TTL, alias));
                (owner, host) = (name, target);
            }
            Leads::To(v4, v6) => {
                let data = match query.query_type() {
                    RecordType::A => RData::A(A(v4)),
                    RecordType::AAAA => RData::AAAA(AAAA(v6)),
                    _ => return reply.to_vec().ok(),
                };
                reply.add_answer(Record::from_rdata(owner, TTL, data));
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
    book.write(|page| page.arrivals.push(Arrival { host, body: body.len() }));
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

/// What every ordinary page consists of.
pub(super) const PAGE: &[u8] = &[b'.'; 32 * 1024];

const TTL: u32 = 60; // seconds
const PATIENCE: Duration = Duration::from_secs(5);
