//! How many event streams are open: in all, and of each person.
//!
//! One person cannot hold so many that nobody else gets one. A place is given back when its permit is dropped.

use davy_domain::UserId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The places there are for event streams.
pub(crate) struct Streams {
    in_all: usize,
    per_user: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    in_all: usize,
    of: HashMap<UserId, usize>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// This person has as many as one may have.
    Person {
        /// So many.
        limit: usize,
    },
    /// All places are taken.
    Server,
}

/// A place, until it is dropped.
pub(crate) struct Permit {
    streams: Arc<Streams>,
    user: UserId,
}

impl Streams {
    /// Places for `in_all` streams, `per_user` of them for any one person.
    pub(crate) fn new(in_all: usize, per_user: usize) -> Self {
        Self { in_all, per_user, open: Mutex::default() }
    }

    /// A place for one more stream of `user`.
    pub(crate) fn enter(self: &Arc<Self>, user: UserId) -> Result<Permit, Full> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let own = open.of.get(&user).copied().unwrap_or_default();
        if own >= self.per_user {
            return Err(Full::Person { limit: self.per_user });
        }
        if open.in_all >= self.in_all {
            return Err(Full::Server);
        }
        open.of.insert(user, own + 1);
        open.in_all += 1;
        Ok(Permit { streams: Arc::clone(self), user })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.streams.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.in_all = open.in_all.saturating_sub(1);
        // Who has none left is forgotten, so that the table is never larger than what is open.
        if let Some(own) = open.of.get_mut(&self.user) {
            *own -= 1;
            if *own == 0 {
                open.of.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_cannot_take_every_place_and_a_place_comes_back_when_its_stream_ends() {
        let streams = Arc::new(Streams::new(3, 2));
        let (greedy, other) = (UserId::from_raw(1), UserId::from_raw(2));
        let mut held = vec![streams.enter(greedy).ok().unwrap(), streams.enter(greedy).ok().unwrap()];
        assert_eq!(streams.enter(greedy).err(), Some(Full::Person { limit: 2 }));
        let theirs = streams.enter(other).ok().unwrap();
        assert_eq!(streams.enter(other).err(), Some(Full::Server));
        held.pop();
        assert!(streams.enter(greedy).is_ok());
        drop((held, theirs));
        let open = streams.open.lock().unwrap();
        assert_eq!((open.in_all, open.of.len()), (0, 0));
    }
}
