//! The HTTP side of the server, whole: a real store, a real ingest, every route through the real router.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says so by panicking"
)]

mod access;
mod bad_input;
mod city;
mod closing;
mod forms;
mod idle;
mod live;
mod map;
mod operation;
mod postgres;
mod reading;
mod rule_forms;
mod sign_in;
