//! A server of lists that behaves as badly as a test wants.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::shell::subscriptions::{Dial, given_roots};

/// What certificate a server shows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shown {
    Good,
    Expired,
    OfTheFuture,
    ForAnotherName,
    SelfSigned,
}

/// How a server ends a connection.
pub(super) enum End {
    /// As TLS wants it.
    Word,
    /// It closes the connection without a word.
    Cut,
    /// It resets the connection.
    Reset,
}

pub(super) type Wire = StreamOwned<ServerConnection, TcpStream>;

/// What a server was asked: the path, the head of the request, how many came before.
pub(super) struct Asked {
    pub(super) path: String,
    pub(super) head: String,
    pub(super) before: usize,
}

type Answer = dyn Fn(&Asked, &mut Wire) -> io::Result<End> + Send + Sync;

/// A server on loopback, to which [`Mapped`] leads every name. It ends with its last clone.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) roots: RootCertStore,
    pub(super) dial: Arc<Mapped>,
    heads: Arc<Mutex<Vec<String>>>,
    _stop: Arc<Stop>,
}

impl Server {
    /// A server that answers each request so.
    pub(super) fn new(
        answer: impl Fn(&Asked, &mut Wire) -> io::Result<End> + Send + Sync + 'static,
    ) -> Self {
        Self::showing(Shown::Good, answer)
    }

    pub(super) fn showing(
        shown: Shown,
        answer: impl Fn(&Asked, &mut Wire) -> io::Result<End> + Send + Sync + 'static,
    ) -> Self {
        let (authority, tls) = certificate(shown);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (heads, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (kept, stopped) = (heads.clone(), stop.clone());
        let answer: Arc<Answer> = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (tls, kept, answer) = (tls.clone(), kept.clone(), answer.clone());
                thread::spawn(move || drop(serve(stream, tls, &kept, &*answer)));
            }
        });
        let dial = Arc::new(Mapped { port, ..Mapped::default() });
        Self {
            roots: given_roots(vec![authority]),
            dial,
            heads,
            _stop: Arc::new(Stop { port, stop }),
        }
    }

    /// A server that always gives this text.
    pub(super) fn giving(text: &str) -> Self {
        let text = text.to_owned();
        Self::new(move |_, wire| plain(wire, &text))
    }

    /// The heads of the requests that came.
    pub(super) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

struct Stop {
    port: u16,
    stop: Arc<AtomicBool>,
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn serve(
    stream: TcpStream,
    tls: Arc<ServerConfig>,
    heads: &Mutex<Vec<String>>,
    answer: &Answer,
) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.set_write_timeout(Some(Duration::from_secs(20)))?;
    let mut wire = StreamOwned::new(ServerConnection::new(tls).unwrap(), stream);
    let mut head = String::new();
    let mut from = BufReader::new(&mut wire);
    while !head.ends_with("\r\n\r\n") {
        if from.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let before = {
        let mut heads = heads.lock().unwrap();
        heads.push(head.clone());
        heads.len() - 1
    };
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let end = answer(&Asked { path, head, before }, &mut wire)?;
    match end {
        End::Word => {
            wire.conn.send_close_notify();
            wire.flush()?;
            // What we have not read would turn our close into a reset.
            wire.sock.shutdown(std::net::Shutdown::Write)?;
            io::copy(&mut wire.sock, &mut io::sink())?;
        }
        End::Cut => {
            wire.flush()?;
            wire.sock.shutdown(std::net::Shutdown::Write)?;
            io::copy(&mut wire.sock, &mut io::sink())?;
        }
        End::Reset => {
            wire.flush()?;
            // What was sent should arrive first.
            thread::sleep(Duration::from_millis(50));
            socket2::SockRef::from(&wire.sock).set_linger(Some(Duration::ZERO))?;
        }
    }
    Ok(())
}

/// Sends a head with these lines.
pub(super) fn head(wire: &mut Wire, status: u16, lines: &[&str]) -> io::Result<()> {
    let mut text = format!("HTTP/1.1 {status} Some\r\n");
    for line in lines {
        text.push_str(line);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    wire.write_all(text.as_bytes())?;
    wire.flush()
}

/// Sends a text as it should be.
pub(super) fn plain(wire: &mut Wire, text: &str) -> io::Result<End> {
    bytes(wire, &[], text.as_bytes())
}

/// Sends bytes with these lines in the head.
pub(super) fn bytes(wire: &mut Wire, lines: &[&str], body: &[u8]) -> io::Result<End> {
    let length = format!("Content-Length: {}", body.len());
    let mut all = vec![length.as_str()];
    all.extend(lines);
    head(wire, 200, &all)?;
    wire.write_all(body)?;
    wire.flush()?;
    Ok(End::Word)
}

/// Sends to another place.
pub(super) fn redirect(wire: &mut Wire, location: &str) -> io::Result<End> {
    head(wire, 302, &["Content-Length: 0", &format!("Location: {location}")])?;
    Ok(End::Word)
}

/// Resolves every name to a documentation address, except where a test says
/// otherwise, and leads every connection to the test's own server.
#[derive(Debug, Default)]
pub(super) struct Mapped {
    port: u16,
    /// What else names resolve to.
    pub(super) names: Mutex<HashMap<String, Vec<IpAddr>>>,
    /// Every address that was connected to.
    pub(super) connected: Mutex<Vec<SocketAddr>>,
    /// Every name that was asked for.
    pub(super) asked: Mutex<Vec<String>>,
}

impl Mapped {
    pub(super) fn name(&self, host: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        self.names.lock().unwrap().insert(host.into(), addresses);
    }
}

impl Dial for Mapped {
    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.lock().unwrap().push(host.into());
        let usual = || vec!["192.0.2.1".parse().unwrap()];
        Ok(self.names.lock().unwrap().get(host).cloned().unwrap_or_else(usual))
    }

    fn connect(&self, to: SocketAddr, within: Duration) -> io::Result<TcpStream> {
        self.connected.lock().unwrap().push(to);
        TcpStream::connect_timeout(&([127, 0, 0, 1], self.port).into(), within)
    }
}

/// An authority, and a server's certificate by it for `lists.example` and names
/// below `example`.
fn certificate(shown: Shown) -> (CertificateDer<'static>, Arc<ServerConfig>) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let names = match shown {
        Shown::ForAnotherName => vec!["other.test".to_owned()],
        _ => vec!["lists.example".into(), "*.example".into(), "192.0.2.7".into()],
    };
    let mut params = CertificateParams::new(names).unwrap();
    match shown {
        Shown::Expired => params.not_after = date_time_ymd(2020, 1, 1),
        Shown::OfTheFuture => params.not_before = date_time_ymd(4000, 1, 1),
        _ => {}
    }
    let key = KeyPair::generate().unwrap();
    let leaf = match shown {
        Shown::SelfSigned => params.self_signed(&key),
        _ => params.signed_by(&key, &authority),
    };
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.unwrap().der().clone()], key)
        .unwrap();
    (authority.der().clone(), Arc::new(config))
}
