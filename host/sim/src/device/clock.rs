//! A device's own clock: it drifts, it is set by the network, and some forget it when they reboot.
//!
//! Must never be taken for the truth: what a device believes and what time it is are two things.

use crate::chance::Chance;
use davy_domain::{Span, Timestamp};

/// What a device believes about the time.
#[derive(Clone, Debug)]
pub struct Clock {
    /// Milliseconds gained per second; −0.05 to 0.05 is 50 ppm.
    drift_ms_per_s: f64,
    set_at: Timestamp,
    error: Span,
    known: bool,
    keeps_over_reboot: bool,
}

impl Clock {
    /// A clock set not long ago.
    pub fn new(now: Timestamp, chance: &mut Chance) -> Self {
        Self {
            drift_ms_per_s: chance.normal(0.0, 0.02).clamp(-0.05, 0.05),
            set_at: now,
            error: Span::from_millis(chance.normal(0.0, 300.0) as i64),
            known: true,
            keeps_over_reboot: chance.happens(0.7),
        }
    }

    /// What it shows; none when the device does not know.
    pub fn read(&self, now: Timestamp) -> Option<Timestamp> {
        let gained = now.since(self.set_at).as_millis() as f64 / 1000.0 * self.drift_ms_per_s;
        self.known.then(|| now + self.error + Span::from_millis(gained as i64))
    }

    /// The network sets it, to within a second.
    pub fn set_by_network(&mut self, now: Timestamp, chance: &mut Chance) {
        self.set_at = now;
        self.error = Span::from_millis(chance.normal(0.0, 200.0) as i64);
        self.known = true;
    }

    /// What a reboot leaves of it.
    pub const fn reboot(&mut self) {
        self.known = self.known && self.keeps_over_reboot;
    }

    /// When it was last set.
    pub const fn set_at(&self) -> Timestamp {
        self.set_at
    }
}
