//! How much a tenant's rule may burn beyond what a decent one needs, so that a rule that always runs into its limits costs its
//! neighbours little.
//!
//! Counted in fuel and not in time: a busy machine must not make a good rule look like a bad one. Only what a call burns beyond
//! [`FREE`] counts; a shipped rule burns a tenth of that. A rule without ration is not asked: the statutory floor stands in, as
//! for any fault.

use davy_domain::policy::{Evaluation, PolicyFault};
use davy_rules::Tier;
use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// What each call may burn for nothing.
const FREE: u64 = 200_000;
/// How much may be saved up: some half second of a core.
const MOST: u64 = 100_000_000;
/// What is given back each second: a tenth of a core, about.
const EACH_SECOND: u64 = 20_000_000;
/// How many times of both a rule of the large tier gets: a decent script burns some 3,000,000 for a decision. It is not as many times
/// as its budget is larger, because a call that uses that up holds others up for as much longer.
const LARGE: u64 = 5;
/// How often over a call is charged that ran out of fuel: it kept others waiting as long as a call can, and decided nothing. With this a
/// rule that never ends is asked twice a second, and one neighbour's leak in hundreds waits for it.
const FRUITLESS: u64 = 5;
/// What a call costs that the processor-time backstop cut off: it burns time without fuel, fifty times as long.
const CUT_OFF: u64 = 200_000_000;

/// One tenant's ration.
#[derive(Debug)]
pub struct Ration {
    /// How many times of the standard ration.
    times: u64,
    left: Mutex<Left>,
}

#[derive(Debug)]
struct Left {
    fuel: i128,
    at: Instant,
}

impl Ration {
    /// A full one, for a rule of a tier.
    pub fn new(now: Instant, tier: Tier) -> Self {
        let times = match tier {
            Tier::Standard => 1,
            Tier::Large => LARGE,
        };
        Self { times, left: Mutex::new(Left { fuel: i128::from(MOST * times), at: now }) }
    }

    /// Whether the rule may be asked at `now`.
    pub fn is_left(&self, now: Instant) -> bool {
        let mut left = self.left.lock();
        let passed = now.saturating_duration_since(left.at).as_nanos() as i128;
        let given = passed * i128::from(EACH_SECOND * self.times) / Duration::from_secs(1).as_nanos() as i128;
        left.fuel = (left.fuel + given).min(i128::from(MOST * self.times));
        left.at = now;
        left.fuel > 0
    }

    /// Takes what a call of an alarm policy burnt.
    pub fn charge(&self, evaluation: &Evaluation) {
        self.charge_call(evaluation.result.as_ref().err(), evaluation.fuel);
    }

    /// Takes what a call burnt that ended so.
    pub fn charge_call(&self, fault: Option<&PolicyFault>, fuel: u64) {
        let burnt = match fault {
            Some(PolicyFault::Deadline) => CUT_OFF,
            Some(PolicyFault::OutOfFuel { limit }) => limit.saturating_mul(FRUITLESS),
            None | Some(_) => fuel,
        };
        if let Some(beyond) = burnt.checked_sub(FREE) {
            self.left.lock().fuel -= i128::from(beyond);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use davy_domain::policy::PolicyOutcome;

    const LIMIT: u64 = 2_000_000;

    fn good(fuel: u64) -> Evaluation {
        Evaluation { result: Ok(PolicyOutcome::default()), fuel }
    }

    fn fruitless() -> Evaluation {
        Evaluation { result: Err(PolicyFault::OutOfFuel { limit: LIMIT }), fuel: 0 }
    }

    /// How often a rule is asked that could be asked a thousand times a second for a minute.
    fn asked_in_a_minute(evaluation: &Evaluation) -> u64 {
        asked_in(Tier::Standard, evaluation)
    }

    fn asked_in(tier: Tier, evaluation: &Evaluation) -> u64 {
        let start = Instant::now();
        let ration = Ration::new(start, tier);
        let mut asked = 0;
        for n in 0..60_000 {
            if ration.is_left(start + Duration::from_millis(n)) {
                ration.charge(evaluation);
                asked += 1;
            }
        }
        asked
    }

    #[test]
    fn a_decent_rule_is_always_asked() {
        assert_eq!(asked_in_a_minute(&good(100_000)), 60_000);
    }

    #[test]
    fn a_dear_rule_gets_what_is_given_back_and_no_more() {
        let burnt = asked_in_a_minute(&good(LIMIT)) * (LIMIT - FREE);
        assert!(burnt <= MOST + EACH_SECOND * 60 + LIMIT, "{burnt}");
        assert!(burnt >= EACH_SECOND * 59, "it is not starved either: {burnt}");
    }

    #[test]
    fn a_script_is_asked_more_often_in_its_tier_and_an_endless_one_seldom() {
        let script = good(3_500_000);
        let (standard, large) = (asked_in(Tier::Standard, &script), asked_in(Tier::Large, &script));
        assert!(large > 20 * 60 && standard < 10 * 60, "{large} and {standard} in a minute");
        let endless = Evaluation { result: Err(PolicyFault::OutOfFuel { limit: 25 * LIMIT }), fuel: 0 };
        assert!((20..40).contains(&asked_in(Tier::Large, &endless)));
    }

    #[test]
    fn a_rule_that_never_ends_is_asked_now_and_then_only() {
        let asked = asked_in_a_minute(&fruitless());
        assert!((60..200).contains(&asked), "{asked}");
        let cut_off = Evaluation { result: Err(PolicyFault::Deadline), fuel: 0 };
        assert!((3..12).contains(&asked_in_a_minute(&cut_off)));
    }
}
