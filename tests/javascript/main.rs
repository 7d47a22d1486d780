//! The household's leak rule in JavaScript: let in by the large tier and by no other, and decision for decision the one in Rust.
//!
//! Needs the components that `cargo xtask test --only javascript` makes with Node; a plain `cargo test` leaves it out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it found by panicking")]

mod admitted;
mod alike;
mod determined;

use davy_rules::world::Alarm;
use davy_rules::{Admission, Admitted, AlarmRule, CompileCache, Engine, EngineConfig, Tier};
use davy_tests::programs;
use std::path::Path;

fn engine() -> Engine {
    Engine::new(&EngineConfig { pool_size: 4, ..EngineConfig::default() }).unwrap()
}

/// Admission in children of the built program of rule authors.
fn admission() -> Admission {
    Admission::by(programs::program("davyctl").unwrap(), &["rule", "admit"])
}

/// What one test compiled, the next one finds: each of these components takes the better part of a minute.
fn cache() -> CompileCache {
    CompileCache::open(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("javascript"), [7; 32]).unwrap()
}

/// A component that `cargo xtask` has built.
fn component(name: &str) -> Vec<u8> {
    let file = programs::rules().unwrap().join(name);
    std::fs::read(&file).unwrap_or_else(|error| {
        panic!("{} is not there ({error}): run `cargo xtask test --only javascript`", file.display())
    })
}

fn household_leak_js() -> Vec<u8> {
    component("household-leak-js.wasm")
}

fn loaded(engine: &Engine, component: &[u8]) -> AlarmRule {
    let admitted: Admitted<Alarm> = admission().load(engine, component, Tier::Large, Some(&cache())).unwrap();
    engine.load(&admitted)
}
