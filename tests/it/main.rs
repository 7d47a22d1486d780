//! What holds across crates, and what the built programs say to each other.

// Test code outside of `#[test]` functions too: a failed expectation is how it speaks.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod command_lines;
mod compiled_rules;
mod configuration;
mod documents;
mod explain;
mod house_rules;
mod layering;
mod operations;
mod protocol;
mod provisioning;
