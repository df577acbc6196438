//! Serves one file over HTTP/3, whatever is asked for: `h3serve ADDRESS:PORT
//! CERTIFICATE KEY FILE`. Prints one line for each connection: the host that the
//! client named, and its address.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use optout_apps::Fault;
use quinn::crypto::rustls::{HandshakeData, QuicServerConfig};
use quinn::{Connection, Endpoint, Incoming, ServerConfig};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, certificate, key, file] = &arguments[..] else {
        eprintln!("usage: h3serve ADDRESS:PORT CERTIFICATE KEY FILE");
        return ExitCode::from(2);
    };
    match serve(address, certificate, key, file).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(address: &str, certificate: &str, key: &str, file: &str) -> Result<(), Fault> {
    let address: SocketAddr = address.parse()?;
    let page = Bytes::from(std::fs::read(file)?);
    let endpoint = Endpoint::server(config(certificate, key)?, address)?;
    println!("ready");
    while let Some(incoming) = endpoint.accept().await {
        let page = page.clone();
        tokio::spawn(async move {
            if let Err(fault) = answer(incoming, page).await {
                eprintln!("{fault}");
            }
        });
    }
    Ok(())
}

fn config(certificate: &str, key: &str) -> Result<ServerConfig, Fault> {
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?;
    let mut tls = tls.with_no_client_auth().with_single_cert(chain, key)?;
    tls.alpn_protocols = vec![b"h3".to_vec()];
    Ok(ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?)))
}

async fn answer(incoming: Incoming, page: Bytes) -> Result<(), Fault> {
    let connection: Connection = incoming.await?;
    let said = connection.handshake_data().and_then(|data| data.downcast::<HandshakeData>().ok());
    let host = said.and_then(|said| said.server_name).unwrap_or_else(|| "-".into());
    println!("{host} {}", connection.remote_address().ip().to_canonical());
    let mut requests =
        h3::server::builder().build::<_, Bytes>(h3_quinn::Connection::new(connection)).await?;
    while let Some(request) = requests.accept().await? {
        let (_, mut stream) = request.resolve_request().await?;
        stream.send_response(http::Response::new(())).await?;
        stream.send_data(page.clone()).await?;
        stream.finish().await?;
    }
    Ok(())
}
