//! The security context: keys, nonces and sequence numbers shared with one peer (RFC 8613 §3).

use std::{fmt, ops::Range};

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{
    MAX_SEQUENCE,
    algorithm::{Algorithm, Cipher, Nonce},
    option::partial_iv,
    replay::{ReplayState, ReplayWindow},
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
    /// The numbers that were reserved for this start are used, and the next ones may be another start's.
    #[error("the reserved sender sequence numbers end before {end}; reserve a new range before sending more")]
    RangeExhausted {
        /// The first number that is not reserved.
        end: u64,
    },
    /// The algorithm cannot encrypt so much at once.
    #[error("the plaintext is too long for the algorithm; send it block-wise")]
    PlaintextTooLong,
}

/// A Sender or Recipient ID: at most seven bytes, inline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

/// Which responses may go under the nonce of their request (RFC 8613 §5.2 lets each request's nonce be used for one).
///
/// After a restart an old request can come again. Were it taken as a new one and answered under its nonce, that nonce would have
/// sealed two plaintexts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NonceUse {
    /// Every one, while the replay window holds everything that was ever accepted; none while it may lack something. For keys that
    /// do not outlive the endpoint, or whose window is lost with it.
    #[default]
    Synced,
    /// Those given with [`Endpoint::respond_recorded`](crate::Endpoint::respond_recorded), and no others, whatever the window lacks.
    /// For an application that rebuilds the window from its records: whatever was answered under its own nonce is in them, hence a
    /// replay for ever, and a request that is admitted, being none, has its nonce unused (RFC 8613 §7.4 and appendix B.1.2).
    Recorded,
}

/// What the replay state says of a sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Never seen.
    Fresh,
    /// Above all that was recorded: fresh as far as is known, but not good enough for an Observe registration.
    FreshUnlessObserve,
    /// Fresh only if it repeats a fresh Echo value.
    Challenge,
    /// Seen, or too old to tell.
    Replay,
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
    /// The first number that is not ours to use.
    sender_end: u64,
    /// From which number on a new range is wanted; none when nobody asked to be told.
    low_from: Option<u64>,
    nonce_use: NonceUse,
    replay: ReplayState,
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

        let derived = Derived::new(&params);
        let sender = Cipher::new(algorithm, &derived.sender_key);
        let recipient = Cipher::new(algorithm, &derived.recipient_key);
        let common_iv = derived.common_iv;
        Ok(Self {
            algorithm,
            sender_id,
            recipient_id,
            id_context: params.id_context.map(Box::from),
            common_iv,
            sender,
            recipient,
            sender_sequence: 0,
            sender_end: MAX_SEQUENCE + 1,
            low_from: None,
            nonce_use: NonceUse::default(),
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

    /// Reserves the numbers of `range`, and no others, for our messages: after a restart one that no earlier start was given. Beyond its
    /// end nothing is sealed under a number of ours. When half of it is used,
    /// [`Event::SequencesLow`](crate::Event::SequencesLow) asks for the next one. Never lowers the next number.
    pub fn set_sender_range(&mut self, range: Range<u64>) {
        self.set_sender_sequence(range.start);
        self.sender_end = range.end.min(MAX_SEQUENCE + 1);
        self.low_from = Some(self.sender_sequence + self.sender_end.saturating_sub(self.sender_sequence) / 2);
    }

    /// Says which responses may go under the nonce of their request. To be set before the first message.
    pub fn set_nonce_use(&mut self, nonce_use: NonceUse) {
        self.nonce_use = nonce_use;
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
        if sequence >= self.sender_end {
            return Err(OscoreError::RangeExhausted { end: self.sender_end });
        }
        self.sender_sequence += 1;
        Ok(sequence)
    }

    /// Whether a request of the peer with this sequence number may be taken, before it is authenticated.
    pub(crate) fn admission(&self, sequence: u64) -> Admission {
        match &self.replay {
            ReplayState::Unknown => Admission::Challenge,
            ReplayState::Restored(window) if window.is_above(sequence) => Admission::FreshUnlessObserve,
            ReplayState::Restored(window) if window.is_fresh(sequence) => Admission::Challenge,
            ReplayState::Synced(window) if window.is_fresh(sequence) => Admission::Fresh,
            ReplayState::Restored(_) | ReplayState::Synced(_) => Admission::Replay,
        }
    }

    /// Records an authenticated request. One that repeated a fresh Echo value proves that everything before it is old, which settles
    /// what was not known.
    pub(crate) fn accept(&mut self, sequence: u64, proved_fresh: bool) {
        match &mut self.replay {
            ReplayState::Unknown | ReplayState::Restored(_) if proved_fresh => {
                let known = match &self.replay {
                    ReplayState::Restored(window) => window.highest().unwrap_or(0),
                    ReplayState::Unknown | ReplayState::Synced(_) => 0,
                };
                self.replay = ReplayState::Synced(ReplayWindow::closed_up_to(sequence.max(known)));
            }
            ReplayState::Unknown => {}
            ReplayState::Restored(window) | ReplayState::Synced(window) => window.accept(sequence),
        }
    }

    /// Whether a new range is wanted: said once for each range.
    pub(crate) fn runs_low(&mut self) -> bool {
        self.low_from.take_if(|from| *from <= self.sender_sequence).is_some()
    }

    /// Whether the nonce of a request that is admitted now can seal its response.
    pub(crate) fn is_request_nonce_free(&self, recorded: bool) -> bool {
        match self.nonce_use {
            NonceUse::Synced => matches!(self.replay, ReplayState::Synced(_)),
            NonceUse::Recorded => recorded,
        }
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
    pub(crate) fn nonce(&self, id: KeyId, sequence: u64) -> Nonce {
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

/// The output of the derivation, wiped on drop.
struct Derived {
    sender_key: Zeroizing<[u8; Algorithm::KEY_LEN]>,
    recipient_key: Zeroizing<[u8; Algorithm::KEY_LEN]>,
    common_iv: Nonce,
}

impl Derived {
    fn new(params: &Params<'_>) -> Self {
        let hkdf = Hkdf::<Sha256>::new(Some(params.master_salt), params.master_secret);
        let expand = |id: &[u8], kind: &str, out: &mut [u8]| {
            let info = info(id, params.id_context, params.algorithm, kind, out.len() as u8);
            // HKDF-SHA-256 expands to at most 8,160 bytes; 16 always fit.
            let expanded = hkdf.expand(&info, out);
            debug_assert!(expanded.is_ok());
        };
        let mut derived =
            Self { sender_key: Zeroizing::default(), recipient_key: Zeroizing::default(), common_iv: Nonce::default() };
        expand(params.sender_id, "Key", &mut *derived.sender_key);
        expand(params.recipient_id, "Key", &mut *derived.recipient_key);
        expand(&[], "IV", &mut derived.common_iv[..params.algorithm.nonce_len()]);
        derived
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

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
    }

    /// Salt, ID Context, client's id, then the client's sender key, recipient key, common IV, and its and the server's nonce for 0.
    const VECTORS: [[&str; 8]; 3] = [
        [
            "9e7ca92223786340",
            "",
            "",
            "f0910ed7295e6ad4b54fc793154302ff",
            "ffb14e093c94c9cac9471648b4f98710",
            "4622d4dd6d944168eefb54987c",
            "4622d4dd6d944168eefb54987c",
            "4722d4dd6d944169eefb54987c",
        ],
        [
            "",
            "",
            "00",
            "321b26943253c7ffb6003b0b64d74041",
            "e57b5635815177cd679ab4bcec9d7dda",
            "be35ae297d2dace910c52e99f9",
            "bf35ae297d2dace910c52e99f9",
            "bf35ae297d2dace810c52e99f9",
        ],
        [
            "9e7ca92223786340",
            "37cbf3210017a2d3",
            "",
            "af2a1300a5e95788b356336eeecd2b92",
            "e39a0c7c77b43f03b4b39ab9a268699f",
            "2ca58fb85ff1b81c0b7181b85e",
            "2ca58fb85ff1b81c0b7181b85e",
            "2da58fb85ff1b81d0b7181b85e",
        ],
    ];

    #[test]
    fn rfc_8613_c1_to_c3_keys_and_nonces_are_derived_for_both_roles() {
        for [salt, id_context, client_id, sender_key, recipient_key, common_iv, client_nonce, server_nonce] in VECTORS {
            let (salt, id_context, client_id) = (hex(salt), hex(id_context), hex(client_id));
            let client = Params {
                master_secret: &hex("0102030405060708090a0b0c0d0e0f10"),
                master_salt: &salt,
                id_context: (!id_context.is_empty()).then_some(&id_context),
                sender_id: &client_id,
                recipient_id: &[1],
                algorithm: Algorithm::AesCcm16_64_128,
                replay: ReplayState::Unknown,
            };
            let server = Params { sender_id: &[1], recipient_id: &client_id, ..client };
            for (params, keys) in [(client, [sender_key, recipient_key]), (server, [recipient_key, sender_key])] {
                let derived = Derived::new(&params);
                assert_eq!(derived.sender_key[..], hex(keys[0]));
                assert_eq!(derived.recipient_key[..], hex(keys[1]));
                assert_eq!(derived.common_iv[..], hex(common_iv));
                let context = SecurityContext::derive(params).unwrap();
                assert_eq!(context.nonce(KeyId::new(&client_id).unwrap(), 0)[..], hex(client_nonce));
                assert_eq!(context.nonce(KeyId::new(&[1]).unwrap(), 0)[..], hex(server_nonce));
            }
        }
    }

    #[test]
    fn rfc_8613_c1_info_is_the_cbor_of_the_rfc() {
        assert_eq!(info(&[], None, Algorithm::AesCcm16_64_128, "Key", 16), hex("8540f60a634b657910"));
        assert_eq!(info(&[1], None, Algorithm::AesCcm16_64_128, "Key", 16), hex("854101f60a634b657910"));
        assert_eq!(info(&[], None, Algorithm::AesCcm16_64_128, "IV", 13), hex("8540f60a6249560d"));
    }

    fn params(sender_id: &[u8]) -> Params<'_> {
        Params {
            master_secret: &[7; 16],
            master_salt: &[],
            id_context: None,
            sender_id,
            recipient_id: &[],
            algorithm: Algorithm::A128Gcm,
            replay: ReplayState::default(),
        }
    }

    #[test]
    fn ids_that_do_not_fit_the_nonce_and_equal_ids_are_refused() {
        let refused = |params| SecurityContext::derive(params).map(|_| ()).unwrap_err();
        assert!(SecurityContext::derive(params(&[1; 6])).is_ok());
        let ccm = Params { algorithm: Algorithm::AesCcm16_64_128, ..params(&[1; 7]) };
        assert!(SecurityContext::derive(ccm).is_ok());
        assert!(matches!(refused(params(&[1; 7])), OscoreError::IdTooLong { max: 6, .. }));
        assert!(matches!(refused(params(&[1; 300])), OscoreError::IdTooLong { len: 300, .. }));
        assert_eq!(refused(params(&[])), OscoreError::SameIds);
        assert_eq!(refused(Params { master_secret: &[1; 15], ..params(&[1]) }), OscoreError::SecretTooShort(15));
        assert_eq!(refused(Params { id_context: Some(&[0; 256]), ..params(&[1]) }), OscoreError::IdContextTooLong(256));
    }

    #[test]
    fn a_sequence_number_is_never_used_twice_and_never_wraps() {
        let mut context = SecurityContext::derive(params(&[1])).unwrap();
        context.set_sender_sequence(MAX_SEQUENCE);
        context.set_sender_sequence(5);
        assert_eq!(context.next_sequence(), Ok(MAX_SEQUENCE));
        assert_eq!(context.next_sequence(), Err(OscoreError::SequenceExhausted));
    }

    #[test]
    fn nothing_is_sealed_beyond_the_reserved_range_and_the_next_one_is_asked_for_once() {
        let mut context = SecurityContext::derive(params(&[1])).unwrap();
        context.set_sender_range(8..12);
        let next = |context: &mut SecurityContext| (context.next_sequence(), context.runs_low());
        assert_eq!([next(&mut context), next(&mut context)], [(Ok(8), false), (Ok(9), true)]);
        assert_eq!([next(&mut context), next(&mut context)], [(Ok(10), false), (Ok(11), false)]);
        assert_eq!(context.next_sequence(), Err(OscoreError::RangeExhausted { end: 12 }));
        context.set_sender_range(4..8);
        assert_eq!(context.next_sequence(), Err(OscoreError::RangeExhausted { end: 8 }), "never back");
        context.set_sender_range(20..24);
        assert_eq!(context.next_sequence(), Ok(20));
    }

    #[test]
    fn keys_do_not_show_in_debug_output() {
        let text = format!("{:?}", SecurityContext::derive(params(&[1])).unwrap());
        assert!(text.contains("sender_sequence") && !text.contains("key") && !text.contains("common_iv"), "{text}");
    }
}
