//! The demo's phone: what it does in half a minute of 2017, and how each of it ended.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RData, RecordType};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::internet::{PAGE, web};
use super::world::{FOREIGN, PROVIDER};

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
    /// Whether the app asks a resolver of its own choice.
    pub(super) own_resolver: bool,
}

/// What the phone does, in this order.
pub(super) const ACTS: &[Act] = &[
    get("system", "http", "connectivitycheck.gstatic.com", "/generate_204"),
    get("browser", "https", "news.example", "/"),
    post("OPDeviceManager", "https", "open.oneplus.net", "/cloud/pushdata"),
    get("browser", "http", "weather.example", "/today"),
    post("OPDeviceManager", "http", "open.oneplus.net", "/cloud/pushdata"),
    get("bank", "https", "bank.example", "/balance"),
    post("shop", "https", "click.oneplus.cn", "/click"),
    Act {
        own_resolver: true,
        ..post("OPDeviceManager", "https", "open.oneplus.net", "/cloud/pushdata")
    },
    get("gallery", "https", "photos.example", "/album"),
    post("shop", "https", "stats.shop.example", "/collect"),
    post("weather", "https", "obus-dc-eu.heytapmobile.com", "/v2/stat"),
    get("browser", "https", "news.example", "/story"),
];

const fn get(
    app: &'static str,
    scheme: &'static str,
    host: &'static str,
    path: &'static str,
) -> Act {
    Act { app, host, scheme, path, posts: false, own_resolver: false }
}

const fn post(
    app: &'static str,
    scheme: &'static str,
    host: &'static str,
    path: &'static str,
) -> Act {
    Act { app, host, scheme, path, posts: true, own_resolver: false }
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
        address: Ipv4Addr,
        /// Time from the attempt to the refusal.
        after: Duration,
    },
    /// Anything else.
    Failed(String),
}

/// Does one act.
pub(super) fn perform(act: Act, tls: &Arc<ClientConfig>) -> End {
    attempt(act, tls).unwrap_or_else(|error| End::Failed(format!("{error:#}")))
}

fn attempt(act: Act, tls: &Arc<ClientConfig>) -> Result<End> {
    let resolver = if act.own_resolver { FOREIGN } else { PROVIDER };
    let address = resolve(act.host, resolver)?;
    let https = act.scheme == "https";
    let start = Instant::now();
    let server = web(address, if https { 443 } else { 80 });
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

/// Asks `resolver` for the address of `host`, as a phone does: over UDP, again
/// when nothing comes.
fn resolve(host: &str, resolver: Ipv4Addr) -> Result<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(SocketAddr::from((resolver, 53)))?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut question = Message::new(socket.local_addr()?.port(), MessageType::Query, OpCode::Query);
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(Name::from_str(host)?, RecordType::A));
    let question = question.to_vec()?;
    let mut buffer = [0; 1500];
    for _ in 0..TRIES {
        socket.send(&question)?;
        let Ok(len) = socket.recv(&mut buffer) else { continue };
        let answer = Message::from_vec(buffer.get(..len).unwrap_or_default())?;
        let address = answer.answers.iter().find_map(|record| match &record.data {
            RData::A(address) => Some(address.0),
            _ => None,
        });
        return address.with_context(|| format!("no address for {host}"));
    }
    bail!("no answer from {resolver}")
}

/// What the phone tells about its owner. Shaped after what was reported in
/// 2017; every value is made up (test IMEI, fictitious number, example names).
pub(super) const PAYLOAD: &str = r#"{"imei":"490154203237518","phone":"+12025550143","mac":"00:00:5e:00:53:af","serial":"EXAMPLE0001","operator":"Example Mobile","imsi_prefix":"00101","wifi":{"essid":"home.example","bssid":"00:00:5e:00:53:01"},"screen":[["on",1507620000],["unlock",1507620004],["off",1507620360]],"apps":[["com.example.mail","open",1507620010],["com.example.bank","open",1507620071],["com.example.health","open",1507620182]]}"#;

const PATIENCE: Duration = Duration::from_secs(3);
const TRIES: usize = 3;
