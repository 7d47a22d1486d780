//! The `davy` server as a library: settings, HTTP, provisioning and the wiring that `main` starts.
//!
//! Only `main` reads the real clock and the operating system's random source; everything here takes them as parameters.

pub mod clock;
pub mod config;
pub mod live;
pub mod operate;
