//! Versions of QUIC, and what differs between them.

use super::packet::Kind;

/// A version whose first packets we can open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Version {
    /// As it is on the wire (RFC 9000 §15).
    pub number: u32,
    /// From which the secret of a connection's first packets is made.
    pub salt: &'static [u8; 20],
    /// What the keys are derived with.
    pub labels: &'static Labels,
    /// The kind of packet for each value of the type field.
    pub kinds: [Kind; 4],
}

/// The names of the keys (RFC 9001 §5.1), as HKDF-Expand-Label wants them (RFC
/// 8446 §7.1): length of the key, length of the name, name, no context.
#[derive(Debug, Eq, PartialEq)]
pub struct Labels {
    /// Of the key that opens packets.
    pub key: &'static [u8],
    /// Of what makes nonces of packet numbers.
    pub iv: &'static [u8],
    /// Of the key that hides packet numbers.
    pub hp: &'static [u8],
}

impl Version {
    /// The version with this number, if we know its keys.
    #[must_use]
    pub const fn known(number: u32) -> Option<Self> {
        let (salt, labels, kinds) = match number {
            V1 | 0xff00_0021..=0xff00_0022 => (SALT_V1, &LABELS_V1, KINDS_V1),
            V2 => (SALT_V2, &LABELS_V2, KINDS_V2),
            0xff00_001d..=0xff00_0020 => (SALT_29, &LABELS_V1, KINDS_V1),
            0xff00_0017..=0xff00_001c | 0xface_b002 | 0xface_b00e => {
                (SALT_23, &LABELS_V1, KINDS_V1)
            }
            0xff00_0016 | 0xface_b001 => (SALT_22, &LABELS_V1, KINDS_V1),
            _ => return None,
        };
        Some(Self { number, salt, labels, kinds })
    }
}

/// Whether this is a version of Google's own QUIC, from before the RFCs: a
/// letter, a zero, two digits. Up to Q043 they have headers of their own.
#[must_use]
pub const fn is_google(number: u32) -> bool {
    let [letter, zero, tens, ones] = number.to_be_bytes();
    matches!(letter, b'Q' | b'T') && zero == b'0' && tens.is_ascii_digit() && ones.is_ascii_digit()
}

const V1: u32 = 1; // RFC 9000 §15
const V2: u32 = 0x6b33_43cf; // RFC 9369 §3.1

const KINDS_V1: [Kind; 4] = [Kind::Initial, Kind::ZeroRtt, Kind::Handshake, Kind::Retry]; // RFC 9000 §17.2
const KINDS_V2: [Kind; 4] = [Kind::Retry, Kind::Initial, Kind::ZeroRtt, Kind::Handshake]; // RFC 9369 §3.2

/// RFC 9001 §5.1.
static LABELS_V1: Labels = Labels {
    key: b"\x00\x10\x0etls13 quic key\x00",
    iv: b"\x00\x0c\x0dtls13 quic iv\x00",
    hp: b"\x00\x10\x0dtls13 quic hp\x00",
};
/// RFC 9369 §3.3.2.
static LABELS_V2: Labels = Labels {
    key: b"\x00\x10\x10tls13 quicv2 key\x00",
    iv: b"\x00\x0c\x0ftls13 quicv2 iv\x00",
    hp: b"\x00\x10\x0ftls13 quicv2 hp\x00",
};

// RFC 9001 §5.2; drafts 33 and 34 have it too.
static SALT_V1: &[u8; 20] =
    b"\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a";
// RFC 9369 §3.3.1
static SALT_V2: &[u8; 20] =
    b"\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9";
// draft-ietf-quic-tls-29 §5.2, until 32
static SALT_29: &[u8; 20] =
    b"\xaf\xbf\xec\x28\x99\x93\xd2\x4c\x9e\x97\x86\xf1\x9c\x61\x11\xe0\x43\x90\xa8\x99";
// draft-ietf-quic-tls-23 §5.2, until 28; Facebook's mvfst
static SALT_23: &[u8; 20] =
    b"\xc3\xee\xf7\x12\xc7\x2e\xbb\x5a\x11\xa7\xd2\x43\x2b\xb4\x63\x65\xbe\xf9\xf5\x02";
// draft-ietf-quic-tls-22 §5.2; an older mvfst
static SALT_22: &[u8; 20] =
    b"\x7f\xbc\xdb\x0e\x7c\x66\xbb\xe9\x19\x3a\x96\xcd\x21\x51\x9e\xbd\x7a\x02\x64\x4a";
