//! Fetches one page over HTTP/3, from the address that it is told:
//! `h3get HOST ADDRESS:PORT PATH CA FILE`. The exit code is as of curl: 7 where
//! it was refused, 28 where nobody answered.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bytes::Buf as _;
use optout_apps::told::Told;
use optout_apps::{Ended, Fault, client, exit, trusted};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint, EndpointConfig, TokioRuntime};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [host, address, path, ca, file] = &arguments[..] else {
        eprintln!("usage: h3get HOST ADDRESS:PORT PATH CA FILE");
        return ExitCode::from(2);
    };
    exit(get(host, address, path, ca, file).await)
}

async fn get(host: &str, address: &str, path: &str, ca: &str, file: &str) -> Result<(), Ended> {
    let address: SocketAddr = address.parse()?;
    let connection = tokio::time::timeout(PATIENCE, dial(host, address, ca));
    let connection = connection.await.map_err(|_| Ended::Silence)??;
    let url = format!("https://{host}{path}");
    let fetched = tokio::time::timeout(PATIENCE, fetch(connection, &url)).await;
    let body = fetched.map_err(|_| Ended::Silence)??;
    std::fs::File::create(file)?.write_all(&body)?;
    Ok(())
}

async fn dial(host: &str, address: SocketAddr, ca: &str) -> Result<Connection, Ended> {
    let socket = Arc::new(Told::connect(address)?);
    let mut tls = client(trusted(ca)?)?;
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    let runtime = Arc::new(TokioRuntime);
    let (config_of_endpoint, own) = (EndpointConfig::default(), socket.clone());
    let endpoint = Endpoint::new_with_abstract_socket(config_of_endpoint, None, own, runtime)?;
    let dialled = endpoint.connect_with(config, address, host)?;
    tokio::select! {
        dialled = dialled => match dialled {
            Ok(connection) => Ok(connection),
            Err(ConnectionError::TimedOut) => Err(Ended::Silence),
            Err(error) => Err(error.into()),
        },
        refusal = socket.refusal() => Err(Ended::Refused(refusal.to_string())),
    }
}

async fn fetch(connection: Connection, url: &str) -> Result<Vec<u8>, Fault> {
    let (mut driver, mut requests) = h3::client::new(h3_quinn::Connection::new(connection)).await?;
    let driving = tokio::spawn(async move { driver.wait_idle().await });
    let request = http::Request::get(url).body(())?;
    let mut stream = requests.send_request(request).await?;
    stream.finish().await?;
    let response = stream.recv_response().await?;
    if response.status() != http::StatusCode::OK {
        return Err(format!("status {}", response.status()).into());
    }
    let mut body = Vec::new();
    while let Some(mut chunk) = stream.recv_data().await? {
        body.extend_from_slice(&chunk.copy_to_bytes(chunk.remaining()));
    }
    driving.abort();
    Ok(body)
}

/// Longest wait for a handshake, and for a page.
const PATIENCE: Duration = Duration::from_secs(8);
