//! Example billing policy: a stepped tariff, and arrears from the due date to a lawful shut-off.
//!
//! - Only the volume above a step pays its higher price; corrections give back the dearest litres first. The same volume gives the same
//!   bill however it is divided into spans, to one fen for each line.
//! - Arrears lead to a reminder, a demand, a written notice and an announcement, each when the proof of the one before has waited as
//!   long as the law *and* the company ask for; then a shut-off is asked for. A vulnerable customer, the heating season, a hospital, a
//!   disputed bill, a kept payment plan, a holiday or extreme weather stops it, and so does a place without a statutory table.
//! - Paid arrears take everything back, and ask for the permission to open.
//!
//! It decides nothing about a valve: the platform does, and people.

mod arrears;
mod settings;
mod volume;

use davy_rules_sdk::billing::prelude::*;
pub use settings::SteppedTariff;

/// What the rule remembers of one account.
#[derive(State, Clone, Debug, Default, PartialEq)]
pub struct Memory {
    asked: arrears::Asked,
    /// The month of the last standing charge: months since year 0; 0 for none yet.
    charged_month: u32,
}

/// One decision.
#[billing_policy(
    name = "stepped-tariff",
    version = "1.0.0",
    zh = "三级阶梯气价;欠费提醒、催缴、书面通知与依法停气申请;缴清后恢复供气申请。",
    en = "Three-step tariff; arrears with reminder, demand, written notice and a lawful request to shut off; restoration.",
    texts(
        1 = ("温馨提示:您有逾期未缴的燃气费", "A friendly reminder: a gas bill is overdue"),
        2 = ("催缴通知:请在法定期限内缴清", "Demand: please pay within the statutory time"),
        3 = ("停气书面通知", "Written notice of the shut-off"),
        4 = ("明日将停止供气", "The gas will be shut off tomorrow"),
        5 = ("通知均已送达并满法定期限", "All notices are proven, and the statutory times have passed"),
        6 = ("费用已缴清,可由本人现场开阀恢复供气", "Paid: you may open the valve at the meter yourself")
    )
)]
pub fn decide(settings: &SteppedTariff, memory: &mut Memory, event: &Event) -> Decision {
    let mut decision = Decision::new();
    match event.trigger() {
        Trigger::Usage => volume::charge(settings, event, &mut decision),
        Trigger::Day => {
            standing(settings, memory, event, &mut decision);
            memory.asked.look(settings, event, &mut decision);
        }
        Trigger::Payment | Trigger::Changed | Trigger::Notice(_) => {
            memory.asked.look(settings, event, &mut decision);
        }
        _ => {}
    }
    decision
}

/// The standing charge, once in each month, also when its first day was missed.
fn standing(settings: &SteppedTariff, memory: &mut Memory, event: &Event, decision: &mut Decision) {
    let today = event.context.today;
    let month = u32::from(today.year) * 12 + u32::from(today.month);
    let before = core::mem::replace(&mut memory.charged_month, month);
    // An account that began within a month does not pay for its first days.
    if settings.standing_fen == 0 || before == month || before == 0 && today.day > 1 {
        return;
    }
    let now = event.now_ms();
    decision.charge(Charge {
        kind: charge::STANDING,
        step: 0,
        text: 0,
        from_ms: now,
        to_ms: now,
        litres: 0,
        price: 0,
        amount_fen: settings.standing_fen,
    });
}
