//! A slab whose keys carry a generation, so that a key kept too long finds nothing instead of its place's next holder.
//!
//! Must never hand the same key out twice (before 2³² insertions have passed).

use slab::Slab;

use crate::event::{ExchangeId, ObservationId, RequestId};

/// A key of an [`Arena`].
pub(crate) trait Key: Copy + PartialEq {
    fn new(index: u32, generation: u32) -> Self;
    fn index(self) -> u32;
    fn generation(self) -> u32;
}

macro_rules! key {
    ($($name:ty),*) => {$(
        impl Key for $name {
            fn new(index: u32, generation: u32) -> Self {
                Self { index, generation }
            }
            fn index(self) -> u32 {
                self.index
            }
            fn generation(self) -> u32 {
                self.generation
            }
        }
    )*};
}

/// A peer's place in the table of peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PeerId {
    index: u32,
    generation: u32,
}

/// A confirmable message of ours that is on its way or waits for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TransmissionId {
    index: u32,
    generation: u32,
}

key!(ExchangeId, RequestId, ObservationId, PeerId, TransmissionId);

pub(crate) struct Arena<K, T> {
    slab: Slab<(u32, T)>,
    generation: u32,
    key: std::marker::PhantomData<K>,
}

impl<K, T> Default for Arena<K, T> {
    fn default() -> Self {
        Self { slab: Slab::new(), generation: 0, key: std::marker::PhantomData }
    }
}

impl<K: Key, T> Arena<K, T> {
    pub(crate) fn insert(&mut self, value: T) -> K {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        K::new(self.slab.insert((generation, value)) as u32, generation)
    }

    pub(crate) fn get(&self, key: K) -> Option<&T> {
        self.slab.get(key.index() as usize).filter(|slot| slot.0 == key.generation()).map(|slot| &slot.1)
    }

    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut T> {
        self.slab.get_mut(key.index() as usize).filter(|slot| slot.0 == key.generation()).map(|slot| &mut slot.1)
    }

    pub(crate) fn contains(&self, key: K) -> bool {
        self.get(key).is_some()
    }

    pub(crate) fn remove(&mut self, key: K) -> Option<T> {
        self.get(key)?;
        self.slab.try_remove(key.index() as usize).map(|slot| slot.1)
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, &T)> {
        self.slab.iter().map(|(index, (generation, value))| (K::new(index as u32, *generation), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_key_does_not_find_the_next_holder() {
        let mut arena = Arena::<PeerId, &str>::default();
        let first = arena.insert("first");
        assert_eq!(arena.remove(first), Some("first"));
        let second = arena.insert("second");
        assert_eq!(first.index, second.index);
        assert_eq!(arena.get(first), None);
        assert_eq!(arena.remove(first), None);
        assert_eq!(arena.get(second), Some(&"second"));
    }
}
