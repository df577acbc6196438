//! What a sender of `encrypted_client_hello` needs of HPKE (RFC 9180): base mode,
//! DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM. ring has the parts, and
//! no crate that we use has the whole.

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{self, EphemeralPrivateKey, UnparsedPublicKey};
use ring::hmac;
use ring::rand::SystemRandom;
use rustls::Error;
use rustls::crypto::hpke::{
    EncapsulatedSecret, Hpke, HpkeOpener, HpkePrivateKey, HpkePublicKey, HpkeSealer, HpkeSuite,
};
use rustls::internal::msgs::enums::{HpkeAead, HpkeKdf, HpkeKem};
use rustls::internal::msgs::handshake::HpkeSymmetricCipherSuite;

/// The suite that every implementation of ECH must have (RFC 9849 §9).
#[derive(Debug)]
pub struct X25519;

/// One context: a key, the first nonce, and how often it was used.
struct Sealer {
    key: LessSafeKey,
    nonce: [u8; 12],
    sequence: u64,
}

impl Hpke for X25519 {
    fn seal(
        &self,
        info: &[u8],
        aad: &[u8],
        plaintext: &[u8],
        public: &HpkePublicKey,
    ) -> Result<(EncapsulatedSecret, Vec<u8>), Error> {
        let (encapsulated, mut sealer) = self.setup_sealer(info, public)?;
        Ok((encapsulated, sealer.seal(aad, plaintext)?))
    }

    fn setup_sealer(
        &self,
        info: &[u8],
        public: &HpkePublicKey,
    ) -> Result<(EncapsulatedSecret, Box<dyn HpkeSealer + 'static>), Error> {
        let own = EphemeralPrivateKey::generate(&agreement::X25519, &SystemRandom::new());
        let own = own.map_err(|_| Error::FailedToGetRandomBytes)?;
        let own_public = own.compute_public_key().map_err(|_| failed("no public key"))?;
        let own_public = own_public.as_ref().to_vec();
        let context = [&own_public[..], &public.0].concat();
        let theirs = UnparsedPublicKey::new(&agreement::X25519, &public.0);
        let shared = agreement::agree_ephemeral(own, &theirs, |dh| shared_secret(dh, &context));
        let shared = shared.map_err(|_| failed("not a public key"))?;
        Ok((EncapsulatedSecret(own_public), Box::new(Sealer::new(&shared, info)?)))
    }

    fn open(
        &self,
        _: &EncapsulatedSecret,
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: &HpkePrivateKey,
    ) -> Result<Vec<u8>, Error> {
        Err(failed("a client opens nothing"))
    }

    fn setup_opener(
        &self,
        _: &EncapsulatedSecret,
        _: &[u8],
        _: &HpkePrivateKey,
    ) -> Result<Box<dyn HpkeOpener + 'static>, Error> {
        Err(failed("a client opens nothing"))
    }

    /// A public key whose private half is gone at once: nobody opens what is
    /// sealed to it.
    fn generate_key_pair(&self) -> Result<(HpkePublicKey, HpkePrivateKey), Error> {
        let key = EphemeralPrivateKey::generate(&agreement::X25519, &SystemRandom::new());
        let key = key.map_err(|_| Error::FailedToGetRandomBytes)?;
        let public = key.compute_public_key().map_err(|_| failed("no public key"))?;
        Ok((HpkePublicKey(public.as_ref().to_vec()), HpkePrivateKey::from(Vec::new())))
    }

    fn suite(&self) -> HpkeSuite {
        HpkeSuite {
            kem: HpkeKem::DHKEM_X25519_HKDF_SHA256,
            sym: HpkeSymmetricCipherSuite {
                kdf_id: HpkeKdf::HKDF_SHA256,
                aead_id: HpkeAead::AES_128_GCM,
            },
        }
    }
}

impl Sealer {
    /// RFC 9180 §5.1, with neither a shared key nor a name for one.
    fn new(shared: &[u8], info: &[u8]) -> Result<Self, Error> {
        let of_id = extract(&SUITE, &[], b"psk_id_hash", &[]);
        let of_info = extract(&SUITE, &[], b"info_hash", info);
        let context = [&[BASE][..], &of_id, &of_info].concat();
        let secret = extract(&SUITE, shared, b"secret", &[]);
        let key = expand(&SUITE, &secret, b"key", &context, 16);
        let nonce = expand(&SUITE, &secret, b"base_nonce", &context, 12);
        let key = UnboundKey::new(&AES_128_GCM, &key).map_err(|_| failed("no key"))?;
        let nonce = nonce.try_into().map_err(|_| failed("no nonce"))?;
        Ok(Self { key: LessSafeKey::new(key), nonce, sequence: 0 })
    }
}

impl HpkeSealer for Sealer {
    fn seal(&mut self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        let mut nonce = self.nonce;
        for (byte, count) in nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *byte ^= count;
        }
        self.sequence += 1;
        let mut sealed = plaintext.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let done = self.key.seal_in_place_append_tag(nonce, Aad::from(aad), &mut sealed);
        done.map_err(|_| Error::EncryptError)?;
        Ok(sealed)
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

/// An `ECHConfigList` of one entry (RFC 9849 §4) whose public name is `outer`.
#[must_use]
pub fn config_list(outer: &str, public: &[u8]) -> Vec<u8> {
    let name = outer.as_bytes();
    let contents = [
        &[7][..],           // config_id
        &KEM.to_be_bytes(), // kem_id
        &length(public),    // public_key
        public,
        &[0, 4], // cipher_suites
        &KDF.to_be_bytes(),
        &AEAD.to_be_bytes(),
        &[0],               // maximum_name_length
        &length(name)[1..], // public_name
        name,
        &[0, 0], // extensions
    ]
    .concat();
    let entry = [&[0xfe, 0x0d][..], &length(&contents), &contents].concat();
    [&length(&entry)[..], &entry].concat()
}

/// `ExtractAndExpand` of RFC 9180 §4.1.
fn shared_secret(dh: &[u8], context: &[u8]) -> Vec<u8> {
    let key = extract(&KEM_SUITE, &[], b"eae_prk", dh);
    expand(&KEM_SUITE, &key, b"shared_secret", context, 32)
}

/// `LabeledExtract` of RFC 9180 §4.
fn extract(suite: &[u8], salt: &[u8], label: &[u8], secret: &[u8]) -> Vec<u8> {
    let salt = hmac::Key::new(hmac::HMAC_SHA256, if salt.is_empty() { &[0; 32] } else { salt });
    hmac::sign(&salt, &[b"HPKE-v1", suite, label, secret].concat()).as_ref().to_vec()
}

/// `LabeledExpand` of RFC 9180 §4; never more than one block here.
fn expand(suite: &[u8], key: &[u8], label: &[u8], info: &[u8], wanted: u8) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let info = [&[0, wanted][..], b"HPKE-v1", suite, label, info, &[1]].concat();
    hmac::sign(&key, &info).as_ref()[..usize::from(wanted)].to_vec()
}

fn length(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len()).expect("a short field").to_be_bytes()
}

fn failed(what: &str) -> Error {
    Error::General(what.to_owned())
}

const BASE: u8 = 0; // mode_base, RFC 9180 §5
const KEM: u16 = 0x0020; // DHKEM(X25519, HKDF-SHA256), RFC 9180 §7.1
const KDF: u16 = 0x0001; // HKDF-SHA256, §7.2
const AEAD: u16 = 0x0001; // AES-128-GCM, §7.3
const KEM_SUITE: [u8; 5] = *b"KEM\x00\x20"; // §4.1
const SUITE: [u8; 10] = *b"HPKE\x00\x20\x00\x01\x00\x01"; // §5.1
