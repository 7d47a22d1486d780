//! The `davy` server as a library: settings, ingest, HTTP, provisioning and the wiring that `main` starts.
//!
//! Only `main` reads the real clock and the operating system's random source; everything here takes them as parameters.

pub mod accounts;
pub mod archive;
pub mod backend;
pub mod clock;
pub mod config;
pub mod http;
pub mod ingest;
pub mod keys;
pub mod labels;
pub mod ledger;
pub mod live;
pub mod operate;
pub mod provision;
pub mod roles;
pub mod rules;
pub mod serve;
pub mod shares;
pub mod step_up;
