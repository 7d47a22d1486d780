//! Decisions in a file of their own: made again elsewhere they are the same to the byte and to the unit of fuel, and a file that
//! was altered is refused or shows where.

use crate::components::{engine, example, household_leak, readings};
use davy_domain::policy::{PolicyEvent, Trigger};
use davy_domain::{DeviceId, DeviceKind, Quantity};
use davy_rules::bundle::{Bundle, BundleError, BundledDecision, BundledNotification};
use davy_rules::explain::{DecisionRecord, Exact, Hex, ResultRecord};
use davy_rules::{Engine, EngineConfig};
use serde_json::Value;

const START: i64 = 1_800_000_000_000;
const RULES: [(&str, DeviceKind); 4] = [
    ("household-leak", DeviceKind::Detector),
    ("commercial-kitchen", DeviceKind::Detector),
    ("well-methane", DeviceKind::WellMonitor),
    ("meter-micro-flow", DeviceKind::Meter),
];

/// Some hours of a device, and what the rule decided each time.
fn decisions(engine: &Engine, name: &str, kind: DeviceKind, count: i64) -> Bundle {
    let component = example(name);
    let rule = engine.load(&engine.admit(&component).unwrap());
    let settings = rule.encode_settings("{}").unwrap();
    let mut bundle = Bundle::new(name);
    bundle.add_component(&component);
    let mut state = Vec::new();
    for step in 0..count {
        let gas = f64::from((step * 37 % 101) as i32) / 1.7;
        let values = [
            (Quantity::Gas, gas),
            (Quantity::Co, gas * 5.0 + 0.1),
            (Quantity::Flow, 0.01 + gas / 1e4),
            (Quantity::Volume, 100.0 + step as f64 / 3.0),
            (Quantity::Temperature, 20.0 - gas / 7.0),
            (Quantity::Battery, 100.0 - gas),
        ];
        let quiet = readings(START + step * 91_000, &values);
        let trigger = if step % 11 == 5 { Trigger::Timer(1) } else { Trigger::Readings };
        let event = PolicyEvent { device_kind: kind, trigger, ..quiet };
        let evaluation = rule.evaluate(&settings, &state, &event);
        let record = DecisionRecord::new(rule.digest(), 1, &settings, &state, &event, &evaluation);
        bundle.add(BundledDecision {
            number: step + 1,
            device: DeviceId::from_raw(7),
            at_ms: event.now.as_millis(),
            floor: Vec::new(),
            record: Some(record),
        });
        if let Ok(outcome) = evaluation.result {
            state = outcome.state;
        }
    }
    bundle
}

fn household(count: i64) -> Bundle {
    decisions(&engine(), "household-leak", DeviceKind::Detector, count)
}

fn reopened(bundle: &Bundle) -> Result<Bundle, BundleError> {
    Bundle::open(bundle.to_json().unwrap().as_bytes())
}

#[test]
fn another_engine_makes_every_decision_again_to_the_byte_and_to_the_unit_of_fuel() {
    let config = EngineConfig { pool_size: 4, ..EngineConfig::default() };
    let (native, interpreter) = (engine(), Engine::interpreter(&config).unwrap());
    let mut acted = 0;
    for (name, kind) in RULES {
        let bundle = reopened(&decisions(&native, name, kind, 60)).unwrap();
        let replayed = bundle.replay(&interpreter).unwrap();
        assert_eq!(replayed.len(), 60, "{name}");
        for decision in replayed {
            assert!(decision.differences.is_empty(), "{name}: {decision:#?}");
        }
        for record in bundle.decisions.iter().filter_map(|decision| decision.record.as_ref()) {
            assert!(record.fuel > 100, "{name}");
            let ResultRecord::Decided(outcome) = &record.result else { panic!("{name}: {}", record.result) };
            acted += usize::from(!outcome.raise.is_empty() || !outcome.clear.is_empty() || !outcome.timers.is_empty());
        }
    }
    assert!(acted > 50, "only {acted} of the decisions did something");
}

#[test]
fn a_fault_is_the_same_fault_in_another_engine() {
    let config = EngineConfig { pool_size: 4, ..EngineConfig::default() };
    let interpreter = Engine::interpreter(&config).unwrap();
    let (native, event) = (engine(), readings(START, &[(Quantity::Gas, 1.0)]));
    for harm in [
        "unreachable",
        "(i32.div_u (i32.const 1) (i32.const 0))",
        "(i32.load (i32.const 0x7ffffff0))",
        "(loop $again (br $again)) unreachable",
        "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable",
    ] {
        let component = crate::components::hostile("", harm);
        let [here, there] = [&native, &interpreter]
            .map(|engine| engine.load(&engine.admit(&component).unwrap()).evaluate(&[0xa0], &[], &event));
        assert!(here.result.is_err(), "{harm}");
        assert_eq!(here, there, "{harm}");
    }
}

#[test]
fn a_component_is_in_the_file_once() {
    let bundle = household(20);
    assert_eq!((bundle.components.len(), bundle.decisions.len()), (1, 20));
    let mut whole = Bundle::new("one");
    for decision in &bundle.decisions {
        let record = decision.record.clone().map(|record| record.with_component(household_leak()));
        whole.add(BundledDecision { record, ..decision.clone() });
    }
    assert_eq!((&whole.components, &whole.decisions), (&bundle.components, &bundle.decisions));
}

#[test]
fn a_component_that_was_altered_is_refused_by_its_digest() {
    let mut bundle = household(3);
    let named = bundle.components[0].digest;
    let last = bundle.components[0].component.0.len() - 1;
    bundle.components[0].component.0[last] ^= 1;
    match reopened(&bundle) {
        Err(error @ BundleError::Altered(_)) => {
            let words = error.to_string();
            assert!(
                words.contains("altered")
                    && words.contains(&format!("expected a component with the digest {named}, got one with sha256:")),
                "{words}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn everything_that_does_not_fit_is_named() {
    let mut bundle = household(4);
    let again = bundle.components[0].clone();
    bundle.components.push(again);
    bundle.components.push(davy_rules::bundle::BundledComponent {
        digest: davy_rules::RuleDigest::of(b"other"),
        component: Hex(b"other".to_vec()),
    });
    bundle.decisions[1].number = 1;
    bundle.decisions[2].at_ms += 1;
    let record = bundle.decisions[3].record.as_mut().unwrap();
    record.rule = davy_rules::RuleDigest::of(b"a third");
    record.format = "davy-decision/9".into();
    let words = reopened(&bundle).unwrap_err().to_string();
    for part in [
        "is there twice",
        "made none of the decisions",
        "decision 1 is there twice",
        "decision 3 is said to be of",
        "decision 4: expected a record of the format davy-decision/1, got davy-decision/9",
        "decision 4 was made by sha256:",
    ] {
        assert!(words.contains(part), "expected {part:?} in\n{words}");
    }
    let mut other = household(1);
    other.format = "davy-bundle/3".into();
    assert!(matches!(reopened(&other), Err(BundleError::Format(format)) if format == "davy-bundle/3"));
    assert!(matches!(Bundle::open(b"{}"), Err(BundleError::Form(_))));
    let mut more: Value = serde_json::from_str(&household(1).to_json().unwrap()).unwrap();
    more["signed-by"] = "nobody".into();
    assert!(
        matches!(Bundle::open(more.to_string().as_bytes()), Err(BundleError::Form(_))),
        "nothing unknown is passed over"
    );
}

#[test]
fn a_decision_that_was_altered_shows_where() {
    let engine = engine();
    let parts = |alter: &dyn Fn(&mut DecisionRecord)| -> Vec<(i64, &'static str)> {
        let mut bundle = household(12);
        alter(bundle.decisions[8].record.as_mut().unwrap());
        let replayed = reopened(&bundle).unwrap().replay(&engine).unwrap();
        let differences = |decision: &davy_rules::bundle::Replayed| {
            let number = decision.number;
            decision.differences.iter().map(move |found| (number, found.part)).collect::<Vec<_>>()
        };
        replayed.iter().flat_map(differences).collect()
    };
    assert_eq!(parts(&|_| {}), []);
    assert_eq!(parts(&|record| record.fuel += 1), [(9, "fuel")]);
    let close = parts(&|record| {
        let ResultRecord::Decided(outcome) = &mut record.result else { panic!() };
        outcome.close_valve = !outcome.close_valve;
    });
    assert_eq!(close, [(9, "close-valve")]);
    let measured = parts(&|record| record.event.readings[0].value = Exact(0.0));
    assert!(!measured.is_empty() && measured.iter().all(|(number, _)| *number == 9), "{measured:?}");
    let settings = parts(&|record| record.settings = Hex(vec![0xff]));
    assert!(settings.contains(&(9, "result")), "{settings:?}");
}

/// Decisions of a shipped notification policy about an alarm, one after the other.
fn told(engine: &Engine) -> Bundle {
    use davy_rules::notification::record::{EventRecord, FORMAT, NotificationRecord, ResultRecord};
    use davy_rules::world::Notification;
    use davy_rules_sdk::contract::notification::Event;
    let component = example("escalation");
    let rule = engine.load(&engine.admit_as::<Notification>(&component).unwrap());
    let settings = rule.encode_settings("{}").unwrap();
    let mut bundle = household(3);
    bundle.add_component(&component);
    let mut state = Vec::new();
    for step in 0..6 {
        let event = EventRecord {
            trigger: if step == 0 { 1 } else { 2 },
            timer_id: u32::from(step > 0),
            send_id: 0,
            failure: 0,
            now_ms: START + step * 300_000,
            raised_at_ms: START,
            acknowledged_at_ms: None,
            condition: 2,
            priority: 4,
            holds: true,
            device_kind: 1,
            valve_state: 2,
            premises_class: 1,
            local_minute: 600,
            quiet_hours: false,
            recipients: vec![(1, 0, 0b10, true), (3, 0, 0b110, true), (5, 0, 0b110, true)],
            extensions: Vec::new(),
        };
        let evaluated = rule.decide(&settings, &state, &Event::from(&event));
        let record = NotificationRecord {
            format: FORMAT.into(),
            rule: rule.digest(),
            tier: rule.tier(),
            settings_version: 1,
            settings: Hex(settings.to_vec()),
            state_before: Hex(state.clone()),
            result: ResultRecord::from(&evaluated.result),
            fuel: evaluated.fuel,
            event,
        };
        // A number of an alarm's decision too: they are counted apart.
        bundle.add_notification(BundledNotification { number: step + 1, at_ms: record.event.now_ms, record });
        state = evaluated.result.unwrap().state;
    }
    bundle
}

#[test]
fn decisions_on_whom_to_tell_are_made_again_beside_those_of_alarms_in_both_engines() {
    let native = engine();
    let interpreter = Engine::interpreter(&EngineConfig { pool_size: 4, ..EngineConfig::default() }).unwrap();
    let bundle = reopened(&told(&native)).unwrap();
    assert_eq!(bundle.format, "davy-bundle/2");
    for engine in [&native, &interpreter] {
        assert!(bundle.replay(engine).unwrap().iter().all(|decision| decision.differences.is_empty()));
        let again = bundle.replay_notifications(engine).unwrap();
        assert_eq!(again.len(), 6);
        for decision in again {
            assert!(decision.differences.is_empty() && decision.rule.fuel > 100, "{decision:#?}");
            assert_eq!(decision.rule.name, "escalation");
        }
    }
}

#[test]
fn a_decision_on_whom_to_tell_that_was_altered_shows_where_and_one_that_does_not_fit_is_refused() {
    let engine = engine();
    let whole = told(&engine);
    let mut altered = whole.clone();
    altered.notifications[2].record.fuel += 1;
    altered.notifications[4].record.event.recipients.truncate(1);
    let again = reopened(&altered).unwrap().replay_notifications(&engine).unwrap();
    let parts = |at: usize| again[at].differences.iter().map(|difference| difference.part).collect::<Vec<_>>();
    assert_eq!(parts(2), ["fuel"]);
    assert!(!parts(4).is_empty(), "another event, and the same decision");
    assert!([0, 1, 3, 5].iter().all(|at| parts(*at).is_empty()));

    let mut twice = whole.clone();
    twice.notifications.push(twice.notifications[0].clone());
    let mut elsewhen = whole.clone();
    elsewhen.notifications[0].at_ms += 1;
    let mut bare = whole.clone();
    bare.components.retain(|component| component.digest != bare.notifications[0].record.rule);
    let mut early = whole;
    early.format = "davy-bundle/1".into();
    for (bundle, words) in [
        (twice, "is there twice"),
        (elsewhen, "its event is of"),
        (bare, "not in the bundle"),
        (early, "which has none"),
    ] {
        match reopened(&bundle) {
            Err(BundleError::Altered(faults)) => assert!(faults.iter().any(|it| it.contains(words)), "{faults:?}"),
            other => panic!("{words}: {other:?}"),
        }
    }
}

#[test]
fn a_bundle_without_decisions_on_whom_to_tell_is_as_it_always_was() {
    let file = household(2).to_json().unwrap();
    assert!(file.contains("davy-bundle/1") && !file.contains("notifications"), "an earlier davyctl reads it");
}
