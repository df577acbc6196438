//! Which certificates are trusted, and what is said about those that are not.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, ClientConfig, Error, RootCertStore};

use super::error::FetchError;

/// Trusts what this system trusts; where it says nothing, as on a router without
/// the package, what Mozilla's programs trust. Heeds `SSL_CERT_FILE` and
/// `SSL_CERT_DIR`.
#[must_use]
pub fn system_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for problem in &found.errors {
        log::debug!("a certificate of the system cannot be read: {problem}");
    }
    let roots = given_roots(found.certs);
    if roots.is_empty() {
        log::debug!("the system trusts no certificates; using those that are built in");
        return RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    }
    roots
}

/// Trusts these. What is no certificate is left out.
#[must_use]
pub fn given_roots(certificates: Vec<CertificateDer<'static>>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    roots
}

/// How we speak TLS. `ring` is the one provider, whatever else is in the program.
pub(super) fn client(roots: RootCertStore) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has the versions that it has")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// What is wrong, for people.
pub(super) fn explain(error: &Error) -> FetchError {
    use CertificateError as Bad;
    let Error::InvalidCertificate(bad) = error else {
        return FetchError::Tls { problem: error.to_string() };
    };
    let time = |problem| FetchError::CertificateTime { problem, clock: clock() };
    let other = |problem: &str| FetchError::Certificate { problem: problem.into() };
    match bad {
        Bad::Expired | Bad::ExpiredContext { .. } => time("has expired"),
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => time("is not valid yet"),
        Bad::NotValidForName | Bad::NotValidForNameContext { .. } => other("is for another name"),
        Bad::UnknownIssuer | Bad::BadSignature => {
            other("is signed by nobody that this device trusts")
        }
        Bad::Revoked => other("has been revoked"),
        _ => FetchError::Certificate { problem: format!("cannot be trusted ({bad})") },
    }
}

/// The time of day as this device has it.
fn clock() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string()
}
