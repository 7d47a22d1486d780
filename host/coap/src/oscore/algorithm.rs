//! The AEAD algorithms, keyed once per context: the key schedule is worth keeping, the raw key is not.

use aes::Aes128;
use aes_gcm::{
    Aes128Gcm, KeyInit,
    aead::{
        AeadInOut,
        array::Array,
        consts::{U8, U13},
    },
};

type AesCcm16_64_128 = ccm::Ccm<Aes128, U8, U13>;

/// An AEAD algorithm of the COSE registry (RFC 9053 §4) with a 128-bit key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// COSE 1: AES-GCM, 16-byte tag, 12-byte nonce.
    A128Gcm,
    /// COSE 10: AES-CCM, 8-byte tag, 13-byte nonce; what every OSCORE endpoint must speak (RFC 8613 §3.2).
    AesCcm16_64_128,
}

impl Algorithm {
    /// Bytes of a key.
    pub const KEY_LEN: usize = 16;

    /// The number in the COSE registry.
    pub const fn cose_id(self) -> u8 {
        match self {
            Self::A128Gcm => 1,
            Self::AesCcm16_64_128 => 10,
        }
    }

    /// Bytes of a nonce.
    pub const fn nonce_len(self) -> usize {
        match self {
            Self::A128Gcm => 12,
            Self::AesCcm16_64_128 => 13,
        }
    }

    /// Bytes that the authentication tag adds.
    pub const fn tag_len(self) -> usize {
        match self {
            Self::A128Gcm => 16,
            Self::AesCcm16_64_128 => 8,
        }
    }

    /// The longest Sender or Recipient ID: the nonce holds it beside a length byte and five of Partial IV (RFC 8613 §5.2).
    pub const fn max_id_len(self) -> usize {
        self.nonce_len() - 6
    }
}

/// The nonce of one message; `algorithm.nonce_len()` bytes of it count.
pub(crate) type Nonce = [u8; 13];

/// An AEAD with its key schedule, which is wiped on drop by the cipher crates. It lies within its context, so that a message of a context
/// that no cache holds costs one page, not three.
pub(crate) enum Cipher {
    Gcm(Aes128Gcm),
    Ccm(AesCcm16_64_128),
}

impl Cipher {
    pub(crate) fn new(algorithm: Algorithm, key: &[u8; Algorithm::KEY_LEN]) -> Self {
        match algorithm {
            Algorithm::A128Gcm => Self::Gcm(Aes128Gcm::new(key.into())),
            Algorithm::AesCcm16_64_128 => Self::Ccm(AesCcm16_64_128::new(key.into())),
        }
    }

    /// Encrypts `buffer[start..]` in place and appends the tag. False when the plaintext is too long for the algorithm (64 KiB in CCM);
    /// the buffer is then unspecified.
    #[must_use]
    pub(crate) fn seal(&self, nonce: &Nonce, aad: &[u8], buffer: &mut Vec<u8>, start: usize) -> bool {
        let plaintext = &mut buffer[start..];
        match self {
            Self::Gcm(cipher) => {
                let nonce = Array::from_fn(|i| nonce[i]);
                cipher.encrypt_inout_detached(&nonce, aad, plaintext.into()).map(|tag| buffer.extend_from_slice(&tag))
            }
            Self::Ccm(cipher) => {
                let nonce = Array::from_fn(|i| nonce[i]);
                cipher.encrypt_inout_detached(&nonce, aad, plaintext.into()).map(|tag| buffer.extend_from_slice(&tag))
            }
        }
        .is_ok()
    }

    /// Decrypts `buffer`, ciphertext and tag, in place and cuts the tag off. False when it does not authenticate.
    #[must_use]
    pub(crate) fn open(&self, nonce: &Nonce, aad: &[u8], buffer: &mut Vec<u8>) -> bool {
        match self {
            Self::Gcm(cipher) => {
                let Some(len) = buffer.len().checked_sub(16) else { return false };
                let tag = Array::from_fn(|i| buffer[len + i]);
                buffer.truncate(len);
                let nonce = Array::from_fn(|i| nonce[i]);
                cipher.decrypt_inout_detached(&nonce, aad, buffer.as_mut_slice().into(), &tag).is_ok()
            }
            Self::Ccm(cipher) => {
                let Some(len) = buffer.len().checked_sub(8) else { return false };
                let tag = Array::from_fn(|i| buffer[len + i]);
                buffer.truncate(len);
                let nonce = Array::from_fn(|i| nonce[i]);
                cipher.decrypt_inout_detached(&nonce, aad, buffer.as_mut_slice().into(), &tag).is_ok()
            }
        }
    }
}
