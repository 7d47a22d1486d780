//! What a gas company can set. No setting delays the high alarms, and none delays the low gas alarm beyond two minutes.

use davy_rules_sdk::prelude::*;
use davy_rules_sdk::settings::SettingsError;

/// Settings of the commercial-kitchen rule.
#[derive(Settings, Clone, Debug, PartialEq)]
#[settings(check = consistent)]
pub struct CommercialKitchen {
    /// Gas at or above this for the persistence raises the low alarm.
    #[setting(default = 10.0, min = 5.0, max = 25.0, unit = "%LEL", zh = "燃气低限", en = "Gas, low level")]
    pub gas_low_level: f64,
    /// Gas at or above this raises the high alarm and closes the valve, at the first reading, whatever is being cooked.
    #[setting(default = 25.0, min = 10.0, max = 50.0, unit = "%LEL", zh = "燃气高限", en = "Gas, high level")]
    pub gas_high_level: f64,
    /// How far gas must fall below a level before its alarm ends.
    #[setting(default = 2.0, min = 0.5, max = 4.5, unit = "%LEL", zh = "燃气回差", en = "Gas, hysteresis")]
    pub gas_hysteresis: f64,
    /// How long gas must stay at the low level while nobody cooks.
    #[setting(default = 10, min = 0, max = 30, unit = "s", zh = "低限持续时间", en = "Persistence, idle")]
    pub idle_persistence_s: u32,
    /// How long gas must stay at the low level while somebody cooks, or after peaks that went by themselves: ignition puffs,
    /// alcohol over a wok and steam last seconds, a leak lasts.
    #[setting(default = 45, min = 0, max = 120, unit = "s", zh = "烹饪时持续时间", en = "Persistence, cooking")]
    pub cooking_persistence_s: u32,
    /// Somebody cooks while the temperature at the detector is at or above this.
    #[setting(default = 35.0, min = 25.0, max = 60.0, unit = "Cel", zh = "烹饪温度", en = "Cooking from")]
    pub cooking_from: f64,
    /// So many short peaks within an hour count as cooking too, for a detector that measures no temperature.
    #[setting(default = 3, min = 1, max = 20, zh = "短时峰值次数", en = "Peaks that mean cooking")]
    pub peaks: u32,
    /// How long gas must stay below a level before its alarm ends.
    #[setting(default = 60, min = 0, max = 600, unit = "s", zh = "恢复持续时间", en = "Recovery time")]
    pub recovery_s: u32,
    /// Whether the low alarm closes the valve too.
    #[setting(default = true, zh = "低限即关阀", en = "Close at the low level")]
    pub close_at_low: bool,
    /// Carbon monoxide at or above this for the low time raises the low alarm.
    #[setting(default = 50.0, min = 20.0, max = 50.0, unit = "ppm", zh = "一氧化碳低限", en = "CO, low level")]
    pub co_low_level: f64,
    /// How long; EN 50291 asks for 60 to 90 minutes at 50 ppm, a kitchen full of people for less.
    #[setting(default = 30, min = 1, max = 90, unit = "min", zh = "一氧化碳低限时间", en = "CO, low level, time")]
    pub co_low_minutes: u32,
    /// Carbon monoxide at or above this for the high time raises the high alarm and closes the valve.
    #[setting(default = 100.0, min = 50.0, max = 100.0, unit = "ppm", zh = "一氧化碳高限", en = "CO, high level")]
    pub co_high_level: f64,
    /// How long; EN 50291 asks for 10 to 40 minutes at 100 ppm.
    #[setting(default = 10, min = 1, max = 40, unit = "min", zh = "一氧化碳高限时间", en = "CO, high level, time")]
    pub co_high_minutes: u32,
    /// Carbon monoxide at or above this raises the high alarm at the first reading.
    #[setting(default = 200.0, min = 100.0, max = 300.0, unit = "ppm", zh = "一氧化碳极限", en = "CO, extreme level")]
    pub co_extreme_level: f64,
    /// The longest time without a call while everything is quiet.
    #[setting(default = 30, min = 1, max = 1440, unit = "min", zh = "静默周期", en = "Rest at most")]
    pub rest_minutes: u32,
}

fn consistent(settings: &CommercialKitchen) -> Result<(), SettingsError> {
    if settings.gas_high_level < settings.gas_low_level {
        return Err(SettingsError::new("gas-high-level", "a level not below `gas-low-level`"));
    }
    if settings.cooking_persistence_s < settings.idle_persistence_s {
        return Err(SettingsError::new("cooking-persistence-s", "a time not below `idle-persistence-s`"));
    }
    if settings.co_high_level < settings.co_low_level {
        return Err(SettingsError::new("co-high-level", "a level not below `co-low-level`"));
    }
    if settings.co_extreme_level < settings.co_high_level {
        return Err(SettingsError::new("co-extreme-level", "a level not below `co-high-level`"));
    }
    Ok(())
}
