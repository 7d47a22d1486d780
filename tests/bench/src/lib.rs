//! What the bench and the demo measure with: the ceiling loop, and the database's own count of what was stored.
//!
//! Must never be part of the product.

pub mod admission;
pub mod audit;
pub mod backtest;
pub mod calls;
pub mod chain;
pub mod import;
pub mod lean;
pub mod ledger;
pub mod requests;
pub mod tenants;
