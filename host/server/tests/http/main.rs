//! The HTTP side of the server, whole: a real store, a real ingest, every route through the real router.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says so by panicking"
)]

mod access;
mod accounts;
mod approvals;
mod attacks;
mod authorisation;
mod bad_input;
mod city;
mod closing;
mod forms;
mod idle;
mod imports;
mod labels;
mod ledger;
mod live;
mod map;
mod operation;
mod people;
mod personal;
mod postgres;
mod reading;
mod replay;
mod rule_forms;
mod sign_in;
mod tenants;
mod tls;
mod usage;
mod way_back;
