//! Block-wise transfer (RFC 7959): the Block options, and the store of bodies that are half here or half fetched.
//!
//! Must never hold more bytes than its bound, whatever peers announce: a size option is a hint, only received bytes count.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use crate::{
    entropy::{KeyedHash, Principal},
    option::decode_uint,
};

/// A Block1 or Block2 option's value (RFC 7959 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Which block: 0 to 2²⁰ − 1.
    pub number: u32,
    /// Whether more follow.
    pub more: bool,
    /// The size's exponent: 0 (16 bytes) to 6 (1,024 bytes).
    pub szx: u8,
}

impl Block {
    /// Decodes an option value; None when it is too long or the exponent is the reserved 7.
    pub fn decode(value: &[u8]) -> Option<Self> {
        let bits = decode_uint(value).filter(|_| value.len() <= 3)?;
        let szx = (bits & 7) as u8;
        (szx < 7).then_some(Self { number: bits >> 4, more: bits & 8 != 0, szx })
    }

    /// The option value, to be encoded as an unsigned integer.
    pub fn encode(self) -> u32 {
        self.number << 4 | u32::from(self.more) << 3 | u32::from(self.szx)
    }

    /// Bytes in a full block.
    pub fn size(self) -> usize {
        16 << self.szx
    }

    /// Where the block begins in the body.
    pub fn offset(self) -> usize {
        self.number as usize * self.size()
    }

    /// The part of `body` in block `number`, or none when the body ends before it. An empty body has one empty block.
    pub(crate) fn cut(number: u32, szx: u8, body: &[u8]) -> Option<(Self, &[u8])> {
        let mut block = Self { number, more: false, szx };
        let rest = body.get(block.offset()..).filter(|rest| number == 0 || !rest.is_empty())?;
        block.more = rest.len() > block.size();
        Some((block, &rest[..rest.len().min(block.size())]))
    }
}

/// The exponent of the largest block of at most `size` bytes.
pub(crate) fn szx_of(size: u16) -> u8 {
    (size.max(16).ilog2() - 4).min(6) as u8
}

/// Whose transfer of what: the principal and a hash over method, path and queries, so that a transfer follows its keys to a new address.
pub(crate) type TransferKey = (Principal, u64);

struct Entry<T> {
    value: T,
    bytes: usize,
    touched: Instant,
    /// The newest mention in `order`.
    stamp: u64,
}

/// Bodies in transfer, the least recently touched first to go.
pub(crate) struct Transfers<T> {
    entries: HashMap<TransferKey, Entry<T>, KeyedHash>,
    order: VecDeque<(TransferKey, u64)>,
    stamp: u64,
    bytes: usize,
    max_entries: usize,
    max_bytes: usize,
}

impl<T> Transfers<T> {
    pub(crate) fn new(hash: KeyedHash, max_entries: usize, max_bytes: usize) -> Self {
        Self {
            entries: HashMap::with_hasher(hash),
            order: VecDeque::new(),
            stamp: 0,
            bytes: 0,
            max_entries: max_entries.max(1),
            max_bytes,
        }
    }

    /// Stores a body of `bytes` bytes, in the place of any other of the same key, and drops the oldest until it fits.
    pub(crate) fn put(&mut self, now: Instant, key: TransferKey, value: T, bytes: usize) {
        self.take(&key);
        while !self.entries.is_empty()
            && (self.entries.len() >= self.max_entries || self.bytes + bytes > self.max_bytes)
        {
            match self.order.pop_front() {
                Some((oldest, stamp)) if self.is_current(&oldest, stamp) => drop(self.take(&oldest)),
                Some(_) => {}
                None => break,
            }
        }
        self.stamp += 1;
        self.bytes += bytes;
        self.entries.insert(key, Entry { value, bytes, touched: now, stamp: self.stamp });
        self.order.push_back((key, self.stamp));
        if self.order.len() > 2 * self.entries.len() + 16 {
            let entries = &self.entries;
            self.order.retain(|(key, stamp)| entries.get(key).is_some_and(|entry| entry.stamp == *stamp));
        }
    }

    pub(crate) fn take(&mut self, key: &TransferKey) -> Option<T> {
        let entry = self.entries.remove(key)?;
        self.bytes -= entry.bytes;
        Some(entry.value)
    }

    /// Drops what nobody has touched for `timeout`.
    pub(crate) fn expire(&mut self, now: Instant, timeout: Duration) {
        while let Some(&(key, stamp)) = self.order.front() {
            if self.is_current(&key, stamp) {
                if self.entries.get(&key).is_some_and(|entry| now.duration_since(entry.touched) < timeout) {
                    break;
                }
                self.take(&key);
            }
            self.order.pop_front();
        }
    }

    pub(crate) fn remove_principal(&mut self, principal: Principal) {
        let keys: Vec<_> = self.entries.keys().filter(|key| key.0 == principal).copied().collect();
        for key in keys {
            self.take(&key);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn is_current(&self, key: &TransferKey, stamp: u64) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.stamp == stamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{entropy::Entropy, event::ContextId};

    #[test]
    fn block_values_are_those_of_rfc_7959() {
        // Figures 2 and following: 2:0/1/128, 2:3/0/64 and 1:2/1/1024.
        for (value, number, more, size) in [(0x0b, 0, true, 128), (0x32, 3, false, 64), (0x2e, 2, true, 1024)] {
            let block = Block::decode(&[value]).unwrap();
            assert_eq!((block.number, block.more, block.size()), (number, more, size));
            assert_eq!(block.encode(), u32::from(value));
        }
        assert_eq!(Block::decode(&[]), Some(Block { number: 0, more: false, szx: 0 }));
        assert_eq!(Block::decode(&[7]), None, "the reserved exponent");
        assert_eq!(Block::decode(&[0, 0, 0, 0]), None);
        assert_eq!(Block::decode(&[0xff, 0xff, 0xfe]).unwrap().number, (1 << 20) - 1);
    }

    #[test]
    fn any_block_size_is_rounded_down_to_a_legal_one() {
        for (size, szx) in [(0, 0), (16, 0), (31, 0), (32, 1), (1023, 5), (1024, 6), (u16::MAX, 6)] {
            assert_eq!(szx_of(size), szx, "{size}");
        }
    }

    #[test]
    fn cutting_gives_every_byte_once() {
        for len in [0, 1, 15, 16, 17, 32, 100] {
            let body: Vec<u8> = (0..len).collect();
            let mut whole = Vec::new();
            let mut number = 0;
            loop {
                let (block, part) = Block::cut(number, 0, &body).unwrap();
                whole.extend_from_slice(part);
                if !block.more {
                    break;
                }
                assert_eq!(part.len(), 16);
                number += 1;
            }
            assert_eq!(whole, body);
            assert!(Block::cut(number + 1, 0, &body).is_none());
        }
    }

    #[test]
    fn the_store_holds_its_bounds_and_drops_the_oldest() {
        let hash = KeyedHash::new(&mut Entropy::new([0; 32]));
        let mut store = Transfers::new(hash, 3, 100);
        let now = Instant::now();
        let key = |n| (Principal::Context(ContextId(n)), 0);
        let get = |store: &Transfers<u32>, n| store.entries.get(&key(n)).map(|entry| entry.value);
        for n in 0..4 {
            store.put(now, key(n), n, 10);
        }
        assert_eq!(get(&store, 0), None);
        store.put(now, key(1), 1, 10);
        store.put(now, key(4), 4, 85);
        assert_eq!((get(&store, 2), get(&store, 3)), (None, None), "the bytes did not fit");
        assert_eq!((get(&store, 1), get(&store, 4), store.bytes), (Some(1), Some(4), 95));
        for _ in 0..1000 {
            store.put(now, key(4), 4, 85);
        }
        assert!(store.order.len() < 40);
        store.expire(now + Duration::from_secs(9), Duration::from_secs(9));
        assert!(store.is_empty() && store.bytes == 0 && store.order.is_empty());
    }
}
