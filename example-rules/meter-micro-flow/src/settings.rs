//! What a gas company can set.

use davy_rules_sdk::prelude::*;
use davy_rules_sdk::settings::SettingsError;

/// Settings of the meter-micro-flow rule.
#[derive(Settings, Clone, Debug, PartialEq)]
#[settings(check = consistent)]
pub struct MicroFlow {
    /// Flow up to this is none: below the starting flow of the meter.
    #[setting(default = 0.003, min = 0.0, max = 0.02, unit = "m3/h", zh = "始动流量", en = "No flow up to")]
    pub none_up_to: f64,
    /// Flow up to this is a small one: less than the smallest burner takes.
    #[setting(default = 0.05, min = 0.005, max = 0.5, unit = "m3/h", zh = "微小流量上限", en = "Small flow up to")]
    pub small_up_to: f64,
    /// The night begins at this hour of the place's clock.
    #[setting(default = 0, min = 0, max = 23, unit = "h", zh = "夜间开始", en = "Night begins")]
    pub night_from: u32,
    /// The night ends at this hour of the place's clock.
    #[setting(default = 5, min = 0, max = 23, unit = "h", zh = "夜间结束", en = "Night ends")]
    pub night_to: u32,
    /// The place's clock, in minutes ahead of UTC.
    #[setting(default = 480, min = -720, max = 840, unit = "min", zh = "时区偏移", en = "Ahead of UTC")]
    pub utc_offset_minutes: i32,
    /// So long within a night gas must flow without a break for the night to count.
    #[setting(default = 3, min = 1, max = 12, unit = "h", zh = "连续时间", en = "Without a break for")]
    pub hours: u32,
    /// So many nights in a row raise the alarm.
    #[setting(default = 3, min = 1, max = 14, zh = "连续夜数", en = "Nights in a row")]
    pub nights: u32,
    /// So long without flow proves that nothing leaks: a leak never pauses.
    #[setting(default = 60, min = 10, max = 720, unit = "min", zh = "无流量证明时间", en = "No flow proves after")]
    pub proof_minutes: u32,
    /// Two values further apart than this say nothing about the time between them.
    #[setting(default = 90, min = 10, max = 720, unit = "min", zh = "数据最大间隔", en = "Values at most apart")]
    pub apart_minutes: u32,
}

fn consistent(settings: &MicroFlow) -> Result<(), SettingsError> {
    if settings.small_up_to <= settings.none_up_to {
        return Err(SettingsError::new("small-up-to", "a flow above `none-up-to`"));
    }
    let night = (settings.night_to + 24 - settings.night_from) % 24;
    if night < settings.hours {
        return Err(SettingsError::new("hours", "no more hours than the night has"));
    }
    Ok(())
}
