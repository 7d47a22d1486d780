//! The `davy` binary.

fn main() {}
