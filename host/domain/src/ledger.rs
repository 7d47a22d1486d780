//! The ledger: what people, rules and the platform did, in chains that nobody can change unseen.
//!
//! Each gas company has a chain, and the platform one. An entry carries its place, its time, who did what as deterministic CBOR, the
//! hash of the entry before it and its own. The first one follows a hash made from the chain's identity, so that no chain passes for
//! another. A checkpoint is a head that was signed: who keeps one can tell any other history from this one.
//!
//! ```text
//! hash    = SHA-256("davy-ledger/1" ‖ chain ‖ seq ‖ at ‖ previous ‖ body)     chain, seq, at: 8 bytes each, big-endian
//! first   = SHA-256("davy-ledger/1 first" ‖ chain)                            the previous hash of entry 1
//! body    = CBOR [actor, act]
//! signed  = Ed25519("davy-ledger-checkpoint/1" ‖ chain ‖ seq ‖ at ‖ hash)
//! ```
//!
//! Never here: a database, a key, or a person's name, address or words of their own: entries cannot be taken back.

mod act;
mod checkpoint;
mod entry;
mod verify;

pub use act::{Act, Actor, Refusal};
pub use checkpoint::{Checkpoint, Signed};
pub use entry::{BodyError, Chain, Entry, Hash, HashError, Head, PublicKey};
pub use verify::{Fault, Log, Report, Verification};

#[cfg(test)]
mod tests;
