//! Many calls of one policy in few instances: for a back-test, which asks a rule millions of times.
//!
//! A decision gets an instance of its own, always. Here an instance serves up to a batch of calls, and what it answers is held
//! against fresh instances: the first call of each instance is made twice in it, a sample of the others once more in a fresh one,
//! and every fault is decided by a fresh one. A rule that keeps anything between calls is found out and never half believed: from
//! the first difference on nothing that was answered counts ([`Batched::difference`]).
//!
//! Must never decide anything that acts on a device.

use crate::alarm::BoundRule;
use crate::bindings::WitReading;
use crate::rule::{Kept, Rule};
use crate::world::{Alarm, World};
use davy_domain::policy::{AlarmPolicy, Evaluation, PolicyEvent, PolicyFault};
use std::cell::{Cell, RefCell};
use std::fmt::Debug;

/// Calls to an instance: past this the price of making one no longer shows.
pub const BATCH: u32 = 64;
/// One of so many calls is made again in a fresh instance.
const SAMPLE: u64 = 256;
/// An instance is handed so many bytes in all: what a rule takes to hold them stays taken, and an instance that must grow for it
/// would pay for the growth, as a fresh one would not.
const HANDED: usize = 24 << 10;

/// A rule answered the same question otherwise in an instance that had served other calls before.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "the rule keeps state between calls: asked about the same event at {at} ms with the same state, a fresh instance answered \
     {fresh}, and one that had served {calls} call(s) before answered {kept}. Keep everything in the returned state; to test this \
     version as it is, ask it in batches of 1"
)]
pub struct KeepsState {
    /// The event's time, milliseconds since 1970.
    pub at: i64,
    /// How many calls the instance had served before.
    pub calls: u32,
    /// What a fresh instance answered.
    pub fresh: String,
    /// What the other one answered.
    pub kept: String,
}

/// What a call came to, of whatever contract.
pub(crate) struct Answer<T> {
    pub(crate) result: Result<T, PolicyFault>,
    pub(crate) fuel: u64,
}

/// One question: how it is asked in a fresh instance and in one that is kept, and what is needed to judge the two.
pub(crate) struct Question<'q, W: World, T> {
    /// The event's time, milliseconds since 1970.
    pub(crate) at: i64,
    /// The same for the same event, whoever asks about it and when.
    pub(crate) fingerprint: u64,
    /// Bytes that the instance is handed.
    pub(crate) bytes: usize,
    pub(crate) fresh: &'q dyn Fn() -> Answer<T>,
    pub(crate) kept: &'q dyn Fn(&mut Kept<'_, W>) -> Answer<T>,
}

/// The instance at hand of one rule, and what was found out about the rule. For one thread.
pub(crate) struct Batch<'a, W: World> {
    rule: &'a Rule<W>,
    batch: u32,
    kept: RefCell<Option<Kept<'a, W>>>,
    /// Bytes that the instance at hand was given.
    handed: Cell<usize>,
    difference: RefCell<Option<KeepsState>>,
    sampled: Cell<u64>,
    other_fuel: Cell<u64>,
}

impl<'a, W: World> Batch<'a, W> {
    pub(crate) fn new(rule: &'a Rule<W>, batch: u32) -> Self {
        Self {
            rule,
            batch,
            kept: RefCell::new(None),
            handed: Cell::new(0),
            difference: RefCell::new(None),
            sampled: Cell::new(0),
            other_fuel: Cell::new(0),
        }
    }

    pub(crate) fn release(&self) {
        self.kept.replace(None);
    }

    pub(crate) fn difference(&self) -> Option<KeepsState> {
        self.difference.borrow().clone()
    }

    pub(crate) fn sampled(&self) -> (u64, u64) {
        (self.sampled.get(), self.other_fuel.get())
    }

    /// The answer, held against a fresh instance's where the sample asks for it.
    pub(crate) fn ask<T: PartialEq + Debug>(&self, question: &Question<'_, W, T>) -> Answer<T> {
        if self.batch <= 1 {
            return (question.fresh)();
        }
        let Some((kept, calls)) = self.in_kept(question) else { return self.fresh(question) };
        if calls > 0 && question.fingerprint.is_multiple_of(SAMPLE) {
            let fresh = self.fresh(question);
            self.sampled.set(self.sampled.get() + 1);
            if fresh.result != kept.result {
                self.differ(question.at, calls, &fresh, &kept);
            } else if fresh.fuel != kept.fuel {
                self.other_fuel.set(self.other_fuel.get() + 1);
            }
            return fresh;
        }
        kept
    }

    fn fresh<T>(&self, question: &Question<'_, W, T>) -> Answer<T> {
        // Given back first: two places at once could wait for each other.
        self.release();
        (question.fresh)()
    }

    fn differ<T: Debug>(&self, at: i64, calls: u32, fresh: &Answer<T>, kept: &Answer<T>) {
        let words = |answer: &Answer<T>| match &answer.result {
            Ok(outcome) => format!("{outcome:?}").chars().take(400).collect(),
            Err(fault) => format!("the fault `{fault}`"),
        };
        let found = KeepsState { at, calls, fresh: words(fresh), kept: words(kept) };
        self.difference.borrow_mut().get_or_insert(found);
    }

    /// One call in the instance at hand; `None` when only a fresh instance can tell.
    fn in_kept<T: PartialEq + Debug>(&self, question: &Question<'_, W, T>) -> Option<(Answer<T>, u32)> {
        let mut at_hand = self.kept.borrow_mut();
        let handed = self.handed.get() + question.bytes;
        if at_hand.as_ref().is_some_and(|kept| kept.calls() > self.batch || handed > HANDED) {
            *at_hand = None;
        }
        self.handed.set(if at_hand.is_some() { handed } else { 2 * question.bytes });
        let (answer, calls) = if let Some(kept) = at_hand.as_mut() {
            let calls = kept.calls();
            ((question.kept)(kept), calls)
        } else {
            let kept = at_hand.insert(self.rule.keep()?);
            let first = (question.kept)(kept);
            if first.result.is_ok() {
                let again = (question.kept)(kept);
                if again.result != first.result {
                    self.differ(question.at, 1, &first, &again);
                }
                kept.charge_first(first.fuel, again.fuel);
            }
            (first, 0)
        };
        // After a trap an instance is good for nothing; and a fault must be the one that a fresh instance has.
        let near_its_end = answer.fuel > self.rule.fuel_budget() / 2;
        if answer.result.is_err() || near_its_end {
            *at_hand = None;
            return None;
        }
        Some((answer, calls))
    }
}

/// An alarm policy with its settings that is asked in batches. For one thread; the results are those of [`BoundRule`] itself.
pub struct Batched<'a> {
    bound: &'a BoundRule,
    batch: Batch<'a, Alarm>,
}

impl Debug for Batched<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batched").field("bound", &self.bound).finish_non_exhaustive()
    }
}

impl<'a> Batched<'a> {
    pub(crate) fn new(bound: &'a BoundRule, batch: u32) -> Self {
        Self { bound, batch: Batch::new(bound.rule(), batch) }
    }

    /// Gives back the instance. Whoever is about to wait for something must do this first: an instance takes up a place that
    /// others wait for.
    pub fn release(&self) {
        self.batch.release();
    }

    /// The first difference between a kept and a fresh instance; with one, no answer counts.
    pub fn difference(&self) -> Option<KeepsState> {
        self.batch.difference()
    }

    /// How many answers were compared with those of fresh instances, and in how many of them the fuel was another one.
    pub fn sampled(&self) -> (u64, u64) {
        self.batch.sampled()
    }
}

impl AlarmPolicy for Batched<'_> {
    fn evaluate(&self, state: &[u8], event: &PolicyEvent) -> Evaluation {
        let (rule, settings) = (self.bound.rule(), self.bound.settings());
        let answer = |Evaluation { result, fuel }| Answer { result, fuel };
        let Answer { result, fuel } = self.batch.ask(&Question {
            at: event.now.as_millis(),
            fingerprint: fingerprint(event),
            bytes: settings.len() + state.len() + event.readings.len() * size_of::<WitReading>(),
            fresh: &|| answer(self.bound.evaluate(state, event)),
            kept: &|kept| answer(rule.evaluate_in(kept, settings, state, event)),
        });
        Evaluation { result, fuel }
    }
}

/// A number by which the sample is chosen: the same for the same event, whoever asks about it and when.
fn fingerprint(event: &PolicyEvent) -> u64 {
    let values = event.readings.iter().map(|reading| reading.value.to_bits());
    let last = values.fold(mixed(0, event.now.as_millis().cast_unsigned()), mixed);
    last ^ (last >> 32)
}

/// One number more in a fingerprint.
pub(crate) const fn mixed(number: u64, next: u64) -> u64 {
    (number ^ next).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)
}
