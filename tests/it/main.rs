//! What holds across crates and needs no other program.

mod configuration;
mod house_rules;
mod layering;
mod protocol;
