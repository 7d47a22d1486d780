//! What a gas company can set. No setting keeps everybody from being told.

use davy_rules_sdk::notification::prelude::*;

/// Settings of the escalation rule.
#[derive(Settings, Clone, Debug, PartialEq)]
pub struct Escalation {
    /// Minutes after which an alarm of high or urgent priority is told again while nobody has taken it on.
    #[setting(default = 5, min = 1, max = 30, unit = "min", zh = "未处理重复间隔", en = "Again, unhandled")]
    pub again_minutes: u32,
    /// Minutes after which an alarm that somebody took on is told again while its condition still holds.
    #[setting(default = 30, min = 5, max = 240, unit = "min", zh = "已确认未消除重复间隔", en = "Again, acknowledged")]
    pub handled_minutes: u32,
    /// From this attempt on the second technician is told as well.
    #[setting(default = 2, min = 1, max = 10, zh = "第二技术员起始次数", en = "Second technician from")]
    pub second_from: u16,
    /// From this attempt on the control room and the duty manager are told as well.
    #[setting(default = 3, min = 1, max = 20, zh = "调度与值班经理起始次数", en = "Control room from")]
    pub control_room_from: u16,
    /// Hours after which an alarm of low or medium priority is told again.
    #[setting(default = 12, min = 1, max = 72, unit = "h", zh = "一般报警重复间隔", en = "Again, minor")]
    pub minor_hours: u32,
    /// Minutes to wait before a minor alarm of the quiet hours is looked at again.
    #[setting(default = 30, min = 5, max = 240, unit = "min", zh = "静默时段复查间隔", en = "Quiet hours, look again")]
    pub quiet_minutes: u32,
}
