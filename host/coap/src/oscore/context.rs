//! The security context: keys, nonces and sequence numbers shared with one peer (RFC 8613 §3).

use std::fmt;

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{
    MAX_SEQUENCE,
    algorithm::{Algorithm, Cipher, Nonce},
    option::partial_iv,
    replay::ReplayState,
};

/// What two peers agreed on before: the input of a context's derivation (RFC 8613 §3.2).
#[derive(Clone, Copy)]
pub struct Params<'a> {
    /// Shared by the two peers alone; at least 16 random bytes.
    pub master_secret: &'a [u8],
    /// Empty when there is none.
    pub master_salt: &'a [u8],
    /// Names the context beyond its ids, e.g. the tenant; 0–255 bytes. It goes with every request as the kid context.
    pub id_context: Option<&'a [u8]>,
    /// Our own id: empty, or up to [`Algorithm::max_id_len`] bytes.
    pub sender_id: &'a [u8],
    /// The peer's id, likewise, and another one than ours.
    pub recipient_id: &'a [u8],
    /// The AEAD algorithm; the HKDF is SHA-256's.
    pub algorithm: Algorithm,
    /// What is known of the peer's sequence numbers.
    pub replay: ReplayState,
}

/// Why a context could not be derived, or could not protect a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OscoreError {
    /// An id does not fit the nonce.
    #[error("the {which} ID has {len} bytes; {max} fit beside the Partial IV in the nonce of {algorithm:?}")]
    IdTooLong {
        /// Sender or Recipient.
        which: &'static str,
        /// Its bytes.
        len: usize,
        /// The most that fit.
        max: usize,
        /// The context's algorithm.
        algorithm: Algorithm,
    },
    /// Both peers would use the same keys and nonces.
    #[error("the Sender ID and the Recipient ID are the same; give each peer its own")]
    SameIds,
    /// The ID Context does not fit the OSCORE option.
    #[error("the ID Context has {0} bytes; at most 255 can be sent")]
    IdContextTooLong(usize),
    /// The Master Secret is too short to be one.
    #[error("the Master Secret has {0} bytes; at least 16 random ones are needed")]
    SecretTooShort(usize),
    /// The Partial IV has 40 bits, and all have been used.
    #[error("all 2^40 sender sequence numbers are used; derive a new context")]
    SequenceExhausted,
    /// The algorithm cannot encrypt so much at once.
    #[error("the plaintext is too long for the algorithm; send it block-wise")]
    PlaintextTooLong,
}

/// A Sender or Recipient ID: at most seven bytes, inline.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct KeyId {
    len: u8,
    bytes: [u8; 7],
}

impl KeyId {
    pub(crate) fn new(id: &[u8]) -> Option<Self> {
        let mut bytes = [0; 7];
        bytes.get_mut(..id.len())?.copy_from_slice(id);
        Some(Self { len: id.len() as u8, bytes })
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// The state shared with one peer. Its keys are wiped on drop and never handed out.
pub struct SecurityContext {
    algorithm: Algorithm,
    sender_id: KeyId,
    recipient_id: KeyId,
    id_context: Option<Box<[u8]>>,
    common_iv: Nonce,
    sender: Cipher,
    recipient: Cipher,
    sender_sequence: u64,
    pub(crate) replay: ReplayState,
}

impl SecurityContext {
    /// Derives the keys and the common IV with HKDF-SHA-256 (RFC 8613 §3.2.1).
    pub fn derive(params: Params<'_>) -> Result<Self, OscoreError> {
        let algorithm = params.algorithm;
        let id = |which, id: &[u8]| match KeyId::new(id) {
            Some(key_id) if id.len() <= algorithm.max_id_len() => Ok(key_id),
            _ => Err(OscoreError::IdTooLong { which, len: id.len(), max: algorithm.max_id_len(), algorithm }),
        };
        let sender_id = id("Sender", params.sender_id)?;
        let recipient_id = id("Recipient", params.recipient_id)?;
        if sender_id == recipient_id {
            return Err(OscoreError::SameIds);
        }
        if let Some(len) = params.id_context.map(<[u8]>::len).filter(|&len| len > 255) {
            return Err(OscoreError::IdContextTooLong(len));
        }
        if params.master_secret.len() < 16 {
            return Err(OscoreError::SecretTooShort(params.master_secret.len()));
        }

        let hkdf = Hkdf::<Sha256>::new(Some(params.master_salt), params.master_secret);
        let expand = |id: &[u8], kind: &str, out: &mut [u8]| {
            let info = info(id, params.id_context, algorithm, kind, out.len() as u8);
            // HKDF-SHA-256 expands to at most 8,160 bytes; 16 always fit.
            let fits = hkdf.expand(&info, out).is_ok();
            debug_assert!(fits);
        };
        let mut key = Zeroizing::new([0; Algorithm::KEY_LEN]);
        expand(sender_id.as_slice(), "Key", &mut *key);
        let sender = Cipher::new(algorithm, &key);
        expand(recipient_id.as_slice(), "Key", &mut *key);
        let recipient = Cipher::new(algorithm, &key);
        let mut common_iv = Nonce::default();
        expand(&[], "IV", &mut common_iv[..algorithm.nonce_len()]);

        Ok(Self {
            algorithm,
            sender_id,
            recipient_id,
            id_context: params.id_context.map(Box::from),
            common_iv,
            sender,
            recipient,
            sender_sequence: 0,
            replay: params.replay,
        })
    }

    /// The AEAD algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Our own id.
    pub fn sender_id(&self) -> &[u8] {
        self.sender_id.as_slice()
    }

    /// The peer's id.
    pub fn recipient_id(&self) -> &[u8] {
        self.recipient_id.as_slice()
    }

    /// The ID Context, when there is one.
    pub fn id_context(&self) -> Option<&[u8]> {
        self.id_context.as_deref()
    }

    /// The sequence number that our next message will use. To be persisted before it is used, or raised after a restart.
    pub fn sender_sequence(&self) -> u64 {
        self.sender_sequence
    }

    /// Raises the next sequence number to `floor`; never lowers it, because a number used twice breaks the cipher. After a restart give
    /// a floor above everything ever used, e.g. a boot counter in the high bits.
    pub fn set_sender_sequence(&mut self, floor: u64) {
        self.sender_sequence = self.sender_sequence.max(floor);
    }

    /// What is known of the peer's sequence numbers.
    pub fn replay(&self) -> ReplayState {
        self.replay
    }

    pub(crate) fn next_sequence(&mut self) -> Result<u64, OscoreError> {
        let sequence = self.sender_sequence;
        if sequence > MAX_SEQUENCE {
            return Err(OscoreError::SequenceExhausted);
        }
        self.sender_sequence += 1;
        Ok(sequence)
    }

    pub(crate) fn sender_key_id(&self) -> KeyId {
        self.sender_id
    }

    pub(crate) fn recipient_key_id(&self) -> KeyId {
        self.recipient_id
    }

    pub(crate) fn sender_cipher(&self) -> &Cipher {
        &self.sender
    }

    pub(crate) fn recipient_cipher(&self) -> &Cipher {
        &self.recipient
    }

    /// The nonce of the message whose Partial IV is `sequence`, made by the peer with `id` (RFC 8613 §5.2).
    pub(crate) fn nonce(&self, id: &KeyId, sequence: u64) -> Nonce {
        let len = self.algorithm.nonce_len();
        let mut nonce = self.common_iv;
        let id = id.as_slice();
        nonce[0] ^= id.len() as u8;
        let (piv, _) = partial_iv(sequence);
        for (byte, id) in nonce[len - 5 - id.len()..len - 5].iter_mut().zip(id) {
            *byte ^= id;
        }
        for (byte, piv) in nonce[len - 5..len].iter_mut().zip(piv) {
            *byte ^= piv;
        }
        nonce
    }
}

impl fmt::Debug for SecurityContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecurityContext")
            .field("algorithm", &self.algorithm)
            .field("sender_id", &self.sender_id())
            .field("recipient_id", &self.recipient_id())
            .field("id_context", &self.id_context())
            .field("sender_sequence", &self.sender_sequence)
            .field("replay", &self.replay)
            .finish_non_exhaustive()
    }
}

/// The HKDF info: CBOR `[id, id_context / nil, alg_aead, type, L]`.
fn info(id: &[u8], id_context: Option<&[u8]>, algorithm: Algorithm, kind: &str, len: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(32 + id_context.map_or(0, <[u8]>::len));
    let mut cbor = minicbor::Encoder::new(&mut out);
    let encoded = (|| {
        cbor.array(5)?.bytes(id)?;
        match id_context {
            Some(context) => cbor.bytes(context)?,
            None => cbor.null()?,
        };
        cbor.u8(algorithm.cose_id())?.str(kind)?.u8(len)?.ok()
    })();
    debug_assert!(encoded.is_ok(), "writing to a Vec cannot fail");
    out
}
