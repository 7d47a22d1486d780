//! The child's limits hold, and its death is told in words; what it compiled is the same as what this process would have.

use crate::{admission, engine};
use davy_rules::world::{Alarm, Billing};
use davy_rules::{Admission, AdmissionError, CompileCache, ProcessLimits, Refusal, Stage, Tier};
use davy_tests::{corpus, programs};

fn refusal(admission: &Admission, bytes: &[u8]) -> Refusal {
    match admission.examine(&engine(), bytes, Tier::Standard, None) {
        Err(AdmissionError::Refused(refusal)) => refusal,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// Within every cap, and dear to compile: nearly as many locals times branches as are allowed.
fn dear() -> Vec<u8> {
    let branch = "(if (i32.eqz (i32.const 1)) (then (local.set 0 (local.get 1))))";
    let function = format!("(func (local {}) {})", "i64 ".repeat(900), branch.repeat(1_000));
    corpus::Rule::default().with(function).component()
}

#[test]
fn a_child_that_may_not_have_the_memory_that_it_needs_refuses_where_it_stands() {
    // Enough for the checks before it, too little for the compiler's stack.
    let limits = ProcessLimits { memory_mib: 24, cpu_s: 60, wall_s: 240 };
    let refusal = refusal(&admission().with_limits(limits), &dear());
    assert_eq!(refusal.stage, Stage::Compile, "{refusal}");
    assert!(refusal.reason.contains("no thread for the compiler"), "{refusal}");
}

#[test]
fn a_child_that_takes_too_much_processor_time_is_ended_and_told_of() {
    // Unoptimised or not, compiling this takes longer than the child's first instants.
    let limits = ProcessLimits { memory_mib: 512, cpu_s: 0, wall_s: 240 };
    let refusal = refusal(&admission().with_limits(limits), &dear());
    assert!(refusal.reason.contains("processor time"), "{refusal}");
}

#[test]
fn a_child_that_takes_too_long_is_ended_and_told_of() {
    let limits = ProcessLimits { memory_mib: 512, cpu_s: 60, wall_s: 0 };
    let refusal = refusal(&admission().with_limits(limits), &dear());
    assert!(refusal.reason.contains("longer than 0 s"), "{refusal}");
}

#[test]
fn a_program_that_is_not_there_or_no_child_is_no_fault_of_the_component() {
    let bytes = corpus::honest();
    for admission in [
        Admission::by("/nonexistent/davyctl".into(), &["rule", "admit"]),
        Admission::by("/bin/true".into(), &[]),
        Admission::by(programs::program("davyctl").unwrap(), &["rule", "admit", "another word"]),
    ] {
        let error = admission.examine(&engine(), &bytes, Tier::Standard, None).unwrap_err();
        assert!(matches!(error, AdmissionError::Machine { .. }), "{error}");
        assert!(error.to_string().contains("not the component's fault"), "{error}");
    }
}

#[test]
fn both_programs_admit_and_a_component_of_another_world_is_refused_by_name() {
    let bytes = corpus::strict();
    let server = Admission::by(programs::program("davy").unwrap(), &["admit-rule"]);
    for admission in [server, admission(), Admission::here()] {
        let (admitted, report) = admission.examine_as::<Alarm>(&engine(), &bytes, Tier::Standard, None).unwrap();
        assert_eq!(admitted.description().name, "hostile");
        assert!(report.conformance.unwrap().conforms());
        let error = admission.load::<Billing>(&engine(), &bytes, Tier::Standard, None).unwrap_err();
        assert!(error.to_string().contains("expected a billing policy"), "{error}");
    }
}

#[test]
fn what_a_child_compiled_is_kept_and_decides_as_what_this_process_compiles() {
    let folder = tempfile::tempdir().unwrap();
    let cache = CompileCache::open(folder.path(), [3; 32]).unwrap();
    let (engine, bytes) = (engine(), corpus::strict());
    let by_child = admission().load::<Alarm>(&engine, &bytes, Tier::Standard, Some(&cache)).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    // From the cache: no program is started.
    let nobody = Admission::by("/nonexistent/davyctl".into(), &[]);
    let cached = nobody.load::<Alarm>(&engine, &bytes, Tier::Standard, Some(&cache)).unwrap();
    let here = engine.admit(&bytes).unwrap();
    let event = crate::conformance::leak();
    let decisions = [by_child, cached, here].map(|admitted| engine.load(&admitted).evaluate(&[0xa0], &[], &event));
    assert!(decisions[0].result.as_ref().unwrap().close_valve);
    assert!(decisions.iter().all(|decision| *decision == decisions[0]), "{decisions:?}");
}

#[test]
fn each_stage_is_told_when_it_begins() {
    let bytes = corpus::honest();
    let mut told = Vec::new();
    let admission = admission();
    admission.examine_with(&engine(), &bytes, Tier::Standard, Some("{}"), None, &mut |stage| told.push(stage)).unwrap();
    let expected: Vec<_> = Stage::ALL.iter().copied().filter(|stage| *stage != Stage::Schema).collect();
    assert_eq!(told, expected, "the schema is read with the description");
}
