//! What a gas company can set.

use davy_rules_sdk::prelude::*;
use davy_rules_sdk::settings::SettingsError;

/// Settings of the well-methane rule.
#[derive(Settings, Clone, Debug, PartialEq)]
#[settings(check = consistent)]
pub struct WellMethane {
    /// Methane at or above this, so many times in a row, raises the low alarm.
    #[setting(default = 10.0, min = 2.0, max = 25.0, unit = "%LEL", zh = "甲烷低限", en = "Methane, low level")]
    pub low_level: f64,
    /// So many readings in a row: a well monitor sleeps for minutes between two, and a gust of marsh gas fills one of them.
    #[setting(default = 2, min = 1, max = 5, zh = "低限确认次数", en = "Readings that confirm")]
    pub confirm_readings: u32,
    /// Methane at or above this raises the high alarm at the first reading.
    #[setting(default = 25.0, min = 5.0, max = 50.0, unit = "%LEL", zh = "甲烷高限", en = "Methane, high level")]
    pub high_level: f64,
    /// How far methane must fall below a level before its alarm ends.
    #[setting(default = 2.0, min = 0.5, max = 5.0, unit = "%LEL", zh = "回差", en = "Hysteresis")]
    pub hysteresis: f64,
    /// A rise at least this steep gives a pre-alarm: a leaking pipe fills its well for hours, marsh gas comes and goes.
    #[setting(default = 0.5, min = 0.05, max = 10.0, unit = "%LEL/h", zh = "上升速率", en = "Rate of rise")]
    pub rise_per_hour: f64,
    /// The rise is looked at from this value on; below it, noise would be measured.
    #[setting(default = 1.5, min = 0.5, max = 10.0, unit = "%LEL", zh = "趋势起点", en = "Trend begins at")]
    pub rise_from: f64,
    /// The length of time over which the rise is measured; a third of it must be filled before it is believed.
    #[setting(default = 12, min = 3, max = 72, unit = "h", zh = "趋势窗口", en = "Trend window")]
    pub rise_window_hours: u32,
    /// A monitor that reports but gives no methane value for so long has a drowned or broken sensor.
    #[setting(default = 26, min = 1, max = 240, unit = "h", zh = "无数据时限", en = "No value within")]
    pub no_value_hours: u32,
    /// A battery below this raises an alarm, unless it is only cold.
    #[setting(default = 20.0, min = 5.0, max = 50.0, unit = "%", zh = "电池低限", en = "Battery, low level")]
    pub battery_low: f64,
    /// Below this temperature a weak battery is not believed: it recovers when it is warmer.
    #[setting(default = -5.0, min = -40.0, max = 20.0, unit = "Cel", zh = "电池判断最低温度", en = "Battery judged from")]
    pub battery_from: f64,
    /// Whether the high alarm closes the valves that the platform links to the well, if there are any.
    #[setting(default = false, zh = "高限关阀", en = "Close at the high level")]
    pub close_at_high: bool,
}

impl WellMethane {
    /// From here on methane is not quiet: its trend is followed.
    pub(crate) fn watch_level(&self) -> f64 {
        self.rise_from.min(self.low_level)
    }
}

fn consistent(settings: &WellMethane) -> Result<(), SettingsError> {
    if settings.high_level < settings.low_level {
        return Err(SettingsError::new("high-level", "a level not below `low-level`"));
    }
    Ok(())
}
