//! Which shard a datagram belongs to: by its OSCORE kid, or, where it carries none (an acknowledgement), by its sender's address.
//!
//! Routing is a guess that costs nothing when wrong: the shard authenticates. Nothing here decrypts.

use davy_coap::Peek;
use davy_domain::InterlockId;
use std::collections::HashMap;
use std::net::SocketAddr;

/// The number of a shard.
pub type ShardIndex = u16;

/// The shard that an interlock lives in, of so many; the same at every start with as many.
pub fn home_of(interlock: InterlockId, shards: usize) -> ShardIndex {
    let mixed = (interlock.raw().unsigned_abs().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize;
    (mixed % shards.max(1)) as ShardIndex
}

/// An OSCORE ID Context (at most 8 bytes) and kid (at most 7) in one word, so that a look-up allocates nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContextKey(u128);

impl ContextKey {
    /// The key; none when either part is longer than any that the platform assigns.
    pub fn new(id_context: &[u8], kid: &[u8]) -> Option<Self> {
        if id_context.len() > 8 || kid.len() > 7 {
            return None;
        }
        let mut bytes = [0_u8; 16];
        bytes[0] = (id_context.len() << 4 | kid.len()) as u8;
        bytes[1..=id_context.len()].copy_from_slice(id_context);
        bytes[9..9 + kid.len()].copy_from_slice(kid);
        Some(Self(u128::from_le_bytes(bytes)))
    }
}

/// The routes. Addresses are learnt from datagrams that name a known kid; two generations bound what a flood can make us hold.
#[derive(Debug, Default)]
pub struct Routes {
    contexts: HashMap<ContextKey, ShardIndex>,
    addresses: HashMap<SocketAddr, ShardIndex>,
    older_addresses: HashMap<SocketAddr, ShardIndex>,
}

/// Addresses per generation.
const GENERATION: usize = 1 << 19;

impl Routes {
    /// Routes for these contexts.
    pub fn new(contexts: HashMap<ContextKey, ShardIndex>) -> Self {
        Self { contexts, ..Self::default() }
    }

    /// A context that was not there at the start.
    pub fn add(&mut self, context: ContextKey, shard: ShardIndex) {
        self.contexts.insert(context, shard);
    }

    /// The shard for a datagram; none when it names no known device and comes from where none was heard.
    pub fn shard_of(&mut self, peer: SocketAddr, peek: Option<&Peek<'_>>) -> Option<ShardIndex> {
        let context = peek.and_then(|peek| ContextKey::new(peek.kid_context.unwrap_or_default(), peek.kid?));
        if let Some(&shard) = context.as_ref().and_then(|context| self.contexts.get(context)) {
            self.learn(peer, shard);
            return Some(shard);
        }
        self.addresses.get(&peer).or_else(|| self.older_addresses.get(&peer)).copied()
    }

    fn learn(&mut self, peer: SocketAddr, shard: ShardIndex) {
        if self.addresses.insert(peer, shard).is_none() && self.addresses.len() >= GENERATION {
            self.older_addresses = std::mem::take(&mut self.addresses);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_one_part_ends_and_the_other_begins_is_part_of_the_key() {
        assert_ne!(ContextKey::new(b"ab", b"c"), ContextKey::new(b"a", b"bc"));
        assert_ne!(ContextKey::new(b"", b"\0"), ContextKey::new(b"", b""));
        assert_eq!(ContextKey::new(b"123456789", b""), None);
        assert_eq!(ContextKey::new(b"", b"12345678"), None);
    }
}
