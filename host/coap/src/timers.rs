//! What is due when: a heap that forgets cancelled timers lazily, and never holds many more dead than live ones.
//!
//! Must never fire early, nor keep a cancelled timer's owner alive.

use std::{cmp::Ordering, collections::BinaryHeap, time::Instant};

use crate::{arena::TransmissionId, event::RequestId};

/// What a timer is for. Whether it still is, its owner knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// Send the message again, or give it up.
    Retransmit(TransmissionId),
    /// Give the request up, if it is still in this step.
    Response(RequestId, u32),
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    at: Instant,
    /// Equal times fire in the order they were set: the same inputs give the same outputs.
    order: u64,
    timer: Timer,
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        // The heap's greatest is the earliest.
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[derive(Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Entry>,
    order: u64,
}

impl Timers {
    pub(crate) fn set(&mut self, at: Instant, timer: Timer) {
        self.order += 1;
        self.heap.push(Entry { at, order: self.order, timer });
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|entry| entry.at)
    }

    /// Takes the next timer that is due at `now`.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<(Instant, Timer)> {
        let due = self.heap.peek()?.at <= now;
        if due { self.heap.pop().map(|entry| (entry.at, entry.timer)) } else { None }
    }

    /// Drops dead timers from the front, and all of them once they outnumber the live ones, of which there are at most `live`.
    pub(crate) fn prune(&mut self, live: usize, is_live: impl Fn(Timer) -> bool) {
        while self.heap.peek().is_some_and(|entry| !is_live(entry.timer)) {
            self.heap.pop();
        }
        if self.heap.len() > 2 * live + 64 {
            self.heap.retain(|entry| is_live(entry.timer));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::arena::Key;

    #[test]
    fn timers_fire_in_order_and_not_before_their_time() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let timer = |n| Timer::Response(RequestId::new(n, 0), 0);
        let mut timers = Timers::default();
        for (seconds, n) in [(3, 0), (1, 1), (2, 2), (1, 3)] {
            timers.set(at(seconds), timer(n));
        }
        assert_eq!(timers.next(), Some(at(1)));
        assert_eq!(timers.expire(at(0)), None);
        let fired: Vec<_> = std::iter::from_fn(|| timers.expire(at(2))).map(|(_, timer)| timer).collect();
        assert_eq!(fired, [timer(1), timer(3), timer(2)]);
        assert_eq!(timers.next(), Some(at(3)));
    }

    #[test]
    fn dead_timers_do_not_pile_up_behind_a_live_one() {
        let now = Instant::now();
        let mut timers = Timers::default();
        let live = Timer::Response(RequestId::new(7, 7), 0);
        timers.set(now, live);
        for n in 0..1000 {
            timers.set(now + Duration::from_secs(1), Timer::Response(RequestId::new(n, 0), 0));
            timers.prune(1, |timer| timer == live);
        }
        assert!(timers.heap.len() <= 67, "{}", timers.heap.len());
        assert_eq!(timers.expire(now), Some((now, live)));
    }
}
