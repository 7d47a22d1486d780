//! The suite's curves: what a sensor reports over time, as data. `docs/conformance.md` describes the format and the sources.
//!
//! A curve must never say what a rule shall answer beyond the times of its source: what the floor does to it is judged by the floor.

use davy_domain::{DeviceKind, Quantity};
use serde::Deserialize;
use std::sync::OnceLock;

/// One course of readings.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Curve {
    /// Its name, as in reports.
    pub name: String,
    /// What happens, as a sentence.
    pub about: String,
    /// Which clause or figure it stands for.
    pub source: String,
    /// What the sensor measures.
    pub quantity: Quantity,
    /// For which devices; for all whose readings of the quantity the floor judges, when absent.
    #[serde(default)]
    pub kinds: Option<Vec<DeviceKind>>,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// By when, in seconds from the start, a rule that raises alarms about the quantity must have raised one.
    #[serde(default)]
    pub alarm_by_s: Option<u32>,
}

/// A part of a curve.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Step {
    /// Readings at regular intervals, from one value evenly to another.
    Ramp(Ramp),
    /// Nothing is heard for so many seconds.
    WaitS(u32),
    /// One message with several readings: how many seconds ago each was measured, and its value.
    Batch(Vec<(u32, f64)>),
    /// The valve reports where it is.
    Valve(Position),
}

/// Readings at regular intervals.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Ramp {
    /// The first value, in the quantity's unit.
    pub from: f64,
    /// The last value; as the first one when absent.
    #[serde(default)]
    pub to: Option<f64>,
    /// Readings.
    #[serde(default = "once")]
    pub times: u32,
    /// Seconds after each.
    pub every_s: u32,
    /// Added to every second value and taken from the others.
    #[serde(default)]
    pub noise: f64,
    /// How long before its arrival each was measured, in seconds.
    #[serde(default)]
    pub late_s: u32,
}

/// What a valve reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Position {
    /// Open.
    Open,
    /// Closed.
    Closed,
}

const fn once() -> u32 {
    1
}

impl Ramp {
    /// The value of each reading in order.
    pub fn values(&self) -> impl Iterator<Item = f64> + '_ {
        let to = self.to.unwrap_or(self.from);
        let last = self.times.saturating_sub(1).max(1);
        (0..self.times).map(move |index| {
            let noise = if index % 2 == 0 { -self.noise } else { self.noise };
            self.from + (to - self.from) * f64::from(index) / f64::from(last) + noise
        })
    }
}

/// The files of `host/rules/conformance/`.
const FILES: &[(&str, &str)] = &[
    ("gas.json", include_str!("../../conformance/gas.json")),
    ("carbon-monoxide.json", include_str!("../../conformance/carbon-monoxide.json")),
    ("sensor.json", include_str!("../../conformance/sensor.json")),
];

/// The curves of a file.
///
/// # Errors
/// What is wrong with it.
pub fn parse(text: &str) -> Result<Vec<Curve>, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// The statutory curves that are published with this version.
///
/// # Errors
/// The file that cannot be read; a test holds that there is none.
pub fn statutory() -> Result<&'static [Curve], &'static str> {
    static SUITE: OnceLock<Result<Vec<Curve>, String>> = OnceLock::new();
    let suite = SUITE.get_or_init(|| {
        let files = FILES.iter().map(|(name, text)| parse(text).map_err(|error| format!("{name}: {error}")));
        Ok(files.collect::<Result<Vec<_>, _>>()?.concat())
    });
    suite.as_deref().map_err(String::as_str)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what it found by panicking")]

    use super::*;

    #[test]
    fn the_published_curves_are_readable_and_named_once() {
        let suite = statutory().unwrap();
        assert!(suite.len() >= 24, "{} curves", suite.len());
        for (index, curve) in suite.iter().enumerate() {
            assert!(suite[..index].iter().all(|other| other.name != curve.name), "{} twice", curve.name);
            assert!(!curve.about.is_empty() && !curve.source.is_empty() && !curve.steps.is_empty(), "{}", curve.name);
        }
    }

    #[test]
    fn a_ramp_goes_evenly_from_its_first_value_to_its_last() {
        let ramp = Ramp { from: 1.0, to: Some(3.0), times: 3, every_s: 1, noise: 0.0, late_s: 0 };
        assert_eq!(ramp.values().collect::<Vec<_>>(), [1.0, 2.0, 3.0]);
        let trembling = Ramp { from: 5.0, to: None, times: 3, every_s: 1, noise: 0.5, late_s: 0 };
        assert_eq!(trembling.values().collect::<Vec<_>>(), [4.5, 5.5, 4.5]);
    }
}
