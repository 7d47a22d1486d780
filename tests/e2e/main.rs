//! The whole way with real people's means: devices over UDP, a real browser over HTTP, rules that mean harm.
//!
//! Ignored unless asked for, because it needs Chromium: `cargo xtask test --only browser`.

mod browser;
mod hostile;
mod pages;
