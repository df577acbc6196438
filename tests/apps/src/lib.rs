//! What the programs share: what they trust, and how they end.

pub mod hpke;
pub mod told;

use std::process::ExitCode;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// Whatever went wrong.
pub type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Why a fetch came to nothing. The exit codes are those of curl.
#[derive(Debug)]
pub enum Ended {
    /// The other side, or somebody in between, said no.
    Refused(String),
    /// Nobody said anything.
    Silence,
    /// Anything else.
    Other(Fault),
}

impl<F: Into<Fault>> From<F> for Ended {
    fn from(fault: F) -> Self {
        Self::Other(fault.into())
    }
}

/// Ends the program as curl would.
#[must_use]
pub fn exit(ended: Result<(), Ended>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(Ended::Refused(how)) => fail(7, &how),
        Err(Ended::Silence) => fail(28, "no answer"),
        Err(Ended::Other(fault)) => fail(1, &fault.to_string()),
    }
}

fn fail(code: u8, why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::from(code)
}

/// What the authorities in this file vouch for.
///
/// # Errors
///
/// The file is not there, or is none.
pub fn trusted(file: &str) -> Result<Arc<RootCertStore>, Fault> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file)? {
        roots.add(certificate?)?;
    }
    Ok(Arc::new(roots))
}

/// A client of TLS 1.3 that trusts these.
///
/// # Errors
///
/// None that is expected.
pub fn client(roots: Arc<RootCertStore>) -> Result<ClientConfig, Fault> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
