//! What is entered for a meter of this model.

use davy_rules_sdk::driver::prelude::*;
use davy_rules_sdk::settings::SettingsError;

/// Communication parameters.
#[derive(Settings, Clone, Debug, PartialEq)]
#[settings(check = consistent)]
pub struct VendorMeter {
    /// The meter's address, twelve digits as on its type plate: a frame of another meter is refused. Empty takes any,
    /// and orders then go to the serial number, which must be the address.
    #[setting(default = "", max_length = 12, zh = "表地址", en = "Address")]
    pub address: String,
    /// How many digits behind the point the index has.
    #[setting(
        default = "0.001",
        choices("0.1", "0.01", "0.001"),
        unit = "m3",
        zh = "表底数分辨率",
        en = "Index, resolution"
    )]
    pub resolution: String,
    /// The battery's voltage when it is empty.
    #[setting(default = 3_000, min = 1_000, max = 6_000, unit = "mV", zh = "电池欠压", en = "Battery, empty at")]
    pub battery_empty_mv: u32,
    /// The battery's voltage when it is full.
    #[setting(default = 3_600, min = 1_000, max = 6_000, unit = "mV", zh = "电池满电", en = "Battery, full at")]
    pub battery_full_mv: u32,
    /// The meter's clock, in minutes ahead of UTC.
    #[setting(default = 480, min = -720, max = 840, unit = "min", zh = "表时区偏移", en = "Clock, ahead of UTC")]
    pub utc_offset_minutes: i32,
}

/// Whether a text has the form of a meter's address.
pub(crate) fn is_address(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn consistent(settings: &VendorMeter) -> Result<(), SettingsError> {
    if !(settings.address.is_empty() || is_address(&settings.address)) {
        return Err(SettingsError::new("address", "twelve digits, or nothing"));
    }
    if settings.battery_full_mv <= settings.battery_empty_mv {
        return Err(SettingsError::new("battery-full-mv", "a voltage above `battery-empty-mv`"));
    }
    Ok(())
}
