//! The table of peers: what is remembered per address, in order of last use.
//!
//! A peer gets a place only for a message that earned it (authenticated, or one of ours), so that spoofed addresses cannot push out the
//! real ones. Must never hold more peers than configured, nor drop one that a message of ours is on the way to.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::{
    arena::{Arena, PeerId, TransmissionId},
    dedup::Dedup,
    entropy::{Entropy, KeyedHash},
    event::{NotificationId, ObservationId, RequestId},
};

/// How many non-confirmable messages of ours a peer may still reset.
const RESETTABLE: usize = 8;

/// The bytes of Ethernet, IPv4 and UDP headers, which an attacker pays for too (RFC 9175 §2.4).
const PACKET_OVERHEAD: i64 = 62;

/// A non-confirmable message of ours that a reset would be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unconfirmed {
    Request(RequestId),
    Notification(ObservationId, NotificationId),
}

pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) dedup: Dedup,
    /// Confirmable messages on the way.
    pub(crate) in_flight: usize,
    /// Confirmable messages that wait for one of those to end.
    pub(crate) queue: VecDeque<TransmissionId>,
    unconfirmed: VecDeque<(u16, Unconfirmed)>,
    next_message_id: u16,
    /// Whether the address is known to be the peer's.
    verified: bool,
    /// Bytes that may still be sent while it is not.
    credit: i64,
    last_active: Instant,
    /// What `last_active` was when the peer was put in its place in the order of use. To keep that order exact would cost each message
    /// a look at two other peers; so the place is only mended when the peer comes to the end of the list.
    placed: Instant,
    newer: Option<PeerId>,
    older: Option<PeerId>,
}

impl Peer {
    pub(crate) fn next_message_id(&mut self) -> u16 {
        self.next_message_id = self.next_message_id.wrapping_add(1);
        self.next_message_id
    }

    pub(crate) fn is_verified(&self) -> bool {
        self.verified
    }

    pub(crate) fn verify(&mut self) {
        self.verified = true;
    }

    /// Counts received bytes towards what may be sent.
    pub(crate) fn earn(&mut self, bytes: usize, factor: usize) {
        if !self.verified {
            self.credit = self.credit.saturating_add(credit(bytes, factor));
        }
    }

    /// Whether `bytes` may be sent, and if so, counts them.
    pub(crate) fn spend(&mut self, bytes: usize) -> bool {
        if self.verified {
            return true;
        }
        let cost = bytes as i64 + PACKET_OVERHEAD;
        let allowed = cost <= self.credit;
        if allowed {
            self.credit -= cost;
        }
        allowed
    }

    pub(crate) fn remember_unconfirmed(&mut self, message_id: u16, what: Unconfirmed) {
        if self.unconfirmed.len() >= RESETTABLE {
            self.unconfirmed.pop_front();
        }
        self.unconfirmed.push_back((message_id, what));
    }

    pub(crate) fn take_unconfirmed(&mut self, message_id: u16) -> Option<Unconfirmed> {
        let index = self.unconfirmed.iter().rposition(|&(id, _)| id == message_id)?;
        self.unconfirmed.remove(index).map(|(_, what)| what)
    }

    fn is_busy(&self) -> bool {
        self.in_flight > 0 || !self.queue.is_empty()
    }
}

/// An address as two words, so that hashing it is short.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct AddressKey(u128, u64);

impl From<SocketAddr> for AddressKey {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(v4) => Self(u32::from(*v4.ip()).into(), 1 << 48 | u64::from(v4.port())),
            SocketAddr::V6(v6) => Self((*v6.ip()).into(), u64::from(v6.scope_id()) << 16 | u64::from(v6.port())),
        }
    }
}

/// Whether a reply of `sent` bytes to an address that nothing is known of stays within `factor` times the `received` ones.
pub(crate) fn is_within_amplification(received: usize, sent: usize, factor: usize) -> bool {
    sent as i64 + PACKET_OVERHEAD <= credit(received, factor)
}

fn credit(bytes: usize, factor: usize) -> i64 {
    (bytes as i64 + PACKET_OVERHEAD).saturating_mul(factor.min(1 << 20) as i64)
}

pub(crate) struct Peers {
    arena: Arena<PeerId, Peer>,
    by_address: HashMap<AddressKey, PeerId, KeyedHash>,
    newest: Option<PeerId>,
    oldest: Option<PeerId>,
    max: usize,
    evicted: u64,
}

impl Peers {
    pub(crate) fn new(hash: KeyedHash, max: usize) -> Self {
        Self {
            arena: Arena::default(),
            by_address: HashMap::with_hasher(hash),
            newest: None,
            oldest: None,
            max: max.max(1),
            evicted: 0,
        }
    }

    pub(crate) fn find(&self, address: SocketAddr) -> Option<PeerId> {
        self.by_address.get(&address.into()).copied()
    }

    pub(crate) fn get(&self, id: PeerId) -> Option<&Peer> {
        self.arena.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.arena.get_mut(id)
    }

    pub(crate) fn len(&self) -> usize {
        self.arena.len()
    }

    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// The peer's place, made for it when it has none, and marked as just used. None when every place is taken by a busy peer.
    pub(crate) fn enter(&mut self, now: Instant, address: SocketAddr, entropy: &mut Entropy) -> Option<PeerId> {
        if let Some(id) = self.find(address) {
            self.touch(id, now);
            return Some(id);
        }
        if self.arena.len() >= self.max && !self.make_room(now) {
            return None;
        }
        let id = self.arena.insert(Peer {
            address,
            dedup: Dedup::default(),
            in_flight: 0,
            queue: VecDeque::new(),
            unconfirmed: VecDeque::new(),
            next_message_id: entropy.u16(),
            verified: false,
            credit: 0,
            last_active: now,
            placed: now,
            newer: None,
            older: None,
        });
        self.by_address.insert(address.into(), id);
        self.link_newest(id);
        Some(id)
    }

    /// Marks a peer as just used.
    pub(crate) fn touch(&mut self, id: PeerId, now: Instant) {
        if let Some(peer) = self.arena.get_mut(id) {
            peer.last_active = now;
        }
    }

    /// Forgets peers that have been idle for `lifetime`.
    pub(crate) fn expire(&mut self, now: Instant, lifetime: Duration) {
        while let Some((id, peer)) = self.oldest.and_then(|id| Some((id, self.arena.get(id)?))) {
            if peer.is_busy() {
                // What it waits for ends by itself, and so the loop: after this it is placed at `now`.
                self.touch(id, now);
                self.replace(id);
            } else if peer.last_active > peer.placed {
                self.replace(id);
            } else if now.duration_since(peer.last_active) >= lifetime {
                self.remove(id);
            } else {
                break;
            }
            if self.oldest.and_then(|id| self.arena.get(id)).is_some_and(|peer| peer.placed >= now) {
                break;
            }
        }
    }

    /// Drops a peer that has been idle for long: the first one from the end of the list that was not used since it was placed there. If
    /// all of the last few were, the one of them that was idle for longest.
    fn make_room(&mut self, now: Instant) -> bool {
        let mut victim: Option<(PeerId, Instant)> = None;
        for _ in 0..8 {
            let Some((id, peer)) = self.oldest.and_then(|id| Some((id, self.arena.get(id)?))) else { break };
            let (busy, last_active, unused) = (peer.is_busy(), peer.last_active, peer.last_active <= peer.placed);
            if !busy && victim.is_none_or(|(_, least)| last_active < least) {
                victim = Some((id, last_active));
            }
            if !busy && unused {
                break;
            }
            if busy {
                self.touch(id, now);
            }
            self.replace(id);
        }
        let Some((id, _)) = victim else { return false };
        self.remove(id);
        self.evicted += 1;
        true
    }

    /// Puts a peer that has come to the end of the list where it belongs by now: to its front.
    fn replace(&mut self, id: PeerId) {
        self.unlink(id);
        self.link_newest(id);
    }

    fn remove(&mut self, id: PeerId) {
        self.unlink(id);
        if let Some(peer) = self.arena.remove(id) {
            self.by_address.remove(&peer.address.into());
        }
    }

    fn unlink(&mut self, id: PeerId) {
        let Some((newer, older)) = self.arena.get(id).map(|peer| (peer.newer, peer.older)) else { return };
        match newer.and_then(|newer| self.arena.get_mut(newer)) {
            Some(newer) => newer.older = older,
            None => self.newest = older,
        }
        match older.and_then(|older| self.arena.get_mut(older)) {
            Some(older) => older.newer = newer,
            None => self.oldest = newer,
        }
    }

    fn link_newest(&mut self, id: PeerId) {
        let before = self.newest.replace(id);
        if let Some(peer) = self.arena.get_mut(id) {
            (peer.newer, peer.older) = (None, before);
            peer.placed = peer.last_active;
        }
        match before.and_then(|before| self.arena.get_mut(before)) {
            Some(before) => before.newer = Some(id),
            None => self.oldest = Some(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(max: usize) -> (Peers, Entropy) {
        let mut entropy = Entropy::new([0; 32]);
        (Peers::new(KeyedHash::new(&mut entropy), max), entropy)
    }

    fn address(port: u16) -> SocketAddr {
        ([10, 0, 0, 1], port).into()
    }

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn the_peer_idle_for_longest_makes_room() {
        let (mut peers, mut entropy) = peers(3);
        let now = Instant::now();
        let ids: Vec<_> = (0..3).map(|port| peers.enter(now, address(port), &mut entropy).unwrap()).collect();
        peers.touch(ids[0], now + seconds(1));
        peers.enter(now + seconds(2), address(3), &mut entropy).unwrap();
        assert_eq!(peers.find(address(1)), None);
        assert_eq!((peers.find(address(0)), peers.find(address(2))), (Some(ids[0]), Some(ids[2])));
        assert_eq!((peers.len(), peers.evicted()), (3, 1));
    }

    #[test]
    fn a_peer_with_a_message_on_the_way_is_not_dropped() {
        let (mut peers, mut entropy) = peers(1);
        let now = Instant::now();
        let id = peers.enter(now, address(0), &mut entropy).unwrap();
        peers.get_mut(id).unwrap().in_flight = 1;
        assert_eq!(peers.enter(now, address(1), &mut entropy), None);
        peers.expire(now + seconds(10), seconds(5));
        assert_eq!(peers.len(), 1);
    }

    #[test]
    fn idle_peers_expire_in_order_and_the_list_stays_whole() {
        let (mut peers, mut entropy) = peers(100);
        let start = Instant::now();
        for n in 0..50_u16 {
            peers.enter(start + seconds(n.into()), address(n), &mut entropy);
        }
        for n in (0..50).step_by(7) {
            let id = peers.find(address(n)).unwrap();
            peers.touch(id, start + seconds(50));
        }
        peers.expire(start + seconds(109), seconds(60));
        assert_eq!(peers.len(), 8);
        peers.expire(start + seconds(110), seconds(60));
        assert_eq!((peers.len(), peers.newest, peers.oldest), (0, None, None));
    }

    #[test]
    fn an_unverified_address_gets_at_most_three_times_what_it_sent() {
        // RFC 9175 §2.4: a minimal request earns 136 bytes.
        assert!(is_within_amplification(4, 136, 3) && !is_within_amplification(4, 137, 3));
        let (mut peers, mut entropy) = peers(1);
        let id = peers.enter(Instant::now(), address(0), &mut entropy).unwrap();
        let peer = peers.get_mut(id).unwrap();
        assert!(!peer.spend(1));
        peer.earn(4, 3);
        assert!(peer.spend(36) && peer.spend(38) && !peer.spend(1));
        peer.verify();
        assert!(peer.spend(1_000_000));
    }
}
