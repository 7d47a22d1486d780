//! A head that somebody vouches for. Signing and the check of a signature are the caller's: there is no key here.

use super::{Chain, Hash, Head, PublicKey};
use crate::time::Timestamp;

const PURPOSE: &[u8] = b"davy-ledger-checkpoint/1";

/// How a chain stood at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which chain.
    pub chain: Chain,
    /// Its last entry then.
    pub seq: u64,
    /// That entry's hash.
    pub hash: Hash,
    /// When.
    pub at: Timestamp,
}

impl Checkpoint {
    /// Of a chain that ends in `head`.
    pub const fn of(head: Head, at: Timestamp) -> Self {
        Self { chain: head.chain, seq: head.seq, hash: head.hash, at }
    }

    /// What is signed.
    pub fn message(&self) -> Vec<u8> {
        let mut message = Vec::with_capacity(PURPOSE.len() + 56);
        message.extend_from_slice(PURPOSE);
        message.extend_from_slice(&self.chain.raw().to_be_bytes());
        message.extend_from_slice(&self.seq.to_be_bytes());
        message.extend_from_slice(&self.at.as_millis().to_be_bytes());
        message.extend_from_slice(self.hash.as_bytes());
        message
    }
}

/// A checkpoint with its signature, which may be anybody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed {
    /// What is vouched for.
    pub checkpoint: Checkpoint,
    /// The Ed25519 key that is said to have signed it.
    pub key: PublicKey,
    /// The signature over [`Checkpoint::message`].
    pub signature: [u8; 64],
}
