//! What clients say first, made by rustls: hellos of TLS, and Initials of QUIC.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::quic::{self, Suite, Version};
use rustls::{ClientConfig, ClientConnection, RootCertStore, Side};

/// The record with a ClientHello for this host.
pub(crate) fn tls(host: &str) -> Vec<u8> {
    let mut client = ClientConnection::new(config(), name(host)).expect("a name");
    let mut hello = Vec::new();
    client.write_tls(&mut hello).expect("memory");
    hello
}

/// The ClientHello of a client of QUIC, without a record around it.
pub(crate) fn quic(host: &str) -> Vec<u8> {
    // initial_source_connection_id, of no length (RFC 9000 §18.2)
    let parameters = vec![0x0f, 0x00];
    let client = quic::ClientConnection::new(config(), Version::V1, name(host), parameters);
    let mut hello = Vec::new();
    assert!(client.expect("a name").write_hs(&mut hello).is_none(), "no keys before an answer");
    hello
}

/// A part of a ClientHello: from this place on.
pub(crate) type Crypto<'h> = (usize, &'h [u8]);

/// An Initial packet of QUIC v1 (RFC 9000 §17.2.2) with these parts in CRYPTO frames,
/// padded to `length` bytes. `number` is its packet number.
pub(crate) fn initial(dcid: &[u8], number: u8, parts: &[Crypto<'_>], length: usize) -> Vec<u8> {
    let mut frames = Vec::new();
    for (from, bytes) in parts {
        frames.push(0x06);
        frames.extend(variable(*from));
        frames.extend(variable(bytes.len()));
        frames.extend(*bytes);
    }
    let keys = suite().keys(dcid, Side::Client, Version::V1);
    let mut head = vec![0xc0, 0, 0, 0, 1, u8::try_from(dcid.len()).expect("at most 20")];
    head.extend(dcid);
    head.extend([0, 0]); // no source id, no token
    let around = head.len() + 2 + 1 + TAG;
    frames.resize(frames.len().max(length.saturating_sub(around)).max(4), 0);
    head.extend(variable_of_two(1 + frames.len() + TAG));
    let at = head.len();
    head.push(number);
    let tag = keys.local.packet.encrypt_in_place(u64::from(number), &head, &mut frames);
    let tag = tag.expect("AES-GCM seals");
    let mut packet = [head, frames, tag.as_ref().to_vec()].concat();
    let (before, after) = packet.split_at_mut(at);
    let (number, rest) = after.split_at_mut(1);
    // The sample begins four bytes after the number does (RFC 9001 §5.4.2).
    let sample = rest[3..19].to_vec();
    keys.local.header.encrypt_in_place(&sample, &mut before[0], number).expect("a sample");
    packet
}

fn suite() -> Suite {
    let suite = rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
    suite.tls13().and_then(rustls::Tls13CipherSuite::quic_suite).expect("ring knows QUIC")
}

fn config() -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("ring speaks TLS 1.3");
    Arc::new(config.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

fn name(host: &str) -> ServerName<'static> {
    host.to_owned().try_into().expect("a name")
}

/// A variable-length integer (RFC 9000 §16).
fn variable(value: usize) -> Vec<u8> {
    match u8::try_from(value) {
        Ok(small @ 0..64) => vec![small],
        _ => variable_of_two(value).to_vec(),
    }
}

fn variable_of_two(value: usize) -> [u8; 2] {
    (u16::try_from(value).expect("less than 16384") | 0x4000).to_be_bytes()
}

const TAG: usize = 16; // RFC 9001 §5.3
