//! How a device gets its uplinks across: what is on the way, what failed and is kept, when to try again.
//!
//! Must never drop a reading silently while there is memory for it, and never let a lost quiet uplink hold back a leak's.

use super::report::Part;
use crate::chance::Chance;
use davy_domain::{Span, Timestamp};
use std::collections::VecDeque;

/// How many failed reports are kept.
const KEPT: usize = 24;
/// How many samples one report may carry, with those that are kept from before: what fits a datagram.
const SAMPLES_AT_ONCE: usize = 32;
/// How many reports may be on the way: a leak's does not wait for a quiet one that was lost.
const MAX_UNDER_WAY: usize = 2;

fn samples_in(parts: &[Part]) -> usize {
    parts.iter().map(|part| part.samples.len()).sum()
}

/// A report on the way.
#[derive(Clone, Debug)]
struct UnderWay {
    ticket: u64,
    parts: Vec<Part>,
    urgent: bool,
}

/// The uplinks of a device. All of it is memory: a reboot loses it.
#[derive(Clone, Debug, Default)]
pub struct Uplinks {
    under_way: Vec<UnderWay>,
    kept: VecDeque<Vec<Part>>,
    retry_at: Option<Timestamp>,
    failures: u32,
    again: bool,
    dropped: u64,
}

impl Uplinks {
    /// Whether another report may go now.
    pub fn may_send(&self, urgent: bool) -> bool {
        self.under_way.len() < if urgent { MAX_UNDER_WAY } else { 1 }
    }

    /// Remembers to send as soon as one on the way has ended.
    pub const fn send_again(&mut self) {
        self.again = true;
    }

    /// Notes that `parts` are on the way and adds what is kept from before.
    pub fn send(&mut self, ticket: u64, mut parts: Vec<Part>, urgent: bool) -> Vec<Part> {
        let mut room = SAMPLES_AT_ONCE.saturating_sub(samples_in(&parts));
        while let Some(old) = self.kept.pop_front_if(|old| samples_in(old) <= room) {
            room -= samples_in(&old);
            parts.extend(old);
        }
        self.retry_at = None;
        self.again = false;
        self.under_way.push(UnderWay { ticket, parts: parts.clone(), urgent });
        parts
    }

    /// Keeps what could not even be sent; the oldest makes room.
    pub fn keep(&mut self, parts: Vec<Part>) {
        if self.kept.len() >= KEPT {
            self.kept.pop_front();
            self.dropped += 1;
        }
        self.kept.push_back(parts);
    }

    /// A report arrived. True when another one should follow at once.
    pub fn acknowledged(&mut self, ticket: u64) -> bool {
        self.under_way.retain(|each| each.ticket != ticket);
        self.failures = 0;
        core::mem::take(&mut self.again) || !self.kept.is_empty()
    }

    /// A report did not arrive, or was turned away for now: it is kept, and there is a time to try again. False when it is not known.
    pub fn failed(&mut self, ticket: u64, now: Timestamp, wait: Option<Span>, chance: &mut Chance) -> bool {
        let Some(at) = self.under_way.iter().position(|each| each.ticket == ticket) else { return false };
        let UnderWay { parts, urgent, .. } = self.under_way.swap_remove(at);
        self.keep(parts);
        self.failures = self.failures.saturating_add(1);
        let backoff = if urgent { 1_000.0 } else { 5_000.0 * f64::from(1_u32 << self.failures.min(5)) };
        let wait = match wait {
            Some(asked) if !urgent => asked.as_millis() as f64,
            Some(_) | None => backoff,
        };
        self.retry_at = Some(now + Span::from_millis((wait * chance.between(0.8, 1.2)) as i64));
        true
    }

    /// A report was refused for good: there is no use in repeating it.
    pub fn refused(&mut self, ticket: u64) {
        self.under_way.retain(|each| each.ticket != ticket);
        self.dropped += 1;
    }

    /// When to try again.
    pub const fn retry_at(&self) -> Option<Timestamp> {
        self.retry_at
    }

    /// Whether nothing is on the way.
    pub fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Whether nothing is on the way nor kept.
    pub fn is_empty(&self) -> bool {
        self.under_way.is_empty() && self.kept.is_empty()
    }

    /// Reports given up: refused for good, or pushed out by newer ones.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Memory is gone.
    pub fn reboot(&mut self) {
        let dropped = self.dropped + (self.kept.len() + self.under_way.len()) as u64;
        *self = Self { dropped, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::report::Sample;
    use davy_domain::Quantity;

    fn part(child: Option<&str>, samples: usize) -> Vec<Part> {
        let sample = Sample { quantity: Quantity::Gas, value: 1.0, at: Timestamp::from_millis(0) };
        vec![Part { child: child.map(ToOwned::to_owned), samples: vec![sample; samples] }]
    }

    #[test]
    fn what_failed_goes_along_with_the_next_report_under_its_childs_name() {
        let mut chance = Chance::new(1, 1);
        let mut uplinks = Uplinks::default();
        uplinks.send(1, part(Some("C1"), 3), false);
        assert!(uplinks.failed(1, Timestamp::from_millis(0), None, &mut chance));
        assert!(uplinks.retry_at().is_some());
        let parts = uplinks.send(2, part(None, 2), false);
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[1].child.as_deref(), Some("C1"));
        assert!(!uplinks.acknowledged(2) && uplinks.is_empty());
    }

    #[test]
    fn an_endless_outage_fills_neither_the_memory_nor_a_datagram() {
        let mut chance = Chance::new(1, 1);
        let mut uplinks = Uplinks::default();
        for ticket in 0..500 {
            let parts = uplinks.send(ticket, part(None, 4), false);
            assert!(samples_in(&parts) <= SAMPLES_AT_ONCE);
            assert!(uplinks.failed(ticket, Timestamp::from_millis(0), None, &mut chance));
        }
        assert!(uplinks.kept.len() <= KEPT);
        assert!(uplinks.dropped() > 0);
    }

    #[test]
    fn a_leaks_report_does_not_wait_for_a_quiet_one() {
        let mut uplinks = Uplinks::default();
        uplinks.send(1, part(None, 1), false);
        assert!(!uplinks.may_send(false) && uplinks.may_send(true));
    }
}
