//! What a gas company can set. Waiting times here can only lengthen those of the law, which come with the account.

use davy_rules_sdk::billing::prelude::*;
use davy_rules_sdk::settings::SettingsError;

/// Settings of the stepped-tariff rule.
#[derive(Settings, Clone, Debug, PartialEq)]
#[settings(check = consistent)]
pub struct SteppedTariff {
    /// Prices for accounts whose tariff the platform does not keep.
    #[setting(group, zh = "默认阶梯气价", en = "Tariff when the account has none")]
    pub tariff: Steps,
    /// Charged on the first day of each month; 0 for none.
    #[setting(default = 0, min = 0, max = 1_000_000, unit = "fen", zh = "月基本费", en = "Standing charge a month")]
    pub standing_fen: i64,
    /// What happens to arrears.
    #[setting(group, zh = "欠费处理", en = "Arrears")]
    pub arrears: Arrears,
}

/// Three steps: about 80 % of households stay in the first, 95 % in the first two; prices 1 : 1.2 : 1.5 (NDRC, 2014).
#[derive(Settings, Clone, Debug, PartialEq)]
pub struct Steps {
    /// Price of the first step.
    #[setting(
        default = 300_000,
        min = 0,
        max = 10_000_000,
        unit = "mfen/m3",
        zh = "第一阶梯单价",
        en = "Price, step 1"
    )]
    pub first_price: i64,
    /// Volume of a tariff period from which the second step holds.
    #[setting(default = 360, min = 0, max = 1_000_000, unit = "m3", zh = "第二阶梯起点", en = "Step 2 from")]
    pub second_from_m3: u32,
    /// Price of the second step.
    #[setting(
        default = 360_000,
        min = 0,
        max = 10_000_000,
        unit = "mfen/m3",
        zh = "第二阶梯单价",
        en = "Price, step 2"
    )]
    pub second_price: i64,
    /// Volume of a tariff period from which the third step holds.
    #[setting(default = 540, min = 0, max = 1_000_000, unit = "m3", zh = "第三阶梯起点", en = "Step 3 from")]
    pub third_from_m3: u32,
    /// Price of the third step.
    #[setting(
        default = 450_000,
        min = 0,
        max = 10_000_000,
        unit = "mfen/m3",
        zh = "第三阶梯单价",
        en = "Price, step 3"
    )]
    pub third_price: i64,
    /// A household of more persons than this gets more volume in each step.
    #[setting(default = 4, min = 1, max = 20, zh = "基准人口", en = "Persons without addition")]
    pub persons: u32,
    /// How much more, for each person more.
    #[setting(default = 60, min = 0, max = 10_000, unit = "m3", zh = "每增一人增量", en = "More for each person")]
    pub more_m3: u32,
}

/// From the due date to the shut-off.
#[derive(Settings, Clone, Debug, PartialEq)]
pub struct Arrears {
    /// Days after the due date at which a friendly reminder goes out.
    #[setting(default = 3, min = 0, max = 365, unit = "d", zh = "提醒期限", en = "Reminder after")]
    pub reminder_days: u32,
    /// Days after the due date at which the demand for payment goes out.
    #[setting(default = 10, min = 0, max = 365, unit = "d", zh = "催缴期限", en = "Demand after")]
    pub demand_days: u32,
    /// Days between the proof of the demand and the written notice, beside what the law asks for.
    #[setting(default = 30, min = 0, max = 365, unit = "d", zh = "催缴后等待", en = "Wait after the demand")]
    pub wait_days: u32,
    /// Days between the proof of the written notice and the shut-off, beside what the law asks for.
    #[setting(default = 7, min = 3, max = 90, unit = "d", zh = "书面通知后等待", en = "Wait after the written notice")]
    pub written_days: u32,
    /// No shut-off for less than this.
    #[setting(
        default = 5_000,
        min = 100,
        max = 100_000_000,
        unit = "fen",
        zh = "停气最低欠费",
        en = "No shut-off below"
    )]
    pub least_fen: i64,
    /// Whether a shut-off is asked for at all.
    #[setting(default = true, zh = "允许申请停气", en = "Ask for shut-offs")]
    pub shut_off: bool,
}

fn consistent(settings: &SteppedTariff) -> Result<(), SettingsError> {
    let Steps { first_price, second_from_m3, second_price, third_from_m3, third_price, .. } = settings.tariff;
    if third_from_m3 < second_from_m3 {
        return Err(SettingsError::new("tariff.third-from-m3", "a volume not below `second-from-m3`"));
    }
    if second_price < first_price || third_price < second_price {
        return Err(SettingsError::new("tariff.third-price", "prices that do not fall from step to step"));
    }
    if settings.arrears.demand_days < settings.arrears.reminder_days {
        return Err(SettingsError::new("arrears.demand-days", "no fewer days than `reminder-days`"));
    }
    Ok(())
}
