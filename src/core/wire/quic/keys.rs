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
        let aad = Aad::from(&*header);
        let opened = self.packets.open_in_place(self.nonce(number), aad, body).ok()?;
        Some((number, opened))
    }

    /// Seals a packet whose header ends, with a number of four bytes, at
    /// `header_len`.
    pub(super) fn seal(&self, number: u32, header_len: usize, packet: &mut Vec<u8>) -> Option<()> {
        let (header, body) = packet.split_at_mut_checked(header_len)?;
        let (nonce, aad) = (self.nonce(number.into()), Aad::from(&*header));
        let tag = self.packets.seal_in_place_separate_tag(nonce, aad, body).ok()?;
        packet.extend_from_slice(tag.as_ref());
        let sample = packet.get(header_len..header_len + SAMPLE)?;
        let [mask, masks @ ..] = self.header.new_mask(sample).ok()?;
        *packet.first_mut()? ^= mask & 0x0f;
        let number = packet.get_mut(header_len - MAX_NUMBER..header_len)?;
        number.iter_mut().zip(masks).for_each(|(byte, mask)| *byte ^= mask);
        Some(())
    }

    /// RFC 9001 §5.3.
    fn nonce(&self, number: u64) -> Nonce {
        let mut nonce = self.iv;
        for (byte, of_number) in nonce.iter_mut().rev().zip(number.to_le_bytes()) {
            *byte ^= of_number;
        }
        Nonce::assume_unique_for_key(nonce)
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

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::core::wire::quic::packet::Start;

    #[test]
    fn the_worked_packet_of_rfc_9001_opens() {
        opens(include_str!("../../../../tests/data/rfc9001-appendix-a.json"), 1);
    }

    #[test]
    fn the_worked_packet_of_rfc_9369_opens() {
        opens(include_str!("../../../../tests/data/rfc9369-appendix-a.json"), 0x6b33_43cf);
    }

    #[test]
    fn what_a_server_sends_does_not_open_with_the_keys_of_a_client() {
        let worked = parse(include_str!("../../../../tests/data/rfc9001-appendix-a.json"));
        let bytes = unhex(worked["server_initial"].as_str().unwrap());
        let Start::Packet(packet, rest) = Start::parse(&bytes) else { panic!("not a packet") };
        assert!(rest.is_empty());
        let keys = Keys::of_client(&packet.version, &unhex("8394c8f03e515708")).unwrap();
        assert_eq!(keys.open(&packet, 0, &mut Vec::new()), None);
    }

    /// The example of RFC 9000 §A.3, and the edges.
    #[test]
    fn a_short_packet_number_is_the_nearest_that_ends_so() {
        assert_eq!(whole_number(0xa82f_30eb, 0x9b32, 2), 0xa82f_9b32);
        assert_eq!(whole_number(0, 0xff, 1), 0xff);
        assert_eq!(whole_number(0xff, 0, 1), 0x100);
        assert_eq!(whole_number(0x100, 0xff, 1), 0xff);
        assert_eq!(whole_number(0, 0xffff_ffff, 4), 0xffff_ffff);
        assert_eq!(whole_number((1 << 62) - 1, 0, 1), (1 << 62) - 0x100);
    }

    #[test]
    fn what_is_too_short_for_a_sample_does_not_open() {
        let version = Version::known(1).unwrap();
        let keys = Keys::of_client(&version, b"12345678").unwrap();
        for len in 0..40 {
            let mut bytes = vec![0xc0, 0, 0, 0, 1, 0, 0, 0, len];
            bytes.resize(9 + usize::from(len), 0);
            let Start::Packet(packet, _) = Start::parse(&bytes) else { panic!("not a packet") };
            assert_eq!(keys.open(&packet, 0, &mut Vec::new()), None, "{len}");
        }
    }

    fn opens(worked: &str, version: u32) {
        let worked = parse(worked);
        let text = |key: &str| worked[key].as_str().expect("text");
        let bytes = unhex(text("client_initial"));
        let Start::Packet(packet, rest) = Start::parse(&bytes) else { panic!("not a packet") };
        assert!(rest.is_empty());
        assert_eq!(packet.version.number, version);
        assert_eq!(hex(packet.destination), text("dcid"));

        let keys = Keys::of_client(&packet.version, packet.destination).unwrap();
        assert_eq!(hex(&keys.iv), worked["client_key_iv_hp"][1].as_str().unwrap());
        let mut buffer = Vec::new();
        let (number, payload) = keys.open(&packet, 0, &mut buffer).expect("it opens");
        assert_eq!(number, 2);
        let frame = unhex(text("client_crypto_frame_plain"));
        assert_eq!(payload.split_at(frame.len()).0, frame);
        assert!(payload[frame.len()..].iter().all(|&byte| byte == 0), "padding");
    }

    fn parse(worked: &str) -> serde_json::Value {
        serde_json::from_str(worked).expect("JSON")
    }

    fn unhex(text: &str) -> Vec<u8> {
        let digits = text.as_bytes().chunks_exact(2);
        digits.map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap()).collect()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
    }
}
