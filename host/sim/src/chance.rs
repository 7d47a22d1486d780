//! Chance, by seed: one generator for the whole simulation, the same on every machine and in every release.
//!
//! Must never be seeded from the clock or the operating system here: a seed is a parameter.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A stream of chance. Two with the same seed and lane give the same numbers for ever.
#[derive(Clone, Debug)]
pub struct Chance(ChaCha8Rng);

impl Chance {
    /// Stream `lane` of `seed`. Every place and every device has a lane of its own, so that adding one changes no other.
    pub fn new(seed: u64, lane: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(lane);
        Self(rng)
    }

    /// True with probability `p`; below 0 is never, above 1 always.
    pub fn happens(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// From 0 (included) to 1 (excluded).
    pub fn unit(&mut self) -> f64 {
        self.0.random::<f64>()
    }

    /// Evenly from `low` to `high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A whole number from `low` to `high`, both included.
    pub fn whole(&mut self, low: i64, high: i64) -> i64 {
        if high <= low { low } else { self.0.random_range(low..=high) }
    }

    /// Normally distributed (Box–Muller).
    pub fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        mean + deviation * radius * (core::f64::consts::TAU * self.unit()).cos()
    }

    /// Exponentially distributed: the wait for something that happens at random once in `mean`.
    pub fn wait(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// 32 bytes, to seed something else.
    pub fn seed(&mut self) -> [u8; 32] {
        self.0.random()
    }

    /// One of `items`; none when there are none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        if items.is_empty() { None } else { items.get(self.0.random_range(0..items.len())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_lane_repeat_and_another_lane_differs() {
        let draw = |seed, lane| {
            let mut chance = Chance::new(seed, lane);
            (0..32).map(|_| chance.whole(0, i64::MAX - 1)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7, 3), draw(7, 3));
        assert_ne!(draw(7, 3), draw(7, 4));
        assert_ne!(draw(7, 3), draw(8, 3));
    }

    #[test]
    fn the_means_are_what_they_are_asked_to_be() {
        let mut chance = Chance::new(1, 0);
        let n = 20_000;
        let normal = (0..n).map(|_| chance.normal(3.0, 2.0)).sum::<f64>() / f64::from(n);
        let wait = (0..n).map(|_| chance.wait(5.0)).sum::<f64>() / f64::from(n);
        assert!((normal - 3.0).abs() < 0.1, "{normal}");
        assert!((wait - 5.0).abs() < 0.2, "{wait}");
    }
}
