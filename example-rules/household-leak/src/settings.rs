//! What a gas company can set. Defaults and ranges stay within GB 15322.2 (alarm at 5 to 25 %LEL) and EN 50291.

use davy_rules_sdk::prelude::*;
use davy_rules_sdk::settings::SettingsError;

/// Settings of the household-leak rule.
#[derive(Settings, Clone, Debug, PartialEq)]
#[settings(check = consistent)]
pub struct HouseholdLeak {
    /// Gas at or above this for the low persistence raises the low alarm.
    #[setting(default = 10.0, min = 5.0, max = 25.0, unit = "%LEL", zh = "燃气低限", en = "Gas, low level")]
    pub gas_low_level: f64,
    /// Gas at or above this for the high persistence raises the high alarm and closes the valve.
    #[setting(default = 20.0, min = 5.0, max = 50.0, unit = "%LEL", zh = "燃气高限", en = "Gas, high level")]
    pub gas_high_level: f64,
    /// How far gas must fall below a level before its alarm ends.
    #[setting(default = 2.0, min = 0.5, max = 4.5, unit = "%LEL", zh = "燃气回差", en = "Gas, hysteresis")]
    pub gas_hysteresis: f64,
    /// How long gas must stay at the low level: keeps cooking vapour from raising an alarm.
    #[setting(default = 10, min = 0, max = 30, unit = "s", zh = "低限持续时间", en = "Low level, persistence")]
    pub gas_low_persistence_s: u32,
    /// How long gas must stay at the high level.
    #[setting(default = 0, min = 0, max = 10, unit = "s", zh = "高限持续时间", en = "High level, persistence")]
    pub gas_high_persistence_s: u32,
    /// How long gas must stay below a level before its alarm ends.
    #[setting(default = 60, min = 0, max = 600, unit = "s", zh = "恢复持续时间", en = "Recovery time")]
    pub gas_recovery_s: u32,
    /// Whether the low alarm closes the valve too.
    #[setting(default = true, zh = "低限即关阀", en = "Close at the low level")]
    pub close_at_low: bool,
    /// A rise at least this steep gives a pre-alarm.
    #[setting(default = 0.5, min = 0.1, max = 10.0, unit = "%LEL/min", zh = "上升速率", en = "Rate of rise")]
    pub rise_per_minute: f64,
    /// The rise is looked at from this value on; below it, noise would be measured.
    #[setting(default = 3.0, min = 1.0, max = 10.0, unit = "%LEL", zh = "趋势起点", en = "Trend begins at")]
    pub rise_from: f64,
    /// The length of time over which the rise is measured.
    #[setting(default = 10, min = 2, max = 60, unit = "min", zh = "趋势窗口", en = "Trend window")]
    pub rise_window_minutes: u32,
    /// Carbon monoxide at or above this for the low time raises the low alarm.
    #[setting(default = 50.0, min = 20.0, max = 50.0, unit = "ppm", zh = "一氧化碳低限", en = "CO, low level")]
    pub co_low_level: f64,
    /// How long; EN 50291 asks for 60 to 90 minutes at 50 ppm.
    #[setting(default = 60, min = 1, max = 90, unit = "min", zh = "一氧化碳低限时间", en = "CO, low level, time")]
    pub co_low_minutes: u32,
    /// Carbon monoxide at or above this for the high time raises the high alarm and closes the valve.
    #[setting(default = 100.0, min = 50.0, max = 100.0, unit = "ppm", zh = "一氧化碳高限", en = "CO, high level")]
    pub co_high_level: f64,
    /// How long; EN 50291 asks for 10 to 40 minutes at 100 ppm.
    #[setting(default = 10, min = 1, max = 40, unit = "min", zh = "一氧化碳高限时间", en = "CO, high level, time")]
    pub co_high_minutes: u32,
    /// Carbon monoxide at or above this raises the high alarm at once; EN 50291 asks for less than 3 minutes at 300 ppm.
    #[setting(default = 300.0, min = 100.0, max = 300.0, unit = "ppm", zh = "一氧化碳极限", en = "CO, extreme level")]
    pub co_extreme_level: f64,
    /// The detector's service life since its installation (CJJ/T 146-2011: 5 years in a household).
    #[setting(default = 5, min = 1, max = 10, unit = "a", zh = "使用年限", en = "Service life")]
    pub service_life_years: u32,
    /// A battery below this raises an alarm.
    #[setting(default = 15.0, min = 5.0, max = 50.0, unit = "%", zh = "电池低限", en = "Battery, low level")]
    pub battery_low_level: f64,
    /// The longest time without a call while everything is quiet.
    #[setting(default = 60, min = 1, max = 1440, unit = "min", zh = "静默周期", en = "Rest at most")]
    pub rest_minutes: u32,
}

impl HouseholdLeak {
    /// From here on gas is not quiet: its trend is followed.
    pub(crate) fn watch_level(&self) -> f64 {
        self.rise_from.min(self.gas_low_level)
    }
}

fn consistent(settings: &HouseholdLeak) -> Result<(), SettingsError> {
    if settings.gas_high_level < settings.gas_low_level {
        return Err(SettingsError::new("gas-high-level", "a level not below `gas-low-level`"));
    }
    if settings.co_high_level < settings.co_low_level {
        return Err(SettingsError::new("co-high-level", "a level not below `co-low-level`"));
    }
    if settings.co_extreme_level < settings.co_high_level {
        return Err(SettingsError::new("co-extreme-level", "a level not below `co-high-level`"));
    }
    Ok(())
}
