//! An invented city: real districts, invented streets, companies and people, as a manifest for `davy provision`.
//!
//! Deterministic by seed. Must never name a real company, street or person: every such name says that it is an example.

mod chance;
mod districts;
mod manifest;

pub use chance::Chance;
pub use districts::{District, Districts};
pub use manifest::{City, Plan, SignIn};
