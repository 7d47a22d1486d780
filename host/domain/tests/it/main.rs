//! Tests of the domain from outside, one module for each behaviour.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod behaviour;
mod floor;
mod handover;
mod invariants;
mod mending;
mod premises;
mod release;
mod senml;
mod transition_tables;
mod wire;
