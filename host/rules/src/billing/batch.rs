//! Many calls of one billing policy in few instances, held against fresh ones as [`crate::batch`] says.

use super::BoundBilling;
use crate::batch::{Answer, Batch, KeepsState, Question, mixed};
use crate::rule::Evaluated;
use crate::world::Billing;
use davy_rules_sdk::contract::billing::{Event, Outcome, Usage};

/// A billing policy with its settings that is asked in batches. For one thread; the results are those of [`BoundBilling`] itself.
pub struct BatchedBilling<'a> {
    bound: &'a BoundBilling,
    batch: Batch<'a, Billing>,
}

impl<'a> BatchedBilling<'a> {
    pub(super) fn new(bound: &'a BoundBilling, batch: u32) -> Self {
        Self { bound, batch: Batch::new(&bound.rule, batch) }
    }

    /// Folds one event of an account.
    pub fn decide(&self, state: &[u8], event: &Event) -> Evaluated<Outcome> {
        let (rule, settings) = (&self.bound.rule, &self.bound.settings);
        let answer = |Evaluated { result, fuel, .. }| Answer { result, fuel };
        let Answer { result, fuel } = self.batch.ask(&Question {
            at: event.context.now_ms,
            fingerprint: fingerprint(event),
            bytes: settings.len() + state.len() + event.usage.len() * size_of::<Usage>() + size_of::<Event>(),
            fresh: &|| answer(self.bound.decide(state, event)),
            kept: &|kept| answer(rule.decide_in(kept, settings, state, event)),
        });
        Evaluated { result, fault: None, fuel }
    }

    /// Gives back the instance: whoever is about to wait for something must do this first.
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

/// A number by which the sample is chosen.
fn fingerprint(event: &Event) -> u64 {
    let context = &event.context;
    let begun = mixed(u64::from(event.trigger), context.now_ms.cast_unsigned());
    let begun = mixed(mixed(begun, context.balance_fen.cast_unsigned()), context.period_litres);
    let last = event.usage.iter().map(|usage| usage.litres).fold(begun, mixed);
    last ^ (last >> 32)
}
