//! A component's own cases: run before it is let in, refused by name when one comes out otherwise, and part of its digest.

use crate::{admission, engine};
use davy_rules::cases::{self, Case};
use davy_rules::{AdmissionError, Refusal, RuleDigest, Stage, Tier, package};
use davy_tests::{corpus, programs};
use std::path::Path;

fn refusal(component: &[u8]) -> Refusal {
    match admission().examine(&engine(), component, Tier::Standard, None) {
        Err(AdmissionError::Refused(refusal)) => refusal,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

fn case(name: &str, expect: &str) -> Case {
    let text =
        format!(r#"{{"about": "A leak", "steps": [{{"at-s": 0, "readings": [{{"gas": 40}}], "expect": {expect}}}]}}"#);
    Case(name.into(), text)
}

const RAISES: &str = r#"{"raises": [{"condition": "gas-high", "priority": "urgent"}], "close-valve": "gas-high"}"#;

#[test]
fn the_crates_fixtures_are_packed_run_and_reported() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rules");
    let folder = programs::root().join("example-rules/escalation");
    let component = package::build_crate(&folder, Some(&target)).unwrap().component;
    let packed = cases::of(&component).unwrap();
    assert_eq!(packed, cases::read_folder(&folder.join("fixtures")).unwrap());
    let examined = admission().examine(&engine(), &component, Tier::Standard, None).unwrap();
    let passed: Vec<_> = examined.report.cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(passed, packed.iter().map(|case| case.0.as_str()).collect::<Vec<_>>());
    assert!(examined.report.cases.iter().all(|case| case.decisions > 0 && case.most_fuel > 0));
}

#[test]
fn a_case_that_comes_out_otherwise_is_refused_by_its_name_and_difference() {
    let strict = corpus::strict();
    let good = cases::embed(&strict, &[case("alarms", RAISES)]).unwrap();
    admission().examine(&engine(), &good, Tier::Standard, None).unwrap();
    assert_ne!(RuleDigest::of(&good), RuleDigest::of(&strict));
    let low = RAISES.replace("urgent", "low");
    let bad = cases::embed(&strict, &[case("alarms", RAISES), case("whispers", &low)]).unwrap();
    let refusal = refusal(&bad);
    assert_eq!(refusal.stage, Stage::Cases);
    assert_eq!(refusal.place, "case `whispers`");
    assert!(refusal.reason.contains("priority low") && refusal.reason.contains("priority urgent"), "{refusal}");
    assert!(refusal.remedy.contains("davyctl rule test"), "{refusal}");
}

#[test]
fn cases_that_cannot_be_run_are_refused() {
    let strict = corpus::strict();
    let bad = cases::embed(&strict, &[Case("none".into(), "{}".into())]).unwrap();
    assert!(refusal(&bad).reason.contains("the case `none` cannot be used"));
    let twice = cases::embed(&cases::embed(&strict, &[case("a", RAISES)]).unwrap(), &[case("b", RAISES)]).unwrap();
    let refusal = refusal(&twice);
    assert!(refusal.stage == Stage::Cases && refusal.reason.contains("a second one"), "{refusal}");
}
