//! What a gas sensor takes for gas although there is none: cooking vapour, wine, alcohol, the propellant of insect spray.
//!
//! Must never touch the room's air, nor look like a leak for long: below [`NEVER_ABOVE_LEL`] at all times and below
//! [`HALF_MINUTE_LEL`] but for half a minute.

use crate::chance::Chance;
use davy_domain::Timestamp;

/// No nuisance reaches the statutory level of 25 %LEL, so that every alarm of the floor is a true one here; a tenant's rule with a lower
/// level has to tell them apart.
pub const NEVER_ABOVE_LEL: f64 = 22.5;
/// A usual low level of rules: a nuisance passes it for at most half a minute.
pub const HALF_MINUTE_LEL: f64 = 20.0;

/// One hump in what the sensor sees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hump {
    /// When it begins.
    pub from: Timestamp,
    /// How long it lasts, in milliseconds.
    pub lasts_ms: i64,
    /// Its peak, %LEL.
    pub peak_lel: f64,
}

impl Hump {
    /// Cooking vapour: a minute or two of a few %LEL.
    pub fn vapour(from: Timestamp, chance: &mut Chance) -> Self {
        Self { from, lasts_ms: chance.whole(40_000, 150_000), peak_lel: chance.between(1.5, 9.0) }
    }

    /// Alcohol or spray right under the sensor: higher and shorter. Now and then it passes a low level.
    pub fn alcohol(from: Timestamp, chance: &mut Chance) -> Self {
        let peak_lel = (6.0 + chance.wait(7.0)).min(NEVER_ABOVE_LEL - 0.5);
        Self { from, lasts_ms: chance.whole(20_000, 45_000), peak_lel }
    }

    /// What it adds at `at`, %LEL: up within the first fifth, down over the rest.
    pub fn lel(&self, at: Timestamp) -> f64 {
        let share = at.since(self.from).as_millis() as f64 / self.lasts_ms as f64;
        if !(0.0..1.0).contains(&share) {
            return 0.0;
        }
        let bend = if share < 0.2 { share / 0.2 } else { (1.0 - share) / 0.8 };
        self.peak_lel * (core::f64::consts::FRAC_PI_2 * bend).sin().powi(2)
    }

    /// When it is over.
    pub fn until(&self) -> Timestamp {
        self.from + davy_domain::Span::from_millis(self.lasts_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_nuisance_looks_like_a_leak_for_longer_than_half_a_minute(seed: u64) {
            let mut chance = Chance::new(seed, 0);
            let at = Timestamp::from_millis(0);
            for hump in [Hump::vapour(at, &mut chance), Hump::alcohol(at, &mut chance)] {
                let values: Vec<f64> = (0..200).map(|s| hump.lel(Timestamp::from_millis(s * 1000))).collect();
                prop_assert!(values.iter().all(|v| *v < NEVER_ABOVE_LEL));
                prop_assert!(values.iter().filter(|v| **v >= HALF_MINUTE_LEL).count() <= 30);
                prop_assert!(values.iter().any(|v| *v > 1.0));
            }
        }
    }
}
