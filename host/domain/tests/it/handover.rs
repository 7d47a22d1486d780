//! What a rule asserted when another one takes its place: nothing is lost, and nothing stands for ever.

use crate::behaviour::*;
use crate::premises::*;
use davy_domain::alarm::{AlarmState, Asserted, Origin};
use davy_domain::policy::{AlarmPolicy, Evaluation, PolicyEvent, PolicyOutcome, Raise};
use davy_domain::{Condition, Effects, Input, Priority, Quantity};

const FIRST: [u8; 32] = [1; 32];
const SECOND: [u8; 32] = [2; 32];
const HOUR: i64 = 3_600;
const WEAK: &[(Quantity, f64)] = &[(Quantity::Battery, 5.0)];

/// Raises what it is named for once, remembers that, and never says anything again.
struct Once(Condition);
impl AlarmPolicy for Once {
    fn evaluate(&self, state: &[u8], _: &PolicyEvent) -> Evaluation {
        let raise = Raise { condition: self.0, priority: Priority::High };
        let raise = if state.is_empty() { vec![raise] } else { Vec::new() };
        Evaluation { result: Ok(PolicyOutcome { raise, state: vec![1], ..PolicyOutcome::default() }), fuel: 1 }
    }
}

/// A scene whose effects are stored.
struct Stored {
    scene: Scene,
    database: Database,
}

impl Stored {
    fn new() -> Self {
        Self { scene: Scene::new(), database: Database::default() }
    }

    fn says(&mut self, policy: &dyn AlarmPolicy, digest: [u8; 32], values: &[(Quantity, f64)]) -> Effects {
        let parts = [part(None, values, self.scene.now)];
        let input = Input::Uplink { device: DETECTOR, sequence: None, parts: &parts };
        let effects = self.scene.with(Some((policy, digest)), input);
        self.database.store(&effects);
        self.database.journal.push((DETECTOR, parts.to_vec(), self.scene.now));
        effects
    }

    fn restart(&mut self) {
        self.scene.interlock = self.database.restore(&self.scene.surroundings, self.scene.now);
    }

    fn state(&self, condition: Condition) -> Option<AlarmState> {
        self.scene.state(DETECTOR, condition)
    }
}

#[test]
fn what_no_reading_decides_stands_for_two_days_after_the_rule_that_asserted_it_and_no_longer() {
    for sleeps in [false, true] {
        let mut stored = Stored::new();
        let second: &dyn AlarmPolicy = if sleeps { &SleepsForever } else { &Mute };
        stored.says(&Once(Condition::BatteryLow), FIRST, WEAK);
        stored.scene.wait(HOUR);
        stored.says(second, SECOND, WEAK);
        stored.restart();
        stored.scene.wait(48 * HOUR - 1);
        stored.says(second, SECOND, WEAK);
        assert_eq!(stored.state(Condition::BatteryLow), Some(AlarmState::Unacknowledged), "not lost before its time");
        stored.database.snapshot(&stored.scene.interlock);
        stored.database.rule_state.clear();
        stored.restart();
        stored.scene.wait(1);
        let effects = stored.says(second, SECOND, WEAK);
        assert_eq!(stored.state(Condition::BatteryLow), Some(AlarmState::ReturnedUnacknowledged));
        assert_eq!(effects.decisions.len(), 1, "why it went is on record");
        stored.restart();
        stored.scene.wait(1);
        let quiet = stored.says(second, SECOND, WEAK);
        assert!(quiet.rule_state.is_empty() && quiet.decisions.is_empty(), "that is over: {quiet:?}");
    }
}

#[test]
fn a_concentration_that_a_former_rule_asserted_stands_until_the_floor_calls_it_low() {
    let mut stored = Stored::new();
    stored.says(&Honest { promises: false }, FIRST, &[(Quantity::Gas, 15.0)]);
    stored.scene.wait(60);
    stored.says(&Mute, SECOND, &[(Quantity::Gas, 15.0)]);
    stored.restart();
    stored.scene.wait(100 * HOUR);
    stored.says(&Mute, SECOND, &[(Quantity::Gas, 5.0)]);
    assert_eq!(stored.state(Condition::GasLow), Some(AlarmState::Unacknowledged), "gas is there still");
    stored.restart();
    stored.scene.wait(60);
    stored.says(&Mute, SECOND, &[(Quantity::Gas, 4.9)]);
    assert_eq!(stored.state(Condition::GasLow), Some(AlarmState::ReturnedUnacknowledged));
}

#[test]
fn what_the_new_rule_raises_itself_is_its_own() {
    let mut stored = Stored::new();
    stored.says(&Once(Condition::Tamper), FIRST, LOW);
    stored.scene.wait(1);
    let effects = stored.says(&Once(Condition::Tamper), SECOND, LOW);
    assert!(effects.alarms.is_empty(), "it stands already");
    stored.restart();
    stored.scene.wait(1_000 * HOUR);
    stored.says(&Once(Condition::Tamper), SECOND, LOW);
    assert_eq!(stored.state(Condition::Tamper), Some(AlarmState::Unacknowledged));
}

#[test]
fn what_the_new_rule_clears_is_cleared_at_once() {
    let mut stored = Stored::new();
    stored.says(&Once(Condition::Tamper), FIRST, LOW);
    stored.scene.wait(1);
    stored.says(&ClearsEverything, SECOND, LOW);
    assert_eq!(stored.state(Condition::Tamper), Some(AlarmState::ReturnedUnacknowledged));
}

#[test]
fn a_roll_back_loses_no_alarm_and_lets_it_end() {
    for back_at in [15.0, 9.0] {
        let honest = Honest { promises: true };
        let mut stored = Stored::new();
        stored.says(&honest, FIRST, &[(Quantity::Gas, 15.0)]);
        stored.scene.wait(60);
        stored.says(&Mute, SECOND, &[(Quantity::Gas, 15.0)]);
        stored.restart();
        stored.scene.wait(60);
        stored.says(&honest, FIRST, &[(Quantity::Gas, back_at)]);
        assert_eq!(stored.state(Condition::GasLow), Some(AlarmState::Unacknowledged));
        stored.restart();
        stored.scene.wait(60);
        stored.says(&honest, FIRST, &[(Quantity::Gas, 0.5)]);
        assert_eq!(stored.state(Condition::GasLow), Some(AlarmState::ReturnedUnacknowledged));
    }
}

#[test]
fn what_the_floor_asserts_is_not_inherited_from_a_rule() {
    let mut stored = Stored::new();
    stored.says(&Once(Condition::GasHigh), FIRST, LEAK);
    stored.scene.wait(60);
    stored.says(&Mute, SECOND, &[(Quantity::Gas, 20.0)]);
    stored.scene.wait(100 * HOUR);
    stored.says(&Mute, SECOND, &[(Quantity::Gas, 20.0)]);
    let both = |stored: &Stored| {
        let asserted = stored.scene.interlock.device(DETECTOR).unwrap().alarms()[0].asserted;
        (asserted.contains(Origin::Floor), asserted.contains(Origin::Rule))
    };
    assert_eq!(both(&stored), (true, true));
    stored.scene.wait(60);
    stored.says(&Mute, SECOND, LOW);
    assert_eq!(stored.state(Condition::GasHigh), Some(AlarmState::LatchedUnacknowledged));
}

#[test]
fn a_memory_that_was_stored_without_what_is_inherited_counts_as_the_rule_s_own() {
    let mut stored = Stored::new();
    stored.says(&Once(Condition::Tamper), FIRST, LOW);
    let memory = &stored.database.rule_state[&DETECTOR];
    assert_eq!(*memory, [&[1; 8][..], &[1]].concat(), "eight bytes of the digest, and the rule's own");
    stored.restart();
    stored.scene.wait(1_000 * HOUR);
    stored.says(&Once(Condition::Tamper), FIRST, LOW);
    let alarm = &stored.scene.interlock.device(DETECTOR).unwrap().alarms()[0];
    assert_eq!((alarm.condition, alarm.asserted), (Condition::Tamper, Asserted::by(Origin::Rule)));
}
