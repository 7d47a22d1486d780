//! Real components through the real engine: the example rule, and components that mean harm.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it found by panicking")]

mod admission;
mod backtest;
mod batch;
mod billing;
mod bundle;
mod cache;
mod components;
mod contract;
mod determinism;
mod explain;
mod fixtures;
mod hostile;
mod hostile_driver;
mod hostile_worlds;
mod mutation;
mod settings;
mod tier;
mod wake;
