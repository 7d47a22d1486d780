//! What the tests across crates share: the real programs, started with a small city, and ended whatever happens.
//!
//! Must never stand in for a part of the product: everything here starts, asks or ends the real thing.

pub mod api;
pub mod corpus;
pub mod credentials;
pub mod database;
pub mod device;
pub mod hostile;
pub mod platform;
pub mod programs;
