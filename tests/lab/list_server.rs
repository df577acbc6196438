//! A server of lists that behaves as badly as a test wants: real TLS, on the lab's
//! Internet.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::Internet;
use super::internet::{LISTS, LISTS_AT_HOME};

/// It serves [`LISTS`] and [`LISTS_AT_HOME`] on port 8443, each request as it was
/// told last. It ends with the test.
pub(crate) struct ListServer {
    told: Arc<Mutex<Told>>,
    authority: CertifiedIssuer<'static, KeyPair>,
}

/// What a server was asked.
pub(crate) struct Asked {
    pub(crate) path: String,
    /// The head of the request, in small letters.
    pub(crate) head: String,
}

/// How a server ends a connection.
pub(crate) enum End {
    /// As TLS wants it.
    Word,
    /// It closes the connection without a word.
    Cut,
    /// It resets the connection.
    Reset,
}

/// What certificate a server shows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Shown {
    Good,
    Expired,
    OfTheFuture,
    ForAnotherName,
    SelfSigned,
}

pub(crate) type Wire = StreamOwned<ServerConnection, TcpStream>;

type Answer = dyn Fn(&Asked, &mut Wire) -> io::Result<End> + Send + Sync;

struct Told {
    answer: Arc<Answer>,
    tls: Arc<ServerConfig>,
    /// Heads of the requests that came.
    heads: Vec<String>,
}

impl ListServer {
    /// Starts it; daemons of the lab trust its authority (`SSL_CERT_FILE`).
    pub(crate) fn start(internet: &Internet) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("ring makes keys");
        let authority = CertifiedIssuer::self_signed(params, key).expect("rcgen signs");
        fs::write(TRUSTED, authority.pem()).expect("tmpfs");
        let told = Arc::new(Mutex::new(Told {
            answer: Arc::new(|_, wire: &mut Wire| status(wire, 404)),
            tls: certificate(&authority, Shown::Good),
            heads: Vec::new(),
        }));
        for address in LISTS.into_iter().chain(LISTS_AT_HOME) {
            let bind = || TcpListener::bind((address, PORT)).expect("a free port");
            let listener = internet.node().enter(bind);
            let told = Arc::clone(&told);
            thread::spawn(move || accept(&listener, &told));
        }
        Self { told, authority }
    }

    /// Answers each request so from now on.
    pub(crate) fn answers(
        &self,
        answer: impl Fn(&Asked, &mut Wire) -> io::Result<End> + Send + Sync + 'static,
    ) {
        self.told.lock().expect("no panic before").answer = Arc::new(answer);
    }

    /// Gives this text to whoever asks for whatever.
    pub(crate) fn gives(&self, text: impl Into<Vec<u8>>) {
        let text = text.into();
        self.answers(move |_, wire| body(wire, &[], &text));
    }

    /// Shows this certificate from now on.
    pub(crate) fn shows(&self, shown: Shown) {
        self.told.lock().expect("no panic before").tls = certificate(&self.authority, shown);
    }

    /// The heads of the requests that came since the last call, in small letters.
    pub(crate) fn heads(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().expect("no panic before").heads)
    }
}

fn accept(listener: &TcpListener, told: &Arc<Mutex<Told>>) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let told = Arc::clone(told);
        // A client that leaves early is what many tests are about.
        thread::spawn(move || drop(serve(stream, &told)));
    }
}

fn serve(stream: TcpStream, told: &Mutex<Told>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let tls = Arc::clone(&told.lock().expect("no panic before").tls);
    let connection = ServerConnection::new(tls).map_err(io::Error::other)?;
    let mut wire = StreamOwned::new(connection, stream);
    let mut head = String::new();
    let mut from = BufReader::new(&mut wire);
    while !head.ends_with("\r\n\r\n") {
        if from.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let head = head.to_ascii_lowercase();
    let answer = {
        let mut told = told.lock().expect("no panic before");
        told.heads.push(head.clone());
        Arc::clone(&told.answer)
    };
    let end = answer(&Asked { path, head }, &mut wire)?;
    if matches!(end, End::Reset) {
        wire.flush()?;
        thread::sleep(Duration::from_millis(50)); // what was sent should arrive first
        return socket2::SockRef::from(&wire.sock).set_linger(Some(Duration::ZERO));
    }
    if matches!(end, End::Word) {
        wire.conn.send_close_notify();
    }
    wire.flush()?;
    // What we have not read would turn our close into a reset.
    wire.sock.shutdown(Shutdown::Write)?;
    io::copy(&mut wire.sock, &mut io::sink())?;
    Ok(())
}

/// Sends a head with these lines.
pub(crate) fn head(wire: &mut Wire, status: u16, lines: &[&str]) -> io::Result<()> {
    let mut text = format!("HTTP/1.1 {status} Some\r\n");
    for line in lines {
        let _ = write!(text, "{line}\r\n");
    }
    text.push_str("\r\n");
    wire.write_all(text.as_bytes())?;
    wire.flush()
}

/// Sends a body as it should be, with these lines in the head.
pub(crate) fn body(wire: &mut Wire, lines: &[&str], body: &[u8]) -> io::Result<End> {
    let length = format!("Content-Length: {}", body.len());
    let mut all = vec![length.as_str()];
    all.extend(lines);
    head(wire, 200, &all)?;
    wire.write_all(body)?;
    wire.flush()?;
    Ok(End::Word)
}

/// Sends a status and nothing else.
pub(crate) fn status(wire: &mut Wire, status: u16) -> io::Result<End> {
    head(wire, status, &["Content-Length: 0"])?;
    Ok(End::Word)
}

/// Sends to another place.
pub(crate) fn redirect(wire: &mut Wire, location: &str) -> io::Result<End> {
    head(wire, 302, &["Content-Length: 0", &format!("Location: {location}")])?;
    Ok(End::Word)
}

fn certificate(authority: &Issuer<'_, KeyPair>, shown: Shown) -> Arc<ServerConfig> {
    let names: &[&str] = match shown {
        Shown::ForAnotherName => &["other.example"],
        _ => &["lists.example", "*.lists.example"],
    };
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).expect("names");
    match shown {
        Shown::Expired => params.not_after = date_time_ymd(2020, 1, 1),
        Shown::OfTheFuture => params.not_before = date_time_ymd(4000, 1, 1),
        _ => {}
    }
    let key = KeyPair::generate().expect("ring makes keys");
    let leaf = match shown {
        Shown::SelfSigned => params.self_signed(&key),
        _ => params.signed_by(&key, authority),
    };
    let leaf = leaf.expect("rcgen signs");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .expect("a certificate and its key");
    Arc::new(config)
}

/// What daemons of the lab trust.
pub(crate) const TRUSTED: &str = "/run/lab/lists-ca.pem";

/// nginx has 443 of every address.
const PORT: u16 = 8443;

/// Of the server with a client that says nothing, or reads nothing.
const PATIENCE: Duration = Duration::from_secs(90);
