//! Random bytes and damaged components: whatever comes, admission answers and does not panic, and what is admitted after all
//! keeps to its limits.

use crate::components::{engine, household_leak, readings};
use davy_domain::Quantity;
use davy_rules::Engine;
use proptest::prelude::*;
use std::sync::OnceLock;

fn shared_engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(engine)
}

fn try_it(component: &[u8]) {
    let engine = shared_engine();
    match engine.admit(component) {
        Ok(admitted) => {
            let rule = engine.load(&admitted);
            let event = readings(1_800_000_000_000, &[(Quantity::Gas, 30.0)]);
            let evaluation = rule.evaluate(&[0xa0], &[], &event);
            assert!(evaluation.fuel <= engine.config().fuel);
        }
        Err(refusal) => assert!(!refusal.reason.is_empty() && !refusal.remedy.is_empty()),
    }
}

/// How many damaged components: more with `DAVY_MUTATIONS`.
fn cases() -> ProptestConfig {
    let cases = std::env::var("DAVY_MUTATIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(96);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn flipped_bits_never_panic(flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 1..6)) {
        let mut component = household_leak().to_vec();
        for (at, bit) in flips {
            let at = at.index(component.len());
            component[at] ^= 1 << bit;
        }
        try_it(&component);
    }

    #[test]
    fn cut_doubled_and_overwritten_parts_never_panic(
        from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>(), length in 1..64_usize, how in 0..3_u8
    ) {
        let mut component = household_leak().to_vec();
        let (from, to) = (from.index(component.len()), to.index(component.len()));
        let part = component[from..component.len().min(from + length)].to_vec();
        match how {
            0 => drop(component.drain(from..from + part.len())),
            1 => drop(component.splice(to..to, part)),
            _ => {
                let end = component.len().min(to + part.len());
                component[to..end].copy_from_slice(&part[..end - to]);
            }
        }
        try_it(&component);
    }

    #[test]
    fn random_bytes_never_panic(tail in prop::collection::vec(any::<u8>(), 0..2_000), headed: bool) {
        let mut component = if headed { b"\0asm\x0d\0\x01\0".to_vec() } else { Vec::new() };
        component.extend(tail);
        try_it(&component);
    }
}
