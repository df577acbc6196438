//! The keys of Initial packets (RFC 9001 §5): whoever sees the first packet of
//! a client can derive them.

use std::fmt;

use ring::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey, quic};
use ring::hkdf;

use super::packet::Packet;
use super::version::Version;

/// What opens the Initial packets of a client.
pub struct Keys {
    packets: LessSafeKey,
    iv: [u8; aead::NONCE_LEN],
    header: quic::HeaderProtectionKey,
}

impl Keys {
    /// Of a connection whose client first sent to the connection id
    /// `destination`. `None` never happens; it saves a panic.
    #[must_use]
    pub fn of_client(version: &Version, destination: &[u8]) -> Option<Self> {
        let initial = hkdf::Salt::new(hkdf::HKDF_SHA256, version.salt).extract(destination);
        let secret: hkdf::Prk = initial.expand(&[CLIENT_IN], hkdf::HKDF_SHA256).ok()?.into();
        let (mut key, mut iv, mut hp) = ([0; KEY], [0; aead::NONCE_LEN], [0; KEY]);
        expand(&secret, version.labels.key, &mut key)?;
        expand(&secret, version.labels.iv, &mut iv)?;
        expand(&secret, version.labels.hp, &mut hp)?;
        Some(Self {
            packets: LessSafeKey::new(UnboundKey::new(&aead::AES_128_GCM, &key).ok()?),
            iv,
            header: quic::HeaderProtectionKey::new(&quic::AES_128, &hp).ok()?,
        })
    }

    /// Opens `packet` with the help of `buffer`, and says its number and what is
    /// in it. `expected` is the number after the highest one known.
    ///
    /// `None` if it was not sealed with these keys, or was changed since. Costs
    /// time in proportion to its length, and one allocation at most.
    pub fn open<'b>(
        &self,
        packet: &Packet<'_>,
        expected: u64,
        buffer: &'b mut Vec<u8>,
    ) -> Option<(u64, &'b [u8])> {
        let sample = packet.sealed.get(MAX_NUMBER..MAX_NUMBER + SAMPLE)?;
        let [mask, masks @ ..] = self.header.new_mask(sample).ok()?;
        let first = packet.bytes.first()? ^ (mask & 0x0f);
        let number_len = usize::from(first & 3) + 1;

        buffer.clear();
        buffer.extend_from_slice(packet.bytes);
        let header_len = packet.bytes.len().checked_sub(packet.sealed.len())? + number_len;
        let (header, body) = buffer.split_at_mut_checked(header_len)?;
        *header.first_mut()? = first;
        let mut truncated = 0;
        for (byte, mask) in header.iter_mut().rev().take(number_len).rev().zip(masks) {
            *byte ^= mask;
            truncated = truncated << 8 | u64::from(*byte);
        }
        let number = whole_number(expected, truncated, number_len);

        let mut nonce = self.iv;
        for (byte, of_number) in nonce.iter_mut().rev().zip(number.to_le_bytes()) {
            *byte ^= of_number;
        }
        let nonce = Nonce::assume_unique_for_key(nonce);
        let opened = self.packets.open_in_place(nonce, Aad::from(&*header), body).ok()?;
        Some((number, opened))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

fn expand(secret: &hkdf::Prk, label: &[u8], out: &mut [u8]) -> Option<()> {
    secret.expand(&[label], Length(out.len())).ok()?.fill(out).ok()
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// The number nearest to `expected` that ends in these bytes (RFC 9000 §A.3).
fn whole_number(expected: u64, truncated: u64, len: usize) -> u64 {
    let window = 1 << (8 * len);
    let near = (expected & !(window - 1)) | truncated;
    if near + window / 2 <= expected && near + window < 1 << 62 {
        near + window
    } else if near > expected + window / 2 && near >= window {
        near - window
    } else {
        near
    }
}

const KEY: usize = 16; // of AES-128, RFC 9001 §5.2
const SAMPLE: usize = 16; // RFC 9001 §5.4.2
const MAX_NUMBER: usize = 4; // longest packet number; the sample comes after it, RFC 9001 §5.4.2
const CLIENT_IN: &[u8] = b"\x00\x20\x0ftls13 client in\x00"; // RFC 9001 §5.2, RFC 8446 §7.1
