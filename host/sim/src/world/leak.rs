//! Leaks and faulty burners: what lets gas or carbon monoxide into a room, and how much of it over time.
//!
//! Must never end by itself: only a closed valve stops the flow, and only a repair takes the cause away.

use super::room::Room;
use crate::chance::Chance;
use davy_domain::Timestamp;

/// A hose that slips off feeds at least this share of the room's volume an hour: the pipe was laid for the appliances of such a room, and
/// the ceiling reaches the alarm level within a minute or so.
const SUDDEN_ROOMS_PER_H: f64 = 0.24;

/// How a leak begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeakKind {
    /// A threaded joint or a seal works loose over minutes.
    Slow,
    /// The hose slips off: full flow within a second.
    Sudden,
}

/// Where the gas comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeakSite {
    /// Behind the valves (表后): closing any of them stops it.
    BehindValves,
    /// Before the meter (表前): no valve of the premises stops it.
    BeforeMeter,
}

/// A leak.
#[derive(Clone, Debug)]
pub struct Leak {
    /// How it began.
    pub kind: LeakKind,
    /// Where the gas comes out.
    pub site: LeakSite,
    /// When.
    pub began: Timestamp,
    /// Flow once fully open, m³/h.
    pub full_m3h: f64,
    /// Time constant of its opening, seconds of the room's time.
    pub opening_s: f64,
}

impl Leak {
    /// A leak fit for `room`: a slow one settles at 40–90 %LEL, a sudden one is as large as a hose allows.
    pub fn draw(kind: LeakKind, site: LeakSite, room: &Room, began: Timestamp, chance: &mut Chance) -> Self {
        let (full_m3h, opening_s) = match kind {
            LeakKind::Slow => (chance.between(40.0, 90.0) / room.steady_lel(1.0), chance.between(60.0, 300.0)),
            LeakKind::Sudden => {
                let pipe = SUDDEN_ROOMS_PER_H * room.shape().volume_m3 * chance.between(1.0, 1.3);
                (pipe.max(chance.between(2.5, 5.0)), 1.0)
            }
        };
        Self { kind, site, began, full_m3h, opening_s }
    }

    /// The flow after `seconds` of the room's time, m³/h, with all valves open.
    pub fn flow_m3h(&self, seconds: f64) -> f64 {
        if seconds <= 0.0 { 0.0 } else { self.full_m3h * (1.0 - (-seconds / self.opening_s).exp()) }
    }
}

/// A water heater with a blocked flue: it makes carbon monoxide as long as gas burns.
#[derive(Clone, Debug)]
pub struct FlueFault {
    /// When it began.
    pub began: Timestamp,
    /// How fast it fills the room, ppm per hour of burning.
    pub co_ppm_per_h: f64,
    /// What the burner takes, m³/h.
    pub burner_m3h: f64,
}

impl FlueFault {
    /// A fault that passes 300 ppm within some ten minutes.
    pub fn draw(began: Timestamp, chance: &mut Chance) -> Self {
        Self { began, co_ppm_per_h: chance.between(1500.0, 4000.0), burner_m3h: chance.between(1.6, 2.2) }
    }
}
