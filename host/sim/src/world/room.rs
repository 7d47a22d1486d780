//! The air of a room: what a leak does to it and how airing clears it.
//!
//! Methane is lighter than air and gathers under the ceiling, where the detector hangs. Two well-mixed layers exchange air with each other
//! and with the outside; carbon monoxide mixes evenly and has one layer. Must never know why gas flows: it takes a rate.

/// Cubic metres of methane per cubic metre of air at 100 %LEL (lower explosive limit of methane: 5 % by volume).
const LEL_VOLUME_SHARE: f64 = 0.05;
/// Longest step of the integration, in seconds of the room's time.
const STEP_S: f64 = 1.0;

/// How a room is built.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoomShape {
    /// Volume in m³, above 0.
    pub volume_m3: f64,
    /// Share of the volume in the layer under the ceiling, 0 to 1 (both excluded).
    pub ceiling_share: f64,
    /// Air changes per hour with the outside.
    pub air_changes_per_h: f64,
    /// Air exchanged between the layers, in room volumes per hour.
    pub mixing_per_h: f64,
}

/// The air of a room.
#[derive(Clone, Debug)]
pub struct Room {
    shape: RoomShape,
    ceiling_lel: f64,
    below_lel: f64,
    co_ppm: f64,
}

impl Room {
    /// A room with clean air.
    pub const fn new(shape: RoomShape) -> Self {
        Self { shape, ceiling_lel: 0.0, below_lel: 0.0, co_ppm: 0.0 }
    }

    /// How it is built.
    pub const fn shape(&self) -> RoomShape {
        self.shape
    }

    /// Gas where the detector hangs, %LEL.
    pub const fn gas_lel(&self) -> f64 {
        self.ceiling_lel
    }

    /// Carbon monoxide, ppm.
    pub const fn co_ppm(&self) -> f64 {
        self.co_ppm
    }

    /// Whether there is anything in the air worth integrating.
    pub fn is_clean(&self) -> bool {
        self.ceiling_lel < 0.01 && self.below_lel < 0.01 && self.co_ppm < 0.05
    }

    /// The gas concentration, %LEL, at which a steady inflow of `gas_m3h` ends.
    pub fn steady_lel(&self, gas_m3h: f64) -> f64 {
        let RoomShape { ceiling_share, air_changes_per_h, mixing_per_h, .. } = self.shape;
        let source = self.source_lel_per_h(gas_m3h);
        let upper_out = air_changes_per_h * ceiling_share + mixing_per_h;
        let lower_out = air_changes_per_h * (1.0 - ceiling_share) + mixing_per_h;
        source / (upper_out - mixing_per_h * mixing_per_h / lower_out)
    }

    fn source_lel_per_h(&self, gas_m3h: f64) -> f64 {
        gas_m3h / self.shape.volume_m3 / LEL_VOLUME_SHARE * 100.0
    }

    /// Lets `seconds` pass while `gas_m3h` of gas flows in and carbon monoxide is made at `co_ppm_per_h`.
    ///
    /// Implicit Euler in steps of at most a second: stable however fast the mixing, and never below zero.
    pub fn pass(&mut self, seconds: f64, gas_m3h: f64, co_ppm_per_h: f64) {
        if seconds <= 0.0 {
            return;
        }
        if self.is_clean() && gas_m3h <= 0.0 && co_ppm_per_h <= 0.0 {
            *self = Self::new(self.shape);
            return;
        }
        let steps = (seconds / STEP_S).ceil().max(1.0);
        let hours = seconds / steps / 3600.0;
        let RoomShape { ceiling_share, air_changes_per_h, mixing_per_h, .. } = self.shape;
        let source = self.source_lel_per_h(gas_m3h) / ceiling_share * hours;
        let upper_mix = mixing_per_h / ceiling_share * hours;
        let lower_mix = mixing_per_h / (1.0 - ceiling_share) * hours;
        let out = air_changes_per_h * hours;
        let (a, d) = (1.0 + out + upper_mix, 1.0 + out + lower_mix);
        let determinant = a * d - upper_mix * lower_mix;
        for _ in 0..steps as u64 {
            let (upper, lower) = (self.ceiling_lel + source, self.below_lel);
            self.ceiling_lel = (upper * d + upper_mix * lower) / determinant;
            self.below_lel = (lower * a + lower_mix * upper) / determinant;
            self.co_ppm = (self.co_ppm + co_ppm_per_h * hours) / (1.0 + out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KITCHEN: RoomShape =
        RoomShape { volume_m3: 18.0, ceiling_share: 0.2, air_changes_per_h: 2.0, mixing_per_h: 6.0 };

    #[test]
    fn a_steady_leak_approaches_its_steady_concentration_and_airing_clears_it() {
        let mut room = Room::new(KITCHEN);
        let steady = room.steady_lel(1.0);
        room.pass(600.0, 1.0, 0.0);
        let early = room.gas_lel();
        assert!(early > 0.2 * steady && early < steady, "{early} of {steady}");
        room.pass(6.0 * 3600.0, 1.0, 0.0);
        assert!((room.gas_lel() - steady).abs() < 0.01 * steady, "{} of {steady}", room.gas_lel());
        let mut last = room.gas_lel();
        for _ in 0..60 {
            room.pass(60.0, 0.0, 0.0);
            assert!(room.gas_lel() < last);
            last = room.gas_lel();
        }
        // Two air changes in that hour leave about e^-2 of it.
        assert!(last < 0.2 * steady, "{last} of {steady}");
    }

    #[test]
    fn mass_is_conserved_in_a_sealed_room() {
        let mut room = Room::new(RoomShape { air_changes_per_h: 0.0, ..KITCHEN });
        room.pass(1800.0, 0.6, 0.0);
        let gas = (0.2 * room.ceiling_lel + 0.8 * room.below_lel) / 100.0 * LEL_VOLUME_SHARE * KITCHEN.volume_m3;
        assert!((gas - 0.3).abs() < 1e-6, "{gas} m³ found of 0.3 m³ let in");
    }

    #[test]
    fn one_long_pass_equals_many_short_ones() {
        let (mut once, mut often) = (Room::new(KITCHEN), Room::new(KITCHEN));
        once.pass(120.0, 3.0, 500.0);
        for _ in 0..120 {
            often.pass(1.0, 3.0, 500.0);
        }
        assert!((once.gas_lel() - often.gas_lel()).abs() < 1e-9);
        assert!((once.co_ppm() - often.co_ppm()).abs() < 1e-9);
    }
}
