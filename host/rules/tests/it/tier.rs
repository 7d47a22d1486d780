//! What a tier changes for a rule that was let in: its budget of fuel, and nothing else; and that a decision made again gets the
//! budget that it had.

use crate::components::{OutcomeCode, engine, hostile, readings};
use davy_domain::Quantity;
use davy_domain::policy::PolicyFault;
use davy_rules::bundle::{Bundle, BundledDecision};
use davy_rules::explain::DecisionRecord;
use davy_rules::world::Alarm;
use davy_rules::{CompileCache, Engine, Tier};

/// A rule that turns around so often before it decides.
fn turns(times: u32) -> Vec<u8> {
    let items = "(global $left (mut i32) (i32.const 0))";
    let body = format!(
        "(global.set $left (i32.const {times}))
         (loop $again
            (global.set $left (i32.sub (global.get $left) (i32.const 1)))
            (br_if $again (global.get $left)))
         {}",
        OutcomeCode::new().done()
    );
    hostile(items, &body)
}

fn decision(engine: &Engine, component: &[u8], tier: Tier) -> DecisionRecord {
    let rule = engine.load::<Alarm>(&engine.admit_in(component, tier).unwrap());
    assert_eq!((rule.tier(), rule.fuel_budget()), (tier, engine.config().fuel_of(tier)));
    let event = readings(1_800_000_000_000, &[(Quantity::Gas, 1.0)]);
    let evaluation = rule.evaluate(&[0xa0], &[], &event);
    DecisionRecord::new(rule.digest(), 1, &[0xa0], &[], &event, &evaluation).in_tier(tier)
}

#[test]
fn what_exhausts_the_standard_budget_may_be_within_the_large_one() {
    let engine = engine();
    let (standard, large) = (engine.config().fuel, engine.config().large_fuel);
    let component = turns(1_000_000);
    let fault = decision(&engine, &component, Tier::Standard).result;
    assert_eq!(fault.fault(), Some(&PolicyFault::OutOfFuel { limit: standard }));
    let decided = decision(&engine, &component, Tier::Large);
    assert!(decided.result.fault().is_none() && decided.fuel > standard, "{decided:?}");
    let endless = decision(&engine, &turns(0), Tier::Large).result;
    assert_eq!(endless.fault(), Some(&PolicyFault::OutOfFuel { limit: large }));
}

#[test]
fn a_decision_made_again_has_the_budget_of_its_tier() {
    let (engine, component) = (engine(), turns(1_000_000));
    for tier in Tier::ALL {
        let record = decision(&engine, &component, *tier);
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(text.contains("\"tier\""), !tier.is_standard(), "the standard one goes without saying: {text}");
        let read: DecisionRecord = serde_json::from_str(&text).unwrap();
        assert_eq!(read.replay(&engine, Some(&component)).unwrap().differences, [], "{tier}");

        let mut bundle = Bundle::new("alm_1");
        bundle.add_component(&component);
        let at_ms = record.event.now_ms;
        let device = davy_domain::DeviceId::from_raw(1);
        bundle.add(BundledDecision { number: 1, device, at_ms, floor: Vec::new(), record: Some(record) });
        assert_eq!(bundle.replay(&engine).unwrap()[0].differences, [], "{tier}");
    }
    let other = decision(&engine, &component, Tier::Large).in_tier(Tier::Standard);
    assert_eq!(other.replay(&engine, Some(&component)).unwrap().differences[0].part, "result");
}

#[test]
fn what_the_cache_holds_gets_the_budget_that_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let cache = CompileCache::open(folder.path(), [4; 32]).unwrap();
    let (engine, component) = (engine(), turns(1));
    let here = davy_rules::Admission::here();
    for tier in [Tier::Large, Tier::Standard] {
        let admitted = here.load::<Alarm>(&engine, &component, tier, Some(&cache)).unwrap();
        assert_eq!(engine.load(&admitted).fuel_budget(), engine.config().fuel_of(tier));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
