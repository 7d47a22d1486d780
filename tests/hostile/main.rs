//! The hostile corpus through the real admitting child: refused where it must be, with words that help, or let in and contained.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it found by panicking")]

mod cases;
mod child;
mod conformance;
mod corpus;

use davy_rules::{Admission, Engine, EngineConfig};
use davy_tests::programs;

fn engine() -> Engine {
    Engine::new(&EngineConfig { pool_size: 4, ..EngineConfig::default() }).unwrap()
}

/// Admission in children of the built program of rule authors.
fn admission() -> Admission {
    Admission::by(programs::program("davyctl").unwrap(), &["rule", "admit"])
}
