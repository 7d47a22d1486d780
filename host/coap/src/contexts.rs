//! The security contexts of an endpoint, found by id, or by kid and kid context, in constant time.
//!
//! Must never reuse an id: an exchange that outlived its context would seal under another one's keys.

use std::{
    collections::HashMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::{
    config::Timing,
    entropy::KeyedHash,
    event::ContextId,
    oscore::{KeyId, SecurityContext},
};

/// A context and what the endpoint knows of its peer.
pub(crate) struct Entry {
    pub(crate) context: SecurityContext,
    pub(crate) timing: Option<Timing>,
    /// Where the peer was last heard from, and the sequence number of the request that said so.
    latest: Option<(SocketAddr, u64)>,
    /// The highest sequence number that was challenged, and when the last challenge went out.
    challenged: Option<(u64, Instant)>,
}

impl Entry {
    /// The latest address of the peer.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.latest.map(|(address, _)| address)
    }

    /// Whether a request that may be an old one gets a challenge, which costs a number of ours. A new request always does; whoever sends
    /// old ones again gets one at a time.
    pub(crate) fn may_challenge(&mut self, now: Instant, sequence: u64, interval: Duration) -> bool {
        let (highest, may) = match self.challenged {
            None => (sequence, true),
            Some((highest, at)) => (highest.max(sequence), sequence > highest || now >= at + interval),
        };
        if may {
            self.challenged = Some((highest, now));
        }
        may
    }

    /// Notes where an authenticated request came from. One that was overtaken by a later request says nothing new.
    pub(crate) fn heard_from(&mut self, address: SocketAddr, sequence: u64) {
        if self.latest.is_none_or(|(_, latest)| sequence > latest) {
            self.latest = Some((address, sequence));
        }
    }
}

type ByKid = HashMap<KeyId, ContextId, KeyedHash>;

pub(crate) struct Contexts {
    entries: Vec<Option<Box<Entry>>>,
    hash: KeyedHash,
    without_id_context: ByKid,
    with_id_context: HashMap<Box<[u8]>, ByKid, KeyedHash>,
}

impl Contexts {
    pub(crate) fn new(hash: KeyedHash) -> Self {
        Self {
            entries: Vec::new(),
            hash,
            without_id_context: HashMap::with_hasher(hash),
            with_id_context: HashMap::with_hasher(hash),
        }
    }

    pub(crate) fn add(&mut self, context: SecurityContext) -> ContextId {
        let id = ContextId(self.entries.len() as u32);
        let kid = context.recipient_key_id();
        match context.id_context() {
            None => self.without_id_context.insert(kid, id),
            Some(name) => self
                .with_id_context
                .entry(name.into())
                .or_insert_with(|| HashMap::with_hasher(self.hash))
                .insert(kid, id),
        };
        self.entries.push(Some(Box::new(Entry { context, timing: None, latest: None, challenged: None })));
        id
    }

    pub(crate) fn remove(&mut self, id: ContextId) -> bool {
        let Some(entry) = self.entries.get_mut(id.0 as usize).and_then(Option::take) else { return false };
        let kid = entry.context.recipient_key_id();
        let by_kid = match entry.context.id_context() {
            None => Some(&mut self.without_id_context),
            Some(name) => self.with_id_context.get_mut(name),
        };
        if let Some(by_kid) = by_kid
            && by_kid.get(&kid) == Some(&id)
        {
            by_kid.remove(&kid);
        }
        if let Some(name) = entry.context.id_context()
            && self.with_id_context.get(name).is_some_and(HashMap::is_empty)
        {
            self.with_id_context.remove(name);
        }
        true
    }

    pub(crate) fn get(&self, id: ContextId) -> Option<&Entry> {
        self.entries.get(id.0 as usize)?.as_deref()
    }

    pub(crate) fn get_mut(&mut self, id: ContextId) -> Option<&mut Entry> {
        self.entries.get_mut(id.0 as usize)?.as_deref_mut()
    }

    /// The context whose peer calls itself `kid` within `kid_context`.
    pub(crate) fn find(&self, kid_context: Option<&[u8]>, kid: &[u8]) -> Option<ContextId> {
        let kid = KeyId::new(kid)?;
        match kid_context {
            None => self.without_id_context.get(&kid),
            Some(name) => self.with_id_context.get(name)?.get(&kid),
        }
        .copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        entropy::Entropy,
        oscore::{Algorithm, Params, ReplayState},
    };

    fn context(id_context: Option<&[u8]>, recipient_id: &[u8]) -> SecurityContext {
        SecurityContext::derive(Params {
            master_secret: &[1; 16],
            master_salt: &[],
            id_context,
            sender_id: &[9],
            recipient_id,
            algorithm: Algorithm::A128Gcm,
            replay: ReplayState::default(),
        })
        .unwrap()
    }

    #[test]
    fn a_context_is_found_by_kid_within_its_kid_context_alone() {
        let mut contexts = Contexts::new(KeyedHash::new(&mut Entropy::new([0; 32])));
        let plain = contexts.add(context(None, &[1]));
        let tenant = contexts.add(context(Some(b"t1"), &[1]));
        let other = contexts.add(context(Some(b"t2"), &[]));
        assert_eq!(contexts.find(None, &[1]), Some(plain));
        assert_eq!(contexts.find(Some(b"t1"), &[1]), Some(tenant));
        assert_eq!(contexts.find(Some(b"t2"), &[]), Some(other));
        assert_eq!(contexts.find(Some(b"t2"), &[1]), None);
        assert_eq!(contexts.find(Some(b""), &[1]), None);
        assert_eq!(contexts.find(None, &[0; 200]), None);
    }

    #[test]
    fn a_removed_id_is_not_given_to_another_and_a_replacement_survives_it() {
        let mut contexts = Contexts::new(KeyedHash::new(&mut Entropy::new([0; 32])));
        let old = contexts.add(context(Some(b"t"), &[1]));
        let new = contexts.add(context(Some(b"t"), &[1]));
        assert!(contexts.remove(old) && !contexts.remove(old));
        assert_eq!(contexts.find(Some(b"t"), &[1]), Some(new));
        assert!(contexts.remove(new));
        assert_eq!(contexts.find(Some(b"t"), &[1]), None);
        assert!(contexts.with_id_context.is_empty());
        assert_ne!(contexts.add(context(None, &[1])), old);
    }

    #[test]
    fn an_overtaken_request_does_not_move_the_address_back() {
        let mut contexts = Contexts::new(KeyedHash::new(&mut Entropy::new([0; 32])));
        let id = contexts.add(context(None, &[1]));
        let entry = contexts.get_mut(id).unwrap();
        let at = |port| SocketAddr::from(([10, 0, 0, 1], port));
        entry.heard_from(at(1), 5);
        entry.heard_from(at(2), 7);
        entry.heard_from(at(3), 6);
        assert_eq!(entry.address(), Some(at(2)));
    }
}
