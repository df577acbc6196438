//! Signatures of lists, as minisign makes them.

use std::io::{self, Read};

use minisign_verify::{Error, PublicKey, Signature};

use super::error::SignatureError;

/// Whether this is a public key, as in the second line of `minisign.pub`.
///
/// # Errors
///
/// [`SignatureError::BadKey`].
fn key(text: &str) -> Result<PublicKey, SignatureError> {
    PublicKey::from_base64(text.trim()).map_err(|_| SignatureError::BadKey)
}

/// Checks that one of `keys` signed `text`, and not before `last`, the time in the
/// signature that was accepted before. Yields the time in this one.
///
/// # Errors
///
/// The outer one if `text` cannot be read, the inner one if it is not to be trusted.
pub(super) fn verify(
    keys: &[String],
    signature: &[u8],
    text: &mut dyn Read,
    last: Option<u64>,
) -> io::Result<Result<Option<u64>, SignatureError>> {
    let (key, signature) = match choose(keys, signature) {
        Ok(chosen) => chosen,
        Err(problem) => return Ok(Err(problem)),
    };
    let mut verifier = match key.verify_stream(&signature) {
        Ok(verifier) => verifier,
        Err(Error::UnsupportedLegacyMode) => return Ok(Err(SignatureError::Legacy)),
        Err(_) => return Ok(Err(SignatureError::OtherKey)),
    };
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = text.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        verifier.update(buffer.get(..count).unwrap_or_default());
    }
    if verifier.finalize().is_err() {
        return Ok(Err(SignatureError::Wrong));
    }
    // Only now can the comment be trusted.
    Ok(in_order(time_of(signature.trusted_comment()), last))
}

/// The key that the signature names, if it is ours.
fn choose(keys: &[String], signature: &[u8]) -> Result<(PublicKey, Signature), SignatureError> {
    let text = std::str::from_utf8(signature).map_err(|_| SignatureError::NoSignature)?;
    let signature = Signature::decode(text).map_err(|_| SignatureError::NoSignature)?;
    for text in keys {
        let key = key(text)?;
        if !matches!(key.verify_stream(&signature), Err(Error::UnexpectedKeyId)) {
            return Ok((key, signature));
        }
    }
    Err(SignatureError::OtherKey)
}

/// `timestamp:1555779966` in a trusted comment.
fn time_of(comment: &str) -> Option<u64> {
    comment.split_ascii_whitespace().find_map(|word| word.strip_prefix("timestamp:")?.parse().ok())
}

fn in_order(time: Option<u64>, last: Option<u64>) -> Result<Option<u64>, SignatureError> {
    match (time, last) {
        (None, Some(_)) => Err(SignatureError::NoTime),
        (Some(time), Some(last)) if time < last => Err(SignatureError::Older),
        _ => Ok(time),
    }
}

const BUFFER: usize = 64 * 1024; // bytes
