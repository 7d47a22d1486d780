//! Whether somebody cooks: by the temperature at the detector, or by peaks of gas that went by themselves.
//!
//! It only ever lengthens the persistence of the low gas alarm. It must never be asked about the high one.

use crate::settings::CommercialKitchen;
use davy_rules_sdk::prelude::*;

/// How far the temperature must fall before cooking counts as over, °C.
const COOLED_BY: f64 = 3.0;
/// For how long a peak is remembered.
const REMEMBERED_MS: i64 = 3_600_000;
/// The most peaks that are remembered.
const MOST: usize = 20;

/// What is remembered.
#[derive(State, Clone, Debug, Default, PartialEq)]
pub(crate) struct Cooking {
    hot: Hysteresis,
    peaks_ms: Vec<i64>,
}

impl Cooking {
    pub(crate) fn temperature(&mut self, settings: &CommercialKitchen, value: f64) {
        self.hot.update(value, settings.cooking_from, settings.cooking_from - COOLED_BY);
    }

    /// Gas was at the low level and went before its time.
    pub(crate) fn peak(&mut self, at_ms: i64) {
        self.peaks_ms.retain(|peak| at_ms.saturating_sub(*peak) < REMEMBERED_MS);
        if self.peaks_ms.len() == MOST {
            self.peaks_ms.remove(0);
        }
        self.peaks_ms.push(at_ms);
    }

    /// How long gas must stay at the low level now.
    pub(crate) fn persistence_ms(&self, settings: &CommercialKitchen, now_ms: i64) -> i64 {
        let recent = self.peaks_ms.iter().filter(|peak| now_ms.saturating_sub(**peak) < REMEMBERED_MS).count();
        let cooks = self.hot.holds() || recent >= settings.peaks as usize;
        1_000 * i64::from(if cooks { settings.cooking_persistence_s } else { settings.idle_persistence_s })
    }

    pub(crate) fn is_hot(&self) -> bool {
        self.hot.holds()
    }
}
