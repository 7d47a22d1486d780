//! An underground valve well: a small, badly aired space with a background of sewer methane, where a pipe may leak.
//!
//! Must never have people in it: no use, no nuisance, only weather, background and leaks.

use super::{
    calendar::{LocalTime, outdoor_celsius},
    leak::Leak,
    room::{Room, RoomShape},
};
use crate::chance::Chance;
use davy_domain::Timestamp;

/// A well.
#[derive(Clone, Debug)]
pub struct Well {
    room: Room,
    background_lel: f64,
    swing: f64,
    phase: f64,
    leak: Option<Leak>,
    at: Timestamp,
    pace: f64,
}

impl Well {
    /// A well with a background of its own; `pace` is how much faster than life gas spreads.
    pub fn new(at: Timestamp, pace: f64, chance: &mut Chance) -> Self {
        let shape = RoomShape {
            volume_m3: chance.between(2.0, 6.0),
            ceiling_share: 0.4,
            air_changes_per_h: chance.between(0.2, 0.8),
            mixing_per_h: 3.0,
        };
        Self {
            room: Room::new(shape),
            background_lel: chance.between(0.2, 3.0),
            swing: chance.between(0.3, 0.8),
            phase: chance.between(0.0, core::f64::consts::TAU),
            leak: None,
            at,
            pace,
        }
    }

    /// Lets time pass.
    pub fn advance(&mut self, to: Timestamp) {
        let seconds = to.since(self.at).as_millis() as f64 / 1000.0 * self.pace;
        let flow = self
            .leak
            .as_ref()
            .map_or(0.0, |leak| leak.flow_m3h(to.since(leak.began).as_millis() as f64 / 1000.0 * self.pace));
        self.room.pass(seconds, flow, 0.0);
        self.at = self.at.max(to);
    }

    /// Gas at the sensor, %LEL: background that breathes with the day and the weather, and what a leak has brought.
    pub fn gas_lel(&self) -> f64 {
        let local = LocalTime::of(self.at);
        let day = (core::f64::consts::TAU * local.hour / 24.0 + self.phase).sin();
        let weather = ((local.day as f64 + local.hour / 24.0) / 2.3 + self.phase).sin();
        let background = self.background_lel * (1.0 + self.swing * (0.6 * day + 0.4 * weather));
        background + self.room.gas_lel()
    }

    /// Temperature in °C: half the weather's swing, about the ground's mean.
    pub fn celsius(&self) -> f64 {
        0.5 * outdoor_celsius(self.at) + 0.5 * 13.0
    }

    /// The air, to draw a fitting leak.
    pub const fn room(&self) -> &Room {
        &self.room
    }

    /// Begins a leak, or ends it with a repair.
    pub fn set_leak(&mut self, leak: Option<Leak>) {
        self.leak = leak;
    }

    /// Whether it leaks.
    pub const fn leaks(&self) -> bool {
        self.leak.is_some()
    }
}
