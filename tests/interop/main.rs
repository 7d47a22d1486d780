//! The real server and our client role against aiocoap, a CoAP and OSCORE implementation that nobody here wrote.
//!
//! Ignored unless asked for, because it needs a Python with aiocoap: `cargo xtask test --only interop`.

// Test code outside of `#[test]` functions too: a failed expectation is how it speaks.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod client;
mod labels;
mod peer;
mod server;
