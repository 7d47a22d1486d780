//! What is entered for an alarm of this kind, or for the safety terminal that speaks for many.

use davy_rules_sdk::driver::prelude::*;

/// Communication parameters.
#[derive(Settings, Clone, Debug, PartialEq)]
pub struct LfG55V {
    /// What the alarm's count of 1 stands for.
    #[setting(default = 0.1, min = 0.01, max = 1.0, unit = "%LEL", zh = "浓度分辨率", en = "Gas, resolution")]
    pub gas_scale: f64,
    /// Added to every gas value: the alarm's own zero, found at its calibration.
    #[setting(default = 0.0, min = -5.0, max = 5.0, unit = "%LEL", zh = "零点修正", en = "Gas, zero")]
    pub gas_zero: f64,
    /// Whether the built-in valve output is wired: without it the valve's position is not reported.
    #[setting(default = true, zh = "已接切断阀", en = "Valve connected")]
    pub valve: bool,
}
