//! Every component of the corpus comes to the end that it must come to.

use crate::conformance::leak;
use crate::{admission, engine};
use davy_domain::policy::PolicyFault;
use davy_rules::{Admission, AdmissionError, Admitted, AlarmRule, Engine, Refusal, Tier};
use davy_tests::corpus::{self, End, Fault, Hostile};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn examine(admission: &Admission, engine: &Engine, hostile: &Hostile) -> Result<Admitted, Refusal> {
    match admission.examine_as(engine, &hostile.bytes, Tier::Standard, None) {
        Ok((admitted, _)) => Ok(admitted),
        Err(AdmissionError::Refused(refusal)) => Err(refusal),
        Err(error @ AdmissionError::Machine { .. }) => panic!("{}: {error}", hostile.name),
    }
}

/// What differs from what must be, in words.
fn wrong(admission: &Admission, engine: &Engine, hostile: &Hostile) -> Option<String> {
    let examined = examine(admission, engine, hostile);
    match (hostile.end, examined) {
        (End::Refused(stage, words), Err(refusal)) => {
            let is = refusal.stage == stage && refusal.reason.contains(words);
            let whole = [&refusal.reason, &refusal.place, &refusal.remedy].iter().all(|part| !part.is_empty());
            let told = refusal.lacking().is_empty();
            (!is || !whole || !told).then(|| {
                format!("expected a refusal at {stage} with `{words}` and all values of its codes, got {refusal:?}")
            })
        }
        (End::Contained(fault), Ok(admitted)) => contained(&engine.load(&admitted), fault),
        (End::Repeats, Ok(admitted)) => repeats(&engine.load(&admitted)),
        (end @ End::Refused(..), Ok(_)) => Some(format!("expected {end:?}, and it was admitted")),
        (end @ (End::Contained(_) | End::Repeats), Err(refusal)) => Some(format!("expected {end:?}, got {refusal}")),
    }
}

fn contained(rule: &AlarmRule, expected: Fault) -> Option<String> {
    for _ in 0..3 {
        let result = rule.evaluate(&[0xa0], &[], &leak()).result;
        let is = match &result {
            Err(PolicyFault::Trap { .. }) => expected == Fault::Trap,
            Err(PolicyFault::OutOfFuel { .. }) => matches!(expected, Fault::OutOfFuel | Fault::Time),
            Err(PolicyFault::Deadline) => expected == Fault::Time,
            Err(PolicyFault::Limit { .. }) => expected == Fault::Limit,
            Err(PolicyFault::Nonsense { .. }) => expected == Fault::Nonsense,
            Err(PolicyFault::Reported { .. } | PolicyFault::Suspended) | Ok(_) => false,
        };
        if !is {
            return Some(format!("expected {expected:?} at work, got {result:?}"));
        }
    }
    None
}

fn repeats(rule: &AlarmRule) -> Option<String> {
    let first = rule.evaluate(&[0xa0], &[], &leak());
    let state = match &first.result {
        Ok(outcome) if outcome.state.len() == 8 => outcome.state.clone(),
        other => return Some(format!("expected eight bytes of state, got {other:?}")),
    };
    for _ in 0..3 {
        // A neighbour's call in between must not matter either.
        let again = rule.evaluate(&[0xa0], &[], &leak());
        if again != first {
            return Some(format!("the same event gave {first:?} and then {again:?}"));
        }
    }
    // A number that is none has one form: the payload that was asked for is gone.
    (f64::from_le_bytes(state.try_into().unwrap()).is_nan()
        && first.result.is_ok_and(|outcome| outcome.state != f64::NAN.to_bits().to_le_bytes()))
    .then(|| "the bits of what is no number differ from the canonical ones".to_owned())
}

#[test]
fn the_corpus_has_many_components_and_no_two_alike() {
    let all = corpus::all();
    assert!(all.len() >= 100, "{} components", all.len());
    let names: BTreeSet<_> = all.iter().map(|hostile| hostile.name).collect();
    let bytes: BTreeSet<_> = all.iter().map(|hostile| &hostile.bytes).collect();
    assert_eq!((names.len(), bytes.len()), (all.len(), all.len()));
    let mut ends = BTreeMap::<String, u32>::new();
    for hostile in &all {
        let end = match hostile.end {
            End::Refused(stage, _) => stage.to_string(),
            End::Contained(_) => "contained".into(),
            End::Repeats => "repeats".into(),
        };
        *ends.entry(end).or_default() += 1;
    }
    println!("{} components: {ends:?}", all.len());
}

#[test]
fn each_is_refused_at_its_stage_or_contained_at_work_and_this_process_does_not_grow() {
    let (engine, admission, all) = (engine(), admission(), corpus::all());
    // What the engine and the first artifacts need, once.
    for hostile in all.iter().filter(|hostile| !matches!(hostile.end, End::Refused(..))).take(3) {
        assert_eq!(wrong(&admission, &engine, hostile), None, "{}", hostile.name);
    }
    let before = resident_kib();
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    // As many at once as admission lets through.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(hostile) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Some(what) = wrong(&admission, &engine, hostile) {
                        failures.lock().unwrap().push(format!("{}: {what}", hostile.name));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    let grown = resident_kib().saturating_sub(before);
    println!("{} components; this process grew by {grown} KiB", all.len());
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), all.len(), failures.join("\n"));
    assert!(grown < 96 << 10, "{grown} KiB more than before");
}

#[test]
fn what_means_no_harm_in_the_same_frame_is_let_in() {
    let (engine, admission) = (engine(), admission());
    for (name, bytes) in [("honest", corpus::honest()), ("strict", corpus::strict())] {
        if let Err(error) = admission.examine(&engine, &bytes, Tier::Standard, None) {
            panic!("{name}: {error}");
        }
    }
}
