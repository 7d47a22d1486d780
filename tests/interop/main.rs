//! The real server and our client role against aiocoap, a CoAP and OSCORE implementation that nobody here wrote.
//!
//! Ignored unless asked for, because it needs a Python with aiocoap: `cargo xtask test --only interop`.

mod client;
mod peer;
mod server;
