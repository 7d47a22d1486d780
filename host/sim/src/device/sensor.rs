//! A gas sensor, with or without a carbon-monoxide cell: slow, noisy, drifting, one day worn out.
//!
//! Must never show less than nothing, nor more than it can resolve.

use super::Senses;
use crate::chance::Chance;
use davy_domain::Timestamp;

/// Time constant of the gas sensor, s (of the gas's time).
const GAS_TAU_S: f64 = 6.0;
/// Time constant of the carbon-monoxide cell, s.
const CO_TAU_S: f64 = 25.0;
/// From here on every reading counts: reported at once, %LEL.
const ALERT_LEL: f64 = 10.0;
/// Reported at once, and again whenever it has changed by this much, %LEL.
const JUMP_LEL: f64 = 4.0;
/// The statutory level: passing it is reported whatever was reported before, %LEL.
const ALARM_LEL: f64 = 25.0;
/// Carbon monoxide from here on is reported at once, ppm.
const ALERT_PPM: f64 = 50.0;
/// The statutory level of carbon monoxide, ppm.
const ALARM_PPM: f64 = 300.0;
/// At most one urgent report in this time, ms, but for passing an alarm level.
const URGENT_GAP_MS: i64 = 2_000;
/// While the alert lasts, at least one report in this time, ms.
const ALERT_EVERY_MS: i64 = 10_000;

/// A sensor.
#[derive(Clone, Debug)]
pub struct Sensor {
    gas: f64,
    co: Option<f64>,
    offset_lel: f64,
    noise_lel: f64,
    worn: bool,
    shown_gas: f64,
    shown_co: f64,
    read_at: Option<Timestamp>,
    reported: Option<(Timestamp, f64, f64)>,
}

impl Sensor {
    /// A sensor of some age; `co`: with a carbon-monoxide cell.
    pub fn new(co: bool, chance: &mut Chance) -> Self {
        let worn = chance.happens(0.01);
        Self {
            gas: 0.0,
            co: co.then_some(0.0),
            offset_lel: chance.normal(0.3, 0.3).clamp(-0.5, 1.5),
            noise_lel: if worn { 0.5 } else { 0.12 },
            worn,
            shown_gas: 0.0,
            shown_co: 0.0,
            read_at: None,
            reported: None,
        }
    }

    /// Takes a sample.
    pub fn read(&mut self, now: Timestamp, senses: &Senses, pace: f64, chance: &mut Chance) {
        let elapsed = self.read_at.map_or(60.0, |at| now.since(at).as_millis() as f64 / 1000.0) * pace;
        self.read_at = Some(now);
        self.gas += (senses.gas_lel - self.gas) * (1.0 - (-elapsed / GAS_TAU_S).exp());
        let shown = self.gas * 1.0 + self.offset_lel + chance.normal(0.0, self.noise_lel);
        self.shown_gas = (shown.clamp(0.0, 100.0) * 10.0).round() / 10.0;
        if let Some(co) = &mut self.co {
            *co += (senses.co_ppm - *co) * (1.0 - (-elapsed / CO_TAU_S).exp());
            self.shown_co = (*co + chance.normal(0.5, 0.7)).max(0.0).round();
        }
    }

    /// What it shows, %LEL: 0 to 100, in tenths.
    pub const fn gas_lel(&self) -> f64 {
        self.shown_gas
    }

    /// What its carbon-monoxide cell shows, ppm; none without a cell.
    pub fn co_ppm(&self) -> Option<f64> {
        self.co.map(|_| self.shown_co)
    }

    /// Whether it is at its end of life.
    pub const fn is_worn(&self) -> bool {
        self.worn
    }

    /// Whether what it shows must not wait for the next regular report.
    pub fn wants_report(&self, now: Timestamp) -> bool {
        let Some((at, gas, co)) = self.reported else { return self.is_alert() };
        let passed = |level: f64, before: f64, shown: f64| before < level && shown >= level;
        if passed(ALARM_LEL, gas, self.shown_gas) || passed(ALARM_PPM, co, self.shown_co) {
            return true;
        }
        let since = now.since(at).as_millis();
        if since < URGENT_GAP_MS {
            return false;
        }
        passed(ALERT_LEL, gas, self.shown_gas)
            || passed(ALERT_PPM, co, self.shown_co)
            || (self.shown_gas - gas).abs() >= JUMP_LEL
            || (self.is_alert() && since >= ALERT_EVERY_MS)
    }

    fn is_alert(&self) -> bool {
        self.shown_gas >= ALERT_LEL || self.shown_co >= ALERT_PPM
    }

    /// What it shows now is being reported.
    pub const fn reported(&mut self, now: Timestamp) {
        self.reported = Some((now, self.shown_gas, self.shown_co));
    }

    /// The power failed.
    pub const fn forget(&mut self) {
        self.reported = None;
        self.read_at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use davy_domain::Span;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(second * 1000)
    }

    #[test]
    fn a_step_of_gas_is_shown_within_thirty_seconds_and_reported_at_once() {
        let mut chance = Chance::new(2, 0);
        let mut sensor = Sensor::new(false, &mut chance);
        sensor.read(at(0), &Senses::default(), 1.0, &mut chance);
        sensor.reported(at(0));
        let senses = Senses { gas_lel: 40.0, ..Senses::default() };
        let mut reports = Vec::new();
        for second in 1..=30 {
            sensor.read(at(second), &senses, 1.0, &mut chance);
            if sensor.wants_report(at(second)) {
                sensor.reported(at(second));
                reports.push(sensor.gas_lel());
            }
        }
        assert!(sensor.gas_lel() > 0.9 * 40.0);
        let first_alarm = reports.iter().find(|lel| **lel >= ALARM_LEL).copied();
        assert!(first_alarm.is_some_and(|lel| lel < 32.0), "{reports:?}");
        assert!(reports.len() < 20, "{reports:?}");
    }

    #[test]
    fn clean_air_asks_for_no_urgent_report() {
        let mut chance = Chance::new(2, 0);
        let mut sensor = Sensor::new(true, &mut chance);
        for second in 0..10_000 {
            sensor.read(at(second), &Senses::default(), 1.0, &mut chance);
            assert!(!sensor.wants_report(at(second)));
            if second % 60 == 0 {
                sensor.reported(at(second) + Span::ZERO);
            }
        }
    }
}
