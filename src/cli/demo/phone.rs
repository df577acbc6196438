//! The demo's phone: what it does in half a minute of 2017, and how each of that ended.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RecordType};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::internet::PAGE;
use super::world::{FOREIGN, PROVIDER, PROVIDER_V6};

/// One thing that the phone does.
#[derive(Clone, Copy)]
pub(super) struct Act {
    /// Which program does it.
    pub(super) app: &'static str,
    /// To whom.
    pub(super) host: &'static str,
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    /// Path of the request.
    pub(super) path: &'static str,
    /// Whether it sends what the user never agreed to.
    pub(super) posts: bool,
    /// How it finds and reaches the host.
    pub(super) by: Way,
}

/// How a host is found and reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    /// Over IPv4, by the provider's resolver.
    Usual,
    /// Over IPv4, by a resolver of the app's own choice.
    OwnResolver,
    /// Over IPv6, questions too.
    V6,
}

/// What the phone does, in this order.
pub(super) const ACTS: &[Act] = &[
    get("system", "http", "connectivitycheck.gstatic.com", "/generate_204"),
    get("browser", "https", "news.example", "/"),
    post("OPDeviceManager", "https", "open.oneplus.net", PUSH),
    get("browser", "http", "weather.example", "/today"),
    post("OPDeviceManager", "http", "open.oneplus.net", PUSH),
    get("bank", "https", "bank.example", "/balance"),
    post("shop", "https", "click.oneplus.cn", "/click"),
    Act { by: Way::OwnResolver, ..post("OPDeviceManager", "https", "open.oneplus.net", PUSH) },
    Act { by: Way::V6, ..get("gallery", "https", "photos.example", "/album") },
    Act { by: Way::V6, ..post("OPDeviceManager", "https", "open.oneplus.net", PUSH) },
    post("shop", "https", "stats.shop.example", "/collect"),
    post("weather", "https", "obus-dc-eu.heytapmobile.com", "/stat"),
    get("browser", "https", "news.example", "/story"),
];

const fn get(
    app: &'static str,
    scheme: &'static str,
    host: &'static str,
    path: &'static str,
) -> Act {
    Act { app, host, scheme, path, posts: false, by: Way::Usual }
}

const fn post(
    app: &'static str,
    scheme: &'static str,
    host: &'static str,
    path: &'static str,
) -> Act {
    Act { app, host, scheme, path, posts: true, by: Way::Usual }
}

/// An act, and what came of it.
#[derive(Clone)]
pub(super) struct Deed {
    /// The act.
    pub(super) act: Act,
    /// How it ended.
    pub(super) end: End,
    /// Questions that the phone sent.
    pub(super) questions: u64,
    /// Connections that it tried to open.
    pub(super) connections: u64,
}

/// How an act ended.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// The server answered, and all of its page came.
    Done {
        /// Bytes that the phone sent as payload.
        sent: usize,
    },
    /// The connection was refused.
    Refused {
        /// The address that the name led to.
        address: IpAddr,
        /// Time from the attempt to the refusal.
        after: Duration,
    },
    /// Anything else.
    Failed(String),
}

/// Waits until the Internet is there over IPv6: a fresh link takes a second for
/// that. If it never is, the acts over IPv6 fail and say so.
pub(super) fn wait_for_v6() {
    let start = Instant::now();
    let nobody = SocketAddr::new(PROVIDER_V6.into(), DISCARD);
    let refused = |error: std::io::Error| error.kind() == ErrorKind::ConnectionRefused;
    while start.elapsed() < PATIENCE {
        if TcpStream::connect_timeout(&nobody, Duration::from_millis(50)).is_err_and(refused) {
            return;
        }
    }
}

/// Does one act.
pub(super) fn perform(act: Act, tls: &Arc<ClientConfig>) -> Deed {
    let mut deed = Deed { act, end: End::Failed(String::new()), questions: 0, connections: 0 };
    deed.end = deed.attempt(tls).unwrap_or_else(|error| End::Failed(format!("{error:#}")));
    deed
}

impl Deed {
    fn attempt(&mut self, tls: &Arc<ClientConfig>) -> Result<End> {
        let act = self.act;
        let address = self.resolve()?;
        let https = act.scheme == "https";
        let start = Instant::now();
        let server = SocketAddr::new(address, if https { 443 } else { 80 });
        self.connections += 1;
        let stream = match TcpStream::connect_timeout(&server, PATIENCE) {
            Ok(stream) => stream,
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                return Ok(End::Refused { address, after: start.elapsed() });
            }
            Err(error) => return Err(error.into()),
        };
        stream.set_read_timeout(Some(PATIENCE))?;
        if https {
            let name = ServerName::try_from(act.host)?;
            exchange(act, StreamOwned::new(ClientConnection::new(tls.clone(), name)?, stream))
        } else {
            exchange(act, stream)
        }
    }

    /// Asks for the address, as a phone does: over UDP, again when nothing comes.
    fn resolve(&mut self) -> Result<IpAddr> {
        let (own, resolver, kind): (IpAddr, IpAddr, _) = match self.act.by {
            Way::Usual => (Ipv4Addr::UNSPECIFIED.into(), PROVIDER.into(), RecordType::A),
            Way::OwnResolver => (Ipv4Addr::UNSPECIFIED.into(), FOREIGN.into(), RecordType::A),
            Way::V6 => (Ipv6Addr::UNSPECIFIED.into(), PROVIDER_V6.into(), RecordType::AAAA),
        };
        let socket = UdpSocket::bind((own, 0))?;
        socket.connect((resolver, 53))?;
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
        let question = question(self.act.host, kind, socket.local_addr()?.port())?;
        let mut buffer = [0; 1500];
        for _ in 0..TRIES {
            self.questions += 1;
            socket.send(&question)?;
            let Ok(len) = socket.recv(&mut buffer) else { continue };
            let answer = Message::from_vec(buffer.get(..len).unwrap_or_default())?;
            let address = answer.answers.iter().find_map(|record| record.data.ip_addr());
            return address.with_context(|| format!("no address for {}", self.act.host));
        }
        bail!("no answer from {resolver}")
    }
}

fn question(host: &str, kind: RecordType, id: u16) -> Result<Vec<u8>> {
    let mut question = Message::new(id, MessageType::Query, OpCode::Query);
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(Name::from_str(host)?, kind));
    Ok(question.to_vec()?)
}

fn exchange(act: Act, mut stream: impl Read + Write) -> Result<End> {
    let body = if act.posts { PAYLOAD } else { "" };
    let verb = if act.posts { "POST" } else { "GET" };
    let Act { host, path, .. } = act;
    write!(
        stream,
        "{verb} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    stream.flush()?;
    let mut page = Vec::new();
    if let Err(error) = stream.read_to_end(&mut page)
        && error.kind() != ErrorKind::UnexpectedEof
    {
        return Err(error.into());
    }
    if !page.ends_with(PAGE) && !page.starts_with(b"HTTP/1.1 204") {
        bail!("the page came incomplete: {} bytes", page.len());
    }
    Ok(End::Done { sent: body.len() })
}

/// What the phone tells about its owner. Shaped after what was reported in
/// 2017; every value is made up (test IMEI, fictitious number, example names).
pub(super) const PAYLOAD: &str = r#"{"imei":"490154203237518","phone":"+12025550143","mac":"00:00:5e:00:53:af","serial":"EXAMPLE0001","operator":"Example Mobile","imsi_prefix":"00101","wifi":{"essid":"home.example","bssid":"00:00:5e:00:53:01"},"screen":[["on",1507620000],["unlock",1507620004],["off",1507620360]],"apps":[["com.example.mail","open",1507620010],["com.example.bank","open",1507620071],["com.example.health","open",1507620182]]}"#;

const PUSH: &str = "/cloud/pushdata"; // where that phone of 2017 sent it
const PATIENCE: Duration = Duration::from_secs(3);
const TRIES: usize = 3;
const DISCARD: u16 = 9; // a port on which nobody listens (RFC 863)
