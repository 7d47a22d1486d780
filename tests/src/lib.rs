//! Tests across crates
