//! Example alarm policy for households: a gas leak, carbon monoxide, and the detector's own health.
//!
//! - Gas has two levels, each with persistence and hysteresis: the low one alarms (and by default closes), the high one closes
//!   at once. A steady rise towards the low level gives a pre-alarm.
//! - Carbon monoxide follows the times of EN 50291: a low level for a long time, a high one for minutes, an extreme one at once.
//! - The sensor's end of life is its own flag or its age since installation.
//! - At rest it gives a wake condition, so that quiet readings cost no call; its state is then always the same bytes.
//!
//! It must never wait for a reading that may not come: what is on the way up is decided by a timer too.

mod co;
mod gas;
mod health;
mod settings;

use davy_rules_sdk::prelude::*;
pub use settings::HouseholdLeak;

/// The timer by which a level on the way up is decided though no further reading comes.
const DECIDE: u32 = 1;
const MINUTE_MS: i64 = 60_000;

/// What the rule remembers of one detector.
#[derive(State, Clone, Debug, Default, PartialEq)]
pub struct Memory {
    gas: gas::Gas,
    co: co::Co,
    health: health::Health,
}

/// One decision.
#[alarm_policy(
    name = "household-leak",
    version = "1.0.0",
    zh = "家庭燃气泄漏:两级报警、上升趋势预警、一氧化碳、传感器寿命。",
    en = "Household gas leak: two levels, rising-trend pre-alarm, carbon monoxide, sensor end of life.",
    texts(
        1 = ("燃气浓度达到低限", "Gas at the low level"),
        2 = ("燃气浓度达到高限,已关阀", "Gas at the high level: valve closed"),
        3 = ("燃气浓度持续上升", "Gas is rising steadily"),
        4 = ("一氧化碳浓度偏高", "Carbon monoxide is high"),
        5 = ("一氧化碳浓度危险,已关阀", "Carbon monoxide is dangerous: valve closed"),
        6 = ("传感器自报寿命终止", "The sensor reports its end of life"),
        7 = ("探测器已到使用年限", "The detector has reached its service life"),
        8 = ("电池电量低", "Battery low"),
        9 = ("外壳被打开或倾斜", "Housing opened or tilted")
    )
)]
pub fn decide(settings: &HouseholdLeak, memory: &mut Memory, event: &Event) -> Decision {
    let mut decision = Decision::new();
    match event.trigger() {
        Trigger::Readings => {
            for reading in &event.readings {
                match reading.quantity {
                    quantity::GAS => memory.gas.reading(settings, reading, &mut decision),
                    quantity::CO => memory.co.reading(settings, reading, &mut decision),
                    _ => memory.health.reading(settings, reading, &mut decision),
                }
            }
        }
        Trigger::Timer(DECIDE) => {
            memory.gas.elapse(settings, event.now_ms(), &mut decision);
            memory.co.elapse(settings, event.now_ms(), &mut decision);
        }
        // Opened again while the leak is still there: a person may have turned it by hand.
        Trigger::ValveMoved if event.context.valve_state == valve_state::OPEN => {
            memory.gas.reopened(settings, &mut decision);
            memory.co.reopened(&mut decision);
        }
        Trigger::ValveMoved | Trigger::Start => {}
        _ => return decision,
    }
    memory.health.age(settings, event, &mut decision);

    let due = [memory.gas.due_ms(settings), memory.co.due_ms(settings)].into_iter().flatten().min();
    if let Some(due) = due {
        decision.set_timer(DECIDE, due.max(event.now_ms()));
    }
    if memory.gas.is_quiet() && memory.co.is_quiet() && decision.is_quiet() {
        decision.rest(wake(settings, memory, event));
    }
    decision
}

/// Until when, and unless what, quiet readings need no call.
fn wake(settings: &HouseholdLeak, memory: &Memory, event: &Event) -> Wake {
    let mut not_before_ms = event.now_ms().saturating_add(i64::from(settings.rest_minutes) * MINUTE_MS);
    if let Some(end) = memory.health.end_of_service_ms(settings, event) {
        not_before_ms = not_before_ms.min(end);
    }
    let flag = |quantity: u16, set: bool| {
        if set { WakeThreshold::at_or_below(quantity, 0.5) } else { WakeThreshold::at_or_above(quantity, 0.5) }
    };
    let unless = vec![
        WakeThreshold::at_or_above(quantity::GAS, settings.watch_level()),
        WakeThreshold::at_or_above(quantity::CO, settings.co_low_level),
        flag(quantity::END_OF_LIFE, memory.health.says_end()),
        flag(quantity::TAMPER, memory.health.is_tampered()),
        memory.health.battery_wake(settings),
    ];
    Wake { not_before_ms, unless, valve_moves: true }
}
