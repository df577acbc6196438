//! Speaks TLS with `encrypted_client_hello` (RFC 9849): `echget INNER OUTER
//! ADDRESS:PORT CA FILE`. The hello names OUTER; INNER is sealed to a key that
//! nobody has, so every server answers as OUTER and refuses what is sealed. That
//! is said by "rejected" on the standard output, and is a success: the server
//! read the hello, and its certificate was good for OUTER. Where INNER and OUTER
//! are the same name the extension is a made-up one, as browsers send it (§6.2),
//! and the page `/page.bin` is fetched into FILE.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use optout_apps::hpke::{self, X25519};
use optout_apps::{Ended, Fault, exit, trusted};
use rustls::client::{EchConfig, EchGreaseConfig, EchMode};
use rustls::crypto::hpke::Hpke as _;
use rustls::{ClientConfig, ClientConnection, Error, PeerIncompatible, StreamOwned};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [inner, outer, address, ca, file] = &arguments[..] else {
        eprintln!("usage: echget INNER OUTER ADDRESS:PORT CA FILE");
        return ExitCode::from(2);
    };
    exit(get(inner, outer, address, ca, file))
}

fn get(inner: &str, outer: &str, address: &str, ca: &str, file: &str) -> Result<(), Ended> {
    let address: SocketAddr = address.parse()?;
    let mode = mode(inner, outer)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_ech(mode)?;
    let config = config.with_root_certificates(trusted(ca)?).with_no_client_auth();
    let tls = ClientConnection::new(Arc::new(config), inner.to_owned().try_into()?)?;
    let tcp = TcpStream::connect_timeout(&address, PATIENCE).map_err(told)?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    let mut stream = StreamOwned::new(tls, tcp);
    let request = format!("GET /page.bin HTTP/1.1\r\nHost: {inner}\r\nConnection: close\r\n\r\n");
    match stream.write_all(request.as_bytes()).and_then(|()| stream.flush()) {
        Err(error) if was_rejected(&error) => {
            println!("rejected");
            return Ok(());
        }
        done => done.map_err(told)?,
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map_err(told)?;
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or("no head")?;
    std::fs::write(file, &answer[head + 4..])?;
    println!("{:?}", stream.conn.ech_status());
    Ok(())
}

fn mode(inner: &str, outer: &str) -> Result<EchMode, Fault> {
    let (public, _) = X25519.generate_key_pair()?;
    if inner == outer {
        return Ok(EchGreaseConfig::new(&X25519, public).into());
    }
    let list = hpke::config_list(outer, &public.0);
    Ok(EchConfig::new(list.into(), &[&X25519])?.into())
}

fn was_rejected(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    matches!(
        inner,
        Some(Error::PeerIncompatible(PeerIncompatible::ServerRejectedEncryptedClientHello(_)))
    )
}

fn told(error: std::io::Error) -> Ended {
    match error.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
            Ended::Refused(error.to_string())
        }
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Ended::Silence,
        _ => Ended::Other(error.into()),
    }
}

/// Longest wait for the server.
const PATIENCE: Duration = Duration::from_secs(8);
