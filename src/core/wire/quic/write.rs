//! Initial packets of clients, written: for tests, the lab, the fuzzer and
//! benchmarks. The daemon itself says nothing in QUIC.

use super::keys::Keys;
use super::version::Version;

/// The header of an Initial packet (RFC 9000 §17.2.2).
#[derive(Clone, Copy, Debug)]
pub struct Initial<'a> {
    /// The version.
    pub version: Version,
    /// The connection id that the keys are from: that of the first packet.
    pub chosen: &'a [u8],
    /// Destination Connection ID.
    pub destination: &'a [u8],
    /// What a Retry gave.
    pub token: &'a [u8],
    /// Packet number. All four bytes of it are written.
    pub number: u32,
}

impl<'a> Initial<'a> {
    /// The first of a client that chose this connection id.
    #[must_use]
    pub const fn first(version: Version, chosen: &'a [u8]) -> Self {
        Self { version, chosen, destination: chosen, token: &[], number: 0 }
    }

    /// The packet with these frames in it. `None` never happens, as in
    /// [`Keys::of_client`].
    #[must_use]
    pub fn seal(&self, frames: &[u8]) -> Option<Vec<u8>> {
        let kinds = self.version.kinds;
        let kind = kinds.iter().position(|kind| *kind == super::packet::Kind::Initial)?;
        let mut packet = vec![0xc3 | u8::try_from(kind).ok()? << 4];
        packet.extend(self.version.number.to_be_bytes());
        packet.push(u8::try_from(self.destination.len()).ok()?);
        packet.extend(self.destination);
        packet.push(0); // no Source Connection ID
        put_varint(&mut packet, self.token.len() as u64);
        packet.extend(self.token);
        let number = self.number.to_be_bytes();
        put_varint(&mut packet, (number.len() + frames.len() + TAG) as u64);
        packet.extend(number);
        let header_len = packet.len();
        packet.extend(frames);
        Keys::of_client(&self.version, self.chosen)?.seal(self.number, header_len, &mut packet)?;
        Some(packet)
    }
}

/// Appends a CRYPTO frame (RFC 9000 §19.6).
pub fn put_crypto(out: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    out.push(0x06);
    put_varint(out, offset);
    put_varint(out, bytes.len() as u64);
    out.extend(bytes);
}

/// Appends an integer of variable length, always as eight bytes (RFC 9000 §16).
pub fn put_varint(out: &mut Vec<u8>, value: u64) {
    out.extend((value | 3 << 62).to_be_bytes());
}

const TAG: usize = 16; // of AES-128-GCM, RFC 9001 §5.3
