//! What holds across crates and needs no other program.

// Test code outside of `#[test]` functions too: a failed expectation is how it speaks.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod command_lines;
mod configuration;
mod house_rules;
mod layering;
mod protocol;
mod provisioning;
