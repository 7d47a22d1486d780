//! The whole way with real people's means: devices over UDP, a real browser over HTTP, rules that mean harm.
//!
//! Ignored unless asked for, because it needs Chromium: `cargo xtask test --only browser`.

// Test code outside of `#[test]` functions too: a failed expectation is how it speaks.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod access;
mod browser;
mod hostile;
mod hostile_worlds;
mod pages;
mod pictures;
mod rules;
mod second_factor;
