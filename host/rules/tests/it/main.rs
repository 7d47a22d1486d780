//! Real components through the real engine: the example rule, and components that mean harm.

mod admission;
mod cache;
mod components;
mod determinism;
mod explain;
mod fixtures;
mod hostile;
mod mutation;
mod settings;
