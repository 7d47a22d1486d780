//! What holds across crates and needs no other program.

mod house_rules;
mod layering;
mod protocol;
